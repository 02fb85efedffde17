"""A machine asks: the same rules and errors as over REST, each request once, with the target and the person that are meant."""

from datetime import timedelta

import pytest
from hall import LASER, SAW
from machine_hall import COUNTER, Hall

from gateway.kernel import errors
from gateway.kernel.clock import text
from gateway.machines import pieces, targets
from gateway.operations.quantities import gathered


async def test_each_verb_does_what_rest_does(floor):
    hall = Hall(floor)
    operation = await hall.operation(verb=None)
    for verb, status in (
        ("start", "in_progress"),
        ("pause", "on_hold"),
        ("resume", "in_progress"),
        ("complete", "completed"),
    ):
        named = {"operation_id": operation} if verb == "start" else {}
        code, data, replayed = await hall.ask(verb, f"r-{verb}", **named)
        assert (code, data["status"], data["operation_id"], replayed) == (200, status, operation, False)
    started, *_ = await hall.events("operation.started")
    assert started["cause"] == "mqtt:laser-1"
    with pytest.raises(errors.NoActiveOperation):
        await hall.ask("complete")
    with pytest.raises(errors.InvalidTransition):
        await hall.ask("complete", operation_id=operation)


async def test_the_same_request_is_answered_once_more_and_done_once(floor):
    hall = Hall(floor)
    await hall.operation()
    ends = text(floor.clock.now() + timedelta(seconds=30))
    status, data, _ = await hall.ask("report", "7c20", good=5, scrap=1, scrap_reason="BURR", expires_at=ends)
    assert (status, data["good"], data["quantity_scrap"]) == (201, 5, 1)
    await floor.clock.advance(3_600)
    hall.restart()
    later = text(floor.clock.now() - timedelta(seconds=30))
    assert await hall.ask("report", "7c20", scrap=1, good=5, scrap_reason="BURR", expires_at=later) == (201, data, True)
    assert await hall.booked() == [(5, 1, 0)]
    with pytest.raises(errors.KeyReused):
        await hall.ask("report", "7c20", good=6)
    with pytest.raises(errors.KeyReused):
        await hall.ask("pause", "7c20")
    assert await hall.booked() == [(5, 1, 0)]


async def test_a_request_without_an_id_is_done_each_time(floor):
    hall = Hall(floor)
    await hall.operation()
    for _ in range(2):
        assert (await hall.ask("report", good=1))[2] is False
    assert await hall.pieces() == 2


async def test_what_came_too_late_is_never_done(floor):
    hall = Hall(floor)
    operation = await hall.operation(verb=None)
    gone = text(floor.clock.now() - timedelta(seconds=1))
    for request_id in ("r-1", None):
        with pytest.raises(errors.Expired):
            await hall.ask("start", request_id, operation_id=operation, expires_at=gone)
        with pytest.raises(errors.Expired):
            await hall.ask("start", request_id, queued=True, operation_id=operation)
    assert (await floor.operation(operation))["status"] == "not_started"
    soon = text(floor.clock.now() + timedelta(seconds=30))
    assert (await hall.ask("start", queued=True, operation_id=operation, expires_at=soon))[0] == 200
    hall = Hall(floor, execute_queued=True)
    assert (await hall.ask("pause", queued=True))[0] == 200


async def test_by_job_part_and_place(floor):
    hall = Hall(floor, cells=["*"])
    job = await floor.job("J-7", (floor.LASER, SAW), (floor.LASER,))
    first = job["parts"][0]["operations"][0]["id"]
    with pytest.raises(errors.AmbiguousTarget) as several:
        await hall.ask("start", job_number="J-7")
    assert {one["part_number"] for one in several.value.details["candidates"]} == {"J-7-P1", "J-7-P2"}
    _, data, _ = await hall.ask("start", job_number="J-7", part_number="J-7-P1", sequence=10 // 10)
    assert data["operation_id"] == first
    assert (await hall.ask("pause", job_number="J-7", part_number="J-7-P1", operation_name="Op 1"))[1][
        "operation_id"
    ] == first
    with pytest.raises(errors.NotFound):
        await hall.ask("start", job_number="J-8")
    with pytest.raises(errors.Invalid, match="job_number"):
        await hall.ask("start", part_number="J-7-P1")


async def test_what_this_device_started_last_comes_first(floor):
    hall = Hall(floor)
    other, own = await hall.operation("J-1"), await hall.operation("J-2", verb=None)
    await hall.ask("start", operation_id=own)
    assert (await hall.ask("report", good=1))[1]["operation_id"] == own
    assert (await hall.ask("active"))[1]["operation"]["operation_id"] == own
    await hall.ask("complete")
    assert (await hall.ask("report", good=1))[1]["operation_id"] == other


async def test_several_in_progress_and_none(floor):
    hall = Hall(floor)
    with pytest.raises(errors.NoActiveOperation):
        await hall.ask("report", good=1)
    ids = {await hall.operation("J-1"), await hall.operation("J-2")}
    with pytest.raises(errors.AmbiguousTarget) as several:
        await hall.ask("pause")
    assert {one["operation_id"] for one in several.value.details["candidates"]} == ids
    assert (await hall.ask("active"))[1]["operation"] is None


async def test_the_head_of_the_queue_only_if_it_is_said(floor):
    hall = Hall(floor)
    late, soon = await hall.operation("J-1", verb=None), await hall.operation("J-2", verb=None)
    await floor.do("UPDATE jobs SET due_date = '2026-12-24T00:00:00+00:00' WHERE job_number = 'J-1'")
    await floor.do("UPDATE jobs SET due_date = '2026-12-01T00:00:00+00:00' WHERE job_number = 'J-2'")
    with pytest.raises(errors.NoActiveOperation):
        await hall.ask("start")
    queue = (await hall.ask("queue"))[1]["queue"]
    assert [one["operation_id"] for one in queue] == [soon, late]
    assert len((await hall.ask("queue", limit=1))[1]["queue"]) == 1
    hall = Hall(floor, start_head=True)
    assert (await hall.ask("start"))[1]["operation_id"] == soon


async def test_cells_that_are_not_its_own(floor):
    hall = Hall(floor)
    elsewhere = await hall.operation("J-1", cell=SAW, verb=None)
    with pytest.raises(errors.CellNotAllowed):
        await hall.ask("start", operation_id=elsewhere)
    with pytest.raises(errors.CellNotAllowed):
        await hall.ask("start", job_number="J-1", operation_name="Op 1", part_number="J-1-P1", sequence=1)


async def test_verbs_that_are_not_its_own(floor):
    hall = Hall(floor, commands=("start",))
    with pytest.raises(errors.Forbidden):
        await hall.ask("complete")
    with pytest.raises(errors.UnknownVerb):
        await hall.ask("explode")


@pytest.mark.parametrize(
    "body",
    [
        {"goood": 1},
        {"good": -1},
        {"good": "x"},
        {"good": 10**9},
        {"operator": "04A2"},
        {"operator": {"badge": 7, "x": 1}},
        {"expires_at": "tomorrow"},
        {"scrap": 1, "scrap_reason": "NONE"},
        {"limit": 0},
        {},
    ],
)
async def test_a_body_that_does_not_fit_is_refused_by_name(floor, body):
    hall = Hall(floor)
    await hall.operation()
    with pytest.raises(errors.Invalid) as refused:
        await hall.ask("report", "r-1", **body)
    assert refused.value.details
    assert await hall.booked() == []


async def test_a_badge_is_never_told(floor):
    hall = Hall(floor)
    operation = await hall.operation(verb=None)
    for badge in ("SECRET", 4711, "SECRET" * 100):
        with pytest.raises(errors.GatewayError) as refused:
            await hall.ask("start", operation_id=operation, operator={"badge": badge})
        assert "SECRET" not in f"{refused.value.message} {refused.value.details}"
        assert "4711" not in f"{refused.value.message} {refused.value.details}"


async def test_who_did_it(floor):
    await floor.do("UPDATE profiles SET employee_id = '04A2' WHERE id = ?", floor.ANNA)
    hall = Hall(floor, operator="ben", allow_no_operator=False)
    first, second, third = [await hall.operation(f"J-{n}", verb=None) for n in (1, 2, 3)]
    await hall.ask("start", operation_id=first)
    await hall.ask("start", operation_id=second, operator={"badge": "04A2"})
    await hall.ask("start", operation_id=third, operator={"id": floor.CEM})
    people = [(await floor.entries(one))[0]["operator_id"] for one in (first, second, third)]
    assert people == [floor.BEN, floor.ANNA, floor.CEM]
    with pytest.raises(errors.OperatorBusy):
        await hall.ask("start", operation_id=await hall.operation("J-4", verb=None), operator={"badge": "04A2"})
    hall = Hall(floor, allow_no_operator=False)
    with pytest.raises(errors.Invalid, match="allow_no_operator"):
        await hall.ask("pause", operation_id=first)


async def test_before_a_request_pieces_are_booked(floor):
    hall = Hall(floor, COUNTER)
    operation = await hall.operation(verb=None)
    await hall.ask("start", operation_id=operation)
    await hall.count(0, 3)
    await hall.ask("complete")
    assert await hall.booked(operation) == [(3, 0, 0)]


async def test_an_issue_that_holds_its_operation(floor):
    hall = Hall(floor)
    operation = await hall.operation()
    status, data, _ = await hall.ask("issue", "r-1", description="lens broken", severity="high", causes_standstill=True)
    assert (status, data["severity"], data["status"]) == (201, "high", "on_hold")
    assert (await hall.ask("issue", "r-1", description="lens broken", severity="high", causes_standstill=True))[
        2
    ] is True
    with pytest.raises(errors.InvalidTransition):
        await hall.ask("resume", operation_id=operation)


async def test_a_job_number_finds_the_devices_own_operation_however_many_others_the_job_has(floor):
    hall = Hall(floor)
    job = await floor.job("J-9", (*[SAW] * (targets.CANDIDATES_MAX + 1), LASER))
    status, data, _ = await hall.ask("start", "r", job_number="J-9")
    assert (status, data["operation_id"]) == (200, job["parts"][0]["operations"][-1]["id"])


def _plan(connection, sql, given):
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", given)]


async def test_finding_an_operation_looks_only_at_those_of_the_devices_cells(floor):
    """Every counter asks for it, and a factory has very many operations."""
    given = {"cells": "[]", "status": "in_progress", "limit": 2}
    for sql in (gathered._RUNNING, targets._QUEUE, pieces._LAST_WORKED_ON):
        (steps,) = {tuple(await floor.db.read(_plan, sql, given | {"cells": cells})) for cells in ("[]", None)}
        assert any(step.startswith("SEARCH o USING INDEX operations_by_cell") for step in steps), steps
