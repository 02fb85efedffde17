"""How many connections one key may hold, whatever they are for; and that nobody holds one by saying nothing, or little."""

import asyncio
import contextlib
import json
import ssl

import aiohttp
import pytest
from waiting import until

from gateway import listening
from gateway.kernel.clock import SystemClock
from gateway.tls import HTTP, Tls
from gateway.web import limits
from gateway.web.auth import NewKey
from gateway.web.connections import KNOWN_MAX, Connections
from gateway.web.routes import Scope

FEW = 3
ANSWER_MAX_S = 30
WEBSOCKET = "/realtime/v1/websocket?vsn=1.0.0&apikey="


@pytest.fixture
def narrow(served):
    return served(limits={"connections_per_key": FEW})


async def said(box, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """A new connection on which one request was made, and the first line of its answer."""
    host, port = box.gateway.addresses[0].rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /api-capabilities HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    async with asyncio.timeout(ANSWER_MAX_S):
        return reader, writer, await reader.readline()


async def closed(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_one_more_of_the_same_key_is_told_so_and_closed_and_others_are_served(narrow):
    async with narrow as box:
        _, other = await box.gateway.keys.create(NewKey("other", Scope.READ))
        _, mine = await box.gateway.keys.create(NewKey("mine", Scope.READ))
        held = [await said(box, mine) for _ in range(FEW)]
        assert [line.split()[1] for _, _, line in held] == [b"200"] * FEW
        reader, writer, line = await said(box, mine)
        assert line.split()[1] == b"503"
        async with asyncio.timeout(ANSWER_MAX_S):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")  # it ends: the connection is closed
        assert b"Retry-After: " in head
        error = json.loads(body)["error"]
        assert error["code"] == "BUSY"
        assert f"{FEW} connections are open with this key" in error["message"]
        assert "[limits] connections_per_key" in error["message"]
        _, theirs, line = await said(box, other)
        assert line.split()[1] == b"200"
        await closed(writer, theirs, *(one for _, one, _ in held))


async def test_the_place_of_one_that_has_gone_is_free_again(narrow):
    async with narrow as box:
        held = [(await said(box, box.key))[1] for _ in range(FEW)]
        _, refused, line = await said(box, box.key)
        assert line.split()[1] == b"503"
        await closed(refused, held.pop())
        async with asyncio.timeout(ANSWER_MAX_S):
            while (found := await said(box, box.key))[2].split()[1] != b"200":
                await closed(found[1])
        await closed(found[1], *held)


async def test_a_connection_counts_for_the_key_that_was_last_used_on_it(narrow):
    """As behind a proxy, which lends its connections to everybody."""
    async with narrow as box:
        keys = [(await box.gateway.keys.create(NewKey(f"key {n}", Scope.READ)))[1] for n in range(FEW * 2)]
        async with aiohttp.TCPConnector(limit=1) as connector, aiohttp.ClientSession(connector=connector) as proxy:
            for key in [*keys, *keys]:
                headers = {"Authorization": f"Bearer {key}"}
                async with proxy.get(f"http://{box.gateway.addresses[0]}/api-capabilities", headers=headers) as answer:
                    assert answer.status == 200
        held = [await said(box, keys[0]) for _ in range(FEW)]
        assert [line.split()[1] for _, _, line in held] == [b"200"] * FEW
        await closed(*(one for _, one, _ in held))


async def test_websockets_streams_and_long_polls_count(narrow):
    async with narrow as box, contextlib.AsyncExitStack() as entered:
        _, mine = await box.gateway.keys.create(NewKey("mine", Scope.ADMIN))
        url, headers = f"http://{box.gateway.addresses[0]}", {"Authorization": f"Bearer {mine}"}

        def session() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_MAX_S))

        one, two, three, four = [await entered.enter_async_context(session()) for _ in range(4)]
        socket = await entered.enter_async_context(one.ws_connect(f"{url}{WEBSOCKET}{mine}"))
        stream = await two.get(f"{url}/api-changes", headers={**headers, "Accept": "text/event-stream"})
        assert stream.status == 200
        head = (await box.health())["journal_head"]
        poll = asyncio.create_task(three.get(f"{url}/api-changes?since={head}&wait=20", headers=headers))
        await until(lambda: still_open(box, mine) == FEW)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await four.ws_connect(f"{url}{WEBSOCKET}{mine}")
        assert refused.value.status == 503
        poll.cancel()
        stream.close()
        await socket.close()
        await until(lambda: still_open(box, mine) == 0)


def still_open(box, key: str) -> int:
    known = box.gateway._limiter.connections._whose
    return sum(whose == hash(key) and one.transport is not None for one, whose in known.items())


class Gone:
    transport = None


def test_keys_that_were_made_up_do_not_fill_the_memory():
    connections = Connections(FEW)
    for number in range(KNOWN_MAX * 2):
        connections.take(Request(Gone(), f"Bearer made up {number}"))
    assert len(connections._whose) <= KNOWN_MAX


class Request:
    def __init__(self, protocol, authorization) -> None:
        self.protocol, self.headers, self.query = protocol, {"Authorization": authorization}, {}


HALF = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


@pytest.mark.parametrize(
    "first", [b"", HALF, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + HALF], ids=["nothing", "half", "second"]
)
async def test_a_header_that_does_not_end_does_not_hold_a_connection(served, monkeypatch, first):
    monkeypatch.setattr(limits, "KEEPALIVE_S", 0.5)
    async with served() as box:
        host, port = box.gateway.addresses[0].rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(first)
        ended = asyncio.create_task(reader.read())
        async with asyncio.timeout(ANSWER_MAX_S):
            while not ended.done():  # a byte now and then, as somebody who wants to hold it would send
                if first:
                    writer.write(b"x")
                await asyncio.wait({ended}, timeout=0.05)
        with contextlib.suppress(ConnectionError):
            await ended
        await closed(writer)
        assert (await box.send("GET", "/api-jobs")).status == 200


async def test_a_tls_handshake_that_does_not_go_on_does_not_hold_a_connection(served, monkeypatch, tmp_path):
    monkeypatch.setattr(listening, "HANDSHAKE_MAX_S", 0.5)
    await asyncio.to_thread(Tls(tmp_path).issue, HTTP, SystemClock().now())
    async with served(http={"port": 0, "tls_host": "127.0.0.1", "tls_port": 0}) as box:
        host, port = box.gateway.addresses[1].rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"\x16\x03\x01\x02\x00")  # the beginning of a hello
        async with asyncio.timeout(ANSWER_MAX_S):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        await closed(writer)
        context = ssl.create_default_context(cafile=Tls(tmp_path).ca.certificate)
        async with box.session.get(f"https://{host}:{port}/livez", ssl=context) as answer:
            assert await answer.text() == "live"
