"""All SQL about operations that is not a declaration. That about the time on them: `time_entries/store.py`."""

import sqlite3

from gateway.catalog.store import missing
from gateway.jobs.model import Status
from gateway.jobs.store import JOB_COLUMNS, PART_COLUMNS, PART_WIDTH, at, job_of, part_of, text
from gateway.kernel.db import Tx
from gateway.kernel.errors import Invalid, NotFound
from gateway.operations.model import Operation
from gateway.operations.resources import OPERATIONS
from gateway.operations.rules import Decision
from gateway.outbox.event import Change

_DELETED_AT = 13
_MOVED_AT = 14
_HELD = 15
_OPERATION_WIDTH = 16
_GET = f"""
SELECT o.id, o.cell_id, c.name, o.operation_name, o.status, o.estimated_time, o.actual_time_s, o.completion_percentage,
  o.started_at, o.paused_at, o.resumed_at, o.completed_at, o.status_before_hold, o.deleted_at, o.moved_at,
  EXISTS (SELECT 1 FROM issues i WHERE i.operation_id = o.id AND i.status = 'pending' AND i.causes_standstill = 1),
  {PART_COLUMNS}, {JOB_COLUMNS}
FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id JOIN cells c ON c.id = o.cell_id
WHERE o.id = ?
"""  # nosec B608 # noqa: S608 -- constants only
_SAVE = f"""
UPDATE operations SET status = :status, status_before_hold = :status_before_hold, started_at = :started_at,
  paused_at = :paused_at, resumed_at = :resumed_at, completed_at = :completed_at, moved_at = :moved_at,
  completion_percentage = :percentage, actual_time_s = :actual_time_s, updated_at = :now, row_version = row_version + 1
WHERE id = :id AND status = :expected
RETURNING row_version, {OPERATIONS.row_json}
"""  # nosec B608 # noqa: S608 -- declared names only
_SET_ACTUAL_TIME = """
UPDATE operations SET actual_time_s = ?, updated_at = ?, row_version = row_version + 1 WHERE id = ? RETURNING row_version
"""
# One person runs a batch on several operations at once: its other operations are not elsewhere.
TOGETHER = """
EXISTS (SELECT 1 FROM batch_operations one JOIN batch_operations two ON two.batch_id = one.batch_id
  JOIN operation_batches b ON b.id = one.batch_id AND b.status = 'in_progress'
  WHERE one.operation_id = {} AND two.operation_id = {})
"""
_BUSY_ELSEWHERE = f"""
SELECT o.id, o.operation_name FROM time_entries e JOIN operations o ON o.id = e.operation_id
WHERE e.operator_id = ?1 AND e.end_time IS NULL AND e.is_paused = 0 AND e.operation_id <> ?2
  AND NOT {TOGETHER.format("e.operation_id", "?2")} LIMIT 1
"""  # nosec B608 # noqa: S608 -- constants only
_NEXT_SEQUENCE = "SELECT coalesce(max(sequence), 0) + 1 FROM operations WHERE part_id = ? AND deleted_at IS NULL"
_LIVE_BELOW = """
SELECT o.id, o.cell_id FROM operations o JOIN parts p ON p.id = o.part_id
WHERE {} = ? AND o.deleted_at IS NULL AND p.deleted_at IS NULL ORDER BY p.rowid, o.sequence, o.id
"""
_BELOW_PART = _LIVE_BELOW.format("p.id")
_BELOW_JOB = _LIVE_BELOW.format("p.job_id")
_TRACKED = ("status_before_hold", "started_at", "paused_at", "resumed_at", "completed_at", "completion_percentage")


def get(connection: sqlite3.Connection, operation_id: str, *, deleted_too: bool = False) -> Operation:
    """An operation with the part and job above it. Raises NotFound.

    `deleted_too`: what was booked on it stays, so it can still be put right.
    """
    row = connection.execute(_GET, (operation_id,)).fetchone()
    if row is None or (row[_DELETED_AT] is not None and not deleted_too):
        raise NotFound("Operation not found")
    above = row[_OPERATION_WIDTH:]
    stamps = (at(row[8]), at(row[9]), at(row[10]), at(row[11]))
    before_hold = Status(row[12]) if row[12] else None
    part, job = part_of(above), job_of(above[PART_WIDTH:])
    state = (Status(row[4]), row[5], row[6], row[7], *stamps, before_hold, at(row[_MOVED_AT]), bool(row[_HELD]))
    return Operation(row[0], part, job, row[1], row[2], row[3], *state)


def save(tx: Tx, decision: Decision, now: str) -> tuple[Change, str]:
    """The operation's change and the row as clients see it, JSON text."""
    before, after = decision.before, decision.after
    row = tx.execute(
        _SAVE,
        {
            "status": after.status,
            "status_before_hold": after.status_before_hold,
            "started_at": text(after.started_at),
            "paused_at": text(after.paused_at),
            "resumed_at": text(after.resumed_at),
            "completed_at": text(after.completed_at),
            "moved_at": text(after.moved_at),
            "percentage": after.completion_percentage,
            "actual_time_s": after.actual_time_s,
            "now": now,
            "id": after.id,
            "expected": before.status,
        },
    ).fetchone()
    if row is None:
        raise missing(OPERATIONS, after.id)
    fields = ["status", *(name for name in _TRACKED if getattr(after, name) != getattr(before, name)), "updated_at"]
    if after.actual_time_s != before.actual_time_s:
        fields.append("actual_time")
    return Change("operations", after.id, "update", row[0], tuple(fields)), row[1]


def set_actual_time(tx: Tx, operation: Operation, actual_time_s: int, now: str) -> list[Change]:
    """The change, none when it was right already."""
    if actual_time_s == operation.actual_time_s:
        return []
    version = tx.execute(_SET_ACTUAL_TIME, (actual_time_s, now, operation.id)).fetchone()[0]
    return [Change("operations", operation.id, "update", version, ("actual_time", "updated_at"))]


def operator_name(connection: sqlite3.Connection, operator_id: str, field: str = "operator_id") -> str:
    """Raises Invalid: work can only be booked on a profile that is known here."""
    row = connection.execute("SELECT full_name FROM profiles WHERE id = ? AND active = 1", (operator_id,)).fetchone()
    if row is None:
        message = f'no active profile has the id "{operator_id}": `eryxon-gateway import` brings profiles'
        raise Invalid(message, [{"field": field, "message": message, "constraint": "FK_CONSTRAINT"}])
    name: str = row[0]
    return name


def profile_name(connection: sqlite3.Connection, profile_id: str | None) -> str | None:
    """Of somebody who need not be at work here any more."""
    row = connection.execute("SELECT full_name FROM profiles WHERE id = ?", (profile_id,)).fetchone()
    return row[0] if row else None


def busy_elsewhere(connection: sqlite3.Connection, operator_id: str, operation_id: str) -> tuple[str, str] | None:
    """(id, name) of another operation on which this operator's time is running."""
    row = connection.execute(_BUSY_ELSEWHERE, (operator_id, operation_id)).fetchone()
    return (row[0], row[1]) if row else None


def next_sequence(connection: sqlite3.Connection, part_id: str) -> int:
    number: int = connection.execute(_NEXT_SEQUENCE, (part_id,)).fetchone()[0]
    return number


def below_part(connection: sqlite3.Connection, part_id: str) -> list[tuple[str, str]]:
    """(id, cell id) of its live operations, in order."""
    return [(row[0], row[1]) for row in connection.execute(_BELOW_PART, (part_id,))]


def below_job(connection: sqlite3.Connection, job_id: str) -> list[tuple[str, str]]:
    """(id, cell id) of the live operations of all its live parts."""
    return [(row[0], row[1]) for row in connection.execute(_BELOW_JOB, (job_id,))]
