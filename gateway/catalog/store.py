"""Rows by declaration: show, insert, update, delete. The only place where SQL is put together from parts.

Every name that ends up in SQL comes from a `Resource`, never from a request.
"""

import functools
import json
import re
import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import Any

from gateway.catalog import listed
from gateway.catalog.resources import Kind, Resource
from gateway.kernel.db import Tx
from gateway.kernel.errors import CellNotAllowed, Conflict, Invalid, NotFound, PreconditionFailed, SyncConflict
from gateway.outbox import journal
from gateway.outbox.event import Change, encode
from gateway.web import cursors
from gateway.web.cursors import Cursor
from gateway.web.listing import Listing

MATERIALS_MAX = 1_000
STATEMENTS_KEPT = 256  # one for each set of columns that somebody writes
FEW_MAX = 10_000  # rows that are sorted sooner than they are met in a million others
_PLACE = re.compile(r"\[(\d+)\]\.$")
_NEEDED = """
SELECT o.operation_name FROM operation_resources n JOIN operations o ON o.id = n.operation_id
WHERE n.resource_id = ? AND o.deleted_at IS NULL AND o.status <> 'completed' LIMIT 1
"""
_SOFT_DELETED = frozenset(("cells", "resources", "jobs", "parts", "operations"))


def shown(connection: sqlite3.Connection, resource: Resource, row_id: str) -> str:
    """One live row as JSON text. Raises NotFound."""
    return one(connection, resource, row_id, None)


def one(connection: sqlite3.Connection, resource: Resource, row_id: str, cells: frozenset[str] | None) -> str:
    """The same for a key that is limited to `cells`: what it may not see is not there."""
    return versioned(connection, resource, row_id, cells)[0]


def versioned(
    connection: sqlite3.Connection, resource: Resource, row_id: str, cells: frozenset[str] | None
) -> tuple[str, int]:
    """The row with its version; 0 where there is none."""
    values: dict[str, Any] = {"id": row_id}
    where = _where([f"{resource.table}.id = :id", *_seen(resource, cells, values)], resource)
    version = f"{resource.table}.row_version" if resource.versioned else "0"
    sql = f"SELECT {resource.row_json}, {version} FROM {resource.table}{where}"  # nosec B608 # noqa: S608 -- declared names only
    row = connection.execute(sql, values).fetchone()
    if row is None:
        raise missing(resource, row_id)
    return row[0], row[1]


def require_version(
    tx: Tx, resource: Resource, row_id: str, cells: frozenset[str] | None, versions: frozenset[int]
) -> None:
    """Raises PreconditionFailed when the row has another version. Of a row that cannot be seen the command itself tells."""
    try:
        text, version = versioned(tx, resource, row_id, cells)
    except NotFound:
        return
    if version not in versions:
        raise PreconditionFailed(
            f"{resource.singular[-1]} {row_id} has the row_version {version}, If-Match names another: somebody has changed it. "
            "Look at `details.current`, then send it again with its version or without If-Match",
            {"row_version": version, "current": json.loads(text)},
        )


def require_base(
    tx: Tx,
    resource: Resource,
    row_id: str,
    cells: frozenset[str] | None,
    base: int,
    names: Collection[str] | None,
) -> None:
    """Raises SyncConflict when the row has changed since the version `base` in one of the columns `names`, None: in any. Of a row
    that cannot be seen the command itself tells.
    """
    try:
        text, version = versioned(tx, resource, row_id, cells)
    except NotFound:
        return
    if version == base:
        return
    changed = journal.changed_since(tx, resource.table, row_id, base, version) if base < version else None
    if changed is None:  # nobody can tell column by column
        apart = {*(names or ())}
    else:
        apart = {name for name in names or changed if name in changed or resource.kept_in(name) in changed} - {
            "updated_at"
        }
        if not apart:
            return
    raise SyncConflict(
        f"{resource.singular[-1]} {row_id} has the row_version {version}, this was made on {base}: somebody has changed the same "
        "meanwhile. Look at `details.current`, then send what shall be as a change of that version",
        {"current": json.loads(text), "row_version": version, "base_version": base, "fields": sorted(apart)},
    )


def page(
    connection: sqlite3.Connection,
    resource: Resource,
    listing: Listing,
    cells: frozenset[str] | None,
    count: Callable[[], int],
) -> str:
    """`{"<plural>":[...],"pagination":{...}}` as text; `count` tells how long the whole list is, when that is not plain.

    The page is chosen first, so that only its rows become JSON.
    """
    total = listing.cursor.total if listing.cursor else None
    if total is None and cells is not None and resource.cell is not None:
        total = count()
    found: list[sqlite3.Row] = []
    values = dict(listing.values)
    for chosen in chosen_by(resource, listing, cells, values, total):
        terms, table = ", ".join(sql for sql, _ in listing.terms), resource.table
        sql = f"SELECT {resource.row_json}, {terms} FROM {table} WHERE {table}.rowid IN ({chosen}) ORDER BY {listing.order}"  # nosec B608 # noqa: S608 -- declared names only
        found += connection.execute(sql, {**values, "limit": listing.limit + 1 - len(found)})
        if len(found) > listing.limit:  # one more tells whether there is a next page
            break
    rows, more = found[: listing.limit], len(found) > listing.limit
    until = listing.offset + len(rows)
    if total is None:
        total = count() if more or (listing.offset and not rows) else until
    following = "null"
    if more:
        place = tuple(None if value == cursors.LAST else value for value in tuple(rows[-1])[1:])
        following = f'"{cursors.written(Cursor(total, until, place), listing.bound_to)}"'
    pagination = f'{{"total":{total},"offset":{listing.offset},"limit":{listing.limit},"next_cursor":{following}}}'
    return f'{{"{resource.plural}":[{",".join([row[0] for row in rows])}],"pagination":{pagination}}}'


def chosen_by(
    resource: Resource,
    listing: Listing,
    cells: frozenset[str] | None,
    values: dict[str, Any],
    total: int | None = None,
) -> list[str]:
    """SQL for the rowids of a page, as many as `:limit`, in stretches that follow each other; adds its other values.

    `total`: how many rows a key that is limited to `cells` sees. A few are found and sorted; many are met soon enough in the
    order that an index has already.
    """
    few = total is not None and total <= FEW_MAX
    conditions = [*listing.conditions, *_seen(resource, cells, values, few=few)]
    if listing.cursor is not None and listing.cursor.place:
        stretches = [[*conditions, one] for one in cursors.after(listing.terms, listing.cursor.place, values)]
        end = "LIMIT :limit"
    else:
        stretches, end = [conditions], "LIMIT :limit OFFSET :offset"
        values["offset"] = listing.offset
    table, order = resource.table, f"ORDER BY {listing.order} {end}"
    return [f"SELECT {table}.rowid FROM {table}{_where(one, resource)} {order}" for one in stretches]  # nosec B608 # noqa: S608 -- declared names only


def count(connection: sqlite3.Connection, resource: Resource, listing: Listing, cells: frozenset[str] | None) -> int:
    """How many rows the whole list has."""
    values = dict(listing.values)
    where = _where([*listing.conditions, *_seen(resource, cells, values, few=True)], resource)
    found: int = connection.execute(f"SELECT count(*) FROM {resource.table}{where}", values).fetchone()[0]  # nosec B608 # noqa: S608 -- declared names only
    return found


def require_cell(connection: sqlite3.Connection, resource: Resource, row_id: str, cells: frozenset[str] | None) -> None:
    """Raises CellNotAllowed when a key that is limited to `cells` may not write this row."""
    values: dict[str, Any] = {"id": row_id}
    seen = _seen(resource, cells, values)
    if not seen:
        return
    found = connection.execute(f"SELECT {seen[0]} FROM {resource.table} WHERE id = :id", values).fetchone()  # nosec B608 # noqa: S608 -- declared names only
    if found is not None and not found[0]:
        raise CellNotAllowed(f"this key may not write in the cell of {resource.singular[-1]} {row_id}")


def _where(conditions: list[str], resource: Resource) -> str:
    if resource.soft_delete:
        conditions = [*conditions, f"{resource.table}.deleted_at IS NULL"]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _seen(resource: Resource, cells: frozenset[str] | None, values: dict[str, Any], *, few: bool = False) -> list[str]:
    """The condition for a key that is limited to `cells`; adds its value. `few`: as a way to the rows."""
    if cells is None or resource.cell is None:
        return []
    values["cells"] = encode(sorted(cells))
    condition = resource.found_in_cells if few else resource.in_cells
    if len(cells) == 1 and not (few and resource.found_by_cells):
        condition = resource.in_one_cell
    return [condition] if condition else []


def fetch(connection: sqlite3.Connection, resource: Resource, row_id: str) -> sqlite3.Row:
    """One live row with all its columns. Raises NotFound."""
    live = " AND deleted_at IS NULL" if resource.soft_delete else ""
    row: sqlite3.Row | None = connection.execute(
        f"SELECT * FROM {resource.table} WHERE id = ?{live}",  # nosec B608 # noqa: S608 -- declared names only
        (row_id,),
    ).fetchone()
    if row is None:
        raise missing(resource, row_id)
    return row


def insert(tx: Tx, resource: Resource, row: Mapping[str, Any]) -> Change:
    """`row` holds column values as stored (see `stored`). Raises Conflict, Invalid."""
    statement = _inserting(resource.table, tuple(row))
    try:
        tx.execute(statement, row)
    except sqlite3.IntegrityError as exc:
        raise refusal(resource, row, exc) from exc
    return Change(resource.table, str(row["id"]), "insert", 1)


@functools.lru_cache(STATEMENTS_KEPT)
def _inserting(table: str, names: tuple[str, ...]) -> str:
    marks = ", ".join(f":{name}" for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # nosec B608 # noqa: S608 -- declared names only


def update(tx: Tx, resource: Resource, row_id: str, values: Mapping[str, Any]) -> Change:
    """Set columns of one row and count its version up. Raises Conflict, Invalid."""
    pairs = ", ".join(f"{name} = :{name}" for name in values)
    lists = listed.moved(tx, resource, row_id, values) if resource.listing_files else None
    try:
        version = tx.execute(
            f"UPDATE {resource.table} SET {pairs}, row_version = row_version + 1 WHERE id = :id RETURNING row_version",  # nosec B608 # noqa: S608 -- declared names only
            {**values, "id": row_id},
        ).fetchone()[0]
    except sqlite3.IntegrityError as exc:
        raise refusal(resource, values, exc) from exc
    return Change(resource.table, row_id, "update", version, tuple(values), lists)


def delete(tx: Tx, resource: Resource, row_id: str) -> Change:
    """Hard delete; the change carries the old row. Raises NotFound, Conflict when the row is in use."""
    old = dict(fetch(tx, resource, row_id))
    try:
        tx.execute(f"DELETE FROM {resource.table} WHERE id = ?", (row_id,))  # nosec B608 # noqa: S608 -- declared names only
    except sqlite3.IntegrityError as exc:
        raise Conflict(f"{resource.singular[0]} {row_id} is in use: deactivate it instead (active=false)") from exc
    return Change(resource.table, row_id, "delete", old.get("row_version", 1), old)


def require_unneeded(connection: sqlite3.Connection, resource_id: str) -> None:
    """Raises Conflict while there is work that needs this tool, fixture or the like."""
    if needing := connection.execute(_NEEDED, (resource_id,)).fetchone():
        raise Conflict(f'resource {resource_id} is needed by "{needing[0]}": deactivate it instead (active=false)')


def stored(resource: Resource, values: Mapping[str, Any]) -> dict[str, Any]:
    """Checked values as the database keeps them: booleans as 0/1, objects and lists as JSON text."""
    row = dict(values)
    for name in resource.written_otherwise & row.keys():
        value = row[name]
        if value is not None:
            row[name] = int(value) if resource.column(name).kind is Kind.BOOLEAN else encode(value)
    return row


def check_references(
    connection: sqlite3.Connection,
    resource: Resource,
    values: Mapping[str, Any],
    prefix: str = "",
    sure: Collection[str] = (),
) -> None:
    """Raises Invalid when ids point at nothing; `prefix` is the path of the object (`parts[0].`). `sure`: columns whose rows
    are known to be there.
    """
    entity, place = resource.singular[-1], _PLACE.search(prefix)
    about = {"entityType": entity, "entityIndex": int(place[1]) if place else 0}
    details = []
    for column in resource.pointing:
        value = values.get(column.name)
        if value is None or column.name in sure:
            continue
        live = " AND deleted_at IS NULL" if column.references in _SOFT_DELETED else ""
        sql = f"SELECT 1 FROM {column.references} WHERE id = ?{live}"  # nosec B608 # noqa: S608 -- declared names only
        if connection.execute(sql, (value,)).fetchone() is None:
            message = f"Invalid {column.name}: no such row in {column.references}"
            told = {"field": f"{prefix}{column.name}", "message": message, "constraint": "FK_CONSTRAINT"}
            details.append({**told, "value": value, **about})
    if details:
        raise Invalid(f"{len(details)} validation error(s) in {entity}: {details[0]['message']}", details)


def missing(resource: Resource, row_id: str) -> NotFound:
    return NotFound(f"{resource.plural} with ID {row_id} not found")


def refusal(resource: Resource, row: Mapping[str, Any], exc: sqlite3.IntegrityError) -> Conflict | Invalid:
    """What the database would not take, in the contract's words: a taken name is a conflict, the rest is invalid."""
    complaint = str(exc)
    if exc.sqlite_errorcode in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        field = next((name for name in row if complaint.endswith(f".{name}")), "external_id")
        return Conflict(
            f'{resource.singular[0]} with {field} "{row.get(field)}" already exists',
            {"field": field, "value": row.get(field)},
        )
    about = complaint.rsplit(".", 1)[-1].removeprefix("CHECK constraint failed: ")  # a column, or the name of a check
    if exc.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        field, constraint, message = resource.singular[-1], "FK_CONSTRAINT", "it refers to a row that is not there"
    elif exc.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_NOTNULL:
        field, constraint, message = about, "NOT_NULL", f"{about} must not be null"
    elif exc.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_CHECK:
        field, constraint, message = about, "CHECK_CONSTRAINT", f"the values do not agree: {about}"
    else:
        field, constraint, message = about, "TYPE_MISMATCH", f"Invalid type for {about}"
    return Invalid(
        f"1 validation error(s) in {resource.singular[-1]}: {message}",
        [{"field": field, "message": message, "constraint": constraint}],
    )


def materials(connection: sqlite3.Connection) -> str:
    """`{"materials":[...]}`: the catalogue and what parts are made of, sorted."""
    row = connection.execute(
        "SELECT json_object('materials', json_group_array(name)) FROM (SELECT name FROM materials WHERE active = 1 "
        "UNION SELECT material FROM parts WHERE deleted_at IS NULL ORDER BY 1 LIMIT ?)",
        (MATERIALS_MAX,),
    ).fetchone()
    text: str = row[0]
    return text
