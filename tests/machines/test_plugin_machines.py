"""What plugins hand over follows the rules of MQTT devices: once, by name, and never what its source does not believe."""

from datetime import timedelta

import pytest
from little_room import leave
from machine_hall import COUNTER, STATES, Hall

from gateway.kernel.db import Database
from gateway.kernel.errors import Forbidden, Invalid, StorageFull, UnknownDevice
from gateway.plugin_api.readings import Reading
from gateway.plugin_host.machines import LocalMachines, speaking_over

EDGE = {"device": "laser-1", "input": "tag/bad", "rule": "edge", "report": "quantity_scrap"}
STATE = {"device": "laser-1", "input": "state", "rule": "state_map", "map": STATES, "on_enter": {"fault": "pause"}}


def port(hall: Hall) -> LocalMachines:
    return speaking_over(hall.commands, hall.floor.clock, "modbus")


def said(input_: str, value, **more) -> Reading:
    return Reading("laser-1", input_, value, **more)


async def codes(machines: LocalMachines, *readings: Reading) -> list[str]:
    return [refusal.code for one in readings for refusal in await machines.take(one)]


async def test_counters_states_cycles_and_badges_are_taken_as_from_mqtt(floor):
    hall = Hall(floor, COUNTER, STATE)
    operation = await hall.operation()
    await floor.db.write(lambda tx: tx.execute("UPDATE profiles SET employee_id = '4711' WHERE username = 'anna'"))
    machines = port(hall)
    told = (said("badge", 4711), said("counter/good", 5), said("counter/good", "8"), said("state", 4.0))
    assert await codes(machines, *told, said("cycle", {"id": "c-1", "scrap": 2})) == []
    await hall.pass_time(60)
    assert sorted(await hall.booked(operation)) == [(0, 2, 0), (3, 0, 0)]
    rows = await floor.query("SELECT DISTINCT json_extract(metadata, '$.cause'), recorded_by FROM operation_quantities")
    assert [tuple(row) for row in rows] == [("modbus:laser-1", floor.ANNA)]
    assert (await hall.stands()).state == "running"
    assert await codes(machines, said("badge", {"badge": "4711", "on": False}), said("state", 8)) == []
    assert (await floor.get(f"/api-operations?id={operation}"))["operation"]["status"] == "on_hold"


async def test_the_same_id_is_booked_once_also_after_a_restart_and_an_hour_later(floor):
    """A counter that is told again from long ago would otherwise look like one that began anew."""
    hall = Hall(floor, COUNTER, EDGE)
    await hall.operation()
    began = floor.clock.now() - timedelta(hours=1)
    story = [
        said(name, value, at=began + timedelta(minutes=minute), id=f"1:{minute}")
        for minute, (name, value) in enumerate(
            [("counter/good", 100), ("tag/bad", 0), ("counter/good", 110), ("tag/bad", 1), ("counter/good", 120)]
        )
    ]
    for _ in range(3):
        assert await codes(port(hall), *story) == []
        hall.restart()
    await hall.pass_time(60)
    assert sorted(await hall.booked()) == [(0, 1, 0), (20, 0, 0)]


async def test_a_badge_that_is_told_again_does_not_log_on_again(floor):
    """A reader that shows the last badge for ever, and somebody who has left since."""
    hall = Hall(floor)
    await floor.db.write(lambda tx: tx.execute("UPDATE profiles SET employee_id = '4711' WHERE username = 'anna'"))
    held = said("badge", "4711", id="1")
    assert await codes(port(hall), held, said("badge", {"badge": "4711", "on": False}, id="2")) == []
    await hall.pass_time(60)
    assert await codes(port(hall), held) == []
    assert await floor.query("SELECT 1 FROM machine_badges") == []


async def test_ids_are_kept_for_what_changes_work_alone(floor):
    """A card wears: what only shows how something stands needs no receipt."""
    gauge = {"device": "laser-1", "input": "tag/load", "rule": "gauge"}
    hall = Hall(floor, COUNTER, STATE, gauge)
    before = len(await floor.query("SELECT 1 FROM receipts"))
    shown = (said("tag/load", 1.5, id="1"), said("state", 1, id="2"), said("counter/other", 3, id="3"))
    assert await codes(port(hall), *shown, said("counter/good", 1, id="4")) == []
    assert len(await floor.query("SELECT 1 FROM receipts")) == before + 1


async def test_a_bad_value_is_not_booked_and_its_state_is_unknown(floor):
    rebased = {**COUNTER, "rebase": True}
    hall = Hall(floor, rebased, STATE)
    await hall.operation()
    machines = port(hall)
    assert await codes(machines, said("counter/good", 5), said("state", 4)) == []
    bad = (
        said("counter/good", 300, quality="bad"),
        said("state", None, quality="bad"),
        said("badge", 1, quality="bad"),
    )
    assert await codes(machines, *bad, said("cycle", 5, quality="bad")) == []
    assert (await hall.stands()).state == "unknown"
    assert await codes(machines, said("counter/good", 9, quality="uncertain"), said("counter/good", 10)) == []
    await hall.pass_time(60)
    assert await hall.booked() == [(1, 0, 0)], "after a bad value a counter with `rebase` begins anew"


async def test_what_is_uncertain_is_booked_and_said(floor):
    hall = Hall(floor, COUNTER)
    machines = port(hall)
    await codes(machines, said("counter/good", 5, quality="uncertain"))
    assert (await hall.stands()).quality == "uncertain"
    await codes(machines, said("counter/good", 5))
    assert (await hall.stands()).quality == "good"


async def test_refusals_come_back_by_name(floor):
    hall = Hall(floor, COUNTER, more=({"id": "panel", "cells": ["Laser"], "role": "reader"},))
    machines = port(hall)
    assert await codes(machines, said("counter/good", 5), said("counter/good", 5_000)) == ["COUNTER_JUMP"]
    assert await codes(machines, said("counter/good", "many")) == ["VALIDATION_ERROR"]
    assert await codes(machines, said("tag/door", 1)) == ["VALIDATION_ERROR"]
    assert await codes(machines, said("cycle", 1)) == ["VALIDATION_ERROR"], "without an id"
    assert await codes(machines, Reading("laser-9", "state", 1)) == ["UNKNOWN_DEVICE"]
    (refusal,) = await machines.take(said("badge", "4711"))
    assert (refusal.code, "4711" in refusal.message) == ("UNKNOWN_BADGE", False)
    assert await codes(machines, said("badge", ["4711"])) == ["VALIDATION_ERROR"]
    assert await codes(machines, Reading("panel", "state", 1)) == ["FORBIDDEN"]


@pytest.mark.parametrize(
    ("device", "input_", "kind"),
    [("laser-9", "state", UnknownDevice), ("laser-1", "tag/door", Invalid), ("panel", "state", Forbidden)],
)
async def test_what_says_nothing_is_known_beforehand(floor, device, input_, kind):
    hall = Hall(floor, COUNTER, more=({"id": "panel", "cells": ["Laser"], "role": "reader"},))
    port(hall).require("laser-1", ["state", "counter/good", "counter/any", "cycle", "badge"])
    with pytest.raises(kind):
        port(hall).require(device, [input_])


async def test_while_the_disk_takes_nothing_a_reading_waits(floor, monkeypatch):
    hall = Hall(floor, COUNTER)
    machines = port(hall)
    write, tries = Database.write, []

    async def full(db, *given):
        tries.append(given[0].__name__)
        if len(tries) < 3:
            raise StorageFull("no space")
        return await write(db, *given)

    monkeypatch.setattr(Database, "write", full)
    monkeypatch.setattr("gateway.plugin_host.machines.AGAIN_S", 0)
    monkeypatch.setattr(floor.clock, "sleep", _no_time)
    assert await codes(machines, said("counter/good", 5)) == []
    assert len(tries) == 3
    assert (await hall.stands()).counters == {"good": 5}


async def test_as_the_disk_fills_up_what_only_shows_is_refused_and_what_counts_is_booked(floor, monkeypatch):
    hall = Hall(floor, COUNTER)
    machines = port(hall)
    leave(monkeypatch, 200)
    assert await codes(machines, said("state", "running")) == ["INSUFFICIENT_STORAGE"]
    assert await codes(machines, said("counter/good", 5), said("badge", {"badge": "1", "on": False})) in (
        [],
        ["UNKNOWN_BADGE"],
    )
    assert (await hall.stands()).counters == {"good": 5}
    monkeypatch.undo()
    assert await codes(machines, said("state", "running")) == []
    assert (await hall.stands()).state == "running"


async def test_a_state_that_moves_an_operation_is_a_booking(floor, monkeypatch):
    hall = Hall(floor, STATE)
    leave(monkeypatch, 100)
    assert await codes(port(hall), said("state", 8)) == []
    assert (await hall.stands()).state != "unknown"


async def _no_time(_delay_s: float) -> None:
    return None


async def test_a_machine_that_is_reached_is_not_silent_and_one_that_is_not_is_bad(floor):
    hall = Hall(floor, COUNTER)
    machines = port(hall)
    await codes(machines, said("counter/good", 5))
    for _ in range(10):
        await hall.pass_time(20)
        await machines.online("laser-1", online=True)
    await hall.watch.look()
    assert (await hall.stands()).quality == "good"
    await machines.online("laser-1", online=False)
    assert (await hall.stands()).quality == "bad"
    await machines.online("laser-1", online=True)
    assert (await hall.stands()).quality == "good"
    written = len(await floor.query("SELECT 1 FROM events"))
    commits = floor.db.commits.count
    await machines.online("laser-1", online=True)
    assert (len(await floor.query("SELECT 1 FROM events")), floor.db.commits.count) == (written, commits)
