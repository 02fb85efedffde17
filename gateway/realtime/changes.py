"""Journal entries as realtime clients are told them: which rows changed, each read once, as it stands now. All SQL of it.

A deleted row is told from its entry. One that is only marked as deleted is gone for clients, too.
"""

import functools
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.catalog.resources import TENANT, Kind, Resource
from gateway.hub.entities import ENTITIES, GONE, has_gone
from gateway.kernel import clock as time_
from gateway.outbox.event import Entry, encode
from gateway.realtime.filters import Row, columns

LOOK_AHEAD_MAX = 2_000  # entries in which the end of a row is looked for
INSERT, UPDATE, DELETE = "INSERT", "UPDATE", "DELETE"
_KINDS = {"insert": INSERT, "update": UPDATE}
_LATER = "SELECT changes FROM events WHERE seq > ? AND seq <= ? AND instr(changes, ?) ORDER BY seq"
# PostgreSQL's names: clients convert values by them.
_TYPES = {
    Kind.TEXT: "text",
    Kind.UUID: "uuid",
    Kind.INTEGER: "int4",
    Kind.NUMBER: "float8",
    Kind.BOOLEAN: "bool",
    Kind.TIME: "timestamptz",
    Kind.JSON: "jsonb",
    Kind.LIST: "_text",
}


@dataclass(frozen=True, slots=True)
class Touched:
    """One change of a journal entry, before anything is read."""

    entry: Entry
    table: str
    row_id: str
    op: str
    fields: Any  # on update the names of columns, on delete the old row


@dataclass(frozen=True)
class Change:
    """`data` is the JSON that clients get, in UTF-8. `cells`: whose row it is, None: everybody's. `row` is what filters look at."""

    seq: int
    table: str
    kind: str
    data: bytes
    cells: frozenset[str] | None
    record: str = field(repr=False)

    @functools.cached_property
    def row(self) -> Row:
        found: Row = json.loads(self.record)
        return found


def touched(entries: Iterable[Entry], tables: frozenset[str]) -> list[Touched]:
    """In commit order."""
    return [
        Touched(entry, one["table"], one["id"], one["op"], one["fields"])
        for entry in entries
        for one in json.loads(entry.changes)
        if one["table"] in tables
    ]


def told(connection: sqlite3.Connection, some: Sequence[Touched]) -> list[Change]:
    """The same with their rows; without those of rows that have been deleted before."""
    rows: dict[_Key, _Row] = {}
    for table in {one.table for one in some}:
        ids = sorted({one.row_id for one in some if one.table == table})
        rows |= _rows(connection, _selecting(table), table, [{"id": row_id} for row_id in ids])
    found = (_change(connection, some, place, rows) for place in range(len(some)))
    return [change for change in found if change is not None]


_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    gone: bool
    cells: frozenset[str] | None


def _change(
    connection: sqlite3.Connection, some: Sequence[Touched], place: int, rows: Mapping[_Key, _Row]
) -> Change | None:
    """A row that has been deleted since is told as it was at its end."""
    one, key = some[place], (some[place].table, some[place].row_id)
    row = rows.get(key)
    if one.op == "delete":
        return _made(one, DELETE, _old(connection, one))
    if row is not None and not row.gone:
        return _made(one, _KINDS[one.op], row)
    if row is not None and _ends(one):
        return _made(one, DELETE, row)
    end = next((later for later in some[place + 1 :] if (later.table, later.row_id) == key and _ends(later)), None)
    end = end or _ending_later(connection, some[-1].entry.seq, one)
    if end is None:
        return None
    return _made(one, _KINDS[one.op], row or _old(connection, end))


def _ends(one: Touched) -> bool:
    return one.op == "delete" or (one.op == "update" and GONE in (one.fields or ()))


def _ending_later(connection: sqlite3.Connection, seq: int, one: Touched) -> Touched | None:
    """What deletes it in an entry that has not been read yet."""
    mark = f'"table":"{one.table}","id":"{one.row_id}"'
    for (written,) in connection.execute(_LATER, (seq, seq + LOOK_AHEAD_MAX, mark)):
        for later in json.loads(written):
            found = Touched(one.entry, later["table"], later["id"], later["op"], later["fields"])
            if (found.table, found.row_id) == (one.table, one.row_id) and _ends(found):
                return found
    return None


# ------------------------------------------------------------------ rows


def _rows(connection: sqlite3.Connection, sql: str, table: str, values: Sequence[Row]) -> dict[_Key, _Row]:
    return {
        (table, row[0]): _Row(row[1], bool(row[2]), None if row[3] is None else frozenset(json.loads(row[3])))
        for row in connection.execute(sql, {"values": encode(values)})
    }


def _old(connection: sqlite3.Connection, end: Touched) -> _Row:
    """A deleted row, from what the journal kept of it: shown by the same words as one that is there."""
    names = [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (end.table,))]
    kept = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in names)
    before = f"WITH {end.table} AS (SELECT {kept} FROM json_each(:values))"  # nosec B608 # noqa: S608 -- names of our own columns
    rows = _rows(connection, f"{before} {_selecting(end.table)}", end.table, [end.fields])
    return rows[end.table, end.row_id]


@functools.cache
def _selecting(table: str) -> str:
    """The rows with an id among `:values`, a JSON list of objects; they may come from a table of that name made of these."""
    resource = ENTITIES[table]
    pairs = {column.name: column.shown(table) for column in columns(resource)}
    if resource.tenant:
        pairs["tenant_id"] = TENANT
    row = ", ".join(f"'{name}', {sql}" for name, sql in pairs.items())
    gone = f"{table}.{GONE} IS NOT NULL" if has_gone(resource) else "0"
    return (
        f"SELECT {table}.id, json_object({row}), {gone}, {_cells(resource)} FROM {table} "  # nosec B608 # noqa: S608 -- declared names only
        f"WHERE {table}.id IN (SELECT value ->> '$.id' FROM json_each(:values))"
    )


def _cells(resource: Resource) -> str:
    """SQL: the cells that a row belongs to as a JSON list, null where that means nothing."""
    if resource.cell is None:
        return "NULL"
    if not resource.cell.startswith("SELECT"):
        return f"json_array({resource.cell})"
    return f"(WITH found(cell) AS ({resource.cell}) SELECT json_group_array(cell) FROM found)"  # nosec B608 # noqa: S608 -- declared names only


# ------------------------------------------------------------------ as JSON


def _made(one: Touched, kind: str, row: _Row) -> Change:
    at = time_.zulu(time_.parse(one.entry.recorded_at))
    old = "" if kind == INSERT else f',"old_record":{{"id":{encode(one.row_id)}}}'
    new = "" if kind == DELETE else f',"record":{row.text}'
    data = (
        f'{{"schema":"public","table":"{one.table}","type":"{kind}","commit_timestamp":"{at}","errors":null,'
        f'"columns":{_described(one.table)}{new}{old}}}'
    )
    return Change(one.entry.seq, one.table, kind, data.encode(), row.cells, row.text)


@functools.cache
def _described(table: str) -> str:
    return encode([{"name": column.name, "type": _TYPES[column.kind]} for column in columns(ENTITIES[table])])
