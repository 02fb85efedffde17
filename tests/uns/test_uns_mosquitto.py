"""Mosquitto's configuration: by version, and back to the last good one when a new one does not start."""

import asyncio
import errno
import random
import socket
import stat
from pathlib import Path

import pytest
from getting_in import DEVICES, client
from tcp import free_port
from uns_hall import HOST, program, until

from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import Unavailable
from gateway.kernel.health import Link
from gateway.settings import Bridge, Settings
from gateway.tls import Tls
from gateway.uns import broker as broker_
from gateway.uns import mosquitto_config, users
from gateway.uns.broker import Broker
from gateway.uns.door import Door
from gateway.uns.mosquitto import Mosquitto
from gateway.uns.mosquitto_config import Plan, listens, version, written

WAIT_MAX_S = 20


def plan_of(folder, **more) -> Plan:
    given = {"tls": None, "bridge": Bridge(), "bridged": "acme/plant1/#", "client_id": "gw-a1", "as_root": False}
    return Plan(folder, HOST, 1883, **(given | more))


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("mosquitto version 2.0.11\n\nmosquitto is an MQTT", (2, 0, 11)),
        ("mosquitto 2.1.0", (2, 1, 0)),
        ("mosquitto version 3.0.0-rc1", (3, 0, 0)),
        ("nanomq v0.21", None),
        ("", None),
    ],
)
def test_a_version_is_found_in_what_the_program_says(told, found):
    assert version(told) == found


@pytest.mark.parametrize("known", [(2, 0, 11), (2, 0, 22), (2, 1, 0), (2, 4, 1), (3, 0, 0)])
def test_every_version_is_told_who_gets_in_and_what_its_limits_are(tmp_path, known):
    tls = mosquitto_config.Tls("192.0.2.1", 8883, *(tmp_path / name for name in ("ca", "crt", "key")), False)
    text = written(plan_of(tmp_path, tls=tls), known)
    assert f"password_file {tmp_path}/passwd\nacl_file {tmp_path}/acl\n" in text
    assert "max_packet_size 300000\n" in text
    old = known < (2, 1)
    assert ("per_listener_settings false\nallow_anonymous false\n" in text) is old
    assert text.count("listener_allow_anonymous false\n") == (0 if old else 2)
    assert "anonymous true" not in text
    assert listens(text) == (HOST, 1883)


def test_a_bridge_goes_out_only_and_its_client_has_our_name(tmp_path):
    bridge = Bridge(address="plant:8883", username="gw", password="geheim")
    text = written(plan_of(tmp_path, bridge=bridge), (2, 0, 11))
    assert text.count("\ntopic ") == 1
    assert "\ntopic acme/plant1/# out 1\n" in text
    assert "\nremote_clientid gw-a1\n" in text
    assert "\nbridge_capath /etc/ssl/certs\n" in text
    assert "connection" not in written(plan_of(tmp_path), (2, 0, 11))


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "plant"},
        {"address": "plant:x"},
        {"address": "plant:1883\ninclude_dir /tmp"},
        {"address": "plant:70000"},
        {"address": "plant:1883", "tls": False},
        {"address": "plant:8883", "username": "a\nb"},
        {"address": "plant:8883", "password": "a\nlistener 1884"},
    ],
)
def test_what_would_be_another_line_of_its_configuration_is_refused(wrong):
    with pytest.raises(ValueError, match=r"address|username|password|tls"):
        Bridge.model_validate(wrong)


# ------------------------------------------------------------------ the last good one


def broken(hall, monkeypatch, words: str = "no_such_option 1\n") -> None:
    """From now on every new configuration has a line that no Mosquitto knows."""
    known = mosquitto_config.written
    monkeypatch.setattr(mosquitto_config, "written", lambda *given: known(*given) + words)


async def test_a_configuration_that_does_not_start_is_taken_back(hall, monkeypatch):
    async with hall.on():
        pass
    good = (hall.folder / "mosquitto.conf.good").read_text()
    broken(hall, monkeypatch)
    async with hall.on():
        link = hall.link("broker")
        assert link.state == "degraded"
        assert "taken back" in link.error
        assert "no_such_option" in link.error
        assert (hall.folder / "mosquitto.conf").read_text() == good
        async with hall.ear() as ear:
            await until(lambda: ear.of("_gateway/gw-test/status", "online"))
    monkeypatch.undo()
    async with hall.on():
        assert hall.link("broker").state == "up"


async def test_without_a_good_one_it_says_what_is_wrong_and_tries_again(hall, monkeypatch):
    broken(hall, monkeypatch)
    async with hall.on(wait=False):
        await until(lambda: "does not start" in (hall.link("broker").error or ""))
        assert "no_such_option" in hall.link("broker").error
        monkeypatch.undo()
        await hall.up()
        assert hall.link("broker").state == "up"


async def test_a_broken_store_is_no_reason_to_go_back(hall):
    async with hall.on():
        pass
    (hall.folder / "mosquitto.db").write_bytes(b"rubbish" * 100)
    (hall.folder / "mosquitto.conf.good").write_text("listener 1 127.0.0.1\n")
    async with hall.on():
        assert hall.link("broker").state == "up"
    assert list(hall.folder.glob("mosquitto.db.damaged-*"))


# ------------------------------------------------------------------ versions


@pytest.mark.parametrize(
    ("said", "told"),
    [("mosquitto version 1.6.12", "is 1.6.12: Mosquitto 2.0.11 or newer"), ("hello", "is no version that we know")],
)
async def test_a_program_that_is_too_old_or_no_mosquitto_is_not_started(tmp_path, monkeypatch, said, told):
    fake = tmp_path / "mosquitto"
    fake.write_text(f"#!/bin/sh\necho '{said}'\n")
    fake.chmod(stat.S_IRWXU)
    monkeypatch.setattr(broker_, "program", lambda _name: str(fake))
    clock, link = SystemClock(), Link("broker", SystemClock())
    settings = Settings.model_validate(
        {"gateway": {"data_dir": str(tmp_path)}, "broker": {"mode": "managed", "host": HOST, "port": free_port()}}
    )
    broker = Broker(settings.broker, Door(settings, clock), Tls(tmp_path), clock, link, random.Random(1))
    with pytest.raises(Unavailable, match=told):
        async with asyncio.timeout(WAIT_MAX_S):
            await broker.run()


async def test_the_program_that_is_here_says_its_version(tmp_path):
    settings = Settings.model_validate({"gateway": {"data_dir": str(tmp_path)}})
    known = await Mosquitto(program("mosquitto"), Door(settings, SystemClock()), SystemClock()).version()
    assert known >= mosquitto_config.RUNS


async def test_who_is_let_in_while_it_starts_gets_in(make_hall, monkeypatch):
    """It has read its files by then, and cannot be told yet."""
    hall = make_hall(uns={"device": DEVICES})
    hall.version = 5
    spawn = asyncio.create_subprocess_exec
    passwords = []

    async def slowly(*command, **options):
        process = await spawn(*command, **options)
        if "-c" in command and hall.broker.mode == "managed":
            await until(lambda: not free(hall.port))  # it listens: the files are read
            if len(passwords) < 2:
                passwords.append(hall.door.add(("laser-1", "saw-1")[len(passwords)]))
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
    async with hall.on():
        await until(lambda: len(passwords) == 2 and hall.link("uns").state == "up")
        for device, password in zip(("laser-1", "saw-1"), passwords, strict=True):
            async with client(hall, device, password):
                pass
        assert "lan" in hall.link("broker").facts


def free(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((HOST, port)) != 0


async def test_a_disk_that_is_full_at_its_start_leaves_no_broker_behind(make_hall, monkeypatch):
    hall = make_hall()
    write, started = users.write, []

    def full(file, text):
        if file.name == "mosquitto.pid" and not started:
            started.append(int(text))
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, text)

    monkeypatch.setattr(users, "write", full)
    async with hall.on():
        assert hall.link("broker").state == "up"
        assert not Path(f"/proc/{started[0]}").exists()
