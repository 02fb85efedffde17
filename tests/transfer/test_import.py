"""Import: rows of any table with their ids, all or nothing, as often as one likes."""

import copy

import pytest
from hall import HALL, Floor

from gateway.kernel.errors import Conflict, Invalid
from gateway.outbox.event import Stamp
from gateway.transfer.commands import bring_in, planned

AT = "2026-11-23T18:03:10.070172+00:00"
JOB, PART, CHILD = (f"00000000-0000-4000-8000-00000000d00{n}" for n in (1, 2, 3))
OPERATION, ENTRY, PAUSE, QUANTITY, NEED, SPLIT, ISSUE, CATEGORY = (
    f"00000000-0000-4000-8000-00000000e00{n}" for n in range(1, 9)
)
STEP, ASSIGNED, LOOSE, TEMPLATE, ITEM, PIET = (f"00000000-0000-4000-8000-00000000f00{n}" for n in range(1, 7))
# in the cloud's words and in no order
WORK = {
    "time_entry_pauses": [
        {
            "id": PAUSE,
            "time_entry_id": ENTRY,
            "paused_at": "2026-11-01T08:10:00Z",
            "resumed_at": "2026-11-01T08:20:00+00:00",
            "duration": 600,
        }
    ],
    "time_entries": [
        {
            "id": ENTRY,
            "operation_id": OPERATION,
            "operator_id": Floor.ANNA,
            "start_time": "2026-11-01T08:00:00Z",
            "end_time": "2026-11-01T09:00:00Z",
            "duration": 50,
            "is_paused": False,
        }
    ],
    "operations": [
        {
            "id": OPERATION,
            "tenant_id": Floor.NOWHERE,
            "part_id": PART,
            "cell_id": Floor.LASER.upper(),
            "operation_name": "Cut",
            "sequence": 1,
            "estimated_time": 30,
            "actual_time": 50,
            "status": "in_progress",
            "setup_time": 2.5,
            "search_vector": "x",
            "created_at": AT,
        }
    ],
    "parts": [
        {"id": CHILD, "job_id": JOB, "parent_part_id": PART, "part_number": "P-2", "material": "m"},
        {
            "id": PART,
            "job_id": JOB,
            "parent_part_id": None,
            "part_number": "P-1",
            "material": "m",
            "image_paths": ["a/b.png"],
        },
    ],
    "jobs": [
        {"id": JOB, "job_number": "J-1", "due_date": "2026-12-31", "metadata": {"po": 1}, "actual_duration": None}
    ],
    "operation_quantities": [
        {
            "id": QUANTITY,
            "operation_id": OPERATION,
            "quantity_produced": 3,
            "quantity_good": 2,
            "quantity_scrap": 1,
            "recorded_at": AT,
        }
    ],
    "operation_quantity_scrap_reasons": [
        {"id": SPLIT, "operation_quantity_id": QUANTITY, "scrap_reason_id": Floor.BURR, "quantity": 1}
    ],
    "operation_resources": [{"id": NEED, "operation_id": OPERATION, "resource_id": Floor.JIG, "quantity": 1}],
    "issues": [
        {
            "id": ISSUE,
            "operation_id": OPERATION,
            "title": None,
            "description": "burnt",
            "severity": "high",
            "status": "approved",
            "issue_type": "ncr",
            "ncr_number": "NCR-1",
            "causes_standstill": True,
            "verification_required": None,
            "image_paths": ["a/b.png"],
            "metadata": {"ncr_category": "supplier"},
            "reviewed_at": "2026-11-01T08:20:00Z",
            "reviewed_by": Floor.BEN,
            "created_at": AT,
        }
    ],
    "issue_categories": [{"id": CATEGORY, "code": "M", "description": "Machine", "active": True}],
    "substeps": [
        {
            "id": STEP,
            "operation_id": OPERATION,
            "name": "Deburr",
            "sequence": 1,
            "status": "completed",
            "completed_at": AT,
            "completed_by": Floor.ANNA.upper(),
        }
    ],
    "assignments": [
        {"id": ASSIGNED, "part_id": PART, "operator_id": Floor.ANNA, "assigned_by": Floor.BEN, "status": "accepted"},
        {"id": LOOSE, "shop_floor_operator_id": PIET, "assigned_by": Floor.BEN},
    ],
    "operators": [{"id": PIET, "employee_id": "E001", "full_name": "Piet", "active": True}],
    "substep_template_items": [{"id": ITEM, "template_id": TEMPLATE, "name": "Clean", "sequence": 1}],
    "substep_templates": [{"id": TEMPLATE, "name": "Deburr set", "is_global": False}],
}


async def bring(floor: Floor, tables):
    stamp = Stamp(floor.clock.now(), "gw-test", lambda: Floor.NOWHERE)
    return await floor.db.write(bring_in, stamp, planned(copy.deepcopy(tables)))


def changed(table: str, place: int, **values):
    tables = copy.deepcopy(WORK)
    tables[table][place] |= values
    return tables


async def test_rows_come_in_with_their_ids_in_whatever_order_the_file_has(floor):
    answer = await bring(floor, WORK)
    assert answer["tables"] == {table: {"written": len(rows), "unchanged": 0} for table, rows in WORK.items()}
    operation = await floor.operation(OPERATION)
    assert (
        operation.items()
        >= {
            "part_id": PART,
            "job_id": JOB,
            "cell_id": floor.LASER,
            "actual_time": 50,
            "actual_time_seconds": 3000,
            "status": "in_progress",
            "setup_time": 2.5,
            "created_at": AT,
            "updated_at": AT,
        }.items()
    )
    [entry] = await floor.entries(OPERATION)
    assert (entry["id"], entry["duration_seconds"], entry["pauses"][0]["duration"]) == (ENTRY, 3000, 600)
    job = (await floor.get(f"/api-jobs?id={JOB}"))["job"]
    assert (job["due_date"], job["metadata"], len(job["parts"])) == ("2026-12-31T00:00:00+00:00", {"po": 1}, 2)
    assert (await floor.part(CHILD))["parent_part_id"] == PART
    row = (await floor.get(f"/api-operation-quantities?id={QUANTITY}"))["operation_quantity"]
    assert (row["yield_percentage"], row["scrap_reasons"][0]["code"]) == (66.67, "BURR")
    issue = (await floor.get(f"/api-issues?id={ISSUE}"))["issue"]
    given = {**WORK["issues"][0], "reviewed_at": "2026-11-01T08:20:00+00:00"}
    assert issue.items() >= given.items()
    assert await floor.query("SELECT code, severity_default, active FROM issue_categories") == [("M", "medium", 1)]
    step = (await floor.get(f"/api-substeps?id={STEP}"))["substep"]
    assert (step["completed"], step["completed_at"], step["completed_by"]) == (True, AT, floor.ANNA)
    assignment = (await floor.get(f"/api-assignments?id={ASSIGNED}"))["assignment"]
    assert (assignment["part"]["part_number"], assignment["status"]) == ("P-1", "accepted")
    template = (await floor.get(f"/api-templates?id={TEMPLATE}"))["substep_template"]
    assert template["items"] == [{"id": ITEM, "name": "Clean", "notes": None, "sequence": 1}]


async def test_a_second_time_changes_nothing_and_tells_nobody(floor):
    await bring(floor, WORK)
    before = await floor.events()
    answer = await bring(floor, WORK)
    assert answer["tables"] == {table: {"written": 0, "unchanged": len(rows)} for table, rows in WORK.items()}
    assert await floor.events() == before


async def test_what_differs_is_written_and_the_rest_of_the_row_stays(floor):
    await bring(floor, WORK)
    later = {
        "jobs": [{"id": JOB, "customer": "Acme", "job_number": "J-1"}],
        "operations": [{"id": OPERATION, "sequence": 4}],
    }
    answer = await bring(floor, later)
    assert answer["tables"] == {table: {"written": 1, "unchanged": 0} for table in later}
    job, operation = (await floor.get(f"/api-jobs?id={JOB}"))["job"], await floor.operation(OPERATION)
    assert (job["customer"], job["metadata"], operation["sequence"], operation["created_at"]) == (
        "Acme",
        {"po": 1},
        4,
        AT,
    )


async def test_whole_minutes_do_not_round_what_is_known_to_the_second(floor):
    await bring(floor, WORK)
    await floor.do("UPDATE operations SET actual_time_s = 2985 WHERE id = ?", OPERATION)
    assert (await bring(floor, WORK))["tables"]["operations"] == {"written": 0, "unchanged": 1}
    await bring(floor, changed("operations", 0, actual_time_seconds=2984))
    assert (await floor.operation(OPERATION))["actual_time_seconds"] == 2984


async def test_the_ways_out_learn_of_every_row_in_the_lane_of_its_job(floor):
    await floor.db.write(lambda tx: tx.execute("DELETE FROM events") and None)
    await bring(floor, WORK)
    lanes = {
        change["table"] if change["id"] != LOOSE else "loose": event["lane"]
        for event in await floor.events()
        for change in event["changes"]
        if event["origin"] == "gw-test"
    }
    below = "jobs parts operations substeps assignments time_entries operation_quantities issues".split()
    assert {lanes[name] for name in below} == {f"job:{JOB}"}
    assert lanes["loose"] == f"assignments:{LOOSE}"
    assert await floor.events("job.created", "part.created", "operation.started") == []


async def test_tables_of_others_are_only_named(floor):
    answer = await bring(
        floor, {**WORK, "user_roles": [{"user": 1}], "tenants": "x", "_metadata": {"a": 1}, "_tenant_info": {}}
    )
    assert answer["not_kept"] == ["tenants", "user_roles"]


async def test_the_furniture_of_a_hall_can_be_brought_twice(floor):
    answer = await bring(floor, HALL)
    assert {count["written"] for count in answer["tables"].values()} == {0}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([], "an import is an object with tables in it"),
        ({"jobs": {}}, "jobs: a list of rows is wanted"),
        ({"jobs": [{"id": JOB, "job_number": "J"}, {"job_number": "K"}]}, "jobs[1]: a row with an id"),
        ({"jobs": [{"id": "7", "job_number": "K"}]}, "jobs[0]: a row with an id"),
        ({"jobs": ["x"]}, "jobs[0]: a row with an id"),
        (
            {"parts": [{"id": PART, "parent_part_id": CHILD}, {"id": CHILD, "parent_part_id": PART}]},
            "are parents of each other",
        ),
    ],
)
async def test_a_file_of_the_wrong_shape_is_said_by_table_and_place(floor, tables, message):
    with pytest.raises(Invalid) as refused:
        await bring(floor, tables)
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("tables", "kind", "where"),
    [
        (changed("operations", 0, cell_id=Floor.NOWHERE), Invalid, f"operations[0] {OPERATION}: "),
        (changed("operations", 0, status="flying"), Invalid, f"operations[0] {OPERATION}: "),
        (changed("operations", 0, sequence=None), Invalid, f"operations[0] {OPERATION}: "),
        (changed("operations", 0, sequence="first"), Invalid, f"operations[0] {OPERATION}: "),
        (changed("operations", 0, sequence=2**70), Invalid, f"operations[0] {OPERATION}: "),
        (changed("operations", 0, actual_time="half an hour"), Invalid, f"operations[0] {OPERATION}: "),
        (changed("operations", 0, started_at="soon"), Invalid, f"operations[0] {OPERATION}: "),
        (changed("parts", 0, part_number="P-1"), Conflict, f"parts[0] {CHILD}: "),
        (changed("operation_quantities", 0, quantity_produced=4), Invalid, f"operation_quantities[0] {QUANTITY}: "),
        (changed("operation_resources", 0, resource_id=Floor.NOWHERE), Invalid, f"operation_resources[0] {NEED}: "),
        (changed("issues", 0, ncr_category="material"), Invalid, f"issues[0] {ISSUE}: "),
        (changed("issues", 0, description=None), Invalid, f"issues[0] {ISSUE}: "),
        (changed("issue_categories", 0, severity_default="x"), Invalid, f"issue_categories[0] {CATEGORY}: "),
        (changed("time_entries", 0, operator_id=Floor.NOWHERE), Invalid, f"time_entries[0] {ENTRY}: "),
    ],
)
async def test_one_wrong_row_and_nothing_is_there(floor, tables, kind, where):
    before = await floor.events()
    with pytest.raises(kind) as refused:
        await bring(floor, tables)
    assert refused.value.message.startswith(where), refused.value.message
    for table in WORK:
        assert await floor.query(f"SELECT count(*) FROM {table}") == [(0,)]
    assert await floor.events() == before
