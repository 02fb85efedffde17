"""Devices at the door of a real broker: who gets in, what he may do, and how he is thrown out."""

import asyncio
import contextlib
import json
import os
import socket
from pathlib import Path

import aiomqtt
import pytest
from getting_in import DEVICES, client, let_in
from uns_hall import CALLER, HOST, LASER, ROOT, listening, until

from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import Conflict, Invalid, NotFound, StorageFailed
from gateway.settings import Settings
from gateway.uns import users
from gateway.uns.door import FILE, Door

MARK = '{"said": "by a test"}'
MAPPINGS = [
    {"device": "laser-1", "topic": "shellies/x/relay/0/power", "rule": "gauge"},
]
BROKERS = [pytest.param(("managed", 5), id="mosquitto"), pytest.param(("embedded", 4), id="embedded")]


@pytest.fixture(params=BROKERS)
async def hall(make_hall, request):
    mode, version = request.param
    hall = make_hall(broker={"mode": mode}, uns={"device": DEVICES, "mapping": MAPPINGS})
    hall.version = version
    async with hall.on():
        yield hall


async def heard_by_the_gateway(hall, user: str, password: str, topic: str) -> bool:
    """Whether a message of that user arrives."""
    async with hall.ear("#", version=hall.version) as ear, client(hall, user, password) as writer:
        with contextlib.suppress(aiomqtt.MqttError):  # told with a reason
            await writer.client.publish(topic, MARK, qos=1)
        end = f"{ROOT}/_gateway/gw-test/end"
        address = hall.broker.address()
        async with listening(hall.port, "x", address.username, address.password, version=hall.version) as own:
            await own.client.publish(end, "1", qos=1)
        await until(lambda: any(one.topic == end for one in ear.heard))
        return any((one.topic, one.text) == (topic, MARK) for one in ear.heard)


async def test_a_device_writes_on_its_own_topics_and_on_no_others(hall):
    password = await let_in(hall, "laser-1")
    own = f"{ROOT}/_dev/laser-1"
    for topic in (
        f"{own}/in/state",
        f"{own}/in/counter/good",
        f"{own}/cmd/start",
        f"{own}/status",
        "shellies/x/relay/0/power",
    ):
        assert await heard_by_the_gateway(hall, "laser-1", password, topic), topic
    other = f"{ROOT}/_dev/saw-1/in/state"
    for topic in (f"{own}/job", f"{own}/rsp", other, f"{ROOT}/fabrication/laser/_state", "shellies/y", "spBv1.0/x"):
        assert not await heard_by_the_gateway(hall, "laser-1", password, topic), topic


async def test_a_device_reads_its_own_topics_and_the_state_of_its_cells(hall):
    password = await let_in(hall, "laser-1")
    own, laser = f"{ROOT}/_dev/laser-1", f"{ROOT}/fabrication/laser/_state"
    asked = (f"{own}/#", f"{laser}/#", f"{ROOT}/fabrication/bending/_state/#", f"{ROOT}/_dev/saw-1/#")
    async with client(hall, "laser-1", password, *asked[:2]) as ear:
        with contextlib.suppress(aiomqtt.MqttError):  # the embedded broker refuses to subscribe at all
            for topic in asked[2:]:
                await ear.client.subscribe(topic, qos=1)
        await until(lambda: laser in ear.states)
        await tell(hall, f"{ROOT}/_dev/saw-1/rsp", f"{own}/rsp")
        await until(lambda: f"{own}/rsp" in {one.topic for one in ear.heard})
        assert {one.topic.split("/")[3] for one in ear.heard if "/_state" in one.topic} == {"laser"}
        assert not any("saw-1" in one.topic for one in ear.heard)


async def test_who_connects_is_told_nothing_that_he_has_not_asked_for(hall):
    """Not even what is retained for somebody else's subscription to everything."""
    password = await let_in(hall, "laser-1")
    own = f"{ROOT}/_dev/laser-1/rsp"
    async with hall.ear("#", version=hall.version) as viewer:
        await until(lambda: f"{ROOT}/fabrication/bending/_state" in viewer.states)
        async with client(hall, "laser-1", password, "nothing/at/all", own) as ear:
            await tell(hall, own)
            await until(lambda: ear.heard)
            assert {one.topic for one in ear.heard} == {own}


async def tell(hall, *topics: str) -> None:
    address = hall.broker.address()
    async with listening(hall.port, "x", address.username, address.password, version=hall.version) as own:
        for topic in topics:
            await own.client.publish(topic, "{}", qos=1)


async def test_who_shows_things_to_people_sees_whole_cells_and_a_reader_writes_nothing(hall):
    scada, board = await let_in(hall, "scada"), hall.door.add("board")
    event = f"{ROOT}/fabrication/laser/operation/started"
    elsewhere = f"{ROOT}/fabrication/bending/operation/started"
    async with (
        client(hall, "scada", scada, f"{ROOT}/#") as all_of_it,
        client(hall, "board", board, f"{ROOT}/fabrication/laser/#") as one_cell,
    ):
        await tell(hall, elsewhere, event)
        await until(lambda: {event, elsewhere} <= {one.topic for one in all_of_it.heard})
        await until(lambda: event in {one.topic for one in one_cell.heard})
    assert await heard_by_the_gateway(hall, "scada", scada, f"{ROOT}/_dev/scada/cmd/start")
    assert not await heard_by_the_gateway(hall, "board", board, f"{ROOT}/_dev/board/in/state")


async def test_nobody_gets_in_without_a_password_of_his_own(hall):
    password = await let_in(hall, "laser-1")
    stranger = hall.door.add("stranger")  # no [[uns.device]] is called so
    for user, word in (("laser-1", "wrong"), ("laser-1", None), ("saw-1", password), ("stranger", stranger)):
        with pytest.raises(aiomqtt.MqttError):
            async with client(hall, user, word):
                pass


@pytest.mark.parametrize("end", ["remove", "rotate"])
async def test_whose_password_ends_is_thrown_out_at_once_and_nobody_else(hall, end):
    password, other = await let_in(hall, "laser-1"), hall.door.add("saw-1")
    async with client(hall, "saw-1", other) as stays:
        goes = aiomqtt.Client(
            HOST, hall.port, username="laser-1", password=password, protocol=aiomqtt.ProtocolVersion(hall.version)
        )
        fresh = None
        try:
            async with asyncio.timeout(5), goes:
                fresh = getattr(hall.door, end)("laser-1")
                await anext(aiter(goes.messages))
        except aiomqtt.MqttError as exc:
            thrown_out = exc
        assert thrown_out
        with pytest.raises(aiomqtt.MqttError):
            async with client(hall, "laser-1", password):
                pass
        if fresh:
            async with client(hall, "laser-1", fresh):
                pass
        await stays.client.publish(f"{ROOT}/_dev/saw-1/status", "{}", qos=1)
    assert hall.link("uns").state == "up"


async def test_a_cell_that_is_renamed_is_followed_by_its_id_and_missed_by_its_name(hall):
    password = await let_in(hall, "robot-1")
    hall.door.add("laser-1")
    laser, renamed = (f"{ROOT}/fabrication/{level}/_state" for level in ("laser", "laser_9"))
    async with client(hall, "robot-1", password, f"{laser}/#") as ear:
        await until(lambda: laser in ear.states)
    assert f"{laser}/#" in hall.door.rights()["laser-1"].read
    await hall.cells.update(LASER, {"name": "Laser 9"}, CALLER, None)
    await until(lambda: f"{renamed}/#" in hall.door.rights()["robot-1"].read)
    async with client(hall, "robot-1", password, f"{renamed}/#") as ear:
        await until(lambda: renamed in ear.states)
    assert not any("fabrication" in one for one in hall.door.rights()["laser-1"].read)
    told = [one for one in hall.link("broker").facts["warnings"] if '"Laser"' in one]
    assert len(told) == 2
    assert 'device "laser-1"' in told[0]
    assert 'did you mean "Laser 9"' in told[0]


# ------------------------------------------------------------------ the door alone


@pytest.fixture
def door(tmp_path):
    given = {"gateway": {"id": "gw-test", "data_dir": str(tmp_path)}, "uns": {"device": DEVICES}}
    return Door(Settings.model_validate(given), SystemClock())


def test_a_password_is_shown_once_and_kept_as_a_hash_for_the_owner_only(door):
    password = door.add("laser-1")
    file = door.folder / FILE
    assert len(password) == 24
    assert password not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert users.matches(password, door.hashes()["laser-1"])
    assert door.hashes()["laser-1"].startswith("$7$101$")
    assert door.lets_in("laser-1", password)
    assert not door.lets_in("laser-1", password + "x")
    assert not door.lets_in("saw-1", password)


def test_a_second_password_is_asked_for_by_its_name(door):
    with pytest.raises(NotFound, match="uns devices add"):
        door.rotate("laser-1")
    first = door.add("laser-1")
    with pytest.raises(Conflict, match="uns devices rotate laser-1"):
        door.add("laser-1")
    assert door.rotate("laser-1") != first
    door.remove("laser-1")
    assert not door.has_devices
    with pytest.raises(NotFound):
        door.remove("laser-1")


@pytest.mark.parametrize("name", ["", "a/b", "a+", "#", "$x", "a\nb", "a:b", "Laser 1", "x" * 65, "gateway", "bridge"])
def test_a_name_that_would_be_nobody_could_write_into_a_file_gets_no_password(door, name):
    with pytest.raises(Invalid):
        door.add(name)
    assert not (door.folder / FILE).exists()


def test_who_is_not_configured_is_told_which_name_was_meant(door):
    door.add("lasre-1")
    assert 'did you mean "laser-1"' in door.notes("lasre-1")[0]
    assert door.notes("laser-1") == []
    listed = {one["device"]: (one["defined"], one["since"] is not None) for one in door.listed()}
    assert listed["lasre-1"] == (False, True)
    assert listed["laser-1"] == (True, False)
    assert "lasre-1" not in door.hashes()


def test_a_damaged_file_opens_no_door_and_is_named(door):
    door.add("laser-1")
    (door.folder / FILE).write_text("{")
    for asked in (door.hashes, door.listed, lambda: door.lets_in("laser-1", "x")):
        with pytest.raises(StorageFailed, match=FILE):
            asked()


async def test_all_of_it_lasts_over_a_restart(make_hall):
    hall = make_hall(uns={"device": DEVICES})
    hall.version = 5
    async with hall.on():
        password = await let_in(hall, "laser-1")
    async with hall.on(), client(hall, "laser-1", password):
        kept = json.loads((hall.folder / FILE).read_text())
        assert set(kept) == {"laser-1"}


async def test_a_will_is_no_way_to_write_where_a_device_may_not(hall):
    password = await let_in(hall, "laser-1")
    own, other = f"{ROOT}/_dev/laser-1/status", f"{ROOT}/_dev/saw-1/cmd/start"
    async with hall.ear("#", version=hall.version) as ear:
        for topic in (other, own):
            with contextlib.suppress(aiomqtt.MqttError):  # the embedded broker does not let it in
                await gone_without_a_word(hall, password, aiomqtt.Will(topic, MARK, qos=1))
        await until(lambda: own in {one.topic for one in ear.heard})
        assert other not in {one.topic for one in ear.heard}


async def gone_without_a_word(hall, password: str, will: aiomqtt.Will) -> None:
    protocol = aiomqtt.ProtocolVersion.V5 if hall.version == 5 else aiomqtt.ProtocolVersion.V311
    async with aiomqtt.Client(
        HOST, hall.port, username="laser-1", password=password, protocol=protocol, will=will
    ) as client:
        client._client.socket().shutdown(socket.SHUT_RDWR)


def test_passwords_of_our_own_that_are_damaged_are_named_with_the_way_out(tmp_path):
    (tmp_path / users.FILE).write_text("{")
    with pytest.raises(StorageFailed, match=f"{users.FILE} is damaged.*remove it"):
        users.passwords(tmp_path)


def test_a_password_that_was_shown_is_on_the_disk_with_its_name(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def seen(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    door = Door(Settings.model_validate({"gateway": {"data_dir": str(tmp_path)}}), SystemClock())
    door.add("laser-1")
    assert synced == [f"{FILE}.part", "broker"]
