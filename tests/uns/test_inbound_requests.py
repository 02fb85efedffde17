"""A machine asks, over a real Mosquitto: what it is answered, where, and that nothing is done twice."""

import asyncio
import json

import pytest
from devices import BEAM, MEMBER, UNS, errors, eventually, properties, rows, speaking, status
from uns_hall import OTTO, ROOT, tool, until

from gateway.kernel.errors import Busy
from gateway.machines.commands import MachineCommands
from gateway.operations.model import Verb
from gateway.uns.inbound import receiver


@pytest.fixture
async def floor(make_hall):
    hall = make_hall(uns=UNS)
    async with hall.on():
        yield hall


async def test_start_report_and_complete_are_booked_and_answered(floor):
    async with speaking(floor) as laser:
        started = await laser.ask("start", operation_id=BEAM, operator={"id": OTTO})
        assert started | {"timestamp": "", "data": {}} == {
            "schema": "uns/rsp/1",
            "request_id": started["request_id"],
            "verb": "start",
            "ok": True,
            "status": 200,
            "data": {},
            "replayed": False,
            "timestamp": "",
        }
        assert (started["data"]["operation_id"], started["data"]["status"]) == (BEAM, "in_progress")
        assert (await laser.ask("report", good=5, scrap=1))["status"] == 201
        assert (await laser.ask("active"))["data"]["operation"]["good"] == 5
        assert (await laser.ask("complete"))["data"]["status"] == "completed"
    assert await status(floor, BEAM) == "completed"
    assert all(
        one.qos == 1 and not one.retained and 0 < one.expires_s <= 300 for one in laser.ear.heard if "/rsp" in one.topic
    )


async def test_the_same_request_again_is_answered_as_the_first_time(floor):
    async with speaking(floor) as laser:
        first = await laser.ask("start", "a-1", operation_id=BEAM)
        again = await laser.ask("start", "a-1", operation_id=BEAM, expires_at="2020-01-01T00:00:00Z")
        other = await laser.ask("start", "a-1", operation_id=MEMBER)
    assert again | {"timestamp": first["timestamp"]} == first | {"replayed": True}
    assert (other["ok"], other["status"], other["error"]["code"]) == (False, 422, "IDEMPOTENCY_KEY_REUSED")
    assert await status(floor, MEMBER) == "not_started"


async def test_the_id_of_one_device_means_nothing_to_another(floor):
    async with speaking(floor) as laser, speaking(floor, "press-1") as press:
        assert (await laser.ask("queue", "same"))["ok"]
        assert not (await press.ask("queue", "same"))["replayed"]


@pytest.mark.parametrize(
    ("verb", "body", "status_", "code"),
    [
        ("pause", {"operation_id": BEAM}, 400, "INVALID_STATE_TRANSITION"),
        ("resume", {}, 409, "NO_ACTIVE_OPERATION"),
        ("dance", {}, 404, "UNKNOWN_VERB"),
        ("start/now", {}, 404, "UNKNOWN_VERB"),
        ("start", {"operation_id": BEAM, "operator": {"badge": "04A2-secret"}}, 403, "UNKNOWN_BADGE"),
        ("start", {"operation_id": BEAM, "expires_at": "2020-01-01T00:00:00Z"}, 408, "EXPIRED"),
        ("report", {"good": "many"}, 422, "VALIDATION_ERROR"),
    ],
)
async def test_what_cannot_be_done_is_answered_by_name(floor, verb, body, status_, code):
    async with speaking(floor) as laser:
        answer = await laser.ask(verb, **body)
    assert (answer["verb"], answer["ok"], answer["status"], answer["error"]["code"]) == (verb, False, status_, code)
    assert answer["retryable"] is False
    assert isinstance(answer["error"]["details"], dict)
    assert "04A2" not in json.dumps(answer)
    assert await status(floor, BEAM) == "not_started"


async def test_several_operations_that_could_be_meant_are_named(floor):
    async with speaking(floor) as laser:
        for one in (BEAM, MEMBER):
            await floor.change(Verb.START, one)
        answer = await laser.ask("pause")
    assert answer["error"]["code"] == "AMBIGUOUS_TARGET"
    assert {one["operation_id"] for one in answer["error"]["details"]["candidates"]} == {BEAM, MEMBER}


async def test_a_request_without_an_id_is_done_and_says_what_that_means(floor):
    async with speaking(floor) as laser:
        answer = await laser.ask("start", None, operation_id=BEAM)
    assert (answer["ok"], answer["request_id"]) == (True, None)
    assert "done again" in answer["warning"]


@pytest.mark.parametrize("payload", [b"", b"start", b'{"request_id":', b"[]", b"\xff", b'"x"'])
async def test_a_request_that_is_no_object_is_answered_and_told(floor, payload):
    async with speaking(floor) as laser, floor.ear() as ear:
        await laser.say("cmd/start", payload)
        answer = (await until(lambda: laser.answers))[0]
        (told,) = await errors(ear, "laser-1")
    assert (answer["ok"], answer["request_id"], answer["error"]["code"]) == (False, None, "MALFORMED_PAYLOAD")
    assert (told["code"], told["count"]) == ("MALFORMED_PAYLOAD", 1)


# ------------------------------------------------------------------ where the answer goes


async def test_an_answer_goes_where_the_device_wishes_below_its_own_root(floor):
    async with speaking(floor) as laser:
        given = properties(ResponseTopic=laser.topic("rsp/hmi/3"), CorrelationData=b"\x00\xff7")
        await laser.say("cmd/active", {}, properties=given)
        (answer,) = await until(lambda: [one for one in laser.ear.heard if "/rsp/hmi/3" in one.topic])
    assert answer.payload["request_id"] == "AP83"  # the correlation data, in base64
    assert answer.correlation == b"\x00\xff7"
    assert answer.properties == {"schema": "uns/rsp/1", "source": "gw-test"}


@pytest.mark.parametrize(
    "wished", ["_dev/laser-2/rsp", "_dev/laser-1/cmd/start", "fabrication/laser/_state", "_dev/laser-1/rspx"]
)
async def test_a_wrong_response_topic_is_ignored(floor, wished):
    async with speaking(floor) as laser, floor.ear() as ear:
        before = len(ear.heard)
        await laser.say("cmd/active", {"request_id": "r"}, properties=properties(ResponseTopic=f"{ROOT}/{wished}"))
        await until(lambda: laser.answers)
        answered = [one.topic for one in ear.heard[before:] if '"uns/rsp/1"' in one.text]
    assert answered == [laser.topic("rsp")]


# ------------------------------------------------------------------ what the broker has kept


async def test_a_retained_request_is_refused_and_taken_off_the_broker(floor):
    async with speaking(floor) as laser, floor.ear() as ear:
        await laser.say("cmd/start", {"request_id": "r", "operation_id": BEAM}, retain=True)
        answer = (await until(lambda: laser.answers))[0]
        (told,) = await errors(ear, "laser-1")
        await laser.ask("active")  # behind it
    assert (answer["error"]["code"], answer["status"]) == ("RETAINED_COMMAND", 400)
    assert told["code"] == "RETAINED_COMMAND"
    assert await status(floor, BEAM) == "not_started"
    async with speaking(floor) as laser:
        await until(lambda: any("job" in one.topic for one in laser.ear.heard))
    assert not [one for one in laser.ear.heard if "/cmd/" in one.topic]


async def test_retained_cycles_and_badges_are_refused_alike(floor):
    async with speaking(floor) as laser, floor.ear() as ear:
        await laser.say("in/cycle", {"id": "c-1", "good": 1}, retain=True)
        await laser.say("in/badge", {"badge": "04A2", "on": True}, retain=True)
        told = await errors(ear, "laser-1")
        await until(lambda: sum(one["count"] for one in told_of(ear)) == 2)
    assert {one["code"] for one in told} == {"RETAINED_COMMAND"}
    assert await rows(floor, "SELECT count(*) FROM operation_quantities") == [(0,)]


async def test_a_cycle_without_an_id_on_a_topic_of_its_own_is_not_booked_again_at_every_start(floor):
    """The topic is not ours to clear: the message stays there, and is refused each time."""
    async with speaking(floor) as laser, floor.ear() as ear:
        await laser.client.publish("press/x/stroke", '{"good":1}', qos=1, retain=True)
        (told,) = await errors(ear, "laser-1")
    assert (told["code"], told["topic"]) == ("RETAINED_COMMAND", "press/x/stroke")
    assert await rows(floor, "SELECT count(*) FROM gathered_pieces") == [(0,)]
    assert await rows(floor, "SELECT count(*) FROM operation_quantities") == [(0,)]


def told_of(ear) -> list:
    return [one.payload for one in ear.heard if "/error/" in one.topic]


# ------------------------------------------------------------------ when the database takes nothing


async def test_a_database_that_is_full_of_work_makes_a_request_wait_and_then_says_so(floor, monkeypatch):
    monkeypatch.setattr(receiver, "REQUEST_TRIED_S", 0.3)
    real, refusals = MachineCommands.request, []

    async def request(self, wish):
        if len(refusals) < 2 or wish.verb == "complete":
            refusals.append(wish.verb)
            raise Busy("the write queue is full")
        return await real(self, wish)

    monkeypatch.setattr(MachineCommands, "request", request)
    async with speaking(floor) as laser:
        assert (await laser.ask("start", operation_id=BEAM))["ok"]
        busy = await laser.ask("complete")
    assert refusals[:2] == ["start", "start"]
    assert (busy["status"], busy["error"]["code"], busy["retryable"]) == (503, "BUSY", True)


async def test_a_defect_of_ours_costs_one_request_and_is_answered(floor, monkeypatch):
    real = MachineCommands.request

    async def request(self, wish):
        if wish.verb == "pause":
            raise RuntimeError("a defect")
        return await real(self, wish)

    monkeypatch.setattr(MachineCommands, "request", request)
    async with speaking(floor) as laser:
        failed = await laser.ask("pause")
        assert (await laser.ask("active"))["ok"]
    assert (failed["status"], failed["error"]["code"], failed["retryable"]) == (500, "INTERNAL_ERROR", True)
    assert "defect" not in failed["error"]["message"]
    assert floor.link("uns").state == "up"


# ------------------------------------------------------------------ other clients


async def test_a_client_with_mqtt_3_1_1_works_from_end_to_end(floor):
    async with speaking(floor, version=4) as laser:
        await laser.say("in/state", "4", retain=True)
        started = await laser.ask("start", operation_id=BEAM)
        again = await laser.ask("start", started["request_id"], operation_id=BEAM)
        await laser.say("in/counter/good", "10")
        await laser.say("in/counter/good", "13")
        assert (await laser.ask("complete"))["data"]["good"] == 3
        await until(lambda: any(one.topic.endswith("/job") and not one.payload["op"] for one in laser.ear.heard))
    assert (started["ok"], again["replayed"]) == (True, True)


async def test_the_command_line_is_enough(floor):
    address = floor.broker.address()
    who = {"user": address.username, "password": address.password}
    root = f"{ROOT}/_dev/laser-1"
    read = ("-t", f"{root}/rsp", "-C", "1", "-W", "10", "-q", "1")
    heard = asyncio.create_task(asyncio.to_thread(tool, "mosquitto_sub", floor.port, *read, **who))
    for number in range(40):  # it says nothing of when it has subscribed
        asked = ("-t", f"{root}/cmd/queue", "-q", "1", "-m", json.dumps({"request_id": f"q-{number}", "limit": 2}))
        await asyncio.to_thread(tool, "mosquitto_pub", floor.port, *asked, **who)
        if heard.done():
            break
    answer = json.loads(await heard)
    assert (answer["verb"], len(answer["data"]["queue"])) == ("queue", 2)
    await asyncio.to_thread(tool, "mosquitto_pub", floor.port, "-t", f"{root}/in/state", "-q", "1", "-m", "4", **who)
    await eventually(lambda: _state(floor))


async def _state(floor) -> bool:
    return await rows(floor, "SELECT state FROM machine_states WHERE id = 'laser-1'") == [("running",)]
