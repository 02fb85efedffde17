"""What a client says to the socket, and what it is answered: in both versions of the protocol."""

import asyncio

import aiohttp
import pytest
from sockets import PATH, TOPIC, changes
from waiting import until

from gateway.realtime import session
from gateway.realtime.codec import V2, VERSIONS
from gateway.web.routes import Scope

both = pytest.mark.parametrize("version", VERSIONS)


@both
async def test_a_heartbeat_is_answered(plaza, version):
    client = await plaza.client(version)
    answer = await client.reply(await client.say("phoenix", "heartbeat", {}))
    assert (answer.topic, answer.join_ref) == ("phoenix", None)
    assert answer.payload == {"status": "ok", "response": {}}


@both
async def test_joining_is_answered_with_what_was_asked_for_in_that_order(plaza, version):
    client = await plaza.client(version)
    asked = [
        changes("operations", filter=f"cell_id=eq.{plaza.floor.LASER}"),
        changes("jobs", "UPDATE"),
        {"event": "DELETE", "schema": "*"},
        {"event": "INSERT", "schema": "public", "table": "parts", "filter": None},
        changes("notifications", filter="user_id=eq.me"),
    ]
    answer = await client.joined(*asked)
    told = answer.payload["response"]["postgres_changes"]
    assert [{name: one[name] for name in one if name != "id"} for one in told] == asked
    assert [one["id"] for one in told] == [1, 2, 3, 4, 5]
    assert answer.join_ref == answer.ref
    said = await client.hear(lambda one: one.event == "system")
    assert said.payload == {
        "message": "Subscribed to PostgreSQL",
        "status": "ok",
        "extension": "postgres_changes",
        "channel": "screen",
    }
    assert (said.ref, said.join_ref, said.topic) == (None, answer.join_ref, TOPIC)
    other = await client.joined(changes(), topic="realtime:other")
    assert [one["id"] for one in other.payload["response"]["postgres_changes"]] == [6]


async def test_a_channel_for_broadcasts_alone_and_one_with_presence(plaza):
    client = await plaza.client()
    answer = await client.joined(presence={"key": "", "enabled": True})
    assert answer.payload["response"] == {"postgres_changes": []}
    assert (await client.hear(lambda one: one.event == "presence_state")).payload == {}
    for event in ("track", "untrack"):
        said = await client.say(TOPIC, "presence", {"type": "presence", "event": event, "payload": {}})
        assert (await client.reply(said)).payload == {"status": "ok", "response": {}}
    await client.nothing_more()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (changes("machines"), 'no table "machines"'),
        (changes("api_keys"), 'no table "api_keys"'),
        (changes("operations", filter="colour=eq.red"), 'no column "colour"'),
        (changes("operations", filter="metadata=eq.1"), "metadata cannot be compared"),
        (changes("operations", filter="sequence=gt.many"), '"many" is no number'),
        (changes("operations", filter="operation_name=like.Cut*"), '"like" is not offered'),
        (changes("operations", filter="status=not.eq.completed"), '"not.eq" is not offered'),
        (changes("operations", filter="status"), "not of the form"),
        (changes(None, filter="id=eq.1"), "needs a table"),
        (changes("operations", "TRUNCATE"), 'the event "TRUNCATE"'),
        ({"event": "*", "schema": "auth", "table": "jobs"}, 'no schema "auth"'),
        ({"schema": "public"}, "event"),
    ],
)
async def test_what_cannot_be_had_is_refused_with_a_reason_and_leaves_the_socket_open(plaza, asked, why):
    client = await plaza.client()
    assert why in await client.refused(changes(), asked)
    await client.joined(changes())


async def test_a_topic_needs_a_name_and_too_much_at_once_is_refused(plaza, monkeypatch):
    monkeypatch.setattr(session, "BINDINGS_MAX", 2)
    monkeypatch.setattr(session, "CHANNELS_MAX", 2)
    client = await plaza.client()
    assert "realtime: and a name" in await client.refused(topic="realtime:")
    assert "realtime: and a name" in await client.refused(topic="elsewhere:screen")
    assert "at most 255 bytes" in await client.refused(topic="realtime:" + "ü" * 130)
    assert "3 bindings are more than the 2" in await client.refused(changes(), changes("jobs"), changes("parts"))
    for name in ("a", "b", "b"):
        await client.joined(changes(), topic=f"realtime:{name}")
    assert "has 2 channels already" in await client.refused(topic="realtime:c")


@both
async def test_leaving_is_answered_and_ends_it(plaza, version):
    client = await plaza.client(version)
    joined = await client.joined(changes("cells"))
    ref = await client.say(TOPIC, "phx_leave", {}, join_ref=joined.join_ref)
    assert (await client.reply(ref)).payload == {"status": "ok", "response": {}}
    closed = await client.hear(lambda one: one.event == "phx_close")
    assert (closed.join_ref, closed.ref, closed.payload) == (joined.join_ref, joined.join_ref, {})
    await plaza.committed(plaza.floor.make("/api-cells", {"name": "Paint"}))
    await client.nothing_more()
    again = await client.say(TOPIC, "phx_leave", {})
    assert (await client.reply(again)).payload["response"] == {"reason": "unmatched topic"}


async def test_joining_the_same_topic_again_replaces_it(plaza):
    client = await plaza.client()
    await client.joined(changes("cells"))
    await client.joined(changes("cells", "INSERT"))
    await plaza.floor.make("/api-cells", {"name": "Paint"})
    assert (await client.told()).payload["ids"] == [2]
    await client.nothing_more()
    assert "no table" in await client.refused(changes("machines"))
    await plaza.committed(plaza.floor.make("/api-cells", {"name": "Weld"}))
    await client.nothing_more()


@both
async def test_what_is_not_known_is_answered_and_the_socket_stays_open(plaza, version):
    client = await plaza.client(version)
    for topic, event, why in (
        (TOPIC, "broadcast", "unmatched topic"),
        ("phoenix", "party", "unmatched topic"),
        ("realtime:joined", "party", "unmatched event"),
    ):
        if topic == "realtime:joined":
            await client.joined(topic=topic)
        answer = await client.reply(await client.say(topic, event, {}))
        assert answer.payload == {"status": "error", "response": {"reason": why}}
    await client.say("realtime:joined", "party", {}, ref=None)
    await client.nothing_more()


async def test_what_cannot_be_read_is_passed_over_ten_times_within_a_minute(plaza):
    bad = ["", "hello", "[1,2]", '{"topic":"x"}', '[null,"1",2,"x",{}]', "[" * 10_000, '["1","1","t","e",NaN]']
    client = await plaza.client(V2)
    for text in [*bad, "x", "y"]:
        await client.socket.send_str(text)
    await client.nothing_more()
    await plaza.floor.clock.advance(61)
    for text in [*bad, "x", "y"]:
        await client.socket.send_str(text)
    await client.nothing_more()
    await client.socket.send_bytes(b"\x03\xff")
    assert await client.closed() == aiohttp.WSCloseCode.UNSUPPORTED_DATA


async def test_a_client_that_says_nothing_is_gone(open_plaza):
    async with open_plaza(silence_s=0.05) as plaza:
        client = await plaza.client()
        assert await client.closed() == aiohttp.WSCloseCode.GOING_AWAY
        await until(lambda: plaza.hub._link.facts["sockets"] == 0)


async def test_when_the_gateway_stops_every_client_is_told_to_come_back(plaza):
    clients = [await plaza.client(version) for version in VERSIONS]
    for client in clients:
        await client.joined(changes())
    codes, _ = await asyncio.gather(asyncio.gather(*(client.closed() for client in clients)), plaza.hub.close())
    assert codes == [aiohttp.WSCloseCode.SERVICE_RESTART] * 2
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await plaza.client()
    assert refused.value.status == 503


# ------------------------------------------------------------------ who gets in


async def refusal(plaza, query, **headers):
    async with plaza.floor.session.get(plaza.url + PATH, params=query, headers=UPGRADE | headers) as answer:
        return answer.status, (await answer.json())["error"]


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("query", "headers", "status", "why"),
    [
        ({}, {}, 401, "Missing or invalid"),
        ({"apikey": ""}, {}, 401, "Missing or invalid"),
        ({"apikey": "eyJhbGciOi.x.y"}, {}, 401, "Invalid API key format"),
        ({"apikey": "ery_live_wrong"}, {}, 401, "Invalid API key"),
        ({"apikey": "KEY", "vsn": "3.0.0"}, {}, 400, '"3.0.0"'),
        ({"apikey": "KEY"}, {"Origin": "http://evil.example"}, 403, "cors_origins"),
        ({"apikey": "KEY"}, {"Origin": "null"}, 403, "cors_origins"),
        ({"apikey": "KEY"}, {"Upgrade": "h2c"}, 400, "WebSocket"),
    ],
)
async def test_who_may_not_connect_is_told_before_the_upgrade(plaza, query, headers, status, why):
    query = {name: plaza.floor.key if value == "KEY" else value for name, value in query.items()}
    found, error = await refusal(plaza, query, **headers)
    assert (found, error["statusCode"]) == (status, status)
    assert why in error["message"]


async def test_pages_of_ours_and_those_of_the_settings_may_connect(plaza):
    for origin in (plaza.url, "http://screens.plant"):
        client = await plaza.client(headers={"Origin": origin})
        await client.joined(changes())
    async with plaza.floor.session.ws_connect(f"{plaza.url}{PATH}?apikey={plaza.floor.key}&log_level=info") as plain:
        await plain.send_json({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"})
        assert (await plain.receive_json())["ref"] == "1"  # without vsn it is 1.0.0


async def test_wrong_keys_are_counted_and_stand_in_the_log_once_a_minute(plaza, capsys):
    for _ in range(300):
        status, error = await refusal(plaza, {"apikey": "ery_live_wrong"})
        assert status == 401
    status, error = await refusal(plaza, {"apikey": "ery_live_wrong"})
    assert (status, error["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    logged = capsys.readouterr().out
    assert logged.count("realtime.refused") == 1
    assert "ery_live_wrong" not in logged
    await (await plaza.client()).joined(changes())  # a right key is served all the same


async def test_there_is_room_for_so_many_sockets(plaza):
    plaza.hub._sockets_max = 1
    await plaza.client()
    status, error = await refusal(plaza, {"apikey": plaza.floor.key})
    assert (status, error["code"]) == (503, "BUSY")


async def test_a_key_that_is_revoked_opens_nothing_any_more(plaza):
    key = await plaza.floor.new_key(Scope.READ)
    client = await plaza.client(key=key)
    await client.joined(changes())
    await client.system()
    await plaza.floor.keys.revoke("read key")
    await client.say("phoenix", "heartbeat", {})
    assert await client.closed() == aiohttp.WSCloseCode.POLICY_VIOLATION
    assert client.frames[-1].payload["message"] == "Invalid API key"
