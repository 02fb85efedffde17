"""The bridge to a broker of the plant: a second real Mosquitto, with TLS, away, and never the other way round."""

import json
import os
import signal

import pytest
from uns_hall import HOST, ROOT, Foreign, listening, operation, until

from gateway.kernel.clock import SystemClock
from gateway.operations.model import Verb
from gateway.tls import MQTT, Tls

BEAM = operation(1, "Beam")


@pytest.fixture
def plant(tmp_path):
    """TLS, and users with passwords, one of them ours."""
    plant = Foreign(tmp_path / "plant")
    own = Tls(tmp_path / "plant")
    pair = own.issue(MQTT, SystemClock().now())
    plant.ca = own.ca.certificate
    plant.acl = f"user gw\ntopic write {ROOT}/#\n\nuser office\ntopic readwrite #\n"
    plant.tls = f"cafile {plant.ca}\ncertfile {pair.certificate}\nkeyfile {pair.key}"
    plant.more = f"password_file {plant.password('gw', 'geheim')}"
    yield plant
    plant.stop()


@pytest.mark.parametrize("protocol", ["mqttv50", "mqttv311"])
async def test_what_happens_here_is_known_in_the_plant(hall, foreign, protocol):
    foreign.start("topic readwrite #\n")
    there = {"address": f"{HOST}:{foreign.port}", "tls": False, "protocol": protocol}
    async with hall.on(broker=hall.given["broker"] | {"bridge": there}):
        await until(lambda: hall.link("broker").facts.get("bridge") == "up")
        async with hall.anybody(foreign.port) as office:
            await hall.change(Verb.START, BEAM)
            await until(lambda: [one for one in office.events if one["event"] == "operation.started"])
            await until(lambda: office.of("_gateway/gw-test/status", "online"))
        assert hall.link("broker").state == "up"


async def test_no_command_comes_from_up_there(hall, foreign):
    foreign.start("topic readwrite #\n")
    there = {"address": f"{HOST}:{foreign.port}", "tls": False}
    async with hall.on(broker=hall.given["broker"] | {"bridge": there}), hall.ear("#") as ear:
        await until(lambda: hall.link("broker").facts.get("bridge") == "up")
        async with hall.anybody(foreign.port) as office:
            for topic in (f"{ROOT}/_dev/laser-1/cmd/start", f"{ROOT}/fabrication/laser/_state", "anything"):
                await office.client.publish(topic, json.dumps({"from": "above"}), qos=1, retain=True)
            await hall.change(Verb.START, BEAM)
            await until(lambda: office.events)
        assert not [one for one in ear.heard if '"above"' in one.text]


async def test_a_plant_with_tls_and_passwords(hall, plant):
    plant.start(plant.acl, more=plant.more, tls=plant.tls)
    there = {"address": f"{HOST}:{plant.port}", "username": "gw", "password": "geheim", "ca": str(plant.ca)}
    async with hall.on(broker=hall.given["broker"] | {"bridge": there}):
        await until(lambda: hall.link("broker").facts.get("bridge") == "up")
        assert hall.link("broker").state == "up"
    assert "geheim" not in (hall.folder / "passwd").read_text()
    assert (hall.folder / "mosquitto.conf").stat().st_mode & 0o777 == 0o600


async def test_a_plant_that_we_have_no_reason_to_trust_gets_nothing(hall, plant, tmp_path):
    plant.start(plant.acl, more=plant.more, tls=plant.tls)
    stranger = Tls(tmp_path / "stranger")
    stranger.issue(MQTT, SystemClock().now())
    there = {
        "address": f"{HOST}:{plant.port}",
        "username": "gw",
        "password": "geheim",
        "ca": str(stranger.ca.certificate),
    }
    async with hall.on(broker=hall.given["broker"] | {"bridge": there}):
        await hall.change(Verb.START, BEAM)
        assert hall.link("broker").facts["bridge"] == "down"
        assert "is not reached" in hall.link("broker").error
        assert hall.link("uns").state == "up"


async def test_a_plant_that_is_away_stops_nothing_and_hears_everything_when_it_is_back(hall, foreign):
    foreign.start("topic readwrite #\n")
    there = {"address": f"{HOST}:{foreign.port}", "tls": False}
    async with hall.on(broker=hall.given["broker"] | {"bridge": there}):
        await until(lambda: hall.link("broker").facts.get("bridge") == "up")
        foreign.stop()
        await until(lambda: hall.link("broker").state == "degraded", "the loss was seen")
        await hall.change(Verb.START, BEAM)
        await hall.count(BEAM, 1)
        async with hall.ear() as ear:
            await until(lambda: ear.of("fabrication/laser/_state", "active"))
        foreign.start("topic readwrite #\n")
        async with listening(foreign.port, f"{ROOT}/fabrication/#", None, None) as office:
            await until(lambda: len(office.events) >= 2)
            assert office.events[0]["event"] == "operation.started"
        await until(lambda: hall.link("broker").state == "up", "and that it is back")


async def test_who_kills_our_broker_ends_the_bridge_for_a_moment_only(hall, foreign):
    foreign.start("topic readwrite #\n")
    there = {"address": f"{HOST}:{foreign.port}", "tls": False}
    async with hall.on(broker=hall.given["broker"] | {"bridge": there}):
        await until(lambda: hall.link("broker").facts.get("bridge") == "up")
        os.kill(hall.pid(), signal.SIGKILL)
        await until(lambda: hall.link("uns").state == "down")
        await hall.up()
        async with listening(foreign.port, f"{ROOT}/fabrication/#", None, None) as office:
            await hall.change(Verb.START, BEAM)
            await until(lambda: office.events)
