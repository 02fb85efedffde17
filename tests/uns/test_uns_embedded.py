"""The broker for machines without Mosquitto, end to end with clients that speak MQTT 3.1.1."""

import asyncio
import socket

import aiomqtt
import pytest
from devices import UNS, errors, speaking
from uns_hall import CALLER, HOST, OTTO, ROOT, listening, operation, tool, until

from gateway.operations.model import Verb

BEAM = operation(1, "Beam")


@pytest.fixture
async def embedded(make_hall):
    hall = make_hall(broker={"mode": "embedded"})
    async with hall.on():
        yield hall


async def test_events_states_birth_and_health_arrive_at_a_plain_client(embedded):
    async with embedded.ear(version=4) as ear:
        await embedded.change(Verb.START, BEAM, operator_id=OTTO)
        await embedded.count(BEAM, 2)
        journal = await embedded.journal()
        await until(lambda: len(ear.events) == len(journal))
        await until(lambda: ear.of("fabrication/laser/_state", "active"))
        topics = await embedded.retained_topics()
        await until(lambda: topics <= ear.states.keys())
    assert [(event["seq"], event["event"]) for event in ear.events] == journal
    assert [event["prev"] for event in ear.events[1:]] == [event["seq"] for event in ear.events[:-1]]
    assert ear.state("_gateway/gw-test/status")["online"] is True
    assert ear.state("_gateway/gw-test/status")["broker"] == "embedded"


async def test_health_says_that_it_is_only_a_stopgap(embedded):
    assert embedded.link("broker").state == "degraded"
    assert "embedded broker" in embedded.link("broker").error
    assert embedded.link("uns").state == "up"


async def test_a_command_line_client_reads_a_retained_state(embedded):
    password = embedded.broker.address("viewer").password
    topic = f"{ROOT}/fabrication/laser/_state"
    arguments = ("-V", "mqttv311", "-t", topic, "-C", "1", "-W", "5")
    printed = await asyncio.to_thread(tool, "mosquitto_sub", embedded.port, *arguments, password=password)
    assert '"uns/cell/1"' in printed


async def test_nobody_gets_in_without_a_password_and_the_viewer_only_looks(embedded):
    for user, password in ((None, None), ("viewer", "wrong"), ("nobody", "x")):
        with pytest.raises(aiomqtt.MqttError):
            async with listening(embedded.port, "#", user, password, version=4):
                pass
    async with embedded.ear(version=4) as ear:
        await ear.client.publish(f"{ROOT}/_gateway/gw-test/status", "{}", qos=1, retain=True)
        await embedded.change(Verb.START, BEAM)
        await until(lambda: ear.events)
    async with embedded.ear(version=4) as ear:
        await until(lambda: ear.state("_gateway/gw-test/status"))
    assert ear.state("_gateway/gw-test/status")["online"] is True


async def test_its_password_file_is_for_the_owner_only(embedded):
    assert [file.name for file in embedded.folder.iterdir()] == ["users.json"]
    assert (embedded.folder / "users.json").stat().st_mode & 0o777 == 0o600


async def test_a_deleted_job_is_taken_back_here_as_well(embedded):
    job = next(topic for topic in await embedded.retained_topics() if "/_job/" in topic)
    async with embedded.ear(version=4) as ear:
        await until(lambda: job in ear.states)
        await embedded.jobs.delete(job.rsplit("/", 1)[1], CALLER, None)
        await until(lambda: job not in ear.states)


async def test_who_comes_and_goes_costs_nobody_else_a_message(embedded):
    """Its loop over the subscriptions must stand it that they change meanwhile."""
    enough = asyncio.Event()
    coming = [asyncio.create_task(_come_and_go(embedded, f"{ROOT}/+/{number}", enough)) for number in range(4)]
    async with embedded.ear(version=4) as ear:
        await embedded.change(Verb.START, BEAM)
        for _ in range(150):
            await embedded.count(BEAM, 1)
        journal = await embedded.journal()
        await until(lambda: len(ear.events) == len(journal))
    enough.set()
    await asyncio.gather(*coming)
    assert [event["seq"] for event in ear.events] == [seq for seq, _ in journal]


async def _come_and_go(hall, topic: str, enough: asyncio.Event) -> None:
    async with hall.ear(version=4) as ear:
        number = 0
        while not enough.is_set():
            number += 1
            await ear.client.subscribe(f"{topic}/{number}")
            await ear.client.unsubscribe(f"{topic}/{number}")


async def test_it_serves_this_machine_only(make_hall):
    hall = make_hall(broker={"mode": "embedded", "host": "192.0.2.1"})
    async with hall.on(wait=False):
        await until(lambda: "this machine only" in (hall.link("broker").error or ""))


async def test_stopping_says_so_and_frees_the_port(make_hall):
    hall = make_hall(broker={"mode": "embedded"})
    async with hall.on(), hall.ear(version=4) as ear:
        await until(lambda: ear.state("_gateway/gw-test/status"))
        hall.stop()
        await until(lambda: ear.of("_gateway/gw-test/status", "online") is False)
    await until(lambda: _free(hall.port))


def _free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


async def test_a_machine_is_heard_and_answered(make_hall):
    hall = make_hall(uns=UNS, broker={"mode": "embedded"})
    async with hall.on(), speaking(hall, version=4) as laser, hall.ear(version=4) as ear:
        await laser.say("in/state", "4")
        await until(lambda: ear.of("fabrication/laser/_state/machine/laser-1", "state") == "running")
        started = await laser.ask("start", operation_id=BEAM)
        assert (await laser.ask("start", started["request_id"], operation_id=BEAM))["replayed"]
        await laser.say("in/counter/good", "1")
        await laser.say("in/counter/good", "6")
        assert (await laser.ask("complete"))["data"]["good"] == 5
        await laser.say("in/counter/good", "many")
        (told,) = await errors(ear, "laser-1")
    assert started["ok"]
    assert told["code"] == "MALFORMED_PAYLOAD"


async def test_a_request_that_a_small_broker_has_kept_is_refused_at_the_next_connect(make_hall):
    hall = make_hall(uns=UNS, broker={"mode": "embedded"})
    async with hall.on(), speaking(hall, version=4) as laser:
        await laser.say("cmd/queue", {"request_id": "kept"}, retain=True)
        assert (await until(lambda: laser.answers))[0]["ok"]  # 3.1.1 does not say that it is retained
        await hall.reconnect()
        refused = await until(lambda: [one for one in laser.answers if not one["ok"]])
        assert refused[0]["error"]["code"] == "RETAINED_COMMAND"
        await until(
            lambda: [one for one in laser.ear.heard if one.topic.endswith("cmd/queue") and not one.text], "taken back"
        )
        await hall.reconnect()
        answered = len(laser.answers)
        while not (live := await laser.ask("active"))["ok"]:
            # It was there before the gateway was; this broker says of what it has kept for a session that it is retained.
            assert live["error"]["code"] in ("EXPIRED", "RETAINED_COMMAND")
    assert "kept" not in [one["request_id"] for one in laser.answers[answered:]]
