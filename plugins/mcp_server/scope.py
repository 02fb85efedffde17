"""Which rows a tool for many means: its `scope`, and of those what its `filter` leaves."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from plugins.mcp_server.calls import Calls, Refused

ROWS_MAX = 200  # of one batch
PAGE_MAX = 1000
Row = Mapping[str, Any]
Given = Mapping[str, Any]


async def jobs(calls: Calls, scope: Given) -> list[Row]:
    """By id, or exactly by number or customer. Raises Refused."""
    if "job_id" in scope:
        return [(await calls.get("/api-jobs", id=scope["job_id"]))["job"]]
    name = "job_number" if "job_number" in scope else "customer"
    if name not in scope:
        return []
    found = (await calls.get("/api-jobs", **{name: scope[name]}, limit=PAGE_MAX))["jobs"]
    return [job for job in found if job[name] == scope[name]]  # the list takes a part of the name, too


async def parts(calls: Calls, given: Given) -> list[Row]:
    """Raises Refused."""
    scope = given["scope"]
    if "part_ids" in scope:
        found = [(await calls.get("/api-parts", id=one))["part"] for one in scope["part_ids"]]
    else:
        found = [part for job in await jobs(calls, scope) for part in await listed(calls, "parts", job_id=job["id"])]
    before = given.get("filter", {}).get("due_before")
    if before is not None:
        due = {job_id: await _due(calls, job_id) for job_id in {part["job_id"] for part in found}}
        found = [part for part in found if (when := due[part["job_id"]]) and at(when) < at(before)]
    return _kept(found, given)


async def operations(calls: Calls, given: Given) -> list[Row]:
    """Raises Refused."""
    scope = given["scope"]
    if "operation_ids" in scope:
        return _kept(
            [(await calls.get("/api-operations", id=one))["operation"] for one in scope["operation_ids"]], given
        )
    if "part_id" in scope or "cell_id" in scope:
        asked = {name: scope[name] for name in ("part_id", "cell_id") if name in scope}
        return _kept(await listed(calls, "operations", **asked), given)
    return _kept(
        [one for job in await jobs(calls, scope) for one in await listed(calls, "operations", job_id=job["id"])], given
    )


async def listed(calls: Calls, table: str, **asked: str) -> list[Row]:
    """Raises Refused."""
    found: list[Row] = (await calls.get(f"/api-{table}", **asked, limit=PAGE_MAX))[table]
    return found


async def _due(calls: Calls, job_id: str) -> str | None:
    job = (await calls.get("/api-jobs", id=job_id))["job"]
    due: str | None = job["due_date_override"] or job["due_date"]
    return due


def _kept(found: Sequence[Row], given: Given) -> list[Row]:
    """Raises Refused when that is nothing, or too much."""
    wanted = given.get("filter", {})
    left = [row for row in found if wanted.get("status") in (None, row["status"])]
    if wanted.get("exclude_completed", True) and wanted.get("status") != "completed":
        left = [row for row in left if row["status"] != "completed"]
    if wanted.get("exclude_in_progress", False):
        left = [row for row in left if row["status"] != "in_progress"]
    if not left:
        raise Refused("NOT_FOUND", "nothing is in that scope: look with a fetch_ tool first")
    if len(left) > ROWS_MAX:
        raise Refused(
            "VALIDATION_ERROR", f"{len(left)} rows are too many at once, at most {ROWS_MAX}: narrow the scope"
        )
    return left


def at(stamp: str) -> datetime:
    """Raises Refused."""
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Refused("VALIDATION_ERROR", f'"{stamp}" is no instant with a zone, as 2026-01-31T06:00:00Z')
    return at
