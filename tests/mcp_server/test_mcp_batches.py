"""Tools for many rows: a dry run first, then exactly that, once somebody has agreed."""

from datetime import datetime, timedelta

import pytest
from mcp_shop import INJECTED, plan


@pytest.fixture
async def agent(shop):
    return await shop.direct(await shop.key("*"))


async def agreed(agent, tool, **given):
    """Dry run, then the same with its word."""
    told = await agent.call(tool, **given)
    assert told["data"]["dry_run"] is True
    assert told["message"].startswith("Nothing was changed")
    return await agent.data(tool, **given, dry_run=False, confirm=told["data"]["confirm"])


async def test_nothing_happens_without_a_dry_run_of_exactly_this(shop, agent):
    ids = await plan(shop)
    given = {"scope": {"job_number": "J-1"}, "updates": {"is_bullet_card": True}}
    seen = await agent.data("batch_update_parts", **given)
    assert (seen["would_change"], seen["rows"][0]["part_number"]) == (1, "J-1-P")
    for word in ({}, {"confirm": "yes"}):
        error = await agent.refused("batch_update_parts", **given, dry_run=False, **word)
        assert error["message"].startswith("confirm is not the word of a dry run of exactly this")
    other = {**given, "updates": {"is_bullet_card": False}}
    assert (await agent.refused("batch_update_parts", **other, dry_run=False, confirm=seen["confirm"]))[
        "code"
    ] == "VALIDATION_ERROR"
    await agent.call("start_operation", id=ids["cut"])  # the part moves on, too
    await agent.refused("batch_update_parts", **given, dry_run=False, confirm=seen["confirm"])
    assert [row["is_bullet_card"] for row in await shop.query("SELECT is_bullet_card FROM parts")] == [0]
    done = await agreed(agent, "batch_update_parts", **given)
    assert (done["updated"], done["updates_applied"], done["refused"]) == (1, ["is_bullet_card"], [])
    assert [row["is_bullet_card"] for row in await shop.query("SELECT is_bullet_card FROM parts")] == [1]


async def test_parts_by_customer_and_due_date(shop, agent):
    first = await plan(shop, "J-1", due_days=2)
    await plan(shop, "J-2", due_days=20)
    before = (shop.gateway._clock.now() + timedelta(days=10)).isoformat()
    given = {"scope": {"customer": "Acme"}, "updates": {"notes": INJECTED}, "filter": {"due_before": before}}
    done = await agreed(agent, "batch_update_parts", **given)
    assert [part["id"] for part in done["parts"]] == [first["part"]]
    error = await agent.refused("batch_update_parts", scope={"customer": "Acm"}, updates={"notes": "x"})
    assert (error["code"], error["message"].split(":")[0]) == ("NOT_FOUND", "nothing is in that scope")


async def test_operations_are_planned_anew(shop, agent):
    ids = await plan(shop)
    times = {"planned_start": "2026-12-01T06:00:00Z", "planned_end": "2026-12-01T10:00:00Z"}
    done = await agreed(agent, "batch_reschedule_operations", scope={"operation_ids": [ids["cut"]]}, schedule=times)
    assert done["updated"] == 1
    done = await agreed(
        agent,
        "batch_reschedule_operations",
        scope={"job_id": ids["job"]},
        schedule={"shift_days": 1, "shift_hours": -2},
    )
    (moved,) = done["operations"]
    assert datetime.fromisoformat(moved["planned_start"]) == datetime.fromisoformat("2026-12-02T04:00:00Z")
    assert [(one["id"], one["code"]) for one in done["refused"]] == [(ids["saw"], "VALIDATION_ERROR")]
    both = {**times, "shift_days": 1}
    assert (
        "either"
        in (await agent.refused("batch_reschedule_operations", scope={"job_id": ids["job"]}, schedule=both))["message"]
    )


async def test_many_operations_are_completed_whatever_their_state(shop, agent):
    ids = await plan(shop)
    await agent.call("start_operation", id=ids["cut"])
    await agent.call("pause_operation", id=ids["cut"])
    done = await agreed(agent, "batch_complete_operations", scope={"part_id": ids["part"]}, idempotency_key="all")
    assert (done["completed"], {one["status"] for one in done["operations"]}) == (2, {"completed"})
    assert (await agent.data("fetch_jobs"))[0]["status"] == "completed", "part and job followed"
    events = [
        row["type"] for row in await shop.query("SELECT type FROM events WHERE type LIKE 'operation.%' ORDER BY seq")
    ]
    assert events == [
        "operation.started",
        "operation.paused",
        "operation.resumed",
        "operation.completed",
        "operation.started",
        "operation.completed",
    ]


async def test_what_a_rule_refuses_is_told_and_the_others_are_done(shop, agent):
    ids = await plan(shop)
    about = {"title": "Crash", "severity": "critical", "ncr_category": "other", "causes_standstill": True}
    await agent.call("create_ncr", operation_id=ids["cut"], **about)
    done = await agreed(agent, "batch_complete_operations", scope={"job_id": ids["job"]})
    assert [one["id"] for one in done["operations"]] == [ids["saw"]]
    assert [(one["id"], one["code"]) for one in done["refused"]] == [(ids["cut"], "INVALID_STATE_TRANSITION")]


async def test_too_many_rows_at_once(shop, agent, monkeypatch):
    await plan(shop)
    monkeypatch.setattr("plugins.mcp_server.scope.ROWS_MAX", 1)
    error = await agent.refused(
        "batch_complete_operations", scope={"job_id": (await agent.data("fetch_jobs"))[0]["id"]}
    )
    assert error["message"] == "2 rows are too many at once, at most 1: narrow the scope"


async def test_a_job_is_put_first(shop, agent):
    ids = await plan(shop, notes="fragile")
    done = await agent.data("prioritize_job", job_number="J-1", notes="customer waits")
    assert done == {
        "job_id": ids["job"],
        "job_number": "J-1",
        "parts_updated": 1,
        "bullet_card_set": True,
        "job_updated": True,
    }
    assert (await agent.data("fetch_jobs"))[0]["notes"] == "fragile\n[PRIORITY] customer waits"
    assert (await agent.data("get_job_overview", job_id=ids["job"]))["bullet_cards"] == ["J-1-P"]
    assert (await agent.refused("prioritize_job", job_number="J-0"))["code"] == "NOT_FOUND"
