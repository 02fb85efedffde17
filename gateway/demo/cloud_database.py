"""The cloud's database, in memory: rows, indexes, foreign keys and the triggers that an API client can notice.

A refusal is a DatabaseError with the database's own text, found in the database's own order: unknown column, value,
NOT NULL, check, primary key, business keys, foreign keys.
"""

import random
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gateway.demo.cloud_schema import TABLES, Column, Unique
from gateway.demo.cloud_values import DatabaseError, instant_text, stored
from gateway.kernel.clock import Clock

Row = dict[str, Any]
Changed = Callable[[str, Row | None, Row | None], None]  # table, the row before and after

_QUANTITIES = ("quantity_good", "quantity_produced", "quantity_rework", "quantity_scrap")
_SEARCHED = {
    "jobs": ("job_number", "customer", "notes"),
    "parts": ("part_number", "material", "notes"),
    "operations": ("operation_name", "notes"),
    "issues": ("title", "description"),
    "profiles": ("username", "full_name"),
}


class Database:
    """`changed` is called for each row that is written, as the triggers of the real one are."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.changed: Changed = _nobody_looks
        self._clock = clock
        self._rng = rng
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
        self._indexes: dict[str, dict[tuple[Any, ...], str]] = {
            unique.name: {} for table in TABLES.values() for unique in table.unique
        }
        self._pointing: dict[tuple[str, str], dict[str, dict[str, None]]] = {
            (name, reference.column): {} for name, table in TABLES.items() for reference in table.references
        }

    def now(self) -> str:
        return instant_text(self._clock.now())

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def get(self, table: str, row_id: Any) -> Row | None:
        return self.tables[table].get(row_id) if isinstance(row_id, str) else None

    def where(self, table: str, **equal: Any) -> Iterator[Row]:
        return (row for row in self.tables[table].values() if all(row[name] == value for name, value in equal.items()))

    def pointing(self, table: str, column: str, row_id: str) -> list[Row]:
        """The rows of a table whose foreign key names this row, as they were written."""
        return [self.tables[table][held] for held in self._pointing[table, column].get(row_id, ())]

    def load(self, table: str, row: Mapping[str, Any]) -> None:
        """A row that was there before: nothing is checked, what is missing takes its default."""
        known = TABLES[table].columns
        given = {name: stored(known[name], value) for name, value in row.items() if _writable(known.get(name))}
        self._put(table, self._with_defaults(table, given))

    def insert(self, table: str, given: Mapping[str, Any]) -> Row:
        """The whole new row. Raises DatabaseError; nothing has been written then."""
        row = self._with_defaults(table, self._values(table, given, "cannot insert a non-DEFAULT value into column"))
        self._check(table, row)
        if row["id"] in self.tables[table]:
            raise _duplicate(TABLES[table].primary_key)
        self._check_unique(table, row)
        self._check_references(table, row, row)
        self._before_insert(table, row)
        self._put(table, row)
        self.changed(table, None, row)
        self._standstill(table, None, row)
        return row

    def update(self, table: str, row: Row, given: Mapping[str, Any]) -> Row:
        """The whole row after the change. Raises DatabaseError; nothing has been written then."""
        return self.apply(table, row, self.read(table, given))

    def read(self, table: str, given: Mapping[str, Any]) -> Row:
        """The values of an update as they will stand."""
        return self._values(table, given, None)

    def apply(self, table: str, row: Row, values: Row) -> Row:
        after = {**row, **values}
        self._check(table, after)
        self._check_unique(table, after)
        self._check_references(table, after, values)
        before = dict(row)
        self._unindex(table, row)
        row.update(after)
        self._put(table, row)
        self.changed(table, before, row)
        self._standstill(table, before, row)
        return row

    def delete(self, table: str, row: Row) -> None:
        """For good. Raises DatabaseError when another row needs it."""
        pointing = list(self._pointing_at(table, row["id"]))
        for owner, name, _column, on_delete, _rows in pointing:
            if on_delete == "refuse":
                raise DatabaseError(
                    f'update or delete on table "{table}" violates foreign key constraint "{name}" on table "{owner}"'
                )
        for owner, _name, column, on_delete, rows in pointing:
            for held in rows:
                if on_delete == "set_null":
                    self.apply(owner, held, {column: None})
                else:
                    self.delete(owner, held)
        self._unindex(table, row)
        self.tables[table].pop(row["id"], None)
        self.changed(table, row, None)

    def _values(self, table: str, given: Mapping[str, Any], refusal: str | None) -> Row:
        known = TABLES[table].columns
        for name in given:
            if name not in known:
                raise DatabaseError(f"Could not find the '{name}' column of '{table}' in the schema cache")
        for name in given:
            if known[name].type == "generated":
                if refusal is None:
                    raise DatabaseError(f'column "{name}" can only be updated to DEFAULT')
                raise DatabaseError(f'{refusal} "{name}"')
        return {name: stored(known[name], value) for name, value in given.items()}

    def _with_defaults(self, table: str, given: Row) -> Row:
        return {
            name: given[name] if name in given else self._default(column)
            for name, column in TABLES[table].columns.items()
        }

    def _default(self, column: Column) -> Any:
        match column.default:
            case None:
                return None
            case "now":
                return self.now()
            case "uuid":
                return self.new_id()
            case "{}":
                return [] if column.type == "text[]" else {}
            case text:
                return stored(column, text)

    def _check(self, table: str, row: Row) -> None:
        for column in TABLES[table].columns.values():
            if not column.nullable and row[column.name] is None:
                raise DatabaseError(
                    f'null value in column "{column.name}" of relation "{table}" violates not-null constraint'
                )
        for broken in self._broken_checks(table, row):
            raise DatabaseError(f'new row for relation "{table}" violates check constraint "{broken}"')

    @staticmethod
    def _broken_checks(table: str, row: Row) -> Iterator[str]:
        for name, (column, values) in TABLES[table].one_of.items():
            if row[column] is not None and row[column] not in values:
                yield name
        if table == "operation_quantities":
            if row["quantity_produced"] != row["quantity_good"] + row["quantity_scrap"] + row["quantity_rework"]:
                yield "operation_quantities_check"
            yield from (f"operation_quantities_{name}_check" for name in _QUANTITIES if row[name] < 0)
        if table == "assignments" and row["operator_id"] is None and row["shop_floor_operator_id"] is None:
            yield "check_operator_assigned"

    def _check_unique(self, table: str, row: Row) -> None:
        for unique in TABLES[table].unique:
            key = _key(unique, row)
            if key and self._indexes[unique.name].get(key, row["id"]) != row["id"]:
                raise _duplicate(unique.name)

    def _check_references(self, table: str, row: Row, changed: Row) -> None:
        for reference in TABLES[table].references:
            target = row[reference.column]
            if target is not None and reference.column in changed and target not in self.tables[reference.table]:
                raise DatabaseError(
                    f'insert or update on table "{table}" violates foreign key constraint "{reference.name}"'
                )

    def _pointing_at(self, table: str, row_id: str) -> Iterator[tuple[str, str, str, str, list[Row]]]:
        for owner, declared in TABLES.items():
            for reference in declared.references:
                if reference.table == table:
                    rows = self.pointing(owner, reference.column, row_id)
                    if rows:
                        yield owner, reference.name, reference.column, reference.on_delete, rows

    def _put(self, table: str, row: Row) -> None:
        if "search_vector" in row:
            row["search_vector"] = _search_vector(row[name] for name in _SEARCHED[table])
        self.tables[table][row["id"]] = row
        for unique in TABLES[table].unique:
            key = _key(unique, row)
            if key:
                self._indexes[unique.name][key] = row["id"]
        for reference in TABLES[table].references:
            if row[reference.column] is not None:
                self._pointing[table, reference.column].setdefault(row[reference.column], {})[row["id"]] = None

    def _unindex(self, table: str, row: Row) -> None:
        for unique in TABLES[table].unique:
            key = _key(unique, row)
            if key:
                self._indexes[unique.name].pop(key, None)
        for reference in TABLES[table].references:
            if row[reference.column] is not None:
                self._pointing[table, reference.column][row[reference.column]].pop(row["id"], None)

    def _before_insert(self, table: str, row: Row) -> None:
        """A critical issue makes a notice for the admins that the notices' own check refuses."""
        if table == "issues" and row["severity"] == "critical":
            for _admin in self.where("profiles", tenant_id=row["tenant_id"], role="admin"):
                raise DatabaseError(
                    'new row for relation "notifications" violates check constraint "notifications_severity_check"'
                )

    def _standstill(self, table: str, before: Row | None, after: Row) -> None:
        """An issue that stops the work parks its operation; the last one to be settled gives it back."""
        if table != "issues":
            return
        operation = self.get("operations", after["operation_id"])
        holds = _holds(after)
        if operation is None or holds == (before is not None and _holds(before)):
            return
        if holds and operation["status"] not in ("completed", "on_hold"):
            self.apply("operations", operation, {"status_before_hold": operation["status"], "status": "on_hold"})
            return
        others = map(_holds, self.pointing("issues", "operation_id", operation["id"]))
        if not holds and operation["status"] == "on_hold" and not any(others):
            before_hold = operation["status_before_hold"] or "in_progress"
            self.apply("operations", operation, {"status": before_hold, "status_before_hold": None})


def _nobody_looks(_table: str, _before: Row | None, _after: Row | None) -> None:
    pass


def _holds(issue: Row) -> bool:
    return bool(issue["causes_standstill"]) and issue["status"] == "pending"


def _writable(column: Column | None) -> bool:
    return column is not None and column.type != "generated"


def _key(unique: Unique, row: Row) -> tuple[Any, ...] | None:
    key = tuple(row[name] for name in unique.columns)
    return None if None in key else key


def _duplicate(constraint: str) -> DatabaseError:
    return DatabaseError(f'duplicate key value violates unique constraint "{constraint}"')


def _search_vector(texts: Iterable[str | None]) -> str:
    words = re.findall(r"\w+", " ".join(text or "" for text in texts).lower())
    return " ".join(f"'{word}':{words.index(word) + 1}" for word in sorted(set(words)))
