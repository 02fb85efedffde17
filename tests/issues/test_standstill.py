"""Yellow card: an issue that causes a standstill holds its operation, in the same transaction."""

import pytest
from hall import Floor

PATH = "/api-issues"
BODY = {"description": "the machine smokes", "causes_standstill": True}


async def operation(floor: Floor) -> str:
    return (await floor.job())["parts"][0]["operations"][0]["id"]


async def raised(floor: Floor, operation_id: str, **given) -> str:
    return (await floor.make(PATH, {"operation_id": operation_id, **BODY, **given}))["issue"]["id"]


async def change(floor: Floor, issue_id: str, **given) -> None:
    reply = await floor.send("PATCH", f"{PATH}?id={issue_id}", given)
    assert reply.status == 200, reply.body


async def states(floor: Floor, operation_id: str) -> tuple[str, str | None]:
    row = await floor.operation(operation_id)
    return row["status"], row["status_before_hold"]


async def test_it_parks_the_operation_and_gives_it_back(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id, None, 60))
    issue_id = await raised(floor, operation_id, created_by=floor.ANNA)
    assert await states(floor, operation_id) == ("on_hold", "in_progress")
    await floor.clock.advance(300)
    await change(floor, issue_id, status="closed", reviewed_by=floor.BEN)
    assert await states(floor, operation_id) == ("in_progress", None)
    paused, resumed = await floor.events("operation.paused", "operation.resumed")
    assert (
        paused["data"].items()
        >= {
            "operation_id": operation_id,
            "cause": "standstill",
            "previous_status": "in_progress",
            "new_status": "on_hold",
            "operator_id": floor.ANNA,
            "operator_name": "Anna",
            "paused_at": paused["occurred_at"],
            "time_entry_id": None,
        }.items()
    )
    assert (
        resumed["data"].items()
        >= {
            "cause": "standstill",
            "previous_status": "on_hold",
            "new_status": "in_progress",
            "operator_name": "Ben",
            "resumed_at": resumed["occurred_at"],
            "pause_duration_seconds": 300,
        }.items()
    )


async def test_the_issue_is_told_before_what_it_does(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id))
    before = len(await floor.events())
    issue_id = await raised(floor, operation_id)
    created, paused = (await floor.events())[before:]
    assert (created["type"], created["aggregate"]) == ("issue.created", f"issue:{issue_id}")
    assert (paused["type"], paused["aggregate"]) == ("operation.paused", f"operation:{operation_id}")
    assert created["lane"] == paused["lane"]
    assert paused["changes"][0]["fields"] == ["status", "status_before_hold", "updated_at"]


async def test_the_time_of_who_is_booked_on_it_runs_on(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id, floor.ANNA, 60))
    issue_id = await raised(floor, operation_id)
    await floor.clock.advance(600)
    [entry] = await floor.entries(operation_id)
    assert (entry["end_time"], entry["is_paused"], entry["pauses"]) == (None, False, [])
    assert (await floor.operation(operation_id))["paused_at"] is None
    await change(floor, issue_id, status="approved")
    await floor.clock.advance(60)
    await floor.pressed(("complete", operation_id))
    assert (await floor.operation(operation_id))["actual_time_seconds"] == 720


async def test_who_waits_beside_it_may_end_his_time(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id, floor.ANNA, 60))
    await raised(floor, operation_id)
    [entry] = await floor.entries(operation_id)
    end = floor.clock.now().isoformat()
    assert (await floor.send("PATCH", f"/api-time-entries?id={entry['id']}", {"end_time": end})).status == 200
    row = await floor.operation(operation_id)
    assert (row["status"], row["actual_time_seconds"]) == ("on_hold", 60)


async def test_nobody_starts_or_resumes_it_whichever_route_he_takes(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id))
    await raised(floor, operation_id)
    for verb in ("start", "resume"):
        error = (await floor.press(verb, operation_id, floor.ANNA)).error
        assert (error["code"], error["statusCode"]) == ("INVALID_STATE_TRANSITION", 400)
        assert error["details"]["reason"] == "standstill"
    reply = await floor.send("PATCH", f"/api-operations?id={operation_id}", {"status": "in_progress"})
    assert (reply.status, reply.error["details"]["reason"]) == (400, "standstill")
    for verb in ("pause", "complete"):
        assert (await floor.press(verb, operation_id)).status == 400
    for status in ("completed", "not_started"):
        assert (await floor.send("PATCH", f"/api-operations?id={operation_id}", {"status": status})).status == 400
    assert await states(floor, operation_id) == ("on_hold", "in_progress")
    assert await floor.entries(operation_id) == []


async def test_what_has_not_begun_goes_back_to_that_and_its_part_never_moves(floor):
    operation_id = await operation(floor)
    issue_id = await raised(floor, operation_id)
    assert await states(floor, operation_id) == ("on_hold", "not_started")
    part_id = (await floor.operation(operation_id))["part"]["id"]
    assert (await floor.part(part_id))["status"] == "not_started"
    assert (await floor.press("start", operation_id)).status == 400
    await change(floor, issue_id, status="rejected")
    assert await states(floor, operation_id) == ("not_started", None)
    assert (await floor.part(part_id))["status"] == "not_started"
    await floor.pressed(("start", operation_id))


async def test_a_part_in_work_stays_so_while_its_only_started_operation_is_held(floor):
    operation_id = await operation(floor)
    await floor.do("UPDATE operations SET status = 'in_progress', started_at = NULL WHERE id = ?", operation_id)
    part_id = (await floor.operation(operation_id))["part"]["id"]
    other = (await floor.get(f"/api-operations?part_id={part_id}"))["operations"][1]["id"]
    await raised(floor, operation_id)
    await floor.send("PATCH", f"/api-operations?id={other}", {"sequence": 9})  # rolls up
    assert (await floor.part(part_id))["status"] == "in_progress"


async def test_a_paused_operation_stays_so_and_is_in_progress_after_the_issue(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id, floor.ANNA, 60), ("pause", operation_id, None, 60))
    issue_id = await raised(floor, operation_id)
    assert await states(floor, operation_id) == ("on_hold", None)
    assert (await floor.press("resume", operation_id)).error["details"]["reason"] == "standstill"
    assert len(await floor.events("operation.paused")) == 1
    await change(floor, issue_id, status="closed")
    row = await floor.operation(operation_id)
    assert (row["status"], row["paused_at"]) == ("in_progress", None)
    [entry] = await floor.entries(operation_id)
    assert entry["is_paused"] is True  # nobody's clock runs because somebody else closed an issue
    [resumed] = await floor.events("operation.resumed")
    assert (resumed["data"]["cause"], resumed["data"]["pause_duration_seconds"]) == ("standstill", 60)
    await floor.pressed(("pause", operation_id), ("resume", operation_id, floor.ANNA, 60), ("complete", operation_id))
    assert (await floor.operation(operation_id))["actual_time_seconds"] == 120


async def test_the_last_of_several_gives_it_back(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id))
    one, other = [await raised(floor, operation_id) for _ in range(2)]
    await change(floor, one, status="closed")
    assert await states(floor, operation_id) == ("on_hold", "in_progress")
    await change(floor, other, causes_standstill=False)
    assert await states(floor, operation_id) == ("in_progress", None)
    kinds = [event["type"] for event in await floor.events("operation.paused", "operation.resumed")]
    assert kinds == ["operation.paused", "operation.resumed"]


@pytest.mark.parametrize("how", ["approved", "rejected", "closed", "flag", "delete"])
async def test_every_way_out_gives_it_back(floor, how):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id))
    issue_id = await raised(floor, operation_id)
    if how == "delete":
        assert (await floor.send("DELETE", f"{PATH}?id={issue_id}")).status == 200
    else:
        await change(floor, issue_id, **({"causes_standstill": False} if how == "flag" else {"status": how}))
    assert await states(floor, operation_id) == ("in_progress", None)


async def test_an_issue_may_stop_the_work_later_or_again(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id))
    issue_id = await raised(floor, operation_id, causes_standstill=False)
    assert (await floor.operation(operation_id))["status"] == "in_progress"
    await change(floor, issue_id, causes_standstill=True)
    assert await states(floor, operation_id) == ("on_hold", "in_progress")
    await change(floor, issue_id, status="closed")
    await change(floor, issue_id, status="pending")
    assert await states(floor, operation_id) == ("on_hold", "in_progress")


async def test_one_that_comes_settled_holds_nothing(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id))
    await raised(floor, operation_id, status="closed")
    assert await states(floor, operation_id) == ("in_progress", None)


async def test_a_completed_operation_is_left_alone(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id), ("complete", operation_id))
    issue_id = await raised(floor, operation_id)
    assert await states(floor, operation_id) == ("completed", None)
    await change(floor, issue_id, status="closed")
    assert await states(floor, operation_id) == ("completed", None)
    assert await floor.events("operation.paused", "operation.resumed") == []


async def test_a_deleted_operation_is_left_alone(floor):
    operation_id = await operation(floor)
    issue_id = await raised(floor, operation_id)
    assert (await floor.send("DELETE", f"/api-operations?id={operation_id}")).status == 200
    await change(floor, issue_id, status="closed")
    await change(floor, issue_id, status="pending")
    assert await floor.query("SELECT status FROM operations WHERE id = ?", operation_id) == [("on_hold",)]


async def test_a_late_report_holds_it_from_its_true_time_on(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id, None, 600))
    at = await floor.query("SELECT started_at FROM operations WHERE id = ?", operation_id)
    await raised(floor, operation_id, created_at="2020-01-01T00:00:00Z")
    [paused] = await floor.events("operation.paused")
    assert paused["occurred_at"] == at[0][0]
    assert paused["data"]["occurred_at_claimed"] == "2020-01-01T00:00:00+00:00"


async def test_a_refused_change_releases_nothing(floor):
    operation_id = await operation(floor)
    await floor.pressed(("start", operation_id))
    issue_id = await raised(floor, operation_id)
    before = await floor.events()
    body = {"status": "closed", "reviewed_by": floor.NOWHERE}
    assert (await floor.send("PATCH", f"{PATH}?id={issue_id}", body)).status == 422
    assert await states(floor, operation_id) == ("on_hold", "in_progress")
    assert await floor.events() == before
