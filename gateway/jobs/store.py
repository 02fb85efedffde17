"""All SQL about jobs and parts that is not a declaration."""

import sqlite3
from datetime import datetime

from gateway.jobs.model import Job, Part, Status, Work
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.outbox.event import Change

_TREE = """
SELECT p.id, p.job_id, p.part_number, p.material, p.quantity, p.status, p.current_cell_id,
  j.job_number, j.customer, j.status, j.current_cell_id, j.started_at
FROM parts p JOIN jobs j ON j.id = p.job_id WHERE p.id = ?
"""
_WORKS = """
SELECT o.status, o.started_at IS NOT NULL, o.cell_id, c.sequence
FROM operations o JOIN cells c ON c.id = o.cell_id WHERE o.part_id = ? AND o.deleted_at IS NULL
"""
_RUNNING = """
SELECT o.status, 1, o.cell_id, c.sequence
FROM parts p JOIN operations o ON o.part_id = p.id JOIN cells c ON c.id = o.cell_id
WHERE p.job_id = ? AND p.deleted_at IS NULL AND o.deleted_at IS NULL AND o.status = 'in_progress'
"""
_SAVE_PART = """
UPDATE parts SET status = ?, current_cell_id = ?, updated_at = ?, row_version = row_version + 1
WHERE id = ? RETURNING row_version
"""
_SAVE_JOB = """
UPDATE jobs SET status = :status, current_cell_id = :cell, started_at = :started, updated_at = :now,
  completed_at = CASE WHEN :status = 'completed' THEN coalesce(completed_at, :at) END,
  actual_duration_s = CASE WHEN :status = 'completed'
    THEN coalesce(actual_duration_s, CAST(round((julianday(:at) - julianday(:started)) * 86400) AS INTEGER)) END,
  row_version = row_version + 1
WHERE id = :id RETURNING row_version
"""


def tree_of(connection: sqlite3.Connection, part_id: str) -> tuple[Part, Job]:
    """A part and the job above it."""
    row = connection.execute(_TREE, (part_id,)).fetchone()
    part = Part(row[0], row[1], row[2], row[3], row[4], Status(row[5]), row[6])
    return part, Job(row[1], row[7], row[8], Status(row[9]), row[10], time_.parse(row[11]) if row[11] else None)


def works_of(connection: sqlite3.Connection, part_id: str) -> list[Work]:
    return [_work(row) for row in connection.execute(_WORKS, (part_id,))]


def running_in(connection: sqlite3.Connection, job_id: str) -> list[Work]:
    return [_work(row) for row in connection.execute(_RUNNING, (job_id,))]


def part_states(connection: sqlite3.Connection, job_id: str) -> list[Status]:
    return [Status(row[0]) for row in connection.execute("SELECT status FROM parts WHERE job_id = ? AND deleted_at IS NULL", (job_id,))]


def save_part(tx: Tx, part: Part, now: str) -> Change:
    version = tx.execute(_SAVE_PART, (part.status, part.current_cell_id, now, part.id)).fetchone()[0]
    return Change("parts", part.id, "update", version, ("status", "current_cell_id", "updated_at"))


def save_job(tx: Tx, job: Job, at: datetime, now: str) -> Change:
    """`at` is when it happened: the end of a completed job."""
    values = {
        "status": job.status,
        "cell": job.current_cell_id,
        "started": time_.text(job.started_at) if job.started_at else None,
        "at": time_.text(at),
        "now": now,
        "id": job.id,
    }
    version = tx.execute(_SAVE_JOB, values).fetchone()[0]
    return Change("jobs", job.id, "update", version, ("status", "current_cell_id", "started_at", "completed_at", "actual_duration", "updated_at"))


def _work(row: sqlite3.Row) -> Work:
    return Work(Status(row[0]), bool(row[1]), row[2], row[3])
