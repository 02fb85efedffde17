"""What keeps a job from moving on."""

import json
import sqlite3
from typing import Any

from gateway.reports.model import Report, View, rows
from gateway.reports.work import OfJob, job_of, operations_of

_ISSUES = """
SELECT id, operation_id, title, description, severity, causes_standstill FROM issues
WHERE status = 'pending' AND operation_id IN (SELECT value FROM json_each(:operations)) ORDER BY created_at
"""
_NEEDED = """
SELECT n.operation_id, r.id, r.name, r.status, r.active FROM operation_resources n JOIN resources r ON r.id = n.resource_id
WHERE n.operation_id IN (SELECT value FROM json_each(:operations)) AND r.deleted_at IS NULL
  AND (r.active = 0 OR coalesce(r.status, 'available') NOT IN ('available', 'in_use'))
"""
_FULL = """
SELECT c.id, c.name, c.wip_limit, count(o.id) AS running FROM cells c
JOIN operations o ON o.cell_id = c.id AND o.status = 'in_progress' AND o.deleted_at IS NULL
WHERE c.id IN (SELECT value FROM json_each(:cells_wanted)) AND c.wip_limit > 0 GROUP BY c.id HAVING count(o.id) >= c.wip_limit
"""


def blockers(connection: sqlite3.Connection, asked: OfJob, view: View) -> dict[str, Any]:
    """`next_operations`: the first open one of each part. `blockers`: each with a `kind`, what it is, and the way out."""
    job = job_of(connection, asked, view)
    operations = operations_of(connection, view, job["id"])
    open_ = [one for one in operations if one["status"] != "completed"]
    first: dict[str, dict[str, Any]] = {}
    for one in open_:
        first.setdefault(one["part_id"], one)
    found = [
        *_of_job(job, operations),
        *_of_operations(connection, view, open_),
        *_of_cells(connection, view, [*first.values()]),
    ]
    running = [one for one in open_ if one["status"] == "in_progress"]
    return {"job": job, "running": running, "next_operations": [*first.values()], "blockers": found}


def _of_job(job: dict[str, Any], operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    if job["status"] == "on_hold":
        found.append(
            _told("job_on_hold", "The job is on hold", "resume_job, once its reason is gone", job_id=job["id"])
        )
    if not operations:
        found.append(
            _told("no_operations", "The job has no operations", "plan its parts and operations", job_id=job["id"])
        )
    return found


def _of_operations(connection: sqlite3.Connection, view: View, open_: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_id = {one["id"]: one for one in open_}
    ids = json.dumps([*by_id])
    found, held = [], set()
    for issue in rows(connection, _ISSUES, view, operations=ids):
        about = {"operation_id": issue["operation_id"], "issue_id": issue["id"]}
        name = by_id[issue["operation_id"]]["operation_name"]
        if issue["causes_standstill"]:
            held.add(issue["operation_id"])
            what = f'An open {issue["severity"]} issue stops "{name}"'
            found.append(
                _told(
                    "standstill_issue",
                    what,
                    "decide on the issue (update_issue)",
                    **about,
                    issue=issue["title"] or issue["description"],
                )
            )
        elif issue["severity"] in ("high", "critical"):
            what = f'An open {issue["severity"]} issue about "{name}"'
            found.append(
                _told(
                    "open_issue",
                    what,
                    "decide on the issue (update_issue)",
                    **about,
                    issue=issue["title"] or issue["description"],
                )
            )
    for one in open_:
        if one["status"] == "on_hold" and one["id"] not in held:
            what = f'"{one["operation_name"]}" is on hold'
            found.append(_told("operation_on_hold", what, "start_operation goes on with it", operation_id=one["id"]))
    for need in rows(connection, _NEEDED, view, operations=ids):
        what = f'"{by_id[need["operation_id"]]["operation_name"]}" needs "{need["name"]}", which is {_state(need)}'
        about = {"operation_id": need["operation_id"], "resource_id": need["id"]}
        found.append(_told("resource_unavailable", what, "make it available, or take another", **about))
    return found


def _of_cells(connection: sqlite3.Connection, view: View, next_: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells with as much work in them as they may have."""
    wanted = json.dumps([one["cell_id"] for one in next_ if one["status"] == "not_started"])
    return [
        _told(
            "cell_at_capacity",
            f'The cell "{cell["name"]}" has {cell["running"]} operations in progress, its limit is {cell["wip_limit"]}',
            "finish work there first",
            cell_id=cell["id"],
        )
        for cell in rows(connection, _FULL, view, cells_wanted=wanted)
    ]


def _state(need: dict[str, Any]) -> str:
    return str(need["status"]) if need["active"] else "switched off"


def _told(kind: str, what: str, way_out: str, **about: Any) -> dict[str, Any]:
    return {"kind": kind, "what": what, "way_out": way_out, **about}


REPORTS = (Report("blockers", "What keeps a job from moving on", OfJob, blockers),)
