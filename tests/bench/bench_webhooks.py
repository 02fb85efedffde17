"""Deliveries a second to one webhook, against a bare loop of the same HTTP client that posts the same bodies to the same receiver,
one after the other in each round. The receiver is a process of its own.

The product's side is the real journal, sender and log: it reads, signs twice, posts, and writes a row for each delivery. Both post
one after the other, because a webhook is told in order.
"""

import argparse
import asyncio
import ipaddress
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

from gateway.kernel import logs
from gateway.kernel.clock import SystemClock, text
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Health
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.kernel.secrets import Secrets
from gateway.kernel.supervise import stop
from gateway.outbox import journal
from gateway.outbox.event import Event, EventType, Stamp, encode
from gateway.webhooks import body
from gateway.webhooks.commands import about
from gateway.webhooks.rules import Targets
from gateway.webhooks.sender import Here
from gateway.webhooks.senders import Senders

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache"
WEBHOOK = "00000000-0000-4000-8000-0000000000aa"
SECRET = "5c" * 32
DELIVERED_MAX_S = 120.0
FLOOR = 0.2  # of the bare loop's deliveries a second


def data_of(number: int) -> dict[str, Any]:
    """About as much as an operation says: 1 KB with the headers."""
    ids = {f"{name}_id": f"00000000-0000-4000-8000-{number:012x}" for name in ("operation", "part", "job", "cell")}
    names = {f"{name}_name": f"{name} {number}" for name in ("operation", "cell", "operator")}
    return {
        **ids,
        **names,
        "job_number": f"JOB-{number}",
        "part_number": f"BRACKET-{number}",
        "previous_status": "not_started",
        "new_status": "in_progress",
        "timestamp": "2026-11-02T07:00:00.000Z",
        "estimated_time": 30,
        "estimated_time_seconds": 1800,
        "actual_time": 12.5,
        "actual_time_seconds": 750,
        "completion_percentage": 0,
        "cause": "rest",
    }


def fill(tx: Tx, stamp: Stamp, first: int, count: int) -> None:
    for number in range(first, first + count):
        lane = f"job:{number}"
        journal.append(tx, stamp, [Event(lane, lane, stamp.now, (), EventType.OPERATION_STARTED, data_of(number))])


def hook(tx: Tx, url: str, secret: str, now: str) -> None:
    tx.execute(
        "INSERT INTO webhooks (id, url, events, secret_key, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
        (WEBHOOK, url, encode(["*"]), secret, now, now),
    )


class Sink:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{process.stdout.readline().strip()}/hook"

    def begin(self) -> None:
        self._ask("anew")

    async def a_second(self, count: int) -> float:
        """From the first to the last of so many requests. Asks seldom, as asking is work."""
        async with asyncio.timeout(DELIVERED_MAX_S):
            while (found := self._ask(""))[0] < count:
                await asyncio.sleep(0.3)
        return (count - 1) / (found[2] - found[1]) * 1e9

    def _ask(self, line: str) -> list[int]:
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return [int(word) for word in self._process.stdout.readline().split()]


async def ours(db: Database, here: Here, sink: Sink, first: int, count: int) -> float:
    await db.write(fill, here.stamp(), first, count)
    sink.begin()
    health = Health(here.clock)
    task = asyncio.create_task(Senders(here, health, health.link("webhooks"), random.Random(1)).run())
    found = await sink.a_second(count)
    await stop(task, within_s=5)
    return found


async def bare(sink: Sink, first: int, count: int) -> float:
    bodies = [body.written("operation.started", "2026-11-02T07:00:00.000Z", data_of(first + n)) for n in range(count)]
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session:
        sink.begin()
        for one in bodies:
            async with session.post(sink.url, data=one, headers=headers) as answer:
                await answer.read()
    return await sink.a_second(count)


async def main(rounds: int, count: int, folder: Path) -> int:
    logs.configure("error", "console")
    clock = SystemClock()
    new_id = uuid7(clock)
    targets = Targets((ipaddress.ip_network("127.0.0.0/8"),), allow_http=True)
    here_of = (clock, new_id, "gw-bench", Secrets(folder), targets)
    words = [sys.executable, HERE / "webhook_sink.py"]
    found: dict[str, list[float]] = {"ours": [], "bare": []}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        sink = Sink(process)
        async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
            here = Here(db, *here_of)
            await db.write(hook, sink.url, here.box.seal(SECRET, about(WEBHOOK)), text(clock.now()))
            await db.write(journal.register, f"webhook:{WEBHOOK}", text(clock.now()))
            for number in range(rounds):
                found["bare"].append(await bare(sink, number * count, count))
                found["ours"].append(await ours(db, here, sink, number * count, count))
        process.stdin.close()
    own, other = (statistics.median(found[name]) for name in ("ours", "bare"))
    missed = own / other < FLOOR
    print(f"deliveries a second: {own:,.0f}   of the bare loop's {other:,.0f}")
    print(f"of the bare loop: {own / other:.2f} (floor {FLOOR}){'  MISSED' if missed else ''}")
    return int(missed)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--count", type=int, default=2_000, help="deliveries at once")
    given = arguments.parse_args()
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-") as scratch:
        raise SystemExit(uvloop.run(main(given.rounds, given.count, Path(scratch))))
