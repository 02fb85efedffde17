"""The event stream: journal order, told gaps, what is refused, what is too large, and what the broker's death does to it."""

import asyncio
import json
import os
import signal
from itertools import pairwise

import pytest
from uns_hall import CALLER, EPOCH, LASER, OTTO, ROOT, operation, put, tool, until

from gateway.kernel.clock import SystemClock
from gateway.operations.model import Verb
from gateway.outbox.reader import follow
from gateway.uns import refused
from gateway.uns.payloads import PAYLOAD_BYTES_MAX

PANEL, DOOR = operation(1, "Beam"), operation(1, "Cross member")
STARTED = f"{ROOT}/fabrication/laser/operation/started"
REPORTED = f"{ROOT}/fabrication/laser/production/quantity_reported"


def gaps(events: list) -> list[tuple]:
    """Where an event does not follow the one before it; repeats are dropped by their id first."""
    seen: dict[str, dict] = {}
    for event in events:
        seen.setdefault(event["id"], event)
    ordered = [*seen.values()]
    return [(a["seq"], b["prev"]) for a, b in pairwise(ordered) if b["prev"] != a["seq"]]


async def test_what_was_booked_is_told_in_journal_order_with_its_source_and_the_one_before_it(hall):
    async with hall.on(), hall.ear() as ear:
        await hall.change(Verb.START, PANEL, operator_id=OTTO)
        await hall.count(PANEL, 3)
        await hall.cells.update(LASER, {"description": "row changes without a name use up a seq"}, CALLER, None)
        await hall.change(Verb.COMPLETE, PANEL)
        journal = await hall.journal()
        await until(lambda: len(ear.events) == len(journal))

    assert [(event["seq"], event["event"]) for event in ear.events] == journal
    assert gaps(ear.events) == []
    assert ear.events[-1]["seq"] - ear.events[-1]["prev"] >= 1
    first = ear.events[0]
    assert [*first] == "event timestamp tenant_id data id seq prev epoch source schema".split()
    assert first["event"] == "operation.started"
    assert first["source"] == "gw-test"
    assert first["epoch"] == EPOCH
    assert first["schema"] == "uns/event/1"
    assert first["timestamp"].endswith("Z")
    assert first["data"]["cell_name"] == "Laser"
    assert first["data"]["operator_id"] == OTTO


async def test_an_event_goes_to_its_cells_topic_with_what_a_filter_needs_as_properties(hall):
    async with hall.on(), hall.ear() as ear:
        await hall.change(Verb.START, PANEL)
        await hall.count(PANEL, 1)
        told = await until(lambda: {one.topic: one for one in ear.heard if "schema" in one.text and not one.retained})
        await until(lambda: any(one.topic == REPORTED for one in ear.heard))
        told = {one.topic: one for one in ear.heard}
    assert told[STARTED].properties == {"event": "operation.started", "schema": "uns/event/1", "source": "gw-test"}
    assert told[STARTED].content_type == "application/json"
    assert (told[STARTED].qos, told[STARTED].retained, told[STARTED].expires_s) == (1, False, None)
    assert told[REPORTED].properties["event"] == "production.quantity_reported"


async def test_nobodys_name_is_told_unless_the_owner_says_so(hall):
    async with hall.on(), hall.ear() as ear:
        await hall.change(Verb.START, PANEL, operator_id=OTTO)
        await hall.count(PANEL, 1, recorded_by=OTTO)
        await until(lambda: any(event["event"] == "production.quantity_reported" for event in ear.events))
        assert "Otto" not in "".join(one.text for one in ear.heard)

    async with hall.on(uns={"publish_names": True}), hall.ear() as ear:
        await hall.up()
        await hall.count(PANEL, 1, recorded_by=OTTO)
        await until(lambda: ear.events)
    assert ear.events[-1]["data"]["recorded_by_name"] == "Otto Operator"


async def test_times_are_told_in_seconds_to_those_who_were_written_from_the_samples(hall):
    async with hall.on(compat={"event_time_unit": "seconds"}), hall.ear() as ear:
        await hall.change(Verb.START, PANEL)
        await until(lambda: ear.events)
    assert ear.events[0]["data"]["estimated_time"] == ear.events[0]["data"]["estimated_time_seconds"] == 12 * 60


async def test_what_was_booked_before_the_broker_was_ever_there_is_told_when_it_comes(hall):
    early = asyncio.create_task(hall.new_publisher(hall.broker).run())
    async with asyncio.timeout(10):
        while not await hall.position():
            await asyncio.sleep(0.02)
    await hall.change(Verb.START, PANEL)
    broker = asyncio.create_task(hall.broker.run())
    async with hall.patient_ear() as ear:
        await until(lambda: ear.events)
    for task in (early, broker):
        task.cancel()
    await asyncio.gather(early, broker, return_exceptions=True)
    assert ear.events[0]["data"]["operation_id"] == PANEL


async def test_a_broker_killed_under_load_costs_no_booking_and_whoever_listens_can_name_what_he_missed(hall):
    loop = asyncio.get_running_loop()
    async with hall.on():
        await hall.change(Verb.START, PANEL)
        async with hall.ear() as before:
            booking = asyncio.create_task(_book(hall, 200))
            await until(lambda: len(before.events) > 20)
            killed_s = loop.time()
            os.kill(hall.pid(), signal.SIGKILL)
            await booking  # the broker's death is nobody's business here
        async with hall.patient_ear() as after:
            cell = await until(lambda: after.state("fabrication/laser/_state"))
            assert loop.time() - killed_s < 10
            assert [one["operation_id"] for one in cell["active"]] == [PANEL]
            await hall.count(PANEL, 1)  # whatever came while nobody was there: this one tells that it did
            journal = await hall.journal()
            await until(lambda: after.events and after.events[-1]["seq"] == journal[-1][0])
            await _drained(hall)
    told = {event["seq"]: event for event in [*before.events, *after.events]}
    ordered = [told[seq] for seq in sorted(told)]
    named = {range(seq + 1, prev + 1) for seq, prev in gaps(ordered)}
    missed = {seq for seq, _ in journal if seq > ordered[0]["seq"]} - told.keys()
    assert len(journal) > 200
    assert all(any(seq in gap for gap in named) for seq in missed)
    assert all(any(seq in gap for seq in missed) for gap in named)


async def _book(hall, count: int) -> None:
    for _ in range(count):
        await hall.count(PANEL, 1)


async def _drained(hall) -> None:
    async with asyncio.timeout(20):
        while (at := await hall.position())["position"] < at["head"]:
            await asyncio.sleep(0.02)


async def test_a_listener_with_a_session_gets_every_event_across_restarts_of_the_gateways_side(hall):
    """At least once: a repeat has the same id, and after dropping repeats there is no gap."""
    async with hall.on(), hall.ear() as ear:
        await hall.change(Verb.START, PANEL)
        for _ in range(4):
            await _book(hall, 10)
            hall.link("uns").down("restarting")
            await ear.client.publish(f"{ROOT}/nothing", "{}")  # refused: he may only read
            other = hall.new_publisher(hall.broker)
            taking_over = asyncio.create_task(other.run())  # the same client id: the broker ends the first connection
            await until(lambda: hall.link("uns").state == "up")
            taking_over.cancel()
            await asyncio.gather(taking_over, return_exceptions=True)
            await hall.up()
        await _drained(hall)
        journal = await hall.journal()
        await until(lambda: {event["seq"] for event in ear.events} == {seq for seq, _ in journal})
    assert gaps(sorted(ear.events, key=lambda event: event["seq"])) == []


async def test_a_reader_that_is_told_to_stop_at_the_moment_of_a_commit_stops(db):
    async def pass_by(entries) -> None:
        pass

    for _ in range(5):
        reading = asyncio.create_task(follow("test", db, SystemClock(), pass_by))
        await until(lambda: db.commits._waiting)
        db.commits.happened()
        reading.cancel()
        done, _ = await asyncio.wait({reading}, timeout=2)
        assert done


# ------------------------------------------------------------------ refused

DENY_STARTED = f"topic readwrite {ROOT}/#\ntopic read $SYS/#\ntopic deny {STARTED}\n"


@pytest.fixture
async def denying(hall, foreign, monkeypatch):
    """The hall on a broker that throws away what happens at one topic."""
    monkeypatch.setattr(refused, "AGAIN_S", 0.05)
    foreign.start(DENY_STARTED)
    hall.given["broker"] = {"mode": "external", "host": "127.0.0.1", "port": foreign.port}
    async with hall.on(), hall.ear() as ear:
        await hall.up()
        yield ear


async def test_a_denied_publish_is_noticed_counted_and_passed_by(hall, denying, capsys):
    await hall.change(Verb.START, PANEL)
    await hall.change(Verb.PAUSE, PANEL)
    await hall.change(Verb.START, DOOR)
    await until(lambda: hall.link("uns").facts["refused"] == 2)
    await _drained(hall)

    heard = {event["seq"] for event in denying.events}
    missed = {seq for seq, kind in await hall.journal() if kind == "operation.started"}
    assert {seq for seq, _ in await hall.journal()} - heard == missed
    assert {event["prev"] for event in denying.events} >= missed  # whoever listens can name what he did not get
    assert (await hall.position())["skipped"] == 2
    assert hall.link("uns").state == "degraded"
    assert STARTED in hall.link("uns").error
    assert capsys.readouterr().out.count("uns.refused") == 1


async def test_a_place_that_lets_us_in_again_is_forgiven(hall, denying, foreign):
    await hall.change(Verb.START, PANEL)
    await until(lambda: hall.link("uns").state == "degraded")
    foreign.allow(f"topic readwrite {ROOT}/#\ntopic read $SYS/#\n")
    await asyncio.sleep(0.2)
    await hall.change(Verb.START, DOOR)
    await until(lambda: [one for one in denying.events if one["data"].get("operation_id") == DOOR])
    await until(lambda: hall.link("uns").state == "up")


# ------------------------------------------------------------------ too large


async def test_an_event_too_large_to_be_sent_is_told_shortened_and_says_so(hall, db):
    await db.write(
        _event, "scrap.told", {"cell_id": LASER, "customer": "ü" * 300_000, "job_id": "j", "list": ["x"] * 5}
    )
    async with hall.on(), hall.ear() as ear:
        await hall.up()
        await db.write(
            _event, "note.left", {"cell_id": LASER, "notes": "ü" * 300_000, "list": [{"a": "y" * 2000}] * 9000}
        )
        await hall.change(Verb.START, PANEL)
        await until(lambda: len(ear.events) >= 2)
    note = next(one for one in ear.heard if one.topic.endswith("note/left"))
    assert len(note.text.encode()) <= PAYLOAD_BYTES_MAX
    assert note.payload["truncated"] is True
    assert note.payload["data"]["cell_id"] == LASER
    assert note.payload["data"]["notes"] == "ü" * len(note.payload["data"]["notes"])
    assert gaps(ear.events) == []


@pytest.mark.parametrize("limit", ["max_packet_size 20000", "message_size_limit 20000"])
async def test_a_broker_that_takes_less_than_we_send_gets_the_rest_and_the_event_is_counted(hall, db, foreign, limit):
    """The first limit is told at the connect; the second is not, and Mosquitto ends the connection at it."""
    foreign.start("", more=limit)
    hall.given["broker"] = {"mode": "external", "host": "127.0.0.1", "port": foreign.port}
    async with hall.on(), hall.ear() as ear:
        await db.write(_event, "note.left", {"cell_id": LASER, "notes": "x" * 50_000})
        await hall.change(Verb.START, PANEL)
        await until(lambda: ear.events)
        await _drained(hall)
        assert hall.link("uns").facts["refused"] == 1
        assert (await hall.position())["skipped"] == 1


def _event(tx, kind: str, data: dict) -> None:
    row = ("id-" + kind, kind, f"cells:{LASER}", "a", "gw-test", "2026-11-02T07:00:00+00:00", json.dumps(data))
    tx.execute(
        "INSERT INTO events (id, type, lane, aggregate, origin, occurred_at, recorded_at, clock_trusted, data, changes) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 1, ?7, '[]')",
        row,
    )


# ------------------------------------------------------------------ other eyes


async def test_a_plain_command_line_client_sees_the_same(hall):
    async with hall.on():
        await hall.up()
        password = hall.broker.address("viewer").password
        port = hall.broker.address().port
        topic = f"{ROOT}/+/+/operation/#"
        seeing = asyncio.create_task(
            asyncio.to_thread(tool, "mosquitto_sub", port, "-t", topic, "-C", "1", "-W", "10", "-v", password=password)
        )
        await asyncio.sleep(0.5)
        await hall.change(Verb.START, PANEL)
        printed = await seeing
    assert printed.startswith(f"{STARTED} {{")


async def test_topics_as_todays_cloud_makes_them(hall, db):
    await put(db, {"cells": [{"id": LASER, "name": "Laser 1 (Nord)", "sequence": 1}]})
    async with hall.on(compat={"topic": "upstream"}), hall.ear() as ear:
        await hall.up()
        await db.write(_event, "sync.jobs.completed", {"cell_id": LASER})
        await hall.cells.update(LASER, {"description": "wakes the readers"}, CALLER, None)
        await until(lambda: ear.events)
    assert [one.topic for one in ear.heard if "event" in one.properties] == [
        f"{ROOT}/fabrication/laser_1_nord/sync/jobs.completed"
    ]
