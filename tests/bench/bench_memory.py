"""Memory of a gateway at work: a hall of 100 cells and 5,000 operations, 200 streams of the journal, exports, imports, reports, a
backup, bookings that queue up, and then mixed load for minutes. Floors: the peak, and how much it may grow once everything was
done twice.
"""

import argparse
import asyncio
import contextlib
import random
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import aiohttp
from bench_start import configure, rss_mib, started

sys.path.insert(0, str(Path(__file__).parents[1]))

from large_hall import CELLS, OPERATIONS, furnish

from gateway.kernel.clock import SystemClock
from gateway.kernel.db import Database
from gateway.kernel.ids import uuid7
from gateway.kernel.memory import MEMORY_MAX_BYTES
from gateway.kernel.migrate import migrate
from gateway.outbox.event import Stamp

MIB = 1024 * 1024
STREAMS = 200
QUEUED = 10_000  # bookings that are asked for at once, as far as connections allow
AT_ONCE = 300
JOBS_SYNCED = 1_000  # in one bulk-sync
GROWTH_MAX_MIB = 24  # in ten minutes of mixed load, after the first round of everything
ROUND_PAUSE_S = 0.05


class Work:
    """Everything that a gateway is asked for, over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._rng = random.Random(1)
        self.answers = 0
        self.told = 0  # events over the streams

    async def book(self) -> None:
        operation = f"00000003-0000-4000-8000-{self._rng.randrange(OPERATIONS):012x}"
        await self._ask(
            "POST", "/api-operation-quantities", {"operation_id": operation, "quantity_produced": 1, "quantity_good": 1}
        )

    async def queue(self, count: int) -> None:
        few = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with few:
                await self.book()

        await asyncio.gather(*(one() for _ in range(count)))

    async def sync(self, jobs: int) -> None:
        rows = [
            {
                "external_id": f"E-{number}",
                "external_source": "bench",
                "job_number": f"E-{number}",
                "notes": f"{self._rng.random()}",
            }
            for number in range(jobs)
        ]
        await self._ask("POST", "/api-jobs/bulk-sync", {"jobs": rows})

    async def look(self) -> None:
        for path in (
            "/api-operations?limit=100&offset=1000",
            "/api-jobs?limit=100",
            "/api-time-entries?limit=50",
            "/healthz",
            "/metrics",
        ):
            await self._ask("GET", path)

    async def export(self) -> None:
        await self._ask("GET", "/api-export?entities=all")

    async def unknown(self) -> None:
        """Strangers: keys, addresses and names that nobody knows must be remembered for no longer than they are asked about."""
        headers = {"Authorization": f"Bearer ery_live_{uuid.uuid4().hex}"}
        async with self._session.get(f"{self._url}/api-jobs", headers=headers) as answer:
            await answer.read()
        async with self._session.get(f"{self._url}/api-{uuid.uuid4().hex}") as answer:
            await answer.read()

    async def stream(self) -> None:
        headers = {"Accept": "text/event-stream"}
        async with self._session.get(
            f"{self._url}/api-changes?since=0", headers=headers, timeout=aiohttp.ClientTimeout()
        ) as answer:
            async for chunk in answer.content.iter_any():
                self.told += len(chunk)

    async def _ask(self, method: str, path: str, body: dict | None = None) -> None:
        async with self._session.request(method, self._url + path, json=body) as answer:
            async for _ in answer.content.iter_any():
                pass
            if answer.status >= 400 and answer.status not in (429, 503):
                raise SystemExit(f"{method} {path} got {answer.status}")
        self.answers += 1


async def furnished(folder: Path) -> None:
    clock = SystemClock()
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
        await db.write(furnish, Stamp(clock.now(), "gw-bench", uuid7(clock)))


async def measured(pid: int, url: str, key: str, minutes: float) -> int:
    wrong = 0
    peak = idle = rss_mib(pid)

    def say(what: str) -> float:
        nonlocal peak
        now = rss_mib(pid)
        peak = max(peak, now)
        print(f"{what}: {now:.0f} MiB", flush=True)
        return now

    say(f"idle, {CELLS} cells, {OPERATIONS:,} operations")
    headers = {"Authorization": f"Bearer {key}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        headers=headers, connector=connector, timeout=aiohttp.ClientTimeout(120)
    ) as session:
        work = Work(session, url)
        streams = [asyncio.create_task(work.stream()) for _ in range(STREAMS)]
        try:
            await asyncio.sleep(1)
            for name, act in (
                (f"{STREAMS} streams of the journal", work.look()),
                (f"{QUEUED:,} bookings, {AT_ONCE} at once", work.queue(QUEUED)),
                (f"a bulk-sync of {JOBS_SYNCED:,} jobs", work.sync(JOBS_SYNCED)),
                ("an export of everything", work.export()),
                ("once more all of it", _all(work)),
            ):
                await act
                say(name)
            before, ends_s, rounds = say("mixed load begins"), time.monotonic() + minutes * 60, 0
            while time.monotonic() < ends_s:
                await asyncio.gather(*(work.book() for _ in range(20)), work.look(), work.unknown())
                rounds += 1
                if rounds % 200 == 0:
                    await work.sync(200)
                    await work.export()
                await asyncio.sleep(ROUND_PAUSE_S)
                peak = max(peak, rss_mib(pid))
            grown = (
                say(f"after {minutes:g} minutes, {work.answers:,} answers, {work.told // MIB} MiB over streams")
                - before
            )
        finally:
            for task in streams:
                task.cancel()
            await asyncio.gather(*streams, return_exceptions=True)
    for what, found, most in (
        ("peak", peak, MEMORY_MAX_BYTES // MIB),
        (f"grown in {minutes:g} minutes", grown, GROWTH_MAX_MIB),
    ):
        print(f"{what}: {found:.0f} MiB, at most {most}: {'ok' if found <= most else 'TOO MUCH'}")
        wrong += found > most
    print(f"(idle it had {idle:.0f} MiB)")
    return wrong


async def _all(work: Work) -> None:
    await work.queue(QUEUED // 5)
    await work.sync(JOBS_SYNCED)
    await work.export()
    await work.look()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch)
        config, port = configure(folder)
        config.write_text(
            config.read_text() + "[limits]\nrequests_per_minute = 1000000\nburst = 100000\nconnections = 4000\n"
        )
        asyncio.run(furnished(folder / "data"))
        command = [
            sys.executable,
            "-m",
            "gateway",
            "keys",
            "create",
            "--name",
            "bench",
            "--scope",
            "admin",
            "--config",
            str(config),
        ]
        key = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
        process, _ = started(config, port)
        stack.callback(process.wait, 15)
        stack.callback(process.terminate)
        return asyncio.run(measured(process.pid, f"http://127.0.0.1:{port}", key, given.minutes))


if __name__ == "__main__":
    raise SystemExit(main())
