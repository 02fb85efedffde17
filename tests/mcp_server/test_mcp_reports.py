"""What the rows add up to, told by tools that only read."""

import json
from datetime import timedelta

import pytest
from hall import ANNA, BURR, CEM, JIG, LASER, SAW, SCRATCH
from mcp_shop import ask, plan

from plugins.mcp_server.catalogue import TOOLS

OF_JOB = {"get_job_overview", "get_job_blockers", "suggest_reschedule"}


@pytest.fixture
async def agent(shop):
    return await shop.direct(await shop.key("*"))


async def book(agent, operation_id, good, scrap=0, rework=0, reason=None):
    given = {"quantity_good": good, "quantity_scrap": scrap, "quantity_rework": rework}
    await agent.call(
        "report_quantity", operation_id=operation_id, **given, **({"scrap_reason_id": reason} if reason else {})
    )


async def raised(agent, operation_id, severity="low", **more):
    given = {"title": "Burr", "ncr_category": "other", "severity": severity, **more}
    return (await agent.data("create_ncr", operation_id=operation_id, **given))["id"]


async def test_every_tool_that_reads_answers_in_an_empty_hall(agent):
    needed = {"fetch_substeps": {"operation_id": ANNA}, "fetch_parts_by_customer": {"customer": "Acme"}}
    for tool in (tool.name for tool in TOOLS if tool.reads):
        if tool in OF_JOB:
            assert (await agent.refused(tool, job_number="J-0"))["code"] == "NOT_FOUND", tool
        else:
            await agent.call(tool, **needed.get(tool, {}))


async def test_counts_by_state(shop, agent):
    ids = await plan(shop, "J-1")
    await plan(shop, "J-2")
    await agent.call("start_operation", id=ids["cut"])
    await raised(agent, ids["cut"])
    assert await agent.data("get_dashboard_stats") == {
        "jobs": {"total": 2, "by_status": {"in_progress": 1, "not_started": 1}},
        "parts": {"total": 2, "by_status": {"in_progress": 1, "not_started": 1}},
        "operations": {"total": 4, "by_status": {"in_progress": 1, "not_started": 3}},
        "issues": {"total": 1, "by_status": {"pending": 1}},
    }


async def test_pieces(shop, agent):
    ids = await plan(shop)
    await book(agent, ids["cut"], 90, 6, 4, BURR)
    await book(agent, ids["saw"], 10, 2, 0, SCRATCH)
    split = [{"scrap_reason_id": BURR, "quantity": 1}, {"scrap_reason_id": SCRATCH, "quantity": 1}]
    body = {"operation_id": ids["saw"], "quantity_good": 0, "quantity_scrap": 2, "scrap_reasons": split}
    await ask(shop, "POST", "/api-operation-quantities", body)

    found = await agent.data("get_yield_metrics")
    assert found["overall"] == {
        "total_produced": 114,
        "total_good": 100,
        "total_scrap": 10,
        "total_rework": 4,
        "first_pass_yield": 87.7,
        "scrap_rate": 8.8,
        "rework_rate": 3.5,
    }
    assert [(one["cell_name"], one["total_produced"]) for one in found["by_cell"]] == [("Laser", 100), ("Saw", 14)]
    at_saw = await agent.data("get_yield_metrics", cell_id=SAW)
    assert at_saw["overall"]["total_produced"] == 14, "the cell restricts the totals, too"

    pareto = await agent.data("get_scrap_pareto")
    assert pareto["total_scrap"] == 10
    assert [
        (one["code"], one["quantity"], one["percentage"], one["cumulative_percentage"]) for one in pareto["data"]
    ] == [
        ("BURR", 7, 70.0, 70.0),
        ("SCR", 3, 30.0, 100.0),
    ]
    by_cell = (await agent.data("get_scrap_analytics", group_by="cell"))["data"]
    assert [(one["name"], one["total_scrap"], one["occurrence_count"]) for one in by_cell] == [
        ("Laser", 6, 1),
        ("Saw", 4, 3),
    ]
    assert by_cell[1]["related_items"] == ["Burr on the edge", "Scratched"]
    (day,) = (await agent.data("get_scrap_trends"))["data"]
    assert (day["scrap"], day["good"], day["produced"], day["scrap_rate"]) == (10, 100, 114, 8.8)
    assert len((await agent.data("get_scrap_trends", interval="weekly"))["data"]) == 1
    quality = (await agent.data("get_production_metrics"))["quality"]
    assert quality == {"good_quantity": 100, "scrap_quantity": 10, "yield_rate_percent": 90.9}
    none = await agent.data(
        "get_production_metrics", start_date="2020-01-01T00:00:00Z", end_date="2020-02-01T00:00:00Z"
    )
    assert none["quality"]["yield_rate_percent"] == 100.0


async def test_issues(shop, agent):
    ids = await plan(shop)
    first = await raised(agent, ids["cut"], "high", root_cause="Worn lens", corrective_action="Lens changed")
    second = await raised(agent, ids["saw"], "low", root_cause=" worn LENS ")
    await raised(agent, ids["cut"], "low")
    await agent.call("update_issue", id=second, status="closed")

    found = await agent.data("get_issue_analytics", group_by="cell")
    assert (found["total_issues"], found["grouped_data"]) == (3, {"Laser": 2, "Saw": 1})
    assert found["avg_resolution_days"] == 0.0
    (day,) = (await agent.data("get_issue_trends"))["data"]
    assert (day["total"], day["by_severity"]) == (3, {"high": 1, "low": 2})
    causes = await agent.data("get_root_cause_analysis")
    assert causes["total_with_root_cause"] == 2
    (cause,) = causes["common_root_causes"]
    assert (cause["root_cause"].lower(), cause["occurrence_count"]) == ("worn lens", 2)
    assert (cause["most_common_severity"], cause["affected_cells"]) == ("high", ["Laser", "Saw"])
    assert cause["sample_corrective_actions"] == ["Lens changed"]
    told = await agent.data("suggest_quality_improvements")
    assert [one["type"] for one in told["suggestions"]] == ["recurring_issues", "high_severity", "cell_problems"]
    (severe,) = (await agent.data("suggest_quality_improvements", focus_area="high_severity"))["suggestions"]
    assert [one["id"] for one in severe["evidence"]["issues"]] == [first]
    score = await agent.data("get_quality_score")
    assert score["breakdown"] == {"yield_score": 100.0, "issue_score": 93.0, "resolution_score": 33.3}
    assert (score["overall_score"], score["trend"]) == (84.6, "good")


async def test_what_blocks_a_job(shop, agent):
    ids = await plan(shop)
    await shop.gateway.db.write(lambda tx: tx.execute("UPDATE cells SET wip_limit = 1 WHERE id = ?", (LASER,)) and None)
    other = await plan(shop, "J-2")
    await agent.call("start_operation", id=other["cut"])
    await agent.call("assign_resource_to_operations", resource_name="Jig 7", operation_ids=[ids["saw"]])
    await ask(shop, "PATCH", f"/api-resources?id={JIG}", {"status": "maintenance"})
    issue = await raised(agent, ids["saw"], "critical", causes_standstill=True)
    await agent.call("start_job", id=ids["job"])
    await agent.call("stop_job", id=ids["job"])
    found = await agent.data("get_job_blockers", job_id=ids["job"])
    assert [one["kind"] for one in found["blockers"]] == [
        "job_on_hold",
        "standstill_issue",
        "resource_unavailable",
        "cell_at_capacity",
    ]
    assert found["blockers"][1]["issue_id"] == issue
    assert [one["id"] for one in found["next_operations"]] == [ids["cut"]]
    assert all(one["what"] and one["way_out"] for one in found["blockers"])


async def test_capacity_and_tools(shop, agent):
    ids = await plan(shop)
    await shop.gateway.db.write(
        lambda tx: (
            tx.execute("UPDATE cells SET wip_limit = 1, capacity_hours_per_day = 0.25 WHERE id = ?", (LASER,)) and None
        )
    )
    await agent.call("start_operation", id=ids["cut"])
    laser, saw = await agent.data("get_qrm_data")
    assert (laser["current_wip"], laser["utilization_percent"], laser["status"]) == (1, 100.0, "at_capacity")
    assert (saw["current_wip"], saw["utilization_percent"], saw["status"]) == (0, None, "available")
    now = shop.gateway._clock.now()
    window = {"start": now.isoformat(), "end": (now + timedelta(days=1)).isoformat()}
    (cell,) = (await agent.data("get_cell_capacity", cell_name="Laser", date_range=window))["cells"]
    assert cell["capacity"] == {"hours_per_day": 0.25, "hours": 0.2, "needed_hours": 0.5, "utilization_percent": 250.0}
    assert cell["warnings"] == {"overloaded": True, "at_wip_limit": True}
    wrong = {"start": window["end"], "end": window["start"]}
    assert "is not after" in (await agent.refused("get_cell_capacity", date_range=wrong))["message"]

    given = {"resource_name": "Jig 7", "scope": {"job_number": "J-1"}, "quantity": 2}
    assigned = await agent.data("assign_resource_to_operations", **given)
    assert (assigned["assigned"], assigned["resource"]["id"]) == (2, JIG)
    assert await agent.data("assign_resource_to_operations", **given) == assigned
    assert [row["quantity"] for row in await shop.query("SELECT quantity FROM operation_resources")] == [2, 2]
    found = await agent.data("check_resource_availability", resource_type="fixture")
    assert (found["total"], found["available"], found["by_type"]) == (1, 0, {"fixture": 1})
    assert [one["operation_id"] for one in found["resources"][0]["operations"]] == [ids["cut"], ids["saw"]]
    assert (await agent.data("check_resource_availability", only_available=True))["resources"] == []
    assert (await agent.refused("assign_resource_to_operations", resource_name="Jig 8", scope={"job_id": ids["job"]}))[
        "code"
    ] == "NOT_FOUND"


async def test_what_is_due(shop, agent):
    late = await plan(shop, "J-1", due_days=-2)
    await plan(shop, "J-2", due_days=3)
    await plan(shop, "J-3", due_days=30)
    await agent.call("start_operation", id=late["cut"])
    await agent.call("complete_operation", id=late["cut"])
    await agent.call("start_operation", id=late["saw"])
    await agent.call("pause_operation", id=late["saw"])
    found = await agent.data("get_parts_due_soon")
    assert found["summary"] == {"total": 2, "overdue": 1, "due_within_days": 7}
    part = found["parts"][0]
    assert (part["job_number"], part["days_left"], part["completion_percentage"]) == ("J-1", -2.0, 50.0)
    assert [(one["operation_name"], one["status"]) for one in part["blocking_operations"]] == [("Saw", "on_hold")]
    sorted_ = await agent.data(
        "get_parts_due_soon", sort_by="completion_percentage", status_filter=["not_started", "in_progress"]
    )
    assert [one["job_number"] for one in sorted_["parts"]] == ["J-2", "J-1"]
    mine = await agent.data("fetch_parts_by_customer", customer="cm", status="not_started")
    assert (mine["total_parts"], [job["job_number"] for job in mine["jobs"]]) == (2, ["J-2", "J-3"])
    ahead = await agent.data("suggest_reschedule", part_id=late["part"])
    assert [one["operation_name"] for one in ahead["remaining_operations"]] == ["Saw"]
    assert {one["type"] for one in ahead["suggestions"]} == {"overdue", "consolidate"}
    overview = await agent.data("get_job_overview", job_id=late["job"], include_issues=True)
    assert overview["progress"] == {
        "parts": 1,
        "parts_completed": 0,
        "operations": 2,
        "operations_completed": 1,
        "percent": 50.0,
    }
    assert overview["issues"] == []


async def test_a_shift(shop, agent):
    ids = await plan(shop)
    await agent.call("start_operation", id=ids["cut"], operator_id=CEM)
    await book(agent, ids["cut"], 9, 1)
    await raised(agent, ids["cut"])
    found = await agent.data("get_shift_summary", hours=8)
    assert found["operations"] == {"started": 1, "completed": 0, "running": 1, "on_hold": 0}
    assert found["pieces"] == {"good": 9, "scrap": 1, "rework": 0, "yield_percent": 90.0}
    assert [one["operator"] for one in found["working_now"]] == ["Cem"]
    assert len(found["issues"]) == 1
    assert (await agent.data("get_shift_summary", cell_id=SAW))["pieces"]["good"] == 0


async def test_where_the_cloud_stands(shop, agent):
    """Without a cloud nothing is behind, and that is said."""
    status = await agent.data("get_sync_status")
    assert (status["gateway"], status["links"]["plugin:mcp_server"]["state"]) == ("gw-test", "up")
    why = await agent.data("explain_sync_delay")
    assert (why["behind"], why["state"]) == (False, "off")
    assert why["reasons"][0]["reason"] == "Nothing is forwarded: no cloud is configured"
    assert json.dumps(await agent.data("list_outbox")) == '{"reader": "cloud", "waiting": [], "parked": []}'
    assert await agent.data("list_conflicts") == []
