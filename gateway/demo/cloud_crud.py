"""The generic functions of the cloud: list, get, create, change and delete rows of one table, defects included."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.demo.cloud_answer import Answer, Call, Refused, broken, done, not_found
from gateway.demo.cloud_database import Database, Row
from gateway.demo.cloud_resources import RESOURCES, Resource
from gateway.demo.cloud_schema import ENUMS, TABLES
from gateway.demo.cloud_values import DatabaseError, stored

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
PROTECTED = frozenset(("tenant_id", "id", "created_at"))

Keep = Callable[[Row], bool]


class Crud:
    def __init__(self, database: Database) -> None:
        self._db = database

    def serve(self, call: Call) -> Answer:
        resource = RESOURCES[call.function]
        match call.method:
            case "GET" if call.id:
                return self._get(call, resource)
            case "GET":
                return self._list(call, resource)
            case "POST" | "PATCH" | "PUT" | "DELETE" if resource.table == "webhook_logs":
                verb = {"POST": "Creating", "DELETE": "Deleting"}.get(call.method, "Updating")
                raise broken(f"{verb} webhook logs directly is not allowed")
            case "POST":
                return self._create(call, resource)
            case "PATCH" | "PUT":
                return self._change(call, resource)
            case "DELETE":
                return self._delete(call, resource)
            case other:
                raise Refused(400, "BAD_REQUEST", f"Method {other} not allowed")

    def _get(self, call: Call, resource: Resource) -> Answer:
        if resource.runs_early:
            raise broken("query.maybeSingle is not a function")
        row = self._find(call, resource, "fetch")
        if row is None:
            raise not_found(resource.table, call.id)
        return done({resource.singular: resource.view(self._db, row)})

    def _list(self, call: Call, resource: Resource) -> Answer:
        try:
            keep = [*self._filters(call, resource), *self._own_filters(call, resource)]
        except DatabaseError as exc:
            raise broken(f"Failed to fetch {resource.table}: {exc}") from None
        rows = [row for row in self._rows(call, resource) if all(test(row) for test in keep)]
        rows = _sorted(rows, resource, call.query)
        limit, offset = _number(call.query, "limit", LIMIT_DEFAULT), _number(call.query, "offset", 0)
        if limit is not None:
            limit = max(1, min(LIMIT_MAX, limit))
        total = len(rows)
        if resource.runs_early or limit is None or offset is None:
            rows = rows[:LIMIT_MAX]
        elif offset > total:
            raise broken(f"Failed to fetch {resource.table}: Requested range not satisfiable")
        else:
            rows = rows[max(0, offset) : max(0, offset + limit)]
        shown = [resource.view(self._db, row) for row in rows]
        return done({resource.table: shown, "pagination": {"total": total, "offset": offset, "limit": limit}})

    def _create(self, call: Call, resource: Resource) -> Answer:
        body = spread(call.json())
        try:
            row = self._db.insert(resource.table, {**body, "tenant_id": call.tenant.id})
        except DatabaseError as exc:
            raise broken(f"Failed to create {resource.table}: {exc}") from None
        return done({resource.singular: dict(row)}, 201)

    def _change(self, call: Call, resource: Resource) -> Answer:
        if not call.id:
            raise Refused(400, "BAD_REQUEST", "ID parameter is required for updates")
        body = {name: value for name, value in spread(call.json()).items() if name not in PROTECTED}
        if not body:
            raise not_found(resource.table, call.id)
        try:
            values = self._db.read(resource.table, body)
            row = self._find(call, resource, "update")
            if row is None:
                raise not_found(resource.table, call.id)
            changed = self._db.apply(resource.table, row, values)
        except DatabaseError as exc:
            raise broken(f"Failed to update {resource.table}: {exc}") from None
        return done({resource.singular: dict(changed)})

    def _delete(self, call: Call, resource: Resource) -> Answer:
        if not call.id:
            raise Refused(400, "BAD_REQUEST", "ID parameter is required for deletion")
        row = self._find(call, resource, "delete")
        reasons = resource.table == "scrap_reasons"
        if reasons and self._db.pointing("operation_quantities", "scrap_reason_id", call.id):
            text = "Cannot delete scrap reason that is referenced by operation quantities. Set active=false instead."
            raise Refused(409, "CONFLICT", f'{text} with undefined "undefined" already exists')
        if row is not None:
            try:
                if resource.soft_delete:
                    self._db.update(resource.table, row, {"deleted_at": self._db.now()})
                else:
                    self._db.delete(resource.table, row)
            except DatabaseError as exc:
                raise broken(f"Failed to delete {resource.table}: {exc}") from None
        return done({"message": "Scrap reason deleted successfully" if reasons else "Deleted successfully"})

    def _rows(self, call: Call, resource: Resource) -> list[Row]:
        if resource.table == "webhook_logs":
            mine = {row["id"] for row in self._db.where("webhooks", tenant_id=call.tenant.id)}
            return [row for row in self._db.where("webhook_logs") if row["webhook_id"] in mine]
        rows = self._db.where(resource.table, tenant_id=call.tenant.id)
        return [row for row in rows if not (resource.soft_delete and row["deleted_at"] is not None)]

    def _find(self, call: Call, resource: Resource, verb: str) -> Row | None:
        try:
            row_id = stored(TABLES[resource.table].columns["id"], call.id)
        except DatabaseError as exc:
            raise broken(f"Failed to {verb} {resource.table}: {exc}") from None
        row = self._db.get(resource.table, row_id)
        if row is None or row["tenant_id"] != call.tenant.id:
            return None
        return None if resource.soft_delete and row["deleted_at"] is not None else row

    @staticmethod
    def _filters(call: Call, resource: Resource) -> list[Keep]:
        columns = TABLES[resource.table].columns
        query = {**resource.assumes, **call.query}
        keep = [_equals(name, stored(columns[name], query[name])) for name in resource.exact if name in query]
        keep += [_like((name,), query[name]) for name in resource.fuzzy if name in query]
        if query.get("search") and resource.search:
            _refuse_broken_search(resource.search, query["search"])
            keep.append(_like(resource.search, query["search"]))
        return keep

    def _own_filters(self, call: Call, resource: Resource) -> list[Keep]:
        """Filters that only one resource knows."""
        query, columns = call.query, TABLES[resource.table].columns
        keep: list[Keep] = []
        ranges = {
            "time_entries": ("start_time", "start_date", "end_date"),
            "operation_quantities": ("recorded_at", "from_date", "to_date"),
        }
        if resource.table in ranges:
            column, first, last = ranges[resource.table]
            if query.get(first):
                keep.append(_between(column, stored(columns[column], query[first]), None))
            if query.get(last):
                keep.append(_between(column, None, stored(columns[column], query[last])))
        if resource.table == "operation_quantities":
            flags = (("has_scrap", "quantity_scrap"), ("has_rework", "quantity_rework"))
            keep += [_positive(column) for name, column in flags if query.get(name) == "true"]
            keep += [self._beneath(name, query[name]) for name in ("part_id", "job_id") if query.get(name)]
        return keep

    def _beneath(self, name: str, wanted: str) -> Keep:
        def keep(row: Row) -> bool:
            operation = self._db.tables["operations"][row["operation_id"]]
            return bool(
                (operation if name == "part_id" else self._db.tables["parts"][operation["part_id"]])[name] == wanted
            )

        return keep


def spread(body: Any) -> dict[str, Any]:
    """`{...body}` in JavaScript: of a list or a text the positions are the names."""
    if isinstance(body, dict):
        return body
    return {str(n): item for n, item in enumerate(body)} if isinstance(body, list | str) else {}


def _equals(name: str, value: Any) -> Keep:
    return lambda row: bool(row[name] == value)


def _positive(name: str) -> Keep:
    return lambda row: bool(row[name] > 0)


def _between(name: str, first: str | None, last: str | None) -> Keep:
    """Instants are compared as such: their text has no fixed length."""
    return lambda row: (
        (first is None or _moment(row[name]) >= _moment(first))
        and (last is None or _moment(row[name]) <= _moment(last))
    )


def _moment(text: str) -> str:
    whole, _, rest = text.partition("+")
    head, _, fraction = whole.partition(".")
    return f"{head}.{fraction:0<6}+{rest}"


def _like(names: tuple[str, ...], value: str) -> Keep:
    """`ilike %value%` on any of the columns; percent, star and underscore are wildcards."""
    wild = "".join(".*" if sign in "%*" else "." if sign == "_" else re.escape(sign) for sign in value)
    pattern = re.compile(wild, re.IGNORECASE | re.DOTALL)
    return lambda row: any(row[name] is not None and pattern.search(row[name]) is not None for name in names)


def _refuse_broken_search(names: tuple[str, ...], value: str) -> None:
    bad = re.search(r"[,().]", value)
    if bad is None:
        return
    tree = "(" + ",".join(f"{name}.ilike.%{value}%" for name in names) + ")"
    comma = tree.find(",", tree.index(value) + bad.start() + 1)
    where = len(tree) + 1 if comma < 0 else comma + 2  # one more bracket stands before it; columns start at 1
    raise DatabaseError(f'"failed to parse logic tree ({tree})" (line 1, column {where})')


def _sorted(rows: list[Row], resource: Resource, query: Mapping[str, str]) -> list[Row]:
    order = query.get("order")
    ascending = resource.ascending if order is None else order == "asc"
    names = (query["sort"],) if query.get("sort") in resource.sort else resource.order
    for name in reversed(names):
        filled = [row for row in rows if row[name] is not None]
        empty = [row for row in rows if row[name] is None]
        kind = TABLES[resource.table].columns[name].type
        filled.sort(key=lambda row: _sortable(kind, row[name]), reverse=not ascending)
        rows = filled + empty if ascending else empty + filled
    return rows


def _sortable(kind: str, value: Any) -> Any:
    if kind in ENUMS:
        return ENUMS[kind].index(value)
    return _moment(value) if kind == "timestamptz" else value


def _number(query: Mapping[str, str], name: str, default: int) -> int | None:
    """As parseInt reads it; None is its NaN."""
    if not query.get(name):
        return default
    match = re.match(r"\s*[+-]?\d+", query[name])
    return int(match.group()) if match else None
