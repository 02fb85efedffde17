"""What other people's clients see: mqtt.js, with MQTT 5 and 3.1.1. And a broker that is away for an hour."""

import asyncio
import contextlib
import json
import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest
from javascript import Script, running
from test_uns_birth import STATUS, alone
from uns_hall import CALLER, HOST, LASER, ROOT, Foreign, Hall, operation, until

from gateway.kernel.clock import ManualClock
from gateway.operations.model import Verb

BEAM, MEMBER = operation(1, "Beam"), operation(1, "Cross member")
CELL = f"{ROOT}/fabrication/laser/_state"
HOUR_S, MINUTE_S = 3_600, 60
AT_ONCE_MAX_S = 5.0  # a booking that waited for the broker would wait for ever


class Client:
    """What it has heard; `states` is what is retained, as far as it was told."""

    def __init__(self, script: Script) -> None:
        self._script = script

    @property
    def heard(self) -> list[dict]:
        return [one for one in self._script.said if "text" in one]

    @property
    def events(self) -> list[dict]:
        return [json.loads(one["text"]) for one in self.heard if '"uns/event/1"' in one["text"]]

    @property
    def states(self) -> dict[str, dict]:
        last = {one["topic"]: one["text"] for one in self.heard if '"uns/event/1"' not in one["text"]}
        return {topic: json.loads(text) for topic, text in last.items() if text}

    def subscriptions(self) -> int:
        return len([one for one in self._script.said if "subscribed" in one])

    async def published(self, topic: str, text: str, *, retain: bool = False) -> int:
        """The reason code that it got."""
        await self._script.tell({"topic": topic, "publish": text, "retain": retain})
        told = await until(lambda: [one for one in self._script.said if one.get("published") == topic])
        return told[-1]["code"]


@contextlib.asynccontextmanager
async def client(port: int, username: str = "", password: str = "", *, version: int = 5):
    script = Path(__file__).parent / "mqtt_client.cjs"
    words = (f"mqtt://{HOST}:{port}", username, password, "somebody", f"{ROOT}/#", str(version))
    async with running(script, *words) as told:
        await until(lambda: [one for one in told.said if "subscribed" in one], "mqtt.js")
        yield Client(told)


@contextlib.asynccontextmanager
async def viewer(hall: Hall, *, version: int = 5):
    address = hall.broker.address("viewer")
    async with client(address.port, address.username, address.password, version=version) as told:
        yield told


@pytest.mark.parametrize("version", [5, 4])
async def test_birth_state_and_events_reach_it_whichever_version_it_speaks(hall, version):
    async with hall.on(), viewer(hall, version=version) as told:
        await until(lambda: CELL in told.states)
        assert told.states[f"{ROOT}/{STATUS}"]["online"] is True
        assert [one["retain"] for one in told.heard if one["topic"] == CELL] == [True]
        await hall.change(Verb.START, BEAM)
        await until(lambda: told.events)
        event = next(one for one in told.heard if '"uns/event/1"' in one["text"])
        await until(lambda: told.states[CELL]["active"])
    assert (event["topic"], event["qos"], event["retain"]) == (f"{ROOT}/fabrication/laser/operation/started", 1, False)
    properties = event["properties"]["userProperties"]
    assert properties == (
        {"event": "operation.started", "schema": "uns/event/1", "source": "gw-test"} if version == 5 else {}
    )
    assert told.events[0]["data"]["operation_id"] == BEAM  # nothing stands in a property alone


async def test_a_viewer_that_writes_is_told_that_he_may_not(hall):
    async with hall.on(), viewer(hall) as told:
        await until(lambda: CELL in told.states)
        assert await told.published(CELL, "{}", retain=True) == 135
        await hall.change(Verb.START, BEAM)
        await until(lambda: told.states[CELL]["active"])


async def test_a_renamed_cell_leaves_nothing_of_its_old_name_behind(hall):
    async with hall.on(), viewer(hall) as told:
        await until(lambda: f"{CELL}/operation/{BEAM}" in told.states)
        await hall.cells.update(LASER, {"name": "Laser 7"}, CALLER, None)
        await until(lambda: f"{ROOT}/fabrication/laser_7/_state/operation/{BEAM}" in told.states)
        await until(lambda: not [topic for topic in told.states if topic.startswith(f"{ROOT}/fabrication/laser/")])


async def test_a_killed_gateways_will_reaches_it(hall, foreign, tmp_path):
    foreign.start("")
    killed = await asyncio.to_thread(
        alone, tmp_path / "alone", {"mode": "external", "host": HOST, "port": foreign.port}
    )
    try:
        async with client(foreign.port) as told:
            await until(lambda: told.states.get(f"{ROOT}/{STATUS}", {}).get("online"))
            killed.kill()
            await until(lambda: told.states[f"{ROOT}/{STATUS}"]["online"] is False)
            assert told.states[f"{ROOT}/{STATUS}"]["reason"] == "connection lost"
    finally:
        killed.kill()
        killed.stdout.close()
        killed.wait()


async def test_after_a_kill_of_the_broker_it_has_all_state_again_by_itself(hall):
    async with hall.on(), viewer(hall) as told:
        await until(lambda: CELL in told.states)
        topics = await hall.retained_topics()
        os.kill(hall.pid(), signal.SIGKILL)
        await hall.change(Verb.START, BEAM)
        told._script.said.clear()
        async with asyncio.timeout(10):
            await until(lambda: topics <= told.states.keys() and told.states[CELL]["active"])


# ------------------------------------------------------------------ an hour away


async def test_a_broker_away_for_an_hour_costs_nothing_and_gives_every_event_once(make_hall, tmp_path):
    clock = ManualClock()
    broker = Foreign(tmp_path / "foreign")
    store = f"persistence true\npersistence_location {broker.folder}/\n"
    broker.start("", more=store)
    hall = make_hall(clock, broker={"mode": "external", "host": HOST, "port": broker.port})
    try:
        async with hall.on(), client(broker.port) as told:
            await hall.change(Verb.START, BEAM)
            await until(lambda: told.events)
            broker.stop(orderly=True)  # it keeps the session, and with it what is wanted
            await until(lambda: hall.link("uns").state == "down")
            for minute in range(HOUR_S // MINUTE_S):
                async with asyncio.timeout(AT_ONCE_MAX_S):
                    await hall.count(BEAM, 1)
                    await hall.change((Verb.PAUSE, Verb.RESUME)[minute % 2], BEAM)
                await clock.advance(MINUTE_S)
            assert hall.link("uns").state == "down"
            broker.start("", more=store)
            await hall.up()
            journal = await hall.journal()
            await until(lambda: told.events[-1]["seq"] == journal[-1][0])
            await until(lambda: told.states[CELL]["held"] == 0 and told.states[CELL]["active"])
            await _in_step(hall, told)
    finally:
        broker.stop()
    by_id: dict[str, dict] = {}
    for one in told.events:  # what came twice, as it was not known to have arrived, has the same id and says the same
        assert by_id.setdefault(one["id"], one)["seq"] == one["seq"]
    events = [*by_id.values()]
    assert [(one["seq"], one["event"]) for one in events] == journal
    assert len(events) > 2 * HOUR_S // MINUTE_S
    assert all(after["prev"] == before["seq"] for before, after in pairwise(events))
    stamps = [one["timestamp"] for one in events]
    assert stamps == sorted(stamps)
    assert stamps[-1] > stamps[0]  # when it happened, not when it was told


async def _in_step(hall: Hall, told: Client) -> None:
    """What is retained is what the database says: no topic more, none less, and the pieces are right."""
    wanted = await hall.retained_topics()
    await until(lambda: wanted == {topic for topic in told.states if "/probe/" not in topic})
    rows = await hall.db.read(
        lambda connection: connection.execute(
            "SELECT o.id, o.status, coalesce(sum(q.quantity_good), 0) AS good FROM operations o "
            "LEFT JOIN operation_quantities q ON q.operation_id = o.id GROUP BY o.id"
        ).fetchall()
    )
    shown = {one["operation_id"]: one for one in told.states.values() if one["schema"] == "uns/operation/1"}
    assert {row["id"]: (row["status"], row["good"]) for row in rows} == {
        name: (one["status"], one["quantity"]["good"]) for name, one in shown.items()
    }
    assert shown[BEAM]["quantity"]["good"] == HOUR_S // MINUTE_S
