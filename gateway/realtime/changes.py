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
from gateway.kernel import state
from gateway.outbox import tombstones
from gateway.outbox.event import Entry, encode
from gateway.realtime.filters import Row, columns

INSERT, UPDATE, DELETE = "INSERT", "UPDATE", "DELETE"
_KINDS = {"insert": INSERT, "update": UPDATE, "delete": DELETE}
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
    """`data` is the JSON text that clients get. `cells`: whose row it is, None: everybody's. `row` is what filters look at."""

    seq: int
    table: str
    kind: str
    data: str
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
    """The same with their rows; without those of which a later entry says that they are gone."""
    rows: dict[tuple[str, str], _Row] = {}
    for table in {one.table for one in some}:
        ids = {one.row_id for one in some if one.table == table and one.op != "delete"}
        rows |= _rows(connection, ENTITIES[table], ids)
    tenant = state.get(connection, "tenant_id")
    found = (_change(connection, one, rows.get((one.table, one.row_id)), tenant) for one in some)
    return [change for change in found if change is not None]


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    gone: bool
    cells: frozenset[str] | None


def _rows(connection: sqlite3.Connection, resource: Resource, ids: set[str]) -> dict[tuple[str, str], _Row]:
    table = resource.table
    found = connection.execute(_selecting(table), {"ids": encode(sorted(ids))})
    return {
        (table, row[0]): _Row(row[1], bool(row[2]), None if row[3] is None else frozenset(json.loads(row[3])))
        for row in found
    }


@functools.cache
def _selecting(table: str) -> str:
    resource = ENTITIES[table]
    pairs = {column.name: column.shown(table) for column in columns(resource)}
    if resource.tenant:
        pairs["tenant_id"] = TENANT
    row = ", ".join(f"'{name}', {sql}" for name, sql in pairs.items())
    gone = f"{table}.{GONE} IS NOT NULL" if has_gone(resource) else "0"
    return (
        f"SELECT {table}.id, json_object({row}), {gone}, {_cells(resource)} FROM {table} "  # noqa: S608 -- declared names only
        f"WHERE {table}.id IN (SELECT value FROM json_each(:ids))"
    )


def _cells(resource: Resource) -> str:
    """SQL: the cells that a row belongs to as a JSON list, null where that means nothing."""
    if resource.cell is None:
        return "NULL"
    if not resource.cell.startswith("SELECT"):
        return f"json_array({resource.cell})"
    return f"(WITH found(cell) AS ({resource.cell}) SELECT json_group_array(cell) FROM found)"  # noqa: S608 -- declared names only


def _change(connection: sqlite3.Connection, one: Touched, row: _Row | None, tenant: str | None) -> Change | None:
    if one.op == "delete":
        old = _old(ENTITIES[one.table], one.fields or {}, tenant)
        cell = tombstones.cell_of(connection, one.fields or {})
        return _made(one, DELETE, None if cell is None else frozenset((cell,)), encode(old))
    if row is None:
        return None
    if not row.gone:
        return _made(one, _KINDS[one.op], row.cells, row.text)
    if GONE in (one.fields or ()):
        return _made(one, DELETE, row.cells, row.text)
    return None


def _made(one: Touched, kind: str, cells: frozenset[str] | None, record: str) -> Change:
    at = time_.zulu(time_.parse(one.entry.recorded_at))
    old = "" if kind == INSERT else f',"old_record":{{"id":{encode(one.row_id)}}}'
    new = "" if kind == DELETE else f',"record":{record}'
    data = (
        f'{{"schema":"public","table":"{one.table}","type":"{kind}","commit_timestamp":"{at}","errors":null,'
        f'"columns":{_described(one.table)}{new}{old}}}'
    )
    return Change(one.entry.seq, one.table, kind, data, cells, record)


@functools.cache
def _described(table: str) -> str:
    return encode([{"name": column.name, "type": _TYPES[column.kind]} for column in columns(ENTITIES[table])])


def _old(resource: Resource, stored: Mapping[str, Any], tenant: str | None) -> dict[str, Any]:
    """A deleted row as filters see it, from what its table held. What was not a column of its own is not there any more."""
    shown = [column.name for column in columns(resource) if column.stored is None]  # else it is shown as another value
    row = {name: stored[name] for name in shown if name in stored}
    for name in resource.written_otherwise & row.keys():
        if row[name] is not None:
            row[name] = bool(row[name]) if resource.column(name).kind is Kind.BOOLEAN else json.loads(row[name])
    return row | ({"tenant_id": tenant} if resource.tenant else {})
