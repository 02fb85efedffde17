"""The edge node on a real Mosquitto, heard by a host that is made of other people's libraries."""

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path

import pytest
from javascript import running
from test_uns_birth import alone
from uns_hall import CALLER, HOST, LASER, OTTO, operation, until

from gateway.machines.commands import MachineCommands
from gateway.machines.model import Reading
from gateway.machines.registry import machines
from gateway.operations.model import Verb
from gateway.sparkplug import node
from gateway.sparkplug.metrics import REBIRTH

BEAM = operation(1, "Beam")
ON = {"enabled": True, "group": "Plant 1"}
NCMD = "spBv1.0/Plant 1/NCMD/gw-test"
STATE = "spBv1.0/STATE/scada"
CELL_METRICS = {
    "Job/Number", "Job/Part", "Operation/Name", "Operation/Status", "Machine/State",
    "Quantity/Planned", "Quantity/Good", "Quantity/Scrap", "Queue/Length",
}  # fmt: skip
WANTS_REBIRTH = {"timestamp": 1, "metrics": [{"name": REBIRTH, "type": "Boolean", "value": True}]}


class Host:
    """What the host application has heard."""

    def __init__(self, script) -> None:
        self._script = script

    @property
    def heard(self) -> list[dict]:
        return [one for one in self._script.said if "kind" in one]

    def of(self, kind: str, device: str | None = None) -> list[dict]:
        return [one for one in self.heard if one["kind"] == kind and (device is None or one["device"] == device)]

    def values(self, device: str) -> dict:
        """Its tags: every metric as it was told last."""
        told = [one for one in self.heard if one["device"] == device and one["kind"] in ("DBIRTH", "DDATA")]
        return {metric["name"]: metric["value"] for one in told for metric in one["metrics"]}

    def forget(self) -> None:
        self._script.said.clear()

    async def rebirth(self) -> None:
        await self._script.tell({"topic": NCMD, "command": WANTS_REBIRTH})

    async def says(self, text: str, topic: str = STATE, *, retain: bool = True) -> None:
        await self._script.tell({"topic": topic, "publish": text, "retain": retain})


@contextlib.asynccontextmanager
async def host(hall):
    """As our own user: it may write."""
    address = hall.broker.address()
    script = Path(__file__).parent / "sparkplug_host.cjs"
    url = f"mqtt://{HOST}:{address.port}"
    async with running(script, url, address.username, address.password) as told:
        await until(lambda: {"subscribed": True} in told.said, "the host")
        yield Host(told)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(node, "COALESCE_S", 0.05)


def bdseq(message: dict) -> int:
    return next(metric["value"] for metric in message["metrics"] if metric["name"] == "bdSeq")


async def up(hall) -> None:
    await until(lambda: hall.link("sparkplug").state == "up", "the node's birth")


async def reborn(heard: Host) -> dict:
    """Ask for everything; the node's birth."""
    heard.forget()
    await heard.rebirth()
    await until(lambda: heard.of("DBIRTH", "welding"))
    return heard.of("NBIRTH")[0]


# ------------------------------------------------------------------ births and data


async def test_a_host_makes_its_tags_of_the_births_and_sees_what_changes_in_one_sequence(hall):
    async with hall.on(sparkplug=ON):
        await up(hall)
        async with host(hall) as heard:
            birth = await reborn(heard)
            told = {metric["name"]: metric["value"] for metric in birth["metrics"]}
            assert told == {"bdSeq": 0, REBIRTH: False, "Properties/Version": "0.1.0"}
            assert {one["device"] for one in heard.of("DBIRTH")} == set(await _slugs(hall))
            for one in heard.of("DBIRTH"):
                assert {metric["name"] for metric in one["metrics"]} == CELL_METRICS
            assert heard.values("laser")["Job/Number"] is None

            await hall.change(Verb.START, BEAM, operator_id=OTTO)
            await until(lambda: heard.values("laser")["Operation/Status"] == "in_progress")
            await asyncio.gather(*(hall.count(BEAM, 1) for _ in range(30)))
            await until(lambda: heard.values("laser")["Quantity/Good"] == 30)
            assert heard.values("laser") == {
                "Job/Number": "JOB-2601",
                "Job/Part": "JOB-2601-01",
                "Operation/Name": "Laser cutting",
                "Operation/Status": "in_progress",
                "Quantity/Planned": 6,
                "Quantity/Good": 30,
                "Quantity/Scrap": 0,
                "Queue/Length": 4,
                "Machine/State": None,
            }
            assert len(heard.of("DDATA")) < 10
            assert {metric["name"] for metric in heard.of("DDATA")[-1]["metrics"]} == {"Quantity/Good"}
            assert [one["seq"] for one in heard.heard] == [*range(len(heard.heard))]
            assert {(one["qos"], one["retain"]) for one in heard.heard} == {(0, False)}
            assert {one["group"] for one in heard.heard} == {"Plant 1"}
            assert {one["node"] for one in heard.heard} == {"gw-test"}


async def test_a_rebirth_is_the_same_session_and_many_wishes_are_one(hall):
    async with hall.on(sparkplug=ON):
        await up(hall)
        async with host(hall) as heard:
            for _ in range(20):
                await heard.rebirth()
            await until(lambda: heard.of("DBIRTH", "welding"))
            await hall.count(BEAM, 1)
            await asyncio.sleep(0.3)
            births = heard.of("NBIRTH")
            assert len(births) < 5
            assert {(one["seq"], bdseq(one)) for one in births} == {(0, 0)}


async def test_what_is_no_rebirth_is_ignored_and_counted(hall):
    async with hall.on(sparkplug=ON):
        await up(hall)
        async with host(hall) as heard:
            await heard.says("\x12\x7f rubbish", NCMD, retain=False)
            await heard.says("", NCMD, retain=False)
            await until(lambda: hall.link("sparkplug").facts["ignored"] == 2)
            await reborn(heard)
            assert hall.link("sparkplug").facts["births"] == 2


async def test_cells_that_come_go_and_are_renamed_are_devices_that_are_born_and_die(hall):
    async with hall.on(sparkplug=ON):
        await up(hall)
        async with host(hall) as heard:
            bay = (await hall.cells.create({"name": "Bay", "sequence": 9}, CALLER, None)).data
            await until(lambda: heard.of("DBIRTH", "bay"))
            await hall.cells.update(LASER, {"name": "Laser 7"}, CALLER, None)
            await until(lambda: heard.of("DBIRTH", "laser_7"))
            assert len(heard.of("DDEATH", "laser")) == 1
            await hall.cells.delete(json.loads(bay)["cell"]["id"], CALLER, None)
            await until(lambda: heard.of("DDEATH", "bay"))
            assert heard.of("DDEATH")[-1].get("metrics", []) == []


async def test_the_state_of_a_machine_is_a_tag_of_its_cell(hall):
    uns = {"device": [{"id": "laser-1", "cells": ["Laser"]}]}
    async with hall.on(sparkplug=ON, uns=uns):
        await up(hall)
        async with host(hall) as heard:
            await reborn(heard)
            assert heard.values("laser")["Machine/State"] == "unknown"
            assert heard.values("welding")["Machine/State"] is None
            told = MachineCommands(hall.db, hall.clock, hall.new_id, "gw-test", machines(hall.settings.uns))
            await told.take(Reading("laser-1", "state", "running"))
            await until(lambda: heard.values("laser")["Machine/State"] == "running")


async def test_it_is_off_unless_somebody_wants_it(hall):
    async with hall.on(), hall.ear("#") as ear:
        await hall.change(Verb.START, BEAM)
        await until(lambda: ear.events)
        assert not [one.topic for one in ear.heard if one.topic.startswith("spBv1.0")]


async def test_the_embedded_broker_carries_it_as_well(make_hall):
    hall = make_hall(broker={"mode": "embedded"}, sparkplug=ON)
    async with hall.on():
        await up(hall)
        async with hall.ear("spBv1.0/#", version=4) as ear:
            await hall.change(Verb.START, BEAM)
            await until(lambda: "spBv1.0/Plant 1/DDATA/gw-test/laser" in [one.topic for one in ear.heard])


# ------------------------------------------------------------------ death


async def test_an_orderly_end_is_told_and_the_next_session_has_the_next_number(hall):
    async with hall.on(sparkplug=ON):
        await up(hall)
        async with hall.ear("spBv1.0/#") as before:
            hall.stop()
            await until(lambda: "NDEATH" in str([one.topic for one in before.heard]))
    deaths = [(one.topic, one.retained) for one in before.heard if "NDEATH" in one.topic]
    assert deaths == [("spBv1.0/Plant 1/NDEATH/gw-test", False)]  # not once more by the will
    async with hall.on(sparkplug=ON):
        await up(hall)
        async with host(hall) as heard:
            assert bdseq(await reborn(heard)) == 1


async def test_a_kill_is_told_by_the_broker_with_the_number_of_that_birth(make_hall, foreign, tmp_path):
    foreign.start("")
    there = {"mode": "external", "host": HOST, "port": foreign.port}
    hall = make_hall(broker=there)
    async with host(hall) as heard:
        killed = await asyncio.to_thread(alone, tmp_path / "other", there, sparkplug=ON)
        try:
            await until(lambda: heard.of("DBIRTH"))
            assert not heard.of("NDEATH")
            killed.kill()
            (death,) = await until(lambda: heard.of("NDEATH"))
        finally:
            killed.kill()
            killed.stdout.close()
            killed.wait()
        (birth,) = heard.of("NBIRTH")
        assert bdseq(death) == bdseq(birth)
        assert (death["qos"], death["retain"], "seq" in death) == (1, False, False)


async def test_after_the_brokers_death_the_node_is_born_again_with_everything(hall):
    async with hall.on(sparkplug=ON):
        await up(hall)
        os.kill(hall.pid(), signal.SIGKILL)
        await hall.change(Verb.START, BEAM)
        await until(lambda: hall.link("sparkplug").state == "down")
        await up(hall)
        async with host(hall) as heard:
            assert bdseq(await reborn(heard)) >= 1
            assert heard.values("laser")["Operation/Status"] == "in_progress"


# ------------------------------------------------------------------ the primary host


async def test_nothing_is_told_before_the_primary_host_is_online_and_the_node_dies_when_it_goes(hall):
    async with hall.on(sparkplug={**ON, "primary_host": "scada"}), host(hall) as heard:
        await until(lambda: "primary host" in (hall.link("sparkplug").error or ""))
        await hall.change(Verb.START, BEAM)
        await heard.says('{"online":false,"timestamp":10}')
        await heard.says('{"online":true,"timestamp":9}')  # from before
        await asyncio.sleep(0.3)
        assert heard.heard == []
        await heard.says('{"online":true,"timestamp":11}')
        await until(lambda: heard.of("DBIRTH", "laser"))
        (birth,) = heard.of("NBIRTH")
        await heard.says('{"online":false,"timestamp":12}')
        (death,) = await until(lambda: heard.of("NDEATH"))
        assert bdseq(death) == bdseq(birth)
        await until(lambda: hall.link("sparkplug").state in ("down", "degraded"))
        heard.forget()
        await heard.says('{"online":true,"timestamp":13}')
        again = await until(lambda: heard.of("NBIRTH"))
        assert bdseq(again[0]) > bdseq(birth)
        assert again[0]["seq"] == 0


async def _slugs(hall) -> list[str]:
    return await hall.db.read(
        lambda connection: [row[0] for row in connection.execute("SELECT slug FROM uns_cells").fetchall()]
    )
