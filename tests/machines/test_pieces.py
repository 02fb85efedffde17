"""Counted pieces become quantities: gathered, for the operation that was active when they were counted, each once."""

import json

import pytest
from hall import SAW
from machine_hall import COUNTER, Hall

from gateway.kernel.errors import Invalid
from gateway.machines import store


async def test_pieces_are_gathered_and_booked_together(floor):
    hall = Hall(floor, COUNTER)
    operation = await hall.operation()
    await hall.count(8_841, 8_842, 8_845)
    await hall.pass_time(29)
    assert await hall.booked() == []
    await hall.pass_time(2)
    assert await hall.booked(operation) == [(4, 0, 0)]
    (told,) = await hall.events("production.quantity_reported")
    assert (told["cause"], told["quantity_good"], told["operation_id"]) == ("mqtt:laser-1", 4, operation)
    (row,) = await floor.query("SELECT metadata FROM operation_quantities")
    assert json.loads(row[0]) == {"cause": "mqtt:laser-1", "source": "laser-1/counter/good"}


async def test_a_value_that_comes_twice_or_in_other_clothes_counts_once(floor):
    hall = Hall(floor, COUNTER)
    await hall.operation()
    await hall.count(1, "1", 1.0, "2", 2.0, "2.0", 2)
    await hall.pass_time(31)
    assert await hall.booked() == [(1, 0, 0)]


@pytest.mark.parametrize("value", ["x", "", None, True, 1.5, -1, 2**32, "1e3", {"a": 1}, [1], float("nan"), 10**4000])
async def test_what_is_no_count_is_refused_by_name_and_changes_nothing(floor, value):
    hall = Hall(floor, COUNTER)
    await hall.count(5)
    with pytest.raises(Invalid, match="counter/good"):
        await hall.tell("counter/good", value)
    await hall.operation()
    await hall.count(6)
    await hall.pass_time(31)
    assert await hall.pieces() == 1


@pytest.mark.parametrize("verb", ["pause", "complete"])
async def test_before_an_operation_stands_still_its_pieces_are_booked(floor, verb):
    """Over REST, in the same transaction: the journal has the pieces before the end."""
    hall = Hall(floor, COUNTER)
    operation = await hall.operation()
    await hall.count(10, 13)
    assert (await floor.press(verb, operation)).status == 200
    assert await hall.booked(operation) == [(3, 0, 0)]
    names = [row[0] for row in await floor.query("SELECT type FROM events WHERE type IS NOT NULL ORDER BY seq")]
    assert names.index("production.quantity_reported") < names.index(
        f"operation.{verb}{'d' if verb[-1] == 'e' else ''}"
    )


async def test_a_refused_end_books_nothing(floor):
    hall = Hall(floor, COUNTER)
    running = await hall.operation()
    await hall.count(10, 13)
    assert (await floor.press("resume", running)).status == 400
    assert await hall.booked() == []


async def test_a_standstill_books_what_was_counted_before_it(floor):
    hall = Hall(floor, COUNTER)
    operation = await hall.operation()
    await hall.count(10, 12)
    await floor.make("/api-issues", {"operation_id": operation, "description": "torn", "causes_standstill": True})
    assert await hall.booked(operation) == [(2, 0, 0)]


async def test_a_batch_books_what_was_counted_before_it_ends(floor):
    hall = Hall(floor, COUNTER)
    operation = await hall.operation(verb=None)
    batch = {"batch_number": "B-1", "cell_id": floor.LASER, "operation_ids": [operation], "status": "ready"}
    made = (await floor.make("/api-batches", batch))["batch"]
    start = await floor.send("POST", f"/api-batch-lifecycle/start?id={made['id']}", {"operator_id": floor.ANNA})
    assert start.status == 200, start.body
    await hall.count(10, 14)
    assert (await floor.send("POST", f"/api-batch-lifecycle/stop?id={made['id']}", {})).status == 200
    assert await hall.booked(operation) == [(4, 0, 0)]


async def test_the_next_operation_gets_only_what_is_counted_for_it(floor):
    hall = Hall(floor, COUNTER)
    first, second = await hall.operation("J-1"), await hall.operation("J-2", verb=None)
    await hall.count(0, 3)
    await floor.press("complete", first)
    await floor.press("start", second)
    await hall.count(5)
    await hall.pass_time(31)
    assert (await hall.booked(first), await hall.booked(second)) == ([(3, 0, 0)], [(2, 0, 0)])


async def test_without_an_operation_pieces_are_held_until_one_starts(floor):
    hall = Hall(floor, COUNTER)
    operation = await hall.operation(verb=None)
    await hall.count(0, 4)
    await hall.pass_time(100)
    assert await hall.booked() == []
    assert hall.link.facts["held"] == 4
    await floor.press("start", operation)
    await floor.press("pause", operation)  # at once: they are its pieces nevertheless
    assert await hall.booked(operation) == [(4, 0, 0)]


async def test_pieces_of_several_operations_wait_until_it_is_one(floor):
    hall = Hall(floor, COUNTER)
    first, second = await hall.operation("J-1"), await hall.operation("J-2")
    await hall.count(0, 2)
    await hall.pass_time(40)
    assert await hall.booked() == []
    await floor.press("complete", first)
    await hall.pass_time(1)
    assert await hall.booked(second) == [(2, 0, 0)]


async def test_of_another_cell_nothing_is_booked(floor):
    hall = Hall(floor, COUNTER)
    await hall.operation("J-1", cell=SAW)
    await hall.count(0, 2)
    await hall.pass_time(40)
    assert await hall.booked() == []


async def test_what_is_held_has_a_limit_and_the_rest_is_shown(floor):
    hall = Hall(floor, {**COUNTER, "hold_max": 5})
    await hall.count(0)
    assert await hall.tell("counter/good", 8) == ["HELD_TOO_MANY"]
    assert await hall.tell("counter/good", 10) == ["HELD_TOO_MANY"]
    (found,) = (await floor.get("/api-machines/quarantines"))["quarantines"]
    assert (found["reason"], found["pieces"], found["device"]) == ("held_too_many", 5, "laser-1")
    await hall.operation()
    await hall.pass_time(1)
    assert await hall.pieces() == 5


async def test_dropped_pieces_are_counted(floor):
    hall = Hall(floor, {**COUNTER, "no_active": "drop"})
    await hall.count(0, 3)
    await hall.operation()
    await hall.pass_time(40)
    assert (await hall.booked(), hall.link.facts["dropped"]) == ([], 3)


async def test_one_issue_says_that_pieces_have_no_operation(floor):
    hall = Hall(floor, {**COUNTER, "no_active": "issue"})
    operation = await hall.operation()
    await hall.count(0, 1)
    await floor.press("pause", operation)
    await hall.count(2, 3)
    (issue,) = (await floor.get("/api-issues"))["issues"]
    assert "laser-1" in issue["title"]
    assert issue["operation_id"] == operation
    await floor.press("resume", operation)
    await hall.pass_time(1)
    assert await hall.booked(operation) == [(1, 0, 0), (2, 0, 0)]


async def test_a_jump_is_not_booked_and_shown_until_somebody_has_looked(floor):
    hall = Hall(floor, {**COUNTER, "max_step": 50})
    await hall.operation()
    await hall.count(0, 10)
    assert await hall.tell("counter/good", 1_000) == ["COUNTER_JUMP"]
    await hall.count(1_001)
    await hall.pass_time(31)
    assert await hall.booked() == [(11, 0, 0)]
    assert hall.link.state == "degraded"
    (found,) = (await floor.get("/api-machines/quarantines"))["quarantines"]
    assert (found["last_value"], found["value"], found["pieces"]) == (10, 1_000, 990)
    seen = await floor.send("POST", f"/api-machines/acknowledge?id={found['id']}")
    assert seen.data["quarantine"]["acknowledged_by"] == "admin"
    await hall.pass_time(1)
    assert (hall.link.state, (await floor.get("/api-machines/quarantines"))["quarantines"]) == ("up", [])
    assert len((await floor.get("/api-machines/quarantines?all=true"))["quarantines"]) == 1


@pytest.mark.parametrize(("factor", "counts", "booked"), [(4, 3, 12), (0.5, 5, 2), (0.1, 30, 3), (1.0, 2, 2)])
async def test_a_count_may_be_several_pieces_or_a_part_of_one(floor, factor, counts, booked):
    hall = Hall(floor, {**COUNTER, "factor": factor})
    await hall.operation()
    await hall.count(*range(counts + 1))
    await hall.pass_time(31)
    assert await hall.pieces() == booked


async def test_as_many_pieces_as_the_program_makes(floor):
    hall = Hall(floor, {**COUNTER, "factor": "program.parts"})
    await hall.operation()
    await hall.cycle("c-1", 0, program={"name": "NEST_0042", "parts": 12})
    await hall.count(0, 2)
    await hall.pass_time(31)
    assert await hall.booked() == [(24, 0, 0)]
    assert (await hall.stands()).program == "NEST_0042"


async def test_nothing_of_it_hangs_on_memory(floor):
    hall = Hall(floor, COUNTER)
    await hall.operation()
    await hall.count(0, 2)
    hall.restart()
    await hall.count(2, 3)
    hall.restart()
    await hall.pass_time(31)
    assert await hall.booked() == [(3, 0, 0)]


async def test_pieces_of_an_operation_that_is_deleted_stay_with_it(floor):
    hall = Hall(floor, COUNTER)
    operation = await hall.operation()
    await hall.count(0, 2)
    assert (await floor.send("DELETE", f"/api-operations?id={operation}")).status == 200
    assert await hall.booked(operation) == [(2, 0, 0)]


async def test_who_is_logged_on_is_named_on_the_pieces(floor):
    hall = Hall(floor, COUNTER, operator="anna")
    await floor.do("UPDATE profiles SET employee_id = '04A2' WHERE id = ?", floor.BEN)
    await hall.operation()
    await hall.count(0, 2)
    await hall.badge("04A2")
    await hall.count(5)
    await hall.pass_time(31)
    rows = await floor.query("SELECT recorded_by, quantity_good FROM operation_quantities ORDER BY rowid")
    assert [tuple(row) for row in rows] == [(floor.ANNA, 2), (floor.BEN, 3)]


async def test_a_counter_that_jumps_without_end_is_quarantined_in_a_few_rows(floor):
    hall = Hall(floor, COUNTER)
    for turn in range(2 * store.OPEN_MAX[store.JUMP] + 1):
        assert await hall.tell("counter/good", turn * 1_000) == (["COUNTER_JUMP"] if turn else [])
    rows = await floor.query("SELECT pieces FROM machine_quarantines ORDER BY id")
    assert (len(rows), sum(row[0] for row in rows)) == (20, 40_000)


async def test_no_jump_is_too_far_to_be_quarantined(floor):
    hall = Hall(floor, {**COUNTER, "bits": 64, "factor": 10})
    await hall.operation()
    await hall.count(2)
    assert await hall.tell("counter/good", 2**64 - 1) == ["COUNTER_JUMP"]
    await hall.count(0, 1)
    await hall.pass_time(31)
    assert await hall.pieces() == 20  # it rolled over, and went on
