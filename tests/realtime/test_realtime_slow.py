"""A client that does not read: it alone is sent away, the others get everything, and whoever writes does not notice."""

import asyncio
import socket
import time

import aiohttp
from sockets import changes
from waiting import until

from gateway.realtime import line as line_
from gateway.realtime.line import Code, Line

PARTS, OPERATIONS = 150, 20
ROUNDS, COMMITS = 5, 40
KERNEL_BYTES = 16_384


def narrow(plaza, client) -> None:
    """What the kernel would take for it by itself may be all that there is to tell."""
    newest = [*plaza.hub._members][-1].line._transport.get_extra_info("socket")
    newest.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
    client.socket.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)


async def order(floor) -> None:
    """Thousands of rows in one request."""
    await floor.job("J-1", *[(floor.LASER,) * OPERATIONS] * PARTS)


async def test_who_does_not_read_is_closed_with_1013_and_the_others_get_everything_in_order(plaza):
    clients = [await plaza.client() for _ in range(3)]
    stuck = await plaza.client()
    narrow(plaza, stuck)
    for client in (*clients, stuck):
        await client.joined(changes("operations"))
        await client.system()
    await order(plaza.floor)
    journal = await plaza.floor.events()
    expected = [one["id"] for entry in journal for one in entry["changes"] if one["table"] == "operations"]
    assert len(expected) == PARTS * OPERATIONS

    async def heard(client):
        return [(await client.told()).change["record"]["id"] for _ in expected]

    assert await asyncio.gather(*map(heard, clients)) == [expected] * 3
    await until(lambda: plaza.hub._link.facts["sockets_dropped"] == 1)
    assert await stuck.closed() == aiohttp.WSCloseCode.TRY_AGAIN_LATER
    last = stuck.frames.pop()
    assert (last.event, last.payload["status"], last.payload["message"]) == ("system", "error", "too slow")
    got = [one.change["record"]["id"] for one in stuck.frames]
    assert got == expected[: len(got)]
    assert len(got) < len(expected) - line_.QUEUE_MAX
    facts = plaza.hub._link.facts
    assert (facts["sockets"], facts["channels"], facts["sockets_dropped"]) == (3, 3, 1)


async def test_a_heartbeat_is_answered_past_what_waits(plaza):
    client = await plaza.client()
    await client.joined(changes("operations"))
    await plaza.floor.job("J-2", *[(plaza.floor.LASER,) * OPERATIONS] * 5)
    ref = await client.say("phoenix", "heartbeat", {})
    await client.reply(ref)


async def test_whoever_writes_does_not_notice_one_that_does_not_read(plaza):
    """Commits of the same kind in turns, without such a client and with one whose queue fills up."""
    reader = await plaza.client()
    await reader.joined(changes("cells"))

    async def slowest_s() -> float:
        took_s = []
        for number in range(COMMITS):
            began_s = time.perf_counter()
            await plaza.floor.send("PATCH", f"/api-cells?id={plaza.floor.LASER}", {"wip_limit": number})
            took_s.append(time.perf_counter() - began_s)
        return sorted(took_s)[-3]

    ratios = []
    for _ in range(ROUNDS):
        without_s = await slowest_s()
        stuck = await plaza.client()
        await stuck.joined(changes("cells", filter="wip_limit=gte.0"))
        line = next(member.line for member in plaza.hub._members if len(member.wishes[0].bindings[0].conditions))
        line.push((b"\x82\x7e\xff\xff" + bytes(0xFFFF)) * 64, 64)  # from now on it takes no more
        ratios.append(await slowest_s() / without_s)
        assert line._count > 0
        await stuck.socket.close()
        if ratios[-1] < 2:
            return
    raise AssertionError(ratios)


class Pipe(asyncio.Transport):
    """A transport that takes nothing from the network, and no more than it has room for."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.taken = room, b""

    def set_write_buffer_limits(self, high=None, low=None) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return 0 if len(self.taken) < self.room else line_.ROOM_BYTES + 1

    def is_closing(self) -> bool:
        return False

    def write(self, data) -> None:
        self.taken += data


async def test_frames_go_out_at_once_or_wait_in_order_and_never_more_than_a_bounded_number(monkeypatch):
    monkeypatch.setattr(line_, "QUEUE_MAX", 5)
    room = asyncio.Event()
    pipe = Pipe(room=2)
    line = Line(pipe, room.wait)
    for frame in (b"a", b"b", b"c", b"d"):
        line.push(frame, 1)
    assert pipe.taken == b"ab"
    line.answer(b"!")
    pumping = asyncio.create_task(line.pump())
    room.set()
    await until(lambda: pipe.taken == b"ab!cd")
    room.clear()
    for _ in range(2):
        line.push(b"ef", 2)
    assert not line.ended.done()
    line.push(b"gh", 2)
    assert line.ended.result() is Code.TRY_AGAIN_LATER
    line.push(b"ij", 2)
    pumping.cancel()
    assert pipe.taken == b"ab!cd"


async def test_large_frames_are_bounded_by_their_bytes(monkeypatch):
    monkeypatch.setattr(line_, "QUEUE_MAX_BYTES", 10)
    line = Line(Pipe(room=0), asyncio.Event().wait)
    line.push(b"12345", 1)
    assert not line.ended.done()
    line.push(b"123456", 1)
    assert line.ended.result() is Code.TRY_AGAIN_LATER
