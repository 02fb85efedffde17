"""From the commit of an event to a subscriber, and events a second, against what the same broker gives a bare loop of the same
client library and a C client, one after the other in each round. Then all state after a reconnect: 500 topics.

The product's side is the real journal, publisher and Mosquitto; whoever listens is a process of his own. Every message is about
600 bytes and QoS 1. Without a C compiler the C client is left out.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "uns"))

import uvloop
from mqtt_sides import Bare, InC, Product, Times, compiled
from uns_hall import ROOT as SITE
from uns_hall import Hall, database, until

from gateway.kernel import logs
from gateway.kernel.clock import SystemClock

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache"
STATUS = f"{SITE}/_gateway/gw-test/status"
RATES = (100, 1_000)  # messages a second at which the way of one is timed
LISTEN_MAX_S = 60.0
STATES_MIN = 500
JOBS = 60  # with their operations and cells more than STATES_MIN topics
# What is held against a limit; the last two are what MQTT adds to the commit, and commit and MQTT together, at the highest rate.
FLOORS = {"events a second, of the bare loop": 0.5}
CEILINGS = {
    "states after a reconnect, time of the bare loop's": 4.0,
    "from the commit to the subscriber, p50 in ms": 0.5,
    "from asking for the commit to the subscriber, p99 in ms": 8.0,
}


class Listener:
    """The subscriber's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._heard: Times = {}

    @classmethod
    async def at(cls, hall: Hall, topic: str) -> "Listener":
        address = hall.broker.address("viewer")
        words = (
            "--port",
            str(address.port),
            "--user",
            address.username,
            "--password",
            address.password,
            "--topic",
            topic,
        )
        made = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "mqtt_ear.py"),
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=64 * 1024 * 1024,
        )
        assert await made.stdout.readline() == b"ready\n"
        return cls(made)

    async def until(self, wanted: set[Any]) -> Times:
        """When each of these came last; asks only when it should be over, as asking is work."""
        ends_s = time.monotonic() + LISTEN_MAX_S
        heard: Times = {}
        while not wanted <= heard.keys():
            if time.monotonic() > ends_s:
                raise SystemExit(f"{len(wanted - heard.keys())} of {len(wanted)} messages did not come")
            await asyncio.sleep(0.2)
            self._process.stdin.write(b"\n")
            heard |= {name: at for at, name in json.loads(await self._process.stdout.readline())}
        return {name: heard[name] for name in wanted}

    async def end(self) -> None:
        self._process.stdin.close()
        await self._process.wait()


# ------------------------------------------------------------------ figures


class Numbers:
    """Every message of a run has its own."""

    def __init__(self) -> None:
        self._next = 0

    def take(self, count: int) -> range:
        self._next += count
        return range(self._next - count, self._next)


async def rates(sides: list[Any], listener: Listener, numbers: Numbers, rounds: int, count: int) -> dict[str, float]:
    """Messages a second from the commit, or the first publish, to the last that arrived; medians."""
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            some = numbers.take(count)
            began = await side.burst(some)
            heard = await listener.until(set(some))
            found[side.name].append(count / (max(heard.values()) - began) * 1e9)
    return {name: statistics.median(ones) for name, ones in found.items()}


async def ways(
    sides: list[Any], listener: Listener, numbers: Numbers, rounds: int, rate: int, seconds: float
) -> dict[str, tuple[float, float, float]]:
    """(p50, p99) from the commit to the subscriber, and the p99 from asking for the commit, in ms; medians."""
    found: dict[str, list[tuple[float, float, float]]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            some = numbers.take(round(rate * seconds))
            asked, committed = await side.paced(some, rate)
            heard = await listener.until(set(some))
            since_commit = sorted((heard[one] - committed[one]) / 1e6 for one in some)
            since_asked = sorted((heard[one] - asked[one]) / 1e6 for one in some)
            last = len(some) * 99 // 100
            found[side.name].append((since_commit[len(some) // 2], since_commit[last], since_asked[last]))
    return {name: tuple(map(statistics.median, zip(*ones, strict=True))) for name, ones in found.items()}


async def states(hall: Hall, sides: list[Any], listener: Listener, rounds: int) -> tuple[int, dict[str, float]]:
    """How many, and the milliseconds from the birth (the first publish) to the last of them; medians."""
    wanted = {topic for topic in await hall.retained_topics() if "/_gateway/" not in topic}
    if len(wanted) < STATES_MIN:
        raise SystemExit(f"{len(wanted)} states are fewer than {STATES_MIN}: the bench is wrong")
    async with hall.ear() as ear:
        await until(lambda: wanted <= ear.states.keys())
        lines = [(topic, ear.states[topic].text) for topic in sorted(wanted)]
    found: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            if isinstance(side, Product):
                await hall.reconnect()
                heard = await listener.until(wanted | {STATUS})
                began = heard[STATUS]
            else:
                began = await side.retained(lines)
                heard = await listener.until(wanted)
            found[side.name].append((max(heard[topic] for topic in wanted) - began) / 1e6)
    return len(wanted), {name: statistics.median(ones) for name, ones in found.items()}


def told(own: float, of: dict[str, float]) -> str:
    """As ratios to the others."""
    return "".join(f"   {own / value:5.2f} of {name}" for name, value in of.items() if name != Product.name)


def missed(figures: dict[str, float]) -> int:
    """Against the limits; how many are not held."""
    wrong = 0
    for what, value in figures.items():
        bad = value < FLOORS[what] if what in FLOORS else value > CEILINGS[what]
        limit = f"floor {FLOORS[what]}" if what in FLOORS else f"ceiling {CEILINGS[what]}"
        print(f"{what}: {value:.2f} ({limit}){'  MISSED' if bad else ''}")
        wrong += bad
    return wrong


async def main(rounds: int, count: int, seconds: float, folder: Path) -> int:
    program = compiled(folder)
    logs.configure("error", "console")
    async with database(folder, jobs=JOBS) as db:
        hall = Hall(db, folder, SystemClock())
        async with hall.on():
            sides: list[Any] = [Product(hall), Bare(hall), *([InC(hall, program)] if program else [])]
            listener, numbers = await Listener.at(hall, f"{SITE}/#"), Numbers()
            a_second = await rates(sides, listener, numbers, rounds, count)
            own = a_second[Product.name]
            print(f"events a second: {own:,.0f}{told(own, a_second)}", flush=True)
            for rate in RATES:
                found = await ways(sides, listener, numbers, rounds, rate, seconds)
                for name, (p50, p99, whole) in found.items():
                    print(f"{rate:5}/s  {name:10} p50 {p50:6.2f}  p99 {p99:6.2f}  with the commit p99 {whole:6.2f} ms")
                p50, p99, whole = found[Product.name]
                print(f"{rate:5}/s  p50{told(p50, {name: one[0] for name, one in found.items()})}")
                print(f"{rate:5}/s  p99{told(p99, {name: one[1] for name, one in found.items()})}", flush=True)
            topics, took_ms = await states(hall, sides, listener, rounds)
            again_ms = took_ms[Product.name]
            print(f"{topics} states after a reconnect: {again_ms:.0f} ms{told(again_ms, took_ms)}")
            await listener.end()
    of_bare = own / a_second[Bare.name], again_ms / took_ms[Bare.name]
    return missed(dict(zip((*FLOORS, *CEILINGS), (*of_bare, p50, whole), strict=True)))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--count", type=int, default=5_000, help="events at once")
    arguments.add_argument("--seconds", type=float, default=3.0, help="at each rate")
    given = arguments.parse_args()
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-") as scratch:
        raise SystemExit(uvloop.run(main(given.rounds, given.count, given.seconds, Path(scratch))))
