"""The clients of the realtime bench, in a process of their own: sockets that count bytes, and one that reads what it is told.

stdin: {"side", "frames"}: answered with the time at which the last socket of that side had so many more; {"side", "learn"}: with
the size of its frames; {"stick"}: one more socket of the product's that reads nothing; {"free"}: it goes; {"heard"}: when which
change came.
"""

import argparse
import asyncio
import base64
import json
import os
import sys
import time
from typing import Any

import aiohttp
import uvloop
from realtime_server import KEY

LISTEN_MAX_S = 120.0
TOPIC = "realtime:bench"
JOIN = [{"event": "*", "schema": "public", "table": "scrap_reasons"}]
PRODUCT, BARE = "product", "bare"
PATHS = {PRODUCT: f"/realtime/v1/websocket?vsn=2.0.0&apikey={KEY}", BARE: "/bare"}
CHARACTERS = 700  # of the frame with which a side is asked for its size


def masked(text: str) -> bytes:
    """A client's frame; a mask of nulls changes nothing."""
    data = text.encode()
    size = bytes((0x80 | len(data),)) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
    return b"\x81" + size + bytes(4) + data


class Ear(asyncio.Protocol):
    """Counts bytes once it has been let in."""

    def __init__(self, side: "Side") -> None:
        self._side = side
        self._head: bytes | None = b""
        self.taken = 0
        self.first = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {PATHS[self._side.name]} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise SystemExit(f"the bench is wrong: {head!r}")
            self._head = None
            self._side.let_in(self)
        self.taken += len(data)
        self.first = self.first or data
        self._side.took(self)


class Side:
    """All sockets of one side."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.count = count
        self.size = 0
        self.ears: list[Ear] = []
        self._goal = 0
        self._short: set[Ear] = set()
        self._done = asyncio.Event()
        self._last_ns = 0

    def let_in(self, ear: Ear) -> None:
        self.ears.append(ear)
        if self.name == PRODUCT:
            ear.transport.write(
                masked(json.dumps(["1", "1", TOPIC, "phx_join", {"config": {"postgres_changes": JOIN}}]))
            )

    def took(self, ear: Ear) -> None:
        if self._goal and ear.taken >= self._goal and ear in self._short:
            self._short.discard(ear)
            self._last_ns = time.monotonic_ns()
            if not self._short:
                self._done.set()

    async def open(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self.count):
            await loop.create_connection(lambda: Ear(self), host, port)
        await self._quiet(lambda: len(self.ears) == self.count)
        self.begin()

    async def _quiet(self, fact: Any) -> None:
        """What was asked for has come: nothing more does."""
        before = -1
        async with asyncio.timeout(LISTEN_MAX_S):
            while not fact() or before != (before := sum(ear.taken for ear in self.ears)):
                await asyncio.sleep(0.3)

    def begin(self) -> None:
        for ear in self.ears:
            ear.taken, ear.first = 0, b""

    async def learn(self) -> int:
        await self._quiet(lambda: all(ear.taken for ear in self.ears))
        self.size = self.ears[0].taken
        if {ear.taken for ear in self.ears} != {self.size}:
            raise SystemExit("the bench is wrong: frames of different sizes")
        self.begin()
        return self.size

    def expect(self, frames: int) -> None:
        self._goal = frames * self.size
        self._short = {ear for ear in self.ears if ear.taken < self._goal}
        self._done.clear()

    async def all_heard(self) -> int:
        for ear in [*self._short]:
            self.took(ear)
        async with asyncio.timeout(LISTEN_MAX_S):
            await self._done.wait()
        self._goal = 0
        self.begin()
        return self._last_ns


async def listen(url: str, heard_ns: dict[str, int]) -> None:
    """A client that reads: when which change has come."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url + PATHS[PRODUCT]) as socket:
        await socket.send_json(["1", "1", TOPIC, "phx_join", {"config": {"postgres_changes": JOIN}}])
        async for message in socket:
            *_, event, payload = json.loads(message.data)
            if event == "postgres_changes":
                heard_ns[str(int(payload["data"]["record"]["description"].split()[0]))] = time.monotonic_ns()


async def main(port: int, sockets: int) -> None:
    url, host, stuck = f"http://127.0.0.1:{port}", "127.0.0.1", list[Any]()
    sides = {name: Side(name, sockets) for name in (PRODUCT, BARE)}
    for side in sides.values():
        await side.open(host, port)
    heard_ns: dict[str, int] = {}
    listening = asyncio.ensure_future(listen(url, heard_ns))
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(json.dumps({"ready": sockets}), flush=True)
    while line := await reader.readline():
        asked, told = json.loads(line), {}
        if "learn" in asked:
            told = {"size": await sides[asked["side"]].learn()}
        elif "expect" in asked:
            sides[asked["side"]].expect(asked["expect"])
        elif "side" in asked:
            told = {"last_ns": await sides[asked["side"]].all_heard()}
        elif "stick" in asked:
            one = Side(PRODUCT, 1)
            await one.open(host, port)
            one.ears[0].transport.pause_reading()
            stuck.append(one)
        elif "free" in asked:
            stuck.pop().ears[0].transport.abort()
        elif "heard" in asked:
            told, heard_ns_now = {"heard_ns": dict(heard_ns)}, heard_ns.clear()
            assert heard_ns_now is None
        elif "begin" in asked:
            sides[PRODUCT].begin()
        print(json.dumps(told), flush=True)
    listening.cancel()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int)
    arguments.add_argument("--sockets", type=int)
    given = arguments.parse_args()
    uvloop.run(main(given.port, given.sockets))
