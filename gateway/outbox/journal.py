"""All SQL about events, reader positions and parked entries."""

import json
import operator
import re
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.outbox import chain, tombstones
from gateway.outbox.event import Entry, Event, Stamp, encode

PAGE_MAX = 500
TRIM_SLICE = 1_000
LOOK_BACK_MAX = 2_000  # entries in which what became of one row is looked for

_APPEND = f"INSERT INTO events ({chain.CONTENT}, hash, request_id) VALUES "  # nosec B608 # noqa: S608 -- constants only
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS_MAX = 8  # in one statement: each statement is a hand-over of Python's lock
_APPENDS = [_APPEND + ", ".join([_ROW] * count) for count in range(_ROWS_MAX + 1)]
_COLUMNS = f"seq, {chain.CONTENT}, request_id"
_AFTER = f"SELECT {_COLUMNS} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"  # nosec B608 # noqa: S608 -- constants only
_THESE = f"SELECT {_COLUMNS} FROM events WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq"  # nosec B608 # noqa: S608 -- constants only
_KINDS = "SELECT seq, type FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
_NEWEST = "SELECT changes FROM (SELECT changes FROM events ORDER BY seq DESC LIMIT ?) WHERE instr(changes, ?)"
_IN_LANE = f"SELECT {_COLUMNS} FROM events WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?"  # nosec B608 # noqa: S608 -- constants only
_CHANGES = "SELECT count(*), group_concat(changes, '') FROM events WHERE seq > ? AND seq <= ?"
_VALUES = operator.attrgetter(*chain.CONTENT.split(", "))
_NEWEST_LINK = "journal.newest"  # what the writer's connection remembers: the newest entry and its hash
_TABLE = re.compile(r'"table":"(\w+)","id":')  # as `Change.written` has it; inside a text its quotes would be escaped

# Old entries stand at the beginning. Looking stops at the first young one, or every hour would read the whole journal; one
# that a clock running ahead has dated into the future is no reason to stop.
_FIRST_YOUNG = "SELECT seq FROM events WHERE recorded_at >= ? AND recorded_at <= ? ORDER BY seq LIMIT 1"
_OLD = """
SELECT seq FROM events WHERE seq <= ? AND recorded_at < ? AND seq NOT IN (SELECT seq FROM event_parked)
ORDER BY seq LIMIT ?
"""


def append(tx: Tx, stamp: Stamp, events: Iterable[Event]) -> None:
    """Write what happened; part of the transaction that made it happen."""
    recorded_at, trusted = stamp.text, int(time_.trusted(stamp.now))
    events = [*events]
    for event in events:
        tombstones.remember(tx, event.changes, recorded_at)
    rows = [
        (
            stamp.new_id(),
            event.type,
            event.lane,
            event.aggregate,
            stamp.origin,
            recorded_at if event.occurred_at is stamp.now else time_.text(event.occurred_at),
            recorded_at,
            trusted,
            None if event.data is None else encode(event.data),
            "[" + ",".join([change.written for change in event.changes]) + "]",
        )
        for event in events
    ]
    _write(tx, rows, stamp.request_id)


def copy(tx: Tx, entry: Entry) -> int:
    """An entry of another gateway's journal, as it stands there. The seq that it has here."""
    return _write(tx, [_VALUES(entry)], entry.request_id)


def _write(tx: Tx, rows: Sequence[tuple[Any, ...]], request_id: str | None) -> int:
    """Each chained to the one before; the seq of the last. To read that one first would cost more than all of its hash."""
    newest: chain.Link = tx.memory.get(_NEWEST_LINK) or chain.head(tx)
    for first in range(0, len(rows), _ROWS_MAX):
        some = rows[first : first + _ROWS_MAX]
        seq, before = newest.seq, newest.hash or chain.GENESIS
        flat: list[Any] = []
        for row in some:
            seq += 1
            before = chain.linked(before, seq, row)
            flat += (*row, before, request_id)
        last = tx.execute(_APPENDS[len(some)], flat).lastrowid or 0
        # What was remembered has been rolled back since.
        newest = chain.Link(seq, before) if last == seq else chain.anew(tx, last - len(some), last)
    tx.memory[_NEWEST_LINK] = newest
    return newest.seq


def head(connection: sqlite3.Connection) -> int:
    """The highest seq ever given out, trimmed ones included."""
    return chain.counted(connection)


def after(connection: sqlite3.Connection, seq: int, limit: int = PAGE_MAX) -> list[Entry]:
    """The next entries in commit order."""
    rows = connection.execute(_AFTER, (seq, limit))
    return [Entry(*row) for row in rows]


def in_lane(connection: sqlite3.Connection, lane: str, seq: int, limit: int = PAGE_MAX) -> list[Entry]:
    """The next entries of one lane."""
    rows = connection.execute(_IN_LANE, (lane, seq, limit))
    return [Entry(*row) for row in rows]


def kinds(connection: sqlite3.Connection, seq: int, limit: int) -> Iterable[tuple[int, str | None]]:
    """(seq, type) of the next entries in commit order."""
    return connection.execute(_KINDS, (seq, limit))


def these(connection: sqlite3.Connection, seqs: Collection[int]) -> list[Entry]:
    """Those of them that are there, in commit order."""
    return [Entry(*row) for row in connection.execute(_THESE, (encode([*seqs]),))]


def changed_since(
    connection: sqlite3.Connection, table: str, row_id: str, base: int, version: int
) -> frozenset[str] | None:
    """The columns in which a row of this version differs from the version `base`; None when that is too long ago to be told."""
    found: dict[int, Sequence[str]] = {}
    for (changes,) in connection.execute(_NEWEST, (LOOK_BACK_MAX, f'"table":"{table}","id":"{row_id}"')):
        for one in json.loads(changes):
            if (one["table"], one["id"], one["op"]) == (table, row_id, "update"):
                found[one["version"]] = one["fields"] or ()
    wanted = range(base + 1, version + 1)
    return frozenset(name for one in wanted for name in found[one]) if found.keys() >= {*wanted} else None


def touched(connection: sqlite3.Connection, seq: int, head: int) -> frozenset[str] | None:
    """The tables that the entries after `seq` up to `head` changed; None when they are many, or not all there any more."""
    if not 0 <= head - seq <= PAGE_MAX:
        return None
    count, changes = connection.execute(_CHANGES, (seq, head)).fetchone()
    return frozenset(_TABLE.findall(changes or "")) if count == head - seq else None


# ------------------------------------------------------------------ readers


def register(tx: Tx, name: str, now: str, since: int | None = None) -> int:
    """The reader's position; a new one begins at `since`, or at the head: what was before is not its business."""
    start = head(tx) if since is None else since
    tx.execute(
        "INSERT INTO event_readers (name, since, position, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (name, start, start, now),
    )
    return int(tx.execute("SELECT position FROM event_readers WHERE name = ?", (name,)).fetchone()[0])


def unregister(tx: Tx, name: str) -> None:
    """The way out is gone for good, and what was set aside for it."""
    tx.execute("DELETE FROM event_parked WHERE reader = ?", (name,))
    tx.execute("DELETE FROM event_readers WHERE name = ?", (name,))


def advance(tx: Tx, name: str, position: int) -> None:
    """Never backwards. Nothing changes when it is there already: that would be a write, and wake everybody again."""
    tx.execute("UPDATE event_readers SET position = ?1 WHERE name = ?2 AND position < ?1", (position, name))


def readers(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    """name, since, position, skipped, parked of every reader."""
    return connection.execute(
        "SELECT name, since, position, skipped, "
        "(SELECT count(*) FROM event_parked p WHERE p.reader = r.name) AS parked FROM event_readers r ORDER BY name"
    ).fetchall()


def park(
    tx: Tx, reader: str, entries: Sequence[Entry], reason: str, now: str, *, state: str, request: Any = None
) -> None:
    """Set entries aside for this reader, with a reason that a person understands."""
    tx.executemany(
        "INSERT OR REPLACE INTO event_parked (reader, seq, lane, aggregate, state, reason, request, parked_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                reader,
                entry.seq,
                entry.lane,
                entry.aggregate,
                state,
                reason,
                None if request is None else encode(request),
                now,
            )
            for entry in entries
        ],
    )


@dataclass(frozen=True, slots=True)
class MovedOn:
    """A reader that will never see the entries after `after` up to `to`."""

    reader: str
    after: int
    to: int


@dataclass(frozen=True, slots=True)
class Trimmed:
    rows: int
    moved_on: tuple[MovedOn, ...] = ()


def trim(tx: Tx, *, sent_up_to: int, recorded_before: str, now: str) -> Trimmed:
    """Delete one slice of old entries that the uplink has sent. Parked ones stay.

    Other readers that are still behind are moved on, and the range counts as skipped.
    """
    young = tx.execute(_FIRST_YOUNG, (recorded_before, now)).fetchone()
    end = min(sent_up_to, young[0] - 1) if young else sent_up_to
    slice_ = tx.execute(_OLD, (end, recorded_before, TRIM_SLICE)).fetchall()
    if not slice_:
        return Trimmed(0)
    last = slice_[-1][0]
    behind = tx.execute("SELECT name, position FROM event_readers WHERE position < ?", (last,)).fetchall()
    tx.execute(
        "UPDATE event_readers SET skipped = skipped + ? - position, position = ? WHERE position < ?", (last, last, last)
    )
    chain.forget(tx, {row[0] for row in slice_})
    tx.executemany("DELETE FROM events WHERE seq = ?", slice_)
    return Trimmed(len(slice_), tuple(MovedOn(name, position, last) for name, position in behind))
