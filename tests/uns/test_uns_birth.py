"""Birth, death and health: whoever reads can tell whether what he reads is still true."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from uns_hall import EPOCH, ROOT, operation, until

from gateway.kernel.clock import ManualClock
from gateway.operations.model import Verb

STATUS = "_gateway/gw-test/status"
HEALTH = "_gateway/gw-test/health"
# A gateway's namespace in a process of its own: only that can be killed.
ALONE = """
import asyncio, json, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/.."]
from pathlib import Path
from gateway.kernel.clock import SystemClock
from uns_hall import Hall, database

async def main():
    folder = Path(sys.argv[2])
    async with database(folder) as db:
        hall = Hall(db, folder, SystemClock(), **json.loads(sys.argv[3]))
        async with hall.on():
            print("born", flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


def alone(folder: Path, broker: dict, **sections) -> subprocess.Popen:
    given = json.dumps({"broker": broker, **sections})
    command = [sys.executable, "-c", ALONE, str(Path(__file__).parent), str(folder), given]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while process.stdout.readline() not in ("born\n", ""):
        pass
    return process


async def test_birth_comes_first_then_state_then_events(hall):
    async with hall.on(wait=False), hall.patient_ear() as ear:
        await hall.up()
        await hall.change(Verb.START, operation(1, "Beam"))
        await until(lambda: ear.events)
    kinds = [one.payload["schema"] for one in ear.heard if one.text and "probe" not in one.topic]
    assert kinds[0] == "uns/status/1"
    assert kinds.index("uns/status/1") < kinds.index("uns/cell/1") < kinds.index("uns/event/1")
    birth = next(one for one in ear.heard if one.topic == f"{ROOT}/{STATUS}")
    assert birth.expires_s is None
    assert birth.payload == {
        "schema": "uns/status/1",
        "online": True,
        "version": "0.1.0",
        "gateway": "gw-test",
        "epoch": EPOCH,
        "broker": birth.payload["broker"],
        "since": birth.payload["since"],
        "cells": ["assembly", "bending", "laser", "welding"],
    }
    assert birth.payload["broker"].startswith("mosquitto 2.")


async def test_an_orderly_stop_says_so_to_those_who_listen(hall):
    """The managed broker is stopped with us: it has to wait until the goodbye is out."""
    async with hall.on(), asyncio.timeout(20), hall.ear() as ear:
        await until(lambda: ear.state(STATUS))
        hall.stop()
        await until(lambda: ear.of(STATUS, "online") is False)
    assert ear.state(STATUS)["reason"] == "stopped"
    async with hall.on(wait=False), hall.patient_ear() as ear:
        await until(lambda: ear.state(STATUS) and ear.of(STATUS, "online"))


async def test_a_gateway_killed_outright_leaves_its_will(hall, foreign, tmp_path):
    foreign.start("")
    there = {"mode": "external", "host": "127.0.0.1", "port": foreign.port}
    process = await asyncio.to_thread(alone, tmp_path / "alone", there)
    hall.given["broker"] = there
    try:
        async with hall.anybody(foreign.port) as ear:
            await until(lambda: ear.of(STATUS, "online"))
            process.kill()
            await until(lambda: ear.of(STATUS, "online") is False)
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
    assert ear.state(STATUS)["reason"] == "connection lost"
    assert ear.state(STATUS)["timestamp"].endswith("Z")
    assert ear.states[f"{ROOT}/{STATUS}"].payload["schema"] == "uns/status/1"


async def test_our_mosquitto_dies_with_us_and_its_port_is_free_for_the_next(hall, tmp_path):
    process = await asyncio.to_thread(alone, tmp_path / "alone", {"mode": "managed", "port": hall.port})
    pid = int((tmp_path / "alone" / "broker" / "mosquitto.pid").read_text())
    process.kill()
    process.stdout.close()
    process.wait()
    await until(lambda: not Path(f"/proc/{pid}").exists())
    async with hall.on():
        assert hall.pid() != pid


async def test_health_is_told_with_everything_a_dashboard_needs(make_hall):
    clock = ManualClock()
    hall = make_hall(clock)
    async with hall.on(), hall.ear() as ear:
        first = await until(lambda: ear.state(HEALTH))
        expires_s = ear.states[f"{ROOT}/{HEALTH}"].expires_s
        hall.standing = replace(hall.standing, cloud="up", cloud_behind=0)
        ear.heard.clear()
        for _ in range(10):
            await clock.advance(2.9)
        await asyncio.sleep(0.1)
        assert not [one for one in ear.heard if one.topic == f"{ROOT}/{HEALTH}"]
        await clock.advance(1.1)
        await until(lambda: ear.of(HEALTH, "cloud") == "connected")
    assert first == {
        "schema": "uns/health/1",
        "ok": True,
        "uptime_s": 12,
        "journal_behind": 3,
        "inbound_rejected": 0,
        "cloud": "disconnected",
        "cloud_behind": 7,
        "broker": {},
        "disk_free_mb": 900,
    }
    assert 0 < expires_s <= 300


async def test_a_new_name_of_the_gateway_takes_the_old_ones_status_back(hall):
    async with hall.on(), hall.ear() as ear:
        await until(lambda: ear.state(STATUS))
    async with hall.on(gateway={"id": "gw-other"}), hall.ear() as ear:
        await until(lambda: ear.state("_gateway/gw-other/status"))
        await until(lambda: ear.state(STATUS) is None and ear.state(HEALTH) is None)


async def test_a_publisher_whose_connection_breaks_is_born_again_without_his_will(hall):
    """The broker goes and comes: online again, and nobody was told of a death meanwhile."""
    async with hall.on():
        os.kill(hall.pid(), signal.SIGKILL)
        await until(lambda: hall.link("uns").state == "down")
        async with hall.patient_ear() as ear:
            await until(lambda: ear.state(STATUS) and ear.of(STATUS, "online"))
            await hall.up()
    assert not [one for one in ear.heard if one.topic == f"{ROOT}/{STATUS}" and '"connection lost"' in one.text]
