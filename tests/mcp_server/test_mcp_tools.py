"""The tools that change one thing: what they do to the work, what they refuse, and that a repeated call is carried out once."""

import pytest
from hall import ANNA, BURR, NOWHERE
from jsonschema import Draft202012Validator
from mcp_shop import plan

from gateway.cli.inside import described_api
from gateway.settings import Settings
from plugins.mcp_server.catalogue import TOOLS

# All that the contract names.
NAMED = """
fetch_jobs create_job update_job start_job stop_job complete_job resume_job fetch_parts update_part fetch_tasks update_task
start_operation pause_operation complete_operation add_substep complete_substep fetch_issues fetch_ncrs create_ncr
get_dashboard_stats fetch_operations update_operation fetch_substeps update_substep delete_substep update_issue
get_issue_analytics get_issue_trends get_root_cause_analysis suggest_quality_improvements get_qrm_data get_production_metrics
fetch_scrap_reasons report_scrap get_scrap_analytics get_scrap_trends get_yield_metrics get_scrap_pareto get_quality_score
batch_update_parts batch_reschedule_operations prioritize_job fetch_parts_by_customer batch_complete_operations
get_job_overview check_resource_availability assign_resource_to_operations get_cell_capacity get_parts_due_soon
suggest_reschedule get_sync_status list_conflicts list_outbox
""".split()


@pytest.fixture
async def agent(shop):
    return await shop.direct(await shop.key("*"))


def test_every_tool_of_the_contract_is_there_once():
    names = [tool.name for tool in TOOLS]
    assert len(names) == len(set(names))
    assert set(NAMED) <= set(names)


@pytest.fixture(scope="module")
def api():
    return described_api(Settings())


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_advertises_all_that_it_takes(tool, api):
    schema = tool.schema(api)
    Draft202012Validator.check_schema(schema)
    assert {arg.name for arg in tool.args} <= schema["properties"].keys()
    assert ({"idempotency_key", "occurred_at"} <= schema["properties"].keys()) is not tool.reads
    assert tool.about.endswith((".", ". By id or number."))


async def test_a_job_goes_through_its_states(agent):
    job = await agent.data("create_job", customer="Acme", job_number="J-7", due_date="2026-12-24T12:00:00+01:00")
    assert (job["status"], job["due_date"]) == ("not_started", "2026-12-24T11:00:00+00:00")
    told = [
        (await agent.data(tool, id=job["id"]))["status"] for tool in ("start_job", "stop_job", "resume_job", "stop_job")
    ]
    assert told == ["in_progress", "on_hold", "in_progress", "on_hold"]
    assert (await agent.data("complete_job", id=job["id"]))["status"] == "completed", "out of a hold, too"
    error = await agent.refused("start_job", id=job["id"])
    assert error["code"] == "INVALID_STATE_TRANSITION"
    assert (error["context"]["currentState"], error["context"]["attemptedState"]) == ("completed", "start")
    assert (await agent.data("update_job", id=job["id"], notes="shipped"))["notes"] == "shipped"
    told = await agent.call("fetch_jobs", customer="Acme", limit=1)
    assert [row["job_number"] for row in told["data"]] == ["J-7"]
    assert told["pagination"] == {"offset": 0, "limit": 1, "total": 1, "has_more": False}


async def test_a_job_with_its_parts_in_one_call(shop, agent):
    ids = await plan(shop)
    cell = (await agent.data("fetch_operations", part_id=ids["part"]))[0]["cell_id"]
    part = {"part_number": "P-9", "operations": [{"operation_name": "Cut", "cell_id": cell}]}
    job = await agent.data("create_job", customer="Acme", job_number="J-9", parts=[part])
    assert [one["operation_name"] for one in await agent.data("fetch_operations", job_id=job["id"])] == ["Cut"]
    error = await agent.refused("create_job", customer="Acme", job_number="J-9")
    assert (error["code"], error["context"]["reason"]) == ("DUPLICATE_ENTRY", "CONFLICT")


async def test_operations_and_their_old_name(shop, agent):
    ids = await plan(shop)
    started = await agent.data("start_operation", id=ids["cut"], operator_id=ANNA)
    assert started["status"] == "in_progress"
    assert (await agent.data("get_shift_summary"))["working_now"][0]["operator"] == "Anna"
    assert (await agent.data("pause_operation", id=ids["cut"]))["status"] == "on_hold"
    assert [row["id"] for row in await agent.data("fetch_tasks", status="paused")] == [ids["cut"]]
    assert (await agent.data("complete_operation", id=ids["cut"]))["status"] == "completed"
    assert (await agent.data("update_task", id=ids["saw"], assigned_to=ANNA))["assigned_operator_id"] == ANNA
    assert [row["id"] for row in await agent.data("fetch_tasks", status="pending", assigned_to=ANNA)] == [ids["saw"]]
    changed = await agent.data("update_operation", id=ids["saw"], completion_percentage=40, notes="slowly")
    assert (changed["completion_percentage"], changed["notes"]) == (40, "slowly")
    part = await agent.data("update_part", id=ids["part"], is_bullet_card=True, drawing_no="D-1")
    assert (part["is_bullet_card"], part["drawing_no"], part["status"]) == (True, "D-1", "in_progress")
    assert [row["id"] for row in await agent.data("fetch_parts", job_id=ids["job"])] == [ids["part"]]


async def test_steps(shop, agent):
    ids = await plan(shop)
    first = await agent.data("add_substep", operation_id=ids["cut"], name="Clamp")
    second = await agent.data("add_substep", operation_id=ids["cut"], name="Measure")
    assert (first["sequence"], second["sequence"]) == (1, 2)
    done = await agent.data("complete_substep", id=first["id"], occurred_at="2026-11-03T06:00:00Z")
    assert (done["status"], done["completed_at"]) == ("completed", "2026-11-03T06:00:00+00:00")
    assert (await agent.data("update_substep", id=second["id"], status="blocked"))["status"] == "blocked"
    assert [row["name"] for row in await agent.data("fetch_substeps", operation_id=ids["cut"])] == ["Clamp", "Measure"]
    for _ in range(2):
        gone = await agent.data("delete_substep", id=second["id"], idempotency_key="gone")
        assert gone == {"id": second["id"], "deleted": True}
    for more in ({}, {"idempotency_key": "another"}):
        assert (await agent.refused("delete_substep", id=second["id"], **more))["code"] == "NOT_FOUND"


async def test_quality(shop, agent):
    ids = await plan(shop)
    about = {"operation_id": ids["cut"], "severity": "high"}
    ncr = await agent.data("create_ncr", **about, title="Burr", ncr_category="dimensional", disposition="repair")
    assert (ncr["disposition"], ncr["issue_type"]) == ("rework", "ncr")
    assert ncr["ncr_number"]
    assert [row["id"] for row in await agent.data("fetch_ncrs", ncr_category="dimensional")] == [ncr["id"]]
    assert [row["id"] for row in await agent.data("fetch_issues", severity="high")] == [ncr["id"]]
    settled = await agent.data("update_issue", id=ncr["id"], status="approved", resolution_notes="reground")
    assert (settled["status"], settled["resolution_notes"]) == ("approved", "reground")
    assert [row["code"] for row in await agent.data("fetch_scrap_reasons")] == ["SCR", "BURR"]
    scrap = await agent.data(
        "report_scrap", operation_id=ids["cut"], quantity_scrap=3, scrap_reason_id=BURR, recorded_by=ANNA
    )
    assert [scrap[f"quantity_{name}"] for name in ("produced", "good", "scrap")] == [3, 0, 3]
    assert scrap["scrap_reason"]["code"] == "BURR"


async def test_a_call_that_is_repeated_is_carried_out_once(shop, agent):
    ids = await plan(shop)
    given = {"operation_id": ids["cut"], "quantity_good": 2, "idempotency_key": "agent-1"}
    first = await agent.data("report_quantity", **given)
    assert await agent.data("report_quantity", **given) == first
    assert len(await shop.query("SELECT id FROM operation_quantities")) == 1
    error = await agent.refused("report_quantity", **{**given, "quantity_good": 3})
    assert (error["code"], error["context"]["reason"]) == ("INVALID_INPUT", "IDEMPOTENCY_KEY_REUSED")
    await agent.call("start_operation", id=ids["cut"], idempotency_key="agent-2")
    await agent.call("pause_operation", id=ids["cut"])
    done = await agent.data("complete_operation", id=ids["cut"], idempotency_key="agent-3")
    assert await agent.data("complete_operation", id=ids["cut"], idempotency_key="agent-3") == done
    other = await shop.direct(await shop.key("*"))
    await other.call("report_quantity", **{**given, "quantity_good": 9})
    assert len(await shop.query("SELECT id FROM operation_quantities")) == 2, "another agent's key is another key"


async def test_what_happened_earlier_counts_from_then(shop, agent):
    ids = await plan(shop)
    began = await agent.data("start_operation", id=ids["cut"], occurred_at="2026-11-03T06:00:00+01:00")
    assert began["started_at"] == "2026-11-03T05:00:00+00:00"
    made = await agent.data(
        "report_quantity", operation_id=ids["cut"], quantity_good=1, occurred_at="2026-11-03T06:00:00Z"
    )
    assert made["recorded_at"] == "2026-11-03T06:00:00+00:00"
    ncr = {"operation_id": ids["cut"], "title": "Burr", "severity": "low", "ncr_category": "other"}
    assert (await agent.data("create_ncr", **ncr, occurred_at="2026-11-03T07:00:00Z"))["created_at"].startswith(
        "2026-11-03T07"
    )
    told = await agent.call("update_operation", id=ids["cut"], notes="x", occurred_at="2026-11-03T08:00:00Z")
    assert told["message"].startswith("occurred_at is not kept")
    error = await agent.refused("pause_operation", id=ids["cut"], occurred_at="2026-11-03T08:00:00")
    assert error["code"] == "VALIDATION_ERROR"


WRONG = [
    ("start_job", {}, "MISSING_REQUIRED_FIELD", "'id' is a required property"),
    ("start_job", {"id": NOWHERE}, "NOT_FOUND", "Job not found"),
    ("fetch_jobs", {"limit": 0}, "VALIDATION_ERROR", "limit: 0 is less than the minimum of 1"),
    ("fetch_jobs", {"status": "late"}, "VALIDATION_ERROR", "status: 'late' is not one of"),
    ("fetch_jobs", {"state": "late"}, "VALIDATION_ERROR", "'state' was unexpected"),
    ("fetch_substeps", {"operation_id": "7"}, "VALIDATION_ERROR", "Invalid UUID format for operation_id"),
    ("get_job_overview", {}, "VALIDATION_ERROR", "job_id or job_number is needed"),
    ("get_job_overview", {"job_number": "J-0"}, "NOT_FOUND", "jobs with number J-0 not found"),
    ("update_job", {"id": NOWHERE}, "INVALID_INPUT", "No valid fields to update"),
    ("fetch_job", {}, "INTERNAL_ERROR", "Unknown tool: fetch_job. Did you mean fetch_jobs?"),
    ("drop_database", {}, "INTERNAL_ERROR", "Unknown tool: drop_database"),
]


async def test_what_is_wrong_is_said_in_words(agent):
    for tool, given, code, words in WRONG:
        error = await agent.refused(tool, **given)
        assert (error["code"], words in error["message"]) == (code, True), error


async def test_tools_leave_the_same_trace_as_rest(shop, agent):
    """One write path: events, roll-ups and origin are those of anybody."""
    ids = await plan(shop)
    await agent.call("start_operation", id=ids["cut"])
    events = await shop.query("SELECT type, origin FROM events WHERE type IS NOT NULL ORDER BY seq")
    assert {(row["type"], row["origin"]) for row in events} >= {
        ("operation.started", "gw-test"),
        ("part.started", "gw-test"),
        ("job.started", "gw-test"),
    }
    assert (await agent.data("fetch_jobs"))[0]["status"] == "in_progress"
