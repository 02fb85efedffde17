"""The broker: our own Mosquitto, somebody else's, none. Whatever happens to it, the link says so and comes back alone."""

import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
from pathlib import Path

import aiomqtt
import pytest
from tcp import free_port, serving
from uns_hall import HOST, ROOT, WAIT_MAX_S, listening, operation, program, tool, until

from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import Unavailable
from gateway.kernel.health import Link
from gateway.operations.model import Verb
from gateway.settings import Settings
from gateway.tls import Tls
from gateway.uns import broker as broker_
from gateway.uns import mosquitto
from gateway.uns.broker import Broker
from gateway.uns.client import connected
from gateway.uns.door import Door
from gateway.uns.packets import Address

BEAM = operation(1, "Beam")
BOOKED_MAX_S = 10.0  # a booking does not wait for a broker, but the machine may be slow


def broker_at(folder: Path, **given) -> tuple[Broker, Link]:
    clock = SystemClock()
    link = Link("broker", clock)
    wanted = {"host": HOST, "port": free_port(), "mode": "managed", **given}
    settings = Settings.model_validate({"gateway": {"id": "gw-test", "data_dir": str(folder)}, "broker": wanted})
    return Broker(settings.broker, Door(settings, clock), Tls(folder), clock, link, random.Random(1)), link


async def refused_by(broker: Broker) -> str:
    """What it says when it does not come up."""
    with pytest.raises(broker_.Unavailable) as told:
        async with asyncio.timeout(WAIT_MAX_S):
            await broker.run()
    return told.value.message


# ------------------------------------------------------------------ managed


async def test_our_mosquitto_is_ready_once_it_gives_our_probe_back(hall):
    async with hall.on():
        assert hall.broker.mode == "managed"
        assert hall.broker.ready.is_set()
        assert hall.link("broker").state == "up"
        assert hall.link("broker").facts == {"mode": "managed", "version": hall.broker.named}
        assert hall.broker.named.startswith("mosquitto 2.")
    assert not hall.broker.ready.is_set()


async def test_auto_takes_mosquitto_where_there_is_one_and_else_the_embedded_broker(tmp_path, monkeypatch):
    assert broker_at(tmp_path, mode="auto")[0].mode == "managed"
    monkeypatch.setattr(broker_, "program", lambda _name: None)
    assert broker_at(tmp_path, mode="auto")[0].mode == "embedded"
    assert "no mosquitto program" in await refused_by(broker_at(tmp_path)[0])


async def test_its_files_are_for_their_owner_only_and_hold_no_password_in_the_clear(hall):
    async with hall.on():
        files = [file for file in hall.folder.iterdir() if file.is_file()]
        assert {file.name for file in files} >= {"acl", "mosquitto.conf", "mosquitto.pid", "passwd", "users.json"}
        assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
        assert hall.folder.stat().st_mode & 0o777 == 0o700
        password = hall.broker.address().password
        command = Path(f"/proc/{hall.pid()}/cmdline").read_bytes()
    assert len(password) >= 24
    for name in ("passwd", "mosquitto.conf", "acl"):
        assert password not in (hall.folder / name).read_text()
    assert password.encode() not in command


async def test_nobody_gets_in_without_a_password_and_the_viewer_only_looks(hall):
    async with hall.on(), hall.ear("#") as ear:
        port = hall.port
        for user, password in ((None, None), ("viewer", "wrong"), ("nobody", "x")):
            with pytest.raises(aiomqtt.MqttError):
                async with listening(port, "#", user, password):
                    pass
        password = hall.broker.address("viewer").password
        tool(
            "mosquitto_pub",
            port,
            "-t",
            f"{ROOT}/_gateway/gw-test/status",
            "-m",
            "{}",
            "-r",
            "-q",
            "1",
            password=password,
        )
        await hall.change(Verb.START, BEAM)
        await until(lambda: ear.events)
        assert ear.state("_gateway/gw-test/status")["online"] is True


async def test_passwords_stay_the_same_over_restarts(hall):
    async with hall.on():
        before = hall.broker.address("viewer")
    async with hall.on():
        assert hall.broker.address("viewer").password == before.password


async def test_as_root_it_stays_root_or_it_could_not_write_its_store(hall):
    async with hall.on():
        config = (hall.folder / "mosquitto.conf").read_text()
        pid = hall.pid()
        owner = Path(f"/proc/{pid}").stat().st_uid
    assert ("user root" in config) is (os.geteuid() == 0)
    assert owner == os.geteuid()
    assert (hall.folder / "mosquitto.db").exists()  # written at its end
    assert not (hall.folder / "mosquitto.pid").exists()
    assert not Path(f"/proc/{pid}").exists()


async def test_a_port_that_is_taken_is_said_with_the_way_out(tmp_path):
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        for mode in ("managed", "embedded"):
            said = await refused_by(broker_at(tmp_path, mode=mode, port=port)[0])
            assert f"port {port} is taken by another program" in said
            assert "[broker] port" in said
            assert "systemctl disable --now mosquitto" in said


async def test_an_address_that_is_not_ours_is_not_called_a_taken_port(tmp_path):
    said = await refused_by(broker_at(tmp_path, host="192.0.2.1")[0])
    assert "192.0.2.1" in said
    assert "taken" not in said


async def test_port_zero_is_any_free_one(make_hall):
    hall = make_hall(broker={"port": 0})
    async with hall.on(), hall.ear() as ear:
        await until(lambda: ear.state("_gateway/gw-test/status"))
        assert hall.broker.address().port != 0


async def test_a_mosquitto_left_behind_is_ended_first_and_a_stranger_with_its_number_is_not(hall):
    async with hall.on():
        config = hall.folder / "mosquitto.conf"
        words = config.read_text()
    config.write_text(words)
    left = subprocess.Popen([program("mosquitto"), "-c", str(config)], stderr=subprocess.DEVNULL)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        await until(lambda: _answers(hall.port))
        (hall.folder / "mosquitto.pid").write_text(str(left.pid))
        reaping = asyncio.create_task(asyncio.to_thread(left.wait))
        async with hall.on():
            assert hall.pid() != left.pid
        assert await reaping == 0
        (hall.folder / "mosquitto.pid").write_text(str(stranger.pid))
        async with hall.on():
            assert stranger.poll() is None
    finally:
        for process in (left, stranger):
            process.kill()
            process.wait()


async def test_a_broker_killed_again_and_again_is_back_each_time(hall):
    async with hall.on():
        for _ in range(3):
            began_s = asyncio.get_running_loop().time()
            old = hall.pid()
            os.kill(old, signal.SIGKILL)
            await until(lambda: hall.link("uns").state == "down")
            assert "mosquitto ended (-9)" in hall.link("broker").error
            await until(lambda: hall.link("uns").state == "up")
            assert asyncio.get_running_loop().time() - began_s < 10


async def test_a_frozen_broker_is_noticed_by_the_probe_and_replaced(hall, monkeypatch):
    monkeypatch.setattr(broker_, "PROBE_MAX_S", 2.0)
    monkeypatch.setattr(broker_, "PROBE_EVERY_S", 0.1)
    monkeypatch.setattr(mosquitto, "END_MAX_S", 0.4)
    async with hall.on():
        frozen = hall.pid()
        os.kill(frozen, signal.SIGSTOP)
        booked = [hall.change(Verb.START, BEAM), hall.count(BEAM, 1), hall.change(Verb.PAUSE, BEAM)]
        for one in booked:
            await asyncio.wait_for(one, BOOKED_MAX_S)
        await until(lambda: "did not give our probe back" in (hall.link("broker").error or ""))
        await until(lambda: hall.link("uns").state == "up" and hall.pid() != frozen)
        assert not Path(f"/proc/{frozen}").exists()
        async with hall.ear() as ear:
            await until(lambda: ear.of("fabrication/laser/_state", "held") == 1)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: bytes(range(256)) * 8, id="rubbish"),
        pytest.param(lambda whole: whole[: len(whole) // 2], id="half"),
    ],
)
async def test_a_store_that_does_not_load_is_moved_aside_and_everything_is_told_again(hall, damage):
    async with hall.on():
        pass
    store = hall.folder / "mosquitto.db"
    broken = damage(store.read_bytes())
    store.write_bytes(broken)
    async with hall.on(), hall.ear() as ear:
        topics = await hall.retained_topics()
        await until(lambda: topics <= ear.states.keys())
    aside = list(hall.folder.glob("mosquitto.db.damaged-*"))
    assert [file.read_bytes() for file in aside] == [broken]


async def test_evidence_does_not_fill_the_disk(hall):
    for _ in range(mosquitto.DAMAGED_MAX + 2):
        (hall.folder).mkdir(exist_ok=True)
        (hall.folder / "mosquitto.db").write_bytes(b"rubbish" * 100)
        async with hall.on():
            pass
    assert len(list(hall.folder.glob("mosquitto.db.damaged-*"))) == mosquitto.DAMAGED_MAX


# ------------------------------------------------------------------ external


async def test_somebody_elses_broker_is_used_as_the_user_that_was_given(hall, foreign):
    foreign.start(
        f"user plant\ntopic readwrite {ROOT}/#\n", more=f"password_file {foreign.password('plant', 'geheim')}"
    )
    there = {"mode": "external", "host": HOST, "port": foreign.port}
    async with hall.on(broker={**there, "username": "plant", "password": "geheim"}):
        await hall.change(Verb.START, BEAM)
        assert hall.broker.named == "external"  # this access list does not show $SYS
    async with hall.on(wait=False, broker={**there, "username": "plant", "password": "falsch"}):
        await until(lambda: "does not let" in (hall.link("broker").error or ""))
        assert "falsch" not in hall.link("broker").error


async def test_somebody_elses_broker_is_spoken_to_over_tls_and_only_if_it_is_the_one_that_is_meant(
    hall, foreign, tmp_path
):
    own, other = Tls(tmp_path / "plant"), Tls(tmp_path / "other")
    pair = own.issue("server", SystemClock().now())
    other.issue("server", SystemClock().now())
    foreign.start("", tls=f"certfile {pair.certificate}\nkeyfile {pair.key}")
    there = {"mode": "external", "host": HOST, "port": foreign.port, "tls": True}
    async with hall.on(broker={**there, "ca": str(own.ca.certificate)}):
        await hall.change(Verb.START, BEAM)
    for ca, told in (
        (other.ca.certificate, "cannot be reached"),
        (tmp_path / "none.pem", "ca .*none.pem cannot be used"),
    ):
        async with hall.on(wait=False, broker={**there, "ca": str(ca)}):
            await until(lambda told=told: re.search(told, hall.link("broker").error or ""))
            assert hall.link("uns").state == "down"


async def test_a_broker_that_denies_our_probe_says_what_its_access_list_lacks(hall, foreign):
    foreign.start("topic read #\n")
    async with hall.on(wait=False, broker={"mode": "external", "host": HOST, "port": foreign.port}):
        await until(lambda: f"readwrite {ROOT}/#" in (hall.link("broker").error or ""))
        await hall.change(Verb.START, BEAM)


async def test_a_broker_that_was_never_there_stops_nothing_and_is_found_when_it_comes(hall, foreign):
    async with hall.on(wait=False, broker={"mode": "external", "host": HOST, "port": foreign.port}):
        await until(lambda: "cannot be reached" in (hall.link("broker").error or ""))
        await hall.change(Verb.START, BEAM)
        foreign.start("")
        await hall.up()


async def test_off_is_off(tmp_path):
    broker, link = broker_at(tmp_path, mode="off")
    await broker.run()
    assert link.state == "off"
    assert not (tmp_path / "broker").exists()


# ------------------------------------------------------------------ the connection


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


async def test_a_users_file_is_json_that_the_demo_can_read(hall):
    async with hall.on():
        assert set(json.loads((hall.folder / "users.json").read_text())) == {"gateway", "viewer"}


async def test_a_connection_that_ends_with_its_connack_is_none():
    async def throw_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x20\x03\x00\x00\x00")  # CONNACK
        writer.close()

    async with serving(throw_out) as port:
        for _ in range(20):
            with pytest.raises(Unavailable):
                async with (
                    asyncio.timeout(5),
                    connected(Address(HOST, port, "", ""), "x") as it,
                ):
                    await it.lost()
