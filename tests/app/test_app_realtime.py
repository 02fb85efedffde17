"""The realtime socket as a part of the whole gateway: seen in health and metrics, and ended in order."""

import asyncio
import contextlib
import ssl

import aiohttp
from waiting import until

from gateway.kernel.clock import SystemClock
from gateway.tls import HTTP, Tls
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

PATH = "/realtime/v1/websocket"
JOIN = ["1", "1", "realtime:screen", "phx_join", {"config": {"postgres_changes": [{"event": "*", "table": "cells"}]}}]


async def connected(box, key: str = "") -> aiohttp.ClientWebSocketResponse:
    query = {"apikey": key or box.key, "vsn": "2.0.0"}
    return await box.session.ws_connect(f"http://{box.gateway.addresses[0]}{PATH}", params=query)


async def joined(box) -> aiohttp.ClientWebSocketResponse:
    socket = await connected(box)
    await socket.send_json(JOIN)
    assert (await socket.receive_json())[4]["status"] == "ok"
    assert (await socket.receive_json())[3] == "system"
    return socket


async def test_what_is_written_over_rest_is_told_and_both_are_seen_in_health_and_metrics(box):
    socket = await joined(box)
    assert (await box.send("POST", "/api-cells", {"name": "Paint"})).status == 201
    assert (await socket.receive_json())[4]["data"]["record"]["name"] == "Paint"
    link = (await box.health())["links"]["realtime"]
    assert (link["state"], link["sockets"], link["channels"], link["sockets_dropped"]) == ("up", 1, 1, 0)
    metrics = (await box.send("GET", "/metrics")).text
    assert "gateway_realtime_sockets 1.0" in metrics
    assert "gateway_realtime_channels 1.0" in metrics
    assert "gateway_realtime_sockets_dropped_total 0.0" in metrics
    await socket.close()
    async with asyncio.timeout(20):
        while (await box.health())["links"]["realtime"]["sockets"]:
            await asyncio.sleep(0.01)


async def test_a_gateway_that_stops_sends_everybody_away_first_also_who_does_not_read(served):
    async with contextlib.AsyncExitStack() as stack:
        box = await stack.enter_async_context(served())
        sockets = [await joined(box) for _ in range(3)]
        stuck, raw = await asyncio.open_connection(*box.gateway.addresses[0].split(":"))
        raw.write(
            f"GET {PATH}?vsn=2.0.0&apikey={box.key} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert (await stuck.readline()).startswith(b"HTTP/1.1 101")

        async def left(socket) -> int:
            assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING)
            return socket.close_code

        leaving = [asyncio.create_task(left(socket)) for socket in sockets]
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await box.gateway._stop_serving()
        assert [await one for one in leaving] == [aiohttp.WSCloseCode.SERVICE_RESTART] * 3
        assert loop.time() - began_s < 30  # neither does who is not there hold it up
        raw.close()


async def test_it_is_spoken_over_tls_too(served, tmp_path):
    own = Tls(tmp_path)
    own.issue(HTTP, SystemClock().now())
    trusted = ssl.create_default_context(cafile=own.ca.certificate)
    async with served(http={"port": 0, "tls_host": "127.0.0.1", "tls_port": 0}) as box:
        address = next(url for url in box.gateway.urls if url.startswith("https:"))
        query = {"apikey": box.key, "vsn": "2.0.0"}
        async with box.session.ws_connect(address + PATH, params=query, ssl=trusted) as socket:
            await socket.send_json(JOIN)
            assert [(await socket.receive_json())[3] for _ in range(2)] == ["phx_reply", "system"]
            for number in range(20):
                assert (await box.send("POST", "/api-cells", {"name": f"C{number}"})).status == 201
            told = [(await socket.receive_json())[4]["data"]["record"]["name"] for _ in range(20)]
            assert told == [f"C{number}" for number in range(20)]


async def test_the_key_in_the_address_stands_in_no_log(served, capsys):
    async with served(log={"level": "debug"}) as box:
        await (await joined(box)).close()
        _, key = await box.gateway.keys.create(NewKey("reader", Scope.READ))
        await (await connected(box, key)).close()
        refused = await box.bare(f"{PATH}?apikey=ery_live_secret")
        assert refused.status == 401
        assert refused.body["error"]["code"] == "UNAUTHORIZED"
        await until(lambda: box.gateway.health.link("realtime").facts["sockets"] == 0)
    said = "".join(capsys.readouterr())
    assert "realtime.refused" in said
    assert not [one for one in (box.key, key, "ery_live_secret", "apikey") if one in said]
