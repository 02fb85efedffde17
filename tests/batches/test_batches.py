"""`/api-batches`: what a batch holds, what it may become, and in how many batches an operation is."""

import pytest
from batch_floor import LIFECYCLE, PATH, act, acted, batch, operations, row

from gateway.batches.model import BatchStatus
from gateway.batches.rules import OPERATIONS_MAX
from gateway.web.routes import Scope

COLUMNS = (
    "id tenant_id batch_number batch_type status cell_id material thickness_mm notes nesting_metadata operations_count "
    "estimated_time actual_time created_by started_by completed_by created_at started_at completed_at updated_at external_id "
    "external_source parent_batch_id nesting_image_url layout_image_url production_mode material_requirement_metadata "
    "material_requirement_raised"
).split()
TENANT = "00000000-0000-4000-8000-0000000ff001"
# state -> what a PATCH may make of it
LEGAL = {
    "draft": {"ready", "blocked", "cancelled"},
    "ready": {"draft", "blocked", "cancelled"},
    "blocked": {"draft", "ready"},
    "in_progress": set(),
    "completed": set(),
    "cancelled": set(),
}


async def test_a_batch_is_made_with_its_operations(floor):
    ids = await operations(floor, 10, 20)
    given = {
        "batch_number": "NEST-1",
        "batch_type": "laser_nesting",
        "cell_id": floor.LASER,
        "material": "Steel",
        "thickness_mm": 2.5,
        "notes": "hurry",
        "nesting_metadata": {"sheet": 7},
        "nesting_image_url": f"{TENANT}/batches/nest.png",
        "production_mode": "automated",
        "external_id": "E-1",
        "external_source": "cam",
        "estimated_time": 12.5,
        "operation_ids": ids,
    }
    data = await floor.make(PATH, given)
    made = data["batch"]
    assert data["operation_batche"] == made
    assert set(COLUMNS) <= made.keys()
    assert made["operations_assigned"] == made["operations_count"] == 2
    assert {name: made[name] for name in given if name != "operation_ids"} == {
        name: value for name, value in given.items() if name != "operation_ids"
    }
    assert (made["status"], made["tenant_id"], made["started_at"]) == ("draft", TENANT, None)
    assert [one["id"] for one in made["operations"]] == ids
    assert [one["sequence_in_batch"] for one in made["operations"]] == [1, 2]
    read = await floor.get(f"{PATH}?id={made['id']}")
    assert read["operation_batche"] == read["batch"] == {k: v for k, v in made.items() if k != "operations_assigned"}
    told = (await floor.events())[-1]
    assert (told["type"], told["lane"]) == (None, f"operation_batches:{made['id']}")
    assert [one["table"] for one in told["changes"]] == ["operation_batches", "batch_operations", "batch_operations"]


async def test_the_rest_has_defaults(floor):
    made = await batch(floor, [])
    assert (made["batch_type"], made["production_mode"], made["operations_assigned"]) == ("general", "manual", 0)
    assert (await batch(floor, None))["operations"] == []


async def test_lists_are_filtered_searched_and_sorted(floor):
    first = await batch(floor, [], batch_number="A-1", material="Steel S235", batch_type="saw_batch")
    second = await batch(floor, [], batch_number="B-1", material="Oak", cell_id=floor.SAW, status="ready")

    async def found(query: str):
        return [
            one["id"] for one in (await floor.get(f"{PATH}?sort=batch_number&order=asc&{query}"))["operation_batches"]
        ]

    assert await found("") == [first["id"], second["id"]]
    assert await found("status=ready") == [second["id"]]
    assert await found("batch_type=saw_batch") == [first["id"]]
    assert await found(f"cell_id={floor.SAW}") == [second["id"]]
    assert await found("material=s235") == [first["id"]]
    assert await found("search=b-1") == [second["id"]]
    assert await found("search=oak") == [second["id"]]
    assert await found("limit=1&offset=1") == [second["id"]]
    assert (await floor.send("GET", f"{PATH}?status=odd")).status == 422
    for order in (
        "batch_type",
        "status",
    ):  # as the cloud's enumerations stand: saw_batch before general, draft before ready
        listed = (await floor.get(f"{PATH}?sort={order}&order=asc"))["operation_batches"]
        assert [one["id"] for one in listed] == [first["id"], second["id"]]
    listed = (await floor.get(PATH))["operation_batches"][0]
    assert set(COLUMNS) <= listed.keys()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"batch_type": "odd"}, 422),
        ({"status": "odd"}, 422),
        ({"status": "in_progress"}, 400),
        ({"status": "cancelled"}, 400),
        ({"production_mode": "odd"}, 422),
        ({"production_mode": "automated"}, 400),
        ({"production_mode": "automated", "batch_type": "tube_batch"}, 400),
        ({"cell_id": "11111111-2222-4333-8444-555555555555"}, 422),
        ({"cell_id": "x"}, 422),
        ({"cell_id": None}, 422),
        ({"batch_number": ""}, 422),
        ({"batch_number": "x" * 300}, 422),
        ({"batch_number": 7}, 422),
        ({"parent_batch_id": "11111111-2222-4333-8444-555555555555"}, 422),
        ({"created_by": "11111111-2222-4333-8444-555555555555"}, 422),
        ({"thickness_mm": -1}, 422),
        ({"thickness_mm": "2"}, 422),
        ({"thickness_mm": 1e300}, 422),
        ({"nesting_metadata": [1]}, 422),
        ({"nesting_image_url": "https://elsewhere.example/nest.png"}, 400),
        ({"nesting_image_url": f"{TENANT}/../other/nest.png"}, 400),
        ({"layout_image_url": "11111111-2222-4333-8444-555555555555/nest.png"}, 400),
        ({"operations_count": 5}, 422),
        ({"started_at": "2026-11-02T07:00:00Z"}, 422),
        ({"odd": 1}, 422),
        ({"id": "x"}, 422),
        ({"operation_ids": "x"}, 400),
        ({"operation_ids": {}}, 400),
        ({"operation_ids": [7]}, 400),
        ({"operation_ids": [None]}, 400),
        ({"operation_ids": ["x"]}, 400),
        ({"operation_ids": ["11111111-2222-4333-8444-555555555555"]}, 400),
        ({"operation_ids": ["y" * 40] * 2}, 400),
        ({"operation_ids": [str(number) for number in range(OPERATIONS_MAX + 1)]}, 400),
    ],
)
async def test_what_a_batch_cannot_be_is_refused_and_nothing_of_it_exists(floor, change, status):
    given = {"batch_number": "B-1", "cell_id": floor.LASER, **change}
    reply = await floor.send("POST", PATH, given)
    assert reply.status == status, reply.body
    assert reply.error["message"]
    assert (await floor.get(PATH))["operation_batches"] == []


@pytest.mark.parametrize("missing", ["batch_number", "cell_id"])
async def test_what_it_needs(floor, missing):
    given = {"batch_number": "B-1", "cell_id": floor.LASER}
    del given[missing]
    reply = await floor.send("POST", PATH, given)
    assert (reply.status, reply.error["details"][0]["field"]) == (422, missing)


async def test_a_number_is_given_once(floor):
    await batch(floor, [], batch_number="B-1")
    reply = await floor.send("POST", PATH, {"batch_number": "B-1", "cell_id": floor.LASER})
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    other = await batch(floor, [], batch_number="B-2")
    assert (await floor.send("PATCH", f"{PATH}?id={other['id']}", {"batch_number": "B-1"})).status == 409


async def test_an_operation_is_in_one_batch_at_most(floor):
    ids = await operations(floor, 10, 10)
    first = await batch(floor, ids[:1], batch_number="FIRST")
    reply = await floor.send("POST", PATH, {"batch_number": "B", "cell_id": floor.LASER, "operation_ids": ids[::-1]})
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")
    assert "FIRST" in reply.error["message"]
    assert reply.error["details"][0]["field"] == "operation_ids[1]"
    twice = {"batch_number": "B", "cell_id": floor.LASER, "operation_ids": [ids[1], ids[1].upper()]}
    assert (await floor.send("POST", PATH, twice)).status == 400
    assert len(await floor.query("SELECT 1 FROM operation_batches")) == 1
    await floor.send("DELETE", f"{PATH}?id={first['id']}")
    assert (await batch(floor, ids))["operations_assigned"] == 2


async def test_an_operation_that_is_deleted_is_in_no_batch(floor):
    ids = await operations(floor, 10, 10)
    made = await batch(floor, ids)
    await floor.send("DELETE", f"/api-operations?id={ids[0]}")
    assert (await row(floor, made["id"]))["operations_count"] == 1
    reply = await floor.send("POST", PATH, {"batch_number": "B", "cell_id": floor.LASER, "operation_ids": ids[:1]})
    assert reply.status == 400


async def test_an_update_changes_what_it_names(floor):
    made = await batch(floor, [])
    await floor.clock.advance(5)
    given = {"material": "Oak", "notes": None, "thickness_mm": 3, "material_requirement_raised": True}
    reply = await floor.send("PATCH", f"{PATH}?id={made['id']}", given)
    changed = reply.data["batch"]
    assert reply.data["operation_batche"] == changed
    assert {name: changed[name] for name in given} == given
    assert changed["updated_at"] > made["updated_at"]
    assert (await floor.events())[-1]["changes"][0]["fields"] == [
        "material",
        "thickness_mm",
        "material_requirement_raised",
        "updated_at",
    ]
    assert (await floor.send("PUT", f"{PATH}?id={made['id']}", {"material": "Oak"})).status == 200


async def test_an_update_does_not_touch_who_started_it_and_when(floor):
    made = await batch(floor, [])
    stripped = {
        "created_at": "2020-01-01T00:00:00Z",
        "created_by": floor.BEN,
        "started_at": "2020-01-01T00:00:00Z",
        "started_by": floor.BEN,
        "completed_at": "2020-01-01T00:00:00Z",
        "completed_by": floor.BEN,
    }
    reply = await floor.send("PATCH", f"{PATH}?id={made['id']}", {**stripped, "material": "Oak"})
    assert reply.status == 200
    assert {name: reply.data["batch"][name] for name in stripped} == {name: made[name] for name in stripped}
    assert (await floor.send("PATCH", f"{PATH}?id={made['id']}", stripped)).status == 400


@pytest.mark.parametrize("given", [[], None, "x", ["11111111-2222-4333-8444-555555555555"]])
async def test_an_update_does_not_take_operations(floor, given):
    made = await batch(floor, [])
    reply = await floor.send("PATCH", f"{PATH}?id={made['id']}", {"operation_ids": given, "material": "Oak"})
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")
    assert (await row(floor, made["id"]))["material"] is None


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 400),
        ({"odd": 1}, 422),
        ({"cell_id": "11111111-2222-4333-8444-555555555555"}, 422),
        ({"production_mode": "automated"}, 400),
        ({"nesting_image_url": "nest.png"}, 400),
        ({"status": None}, 422),
        ({"actual_time": 5}, 422),
    ],
)
async def test_an_update_that_is_wrong(floor, given, status):
    made = await batch(floor, [])
    assert (await floor.send("PATCH", f"{PATH}?id={made['id']}", given)).status == status


async def test_a_nest_that_runs_by_itself_stays_a_nest(floor):
    made = await batch(floor, [], batch_type="laser_nesting", production_mode="automated")
    assert (await floor.send("PATCH", f"{PATH}?id={made['id']}", {"batch_type": "general"})).status == 400
    both = {"batch_type": "general", "production_mode": "manual"}
    assert (await floor.send("PATCH", f"{PATH}?id={made['id']}", both)).status == 200


@pytest.mark.parametrize("target", BatchStatus)
@pytest.mark.parametrize("status", BatchStatus)
async def test_every_state_and_what_an_update_may_make_of_it(floor, status, target):
    made = await batch(floor, [])
    await floor.do("UPDATE operation_batches SET status = ? WHERE id = ?", status, made["id"])
    reply = await floor.send("PATCH", f"{PATH}?id={made['id']}", {"status": target})
    if target == status or target in LEGAL[status]:
        assert reply.data["batch"]["status"] == target
        return
    assert (reply.status, reply.error["code"]) == (400, "INVALID_STATE_TRANSITION")
    assert reply.error["details"]["current_status"] == status
    assert (await row(floor, made["id"]))["status"] == status


async def test_a_batch_has_batches_below_it_but_not_itself(floor):
    above = await batch(floor, [])
    below = await batch(floor, [], parent_batch_id=above["id"])
    for parent in (above["id"], below["id"]):
        reply = await floor.send("PATCH", f"{PATH}?id={above['id']}", {"parent_batch_id": parent})
        assert (reply.status, reply.error["details"][0]["field"]) == (422, "parent_batch_id")
    reply = await floor.send("DELETE", f"{PATH}?id={above['id']}")
    assert (reply.status, reply.error["details"]) == (409, {"below": [below["id"]]})
    for one in (below, above):
        assert (await floor.send("DELETE", f"{PATH}?id={one['id']}")).status == 200


async def test_a_deleted_batch_is_gone_with_its_membership(floor):
    ids = await operations(floor, 10, 10)
    made = await batch(floor, ids)
    reply = await floor.send("DELETE", f"{PATH}?id={made['id']}")
    assert reply.data == {"message": "Deleted successfully"}
    assert (await floor.send("GET", f"{PATH}?id={made['id']}")).status == 404
    assert await floor.query("SELECT 1 FROM batch_operations") == []
    changes = (await floor.events())[-1]["changes"]
    assert [(one["table"], one["op"]) for one in changes] == [("batch_operations", "delete")] * 2 + [
        ("operation_batches", "delete")
    ]
    assert changes[0]["fields"]["operation_id"] == ids[0]
    assert (await floor.operation(ids[0]))["status"] == "not_started"
    assert (await floor.send("DELETE", f"{PATH}?id={made['id']}")).status == 200


async def test_a_running_batch_is_not_deleted(floor):
    made = await batch(floor, await operations(floor, 10))
    await acted(floor, "start", made["id"], operator_id=floor.ANNA)
    assert (await floor.send("DELETE", f"{PATH}?id={made['id']}")).status == 409
    await acted(floor, "stop", made["id"])
    assert (await floor.send("DELETE", f"{PATH}?id={made['id']}")).status == 200
    assert len(await floor.query("SELECT 1 FROM time_entries")) == 1


async def test_a_cell_with_batches_is_not_deleted(floor):
    await batch(floor, [], cell_id=floor.SAW)
    assert (await floor.send("DELETE", f"/api-cells?id={floor.SAW}")).status == 409


@pytest.mark.parametrize("row_id", ["x", "11111111-2222-4333-8444-555555555555", "%00", "' OR 1=1"])
async def test_what_is_not_there(floor, row_id):
    assert (await floor.send("GET", f"{PATH}?id={row_id}")).status == 404
    assert (await floor.send("PATCH", f"{PATH}?id={row_id}", {"notes": "x"})).status == 404
    assert (await floor.send("DELETE", f"{PATH}?id={row_id}")).status == 200


async def test_methods_and_paths_that_are_not_there(floor):
    assert (await floor.send("PATCH", PATH, {"notes": "x"})).status == 400
    assert (await floor.send("TRACE", PATH)).status == 400
    assert (await floor.send("GET", f"{PATH}/anything")).status == 404
    assert (await floor.send("GET", LIFECYCLE)).status == 405


async def test_scopes_and_cells(floor):
    ids = await operations(floor, 10)
    saw_ids = await operations(floor, 10, cell=floor.SAW)
    mine = await batch(floor, ids)
    other = await batch(floor, saw_ids, cell_id=floor.SAW)
    mixed = await batch(floor, await operations(floor, 10, cell=floor.SAW))
    plan = await floor.new_key(Scope.PLAN, floor.LASER)
    operate = await floor.new_key(Scope.OPERATE)
    new = {"batch_number": "X", "cell_id": floor.LASER}
    assert (await floor.send("POST", PATH, new, key=operate)).status == 403
    assert (await floor.send("GET", PATH, key=operate)).status == 200
    assert (
        await act(floor, "start", mine["id"], key=await floor.new_key(Scope.READ), operator_id=floor.ANNA)
    ).status == 403

    seen = (await floor.get(PATH, key=plan))["operation_batches"]
    assert {one["id"] for one in seen} == {mine["id"], mixed["id"]}
    assert (await floor.send("GET", f"{PATH}?id={other['id']}", key=plan)).status == 404
    for method, path, body in (
        ("POST", PATH, {"batch_number": "Y", "cell_id": floor.SAW}),
        (
            "POST",
            PATH,
            {"batch_number": "Y", "cell_id": floor.LASER, "operation_ids": await operations(floor, 5, cell=floor.SAW)},
        ),
        ("PATCH", f"{PATH}?id={other['id']}", {"notes": "x"}),
        ("PATCH", f"{PATH}?id={mine['id']}", {"cell_id": floor.SAW}),
        ("DELETE", f"{PATH}?id={other['id']}", None),
        ("POST", f"{LIFECYCLE}/start?id={other['id']}", {"operator_id": floor.ANNA}),
        ("POST", f"{LIFECYCLE}/start?id={mixed['id']}", {"operator_id": floor.ANNA}),
        ("POST", f"{LIFECYCLE}/stop?id={other['id']}", {}),
        ("POST", f"{LIFECYCLE}/add-operations?id={other['id']}", {"operation_ids": ids}),
    ):
        reply = await floor.send(method, path, body, key=plan)
        assert (reply.status, reply.error["code"]) == (403, "CELL_NOT_ALLOWED"), (method, path, body)


async def test_asked_again_with_the_same_key(floor):
    given = {"batch_number": "B-1", "cell_id": floor.LASER, "operation_ids": await operations(floor, 10)}
    first = await floor.send("POST", PATH, given, headers={"Idempotency-Key": "b-1"})
    again = await floor.send("POST", PATH, given, headers={"Idempotency-Key": "b-1"})
    assert again.body == first.body
    assert again.headers["Idempotency-Replayed"] == "true"
