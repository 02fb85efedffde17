"""`/api-batch-lifecycle`: one person on several operations at once, and what each of them gets of the time."""

import pytest
from batch_floor import AUTOMATED, LIFECYCLE, PATH, act, acted, batch, hold, open_entries, operations, ran, row

from gateway.web.routes import Scope

# ------------------------------------------------------------------ start


async def test_start_begins_every_operation_at_the_same_moment(floor):
    ids = await operations(floor, 10, 20, 30)
    made = await batch(floor, ids)
    data = await acted(floor, "start", made["id"], operator_id=floor.ANNA)
    assert data == {
        "batch_id": made["id"],
        "status": "in_progress",
        "operations_started": 3,
        "started_at": "2026-11-02T07:00:00+00:00",
        "monitoring_source": "operator",
    }
    for one in ids:
        operation = await floor.operation(one)
        assert (operation["status"], operation["started_at"]) == ("in_progress", data["started_at"])
        [entry] = await floor.entries(one)
        assert (entry["operator_id"], entry["start_time"], entry["end_time"]) == (floor.ANNA, data["started_at"], None)
        assert entry["notes"] == f"batch:{made['id']}"
        assert (await floor.part(operation["part_id"]))["status"] == "in_progress"
    now = await row(floor, made["id"])
    assert (now["status"], now["started_at"], now["started_by"]) == ("in_progress", data["started_at"], floor.ANNA)
    assert (await floor.get(f"/api-jobs?id={operation['job_id']}"))["job"]["status"] == "in_progress"


async def test_the_other_dialect_has_it_all_in_the_body(floor):
    made = await batch(floor, await operations(floor, 10))
    reply = await floor.send("POST", LIFECYCLE, {"batch_id": made["id"], "action": "start", "operator_id": floor.ANNA})
    assert (reply.status, reply.data["status"]) == (200, "in_progress")
    reply = await floor.send("POST", LIFECYCLE, {"batch_id": made["id"].upper(), "action": "stop"})
    assert (reply.status, reply.data["status"]) == (200, "completed")


async def test_everybody_is_told_of_a_start(floor):
    ids = await operations(floor, 10, 20)
    made = await batch(floor, ids, batch_number="NEST-1", batch_type="laser_nesting")
    await acted(floor, "start", made["id"], operator_id=floor.ANNA)
    [told] = await floor.events("batch.started")
    about = {
        "batch_id": made["id"],
        "batch_number": "NEST-1",
        "batch_type": "laser_nesting",
        "production_mode": "manual",
        "monitoring_source": "operator",
    }
    started_at = "2026-11-02T07:00:00+00:00"
    assert told["data"] == {
        **about,
        "cell_id": floor.LASER,
        "cell_name": "Laser",
        "status": "in_progress",
        "operations": 2,
        "operator_id": floor.ANNA,
        "operator_name": "Anna",
        "started_at": started_at,
    }
    [change] = told["changes"]
    assert (change["table"], change["op"]) == ("operation_batches", "update")
    assert change["fields"] == ["status", "started_at", "started_by", "updated_at"]
    members = await floor.events("operation.started")
    assert [one["data"]["operation_id"] for one in members] == ids
    for one in members:
        assert one["data"].items() >= {**about, "operator_id": floor.ANNA, "operator_name": "Anna"}.items()
        assert one["data"].items() >= {"started_at": started_at, "cause": "batch", "customer": "Acme"}.items()
        assert [change["table"] for change in one["changes"]] == ["operations", "time_entries"]
    assert len(await floor.events("part.started")) == 2
    assert len(await floor.events("job.started")) == 1


@pytest.mark.parametrize("status", ["in_progress", "completed", "cancelled", "blocked"])
async def test_a_batch_starts_from_draft_and_ready_only(floor, status):
    made = await batch(floor, await operations(floor, 10))
    await floor.do("UPDATE operation_batches SET status = ? WHERE id = ?", status, made["id"])
    reply = await act(floor, "start", made["id"], operator_id=floor.ANNA)
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")
    assert reply.error["message"] == f"Cannot start batch in '{status}' status"
    assert await open_entries(floor) == 0


async def test_ready_is_as_good_as_draft(floor):
    made = await batch(floor, await operations(floor, 10), status="ready")
    assert (await acted(floor, "start", made["id"], operator_id=floor.ANNA))["status"] == "in_progress"


@pytest.mark.parametrize("action", ["start", "stop"])
@pytest.mark.parametrize("batch_id", ["11111111-2222-4333-8444-555555555555", "x", "%00"])
async def test_a_batch_that_is_not_there_is_a_bad_request(floor, action, batch_id):
    reply = await act(floor, action, batch_id, operator_id=floor.ANNA)
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")


async def test_a_batch_without_operations_does_not_start(floor):
    made = await batch(floor, [])
    reply = await act(floor, "start", made["id"], operator_id=floor.ANNA)
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")


async def test_somebody_has_to_run_it(floor):
    ids = await operations(floor, 10)
    made = await batch(floor, ids, batch_type="laser_nesting")
    assert (await act(floor, "start", made["id"])).status == 400
    assert (await act(floor, "start", made["id"], operator_id=floor.NOWHERE)).status == 422
    assert (await floor.operation(ids[0]))["status"] == "not_started"
    key = await floor.new_key(Scope.OPERATE, operator_id=floor.BEN)
    assert (await act(floor, "start", made["id"], key=key)).status == 200
    assert (await floor.entries(ids[0]))[0]["operator_id"] == floor.BEN


async def test_a_nest_that_runs_by_itself_needs_nobody(floor):
    ids = await operations(floor, 10, 20)
    made = await batch(floor, ids, **AUTOMATED)
    data = await acted(floor, "start", made["id"])
    assert (data["monitoring_source"], data["operations_started"]) == ("machine", 2)
    assert await open_entries(floor) == 0
    assert [(await floor.operation(one))["status"] for one in ids] == ["in_progress"] * 2
    assert (await row(floor, made["id"]))["started_by"] is None
    [told] = await floor.events("batch.started")
    assert (told["data"]["operator_id"], told["data"]["monitoring_source"]) == (None, "machine")


async def test_who_is_busy_elsewhere_may_start_a_batch(floor):
    [alone, *ids] = await operations(floor, 10, 10, 10)
    await floor.pressed(("start", alone, floor.ANNA))
    made = await batch(floor, ids)
    await acted(floor, "start", made["id"], operator_id=floor.ANNA)
    assert await open_entries(floor) == 3


async def test_operations_begin_from_wherever_they_stand(floor):
    [fresh, running, held, done, others] = ids = await operations(floor, 10, 10, 10, 10, 10)
    await floor.pressed(
        ("start", held, floor.ANNA, 60),
        ("pause", held, floor.ANNA, 60),
        ("start", done, floor.BEN, 60),
        ("complete", done, floor.BEN),
        ("start", others, floor.BEN),
        ("start", running, floor.ANNA, 600),
    )
    made = await batch(floor, ids)
    data = await acted(floor, "start", made["id"], operator_id=floor.ANNA)
    assert data["operations_started"] == 4
    for one in (fresh, running, held, others):
        assert (await floor.operation(one))["status"] == "in_progress"
        mine = [entry for entry in await floor.entries(one) if entry["operator_id"] == floor.ANNA]
        assert [entry["start_time"] for entry in mine if entry["end_time"] is None] == [data["started_at"]]
    assert len(await floor.entries(done)) == 1
    before, now = await floor.entries(running)
    assert (before["end_time"], before["duration_seconds"]) == (data["started_at"], 600)
    assert (await floor.operation(running))["actual_time"] == 10
    before, now = await floor.entries(held)
    assert (before["end_time"], before["duration_seconds"], before["is_paused"]) == (data["started_at"], 60, False)
    assert now["pauses"] == []
    started = [one["data"]["operation_id"] for one in await floor.events("operation.started")][-3:]
    assert set(started) >= {fresh, held}


async def test_a_batch_that_is_done_already_does_not_start(floor):
    ids = await operations(floor, 10)
    await floor.pressed(("start", ids[0]), ("complete", ids[0]))
    made = await batch(floor, ids)
    assert (await act(floor, "start", made["id"], operator_id=floor.ANNA)).status == 400


async def test_what_a_standstill_holds_keeps_the_batch_from_starting(floor):
    ids = await operations(floor, 10, 10)
    await hold(floor, ids[1])
    made = await batch(floor, ids)
    reply = await act(floor, "start", made["id"], operator_id=floor.ANNA)
    assert (reply.status, reply.error["code"]) == (400, "INVALID_STATE_TRANSITION")
    assert reply.error["details"].items() >= {"operation_id": ids[1], "reason": "standstill"}.items()
    assert (await floor.operation(ids[0]))["status"] == "not_started"


async def test_a_start_that_is_told_late_keeps_its_time(floor):
    ids = await operations(floor, 10, 10)
    made = await batch(floor, ids)
    await floor.clock.advance(3600)
    data = await acted(floor, "start", made["id"], operator_id=floor.ANNA, occurred_at="2026-11-02T07:20:00Z")
    assert data["started_at"] == "2026-11-02T07:20:00+00:00"
    assert {(await floor.entries(one))[0]["start_time"] for one in ids} == {data["started_at"]}


async def test_no_operation_begins_before_it_was_last_moved(floor):
    ids = await operations(floor, 10, 10)
    await floor.clock.advance(1800)
    await floor.pressed(("start", ids[0], None, 60), ("pause", ids[0]))
    made = await batch(floor, ids)
    data = await acted(floor, "start", made["id"], operator_id=floor.ANNA, occurred_at="2026-11-02T07:00:00Z")
    assert data["started_at"] == "2026-11-02T07:31:00+00:00"
    assert {(await floor.entries(one))[0]["start_time"] for one in ids} == {data["started_at"]}
    [told] = await floor.events("batch.started")
    assert told["data"]["occurred_at_claimed"] == "2026-11-02T07:00:00+00:00"


# ------------------------------------------------------------------ add operations


async def test_operations_are_added_behind_those_that_are_there(floor):
    ids = await operations(floor, 10, 10, 10)
    made = await batch(floor, ids[:1])
    data = await acted(floor, "add-operations", made["id"], operation_ids=[ids[2], ids[1].upper()])
    assert data == {"batch_id": made["id"], "operations_added": 2}
    now = await row(floor, made["id"])
    assert [one["id"] for one in now["operations"]] == [ids[0], ids[2], ids[1]]
    assert now["operations_count"] == 3
    changes = (await floor.events())[-1]["changes"]
    assert [one["table"] for one in changes] == ["batch_operations", "batch_operations", "operation_batches"]


@pytest.mark.parametrize(
    "given", [None, [], "x", {}, [1], ["x"], ["11111111-2222-4333-8444-555555555555"], ["a" * 9, "a" * 9], 7, True]
)
async def test_what_cannot_be_added(floor, given):
    made = await batch(floor, [])
    reply = await act(floor, "add-operations", made["id"], operation_ids=given)
    assert (reply.status, reply.error["code"]) == (400, "VALIDATION_ERROR")


async def test_what_is_in_a_batch_is_not_added_to_another_or_again(floor):
    ids = await operations(floor, 10)
    first, second = await batch(floor, ids), await batch(floor, [])
    for made in (first, second):
        reply = await act(floor, "add-operations", made["id"], operation_ids=ids)
        assert (reply.status, reply.error["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("status", ["in_progress", "completed", "cancelled", "blocked"])
async def test_operations_are_added_to_plans_only(floor, status):
    made = await batch(floor, [])
    await floor.do("UPDATE operation_batches SET status = ? WHERE id = ?", status, made["id"])
    reply = await act(floor, "add-operations", made["id"], operation_ids=await operations(floor, 10))
    assert (reply.status, reply.error["code"]) == (400, "INVALID_STATE")


@pytest.mark.parametrize("batch_id", ["11111111-2222-4333-8444-555555555555", "x"])
async def test_nothing_is_added_to_what_is_not_there(floor, batch_id):
    reply = await act(floor, "add-operations", batch_id, operation_ids=await operations(floor, 10))
    assert (reply.status, reply.error["code"]) == (404, "NOT_FOUND")


# ------------------------------------------------------------------ monitor, and what is no action


async def test_monitor_counts_what_runs_by_itself_and_what_runs_too_long(floor):
    short, long = await operations(floor, 10), await operations(floor, 500)
    for ids in (short, long):
        made = await batch(floor, ids, **AUTOMATED)
        await acted(floor, "start", made["id"])
    planned = await batch(floor, await operations(floor, 500), estimated_time=5.5, **AUTOMATED)
    await acted(floor, "start", planned["id"])
    unplanned = await batch(floor, await operations(floor, 0), **AUTOMATED)
    await acted(floor, "start", unplanned["id"])
    await ran(floor, await operations(floor, 10), 3600)
    reply = await floor.send("POST", f"{LIFECYCLE}/monitor")
    assert reply.data == {
        "monitored_batches": 4,
        "overdue_batches": 2,
        "created_exceptions": 0,
        "monitored_at": "2026-11-02T08:00:00+00:00",
    }
    assert (await floor.send("POST", LIFECYCLE, {"action": "monitor"})).data == reply.data
    key = await floor.new_key(Scope.OPERATE, floor.SAW)
    assert (await floor.send("POST", f"{LIFECYCLE}/monitor", key=key)).data["monitored_batches"] == 0


@pytest.mark.parametrize("action", ["resume", "cancel", "START", "%00", "x" * 500])
async def test_an_action_that_is_none(floor, action):
    made = await batch(floor, await operations(floor, 10))
    reply = await act(floor, action, made["id"])
    assert (reply.status, reply.error["code"]) == (404, "NOT_FOUND")
    assert (await floor.send("POST", LIFECYCLE, {"batch_id": made["id"]})).status == 404


async def test_an_id_is_needed(floor):
    for action in ("start", "stop", "add-operations"):
        reply = await floor.send("POST", f"{LIFECYCLE}/{action}", {"operator_id": floor.ANNA})
        assert (reply.status, reply.error["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "body",
    [
        {"odd": 1},
        {"operator_id": 7},
        {"operator_id": ["x"]},
        {"occurred_at": "yesterday"},
        {"occurred_at": "2026-11-02T07:00:00"},
        {"occurred_at": 1e300},
        {"batch_id": {}},
        [],
    ],
)
async def test_a_body_that_is_wrong(floor, body):
    made = await batch(floor, await operations(floor, 10))
    reply = await floor.send("POST", f"{LIFECYCLE}/start?id={made['id']}", body)
    assert (reply.status, reply.error["code"]) == (422, "VALIDATION_ERROR")


async def test_a_batch_is_cancelled_while_it_is_a_plan(floor):
    ids = await operations(floor, 10)
    made = await batch(floor, ids)
    reply = await floor.send("PATCH", f"{PATH}?id={made['id']}", {"status": "cancelled"})
    assert reply.data["batch"]["status"] == "cancelled"
    assert (await act(floor, "start", made["id"], operator_id=floor.ANNA)).status == 400
    running = await ran(floor, await operations(floor, 10), 60)
    assert (await floor.send("PATCH", f"{PATH}?id={running}", {"status": "cancelled"})).status == 400


async def test_asked_again_with_the_same_key(floor):
    made = await batch(floor, await operations(floor, 10))
    for action, body in (("start", {"operator_id": floor.ANNA}), ("stop", {})):
        path, headers = f"{LIFECYCLE}/{action}?id={made['id']}", {"Idempotency-Key": f"b-{action}"}
        first = await floor.send("POST", path, body, headers=headers)
        again = await floor.send("POST", path, body, headers=headers)
        assert first.status == 200
        assert again.body == first.body
    assert len(await floor.query("SELECT 1 FROM time_entries")) == 1
