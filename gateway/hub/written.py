"""One row of another gateway: as it is told, and written here with the columns of the database as they are."""

import sqlite3
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr

from gateway.catalog.models import Body
from gateway.files.rules import PATH_MAX
from gateway.hub.raw import BELOW, GONE, Raw
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict, Invalid, NotFound
from gateway.outbox.event import Change, encode

STATEMENTS_KEPT = 512
CHANGES_MAX = 1_000  # in one entry; an import's has up to 200
FILES_MAX = 10_000  # that one row lists
SEQ_MAX = 2**63 - 1
_PAUSES = "SELECT * FROM time_entry_pauses WHERE time_entry_id = ? ORDER BY paused_at, id"

Made = Collection[tuple[str, str]]  # (table, id) of new rows
Int = Annotated[StrictInt, Field(ge=-(2**63), le=SEQ_MAX)]
Value = StrictStr | Int | StrictFloat | None  # of a column


class Listed(Body):
    """A file that a row lists, and that the sender has."""

    path: Annotated[StrictStr, Field(max_length=PATH_MAX)]
    sha256: Annotated[StrictStr, Field(pattern="^[0-9a-f]{64}$")]


class Moved(Body):
    """What the sender has done to a list of paths."""

    added: Annotated[list[StrictStr], Field(max_length=FILES_MAX)]
    gone: Annotated[list[StrictStr], Field(max_length=FILES_MAX)]


class Written(Body):
    """One row. `values`: its columns as the database keeps them, all of a new row and of one that is marked as deleted, null
    of one that is gone. `below`: the rows that hang on it and are named by no journal, all of them. `files`: those that it
    lists; their bytes come by themselves. `lists`: column -> what changed in a list of files, which others may have changed, too.
    """

    table: StrictStr
    id: StrictStr
    op: Literal["insert", "update", "delete"]
    values: dict[str, Value] | None = None
    fields: Annotated[list[StrictStr], Field(max_length=CHANGES_MAX)] | None = Field(
        None, description="On update the columns that changed, as clients call them."
    )
    below: Annotated[list[dict[str, Value]], Field(max_length=CHANGES_MAX)] | None = None
    files: Annotated[list[Listed], Field(max_length=FILES_MAX)] = Field(default=[])
    lists: dict[str, Moved] = Field(default={})

    @property
    def moves(self) -> dict[str, dict[str, list[str]]]:
        return {name: move.model_dump() for name, move in self.lists.items()}


def put(tx: Tx, tables: Mapping[str, Raw], one: Written, values: Mapping[str, Any], later: Made) -> Change:
    """Written with `values` and what hangs on it. `later`: rows that are still to come. Raises Conflict, Invalid, NotFound."""
    table = tables[one.table]
    try:
        change = _put(tx, table, one, values)
    except sqlite3.IntegrityError as exc:
        change = _put(tx, table, one, _mended(tx, table, one, values, later, exc))
    new = change.op == "insert" and change.version == 1
    if one.table in BELOW and (one.below or (one.below is not None and not new)):
        _put_below(tx, tables[BELOW[one.table][0]], BELOW[one.table][1], one)
    return change


def _put(tx: Tx, table: Raw, one: Written, values: Mapping[str, Any]) -> Change:
    """A row that should be new and is there is the same row: it is overwritten."""
    if one.op == "insert":
        if not values:
            raise Invalid(f"{one.table} {one.id} is new and comes without its columns")
        row = tx.execute(_inserting(table, tuple(values)), (one.id, *values.values())).fetchone()
        return Change(table.name, one.id, "insert", row[0])
    row = tx.execute(_updating(table, tuple(values)), (*values.values(), one.id)).fetchone()
    if row is None:
        raise NotFound(f"{one.table} {one.id} is not here: it was deleted, or never came")
    return Change(table.name, one.id, "update", row[0], tuple(one.fields or values), one.moves)


@lru_cache(STATEMENTS_KEPT)
def _inserting(table: Raw, names: tuple[str, ...]) -> str:
    marks = ", ".join("?" * (len(names) + 1))
    pairs = ", ".join(f"{name} = excluded.{name}" for name in names)
    version = ", row_version = row_version + 1" if table.versioned else ""
    return (
        f"INSERT INTO {table.name} (id, {', '.join(names)}) VALUES ({marks}) "  # nosec B608 # noqa: S608 -- the schema's own names
        f"ON CONFLICT (id) DO UPDATE SET {pairs}{version} RETURNING {table.version}"
    )


@lru_cache(STATEMENTS_KEPT)
def _updating(table: Raw, names: tuple[str, ...]) -> str:
    """Without columns the row is only looked for."""
    pairs = ", ".join(f"{name} = ?" for name in names) or "id = id"
    version = ", row_version = row_version + 1" if table.versioned and names else ""
    return f"UPDATE {table.name} SET {pairs}{version} WHERE id = ? RETURNING {table.version}"  # nosec B608 # noqa: S608 -- the schema's own names


def _put_below(tx: Tx, table: Raw, column: str, one: Written) -> None:
    """Raises Invalid, Conflict."""
    rows = [{**row, column: one.id} for row in one.below or ()]
    names = ("id", *table.columns)
    if any(row.keys() != {*names} for row in rows):
        raise Invalid(f"a row of {table.name} has the columns {', '.join(names)} here: another version")
    kept = encode([row["id"] for row in rows])
    tx.execute(
        f"DELETE FROM {table.name} WHERE {column} = ? AND id NOT IN (SELECT value FROM json_each(?))",  # nosec B608 # noqa: S608 -- the schema's own names
        (one.id, kept),
    )
    pairs = ", ".join(f"{name} = excluded.{name}" for name in table.columns)
    marks = ", ".join("?" * len(names))
    sql = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {pairs}"  # nosec B608 # noqa: S608 -- the schema's own names
    try:
        tx.executemany(sql, [tuple(row[name] for name in names) for row in rows])
    except sqlite3.IntegrityError as exc:
        for row in rows:
            told = Written(table=table.name, id=row["id"], op="insert")
            _mended(tx, table, told, row, (), exc)
        raise Conflict(f"{table.name} of {one.id}: {exc}", {"table": table.name, "id": one.id}) from None


def delete(tx: Tx, table: Raw, row_id: str, values: Mapping[str, Any]) -> Change | None:
    """What is gone already leaves nothing to tell. One that is only marked goes on to carry what was booked on it."""
    found = tx.execute(f"SELECT * FROM {table.name} WHERE id = ?", (row_id,)).fetchone()  # nosec B608 # noqa: S608 -- the schema's own names
    if values.get(GONE):
        told = Written(table=table.name, id=row_id, op="insert" if found is None else "update")
        change = _put(tx, table, told, values)
        return Change(table.name, row_id, "delete", change.version, values if found is None else dict(found))
    if found is None:
        return None
    old = dict(found)
    if table.name == "time_entries":  # with them it has gone up as several entries
        old["pauses"] = [dict(pause) for pause in tx.execute(_PAUSES, (row_id,)).fetchall()]
    try:
        tx.execute(f"DELETE FROM {table.name} WHERE id = ?", (row_id,))  # nosec B608 # noqa: S608 -- the schema's own names
    except sqlite3.IntegrityError as exc:
        raise Conflict(f"{table.name} {row_id} is in use here: {exc}", {"table": table.name, "id": row_id}) from None
    return Change(table.name, row_id, "delete", old.get("row_version", 1), old)


def _mended(
    tx: Tx,
    table: Raw,
    one: Written,
    values: Mapping[str, Any],
    later: Made,
    exc: sqlite3.IntegrityError,
) -> dict[str, Any]:
    """Without what comes later. Raises Conflict, Invalid."""
    if "FOREIGN KEY" not in str(exc):
        raise Conflict(f"{one.table} {one.id}: {exc}", {"table": table.name, "id": one.id}) from None
    return _without_later(tx, table, one, values, later)


def _without_later(tx: Tx, table: Raw, one: Written, values: Mapping[str, Any], later: Made) -> dict[str, Any]:
    """A row is told as it is now: it may point at what comes only later, and will be told again then. Raises Invalid."""
    bare = dict(values)
    for column, (target, nullable) in table.points_at.items():
        aim = values.get(column)
        if aim is None or tx.execute(f"SELECT 1 FROM {target} WHERE id = ?", (aim,)).fetchone():  # nosec B608 # noqa: S608 -- the schema's own names
            continue
        if not (nullable and (target, aim) in later):
            what = {"field": column, "table": target, "id": aim}
            raise Invalid(f"{one.table} {one.id} names {target} {aim} as {column}, which is not here", [what])
        bare[column] = None
    return bare
