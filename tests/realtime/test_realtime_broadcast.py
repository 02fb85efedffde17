"""Broadcasts between clients: over the socket in both versions, and over HTTP."""

import io
import json

import pytest
from sockets import TOPIC

from gateway.realtime.codec import V1, V2, VERSIONS
from gateway.web.limits import Buckets, Rate
from gateway.web.routes import Scope

HELLO = {"text": "Grüße", "n": [1, None]}


def pushed(event: str, payload: bytes, encoding: int, *, ref: str = "9", topic: str = TOPIC) -> bytes:
    """As the newest client writes it."""
    parts = [one.encode() for one in ("1", ref, topic, event, "")]
    return bytes((3, *map(len, parts), encoding)) + b"".join(parts) + payload


async def broadcast(client, event="cursor", payload=HELLO, ref="9") -> None:
    """By the way that a client of its version has."""
    if client.version == V2:
        await client.socket.send_bytes(pushed(event, json.dumps(payload).encode(), 1, ref=ref))
    else:
        told = {"type": "broadcast", "event": event, "payload": payload}
        await client.say(TOPIC, "broadcast", told, join_ref="1", ref=ref)


async def heard(client):
    told = await client.hear(lambda one: one.event == "broadcast")
    assert (told.topic, told.ref, told.payload["type"]) == (TOPIC, None, "broadcast")
    return told.payload["event"], told.payload["payload"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_broadcast_reaches_the_others_in_that_topic_alone(plaza, version):
    sender, *others = [await plaza.client(one) for one in (version, V1, V2)]
    for client in (sender, *others):
        await client.joined()
    elsewhere = await plaza.client()
    await elsewhere.joined(topic="realtime:elsewhere")
    await broadcast(sender)
    for client in others:
        assert await heard(client) == ("cursor", HELLO)
    for client in (sender, elsewhere, *others):
        await client.nothing_more()


@pytest.mark.parametrize("version", VERSIONS)
async def test_who_wants_to_hears_himself_and_is_told_that_it_was_taken(plaza, version):
    client = await plaza.client(version)
    await client.joined(broadcast={"ack": True, "self": True})
    await broadcast(client, ref="77")
    assert (await client.reply("77")).payload == {"status": "ok", "response": {}}
    assert await heard(client) == ("cursor", HELLO)


async def test_bytes_reach_those_whose_protocol_has_them(plaza):
    sender, new, old = [await plaza.client(version) for version in (V2, V2, V1)]
    for client in (sender, new, old):
        await client.joined()
    await sender.socket.send_bytes(pushed("scan", b"\x00\xff\x10", 0))
    told = await new.socket.receive_bytes()
    topic, event = TOPIC.encode(), b"scan"
    assert told == bytes((4, len(topic), len(event), 0, 0)) + topic + event + b"\x00\xff\x10"
    await old.nothing_more()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x03",
        b"\x00\x01\x01\x01\x01\x00\x01",
        pushed("e", b"{", 1),
        pushed("e", b"{}", 2),
        pushed("e", b"", 1)[:12],
    ],
)
async def test_bytes_that_are_no_broadcast_are_passed_over(plaza, data):
    client = await plaza.client()
    await client.joined()
    await client.socket.send_bytes(data)
    await client.nothing_more()


async def test_too_many_broadcasts_of_one_key_are_refused_and_it_is_told_so(plaza):
    plaza.hub._broadcasts = Buckets(Rate(per_minute=60, burst=2), plaza.floor.clock)
    client, plain = await plaza.client(), await plaza.client(V1)
    await client.joined(broadcast={"ack": True})
    await plain.joined(topic="realtime:screen")
    for ref in ("a", "b"):
        await broadcast(client, ref=ref)
        assert (await client.reply(ref)).payload["status"] == "ok"
    await broadcast(client, ref="c")
    assert "Rate limit exceeded" in (await client.reply("c")).payload["response"]["reason"]
    await broadcast(plain)
    assert "Rate limit exceeded" in (await plain.system())["message"]
    await plaza.floor.clock.advance(2)
    await broadcast(client, ref="d")
    assert (await client.reply("d")).payload["status"] == "ok"


# ------------------------------------------------------------------ over HTTP


async def post(plaza, path, data, headers):
    url = f"{plaza.url}/realtime/v1/api/broadcast{path}"
    headers = {"Content-Type": "application/json", **headers}
    async with plaza.floor.session.post(url, data=io.BytesIO(data.encode()), headers=headers) as got:
        return got.status, await got.text()


async def test_a_broadcast_over_http_reaches_everybody_in_the_topic(plaza):
    clients = [await plaza.client(version) for version in VERSIONS]
    for client in clients:
        await client.joined()
    key = await plaza.floor.new_key(Scope.READ)
    messages = {"messages": [{"topic": "screen", "event": "cursor", "payload": HELLO, "private": False}] * 2}
    for headers in ({"apikey": key}, {"Authorization": f"Bearer {key}"}):
        assert await post(plaza, "", json.dumps(messages), headers) == (202, "")
    assert await post(plaza, "/screen/events/c%2Fd%C3%BC", json.dumps(HELLO), {"apikey": key}) == (202, "")
    for client in clients:
        assert [await heard(client) for _ in range(5)] == [("cursor", HELLO)] * 4 + [("c/dü", HELLO)]


@pytest.mark.parametrize(
    ("path", "body", "status", "why"),
    [
        ("", {"messages": []}, 422, "messages"),
        ("", {"messages": [{"topic": "x"}]}, 422, "event"),
        ("", {"messages": [{"topic": "x", "event": "e"}] * 101}, 422, "at most 100"),
        ("", "{", 400, "not valid JSON"),
        ("/screen/events/e", "[NaN]", 400, "not valid JSON"),
        ("/screen/events/" + "e" * 300, {}, 422, "255 bytes"),
        ("", {"messages": [{"topic": "x", "event": "e", "payload": "x" * 2**20}]}, 413, "larger than"),
    ],
)
async def test_what_cannot_be_broadcast_is_refused_by_name(plaza, path, body, status, why):
    data = body if isinstance(body, str) else json.dumps(body)
    found, text = await post(plaza, path, data, {"apikey": plaza.floor.key})
    assert (found, json.loads(text)["error"]["statusCode"]) == (status, status)
    assert why in json.loads(text)["error"]["message"]


async def test_without_a_key_nothing_is_broadcast(plaza):
    for headers in ({}, {"apikey": "ery_live_wrong"}, {"Authorization": "Bearer x"}):
        assert (await post(plaza, "", "{}", headers))[0] == 401
    plaza.hub._broadcasts = Buckets(Rate(per_minute=60, burst=1), plaza.floor.clock)
    statuses = [(await post(plaza, "/screen/events/e", "{}", {"apikey": plaza.floor.key}))[0] for _ in range(2)]
    assert statuses == [202, 429]
