"""What a damaged database still gives: the journal behind the backup with the rows that it names, and what was set aside.

An entry comes only with all of its rows: alone it would tell the other side that they are gone.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.kernel.connection import connect, lacks_space
from gateway.kernel.db import Tx
from gateway.outbox import journal

ENTRIES_MAX = 500_000  # behind the backup: more than a day of the busiest hall
TOLD_MAX = 5  # ranges, in a sentence
# Rows that no journal names: they go with the one that they stand below. (table, column that names it)
BELOW = {
    "operations": ("operation_resources", "operation_id"),
    "time_entries": ("time_entry_pauses", "time_entry_id"),
    "operation_quantities": ("operation_quantity_scrap_reasons", "operation_quantity_id"),
}
# What the ways out know of themselves: only together, or an entry would count as sent that nobody knows of.
_SENDING = ("cloud_rows", "event_lanes", "event_parked")
_BESIDE = ("receipts", "api_keys", "mcp_authentication_keys")
_ENTRY = "SELECT * FROM events WHERE seq = ?"
_LAST = ("SELECT seq FROM sqlite_sequence WHERE name = 'events'", "SELECT max(seq) FROM events")

Row = Mapping[str, Any]
Key = tuple[str, str]  # table, id


@dataclass(slots=True)
class _Found:
    """`ops`: rows that the entries name, each with what was done to it last; `missing`: entries that cannot come along;
    `lost`: rows that cannot be read, or have no place any more. The entries themselves are read twice: they may be many.
    """

    ops: dict[Key, str] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    lost: set[Key] = field(default_factory=set)


def salvage(tx: Tx, damaged: Path) -> str:
    """Bring it along. Returns what is there now and what is missing, for people."""
    head = journal.head(tx)
    with contextlib.closing(connect(damaged, mode="ro")) as old:
        last = _last(old)
        if last is None:
            return (
                f"nothing of the damaged file can be read: all that came after entry {head} of the journal is missing"
            )
        tx.execute("PRAGMA defer_foreign_keys=ON")
        found, seqs = _Found(), range(head + 1, min(last, head + ENTRIES_MAX) + 1)
        _look(old, seqs, found)
        _rows(tx, old, found)
        brought = _journal(tx, old, seqs, found)
        sending = not [name for name in _SENDING if not _table(tx, old, name)]
        beside = [name for name in _BESIDE if not _table(tx, old, name)]
        _tidy(tx)
        if sending:
            _positions(tx, old)
    return _told(head, last, brought, found, beside)


def _last(old: sqlite3.Connection) -> int | None:
    for sql in _LAST:
        with contextlib.suppress(sqlite3.DatabaseError):
            if (row := old.execute(sql).fetchone()) and row[0] is not None:
                return int(row[0])
    return None


def _look(old: sqlite3.Connection, seqs: range, found: _Found) -> None:
    """One by one: a damaged page takes only its own."""
    for seq in seqs:
        entry = _one(old, _ENTRY, seq)
        if entry is None:
            found.missing.add(seq)
        else:
            found.ops |= dict(_keys(entry))


def _one(old: sqlite3.Connection, sql: str, value: Any) -> Row | None:
    try:
        row = old.execute(sql, (value,)).fetchone()
    except sqlite3.DatabaseError:
        return None
    return None if row is None else dict(row)


def _keys(entry: Row) -> Iterator[tuple[Key, str]]:
    for change in json.loads(entry["changes"]):
        yield (change["table"], change["id"]), change["op"]


def _rows(tx: Tx, old: sqlite3.Connection, found: _Found) -> None:
    """Each row that the entries name, as it stands in the damaged file."""
    waiting = []
    for key, op in found.ops.items():
        if op == "delete":
            _delete(tx, key)
        elif (row := _one(old, f'SELECT * FROM "{key[0]}" WHERE id = ?', key[1])) is None:  # nosec B608 # noqa: S608 -- named by our own journal
            found.lost.add(key)
        elif not _put(tx, key[0], row, old):
            waiting.append((key, row))
    while waiting:  # two rows may have exchanged what is unique
        left = [(key, row) for key, row in waiting if not _put(tx, key[0], row, old)]
        if len(left) == len(waiting):
            found.lost.update(key for key, _ in left)
            return
        waiting = left


def _delete(tx: Tx, key: Key) -> None:
    with contextlib.suppress(sqlite3.IntegrityError):
        tx.execute(f'DELETE FROM "{key[0]}" WHERE id = ?', (key[1],))  # nosec B608 # noqa: S608 -- named by our own journal


def _put(tx: Tx, table: str, row: Row, old: sqlite3.Connection) -> bool:
    tx.execute("SAVEPOINT row")
    try:
        _upsert(tx, table, row)
        if table in BELOW:
            below, column = BELOW[table]
            tx.execute(f"DELETE FROM {below} WHERE {column} = ?", (row["id"],))  # nosec B608 # noqa: S608 -- constants only
            for one in old.execute(f"SELECT * FROM {below} WHERE {column} = ?", (row["id"],)).fetchall():  # nosec B608 # noqa: S608 -- constants only
                _upsert(tx, below, dict(one))
    except sqlite3.DatabaseError as exc:
        if lacks_space(exc):
            raise
        tx.execute("ROLLBACK TO row")
        return False
    else:
        return True
    finally:
        tx.execute("RELEASE row")


def _upsert(tx: Tx, table: str, row: Row) -> None:
    names = [name for name in _columns(tx, table) if name in row]
    marks = ", ".join("?" for _ in names)
    others = ", ".join(f"{name} = excluded.{name}" for name in names if name != "id")
    written = f'INSERT INTO "{table}" ({", ".join(names)}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {others}'  # nosec B608 # noqa: S608 -- the schema's own names
    tx.execute(written, [row[name] for name in names])


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row["name"] for row in connection.execute(f'PRAGMA table_info("{table}")')]


def _journal(tx: Tx, old: sqlite3.Connection, seqs: range, found: _Found) -> int:
    """The entries that have all their rows, under their own numbers; how many."""
    names = _columns(tx, "events")
    marks = ", ".join("?" for _ in names)
    brought = 0
    for seq in seqs:
        entry = None if seq in found.missing else _one(old, _ENTRY, seq)
        if entry is None or any(key in found.lost for key, _ in _keys(entry)):
            found.missing.add(seq)
            continue
        tx.execute(f"INSERT INTO events ({', '.join(names)}) VALUES ({marks})", [entry.get(name) for name in names])  # nosec B608 # noqa: S608 -- the schema's own names
        brought += 1
    return brought


def _table(tx: Tx, old: sqlite3.Connection, table: str) -> bool:
    """As much of it as can be read; True: all."""
    names = _columns(tx, table)
    marks = ", ".join("?" for _ in names)
    written = f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({marks})"  # nosec B608 # noqa: S608 -- the schema's own names
    try:
        for row in old.execute(f"SELECT {', '.join(names)} FROM {table}"):  # nosec B608 # noqa: S608 -- the schema's own names
            tx.execute(written, tuple(row))
    except sqlite3.DatabaseError as exc:
        if lacks_space(exc):
            raise
        return False
    return True


def _tidy(tx: Tx) -> None:
    """What stands on nothing now goes."""
    tx.execute("DELETE FROM event_parked WHERE seq NOT IN (SELECT seq FROM events)")
    while orphans := tx.execute("PRAGMA foreign_key_check").fetchall():
        for table, rowid, *_ in orphans:
            tx.execute(f'DELETE FROM "{table}" WHERE rowid = ?', (rowid,))  # nosec B608 # noqa: S608 -- the schema's own names


def _positions(tx: Tx, old: sqlite3.Connection) -> None:
    head = journal.head(tx)
    tx.execute("DELETE FROM event_lanes WHERE position > ?", (head,))
    with contextlib.suppress(sqlite3.DatabaseError):
        for name, position in old.execute("SELECT name, position FROM event_readers").fetchall():
            journal.advance(tx, name, min(position, head))


def _told(head: int, last: int, brought: int, found: _Found, beside: Sequence[str]) -> str:
    there = f"{brought} of the {last - head} journal entries behind it were brought along from the damaged file"
    lost = [*found.missing, *range(head + ENTRIES_MAX + 1, last + 1)]
    if lost:
        there += f"; missing are the entries {_ranges(sorted(lost))}"
    if found.lost:
        there += f", and {len(found.lost)} rows could not be brought along"
    if beside:
        there += f"; not all could be read of {', '.join(beside)}"
    return there


def _ranges(numbers: Sequence[int]) -> str:
    """`7, 12-15`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    told = [str(first) if first == end else f"{first}-{end}" for first, end in ranges[:TOLD_MAX]]
    return ", ".join(told) + (f" and {len(ranges) - TOLD_MAX} more ranges" if len(ranges) > TOLD_MAX else "")
