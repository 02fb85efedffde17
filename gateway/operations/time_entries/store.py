"""All SQL about time entries and their pauses that is not a declaration."""

import sqlite3
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from gateway.jobs.store import at, text
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.operations.model import ChangeOperation, Pause, TimeEntry
from gateway.operations.rules import Time
from gateway.operations.store import TOGETHER
from gateway.outbox.event import Change, Stamp

_SELECT = f"""
SELECT e.id, e.operation_id, e.operator_id, e.start_time, e.end_time, e.duration_s,
  EXISTS (SELECT 1 FROM time_entries x WHERE x.operator_id = e.operator_id AND x.end_time IS NULL AND x.is_paused = 0
    AND x.operation_id <> e.operation_id AND NOT {TOGETHER.format("x.operation_id", "e.operation_id")}) AS elsewhere,
  p.id, p.paused_at, p.resumed_at, p.duration
FROM time_entries e LEFT JOIN time_entry_pauses p ON p.time_entry_id = e.id
WHERE {{}} ORDER BY e.start_time, e.id, p.paused_at, p.rowid
"""  # nosec B608 # noqa: S608 -- constants only
_OPEN = _SELECT.format("e.operation_id = ? AND e.end_time IS NULL")
_ONE = _SELECT.format("e.id = ?")
_CLOSED_S = "SELECT coalesce(sum(duration_s), 0) FROM time_entries WHERE operation_id = ? AND end_time IS NOT NULL"
_OPEN_ENTRY = """
INSERT INTO time_entries (id, operation_id, operator_id, time_type, start_time, notes, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_OPEN_PAUSE = (
    "INSERT INTO time_entry_pauses (id, time_entry_id, paused_at, segment_id, created_at) VALUES (?, ?, ?, ?, ?)"
)
_CLOSE_PAUSE = "UPDATE time_entry_pauses SET resumed_at = ?, duration = ? WHERE id = ? AND resumed_at IS NULL"
_TOUCH_ENTRY = """
UPDATE time_entries SET end_time = ?, duration_s = ?, is_paused = ?, row_version = row_version + 1
WHERE id = ? RETURNING row_version
"""
_OPEN_BY = "SELECT id FROM time_entries WHERE operator_id = ? AND operation_id = ? AND end_time IS NULL AND id <> ?"
_CLOSED = ("end_time", "duration", "is_paused")


def open_on(connection: sqlite3.Connection, operation_id: str) -> list[TimeEntry]:
    """The entries that have not ended, with their pauses, in order of their start."""
    return _entries(connection.execute(_OPEN, (operation_id,)))


def one(connection: sqlite3.Connection, entry_id: str) -> TimeEntry | None:
    return next(iter(_entries(connection.execute(_ONE, (entry_id,)))), None)


def open_by(connection: sqlite3.Connection, operator_id: str, operation_id: str, *, but: str) -> str | None:
    """The open entry of this person on this operation that is not `but`."""
    row = connection.execute(_OPEN_BY, (operator_id, operation_id, but)).fetchone()
    return row[0] if row else None


def any_on(connection: sqlite3.Connection, operation_id: str) -> bool:
    """Has anybody's time been booked on this operation?"""
    sql = "SELECT 1 FROM time_entries WHERE operation_id = ? LIMIT 1"
    return connection.execute(sql, (operation_id,)).fetchone() is not None


def pauses_of(connection: sqlite3.Connection, entry_id: str) -> list[dict[str, Any]]:
    """As rows, in order of time."""
    sql = "SELECT * FROM time_entry_pauses WHERE time_entry_id = ? ORDER BY paused_at, rowid"
    return [dict(row) for row in connection.execute(sql, (entry_id,))]


def closed_s(connection: sqlite3.Connection, operation_id: str) -> int:
    """What the closed entries add up to."""
    total: int = connection.execute(_CLOSED_S, (operation_id,)).fetchone()[0]
    return total


def counted_s(connection: sqlite3.Connection, operation_id: str) -> int:
    """The operation's actual time: closed entries, and the finished stretches of open ones."""
    return closed_s(connection, operation_id) + sum(entry.counted_s for entry in open_on(connection, operation_id))


def save(tx: Tx, time: Time, wish: ChangeOperation, stamp: Stamp) -> list[Change]:
    """Open, pause, resume and close as decided."""
    changes = []
    if entry := time.opened:
        values = (
            entry.id,
            entry.operation_id,
            entry.operator_id,
            wish.time_type,
            text(entry.start_time),
            wish.notes,
            stamp.text,
        )
        tx.execute(_OPEN_ENTRY, values)
        changes.append(Change("time_entries", entry.id, "insert", 1))
    for entry in time.paused:
        pause = entry.pauses[-1]
        tx.execute(_OPEN_PAUSE, (pause.id, entry.id, text(pause.paused_at), stamp.new_id(), stamp.text))
        changes.append(_touch(tx, entry, ("is_paused",)))
    changes += [close_pause(tx, entry, ("is_paused",)) for entry in time.resumed]
    changes += [close_pause(tx, entry, _CLOSED) for entry in time.closed]
    return changes


def close_pause(tx: Tx, entry: TimeEntry, fields: tuple[str, ...] = _CLOSED) -> Change:
    """Save an entry whose last pause is over, or which has ended."""
    if entry.pauses:
        pause = entry.pauses[-1]
        tx.execute(_CLOSE_PAUSE, (text(pause.resumed_at), pause.duration_s, pause.id))
    return _touch(tx, entry, fields)


def _touch(tx: Tx, entry: TimeEntry, fields: tuple[str, ...]) -> Change:
    values = (text(entry.end_time), entry.duration_s, int(entry.paused), entry.id)
    return Change("time_entries", entry.id, "update", tx.execute(_TOUCH_ENTRY, values).fetchone()[0], fields)


def _entries(rows: sqlite3.Cursor) -> list[TimeEntry]:
    return [_entry(list(group)) for _, group in groupby(rows, key=lambda row: row[0])]


def _entry(rows: Sequence[sqlite3.Row]) -> TimeEntry:
    row = rows[0]
    pauses = tuple(Pause(pause[7], time_.parse(pause[8]), at(pause[9]), pause[10] or 0) for pause in rows if pause[7])
    return TimeEntry(row[0], row[1], row[2], time_.parse(row[3]), at(row[4]), row[5], pauses, bool(row[6]))
