"""The cloud's MQTT publishes ring like its webhooks: over the HTTP interface of EMQX, with Basic auth, event topics only."""

import base64
import json

import pytest
from test_mode_c import hall_of
from waiting import until

from gateway.inbound import admitted, of_an_event

PASSWORD = "rings-like-a-bell-0123456789"
TOPIC = "acme/plant1/fabrication/default/operation/started"


@pytest.fixture
async def hall(tmp_path):
    async with hall_of(tmp_path, publish_username="eryxon", publish_password=PASSWORD) as hall:
        await until(lambda: hall.gateway.health.link("cloud-pull").state == "up", "pulled")
        yield hall


def told(at: str = "2026-11-02T07:00:00.000Z", **more) -> dict:
    event = {"event": "operation.started", "timestamp": at, "tenant_id": "t", "data": {"operation_id": "o-1"}}
    return {"topic": TOPIC, "payload": json.dumps(event), "qos": 1, "retain": False, **more}


async def publish(hall, body, auth=("eryxon", PASSWORD), base: str = "") -> tuple[int, dict]:
    url = f"http://{hall.gateway.addresses[0]}{base}/api/v5/publish"
    given = {"Authorization": f"Basic {base64.b64encode(':'.join(auth).encode()).decode()}"} if auth else {}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with hall.session.post(url, data=data, headers=given) as answer:
        return answer.status, await answer.json()


async def test_an_event_of_the_cloud_makes_us_read_once(hall):
    before = hall.pulls()
    status, answer = await publish(hall, told())
    assert (status, list(answer)) == (200, ["id"])
    await until(lambda: hall.pulls() == before + 1, "read")
    assert await publish(hall, told()) == (200, answer)
    assert (await publish(hall, told("2026-11-02T07:00:01.000Z"), base="/functions/v1"))[0] == 200
    await until(lambda: hall.pulls() == before + 2, "read again, once")


async def test_nothing_in_it_is_published_or_believed(hall):
    sql = "SELECT count(*) FROM events"
    count = await hall.gateway.db.read(lambda connection: connection.execute(sql).fetchone()[0])
    assert (await publish(hall, told()))[0] == 200
    assert await hall.gateway.db.read(lambda connection: connection.execute(sql).fetchone()[0]) == count


@pytest.mark.parametrize(
    "auth", [None, ("eryxon", "wrong"), ("somebody", PASSWORD), ("", ""), ("eryxon", PASSWORD + "x")]
)
async def test_who_is_not_the_cloud_is_refused_before_he_is_listened_to(hall, auth):
    before = hall.pulls()
    for body in (told(), b"rubbish"):
        status, answer = await publish(hall, body, auth)
        assert (status, answer["error"]["code"]) == (401, "UNAUTHORIZED")
    assert hall.pulls() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (told(topic="acme/plant1/_dev/laser-1/cmd/start"), 422),
        (told(topic="acme/plant1/fabrication/laser/_state"), 422),
        (told(topic="acme/+/operation/started"), 422),
        (told(topic="$SYS/operation/started"), 422),
        (told(topic=""), 422),
        (told(qos=3), 422),
        ({"topic": TOPIC}, 422),
        (told(payload="not JSON"), 400),
        (told(payload="[]"), 400),
        (b"{", 400),
        (b"[]", 422),
    ],
)
async def test_what_is_no_event_is_refused_by_name(hall, body, status):
    before = hall.pulls()
    assert (await publish(hall, body))[0] == status
    assert hall.pulls() == before


async def test_without_a_password_there_is_no_such_door(tmp_path):
    async with hall_of(tmp_path) as hall:
        assert (await publish(hall, told()))[0] == 404


@pytest.mark.parametrize(
    ("topic", "taken"),
    [
        (TOPIC, True),
        ("a/sync/erp/completed", False),
        ("job/created", False),
        ("x/job/created", True),
        ("x//job/created", False),
        ("x/job/created/", False),
        ("x/job/createdx", False),
    ],
)
def test_event_topics(topic, taken):
    assert of_an_event(topic) is taken


@pytest.mark.parametrize("header", ["", "Basic", "Basic ###", "Bearer ZXJ5eG9uOng=", "Basic ZXJ5eG9u", "Basic \u00e4"])
def test_what_is_no_basic_auth_lets_nobody_in(header):
    assert not admitted(header, "eryxon", "x")
