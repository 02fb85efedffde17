"""What machines say, over a real Mosquitto: booked once, shown to everybody, refused by name; nobody waits for another."""

import asyncio
import hashlib

import pytest
from devices import BEAM, UNS, booked, errors, eventually, rows, speaking, status
from uns_hall import ROOT, Foreign, until

from gateway.kernel.errors import Busy
from gateway.machines.commands import MachineCommands
from gateway.operations.model import Verb
from gateway.uns.client import Session

CELL = "fabrication/laser/_state"
MACHINE = f"{CELL}/machine/laser-1"
JOB = "_dev/laser-1/job"


@pytest.fixture
async def floor(make_hall):
    hall = make_hall(uns=UNS)
    async with hall.on():
        yield hall


async def test_a_state_is_shown_in_the_cell_and_at_the_machine(floor):
    async with speaking(floor) as laser, floor.ear() as ear:
        before = await until(lambda: ear.state(MACHINE))
        await laser.say("in/state", "4", retain=True)
        await until(lambda: ear.of(MACHINE, "state") == "running")
        await until(lambda: ear.of(CELL, "machine") == {"laser-1": "running", "laser-2": "unknown"})
        await laser.say("in/counter/scrap", {"v": 12})
        await until(lambda: ear.of(MACHINE, "counters") == {"scrap": 12})
        shown = ear.state(MACHINE)
    assert (before["state"], before["quality"], before["counters"]) == ("unknown", "bad", {})
    assert (shown["schema"], shown["device"], shown["raw"], shown["quality"]) == ("uns/machine/1", "laser-1", 4, "good")
    assert shown["since"].endswith("Z")
    assert list(shown)[:3] == ["schema", "timestamp", "source_timestamp"]


async def test_a_device_that_is_gone_leaves_its_state_with_a_bad_quality(floor):
    async with speaking(floor) as laser, floor.ear() as ear:
        await laser.say("in/state", "running 4".split()[1])
        await until(lambda: ear.of(MACHINE, "state") == "running")
        await laser.say("status", {"online": False}, retain=True)
        await until(lambda: ear.of(MACHINE, "quality") == "bad")
        assert ear.of(MACHINE, "state") == "running"
        await laser.say("status", {"online": True}, retain=True)
        await until(lambda: ear.of(MACHINE, "quality") == "good")


async def test_a_device_reads_what_it_is_to_make_now(floor):
    async with floor.ear() as ear:
        nothing = await until(lambda: ear.state(JOB))
        await floor.change(Verb.START, BEAM)
        await until(lambda: ear.of(JOB, "op") == BEAM)
        await floor.count(BEAM, 3, quantity_produced=4, quantity_scrap=1)
        await until(lambda: (ear.of(JOB, "good"), ear.of(JOB, "scrap")) == (3, 1))
        something = ear.state(JOB)
        await floor.change(Verb.COMPLETE, BEAM)
        await until(lambda: ear.of(JOB, "op") is None)
    assert set(nothing) == set(something) == {
        "schema", "ts", "op", "job", "part", "name", "status", "planned", "good", "scrap", "program",
    }  # fmt: skip
    assert {name for name, value in nothing.items() if value is not None} == {"schema", "ts"}
    assert (something["schema"], something["status"], something["planned"]) == ("uns/devjob/1", "in_progress", 6)


async def test_a_device_that_is_taken_out_of_the_settings_leaves_nothing_behind(make_hall):
    topics = {f"{ROOT}/{MACHINE}", f"{ROOT}/{JOB}"}
    hall = make_hall(uns=UNS)
    async with hall.on():
        assert topics <= await hall.retained_topics()
    fewer = {"device": UNS["device"][1:], "mapping": UNS["mapping"][4:]}
    async with hall.on(uns=fewer), hall.ear() as ear:
        await until(lambda: f"{ROOT}/_dev/press-1/job" in ear.states)
        assert not topics & await hall.retained_topics()
        assert not topics & ear.states.keys()


async def test_pieces_that_were_counted_are_booked_before_the_operation_ends(floor):
    async with speaking(floor) as laser:
        await floor.change(Verb.START, BEAM)
        for value in (100, 104, 104, 107):
            await laser.say("in/counter/good", value, retain=True)
        await laser.ask("active")  # behind them
        await floor.change(Verb.COMPLETE, BEAM)
    assert (await booked(floor, BEAM), await status(floor, BEAM)) == (7, "completed")


async def test_a_cycle_counts_once_however_often_it_is_sent(floor):
    async with speaking(floor) as laser:
        await floor.change(Verb.START, BEAM)
        for _ in range(3):
            await laser.say("in/cycle", {"id": "c-1", "scrap": 2})
        await laser.say("in/cycle", {"id": "c-2", "scrap": 1})
        await laser.ask("active")
        await floor.change(Verb.COMPLETE, BEAM)
    assert await rows(floor, "SELECT sum(quantity_scrap) FROM operation_quantities") == [(3,)]


async def test_equipment_with_topics_of_its_own_is_heard(floor):
    async with speaking(floor, "meter-1") as meter:
        await meter.client.publish("shellies/x/relay/0/power", '{"a":{"b":[{"c":17.5}]}}', qos=1)
        await eventually(
            lambda: rows(floor, "SELECT 1 FROM machine_values WHERE device = 'meter-1' AND value = '17.5'")
        )


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("device", "rest", "payload", "code"),
    [
        ("laser-1", "in/counter/good", "many", "MALFORMED_PAYLOAD"),
        ("laser-1", "in/counter/good", '"04A2"', "VALIDATION_ERROR"),
        ("laser-1", "in/weather", "1", "NOT_FOUND"),
        ("laser-1", "in/badge", '{"badge":"04A2"}', "UNKNOWN_BADGE"),
        ("laser-1", "in/cycle", '{"good":"04A2","id":"x"}', "VALIDATION_ERROR"),
        ("stranger", "in/state", "04A2", "UNKNOWN_DEVICE"),
    ],
)
async def test_what_is_wrong_is_told_by_name_and_never_repeated(floor, device, rest, payload, code):
    async with speaking(floor, device) as sender, floor.ear() as ear:
        await sender.say(rest, payload)
        (told,) = await errors(ear, device)
    assert (told["schema"], told["code"], told["topic"], told["count"]) == ("uns/error/1", code, sender.topic(rest), 1)
    assert told["payload_sha256"] == hashlib.sha256(payload.encode()).hexdigest()
    assert "04A2" not in told["message"]
    facts = floor.link("uns").facts
    assert (facts["inbound_rejected"], facts["last_rejected"]["code"]) == (1, code)
    assert "04A2" not in str(facts)


async def test_a_field_that_is_missing_and_one_that_nobody_knows_are_told_apart(floor):
    async with speaking(floor) as laser, speaking(floor, "press-1") as press, floor.ear() as ear:
        await laser.say("in/cycle", {"good": 2})
        await press.ask("report", goood=2)
        told = [*await errors(ear, "laser-1"), *await errors(ear, "press-1")]
    assert [one["message"] for one in told] == ["id: is missing", "goood: not known here"]


async def test_a_request_of_a_stranger_is_answered_in_his_own_place(floor):
    async with speaking(floor, "stranger") as sender:
        answer = await sender.ask("start", operation_id=BEAM)
    assert (answer["status"], answer["error"]["code"]) == (404, "UNKNOWN_DEVICE")
    assert await status(floor, BEAM) == "not_started"


async def test_a_jump_of_a_counter_is_told_although_the_message_is_taken(floor):
    async with speaking(floor) as laser, floor.ear() as ear:
        await floor.change(Verb.START, BEAM)
        await laser.say("in/counter/good", 1)
        await laser.say("in/counter/good", 9_999)
        (told,) = await errors(ear, "laser-1")
    assert told["code"] == "COUNTER_JUMP"


async def test_a_device_that_is_too_fast_is_told_so_and_its_newest_counter_counts(make_hall):
    slow = {**UNS, "device": [{**UNS["device"][0], "rate_per_s": 2}, *UNS["device"][1:]]}
    hall = make_hall(uns=slow)
    async with hall.on(), speaking(hall) as laser, hall.ear() as ear:
        await hall.change(Verb.START, BEAM)
        for value in range(60):
            await laser.say("in/counter/good", value)
        for number in range(20):
            await laser.say("in/cycle", {"id": f"c-{number}", "scrap": 1})
        told = await errors(ear, "laser-1")
        await eventually(
            lambda: rows(hall, "SELECT 1 FROM machine_values WHERE input LIKE 'counter/good%' AND value = '59'")
        )
    assert told[0]["code"] == "RATE_LIMIT_EXCEEDED"


# ------------------------------------------------------------------ once, whatever happens


async def test_what_was_never_acknowledged_comes_again_and_counts_once(make_hall, foreign: Foreign, monkeypatch):
    """The gateway is gone between the booking and its acknowledgement."""
    foreign.start("", "persistence true\n")
    hall = make_hall(uns=UNS, broker={"mode": "external", "port": foreign.port, "host": "127.0.0.1"})
    real, heard = Session.acknowledge, []

    def forgotten(self, packet):
        heard.append(packet.payload)

    monkeypatch.setattr(Session, "acknowledge", forgotten)
    async with hall.on():
        await hall.change(Verb.START, BEAM)
        async with speaking(hall) as laser:
            await laser.say("in/counter/good", 10)
            await laser.say("in/counter/good", 14)
            await laser.say("in/cycle", {"id": "c-1", "scrap": 2})
            await laser.ask("report", "r-1", rework=1)
    assert heard.count(b"14") == 1
    monkeypatch.setattr(Session, "acknowledge", real)
    again = []
    monkeypatch.setattr(Session, "acknowledge", lambda self, packet: (again.append(packet.payload), real(self, packet)))
    async with hall.on():
        async with speaking(hall) as laser:
            await until(lambda: b"14" in again and b'{"id": "c-1", "scrap": 2}' in again)
            assert (await laser.ask("report", "r-1", rework=1))["replayed"]
        await hall.change(Verb.COMPLETE, BEAM)
    assert await booked(hall, BEAM) == 4
    counted = await rows(hall, "SELECT sum(quantity_scrap), sum(quantity_rework) FROM operation_quantities")
    assert counted == [(2, 1)]


async def test_what_waited_at_the_broker_is_taken_whole_but_old_requests_are_not_done(make_hall, foreign: Foreign):
    foreign.start("", "persistence true\nmax_queued_messages 10000\n")
    hall = make_hall(uns=UNS, broker={"mode": "external", "port": foreign.port, "host": "127.0.0.1"})
    async with hall.on():
        await hall.change(Verb.START, BEAM)
    async with speaking(hall) as laser, speaking(hall, "press-1") as press:
        for number in range(300):  # three times what may be sent at once
            await laser.say("in/cycle", {"id": f"c-{number}", "scrap": 1})
        await laser.say("cmd/report", {"request_id": "old", "good": 1})
        await laser.say("cmd/report", {"request_id": "good", "good": 1, "expires_at": "2099-01-01T00:00:00Z"})
        await press.say("cmd/queue", {"request_id": "p"})
        async with hall.on():
            await until(lambda: len(laser.answers) == 2 and press.answers)
            await laser.ask("complete", "live")
    found = {one["request_id"]: (one["ok"], one["status"]) for one in (*laser.answers, *press.answers)}
    assert found == {"old": (False, 408), "good": (True, 201), "p": (True, 200), "live": (True, 200)}
    counted = await rows(hall, "SELECT sum(quantity_good), sum(quantity_scrap) FROM operation_quantities")
    assert counted == [(1, 300)]


async def test_a_full_write_queue_is_waited_for_and_nothing_is_lost(floor, monkeypatch):
    real, refused = MachineCommands.take, []

    async def take(self, reading):
        if len(refused) < 3:
            refused.append(reading)
            raise Busy("the write queue is full")
        return await real(self, reading)

    monkeypatch.setattr(MachineCommands, "take", take)
    async with speaking(floor) as laser, floor.ear() as ear:
        await laser.say("in/state", "1")
        await laser.say("in/state", "4")
        await until(lambda: ear.of(MACHINE, "state") == "running")
    assert [one.value for one in refused] == [1, 1, 1]
    assert floor.link("uns").facts["inbound_rejected"] == 0


async def test_a_device_that_is_stuck_holds_up_no_other(floor, monkeypatch):
    real, free = MachineCommands.take, asyncio.Event()

    async def take(self, reading):
        if reading.device == "laser-1":
            await free.wait()
        return await real(self, reading)

    monkeypatch.setattr(MachineCommands, "take", take)
    async with speaking(floor) as laser, speaking(floor, "press-1") as press:
        for value in range(50):
            await laser.say("in/counter/good", value)
        assert (await press.ask("queue"))["ok"]
        assert not await rows(floor, "SELECT 1 FROM machine_values WHERE device = 'laser-1'")
        free.set()
        await eventually(lambda: rows(floor, "SELECT 1 FROM machine_values WHERE device = 'laser-1' AND value = '49'"))


async def test_a_defect_of_ours_costs_one_message(floor, monkeypatch):
    real = MachineCommands.take

    async def take(self, reading):
        if reading.value == 8:
            raise ZeroDivisionError
        return await real(self, reading)

    monkeypatch.setattr(MachineCommands, "take", take)
    async with speaking(floor) as laser, floor.ear() as ear:
        await laser.say("in/state", "8")
        await laser.say("in/state", "4")
        await until(lambda: ear.of(MACHINE, "state") == "running")
        (told,) = await errors(ear, "laser-1")
    assert told["code"] == "INTERNAL_ERROR"
