"""Tools that take more than one call."""

from collections.abc import Mapping
from typing import Any

from plugins.mcp_server.calls import Calls, Refused, Reply

Given = Mapping[str, Any]


async def complete_job(calls: Calls, given: Given) -> Reply:
    """Out of a hold it is resumed first: both steps are legal, and both are told."""
    return await completed(calls, "job", given)


async def complete_operation(calls: Calls, given: Given) -> Reply:
    return await completed(calls, "operation", given)


async def completed(calls: Calls, kind: str, given: Given, *, from_start: bool = False) -> Reply:
    """By `id`. `from_start`: also one that nobody has begun. Raises Refused."""
    lifecycle = f"/api-{kind}-lifecycle"
    status = (await calls.get(f"/api-{kind}s", id=given["id"]))[kind]["status"]
    before = {"on_hold": "resume", **({"not_started": "start"} if from_start else {})}.get(status)
    if before is not None:
        who = {name: given[name] for name in ("id", "operator_id") if name in given}
        await calls.target("POST", f"{lifecycle}/{before}", who, step=f":{before}")
    return await calls.target("POST", f"{lifecycle}/complete", given, kind)


async def create_ncr(calls: Calls, given: Given) -> Reply:
    """Its title describes it if nothing else does."""
    wanted = {"description": given["title"], **given, "issue_type": "ncr"}
    return await calls.target("POST", "/api-issues", _dated(calls, wanted, "created_at"), "issue")


async def delete_substep(calls: Calls, given: Given) -> Reply:
    """Raises Refused when it is not there, unless it was this call that has deleted it."""
    try:
        await calls.get("/api-substeps", id=given["id"])
    except Refused:
        if calls.key is None or not (await calls.target("DELETE", "/api-substeps", given)).replayed:
            raise
    else:
        await calls.target("DELETE", "/api-substeps", given)
    return Reply({"id": given["id"], "deleted": True})


async def cell_capacity(calls: Calls, given: Given) -> Reply:
    """`include_all` is what happens without a cell."""
    asked = {name: value for name, value in given.items() if name in ("cell_id", "cell_name")}
    return Reply(await calls.get("/reports/cell_capacity", **{**asked, **given.get("date_range", {})}))


def _dated(calls: Calls, given: Given, name: str) -> dict[str, Any]:
    return {**given, name: calls.occurred_at} if calls.occurred_at else dict(given)
