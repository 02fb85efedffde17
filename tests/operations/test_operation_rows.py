"""`/api-operations`: plans are made, changed and looked up; a status by PATCH is a transition."""

import pytest
from hall import Floor

from gateway.web.routes import Scope

PATH = "/api-operations"


async def part_of(floor: Floor) -> str:
    return (await floor.job())["parts"][0]["id"]


async def first(floor: Floor) -> str:
    return (await floor.job())["parts"][0]["operations"][0]["id"]


async def test_a_new_operation_takes_the_documented_spellings_and_the_next_sequence(floor):
    part_id = await part_of(floor)
    body = {"part_id": part_id, "cell_id": floor.SAW, "operation_name": "Deburr"}
    row = (await floor.make(PATH, body))["operation"]
    assert (row["sequence"], row["estimated_time"], row["status"], row["actual_time"]) == (3, 0, "not_started", 0)
    more = {"estimated_time_minutes": 12, "setup_time_minutes": 2.5, "instructions": "slowly", "actual_time": 4}
    row = (await floor.make(PATH, {**body, **more}))["operation"]
    assert (row["sequence"], row["estimated_time"], row["setup_time"], row["notes"]) == (4, 12, 2.5, "slowly")
    assert (row["actual_time"], row["actual_time_seconds"]) == (4, 240)
    born_done = (await floor.make(PATH, {**body, "status": "completed"}))["operation"]
    assert (born_done["completed_at"], born_done["completion_percentage"]) == (born_done["created_at"], 100)
    assert row["cell"] == {"id": floor.SAW, "name": "Saw", "color": None}
    assert row["part"]["job"]["job_number"] == "J-1"
    names = "notes completion_percentage assigned_operator_id setup_time metadata external_id external_source job_id".split()
    assert row.keys() >= {*names}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"part_id": Floor.NOWHERE}, "part_id"),
        ({"cell_id": Floor.NOWHERE}, "cell_id"),
        ({"cell_id": None}, "cell_id"),
        ({"operation_name": ""}, "operation_name"),
        ({"sequence": 0}, "sequence"),
        ({"estimated_time": -1}, "estimated_time"),
        ({"completion_percentage": 101}, "completion_percentage"),
        ({"assigned_operator_id": Floor.NOWHERE}, "assigned_operator_id"),
        ({"status": "paused"}, "status"),
        ({"status": None}, "status"),
        ({"created_at": None}, "created_at"),
        ({"planned_start": "soon"}, "planned_start"),
        ({"status_before_hold": "in_progress"}, "status_before_hold"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(floor, given, field):
    body = {"part_id": await part_of(floor), "cell_id": floor.SAW, "operation_name": "Deburr", **given}
    reply = await floor.send("POST", PATH, body)
    assert (reply.status, reply.error["code"]) == (422, "VALIDATION_ERROR")
    assert [detail["field"] for detail in reply.error["details"]] == [field]


async def test_the_plan_is_changed_within_the_documented_fields(floor):
    operation_id = await first(floor)
    given = {
        "operation_name": "Cut",
        "completion_percentage": 40,
        "notes": "n",
        "assigned_operator_id": floor.BEN,
        "cell_id": floor.SAW,
        "planned_start": "2026-11-03",
        "planned_end": "2026-11-04T10:00:00+02:00",
        "estimated_time": 7,
        "sequence": 5,
        "metadata": {"a": [1]},
        "actual_time": 12,
    }
    await floor.clock.advance(60)
    row = (await floor.send("PATCH", f"{PATH}?id={operation_id}", given)).data["operation"]
    shown = {"planned_start": "2026-11-03T00:00:00+00:00", "planned_end": "2026-11-04T08:00:00+00:00"}
    assert row.items() >= {**given, **shown, "updated_at": "2026-11-02T07:01:00+00:00"}.items()
    again = await floor.send("PUT", f"{PATH}?id={operation_id.upper()}", {"notes": "put"})
    assert again.data["operation"]["notes"] == "put"


@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("?id={id}", {}, 400, "BAD_REQUEST"),
        ("?id={id}", {"id": Floor.NOWHERE, "tenant_id": Floor.NOWHERE, "created_at": "2020-01-01"}, 400, "BAD_REQUEST"),
        ("", {"notes": "x"}, 400, "BAD_REQUEST"),
        ("?id=zz", {"notes": "x"}, 404, "NOT_FOUND"),
        (f"?id={Floor.NOWHERE}", {"notes": "x"}, 404, "NOT_FOUND"),
        ("?id={id}", {"colour": "red"}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"started_at": "2026-11-02"}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"part_id": Floor.NOWHERE}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"cell_id": Floor.NOWHERE}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"status": "completed"}, 400, "INVALID_STATE_TRANSITION"),
        ("?id={id}", {"status": "flying"}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"status": None}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"sequence": None}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"completion_percentage": None, "notes": "x"}, 422, "VALIDATION_ERROR"),
    ],
)
async def test_an_update_that_cannot_be_changes_nothing(floor, query, body, status, code):
    operation_id = await first(floor)
    before = await floor.operation(operation_id)
    reply = await floor.send("PATCH", PATH + query.replace("{id}", operation_id), body)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert await floor.operation(operation_id) == before


async def test_what_only_the_database_refuses_is_said_in_words(floor):
    reply = await floor.send("PATCH", f"{PATH}?id={await first(floor)}", {"sequence": None})
    assert reply.error["message"] == "1 validation error(s) in operation: sequence must not be null"
    [detail] = reply.error["details"]
    assert (detail["field"], detail["constraint"]) == ("sequence", "NOT_NULL")


async def test_an_update_that_says_nothing_new_leaves_no_trace(floor):
    operation_id = await first(floor)
    row, before = await floor.operation(operation_id), await floor.events()
    known = ("operation_name", "status", "actual_time", "sequence", "cell_id", "id", "created_at")
    reply = await floor.send("PATCH", f"{PATH}?id={operation_id}", {name: row[name] for name in known})
    assert (reply.status, reply.data["operation"]) == (200, row)
    assert await floor.events() == before


async def test_a_status_by_update_is_the_transition_itself(floor):
    operation_id = await first(floor)
    path = f"{PATH}?id={operation_id}"
    for status in ("in_progress", "on_hold", "in_progress", "completed"):
        assert (await floor.send("PATCH", path, {"status": status})).data["operation"]["status"] == status
        await floor.clock.advance(60)
    row = await floor.operation(operation_id)
    assert (row["completed_at"], row["completion_percentage"]) == ("2026-11-02T07:03:00+00:00", 100)
    kinds = ("operation.started", "operation.paused", "operation.resumed", "operation.completed")
    told = await floor.events(*kinds)
    assert [event["type"] for event in told] == list(kinds)
    assert {event["data"]["cause"] for event in told} == {"update"}
    for status in ("not_started", "in_progress", "on_hold"):
        reply = await floor.send("PATCH", path, {"status": status, "notes": "never"})
        assert (reply.status, reply.error["code"]) == (400, "INVALID_STATE_TRANSITION")
    assert (await floor.operation(operation_id))["notes"] is None


async def test_who_keeps_no_time_entries_may_say_how_long_it_took(floor):
    operation_id = await first(floor)
    path = f"{PATH}?id={operation_id}"
    await floor.pressed(("start", operation_id))
    row = (await floor.send("PATCH", path, {"status": "completed", "actual_time": 45})).data["operation"]
    assert (row["status"], row["actual_time"], row["actual_time_seconds"]) == ("completed", 45, 2700)
    change = (await floor.events())[-1]["changes"][0]
    assert (change["table"], "actual_time" in change["fields"]) == ("operations", True)


async def test_where_there_are_time_entries_their_sum_is_the_time(floor):
    operation_id = await first(floor)
    await floor.pressed(("start", operation_id, floor.ANNA, 600), ("complete", operation_id))
    reply = await floor.send("PATCH", f"{PATH}?id={operation_id}", {"actual_time": 45})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "actual_time")
    assert "10 minutes" in reply.error["message"]


async def test_lists_are_filtered_sorted_and_cut(floor):
    job, other = await floor.job(), await floor.job("J-2", (floor.SAW,))
    started = job["parts"][0]["operations"][1]["id"]
    await floor.send("PATCH", f"{PATH}?id={started}", {"assigned_operator_id": floor.BEN})
    await floor.pressed(("start", started))

    async def found(query: str) -> list[str]:
        return [
            f"{row['part']['part_number']} {row['sequence']}"
            for row in (await floor.get(f"{PATH}?{query}"))["operations"]
        ]

    assert sorted(await found("")) == ["J-1-P1 1", "J-1-P1 2", "J-2-P1 1"]
    assert await found(f"job_id={other['id']}") == ["J-2-P1 1"]
    assert await found(f"part_id={job['parts'][0]['id']}&order=desc") == ["J-1-P1 2", "J-1-P1 1"]
    assert await found("cell_name=Laser") == ["J-1-P1 1"]
    assert await found(f"cell_id={floor.LASER}") == ["J-1-P1 1"]
    assert await found("status=in_progress") == ["J-1-P1 2"]
    assert await found(f"assigned_operator_id={floor.BEN}") == ["J-1-P1 2"]
    assert await found("search=op%202") == ["J-1-P1 2"]
    assert await found("search=%25") == []
    assert (await floor.send("GET", f"{PATH}?status=paused")).status == 422
    assert (await floor.send("GET", f"{PATH}?cell_id=laser")).error["details"][0]["constraint"] == "UUID_FORMAT"


async def test_plans_need_the_scope_to_plan_and_the_cell(floor):
    job = await floor.job()
    laser, saw = (one["id"] for one in job["parts"][0]["operations"])
    body = {"part_id": job["parts"][0]["id"], "cell_id": floor.SAW, "operation_name": "x"}
    assert (await floor.send("POST", PATH, body, key=await floor.new_key(Scope.OPERATE))).status == 403
    key = await floor.new_key(Scope.PLAN, floor.LASER)
    assert (await floor.get(PATH, key=key))["pagination"]["total"] == 1
    assert (await floor.send("GET", f"{PATH}?id={saw}", key=key)).status == 404
    for method, path, given in (
        ("POST", PATH, body),
        ("PATCH", f"{PATH}?id={saw}", {"notes": "x"}),
        ("PATCH", f"{PATH}?id={laser}", {"cell_id": floor.SAW}),
        ("DELETE", f"{PATH}?id={saw}", None),
    ):
        refused = await floor.send(method, path, given, key=key)
        assert (refused.status, refused.error["code"]) == (403, "CELL_NOT_ALLOWED")
    assert (await floor.send("PATCH", f"{PATH}?id={laser}", {"notes": "x"}, key=key)).status == 200


async def test_what_an_operation_needs_is_added_and_set_anew_by_an_update(floor):
    operation_id = await first(floor)
    need = {"resource_id": floor.JIG, "quantity": 2, "notes": "left"}
    before = (await floor.operation(operation_id))["row_version"]
    for body in (
        {"resources": [need]},
        {"resources": [{**need, "quantity": 3}]},
        {"resources": [{**need, "quantity": 3}]},
    ):
        assert (await floor.send("PATCH", f"{PATH}?id={operation_id}", body)).status == 200
    assert await floor.query("SELECT resource_id, quantity, notes FROM operation_resources") == [(floor.JIG, 3, "left")]
    assert (await floor.operation(operation_id))["row_version"] == before + 2, "what says nothing new changes nothing"
    wrong = await floor.send("PATCH", f"{PATH}?id={operation_id}", {"resources": [{"resource_id": floor.NOWHERE}]})
    assert (wrong.status, wrong.error["details"][0]["field"]) == (422, "resources[0].resource_id")
