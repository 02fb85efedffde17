"""`/mcp` in the gateway's own process: both eras of the protocol, streams that end, limits on what comes in."""

import asyncio
import io
import time

import aiohttp
from httpx2 import AsyncClient
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_shop import open_shop, plan
from waiting import until

ACCEPT = {"Accept": "application/json, text/event-stream"}
OPENING = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


async def opened(session, shop, key) -> dict[str, str]:
    sent = {"Authorization": f"Bearer {key}", **ACCEPT}
    async with session.post(shop.url, json=OPENING, headers=sent) as answer:
        assert answer.status == 200
        return {**sent, "Mcp-Session-Id": answer.headers["Mcp-Session-Id"], "Mcp-Protocol-Version": "2025-06-18"}


def streams() -> int:
    return sum("_Exchange.watch" in repr(task) for task in asyncio.all_tasks())


async def test_a_stream_whose_client_goes_leaves_nothing_behind(shop):
    key = await shop.key()
    async with aiohttp.ClientSession() as session:
        headers = await opened(session, shop, key)
        async with session.get(shop.url, headers=headers) as stream:
            assert (stream.status, stream.content_type) == (200, "text/event-stream")
            await until(lambda: streams() == 1, "the stream")
    await until(lambda: streams() == 0, "its end")


async def test_an_open_stream_does_not_hold_up_the_end_of_the_gateway(tmp_path):
    async with aiohttp.ClientSession() as session:
        async with open_shop(tmp_path) as shop:
            headers = await opened(session, shop, await shop.key())
            stream = await session.get(shop.url, headers=headers)
            await until(lambda: streams() == 1, "the stream")
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 3.5, "requests on their way would have 4 s"
        stream.close()


async def test_a_body_that_is_too_large_or_no_json(shop):
    headers = {"Authorization": f"Bearer {await shop.key()}", **ACCEPT, "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session:
        async with session.post(shop.url, data=io.BytesIO(b"x" * (5 * 1024 * 1024)), headers=headers) as answer:
            assert answer.status == 413
        async with session.post(shop.url, data=b"{no json", headers=headers) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["code"] == -32700


async def test_a_session_ends_when_its_client_says_so(shop):
    async with aiohttp.ClientSession() as session:
        headers = await opened(session, shop, await shop.key())
        async with session.delete(shop.url, headers=headers) as answer:
            assert answer.status in (200, 204)
        async with session.post(
            shop.url, json={"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, headers=headers
        ) as answer:
            assert answer.status == 404


async def test_the_stateless_era_of_the_protocol(shop):
    """Of 2026-07-28: no handshake, no session; the official client speaks it by itself when the server does."""
    await plan(shop)
    headers = {"Authorization": f"Bearer {await shop.key('fetch_jobs')}"}
    async with (
        AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(shop.url, http_client=http)) as client,
    ):
        assert [tool.name for tool in (await client.list_tools()).tools] == ["fetch_jobs"]
        result = await client.call_tool("fetch_jobs", {})
        assert "J-1" in result.content[0].text
        assert client.session.protocol_version == "2026-07-28"
