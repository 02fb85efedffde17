"""A finished cycle is one quantity, once, however often it is told."""

import json

import pytest
from hall import SAW
from machine_hall import COUNTER, Hall

from gateway.kernel.errors import Invalid


async def test_a_cycle_is_booked_once(floor):
    hall = Hall(floor)
    operation = await hall.operation()
    at = floor.clock.now()
    for _ in range(3):
        await hall.cycle("c-88213", 2, scrap=1, program="NEST_0042", duration_s=312.5, occurred_at=at)
        hall.restart()
    assert await hall.booked(operation) == [(2, 1, 0)]
    (row,) = await floor.query("SELECT metadata FROM operation_quantities")
    assert json.loads(row[0]) == {
        "cause": "mqtt:laser-1",
        "cycle_id": "c-88213",
        "program": "NEST_0042",
        "duration_s": 312.5,
    }


async def test_ids_of_cycles_and_of_requests_do_not_meet(floor):
    hall = Hall(floor)
    operation = await hall.operation(verb=None)
    await hall.ask("start", "7", operation_id=operation)
    await hall.cycle("7", 2)
    assert await hall.pieces() == 2


async def test_without_an_id_it_is_refused_unless_it_is_said(floor):
    hall = Hall(floor)
    with pytest.raises(Invalid, match="allow_unidentified"):
        await hall.cycle(None, 2)
    hall = Hall(floor, {"device": "laser-1", "input": "cycle", "rule": "cycle", "allow_unidentified": True})
    await hall.operation()
    await hall.cycle(None, 2)
    await hall.cycle(None, 2)
    assert await hall.pieces() == 4


async def test_what_a_counter_counts_a_cycle_does_not_count_again(floor):
    hall = Hall(floor, COUNTER)
    await hall.operation()
    await hall.cycle("c-1", 5, scrap=1)
    assert await hall.booked() == [(0, 1, 0)]


async def test_cycles_without_an_operation_are_held(floor):
    hall = Hall(floor)
    operation = await hall.operation(verb=None)
    await hall.cycle("c-1", 3)
    await hall.cycle("c-1", 3)
    await floor.press("start", operation)
    await hall.pass_time(1)
    assert await hall.booked(operation) == [(3, 0, 0)]


async def test_equipment_with_a_topic_of_its_own(floor):
    hall = Hall(floor, {"device": "laser-1", "topic": "press/7/done", "rule": "cycle"})
    await hall.operation()
    for value in ({"id": 1, "good": 2}, {"id": 1, "good": 2}, {"id": 2, "good": "3"}, "x-9", "x-9"):
        await hall.tell("press/7/done", value)
    assert await hall.pieces() == 6


@pytest.mark.parametrize("good", [-1, 1.5, "x", None, True, 10**8])
async def test_numbers_that_are_none(floor, good):
    with pytest.raises(Invalid, match="good"):
        await Hall(floor).cycle("c-1", good)


async def test_a_cycle_is_held_when_the_operation_went_to_a_cell_that_is_not_the_devices(floor):
    hall = Hall(floor)
    operation = await hall.operation(verb=None)
    await hall.ask("start", "r", operation_id=operation)
    await floor.do("UPDATE operations SET cell_id = ? WHERE id = ?", SAW, operation)
    await hall.cycle("c-1", 3)
    assert await hall.booked() == []
    other = await hall.operation("J-2")
    await hall.pass_time(2)
    assert await hall.booked(other) == [(3, 0, 0)]


async def test_an_id_that_is_too_long_is_refused_and_not_cut_into_another_ones(floor):
    hall = Hall(floor)
    await hall.operation()
    await hall.cycle("x" * 200)
    with pytest.raises(Invalid, match="200"):
        await hall.cycle("x" * 200 + "1")
    assert await hall.pieces() == 1
