"""What one client may take: requests a minute, wrong keys, time for a request, connections."""

import asyncio
import json
import math
import sqlite3
from datetime import datetime

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import TooFast
from gateway.kernel.ids import uuid7
from gateway.outbox.receipts import Answer
from gateway.web import limits
from gateway.web.auth import NewKey
from gateway.web.limits import Buckets, Limiter, Rate
from gateway.web.routes import Cells, Route, Scope
from gateway.web.server import application, runner

# ------------------------------------------------------------------ the bucket


def taken(buckets, name="key", times=1) -> int:
    """How many of so many tries were let through."""
    count = 0
    for _ in range(times):
        try:
            buckets.take(name)
        except TooFast:
            continue
        count += 1
    return count


def test_a_burst_goes_through_at_once_and_then_it_trickles(clock):
    buckets = Buckets(Rate(6000, 600), clock)
    assert taken(buckets, times=1000) == 600
    clock._elapsed_s += 0.1  # 100 a second
    assert taken(buckets, times=1000) == 10
    clock._elapsed_s += 3600
    assert taken(buckets, times=1000) == 600  # it holds no more than a burst


def test_headers_count_down_and_say_when_all_is_there_again(clock):
    buckets = Buckets(Rate(60, 10), clock)
    left = [buckets.take("key") for _ in range(10)]
    assert [int(one["X-RateLimit-Remaining"]) for one in left] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert {one["X-RateLimit-Limit"] for one in left} == {"60"}
    assert int(left[-1]["X-RateLimit-Reset"]) == math.ceil(clock.now().timestamp() + 10)


def test_a_refusal_says_how_long_to_wait_and_that_is_enough(clock):
    buckets = Buckets(Rate(60, 2), clock)
    assert taken(buckets, times=3) == 2
    with pytest.raises(limits.Exceeded) as refused:
        buckets.take("key")
    told = refused.value.details
    assert (told["limit"], told["remaining"], told["retryAfter"]) == (60, 0, 1)
    assert datetime.fromisoformat(told["resetAt"]).timestamp() == clock.now().timestamp() + 1
    assert refused.value.headers["Retry-After"] == "1"
    clock._elapsed_s += told["retryAfter"]
    assert taken(buckets) == 1


def test_one_key_does_not_take_from_another(clock):
    buckets = Buckets(Rate(60, 1), clock)
    assert taken(buckets, "a", 5) == taken(buckets, "b", 5) == 1


def test_a_stepped_wall_clock_opens_and_closes_nothing(clock):
    buckets = Buckets(Rate(60, 1), clock)
    assert taken(buckets) == 1
    clock.step(3600)
    assert taken(buckets) == 0
    clock._elapsed_s += 1
    clock.step(-7200)
    assert taken(buckets) == 1


def test_no_more_than_so_many_senders_are_remembered(clock, monkeypatch):
    monkeypatch.setattr(limits, "SENDERS_MAX", 3)
    buckets = Buckets(Rate(60, 1), clock)
    for name in "abc":
        assert taken(buckets, name) == 1
    assert taken(buckets, "d") == 1
    assert len(buckets._full_at_s) == 3
    assert taken(buckets, "c") == 0  # only the oldest was forgotten
    clock._elapsed_s += 60
    assert taken(buckets, "e") == 1
    assert list(buckets._full_at_s) == ["e"]  # full ones go first, without loss


@given(
    st.integers(1, 10_000),
    st.integers(1, 1000),
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 50)), max_size=30),
)
def test_never_more_than_the_burst_and_the_rate_together(per_minute, burst, steps):
    clock = ManualClock()
    buckets = Buckets(Rate(per_minute, burst), clock)
    through = 0
    for pause_s, tries in steps:
        clock._elapsed_s += pause_s
        through += taken(buckets, times=tries)
        assert through <= burst + clock.monotonic() * per_minute / 60 + 1e-3


# ------------------------------------------------------------------ over HTTP


async def test_every_api_answer_tells_what_is_left(served):
    async with served(limits={"requests_per_minute": 60, "burst": 5}) as box:
        for path in ("/api-cells", "/api-cells?id=nothing", "/functions/v1/api-jobs"):
            said = await box.send("GET", path)
            assert said.headers["X-RateLimit-Limit"] == "60"
            assert 0 <= int(said.headers["X-RateLimit-Remaining"]) < 5
            assert int(said.headers["X-RateLimit-Reset"]) > 1_700_000_000
        refused = await box.send("GET", "/api-cells", key="ery_live_wrong")
        assert (refused.status, refused.headers["X-RateLimit-Limit"]) == (401, str(limits.FAILED_PER_MINUTE))


async def test_too_fast_is_429_and_nothing_of_it_happens(served):
    async with served(limits={"requests_per_minute": 60, "burst": 3}) as box:
        answers = [await box.send("POST", "/api-cells", {"name": f"C{number}"}) for number in range(5)]
        assert [said.status for said in answers] == [201, 201, 201, 429, 429]
        said = answers[-1]
        assert int(said.headers["Retry-After"]) >= 1
        assert said.headers["X-RateLimit-Remaining"] == "0"
        error = said.body["error"]
        assert (error["code"], error["statusCode"]) == ("RATE_LIMIT_EXCEEDED", 429)
        assert error["request_id"] == said.headers["X-Request-Id"]
        assert error["rateLimitInfo"].keys() >= {"remaining", "resetAt", "retryAfter"}
        assert error["details"]["limit"] == 60
        assert (await box.send("OPTIONS", "/api-cells")).status == 200
        assert (await box.bare("/livez")).status == 200
        _, other = await box.gateway.keys.create(NewKey("other", Scope.READ))
        listed = await box.send("GET", "/api-cells", key=other)
        assert listed.body["data"]["pagination"]["total"] == 3


async def test_wrong_keys_are_throttled_by_address_and_the_right_one_is_served(served, clock):
    async with served(clock) as box:
        for _ in range(limits.FAILED_BURST):
            assert (await box.send("GET", "/api-cells", key="ery_live_wrong")).status == 401
        said = await box.send("GET", "/api-cells", key="ery_live_wrong")
        assert (said.status, said.body["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
        assert int(said.headers["Retry-After"]) >= 1
        assert (await box.send("GET", "/api-cells")).status == 200


def test_an_attempt_without_a_key_costs_its_address_only(clock):
    limiter = Limiter(Rate(60, 1), clock, request_max_s=1)
    for _ in range(limits.FAILED_BURST):
        limiter.failed("192.0.2.1")
    with pytest.raises(TooFast):
        limiter.failed("192.0.2.1")
    limiter.failed("192.0.2.2")
    limiter.take("192.0.2.1")  # a key of that name is somebody else


async def test_a_request_that_takes_too_long_is_503_and_its_write_finishes(box):
    """A handler that asks for a write and then hangs."""
    written = asyncio.Event()

    async def slow(_call) -> Answer:
        await box.gateway.db.write(lambda tx: tx.execute("UPDATE gateway_state SET value = 'x' WHERE key = 'machine'"))
        written.set()
        await asyncio.Event().wait()
        raise AssertionError

    route = Route("POST", "/slow", slow, Scope.READ, Cells.NONE, "Slow")
    limiter = Limiter(Rate(60, 60), ManualClock(), request_max_s=0.1)
    served = runner(application([route], box.gateway.keys, limiter, uuid7(ManualClock())), shutdown_s=0.1)
    await served.setup()
    site = aiohttp.web.TCPSite(served, "127.0.0.1", 0)
    await site.start()
    try:
        url = f"http://127.0.0.1:{served.addresses[0][1]}/slow"
        async with box.session.post(url, headers={"Authorization": f"Bearer {box.key}"}) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
            assert "Idempotency-Key" in (await answer.json())["error"]["message"]
        assert written.is_set()
    finally:
        await served.cleanup()


async def test_a_write_that_was_asked_for_is_kept_although_its_caller_heard_503(served):
    async with served(limits={"request_timeout": "200ms"}) as box:
        holding = await asyncio.to_thread(held, box.gateway.db.path)
        said = await box.send("POST", "/api-cells", {"name": "Laser"}, **{"Idempotency-Key": "k1"})
        assert said.status == 503
        await asyncio.to_thread(holding.rollback)
        holding.close()
        again = await box.send("POST", "/api-cells", {"name": "Laser"}, **{"Idempotency-Key": "k1"})
        assert (again.status, again.headers.get("Idempotency-Replayed")) == (201, "true")
        assert (await box.send("GET", "/api-cells")).body["data"]["pagination"]["total"] == 1


def held(path):
    """Somebody else writes: the disk is slow."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


# ------------------------------------------------------------------ connections


async def test_one_connection_too_many_is_told_so_and_the_others_go_on(served):
    async with served(limits={"connections": 3}) as box:
        assert (await box.send("GET", "/api-cells")).status == 200  # this one stays open
        host, port = box.gateway.addresses[0].rsplit(":", 1)
        idle = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        said = await asyncio.wait_for(reader.read(), 5)
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 2" in head
        assert json.loads(body)["error"]["code"] == "BUSY"
        writer.close()
        await writer.wait_closed()
        assert (await box.send("GET", "/api-cells")).status == 200
        idle[0][1].close()
        await idle[0][1].wait_closed()
        async with asyncio.timeout(5):
            while not await answered(host, int(port)):
                await asyncio.sleep(0.02)
        idle[1][1].close()
        await idle[1][1].wait_closed()


async def answered(host: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    return said.startswith(b"HTTP/1.1 200 ")


async def test_one_too_many_that_says_nothing_is_closed(served, monkeypatch):
    monkeypatch.setattr(limits, "LINGER_MAX_S", 0.05)
    async with served(limits={"connections": 1}) as box:
        host, port = box.gateway.addresses[0].rsplit(":", 1)
        _, first = await asyncio.open_connection(host, int(port))
        await asyncio.sleep(0.05)
        reader, second = await asyncio.open_connection(host, int(port))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        for writer in (first, second):
            writer.close()
            await writer.wait_closed()
