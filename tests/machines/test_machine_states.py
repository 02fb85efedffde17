"""How a machine stands: by its own word or a map, how far that can be believed, and what a change of it brings about."""

import asyncio
import threading
from datetime import timedelta

import pytest
from machine_hall import COUNTER, STATES, Hall

from gateway.kernel.errors import Forbidden, Invalid, UnknownBadge, UnknownDevice
from gateway.machines.model import Reading

MAPPED = {"device": "laser-1", "input": "state", "rule": "state_map", "map": STATES}


@pytest.mark.parametrize(
    ("value", "state"),
    [("running", "running"), ("RUNNING", "running"), ("off", "off"), (4, "unknown"), ("x", "unknown")],
)
async def test_without_a_map_the_word_itself_counts(floor, value, state):
    hall = Hall(floor)
    await hall.tell("state", value)
    stands = await hall.stands()
    assert (stands.state, stands.raw, stands.quality) == (state, value, "good")


@pytest.mark.parametrize(
    ("value", "state"), [(4, "running"), (4.0, "running"), ("4", "running"), ("4.0", "running"), (5, "unknown")]
)
async def test_a_map_takes_numbers_however_they_are_written(floor, value, state):
    hall = Hall(floor, MAPPED)
    await hall.tell("state", value)
    assert (await hall.stands()).state == state


@pytest.mark.parametrize("value", [None, [], {}, "x" * 500, 10**30])
async def test_what_is_no_state_is_refused(floor, value):
    with pytest.raises(Invalid):
        await Hall(floor, MAPPED).tell("state", value)


async def test_since_when_and_one_journal_entry_for_each_change(floor):
    hall = Hall(floor, MAPPED, COUNTER)
    began = floor.clock.now()
    for value in (4, 4, 4.0):
        await hall.tell("state", value, floor.clock.now())
        await hall.count(1)
        await floor.clock.advance(5)
    assert (await hall.stands()).since == began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = [one for one in await floor.events() if one["lane"] == "machine_states:laser-1"]
    assert [one["type"] for one in told] == [None]
    assert told[0]["changes"][0]["id"] == "laser-1"


async def test_a_state_has_to_last(floor):
    hall = Hall(floor, {**MAPPED, "debounce": "2s"})
    await hall.tell("state", 8)
    await hall.pass_time(1)
    await hall.tell("state", 0)
    await hall.tell("state", 4)
    await hall.pass_time(1)
    assert (await hall.stands()).state == "unknown"
    hall.restart()
    await hall.tell("state", 4)  # retained: sent once more
    await hall.pass_time(1)
    assert (await hall.stands()).state == "running"


async def test_a_fault_pauses_what_runs_and_books_its_pieces(floor):
    hall = Hall(floor, {**MAPPED, "on_enter": {"fault": "pause", "running": "resume"}}, COUNTER)
    operation = await hall.operation()
    await hall.tell("state", 4)
    await hall.count(0, 2)
    await hall.tell("state", 8)
    assert (await floor.operation(operation))["status"] == "on_hold"
    assert await hall.booked(operation) == [(2, 0, 0)]
    (told,) = await hall.events("operation.paused")
    assert told["cause"] == "mqtt:laser-1"
    await hall.tell("state", 8)
    await hall.tell("state", 4)
    assert (await floor.operation(operation))["status"] == "in_progress"


async def test_a_state_starts_nothing_unless_it_is_said(floor):
    hall = Hall(floor, MAPPED, start_head=True)
    operation = await hall.operation(verb=None)
    await hall.tell("state", 4)
    assert (await floor.operation(operation))["status"] == "not_started"
    hall = Hall(floor, {**MAPPED, "on_enter": {"running": "start"}}, start_head=True)
    await hall.tell("state", 8)
    await hall.tell("state", 4)
    assert (await floor.operation(operation))["status"] == "in_progress"


async def test_an_edge_is_one_piece_or_one_command(floor):
    piece = {"device": "laser-1", "input": "tag/gate", "rule": "edge", "report": "quantity_scrap"}
    end = {"device": "laser-1", "input": "tag/door", "rule": "edge", "edge": "falling", "command": "complete"}
    hall = Hall(floor, piece, end)
    operation = await hall.operation()
    for value in (True, False, True, True, "0", 1, "off"):
        await hall.tell("tag/gate", value)
    for value in (1, 1, 0):
        await hall.tell("tag/door", value)
    assert await hall.booked(operation) == [(0, 2, 0)]
    assert (await floor.operation(operation))["status"] == "completed"


async def test_a_gauge_is_shown(floor):
    power = {"device": "laser-1", "topic": "shellies/x/relay/0/power", "path": "a.b[1].c", "rule": "gauge"}
    hall = Hall(floor, power)
    await hall.tell("shellies/x/relay/0/power", {"a": {"b": [0, {"c": 12.5}]}})
    assert (await hall.stands()).tags == {"shellies/x/relay/0/power#a.b[1].c": 12.5}
    with pytest.raises(Invalid, match="nothing stands at"):
        await hall.tell("shellies/x/relay/0/power", {"a": {"b": []}})


async def test_offline_is_bad_until_it_is_back(floor):
    hall = Hall(floor)
    await hall.tell("state", "running")
    await hall.commands.online("laser-1", online=False)
    assert (await hall.stands()).quality == "bad"
    await hall.tell("state", "idle")  # what the broker had kept of it
    stands = await hall.stands()
    assert (stands.state, stands.quality) == ("idle", "bad")
    await hall.commands.online("laser-1", online=True)
    assert (await hall.stands()).quality == "good"


async def test_silence_is_bad(floor):
    hall = Hall(floor, stale_after="10s")
    await hall.tell("state", "running")
    await hall.pass_time(9)
    assert (await hall.stands()).quality == "good"
    await hall.pass_time(2)
    stands = await hall.stands()
    assert (stands.quality, stands.state, hall.link.facts["offline"]) == ("bad", "running", 1)
    await hall.tell("state", "running")
    assert (await hall.stands()).quality == "good"


async def test_a_clock_that_is_far_off_makes_it_uncertain(floor):
    hall = Hall(floor)
    await hall.tell("state", "running", floor.clock.now() - timedelta(hours=1))
    stands = await hall.stands()
    assert (stands.quality, stands.source_timestamp) == ("uncertain", stands.received_at)


@pytest.mark.parametrize(("rebase", "booked"), [(False, 8), (True, 3)])
async def test_pieces_made_while_nobody_heard_it(floor, rebase, booked):
    hall = Hall(floor, {**COUNTER, "rebase": rebase})
    await hall.operation()
    await hall.count(0, 3)
    await hall.commands.online("laser-1", online=False)
    await hall.commands.online("laser-1", online=True)
    await hall.count(8)
    await hall.pass_time(31)
    assert await hall.pieces() == booked


async def test_badges(floor):
    hall = Hall(floor, COUNTER)
    await floor.do("UPDATE profiles SET employee_id = '04A2' WHERE id = ?", floor.ANNA)
    operation = await hall.operation(verb=None)
    await hall.badge("04A2")
    assert (await hall.ask("start", operation_id=operation))[1]["time_entry_id"]
    (entry,) = await floor.entries(operation)
    assert entry["operator_id"] == floor.ANNA
    await floor.clock.advance(11 * 3600)
    await hall.ask("pause")
    await hall.badge("04A2")
    await hall.badge("04A2", on=False)
    with pytest.raises(UnknownBadge) as refused:
        await hall.badge("SECRET-BADGE")
    assert "SECRET" not in refused.value.message
    await floor.do("UPDATE profiles SET active = 0 WHERE id = ?", floor.ANNA)
    with pytest.raises(UnknownBadge):
        await hall.badge("04A2")


async def test_a_badge_is_worth_something_for_a_while(floor):
    hall = Hall(floor, COUNTER)
    await floor.do("UPDATE profiles SET employee_id = '04A2' WHERE id = ?", floor.ANNA)
    first, second = await hall.operation("J-1", verb=None), await hall.operation("J-2", verb=None)
    await hall.badge("04A2")
    await floor.clock.advance(9.9 * 3600)
    await hall.ask("start", operation_id=first)
    await hall.ask("complete")
    await floor.clock.advance(0.2 * 3600)
    await hall.ask("start", operation_id=second)
    assert [len(await floor.entries(one)) for one in (first, second)] == [1, 0]


async def test_who_is_not_in_the_settings_and_who_may_only_read(floor):
    hall = Hall(floor, more=({"id": "board", "cells": ["*"], "role": "reader"},))
    with pytest.raises(UnknownDevice):
        await hall.commands.take(Reading("laser-2", "state", 1))
    with pytest.raises(Forbidden):
        await hall.commands.take(Reading("board", "state", 1))
    with pytest.raises(Invalid, match="tag/x"):
        await hall.tell("tag/x", 1)


async def test_the_machines_of_ones_cells_are_shown(floor):
    hall = Hall(floor)
    await hall.tell("state", "running")
    assert (await floor.get("/api-machines"))["machines"] == []  # this server's settings have none
    assert (await floor.send("GET", "/api-machines?x=1")).status == 422


async def test_a_device_has_been_heard_once_its_value_is_there_to_be_seen(floor):
    """Whoever shows counters looks at the devices that were heard since: a value that waited at the writer is among them."""
    hall, free = Hall(floor), threading.Event()
    before = asyncio.create_task(floor.db.write(lambda _tx: free.wait(10)))
    told = asyncio.create_task(hall.tell("counter/good", 7))
    await asyncio.sleep(0)
    heard_s = hall.commands.heard["laser-1"]
    await floor.clock.advance(2)
    free.set()
    await asyncio.gather(before, told)
    assert hall.commands.heard["laser-1"] == heard_s + 2


async def test_what_the_broker_had_kept_of_a_counter_is_not_where_it_begins_again(floor):
    """After a connect the broker tells the value from before the silence: the pieces made in it would be booked after all."""
    hall = Hall(floor, {**COUNTER, "rebase": True})
    await hall.operation()
    await hall.count(0, 3)
    await hall.commands.online("laser-1", online=False)
    await hall.commands.take(Reading("laser-1", "counter/good", 3, kept=True))
    await hall.count(8, 9)
    await hall.pass_time(31)
    assert await hall.pieces() == 4
