"""Everything as it stood at one moment, with the position in the journal from which to go on: a row to a line."""

import sqlite3
from collections.abc import Iterator
from itertools import chain

from gateway.catalog.resources import Resource
from gateway.hub.entities import GONE, Sight, epoch, has_gone
from gateway.kernel.db import Database
from gateway.kernel.snapshots import Chunks, Snapshots
from gateway.outbox import journal, tombstones

ROWS = 200  # in one piece


class Moments:
    """One snapshot at a time."""

    def __init__(self, db: Database) -> None:
        self._snapshots = Snapshots(db)

    async def open(self, sight: Sight) -> Chunks:
        """Close it, read or not. Raises Busy, StorageFailed."""
        chunks = self._snapshots.open(lambda connection: _document(connection, sight))
        await chunks.begin()
        return chunks


def _document(connection: sqlite3.Connection, sight: Sight) -> Iterator[bytes]:
    """The pieces of the whole, in one read transaction of the connection. It ends with `complete`, or is not whole."""
    yield f'{{"seq":{journal.head(connection)},"epoch":{epoch(connection)},"entities":{{\n'.encode()
    before = ""
    for name, resource in sight.resources.items():
        yield f'{before}"{name}":['.encode()
        yield from _lines(rows for rows in _pieces(connection, resource, sight, resource.row_json, gone=False))
        before = "\n],\n"
    yield b"\n]" if before else b""
    yield b'},\n"tombstones":['
    yield from _lines(chain.from_iterable(_tombstones(connection, one, sight) for one in sight.resources.values()))
    yield b'\n],\n"complete":true}\n'


def _lines(pieces: Iterator[list[str]]) -> Iterator[bytes]:
    before = "\n"
    for rows in pieces:
        yield (before + ",\n".join(rows)).encode()
        before = ",\n"


def _tombstones(connection: sqlite3.Connection, resource: Resource, sight: Sight) -> Iterator[list[str]]:
    """Rows that are marked as deleted, and those that are not there at all any more."""
    table = resource.table
    for gone in tombstones.of_table(connection, table, sight.values.get("cells")):
        yield [text for _, text in gone]
    if not has_gone(resource):
        return
    version = f"{table}.row_version" if resource.versioned else "1"
    row = f"json_object('entity', '{table}', 'id', {table}.id, 'deleted_at', {table}.{GONE}, 'row_version', {version})"
    yield from _pieces(connection, resource, sight, row, gone=True)


def _pieces(
    connection: sqlite3.Connection, resource: Resource, sight: Sight, row: str, *, gone: bool
) -> Iterator[list[str]]:
    """Rows by id."""
    table, last = resource.table, ""
    conditions = [f"{table}.id > :after", f"({sight.condition(resource)})"]
    if has_gone(resource):
        conditions.append(f"{table}.{GONE} IS {'NOT ' if gone else ''}NULL")
    sql = f"SELECT {table}.id, {row} FROM {table} WHERE {' AND '.join(conditions)} ORDER BY {table}.id LIMIT {ROWS}"  # nosec B608 # noqa: S608 -- declared names only
    while found := connection.execute(sql, {**sight.values, "after": last}).fetchall():
        last = found[-1][0]
        yield [one[1] for one in found]
