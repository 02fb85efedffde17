"""`/api-assignments`: who is to work on what."""

import itertools

import pytest
from hall import Floor

from gateway.web.routes import Scope

PATH = "/api-assignments"
CLOUD_COLUMNS = (
    "id tenant_id operator_id part_id job_id assigned_by status created_at updated_at shop_floor_operator_id"
).split()
STATES = ("assigned", "accepted", "in_progress", "completed")
PIET = "00000000-0000-4000-8000-000000000e01"


@pytest.fixture(autouse=True)
async def piet(floor):
    """Somebody without a login."""
    await floor.do(
        "INSERT INTO operators (id, employee_id, full_name, created_at, updated_at) VALUES (?, 'E1', 'Piet', '', '')",
        PIET,
    )


async def assign(floor: Floor, *, key: str | None = None, **given):
    body = {"operator_id": floor.ANNA, "assigned_by": floor.BEN, **given}
    return (await floor.make(PATH, body, key=key))["assignment"]


async def set_status(floor: Floor, row_id: str, status: str, key: str | None = None):
    return await floor.send("PATCH", f"{PATH}?id={row_id}", {"status": status}, key=key)


async def test_an_assignment_has_every_column_of_the_cloud_and_what_it_points_at(floor):
    job = await floor.job()
    row = await assign(floor, job_id=job["id"], part_id=job["parts"][0]["id"], shop_floor_operator_id=PIET)
    assert set(CLOUD_COLUMNS) <= row.keys()
    told = {
        "assignment_id": row["id"],
        "status": "assigned",
        "job": {"id": job["id"], "job_number": "J-1"},
        "part": {"id": job["parts"][0]["id"], "part_number": "J-1-P1"},
        "operator": {"id": floor.ANNA, "username": "anna", "full_name": "Anna"},
        "shop_floor_operator": {"id": PIET, "full_name": "Piet"},
        "assigned_by_user": {"id": floor.BEN, "username": "ben", "full_name": "Ben"},
    }
    assert row.items() >= told.items()
    assert (await floor.get(f"{PATH}?id={row['id']}"))["assignment"] == row
    assert (await floor.get(PATH))["assignments"] == [row]


async def test_the_least_is_somebody(floor):
    row = await assign(floor)
    nothing = dict.fromkeys(("job_id", "part_id", "job", "part", "shop_floor_operator_id", "shop_floor_operator"))
    assert row.items() >= nothing.items()
    other = await assign(floor, operator_id=None, shop_floor_operator_id=PIET, status="accepted")
    assert (other["operator"], other["shop_floor_operator"]["full_name"], other["status"]) == (None, "Piet", "accepted")


async def test_who_assigns_is_the_operator_of_the_key(floor):
    key = await floor.new_key(Scope.OPERATE, operator_id=floor.CEM)
    assert (await floor.make(PATH, {"operator_id": floor.ANNA}, key=key))["assignment"]["assigned_by"] == floor.CEM
    named = await assign(floor, key=key, operator_id=floor.BEN, assigned_by=floor.ANNA)
    assert named["assigned_by"] == floor.ANNA
    reply = await floor.send("POST", PATH, {"operator_id": floor.CEM})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "assigned_by")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"operator_id": None}, "operator_id"),
        ({"operator_id": Floor.NOWHERE}, "operator_id"),
        ({"operator_id": PIET}, "operator_id"),
        ({"operator_id": "x"}, "operator_id"),
        ({"shop_floor_operator_id": Floor.ANNA}, "shop_floor_operator_id"),
        ({"assigned_by": Floor.NOWHERE}, "assigned_by"),
        ({"assigned_by": None}, "assigned_by"),
        ({"job_id": Floor.NOWHERE}, "job_id"),
        ({"part_id": Floor.NOWHERE}, "part_id"),
        ({"status": "done"}, "status"),
        ({"status": None}, "status"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_is_wrong_is_said_by_name_and_nothing_is_made(floor, given, field):
    reply = await floor.send("POST", PATH, {"operator_id": floor.ANNA, "assigned_by": floor.BEN, **given})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, field)
    assert (await floor.get(PATH))["assignments"] == []


async def test_a_part_of_another_job_is_refused(floor):
    job, other = await floor.job("J-1"), await floor.job("J-2")
    body = {"operator_id": floor.ANNA, "assigned_by": floor.BEN, "job_id": job["id"]}
    reply = await floor.send("POST", PATH, {**body, "part_id": other["parts"][0]["id"]})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "part_id")
    row = await assign(floor, part_id=other["parts"][0]["id"])
    reply = await floor.send("PATCH", f"{PATH}?id={row['id']}", {"job_id": job["id"]})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "part_id")


async def test_the_same_work_is_not_given_to_the_same_person_twice(floor):
    job = await floor.job()
    given = {"job_id": job["id"], "operator_id": floor.ANNA, "assigned_by": floor.BEN}
    first = await assign(floor, **given)
    reply = await floor.send("POST", PATH, {**given, "assigned_by": floor.CEM})
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    assert reply.error["details"] == {"assignment_id": first["id"]}
    await assign(floor, **given, part_id=job["parts"][0]["id"])
    other = await assign(floor, **{**given, "operator_id": floor.CEM})
    reply = await floor.send("PATCH", f"{PATH}?id={other['id']}", {"operator_id": floor.ANNA})
    assert reply.status == 409
    await assign(floor, **given, status="completed")
    await set_status(floor, first["id"], "completed")
    second = await assign(floor, **given)
    assert (await set_status(floor, first["id"], "assigned")).status == 409
    assert (await set_status(floor, second["id"], "accepted")).status == 200


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATES, STATES)))
async def test_it_goes_forward_unless_an_admin_says_otherwise(floor, before, after):
    row = await assign(floor, status=before)
    key = await floor.new_key(Scope.PLAN)
    reply = await set_status(floor, row["id"], after, key)
    if STATES.index(after) >= STATES.index(before):
        assert (reply.status, reply.data["assignment"]["status"]) == (200, after)
        return
    assert (reply.status, reply.error["code"]) == (400, "INVALID_STATE_TRANSITION")
    allowed = list(STATES[: STATES.index(after) + 1])
    assert reply.error["details"] == {"current_status": before, "requested": after, "allowed_from": allowed}
    assert (await set_status(floor, row["id"], after)).data["assignment"]["status"] == after


async def test_it_may_be_given_to_somebody_else_but_not_to_nobody(floor):
    row = await assign(floor)
    await floor.clock.advance(60)
    moved = (await floor.send("PUT", f"{PATH}?id={row['id']}", {"operator_id": floor.CEM})).data["assignment"]
    assert (moved["operator"]["full_name"], moved["updated_at"]) == ("Cem", "2026-11-02T07:01:00+00:00")
    for body in ({"operator_id": None}, {"assigned_by": None}, {"job_id": floor.NOWHERE}):
        reply = await floor.send("PATCH", f"{PATH}?id={row['id']}", body)
        assert (reply.status, reply.error["details"][0]["field"]) == (422, *body)
    swapped = {"operator_id": None, "shop_floor_operator_id": PIET}
    assert (await floor.send("PATCH", f"{PATH}?id={row['id']}", swapped)).data["assignment"]["operator"] is None


@pytest.mark.parametrize(
    ("method", "query", "given", "status"),
    [
        ("GET", "?id=zz", None, 404),
        ("GET", f"?id={Floor.NOWHERE}", None, 404),
        ("GET", "?status=done", None, 422),
        ("GET", "?job_id=zz", None, 422),
        ("PATCH", "", {"status": "accepted"}, 400),
        ("PATCH", "?id={id}", {}, 400),
        ("PATCH", "?id={id}", {"id": Floor.NOWHERE, "created_at": "2020-01-01"}, 400),
        ("PATCH", "?id={id}", {"status": "done"}, 422),
        ("PATCH", "?id={id}", {"colour": "red"}, 422),
        ("PATCH", "?id=zz", {"status": "accepted"}, 404),
        ("PATCH", f"?id={Floor.NOWHERE}", {"status": "accepted"}, 404),
        ("DELETE", "", None, 400),
        ("DELETE", f"?id={Floor.NOWHERE}", None, 200),
        ("REPORT", "", None, 400),
    ],
)
async def test_the_manners_of_every_table(floor, method, query, given, status):
    row = await assign(floor)
    reply = await floor.send(method, PATH + query.replace("{id}", row["id"]), given)
    assert reply.status == status, reply.body
    assert (await floor.get(PATH))["assignments"] == [row]


async def test_it_is_deleted_for_good_and_everything_stands_in_the_journal(floor):
    job = await floor.job()
    row = await assign(floor, part_id=job["parts"][0]["id"])
    await set_status(floor, row["id"], "accepted")
    for _ in range(2):
        reply = await floor.send("DELETE", f"{PATH}?id={row['id']}")
        assert (reply.status, reply.data) == (200, {"message": "Deleted successfully"})
    assert await floor.query("SELECT * FROM assignments") == []
    told = [event for event in await floor.events() if event["aggregate"] == f"assignments:{row['id']}"]
    assert {event["lane"] for event in told} == {f"job:{job['id']}"}
    assert [event["changes"][0]["op"] for event in told] == ["insert", "update", "delete"]
    assert {event["type"] for event in told} == {None}
    loose = await assign(floor)
    assert (await floor.events())[-1]["lane"] == f"assignments:{loose['id']}"


async def test_lists(floor):
    job = await floor.job()
    part_id = job["parts"][0]["id"]
    anna = await assign(floor, job_id=job["id"])
    await floor.clock.advance(1)
    ben = await assign(floor, operator_id=floor.BEN, part_id=part_id, status="in_progress")
    await floor.clock.advance(1)
    piet = await assign(floor, operator_id=None, shop_floor_operator_id=PIET, status="completed")
    names = {anna["id"]: "anna", ben["id"]: "ben", piet["id"]: "piet"}

    async def found(query: str) -> list[str]:
        return [names[row["id"]] for row in (await floor.get(f"{PATH}?{query}"))["assignments"]]

    assert await found("") == ["piet", "ben", "anna"]
    assert await found("order=asc") == ["anna", "ben", "piet"]
    assert await found("sort=status&order=asc") == ["anna", "ben", "piet"]
    assert await found(f"job_id={job['id']}") == ["anna"]
    assert await found(f"part_id={part_id}") == ["ben"]
    assert await found(f"operator_id={floor.BEN}") == ["ben"]
    assert await found(f"shop_floor_operator_id={PIET}") == ["piet"]
    assert await found("status=completed") == ["piet"]
    assert await found("limit=1&offset=1&search=nothing") == ["ben"]


async def test_a_key_for_one_cell_sees_and_writes_what_concerns_that_one(floor):
    job = await floor.job("J-1", (floor.LASER,), (floor.SAW,))
    laser, saw = (part["id"] for part in job["parts"])
    mine, other = await assign(floor, part_id=laser), await assign(floor, part_id=saw)
    whole, loose = await assign(floor, job_id=job["id"]), await assign(floor)
    key = await floor.new_key(Scope.OPERATE, floor.LASER, operator_id=floor.BEN)
    seen = {row["id"] for row in (await floor.get(PATH, key=key))["assignments"]}
    assert seen == {mine["id"], whole["id"]}
    for row in (other, loose):
        assert (await floor.send("GET", f"{PATH}?id={row['id']}", key=key)).status == 404
        assert (await set_status(floor, row["id"], "accepted", key)).status == 403
        assert (await floor.send("DELETE", f"{PATH}?id={row['id']}", key=key)).status == 403
    for given in ({"part_id": saw}, {}):
        reply = await floor.send("POST", PATH, {"operator_id": floor.CEM, **given}, key=key)
        assert (reply.status, reply.error["code"]) == (403, "CELL_NOT_ALLOWED")
    assert (await floor.send("PATCH", f"{PATH}?id={mine['id']}", {"part_id": saw}, key=key)).status == 403
    assert (await set_status(floor, mine["id"], "accepted", key)).status == 200
    await floor.make(PATH, {"operator_id": floor.CEM, "part_id": laser}, key=key)


async def test_a_part_and_job_that_are_gone_leave_it_readable(floor):
    job = await floor.job()
    row = await assign(floor, job_id=job["id"], part_id=job["parts"][0]["id"])
    await floor.send("DELETE", f"/api-jobs?id={job['id']}")
    assert (await floor.get(f"{PATH}?id={row['id']}"))["assignment"]["job"]["job_number"] == "J-1"
    assert (await set_status(floor, row["id"], "completed")).status == 200
