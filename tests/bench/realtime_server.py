"""The realtime endpoint as it ships, and a bare aiohttp sender of the same bytes beside it, for the realtime bench.

`/burst?side=product|bare&count=N`: N changes as fast as that side tells them; `/paced?rate=R&seconds=S`: one change after the
other through the writer, and how long each commit took. Both from one process, never at once.
"""

import argparse
import asyncio
import json
import time
import uuid
from pathlib import Path

import uvloop
from aiohttp import web

from gateway.catalog import store
from gateway.catalog.tables import SCRAP_REASONS
from gateway.kernel import interpreter, logs
from gateway.kernel.clock import SystemClock
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Health
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.outbox import journal
from gateway.outbox.event import Event, Stamp, row_lane
from gateway.realtime.hub import Hub
from gateway.realtime.routes import Realtime
from gateway.web.auth import Keys, NewKey
from gateway.web.gate import Gate
from gateway.web.limits import Limiter, Rate
from gateway.web.routes import Scope
from gateway.web.server import application, runner

KEY = "ery_live_bench00000000000000000000000000"
ROWS = 500
VERSION = 1_000_000  # with as many digits from the first change to the last
SOCKETS_MAX = 2_000
IN_ONE_COMMIT = 50  # of a burst
TEXT = "x" * 160


def row_id(number: int) -> str:
    return str(uuid.UUID(int=(4 << 64) + number % ROWS))


def seed(tx: Tx, now: str) -> None:
    tx.execute("INSERT INTO gateway_state (key, value) VALUES ('tenant_id', ?)", (str(uuid.UUID(int=1)),))
    for number in range(ROWS):
        values = (row_id(number), f"C{number:04}", "", now, now, VERSION)
        tx.execute(
            "INSERT INTO scrap_reasons (id, code, description, category, created_at, updated_at, row_version) "
            "VALUES (?, ?, ?, 'process', ?, ?, ?)",
            values,
        )


def change(tx: Tx, stamp: Stamp, numbers: range) -> None:
    for number in numbers:
        one = store.update(tx, SCRAP_REASONS, row_id(number), {"description": f"{number:09} {TEXT}"})
        lane = row_lane("scrap_reasons", one.id)
        journal.append(tx, stamp, [Event(lane, lane, stamp.now, (one,))])


class Bench:
    def __init__(self, db: Database, clock: SystemClock) -> None:
        self._db = db
        self._clock = clock
        self._new_id = uuid7(clock)
        self._bare: list[web.WebSocketResponse] = []
        self._next = 0

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/bare", self._connect)
        app.router.add_get("/burst", self._burst)
        app.router.add_get("/paced", self._paced)

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self._bare.append(socket)
        async for _ in socket:
            pass
        return socket

    async def _burst(self, request: web.Request) -> web.Response:
        count, began_ns = int(request.query["count"]), time.monotonic_ns()
        if request.query["side"] == "bare":
            text = "x" * int(request.query["characters"])
            for _ in range(count):
                for socket in self._bare:
                    await socket.send_str(text)
        else:
            for _ in range(0, count, IN_ONE_COMMIT):
                await self._change(min(IN_ONE_COMMIT, count))
        return web.json_response({"began_ns": began_ns})

    async def _paced(self, request: web.Request) -> web.Response:
        rate, seconds = float(request.query["rate"]), float(request.query["seconds"])
        took_ms, committed_ns, first = [], {}, time.perf_counter()
        for place in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, first + place / rate - time.perf_counter()))
            began_s, number = time.perf_counter(), self._next
            await self._change(1)
            committed_ns[number] = time.monotonic_ns()
            took_ms.append((time.perf_counter() - began_s) * 1000)
        return web.json_response({"took_ms": took_ms, "committed_ns": committed_ns})

    async def _change(self, count: int) -> None:
        stamp = Stamp(self._clock.now(), "gw-bench", self._new_id)
        self._next += count
        await self._db.write(change, stamp, range(self._next - count, self._next))


async def main(port: int, folder: Path) -> None:
    clock = SystemClock()
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
        await db.write(seed, clock.now().isoformat())
        keys = Keys(db, clock, uuid7(clock))
        await keys.adopt(KEY, NewKey("bench", Scope.ADMIN))
        rate = Rate(per_minute=10**9, burst=10**9)
        limiter = Limiter(rate, clock, request_max_s=60, connections=2 * SOCKETS_MAX)
        hub = Hub(db, clock, Health(clock).link("realtime"), SOCKETS_MAX)
        app = application([], keys, limiter, uuid7(clock))
        Realtime(hub, Gate(keys, limiter), clock).add_to(app)
        Bench(db, clock).add_to(app)
        served = runner(app, shutdown_s=1, connections=2 * SOCKETS_MAX)
        await served.setup()
        await web.TCPSite(served, "127.0.0.1", port, backlog=2048).start()
        interpreter.settled()
        print(json.dumps({"ready": port}), flush=True)
        await hub.run()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int)
    arguments.add_argument("--folder", type=Path)
    given = arguments.parse_args()
    logs.configure("info", "json")  # as a service has it
    uvloop.run(main(given.port, given.folder))
