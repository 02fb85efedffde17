"""One id from what somebody at the gateway was answered, through its log, to the call that tells the cloud of it."""

import contextlib
import json

import aiomqtt
import pytest
from plant import OTTO, operation, plant

CUT = operation(1, "Beam", "Laser cutting")
OURS = "order-4711.tap-1"
THEIRS = "7c1e-mqtt"


@pytest.fixture
async def here(tmp_path):
    device = '[[uns.device]]\nid = "laser-1"\ncells = ["Laser"]\ncommands = ["report"]\nexecute_queued = true\n'
    async with plant(tmp_path, device) as running:
        yield running


def records(here, wanted=""):
    """What a person finds with grep; a line that is being written is not one yet."""
    log = (here.program.folder / "log").read_text().splitlines()
    return [json.loads(line) for line in log if wanted in line and line.startswith("{") and line.endswith("}")]


def lines(here, request_id):
    return [(told["event"], told) for told in records(here, request_id)]


async def sent(here, request_id):
    await here.until(lambda: _there(here, request_id), f"{request_id} is at the cloud")


async def _there(here, request_id):
    return any(event == "cloud.sent" for event, _ in lines(here, request_id))


async def test_a_booking_is_followed_from_its_answer_to_the_cloud(here):
    body = {"operation_id": CUT, "action": "start", "operator_id": OTTO}
    status, _ = await here.call("POST", "/api-operation-lifecycle", body, **{"X-Request-Id": OURS})
    assert status == 200
    await sent(here, OURS)

    told = lines(here, OURS)
    assert [event for event, _ in told][:2] == ["request.done", "cloud.sent"]
    assert (told[0][1]["request_id"], told[0][1]["status"]) == (OURS, 200)
    assert told[0][1]["route"] == "/api-operation-lifecycle"
    assert told[1][1]["request_ids"] == [OURS]
    calls = [one for one in here.cloud.log if one.request_id == OURS]
    assert any(one.method == "POST" and "lifecycle/start" in one.path for one in calls), calls
    assert all(one.request_id == OURS for one in here.cloud.log if CUT in one.query and one.method != "GET")

    shown = here.program.ok("logs", "show", "--request-id", OURS, "--json").json["records"]
    assert [one["event"] for one in shown] == [event for event, _ in told]


async def test_one_that_was_made_here_and_one_that_a_machine_sent_are_followed_alike(here):
    body = {"operation_id": CUT, "action": "start", "operator_id": OTTO}
    await here.call("POST", "/api-operation-lifecycle", body, **{"X-Request-Id": "not an id: it has blanks"})
    await here.until(lambda: _answered(here), "the line of the request")
    made = next(one["request_id"] for one in records(here, "request.done") if one["method"] == "POST")
    await sent(here, made)

    password = here.program.ok("uns", "devices", "add", "laser-1").last
    wish = json.dumps({"request_id": THEIRS, "operation_id": CUT, "good": 2})
    who = {"username": "laser-1", "password": password, "identifier": "laser-1"}

    async def reported():
        """Again and again, as a device does: with its first one the broker is started anew, to listen on the LAN."""
        with contextlib.suppress(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", here.mqtt, **who) as laser:
                await laser.publish("acme/hall/_dev/laser-1/cmd/report", wish, qos=1)
        return await _there(here, THEIRS)

    await here.until(reported, "what the machine reported is at the cloud")
    assert "machine.answered" in [event for event, _ in lines(here, THEIRS)]
    assert any(one.request_id == THEIRS and "quantities" in one.path for one in here.cloud.log)


async def _answered(here):
    return bool(records(here, "request.done"))
