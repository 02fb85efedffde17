"""How the work stands: counts, what is due, one job as a whole, a shift."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from gateway.catalog.models import Uuid
from gateway.kernel.errors import Invalid, NotFound
from gateway.reports.model import ALIVE, ROWS_MAX, WORK, Asked, Report, Texts, View, one, percent, rows

SHIFT_HOURS_MAX = 168
DUE = "coalesce(j.due_date_override, j.due_date)"
SEEN_JOB = f"""(:cells IS NULL OR EXISTS (SELECT 1 FROM parts p JOIN operations o ON o.part_id = p.id
  WHERE p.job_id = j.id AND p.deleted_at IS NULL AND {ALIVE}))"""  # nosec B608 # noqa: S608 -- constants only
_SEEN_PART = f"(:cells IS NULL OR EXISTS (SELECT 1 FROM operations o WHERE o.part_id = p.id AND {ALIVE}))"  # nosec B608 # noqa: S608 -- constants only
_PARTS = (
    f"""parts p JOIN jobs j ON j.id = p.job_id AND j.deleted_at IS NULL WHERE p.deleted_at IS NULL AND {_SEEN_PART}"""
)
_PROGRESS = f"""(SELECT json_object('total', count(*), 'completed', coalesce(sum(o.status = 'completed'), 0))
  FROM operations o WHERE o.part_id = p.id AND {ALIVE})"""  # nosec B608 # noqa: S608 -- constants only
_STATES = {
    "jobs": f"SELECT j.status AS status, count(*) AS count FROM jobs j WHERE j.deleted_at IS NULL AND {SEEN_JOB} GROUP BY 1",  # nosec B608 # noqa: S608 -- constants only
    "parts": f"SELECT p.status AS status, count(*) AS count FROM {_PARTS} GROUP BY 1",  # nosec B608 # noqa: S608 -- constants only
    "operations": f"SELECT o.status AS status, count(*) AS count FROM {WORK} WHERE {ALIVE} GROUP BY 1",  # nosec B608 # noqa: S608 -- constants only
    "issues": f"""SELECT i.status AS status, count(*) AS count FROM issues i JOIN operations o ON o.id = i.operation_id
      WHERE {ALIVE} GROUP BY 1""",  # nosec B608 # noqa: S608 -- constants only
}


class Nothing(Asked):
    pass


class OfJob(Asked):
    job_id: Uuid | None = None
    job_number: str | None = None


class Overview(OfJob):
    include_operations: bool = True
    include_issues: bool = False


class OfCustomer(Asked):
    customer: str = Field(min_length=1, max_length=255)
    status: Literal["not_started", "in_progress", "on_hold", "completed"] | None = None
    include_completed: bool = False
    limit: int = Field(50, ge=1, le=ROWS_MAX)


class DueSoon(Asked):
    due_within_days: int = Field(7, ge=0, le=365)
    customer: str | None = None
    include_blocking_ops: bool = True
    status_filter: Texts = None
    sort_by: Literal["due_date", "completion_percentage", "customer"] = "due_date"
    limit: int = Field(50, ge=1, le=ROWS_MAX)


class Shift(Asked):
    hours: float = Field(8, gt=0, le=SHIFT_HOURS_MAX)
    cell_id: Uuid | None = None


def dashboard(connection: sqlite3.Connection, _asked: Nothing, view: View) -> dict[str, Any]:
    counts = {
        name: {row["status"]: row["count"] for row in rows(connection, sql, view)} for name, sql in _STATES.items()
    }
    return {name: {"total": sum(states.values()), "by_status": states} for name, states in counts.items()}


def job_of(connection: sqlite3.Connection, asked: OfJob, view: View) -> dict[str, Any]:
    """Raises Invalid when neither is given, NotFound."""
    if asked.job_id is None and asked.job_number is None:
        message = "job_id or job_number is needed"
        raise Invalid(message, [{"field": "job_id", "message": message, "constraint": "NOT_NULL"}])
    sql = f"""SELECT j.id, j.job_number, j.customer, j.status, {DUE} AS due_date, j.priority, j.notes, j.started_at, j.completed_at,
      {DUE} IS NOT NULL AND julianday({DUE}) < julianday(:now) AND j.status <> 'completed' AS overdue FROM jobs j
      WHERE j.deleted_at IS NULL AND (j.id = :id OR (:id IS NULL AND j.job_number = :number)) AND {SEEN_JOB}"""  # nosec B608 # noqa: S608 -- constants only
    found = rows(connection, sql, view, id=asked.job_id, number=asked.job_number)
    if not found:
        raise NotFound(f"jobs with {'ID' if asked.job_id else 'number'} {asked.job_id or asked.job_number} not found")
    return {**found[0], "overdue": bool(found[0]["overdue"])}


def overview(connection: sqlite3.Connection, asked: Overview, view: View) -> dict[str, Any]:
    job = job_of(connection, asked, view)
    sql = f"""SELECT p.id, p.part_number, p.status, p.quantity, p.material, p.is_bullet_card FROM {_PARTS} AND p.job_id = :job_id
      ORDER BY p.created_at, p.id LIMIT {ROWS_MAX}"""  # nosec B608 # noqa: S608 -- constants only
    parts = rows(connection, sql, view, job_id=job["id"])
    operations = operations_of(connection, view, job["id"])
    done = sum(one["status"] == "completed" for one in operations)
    for part in parts:
        part["is_bullet_card"] = bool(part["is_bullet_card"])
        if asked.include_operations:
            part["operations"] = [one for one in operations if one["part_id"] == part["id"]]
    told = {
        "job": job,
        "progress": {
            "parts": len(parts),
            "parts_completed": sum(part["status"] == "completed" for part in parts),
            "operations": len(operations),
            "operations_completed": done,
            "percent": percent(done, len(operations), empty=0.0),
        },
        "bullet_cards": [part["part_number"] for part in parts if part["is_bullet_card"]],
        "parts": parts,
    }
    if asked.include_issues:
        sql = f"""SELECT i.id, i.title, i.description, i.severity, i.status, i.issue_type, i.operation_id FROM issues i
          JOIN {WORK.replace("operations o", "operations o ON o.id = i.operation_id", 1)} WHERE {ALIVE} AND j.id = :job_id
          ORDER BY i.created_at DESC LIMIT {ROWS_MAX}"""  # nosec B608 # noqa: S608 -- constants only
        told["issues"] = rows(connection, sql, view, job_id=job["id"])
    return told


def operations_of(connection: sqlite3.Connection, view: View, job_id: str) -> list[dict[str, Any]]:
    """In the order in which they are to be done."""
    sql = f"""SELECT o.id, o.part_id, p.part_number, o.operation_name, o.sequence, o.status, o.cell_id, c.name AS cell,
      o.estimated_time, CAST(round(o.actual_time_s / 60.0) AS INTEGER) AS actual_time, o.planned_start, o.planned_end
      FROM {WORK} WHERE {ALIVE} AND j.id = :job_id ORDER BY p.created_at, p.id, o.sequence LIMIT {ROWS_MAX}"""  # nosec B608 # noqa: S608 -- constants only
    return rows(connection, sql, view, job_id=job_id)


def of_customer(connection: sqlite3.Connection, asked: OfCustomer, view: View) -> dict[str, Any]:
    sql = f"""SELECT j.id AS job_id, j.job_number, j.customer, j.status AS job_status, {DUE} AS due_date, p.id, p.part_number,
      p.status, p.quantity, {_PROGRESS} AS progress FROM {_PARTS} AND instr(lower(j.customer), lower(:customer)) > 0
      AND (p.status = :status OR (:status IS NULL AND (:done OR p.status <> 'completed')))
      ORDER BY due_date IS NULL, due_date, j.job_number, p.part_number LIMIT :limit"""  # nosec B608 # noqa: S608 -- constants only
    found = rows(
        connection,
        sql,
        view,
        customer=asked.customer,
        status=asked.status,
        done=asked.include_completed,
        limit=asked.limit,
    )
    jobs: dict[str, dict[str, Any]] = {}
    for row in found:
        about = {"id": row["job_id"], "job_number": row["job_number"], "customer": row["customer"]}
        job = jobs.setdefault(
            row["job_id"], {**about, "status": row["job_status"], "due_date": row["due_date"], "parts": []}
        )
        part = {name: row[name] for name in ("id", "part_number", "status", "quantity")}
        job["parts"].append({**part, "operations": json.loads(row["progress"])})
    told = {"customer_search": asked.customer, "total_parts": len(found), "total_jobs": len(jobs)}
    return {**told, "jobs": [*jobs.values()]}


def due_soon(connection: sqlite3.Connection, asked: DueSoon, view: View) -> dict[str, Any]:
    sql = f"""SELECT p.id, p.part_number, p.status, p.quantity, p.is_bullet_card, j.id AS job_id, j.job_number, j.customer,
      {DUE} AS due_date, round(julianday({DUE}) - julianday(:now), 1) AS days_left, {_PROGRESS} AS progress
      FROM {_PARTS} AND p.status <> 'completed' AND j.status <> 'completed' AND julianday({DUE}) <= julianday(:now) + :days
      AND (:customer IS NULL OR instr(lower(j.customer), lower(:customer)) > 0)
      AND (:states IS NULL OR p.status IN (SELECT value FROM json_each(:states)))
      ORDER BY 9, j.job_number, p.part_number LIMIT :limit"""  # nosec B608 # noqa: S608 -- constants only
    states = None if asked.status_filter is None else json.dumps(asked.status_filter)
    values = {"days": asked.due_within_days, "customer": asked.customer, "states": states, "limit": asked.limit}
    found = [_due(row) for row in rows(connection, sql, view, **values)]
    if asked.include_blocking_ops:
        _add_blocking(connection, view, found)
    if asked.sort_by != "due_date":
        found.sort(key=lambda part: part[asked.sort_by] or "" if asked.sort_by == "customer" else part[asked.sort_by])
    overdue = [part for part in found if part["days_left"] < 0]
    return {
        "summary": {"total": len(found), "overdue": len(overdue), "due_within_days": asked.due_within_days},
        "parts": found,
        "alerts": {"overdue_parts": [{name: part[name] for name in _ALERT} for part in overdue]},
    }


_ALERT = ("id", "part_number", "job_id", "job_number", "customer", "due_date", "days_left")


def _due(row: dict[str, Any]) -> dict[str, Any]:
    progress = json.loads(row.pop("progress"))
    share = percent(progress["completed"], progress["total"], empty=0.0)
    return {
        **row,
        "is_bullet_card": bool(row["is_bullet_card"]),
        "operations": progress,
        "completion_percentage": share,
    }


def _add_blocking(connection: sqlite3.Connection, view: View, parts: Sequence[dict[str, Any]]) -> None:
    """To each part its operations that are on hold, or the next one that nobody has begun."""
    sql = f"""SELECT o.part_id, o.id, o.operation_name, o.status, o.sequence, c.name AS cell FROM {WORK} WHERE {ALIVE}
      AND o.status <> 'completed' AND o.part_id IN (SELECT value FROM json_each(:parts)) ORDER BY o.part_id, o.sequence"""  # nosec B608 # noqa: S608 -- constants only
    open_ = rows(connection, sql, view, parts=json.dumps([part["id"] for part in parts]))
    for part in parts:
        of_part = [{k: v for k, v in one.items() if k != "part_id"} for one in open_ if one["part_id"] == part["id"]]
        part["blocking_operations"] = [one for one in of_part if one["status"] == "on_hold"] or of_part[:1]


def shift(connection: sqlite3.Connection, asked: Shift, view: View) -> dict[str, Any]:
    """The last hours: what was begun, finished, made and reported, and what runs now."""
    here = f"{ALIVE} AND (:cell_id IS NULL OR o.cell_id = :cell_id)"
    values = {"since": view.ago(asked.hours / 24), "cell_id": asked.cell_id}
    work = one(
        connection,
        f"""SELECT coalesce(sum(o.started_at >= :since), 0) AS started, coalesce(sum(o.completed_at >= :since), 0) AS completed,
          coalesce(sum(o.status = 'in_progress'), 0) AS running, coalesce(sum(o.status = 'on_hold'), 0) AS on_hold
          FROM {WORK} WHERE {here}""",  # nosec B608 # noqa: S608 -- constants only
        view,
        **values,
    )
    pieces = one(
        connection,
        f"""SELECT coalesce(sum(q.quantity_good), 0) AS good, coalesce(sum(q.quantity_scrap), 0) AS scrap,
          coalesce(sum(q.quantity_rework), 0) AS rework FROM operation_quantities q JOIN operations o ON o.id = q.operation_id
          WHERE {here} AND q.recorded_at >= :since""",  # nosec B608 # noqa: S608 -- constants only
        view,
        **values,
    )
    issues = f"""SELECT i.id, i.title, i.severity, i.status, i.causes_standstill FROM issues i
      JOIN operations o ON o.id = i.operation_id WHERE {here} AND i.created_at >= :since ORDER BY i.created_at DESC LIMIT 100"""  # nosec B608 # noqa: S608 -- constants only
    people = f"""SELECT f.full_name AS operator, o.operation_name, c.name AS cell, t.start_time FROM time_entries t
      JOIN profiles f ON f.id = t.operator_id JOIN operations o ON o.id = t.operation_id JOIN cells c ON c.id = o.cell_id
      WHERE {here} AND t.end_time IS NULL ORDER BY t.start_time LIMIT 100"""  # nosec B608 # noqa: S608 -- constants only
    return {
        "hours": asked.hours,
        "since": values["since"],
        "operations": work,
        "pieces": {**pieces, "yield_percent": percent(pieces["good"], sum(pieces.values()))},
        "issues": rows(connection, issues, view, **values),
        "working_now": rows(connection, people, view, **values),
    }


REPORTS = (
    Report("dashboard", "How many jobs, parts, operations and issues are in which state", Nothing, dashboard),
    Report("job_overview", "One job with its parts and how far they are", Overview, overview),
    Report("parts_by_customer", "The parts of a customer, by job", OfCustomer, of_customer),
    Report("parts_due_soon", "Parts that are due or overdue, and what holds them up", DueSoon, due_soon),
    Report("shift_summary", "What happened in the last hours", Shift, shift),
)
