"""Operations of a batch are started and finished together at a screen, or each alone."""

import pytest
from station import BEN, LASER, at, entries

STATES = "SELECT id, status FROM operations"


async def batch_of(hall, *numbers):
    """(its id, ids of its operations)"""
    ids = [(await hall.job(number, LASER))[0] for number in numbers]
    body = {"batch_number": "B-7", "batch_type": "general", "cell_id": LASER, "operation_ids": ids}
    return (await hall.send("POST", "/api-batches", body)).data["batch"]["id"], ids


async def states(hall, ids):
    found = dict(await hall.query(STATES))
    return [found[one] for one in ids]


async def batch_row(hall, batch_id, *names):
    return (await hall.query(f"SELECT {', '.join(names)} FROM operation_batches WHERE id = ?", batch_id))[0]


async def test_all_of_a_batch_start_and_finish_with_one_tap_at_its_true_time(hall):
    batch_id, ids = await batch_of(hall, "J-1", "J-2", "J-3")
    terminal = await hall.terminal()
    await terminal.sign_in()
    await hall.clock.advance(120)
    told = await terminal.tapped("start", ids[1], {"batch": True}, age_ms=60_000)
    assert await states(hall, ids) == ["in_progress"] * 3
    assert {card["id"] for card in told["operations"]} == set(ids)
    shown = {"id": batch_id, "number": "B-7", "status": "in_progress", "operations": 3}
    assert all(card["batch"] == shown and card["batch_id"] == batch_id for card in told["operations"])
    assert told["result"] == {"batch_id": batch_id, "operations_started": 3, "started_at": at(1)}
    assert await entries(hall) == [("Anna", at(1), None, None, 0)] * 3

    await hall.clock.advance(900)
    error = (await terminal.tap("finish", ids[1], {"batch": True, "good": 10})).error
    assert [(one["kind"], one["good"]) for one in error["details"]["blockers"]] == [("under_plan", 0)] * 2
    assert await states(hall, ids) == ["in_progress"] * 3
    told = await terminal.tapped("finish", ids[1], {"batch": True, "good": 10, "confirmed": ["under_plan"]})
    assert await states(hall, ids) == ["completed"] * 3
    assert await batch_row(hall, batch_id, "status", "completed_at") == ("completed", at(17))
    assert told["result"]["total_seconds"] == sum(one["seconds"] for one in told["result"]["operations"]) == 960
    assert sum(row[3] for row in await entries(hall)) == 960
    booked = await hall.query("SELECT operation_id, quantity_good FROM operation_quantities")
    assert booked == [(ids[1], 10)]
    events = [one for one in await hall.events() if one.startswith("batch.")]
    assert events == ["batch.started", "batch.completed"]


async def test_a_repeated_tap_starts_a_batch_once(hall):
    _, ids = await batch_of(hall, "J-1", "J-2")
    terminal = await hall.terminal()
    await terminal.sign_in()
    tap = {"id": "01920000-0000-7000-8000-0000000000b7"}
    first = await terminal.tapped("start", ids[0], {"batch": True}, **tap)
    assert await terminal.tapped("start", ids[0], {"batch": True}, **tap) == first
    assert len(await entries(hall)) == 2


async def test_one_of_a_batch_is_worked_on_alone(hall):
    batch_id, ids = await batch_of(hall, "J-1", "J-2")
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", ids[0])
    assert await states(hall, ids) == ["in_progress", "not_started"]
    assert await batch_row(hall, batch_id, "status") == ("draft",)
    await terminal.tapped("finish", ids[0], {"good": 10})
    await terminal.tapped("start", ids[1], {"batch": True})
    assert await states(hall, ids) == ["completed", "in_progress"]


async def test_what_is_in_the_way_of_one_is_in_the_way_of_all(hall):
    _, second = await hall.job("J-1", LASER, LASER)
    (alone,) = await hall.job("J-2", LASER)
    body = {"batch_number": "B-7", "batch_type": "general", "cell_id": LASER, "operation_ids": [alone, second]}
    await hall.send("POST", "/api-batches", body)
    terminal = await hall.terminal()
    await terminal.sign_in()
    error = (await terminal.tap("start", alone, {"batch": True})).error
    assert [one["kind"] for one in error["details"]["blockers"]] == ["earlier_open"]
    assert await entries(hall) == []
    await terminal.tapped("start", alone, {"batch": True, "confirmed": ["earlier_open"]})
    assert await states(hall, [alone, second]) == ["in_progress"] * 2


async def test_who_starts_a_batch_leaves_other_work_and_who_leaves_a_batch_leaves_all_of_it(hall):
    _, ids = await batch_of(hall, "J-1", "J-2")
    (other,) = await hall.job("J-3", LASER)
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", other)
    error = (await terminal.tap("start", ids[0], {"batch": True})).error
    assert (error["code"], error["details"]["operation_id"]) == ("OPERATOR_BUSY", other)
    await terminal.tapped("start", ids[0], {"batch": True, "pause_other": other})
    assert await states(hall, [other, *ids]) == ["on_hold", "in_progress", "in_progress"]
    error = (await terminal.tap("resume", other)).error
    assert error["code"] == "OPERATOR_BUSY"
    await terminal.tapped("resume", other, {"pause_other": ids[1]})
    assert await states(hall, [other, *ids]) == ["in_progress", "on_hold", "on_hold"]


async def test_a_batch_is_not_taken_from_somebody_who_works_on_a_part_of_it(hall):
    _, ids = await batch_of(hall, "J-1", "J-2")
    terminal = await hall.terminal()
    await terminal.sign_in(BEN)
    await terminal.tapped("start", ids[1])
    await terminal.sign_in()
    error = (await terminal.tap("start", ids[0], {"batch": True})).error
    assert (error["statusCode"], error["details"]["on_it"]) == (400, ["Ben"])
    await terminal.tapped("start", ids[0], {"batch": True, "join": True})
    assert len(await entries(hall)) == 3


@pytest.mark.parametrize("kind", ["start", "finish"])
async def test_without_a_batch_there_is_nothing_to_do_together(hall, kind):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    error = (await terminal.tap(kind, first, {"batch": True})).error
    assert (error["statusCode"], error["details"][0]["field"]) == (422, "batch")
    assert await entries(hall) == []


async def test_a_batch_is_not_set_up_as_a_whole(hall):
    _, ids = await batch_of(hall, "J-1", "J-2")
    terminal = await hall.terminal()
    await terminal.sign_in()
    assert (await terminal.tap("start", ids[0], {"batch": True, "setup": True})).status == 422
