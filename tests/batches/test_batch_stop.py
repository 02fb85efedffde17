"""A batch is stopped: its time is shared out, its operations are completed."""

import pytest
from batch_floor import AUTOMATED, act, acted, batch, booked, hold, open_entries, operations, ran, row


async def test_stop_shares_the_time_by_estimate_and_completes(floor):
    ids = await operations(floor, 10, 20, 30)
    batch_id = await ran(floor, ids, 3600)
    data = await acted(floor, "stop", batch_id)
    assert (
        data.items()
        >= {
            "batch_id": batch_id,
            "status": "completed",
            "total_minutes": 60,
            "distribution_method": "weighted",
            "monitoring_source": "operator",
        }.items()
    )
    shares = [10, 20, 30]
    assert data["operations"] == [
        {"id": one, "minutes": share, "seconds": share * 60} for one, share in zip(ids, shares, strict=True)
    ]
    assert await booked(floor, ids) == shares
    for one, share in zip(ids, shares, strict=True):
        operation = await floor.operation(one)
        assert (operation["status"], operation["actual_time"], operation["completion_percentage"]) == (
            "completed",
            share,
            100,
        )
        assert operation["completed_at"] == "2026-11-02T08:00:00+00:00"
        assert (await floor.part(operation["part_id"]))["status"] == "completed"
        [entry] = await floor.entries(one)
        assert entry["end_time"] == "2026-11-02T08:00:00+00:00"
    assert (await floor.get(f"/api-jobs?id={operation['job_id']}"))["job"]["status"] == "completed"
    now = await row(floor, batch_id)
    assert (now["status"], now["actual_time"], now["actual_time_seconds"]) == ("completed", 60, 3600)
    assert (now["completed_at"], now["completed_by"]) == ("2026-11-02T08:00:00+00:00", None)


async def test_without_an_estimate_for_each_all_get_the_same(floor):
    ids = await operations(floor, 10, 0, 30)
    batch_id = await ran(floor, ids, 6000)
    data = await acted(floor, "stop", batch_id, operator_id=floor.BEN)
    assert (data["distribution_method"], data["total_minutes"]) == ("equal", 100)
    assert [one["minutes"] for one in data["operations"]] == [34, 33, 33]
    assert await booked(floor, ids) == [34, 33, 33]
    assert sum(one["seconds"] for one in data["operations"]) == data["total_seconds"] == 6000
    assert (await row(floor, batch_id))["completed_by"] == floor.BEN


async def test_everybody_is_told_of_a_stop(floor):
    ids = await operations(floor, 10, 20)
    batch_id = await ran(floor, ids, 1800, batch_number="NEST-1")
    await acted(floor, "stop", batch_id)
    [told] = await floor.events("batch.completed")
    about = {
        "batch_id": batch_id,
        "batch_number": "NEST-1",
        "batch_type": "general",
        "production_mode": "manual",
        "monitoring_source": "operator",
    }
    distribution = [{"id": ids[0], "minutes": 10, "seconds": 600}, {"id": ids[1], "minutes": 20, "seconds": 1200}]
    assert told["data"] == {
        **about,
        "cell_id": floor.LASER,
        "cell_name": "Laser",
        "status": "completed",
        "operations": 2,
        "operator_id": floor.ANNA,
        "operator_name": "Anna",
        "started_at": "2026-11-02T07:00:00+00:00",
        "completed_at": "2026-11-02T07:30:00+00:00",
        "total_minutes": 30,
        "total_seconds": 1800,
        "distribution_method": "weighted",
        "distribution": distribution,
    }
    assert told["changes"][0]["fields"] == ["status", "completed_at", "completed_by", "actual_time", "updated_at"]
    members = await floor.events("operation.completed")
    assert [(one["data"]["operation_id"], one["data"]["actual_time"]) for one in members] == [
        (ids[0], 10),
        (ids[1], 20),
    ]
    for one in members:
        assert one["data"].items() >= {**about, "operator_id": floor.ANNA, "cause": "batch"}.items()
        assert one["data"]["completed_at"] == "2026-11-02T07:30:00+00:00"
    assert len(await floor.events("part.completed")) == 2
    assert len(await floor.events("job.completed")) == 1
    assert (await floor.events())[-1]["type"] == "batch.completed"


@pytest.mark.parametrize("status", ["draft", "ready", "completed", "cancelled", "blocked"])
async def test_only_what_runs_is_stopped(floor, status):
    made = await batch(floor, await operations(floor, 10))
    await floor.do("UPDATE operation_batches SET status = ? WHERE id = ?", status, made["id"])
    reply = await act(floor, "stop", made["id"])
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")
    assert reply.error["message"] == f"Cannot stop batch in '{status}' status"


async def test_a_stop_that_is_told_late_keeps_its_time(floor):
    ids = await operations(floor, 10, 10)
    batch_id = await ran(floor, ids, 3600)
    data = await acted(floor, "stop", batch_id, occurred_at="2026-11-02T07:20:00Z")
    assert (data["total_minutes"], data["completed_at"]) == (20, "2026-11-02T07:20:00+00:00")
    assert await booked(floor, ids) == [10, 10]


async def test_a_stop_before_the_start_takes_no_time(floor):
    ids = await operations(floor, 10, 10)
    batch_id = await ran(floor, ids, 3600)
    data = await acted(floor, "stop", batch_id, occurred_at="2026-11-02T06:00:00Z")
    assert (data["total_minutes"], data["completed_at"]) == (0, "2026-11-02T07:00:00+00:00")
    assert await booked(floor, ids) == [0, 0]


async def test_a_stop_by_somebody_unknown_changes_nothing(floor):
    ids = await operations(floor, 10)
    batch_id = await ran(floor, ids, 60)
    assert (await act(floor, "stop", batch_id, operator_id=floor.NOWHERE)).status == 422
    assert (await row(floor, batch_id))["status"] == "in_progress"


async def test_what_was_completed_alone_keeps_its_time(floor):
    ids = await operations(floor, 10, 10, 10)
    batch_id = await ran(floor, ids, 1200)
    await floor.pressed(("complete", ids[0], floor.ANNA, 1200))
    data = await acted(floor, "stop", batch_id)
    assert data["total_minutes"] == 40
    assert [one["minutes"] for one in data["operations"]] == [0, 20, 20]
    assert await booked(floor, ids) == [20, 20, 20]
    assert len(await floor.events("operation.completed")) == 3


async def test_what_was_paused_alone_is_completed_with_the_others(floor):
    ids = await operations(floor, 10, 10)
    batch_id = await ran(floor, ids, 600)
    await floor.pressed(("pause", ids[0], floor.ANNA, 600))
    data = await acted(floor, "stop", batch_id)
    assert [one["minutes"] for one in data["operations"]] == [10, 10]
    [entry] = await floor.entries(ids[0])
    assert (entry["duration_seconds"], entry["is_paused"]) == (600, False)
    assert entry["pauses"][0]["resumed_at"] == data["completed_at"]
    operation = await floor.operation(ids[0])
    assert (operation["status"], operation["actual_time"], operation["paused_at"]) == ("completed", 10, None)
    types = [one["type"] for one in await floor.events() if (one["data"] or {}).get("operation_id") == ids[0]]
    assert types == ["operation.started", "operation.paused", "operation.resumed", "operation.completed"]


async def test_one_operation_of_a_running_batch_is_paused_and_resumed_alone(floor):
    ids = await operations(floor, 10, 10)
    batch_id = await ran(floor, ids, 60)
    await floor.pressed(("pause", ids[0], floor.ANNA, 60), ("resume", ids[0], floor.ANNA, 60))
    [entry] = await floor.entries(ids[0])
    assert (entry["is_paused"], entry["end_time"]) == (False, None)
    await floor.pressed(("pause", ids[0], None, 60), ("resume", ids[0], None, 60))
    assert [(await floor.entries(one))[0]["is_paused"] for one in ids] == [False, False]
    await floor.pressed(("pause", ids[0], floor.ANNA), ("start", ids[0], floor.ANNA, 60))
    data = await acted(floor, "stop", batch_id)
    assert sum(one["minutes"] for one in data["operations"]) == data["total_minutes"] == 6


async def test_who_runs_a_batch_is_busy_for_everything_else(floor):
    [other, *ids] = await operations(floor, 10, 10, 10)
    batch_id = await ran(floor, ids, 60)
    reply = await floor.press("start", other, floor.ANNA)
    assert (reply.status, reply.error["code"]) == (409, "OPERATOR_BUSY")
    await acted(floor, "stop", batch_id)
    assert (await floor.press("start", other, floor.ANNA)).status == 200


async def test_another_person_on_an_operation_of_the_batch_gets_what_the_clock_says(floor):
    ids = await operations(floor, 10, 10)
    await floor.pressed(("start", ids[0], floor.BEN, 600))
    batch_id = await ran(floor, ids, 1200)
    data = await acted(floor, "stop", batch_id)
    assert (data["total_minutes"], [one["minutes"] for one in data["operations"]]) == (20, [10, 10])
    by = {one["operator_id"]: one["duration"] for one in await floor.entries(ids[0])}
    assert by == {floor.BEN: 30, floor.ANNA: 10}
    assert (await floor.operation(ids[0]))["actual_time"] == 40


async def test_what_was_never_started_is_started_and_completed(floor):
    ids = await operations(floor, 10, 10)
    batch_id = await ran(floor, ids, 600)
    await floor.do("UPDATE operations SET status = 'not_started', started_at = NULL WHERE id = ?", ids[0])
    await floor.do("DELETE FROM time_entries WHERE operation_id = ?", ids[0])
    data = await acted(floor, "stop", batch_id)
    operation = await floor.operation(ids[0])
    assert (operation["status"], operation["started_at"], operation["completed_at"]) == (
        "completed",
        data["completed_at"],
        data["completed_at"],
    )
    assert [one["minutes"] for one in data["operations"]] == [0, 10]
    assert await floor.entries(ids[0]) == []
    types = [one["type"] for one in await floor.events() if (one["data"] or {}).get("operation_id") == ids[0]]
    assert types == ["operation.started", "operation.started", "operation.completed"]


async def test_what_a_standstill_holds_stays_on_hold_and_its_time_ends(floor):
    ids = await operations(floor, 10, 10)
    batch_id = await ran(floor, ids, 600)
    await hold(floor, ids[0])
    data = await acted(floor, "stop", batch_id)
    assert (data["status"], len(data["warnings"])) == ("completed", 1)
    assert ids[0] in data["warnings"][0]
    assert await booked(floor, ids) == [5, 5]
    held, done = [await floor.operation(one) for one in ids]
    assert (held["status"], held["actual_time"], done["status"]) == ("on_hold", 5, "completed")
    assert await open_entries(floor) == 0


async def test_without_anybodys_time_there_is_nothing_to_share(floor):
    ids = await operations(floor, 10, 10)
    batch_id = await ran(floor, ids, 600)
    await floor.pressed(("complete", ids[0]), ("complete", ids[1]))
    data = await acted(floor, "stop", batch_id)
    assert (data["distribution_method"], data["total_minutes"]) == ("none", 0)
    assert [one["minutes"] for one in data["operations"]] == [0, 0]
    assert (await row(floor, batch_id))["status"] == "completed"


async def test_a_machine_has_its_time_as_well(floor):
    ids = await operations(floor, 10, 30)
    made = await batch(floor, ids, **AUTOMATED)
    await acted(floor, "start", made["id"])
    await floor.clock.advance(2400)
    data = await acted(floor, "stop", made["id"])
    assert (data["monitoring_source"], data["distribution_method"], data["total_minutes"]) == (
        "machine",
        "weighted",
        40,
    )
    assert [one["minutes"] for one in data["operations"]] == [10, 30]
    assert [(await floor.operation(one))["actual_time"] for one in ids] == [10, 30]
    assert await floor.query("SELECT 1 FROM time_entries") == []
    assert [one["data"]["actual_time"] for one in await floor.events("operation.completed")] == [10, 30]


async def test_a_persons_time_counts_more_than_the_machines(floor):
    ids = await operations(floor, 10, 30)
    made = await batch(floor, ids, **AUTOMATED)
    await acted(floor, "start", made["id"])
    reply = await floor.send("POST", "/api-time-entries", {"operation_id": ids[0], "operator_id": floor.BEN})
    assert reply.status == 201
    await floor.clock.advance(2400)
    await acted(floor, "stop", made["id"])
    assert [(await floor.operation(one))["actual_time"] for one in ids] == [40, 30]


async def test_a_note_on_a_share_leaves_it_as_it_is(floor):
    ids = await operations(floor, 10, 20)
    batch_id = await ran(floor, ids, 1800)
    await acted(floor, "stop", batch_id)
    [entry] = await floor.entries(ids[0])
    await floor.send("PATCH", f"/api-time-entries?id={entry['id']}", {"notes": "sheet was bent"})
    assert await booked(floor, ids) == [10, 20]
    assert (await floor.operation(ids[0]))["actual_time"] == 10
