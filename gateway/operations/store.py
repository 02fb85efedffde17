"""All SQL about operations and the time on them."""

import sqlite3
from datetime import datetime

from gateway.catalog.store import missing
from gateway.jobs.model import Job, Part, Status
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Invalid, NotFound
from gateway.operations.model import ChangeOperation, Operation, TimeEntry
from gateway.operations.resources import OPERATIONS
from gateway.operations.rules import Decision
from gateway.outbox.event import Change, Stamp

_GET = """
SELECT o.id, o.cell_id, c.name, o.operation_name, o.status, o.estimated_time, o.actual_time_s, o.completion_percentage,
  o.started_at, o.paused_at, o.resumed_at, o.completed_at,
  p.id, p.job_id, p.part_number, p.material, p.quantity, p.status, p.current_cell_id,
  j.id, j.job_number, j.customer, j.status, j.current_cell_id, j.started_at
FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id JOIN cells c ON c.id = o.cell_id
WHERE o.id = ? AND o.deleted_at IS NULL
"""
_OPEN = """
SELECT e.id, e.operation_id, e.operator_id, e.start_time,
  (SELECT coalesce(sum(p.duration), 0) FROM time_entry_pauses p WHERE p.time_entry_id = e.id) AS paused_s,
  (SELECT p.id || ' ' || p.paused_at FROM time_entry_pauses p WHERE p.time_entry_id = e.id AND p.resumed_at IS NULL) AS pause
FROM time_entries e WHERE e.operation_id = ? AND e.end_time IS NULL ORDER BY e.start_time, e.id
"""
_CLOSED_S = "SELECT coalesce(sum(duration_s), 0) FROM time_entries WHERE operation_id = ? AND end_time IS NOT NULL"
_SAVE = f"""
UPDATE operations SET status = :status, started_at = :started_at, paused_at = :paused_at, resumed_at = :resumed_at,
  completed_at = :completed_at, completion_percentage = :percentage, actual_time_s = :actual_time_s, updated_at = :now,
  row_version = row_version + 1
WHERE id = :id AND status = :expected
RETURNING row_version, {OPERATIONS.row_json}
"""  # noqa: S608 -- declared names only
_BUSY_ELSEWHERE = """
SELECT o.id, o.operation_name FROM time_entries e JOIN operations o ON o.id = e.operation_id
WHERE e.operator_id = ? AND e.end_time IS NULL AND e.is_paused = 0 AND e.operation_id <> ? LIMIT 1
"""
_OPEN_ENTRY = """
INSERT INTO time_entries (id, operation_id, operator_id, time_type, start_time, notes, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_OPEN_PAUSE = "INSERT INTO time_entry_pauses (id, time_entry_id, paused_at, segment_id, created_at) VALUES (?, ?, ?, ?, ?)"
_CLOSE_PAUSE = """
UPDATE time_entry_pauses SET resumed_at = ?1, duration = max(0, CAST(round((julianday(?1) - julianday(paused_at)) * 86400) AS INTEGER))
WHERE time_entry_id = ?2 AND resumed_at IS NULL
"""
_TOUCH_ENTRY = """
UPDATE time_entries SET end_time = ?, duration_s = ?, is_paused = ?, row_version = row_version + 1 WHERE id = ? RETURNING row_version
"""


def get(connection: sqlite3.Connection, operation_id: str) -> Operation:
    """Raises NotFound."""
    row = connection.execute(_GET, (operation_id,)).fetchone()
    if row is None:
        raise NotFound("Operation not found")
    part = Part(row[12], row[13], row[14], row[15], row[16], Status(row[17]), row[18])
    job = Job(row[19], row[20], row[21], Status(row[22]), row[23], _at(row[24]))
    stamps = (_at(row[8]), _at(row[9]), _at(row[10]), _at(row[11]))
    return Operation(row[0], part, job, row[1], row[2], row[3], Status(row[4]), row[5], row[6], row[7], *stamps)


def open_entries(connection: sqlite3.Connection, operation_id: str) -> list[TimeEntry]:
    return [_entry(row) for row in connection.execute(_OPEN, (operation_id,))]


def closed_s(connection: sqlite3.Connection, operation_id: str) -> int:
    """What the closed entries add up to."""
    seconds: int = connection.execute(_CLOSED_S, (operation_id,)).fetchone()[0]
    return seconds


def operator_name(connection: sqlite3.Connection, operator_id: str) -> str:
    """Raises Invalid: time can only be booked on a profile that is known here."""
    row = connection.execute("SELECT full_name FROM profiles WHERE id = ? AND active = 1", (operator_id,)).fetchone()
    if row is None:
        message = f'no active profile has the id "{operator_id}": `eryxon-gateway import` brings profiles'
        raise Invalid(message, [{"field": "operator_id", "message": message, "constraint": "FK_CONSTRAINT"}])
    name: str = row[0]
    return name


def busy_elsewhere(connection: sqlite3.Connection, operator_id: str, operation_id: str) -> tuple[str, str] | None:
    """(id, name) of another operation on which this operator's time is running."""
    row = connection.execute(_BUSY_ELSEWHERE, (operator_id, operation_id)).fetchone()
    return (row[0], row[1]) if row else None


def save(tx: Tx, decision: Decision, now: str) -> tuple[Change, str]:
    """The operation's change and the row as clients see it, JSON text."""
    after = decision.after
    row = tx.execute(
        _SAVE,
        {
            "status": after.status,
            "started_at": _text(after.started_at),
            "paused_at": _text(after.paused_at),
            "resumed_at": _text(after.resumed_at),
            "completed_at": _text(after.completed_at),
            "percentage": after.completion_percentage,
            "actual_time_s": after.actual_time_s,
            "now": now,
            "id": after.id,
            "expected": decision.before.status,
        },
    ).fetchone()
    if row is None:
        raise missing(OPERATIONS, after.id)
    fields = ("status", *(name for name in _TRACKED if getattr(after, name) != getattr(decision.before, name)), "updated_at")
    return Change("operations", after.id, "update", row[0], fields), row[1]


def save_entries(tx: Tx, decision: Decision, wish: ChangeOperation, stamp: Stamp) -> list[Change]:
    """Open, pause, resume and close the entries as decided."""
    changes = []
    if entry := decision.time.opened:
        start = _text(entry.start_time)
        tx.execute(_OPEN_ENTRY, (entry.id, entry.operation_id, entry.operator_id, wish.time_type, start, wish.notes, stamp.text))
        changes.append(Change("time_entries", entry.id, "insert", 1))
    for entry in decision.time.paused:
        tx.execute(_OPEN_PAUSE, (entry.pause_id, entry.id, _text(entry.paused_since), stamp.new_id(), stamp.text))
        changes.append(_touch(tx, entry, ("is_paused",)))
    for entry in decision.time.resumed:
        tx.execute(_CLOSE_PAUSE, (_text(decision.at), entry.id))
        changes.append(_touch(tx, entry, ("is_paused",)))
    for entry in decision.time.closed:
        tx.execute(_CLOSE_PAUSE, (_text(entry.end_time), entry.id))
        changes.append(_touch(tx, entry, ("end_time", "duration", "is_paused")))
    return changes


_TRACKED = ("started_at", "paused_at", "resumed_at", "completed_at", "completion_percentage")


def _touch(tx: Tx, entry: TimeEntry, fields: tuple[str, ...]) -> Change:
    duration_s = entry.net_s(entry.end_time) if entry.end_time else None
    values = (_text(entry.end_time), duration_s, int(entry.paused_since is not None), entry.id)
    return Change("time_entries", entry.id, "update", tx.execute(_TOUCH_ENTRY, values).fetchone()[0], fields)


def _entry(row: sqlite3.Row) -> TimeEntry:
    pause_id, _, paused_at = (row[5] or "").partition(" ")
    return TimeEntry(row[0], row[1], row[2], time_.parse(row[3]), None, _at(paused_at), row[4], pause_id or None)


def _at(written: str | None) -> datetime | None:
    return time_.parse(written) if written else None


def _text(at: datetime | None) -> str | None:
    return time_.text(at) if at else None
