"""One device's messages: in order, not too fast; and how often a refusal is told."""

import asyncio
import contextlib
import json

import pytest

from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import TooFast, UnknownDevice
from gateway.kernel.health import Link
from gateway.settings import Settings
from gateway.uns.inbound.lane import READY_MAX, WAITING_MAX, Heard, Lane
from gateway.uns.inbound.rate import BURST_S, Bucket
from gateway.uns.inbound.rejected import KINDS_MAX, Rejections
from gateway.uns.packets import Packet
from gateway.uns.topics import Topics

PER_S = 20
BURST = PER_S * BURST_S


def heard(name: str, payload: str, *, absolute: bool = False, qos: int = 1, **more) -> Heard:
    packet = Packet(f"root/{name}", payload.encode(), retain=False, qos=qos, mid=1)
    return Heard(packet, ("laser-1",), name, absolute, **more)


class Line:
    """A lane and what came out of it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.out: list[Heard] = []
        self.replaced: list[Heard] = []
        self.open = asyncio.Event()
        self.open.set()
        self.lane = Lane(PER_S, self.clock, self._handle, self.replaced.append)

    async def _handle(self, one: Heard) -> None:
        await self.open.wait()
        self.out.append(one)

    @property
    def said(self) -> list[str]:
        return [one.packet.payload.decode() for one in self.out if one.refusal is None]

    @property
    def refused(self) -> list[str]:
        return [one.packet.payload.decode() for one in self.out if isinstance(one.refusal, TooFast)]

    def put(self, *messages: Heard) -> None:
        for one in messages:
            assert self.lane.put(one)

    async def settle(self) -> None:
        for _ in range(2 * READY_MAX):
            await asyncio.sleep(0)


@pytest.fixture
async def line():
    line = Line()
    running = asyncio.create_task(line.lane.run())
    yield line
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_a_bucket_holds_five_seconds_and_fills_up_again():
    bucket = Bucket(PER_S)
    assert sum(bucket.take(10.0) for _ in range(2 * BURST)) == BURST
    assert not bucket.take(10.01)
    assert bucket.wait_s(10.0) == pytest.approx(1 / PER_S)
    assert sum(bucket.take(11.0) for _ in range(BURST)) == PER_S


async def test_messages_come_out_in_their_order(line):
    line.put(*(heard("in/cycle", str(n)) for n in range(50)))
    await line.settle()
    assert line.said == [str(n) for n in range(50)]


async def test_too_many_cycles_are_refused_by_name(line):
    line.put(*(heard("in/cycle", str(n)) for n in range(BURST + 3)))
    await line.settle()
    assert len(line.said) == BURST
    assert line.refused == [str(BURST + n) for n in range(3)]


async def test_of_too_many_counter_values_the_newest_is_booked_when_there_is_room(line):
    line.put(*(heard("in/counter/good", str(n), absolute=True) for n in range(BURST + 40)))
    await line.settle()
    assert line.said[-1] == str(BURST - 1)
    await line.clock.advance(1.5 / PER_S)
    await line.settle()
    assert line.said[-1] == str(BURST + 39)
    assert len(line.said) == BURST + 1
    assert line.refused == []
    assert len(line.replaced) == 39  # done with, so acknowledged


async def test_a_counter_that_waits_still_goes_before_what_came_after_it(line):
    line.put(*(heard("in/cycle", "x") for _ in range(BURST)), heard("in/counter/good", "7", absolute=True))
    await line.settle()
    line.open.clear()
    line.clock._elapsed_s += 10  # nobody wakes yet
    line.put(heard("cmd/complete", "done"))
    line.open.set()
    await line.settle()
    assert line.said[-2:] == ["7", "done"]


async def test_a_device_with_too_many_topics_is_refused_beyond_a_limit(line):
    line.put(*(heard("in/cycle", "x") for _ in range(BURST)))
    line.put(*(heard(f"in/counter/c{n}", str(n), absolute=True) for n in range(WAITING_MAX + 5)))
    await line.settle()
    assert line.refused == [str(WAITING_MAX + n) for n in range(5)]


async def test_what_waited_for_us_at_the_broker_is_never_too_fast(line):
    line.put(*(heard("in/cycle", str(n), kept=True) for n in range(3 * BURST)))
    await line.settle()
    assert line.said == [str(n) for n in range(3 * BURST)]


async def test_a_flood_without_acknowledgements_has_an_end(line):
    line.open.clear()
    taken = [line.lane.put(heard("in/cycle", "x", qos=0, kept=True)) for _ in range(READY_MAX + 10)]
    assert taken.count(False) in (9, 10)  # one may be in work already
    line.open.set()
    await line.settle()


async def test_a_refusal_takes_nothing_from_the_bucket(line):
    line.put(*(heard("in/state", "x", refusal=UnknownDevice("nobody")) for _ in range(2 * BURST)))
    line.put(heard("in/cycle", "good"))
    await line.settle()
    assert line.said == ["good"]


# ------------------------------------------------------------------ what is told of refusals


class Told:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.link = Link("uns", self.clock)
        topics = Topics.of(Settings.model_validate({"site": {"enterprise": "acme", "site": "plant1"}}), "gw-test")
        self.rejections = Rejections(self.clock, self.link, topics)
        self.sent = []

    async def publish(self, messages) -> None:
        self.sent += messages

    def note(self, code: str = "MALFORMED_PAYLOAD", payload: bytes = b"{", device: str = "laser-1") -> None:
        self.rejections.note(device, "acme/plant1/_dev/laser-1/in/state", code, "no JSON", payload)

    @property
    def counts(self) -> list[tuple[str, int]]:
        return [(json.loads(one.payload)["code"], json.loads(one.payload)["count"]) for one in self.sent]


@pytest.fixture
async def told():
    told = Told()
    running = asyncio.create_task(told.rejections.run(told.publish))
    yield told
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_the_first_refusal_is_told_at_once_and_the_rest_once_a_second_with_their_number(told):
    told.note()
    await told.clock.advance(0.01)
    assert told.counts == [("MALFORMED_PAYLOAD", 1)]
    for _ in range(30):
        told.note()
        await told.clock.advance(0.01)
    assert len(told.sent) == 1
    await told.clock.advance(1)
    assert told.counts == [("MALFORMED_PAYLOAD", 1), ("MALFORMED_PAYLOAD", 30)]
    assert told.link.facts["inbound_rejected"] == 31


async def test_each_device_and_each_code_has_a_second_of_its_own(told):
    told.note()
    told.note("RATE_LIMIT_EXCEEDED")
    told.note(device="laser-2")
    await told.clock.advance(0.01)
    assert [one.topic.rsplit("/", 1)[1] for one in told.sent] == ["laser-1", "laser-1", "laser-2"]


async def test_a_refusal_holds_the_digest_of_the_payload_and_nothing_of_it(told):
    told.note(payload=b'{"badge":"04A2')
    await told.clock.advance(0.01)
    (message,) = told.sent
    assert set(json.loads(message.payload)) == {
        "schema", "timestamp", "topic", "code", "message", "payload_sha256", "count",
    }  # fmt: skip
    assert "04A2" not in message.payload
    assert not message.retain
    assert message.expires_s == 3600
    assert told.link.facts["last_rejected"]["code"] == "MALFORMED_PAYLOAD"


async def test_a_thousand_kinds_of_refusals_wait_and_no_more(told):
    for number in range(KINDS_MAX + 50):
        told.note(device=f"d{number}")
    await told.clock.advance(0.01)
    assert len(told.sent) == KINDS_MAX
    assert told.link.facts["inbound_rejected"] == KINDS_MAX + 50
