"""Cells and tools: how much they have to do, and when a job could be done."""

import sqlite3
from datetime import timedelta
from typing import Any

from gateway.catalog.models import Instant, Uuid
from gateway.kernel.clock import text
from gateway.kernel.errors import Invalid
from gateway.reports.model import ALIVE, ROWS_MAX, WORK, Asked, Report, View, rows
from gateway.reports.work import DUE, OfJob, job_of, operations_of

MINUTES = 60
HOURS_PER_DAY = 8.0  # of a cell that does not say
WARNING_PERCENT = 80  # of a cell that does not say
USERS_MAX = 10
_CELLS = """cells c WHERE c.deleted_at IS NULL AND c.active = 1
  AND (:cells IS NULL OR c.id IN (SELECT value FROM json_each(:cells)))"""
_WIP = (
    "(SELECT count(*) FROM operations o WHERE o.cell_id = c.id AND o.deleted_at IS NULL AND o.status = 'in_progress')"
)


class OfCell(Asked):
    cell_id: Uuid | None = None


class Capacity(Asked):
    cell_id: Uuid | None = None
    cell_name: str | None = None
    start: Instant | None = None
    end: Instant | None = None


class Tools(Asked):
    resource_type: str | None = None
    location: str | None = None
    status: str | None = None
    only_available: bool = False
    include_usage: bool = True


class Reschedule(OfJob):
    part_id: Uuid | None = None
    target_date: Instant | None = None
    consider_capacity: bool = True
    consolidate_with_customer: bool = True


def qrm(connection: sqlite3.Connection, asked: OfCell, view: View) -> list[dict[str, Any]]:
    sql = f"""SELECT c.id AS cell_id, c.name AS cell_name, {_WIP} AS current_wip, c.wip_limit, c.wip_warning_threshold,
      c.enforce_wip_limit, c.show_capacity_warning FROM {_CELLS} AND (:cell_id IS NULL OR c.id = :cell_id) ORDER BY c.sequence"""  # nosec B608 # noqa: S608 -- constants only
    return [_loaded(row) for row in rows(connection, sql, view, cell_id=asked.cell_id)]


def _loaded(row: dict[str, Any]) -> dict[str, Any]:
    limit, warning = row["wip_limit"], row.pop("wip_warning_threshold") or WARNING_PERCENT
    share = round(100 * row["current_wip"] / limit, 1) if limit else None
    status = (
        "available" if share is None or share < warning else "warning" if row["current_wip"] < limit else "at_capacity"
    )
    flags = {name: bool(row[name]) for name in ("enforce_wip_limit", "show_capacity_warning")}
    return {**row, **flags, "utilization_percent": share, "status": status}


def capacity(connection: sqlite3.Connection, asked: Capacity, view: View) -> dict[str, Any]:
    """Open work against the hours of the days between `start` and `end`; the next seven days without."""
    start = asked.start or view.now
    end = asked.end or start + timedelta(days=7)
    if end <= start:
        message = f"end = {text(end)} is not after start = {text(start)}"
        raise Invalid(message, [{"field": "end", "message": message, "constraint": "CHECK_CONSTRAINT"}])
    days = (end - start) / timedelta(days=1)
    sql = f"""SELECT c.id AS cell_id, c.name AS cell_name, c.wip_limit, c.capacity_hours_per_day AS hours_per_day,
      {_WIP} AS in_progress, count(o.id) AS open, coalesce(sum(max(o.estimated_time - o.actual_time_s / 60.0, 0)), 0) AS minutes
      FROM cells c LEFT JOIN operations o ON o.cell_id = c.id AND o.deleted_at IS NULL AND o.status <> 'completed'
        AND (o.planned_start IS NULL OR o.planned_start <= :end)
      WHERE c.id IN (SELECT c.id FROM {_CELLS}) AND (:cell_id IS NULL OR c.id = :cell_id) AND (:name IS NULL OR c.name = :name)
      GROUP BY c.id ORDER BY c.sequence"""  # nosec B608 # noqa: S608 -- constants only
    found = [
        _capacity(row, days)
        for row in rows(connection, sql, view, cell_id=asked.cell_id, name=asked.cell_name, end=text(end))
    ]
    over = [cell["cell_name"] for cell in found if cell["warnings"]["overloaded"]]
    return {"summary": {"cells": len(found), "days": round(days, 1), "overloaded": over}, "cells": found}


def _capacity(row: dict[str, Any], days: float) -> dict[str, Any]:
    per_day = float(row["hours_per_day"] or HOURS_PER_DAY)
    there, needed = round(per_day * days, 1), round(row["minutes"] / MINUTES, 1)
    share = round(100 * needed / there, 1) if there else None
    return {
        "cell_id": row["cell_id"],
        "cell_name": row["cell_name"],
        "capacity": {"hours_per_day": per_day, "hours": there, "needed_hours": needed, "utilization_percent": share},
        "operations": {"open": row["open"], "in_progress": row["in_progress"], "wip_limit": row["wip_limit"]},
        "warnings": {
            "overloaded": needed > there,
            "at_wip_limit": bool(row["wip_limit"]) and row["in_progress"] >= row["wip_limit"],
        },
    }


def tools(connection: sqlite3.Connection, asked: Tools, view: View) -> dict[str, Any]:
    sql = f"""SELECT r.id, r.name, r.type, r.location, r.identifier, coalesce(r.status, 'available') AS status FROM resources r
      WHERE r.deleted_at IS NULL AND r.active = 1 AND (:type IS NULL OR r.type = :type)
      AND (:location IS NULL OR r.location = :location) AND (:status IS NULL OR coalesce(r.status, 'available') = :status)
      ORDER BY r.name LIMIT {ROWS_MAX}"""  # nosec B608 # noqa: S608 -- constants only
    found = rows(connection, sql, view, type=asked.resource_type, location=asked.location, status=asked.status)
    usage = f"""SELECT n.resource_id, o.id AS operation_id, o.operation_name, o.status, n.quantity FROM operation_resources n
      JOIN {WORK.replace("operations o", "operations o ON o.id = n.operation_id", 1)} WHERE {ALIVE} AND o.status <> 'completed'
      ORDER BY o.status = 'in_progress' DESC, o.planned_start LIMIT {ROWS_MAX}"""  # nosec B608 # noqa: S608 -- constants only
    used = rows(connection, usage, view)
    for tool in found:
        users = [
            {k: v for k, v in one.items() if k != "resource_id"} for one in used if one["resource_id"] == tool["id"]
        ]
        tool["available"] = tool["status"] == "available" and not any(one["status"] == "in_progress" for one in users)
        if asked.include_usage:
            tool["operations"] = users[:USERS_MAX]
    if asked.only_available:
        found = [tool for tool in found if tool["available"]]
    by_type: dict[str, int] = {}
    for tool in found:
        by_type[tool["type"]] = by_type.get(tool["type"], 0) + 1
    return {
        "total": len(found),
        "available": sum(tool["available"] for tool in found),
        "by_type": by_type,
        "resources": found,
    }


def reschedule(connection: sqlite3.Connection, asked: Reschedule, view: View) -> dict[str, Any]:
    """A look ahead, by the planned minutes that are left: an estimate, nothing is changed."""
    if asked.part_id is not None and asked.job_id is None and asked.job_number is None:
        found = connection.execute("SELECT job_id FROM parts WHERE id = ?", (asked.part_id,)).fetchone()
        asked = asked.model_copy(update={"job_id": found[0] if found else asked.part_id})
    job = job_of(connection, asked, view)
    open_ = [
        one
        for one in operations_of(connection, view, job["id"])
        if one["status"] != "completed" and asked.part_id in (None, one["part_id"])
    ]
    left_h = round(sum(max(one["estimated_time"] - one["actual_time"], 0) for one in open_) / MINUTES, 1)
    target = text(asked.target_date) if asked.target_date else job["due_date"]
    told: dict[str, Any] = {"job": job, "target_date": target, "remaining_hours": left_h, "remaining_operations": open_}
    cells = capacity(connection, Capacity(), view)["cells"] if asked.consider_capacity else []
    told["capacity_analysis"] = [cell for cell in cells if cell["cell_id"] in {one["cell_id"] for one in open_}]
    told["consolidation_options"] = _together(connection, job, view) if asked.consolidate_with_customer else []
    told["suggestions"] = _suggested(told)
    return told


def _together(connection: sqlite3.Connection, job: dict[str, Any], view: View) -> list[dict[str, Any]]:
    """Other open jobs of the customer: one delivery for both?"""
    sql = f"""SELECT DISTINCT j.id, j.job_number, {DUE} AS due_date, j.status FROM {WORK} WHERE {ALIVE} AND j.status <> 'completed'
      AND j.customer = :customer AND j.id <> :id ORDER BY 3 LIMIT {USERS_MAX}"""  # nosec B608 # noqa: S608 -- constants only
    return rows(connection, sql, view, customer=job["customer"], id=job["id"])


def _suggested(told: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for cell in told["capacity_analysis"]:
        if cell["warnings"]["overloaded"]:
            what = f'"{cell["cell_name"]}" has more open work than hours in the next days: move work, or the date'
            found.append({"type": "overloaded_cell", "suggestion": what, "cell_id": cell["cell_id"]})
    if told["job"]["overdue"]:
        found.append(
            {"type": "overdue", "suggestion": "The date has passed: prioritize the job or agree on a new date"}
        )
    if told["consolidation_options"]:
        found.append({"type": "consolidate", "suggestion": "The customer has other open jobs: they could go together"})
    return found


REPORTS = (
    Report("qrm", "Work in progress of each cell against its limit", OfCell, qrm),
    Report("cell_capacity", "Open work of each cell against its hours", Capacity, capacity),
    Report("resource_availability", "Tools and the like: which are free, who needs them", Tools, tools),
    Report("reschedule", "When a job could be done, and what would help", Reschedule, reschedule),
)
