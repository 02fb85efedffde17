"""`/api-substeps`: the checklist of an operation."""

import pytest
from hall import Floor

from gateway.web.routes import Scope

PATH = "/api-substeps"
CLOUD_COLUMNS = (
    "id tenant_id operation_id name sequence status notes completed_at completed_by created_at updated_at icon_name"
).split()


async def operations(floor: Floor) -> list[str]:
    """At the laser and at the saw."""
    return [one["id"] for one in (await floor.job())["parts"][0]["operations"]]


async def step(floor: Floor, operation_id: str, name: str = "Deburr", **more):
    return (await floor.make(PATH, {"operation_id": operation_id, "name": name, **more}))["substep"]


async def patch(floor: Floor, row_id: str, body, **more):
    reply = await floor.send("PATCH", f"{PATH}?id={row_id}", body, **more)
    assert reply.status == 200, reply.body
    return reply.data["substep"]


async def test_a_step_has_every_column_of_the_cloud_and_those_of_the_older_words(floor):
    operation_id, _ = await operations(floor)
    row = await step(floor, operation_id)
    assert set(CLOUD_COLUMNS) <= row.keys()
    told = {
        "operation_id": operation_id,
        "name": "Deburr",
        "description": "Deburr",
        "sequence": 1,
        "status": "not_started",
        "completed": False,
        "substep_id": row["id"],
        "operation": {"id": operation_id, "operation_name": "Op 1"},
        "completed_at": None,
        "completed_by": None,
        "icon_name": None,
    }
    assert row.items() >= told.items()
    assert (await floor.get(f"{PATH}?id={row['id']}"))["substep"] == row
    assert (await floor.get(PATH))["substeps"] == [row]


async def test_everything_may_be_given(floor):
    operation_id, _ = await operations(floor)
    given = {
        "id": "22222222-2222-4333-8444-555555555555",
        "name": "Clean",
        "sequence": 7,
        "status": "completed",
        "notes": "with care",
        "icon_name": "broom",
        "completed_at": "2026-11-01T10:00:00+00:00",
        "completed_by": floor.BEN,
        "created_at": "2026-10-01T00:00:00+00:00",
    }
    row = await step(floor, operation_id, **given)
    assert row.items() >= {**given, "completed": True}.items()
    assert (await floor.send("POST", PATH, {**given, "operation_id": operation_id})).status == 409


async def test_the_older_words_are_taken(floor):
    operation_id, _ = await operations(floor)
    row = (await floor.make(PATH, {"operation_id": operation_id, "description": "Mark", "completed": True}))["substep"]
    assert (row["name"], row["status"], row["completed_at"]) == ("Mark", "completed", "2026-11-02T07:00:00+00:00")
    assert (await patch(floor, row["id"], {"completed": False}))["status"] == "not_started"
    blocked = await step(floor, operation_id, status="blocked", completed=False)
    assert blocked["status"] == "blocked"
    assert (await patch(floor, blocked["id"], {"completed": False}))["status"] == "blocked"
    assert (await patch(floor, blocked["id"], {"completed": None, "notes": "x"}))["status"] == "blocked"
    reply = await floor.send("PATCH", f"{PATH}?id={blocked['id']}", {"completed": True, "status": "blocked"})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "completed")


async def test_steps_are_numbered_on_for_each_operation(floor):
    first, second = await operations(floor)
    await step(floor, first, sequence=4)
    assert (await step(floor, first))["sequence"] == 5
    assert (await step(floor, first, sequence=None))["sequence"] == 6
    assert (await step(floor, second))["sequence"] == 1


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_completing_says_when_and_by_whom_and_taking_back_forgets_it(floor, method):
    operation_id, _ = await operations(floor)
    row = await step(floor, operation_id)
    key = await floor.new_key(Scope.OPERATE, operator_id=floor.ANNA)
    await floor.clock.advance(60)
    done = (await floor.send(method, f"{PATH}?id={row['id']}", {"status": "completed"}, key=key)).data["substep"]
    times = {"completed_at": "2026-11-02T07:01:00+00:00", "updated_at": "2026-11-02T07:01:00+00:00"}
    assert done.items() >= {**times, "completed_by": floor.ANNA, "completed": True}.items()
    await floor.clock.advance(60)
    again = await patch(floor, row["id"], {"status": "completed", "completed": True})
    assert again == done
    named = await patch(floor, row["id"], {"completed_by": floor.BEN})
    assert (named["completed_by"], named["completed_at"]) == (floor.BEN, done["completed_at"])
    assert (await patch(floor, row["id"], {"completed_by": None}))["completed_by"] is None
    dated = await patch(floor, row["id"], {"completed_at": "2026-11-01T00:00:00Z"})
    assert dated["completed_at"] == "2026-11-01T00:00:00+00:00"
    back = await patch(floor, row["id"], {"status": "in_progress", "completed_at": done["completed_at"]})
    assert (back["completed_at"], back["completed_by"], back["completed"]) == (None, None, False)


async def test_any_state_may_follow_any_other(floor):
    operation_id, _ = await operations(floor)
    row = await step(floor, operation_id)
    for status in ("blocked", "completed", "not_started", "in_progress", "completed", "blocked", "in_progress"):
        assert (await patch(floor, row["id"], {"status": status}))["status"] == status


async def test_everybody_is_told_with_every_field(floor):
    operation_id, _ = await operations(floor)
    row = await step(floor, operation_id)
    await floor.clock.advance(60)
    done = await patch(floor, row["id"], {"status": "completed", "completed_by": floor.ANNA})
    await patch(floor, row["id"], {"notes": "still completed"})
    operation = await floor.operation(operation_id)
    about = {
        "substep_id": row["id"],
        "operation_id": operation_id,
        "operation_name": "Op 1",
        "name": "Deburr",
        "sequence": 1,
        "part_id": operation["part_id"],
        "part_number": "J-1-P1",
        "job_id": operation["job_id"],
        "job_number": "J-1",
        "cell_id": floor.LASER,
        "cell_name": "Laser",
        "created_at": row["created_at"],
    }
    added, completed = await floor.events("step.added", "step.completed")
    assert added["data"] == {**about, "status": "not_started", "completed_by": None, "completed_at": None}
    finished = {"status": "completed", "completed_by": floor.ANNA, "completed_at": done["completed_at"]}
    assert completed["data"] == {**about, **finished}
    assert (completed["occurred_at"], completed["lane"]) == (done["completed_at"], f"job:{operation['job_id']}")
    assert {change["table"] for change in (*added["changes"], *completed["changes"])} == {"substeps"}


async def test_a_step_that_is_added_as_completed_is_only_added(floor):
    operation_id, _ = await operations(floor)
    await step(floor, operation_id, status="completed")
    assert [event["type"] for event in await floor.events("step.added", "step.completed")] == ["step.added"]


async def test_a_step_is_deleted_for_good_and_as_often_as_one_likes(floor):
    operation_id, _ = await operations(floor)
    row = await step(floor, operation_id)
    for _ in range(2):
        reply = await floor.send("DELETE", f"{PATH}?id={row['id']}")
        assert (reply.status, reply.data) == (200, {"message": "Deleted successfully"})
    assert await floor.query("SELECT * FROM substeps") == []
    [change] = (await floor.events())[-1]["changes"]
    assert (change["op"], change["fields"]["name"]) == ("delete", "Deburr")
    assert (await floor.send("PATCH", f"{PATH}?id={row['id']}", {"name": "x"})).status == 404


async def test_lists(floor):
    first, second = await operations(floor)
    for place, name in enumerate(("Wash", "Deburr", "Mark"), 1):
        await step(floor, first, name, sequence=10 - place, status="blocked" if place == 1 else "not_started")
        await floor.clock.advance(1)
    await step(floor, second, "Pack", status="completed")

    async def found(query: str) -> list[str]:
        return [row["name"] for row in (await floor.get(f"{PATH}?{query}"))["substeps"]]

    assert await found("") == ["Pack", "Mark", "Deburr", "Wash"]
    assert await found("order=desc") == ["Wash", "Deburr", "Mark", "Pack"]
    assert await found(f"operation_id={first}") == ["Mark", "Deburr", "Wash"]
    assert await found("status=blocked") == ["Wash"]
    assert await found("status=done") == []
    assert await found("search=AC") == ["Pack"]
    assert await found("sort=created_at&order=desc&limit=2") == ["Pack", "Mark"]
    assert await found("sort=status&order=asc&limit=1") == ["Wash"]
    assert await found("sort=name&limit=1&offset=1") == ["Mark"]
    assert await found(f"operation_id={floor.NOWHERE}") == []


@pytest.mark.parametrize(
    ("method", "query", "given", "status", "field"),
    [
        ("POST", "", {"operation_id": None}, 422, "operation_id"),
        ("POST", "", {"name": None}, 422, "name"),
        ("POST", "", {"name": ""}, 422, "name"),
        ("POST", "", {"name": 5}, 422, "name"),
        ("POST", "", {"operation_id": Floor.NOWHERE}, 422, "operation_id"),
        ("POST", "", {"operation_id": "x"}, 422, "operation_id"),
        ("POST", "", {"status": "done"}, 422, "status"),
        ("POST", "", {"status": None}, 422, "status"),
        ("POST", "", {"sequence": "x"}, 422, "sequence"),
        ("POST", "", {"sequence": 2**31}, 422, "sequence"),
        ("POST", "", {"completed": "yes"}, 422, "completed"),
        ("POST", "", {"completed": True, "completed_by": Floor.NOWHERE}, 422, "completed_by"),
        ("POST", "", {"completed_at": "soon"}, 422, "completed_at"),
        ("POST", "", {"icon_name": "i" * 101}, 422, "icon_name"),
        ("POST", "", {"description": "other than the name"}, 422, "description"),
        ("POST", "", {"colour": "red"}, 422, "colour"),
        ("PATCH", "?id={id}", {"status": "done"}, 422, "status"),
        ("PATCH", "?id={id}", {"sequence": None}, 422, "sequence"),
        ("PATCH", "?id={id}", {"name": None}, 422, "name"),
        ("PATCH", "?id={id}", {"operation_id": Floor.NOWHERE}, 422, "operation_id"),
        ("PATCH", "?id={id}", {"colour": "red"}, 422, "colour"),
        ("PATCH", "?id={id}", {}, 400, None),
        ("PATCH", "", {"name": "x"}, 400, None),
        ("PATCH", f"?id={Floor.NOWHERE}", {"name": "x"}, 404, None),
        ("PATCH", "?id=zz", {"name": "x"}, 404, None),
        ("GET", "?id=zz", None, 404, None),
        ("GET", f"?id={Floor.NOWHERE}", None, 404, None),
        ("GET", "?operation_id=zz", None, 422, "operation_id"),
        ("DELETE", "", None, 400, None),
        ("REPORT", "", None, 400, None),
        ("GET", "/sub", None, 404, None),
    ],
)
async def test_what_is_wrong_is_said_by_name_and_changes_nothing(floor, method, query, given, status, field):
    operation_id, _ = await operations(floor)
    row = await step(floor, operation_id)
    body = given
    if method == "POST":
        body = {"operation_id": operation_id, "name": "x", **given}
    reply = await floor.send(method, PATH + query.replace("{id}", row["id"]), body)
    assert reply.status == status, reply.body
    assert field is None or reply.error["details"][0]["field"] == field
    assert (await floor.get(PATH))["substeps"] == [row]


async def test_a_step_may_move_to_another_operation_of_the_keys_cells(floor):
    laser, saw = await operations(floor)
    row = await step(floor, laser)
    key = await floor.new_key(Scope.OPERATE, floor.LASER)
    assert (await floor.send("PATCH", f"{PATH}?id={row['id']}", {"operation_id": saw}, key=key)).status == 403
    await patch(floor, row["id"], {"operation_id": laser}, key=key)
    moved = await patch(floor, row["id"], {"operation_id": saw})
    assert moved["operation"] == {"id": saw, "operation_name": "Op 2"}


async def test_an_operation_that_is_gone_gets_no_more_steps(floor):
    operation_id, _ = await operations(floor)
    row = await step(floor, operation_id)
    await floor.send("DELETE", f"/api-operations?id={operation_id}")
    reply = await floor.send("POST", PATH, {"operation_id": operation_id, "name": "x"})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "operation_id")
    assert (await patch(floor, row["id"], {"status": "completed"}))["completed"] is True


async def test_a_key_for_one_cell_sees_and_writes_the_steps_of_that_one(floor):
    laser, saw = await operations(floor)
    mine, other = await step(floor, laser), await step(floor, saw)
    key = await floor.new_key(Scope.OPERATE, floor.LASER)
    assert [row["id"] for row in (await floor.get(PATH, key=key))["substeps"]] == [mine["id"]]
    assert (await floor.send("GET", f"{PATH}?id={other['id']}", key=key)).status == 404
    for method, query, body in (
        ("POST", "", {"operation_id": saw, "name": "x"}),
        ("PATCH", f"?id={other['id']}", {"name": "x"}),
        ("DELETE", f"?id={other['id']}", None),
    ):
        reply = await floor.send(method, PATH + query, body, key=key)
        assert (reply.status, reply.error["code"]) == (403, "CELL_NOT_ALLOWED")
    await patch(floor, mine["id"], {"status": "completed"}, key=key)
    reading = await floor.new_key(Scope.READ)
    assert (await floor.send("PATCH", f"{PATH}?id={mine['id']}", {"name": "x"}, key=reading)).status == 403


async def test_a_create_sent_again_under_its_key_adds_one_step(floor):
    operation_id, _ = await operations(floor)
    body, once = {"operation_id": operation_id, "name": "Deburr"}, {"Idempotency-Key": "step-1"}
    first, again = [await floor.send("POST", PATH, body, headers=once) for _ in range(2)]
    assert (again.status, again.data, again.headers["Idempotency-Replayed"]) == (201, first.data, "true")
    assert len((await floor.get(PATH))["substeps"]) == 1
