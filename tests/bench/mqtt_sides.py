"""The three that the MQTT bench holds against each other: the product, a bare loop of the same client library, a C client.

Each can do a `burst` (all at once; returns when it began), `paced` (at a rate; returns when each was asked for, and when it was
committed or handed over), and the latter two `retained` (whole topics; returns when it began).
"""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiomqtt
from uns_hall import HOST, Hall
from uns_hall import ROOT as SITE

from gateway.demo import factory
from gateway.kernel.clock import SystemClock
from gateway.outbox import journal
from gateway.outbox.event import Event, EventType, Stamp, job_lane

HERE = Path(__file__).parent
LIBRARIES = (HERE.parents[1] / ".cache" / "mosquitto" / "usr" / "lib", Path("/usr/lib"))
JOB = factory.named("job", "1")
IN_FLIGHT = 20  # as the product has it, and Mosquitto's own limit for a client
PENDING_MAX = 100_000
TEXT = "x" * 250

Lines = list[tuple[str, str]]  # topic, payload
Times = dict[Any, int]  # number or topic -> nanoseconds


class Product:
    name = "product"

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._new_id = hall.new_id

    async def burst(self, numbers: range) -> int:
        """All at once, in one commit. When that was."""
        await self._hall.db.write(self._append, [*numbers], SystemClock().now())
        return time.monotonic_ns()

    async def paced(self, numbers: range, rate: int) -> tuple[Times, Times]:
        """(asked for, committed)."""
        asked: Times = {}
        committed: Times = {}

        async def one(number: int) -> None:
            asked[number] = time.monotonic_ns()
            await self._hall.db.write(self._append, [number], SystemClock().now())
            committed[number] = time.monotonic_ns()

        await _at(rate, numbers, one)
        return asked, committed

    def _append(self, tx: Any, numbers: list[int], now: Any) -> None:
        stamp = Stamp(now, "gw-test", self._new_id)
        events = [
            Event(job_lane(JOB), "bench", now, (), EventType.QUANTITY_REPORTED, {"bench": number, "notes": TEXT})
            for number in numbers
        ]
        journal.append(tx, stamp, events)


class Bare:
    """aiomqtt and nothing else: as many in flight as the product has."""

    name = "bare loop"

    def __init__(self, hall: Hall) -> None:
        self._address = hall.broker.address()

    async def burst(self, numbers: range) -> int:
        async with self._client() as client:
            began = time.monotonic_ns()
            await self.lines(client, _lines(numbers), retain=False)
            return began

    async def paced(self, numbers: range, rate: int) -> tuple[Times, Times]:
        handed: Times = {}
        lines = dict(zip(numbers, _lines(numbers), strict=True))
        async with self._client() as client:

            async def one(number: int) -> None:
                handed[number] = time.monotonic_ns()
                await client.publish(*lines[number], qos=1)

            await _at(rate, numbers, one)
        return handed, handed

    async def retained(self, lines: Lines) -> int:
        async with self._client() as client:
            began = time.monotonic_ns()
            await self.lines(client, lines, retain=True)
            return began

    async def lines(self, client: aiomqtt.Client, lines: Lines, *, retain: bool) -> None:
        waiting = iter(lines)

        async def some() -> None:
            for topic, payload in waiting:
                await client.publish(topic, payload, qos=1, retain=retain)

        await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator[aiomqtt.Client]:
        address = self._address
        async with aiomqtt.Client(
            HOST,
            address.port,
            username=address.username,
            password=address.password,
            protocol=aiomqtt.ProtocolVersion.V5,
        ) as client:
            client.pending_calls_threshold = PENDING_MAX  # else it warns of every publish above ten
            yield client


class InC:
    name = "C client"

    def __init__(self, hall: Hall, program: Path) -> None:
        self._address = hall.broker.address()
        self._program = program

    async def burst(self, numbers: range) -> int:
        return min((await self._publish(_lines(numbers), 0, retain=False))["handed_over"])

    async def paced(self, numbers: range, rate: int) -> tuple[Times, Times]:
        told = await self._publish(_lines(numbers), rate, retain=False)
        handed = dict(zip(numbers, told["handed_over"], strict=True))
        return handed, handed

    async def retained(self, lines: Lines) -> int:
        return min((await self._publish(lines, 0, retain=True))["handed_over"])

    async def _publish(self, lines: Lines, rate: int, *, retain: bool) -> Any:
        address = self._address
        words = (str(address.port), address.username, address.password, str(IN_FLIGHT), str(rate), str(int(retain)))
        process = await asyncio.create_subprocess_exec(
            str(self._program), *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate("".join(f"{topic}\t{payload}\n" for topic, payload in lines).encode())
        if process.returncode:
            raise SystemExit(f"the C client ended with {process.returncode}")
        return json.loads(out)


async def _at(rate: int, numbers: range, one: Callable[[int], Awaitable[None]]) -> None:
    """One after the other at this pace, whether the last is answered or not."""
    began_s = time.monotonic()
    tasks = []
    for place, number in enumerate(numbers):
        await asyncio.sleep(began_s + place / rate - time.monotonic())
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)


def _lines(numbers: range) -> Lines:
    """What the product would send, made beforehand."""
    shape = {
        "event": "production.quantity_reported",
        "timestamp": "2026-11-24T09:15:04.120Z",
        "tenant_id": "00000000-0000-4000-8000-000000000001",
        "data": {"bench": 0, "notes": TEXT},
        "id": "019c2f00-0000-7000-8000-000000000001",
        "seq": 48211,
        "prev": 48209,
        "epoch": 1769843524,
        "source": "gw-a1",
        "schema": "uns/event/1",
    }
    whole = json.dumps(shape, separators=(",", ":"))
    topic = f"{SITE}/fabrication/default/production/bench"
    return [(topic, whole.replace('"bench":0', f'"bench":{number}')) for number in numbers]


def compiled(folder: Path) -> Path | None:
    """None without a compiler or without the library."""
    library = next(
        (file for place in LIBRARIES for file in sorted(place.glob("*/libmosquitto.so.1"))),
        None,
    )
    if library is None:
        print("no C client: there is no libmosquitto.so.1 here")
        return None
    program = folder / "mqtt_publish"
    linked = [
        library,
        f"-Wl,-rpath,{library.parent}",
        f"-Wl,-rpath-link,{library.parent}",
        "-Wl,--allow-shlib-undefined",
    ]
    try:
        subprocess.run(["cc", "-O2", "-o", program, HERE / "mqtt_publish.c", *linked], check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        print(f"no C client: {exc}")
        return None
    return program
