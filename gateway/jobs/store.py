"""All SQL about jobs and parts that is not a declaration."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.jobs.model import Below, Job, Part, Status
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import NotFound
from gateway.outbox.event import Change

# `part_of` and `job_of` read these, in this order
PART_COLUMNS = "p.id, p.job_id, p.part_number, p.material, p.quantity, p.status, p.current_cell_id"
JOB_COLUMNS = (
    "j.id, j.job_number, j.customer, j.status, j.current_cell_id, j.started_at, j.paused_at, j.resumed_at, j.completed_at, "
    "j.actual_duration_s, j.moved_at"
)
PART_WIDTH = 7

_JOB = f"SELECT {JOB_COLUMNS} FROM jobs j WHERE j.id = ? AND j.deleted_at IS NULL"  # nosec B608 # noqa: S608 -- constants only
_PART = f"""
SELECT {PART_COLUMNS}, {JOB_COLUMNS} FROM parts p JOIN jobs j ON j.id = p.job_id WHERE p.id = ? AND p.deleted_at IS NULL
"""  # nosec B608 # noqa: S608 -- constants only
_BELOW_PART = """
SELECT count(*), coalesce(sum(o.status = 'completed'), 0),
  coalesce(max(o.status IN ('in_progress', 'completed')
    OR o.status = 'on_hold' AND (coalesce(o.started_at, o.paused_at) IS NOT NULL OR o.status_before_hold = 'in_progress')), 0),
  (SELECT r.cell_id FROM operations r JOIN cells c ON c.id = r.cell_id
   WHERE r.part_id = ?1 AND r.deleted_at IS NULL AND r.status = 'in_progress' ORDER BY c.sequence, r.sequence, r.id LIMIT 1)
FROM operations o WHERE o.part_id = ?1 AND o.deleted_at IS NULL
"""
_BELOW_JOB = """
SELECT count(*), coalesce(sum(p.status = 'completed'), 0), coalesce(max(p.status IN ('in_progress', 'completed')), 0),
  (SELECT r.cell_id FROM parts q JOIN operations r ON r.part_id = q.id JOIN cells c ON c.id = r.cell_id
   WHERE q.job_id = ?1 AND q.deleted_at IS NULL AND r.deleted_at IS NULL AND r.status = 'in_progress'
   ORDER BY c.sequence, r.sequence, r.id LIMIT 1)
FROM parts p WHERE p.job_id = ?1 AND p.deleted_at IS NULL
"""
_LAST_COMPLETED = """
SELECT max(o.completed_at) FROM parts p JOIN operations o ON o.part_id = p.id
WHERE p.job_id = ? AND p.deleted_at IS NULL AND o.deleted_at IS NULL
"""
_SAVE_PART = """
UPDATE parts SET status = ?, current_cell_id = ?, updated_at = ?, row_version = row_version + 1
WHERE id = ? AND status = ? RETURNING row_version
"""
_SAVE_JOB = """
UPDATE jobs SET status = ?, current_cell_id = ?, started_at = ?, paused_at = ?, resumed_at = ?, completed_at = ?,
  actual_duration_s = ?, moved_at = ?, updated_at = ?, row_version = row_version + 1
WHERE id = ? AND status = ? RETURNING row_version
"""
_JOB_OUTSIDE = "SELECT external_id FROM jobs WHERE id = ?"
_PART_OUTSIDE = "SELECT external_id FROM parts WHERE id = ?"
_TRACKED = ("status", "current_cell_id", "started_at", "paused_at", "resumed_at", "completed_at")


def get_job(connection: sqlite3.Connection, job_id: str) -> Job:
    """A live job. Raises NotFound."""
    row = connection.execute(_JOB, (job_id,)).fetchone()
    if row is None:
        raise NotFound("Job not found")
    return job_of(row)


def get_part(connection: sqlite3.Connection, part_id: str) -> tuple[Part, Job]:
    """A live part and the job above it. Raises NotFound."""
    row = connection.execute(_PART, (part_id,)).fetchone()
    if row is None:
        raise NotFound("Part not found")
    return part_of(row[:PART_WIDTH]), job_of(row[PART_WIDTH:])


def external_id(connection: sqlite3.Connection, row: Job | Part) -> str | None:
    """What an ERP calls it."""
    sql = _JOB_OUTSIDE if isinstance(row, Job) else _PART_OUTSIDE
    found: str | None = connection.execute(sql, (row.id,)).fetchone()[0]
    return found


def below_part(connection: sqlite3.Connection, part_id: str) -> Below:
    return _below(connection.execute(_BELOW_PART, (part_id,)).fetchone())


def below_job(connection: sqlite3.Connection, job_id: str) -> Below:
    return _below(connection.execute(_BELOW_JOB, (job_id,)).fetchone())


def last_completed_at(connection: sqlite3.Connection, job_id: str) -> datetime | None:
    """When the last of its live operations was completed."""
    return at(connection.execute(_LAST_COMPLETED, (job_id,)).fetchone()[0])


def save_part(tx: Tx, before: Part, after: Part, now: str) -> Change:
    """Its state and where it stands."""
    values = (after.status, after.current_cell_id, now, after.id, before.status)
    version = tx.execute(_SAVE_PART, values).fetchone()[0]
    fields = [name for name in ("status", "current_cell_id") if getattr(after, name) != getattr(before, name)]
    return Change("parts", after.id, "update", version, (*fields, "updated_at"))


def save_job(tx: Tx, before: Job, after: Job, now: str) -> Change:
    """Its state, the times of it and where it stands."""
    times = (after.started_at, after.paused_at, after.resumed_at, after.completed_at)
    values = (
        after.status,
        after.current_cell_id,
        *map(text, times),
        after.actual_duration_s,
        text(after.moved_at),
        now,
        after.id,
        before.status,
    )
    version = tx.execute(_SAVE_JOB, values).fetchone()[0]
    fields = [name for name in _TRACKED if getattr(after, name) != getattr(before, name)]
    if after.actual_duration_s != before.actual_duration_s:
        fields.append("actual_duration")
    return Change("jobs", after.id, "update", version, (*fields, "updated_at"))


def part_of(row: Sequence[Any]) -> Part:
    return Part(row[0], row[1], row[2], row[3], row[4], Status(row[5]), row[6])


def job_of(row: Sequence[Any]) -> Job:
    """Most of its times are empty most of the time."""
    stamps = (at(row[5]), at(row[6]), at(row[7]), at(row[8]))
    return Job(row[0], row[1], row[2], Status(row[3]), row[4], *stamps, row[9], at(row[10]))


def _below(row: sqlite3.Row) -> Below:
    return Below(row[0], row[1], bool(row[2]), row[3])


def at(written: str | None) -> datetime | None:
    return time_.parse(written) if written else None


def text(instant: datetime | None) -> str | None:
    return time_.text(instant) if instant else None
