"""Three days without a line: a million mutations by the product's own commands under virtual time; then all of it goes to a hub.

The cell's database is written with a clock that we turn; then real processes take over: a hub, and the cell's gateway on that
database. While the backlog drains somebody goes on working. Afterwards both databases are compared row by row. Exit 1 on anything
lost, doubled or different, on more than RSS_MAX_MIB of memory, and when live work took longer than LIVE_P99_MAX_S.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sqlite3
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from bench_drain import DRAIN_MAX_S, Box, Live, box

from gateway.hub.raw import TABLES
from gateway.kernel.clock import ManualClock, SystemClock
from gateway.kernel.db import Database
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.quantities.commands import QuantityCommands
from gateway.operations.trees.commands import JobTreeCommands
from gateway.outbox.event import Stamp
from gateway.transfer.commands import bring_in, planned
from gateway.web.routes import Caller, Scope

RSS_MAX_MIB = 250.0
LIVE_P99_MAX_S = 1.0
STATIONS = 64  # people who work at the same time
COUNTS = 14  # quantities on each operation
OPERATIONS = 10  # of each job
PER_JOB = 1 + OPERATIONS * (4 + COUNTS)
CALLER = Caller("offline", "offline", Scope.ADMIN)
CELL, PERSON = "00000000-0000-4000-8000-0000000ce0{:02}", "00000000-0000-4000-8000-0000000be0{:02}"
OWN = ("row_version", "updated_at")  # of each database for itself


def people() -> dict[str, list[dict]]:
    cells = [{"id": CELL.format(n), "name": f"Cell {n}", "sequence": n + 1} for n in range(STATIONS)]
    profiles = [{"id": PERSON.format(n), "username": f"op{n}", "full_name": f"Operator {n}"} for n in range(STATIONS)]
    return {"cells": cells, "profiles": profiles}


class Station:
    """One person in one cell: a job, its operations one after the other, the next job."""

    def __init__(self, number: int, made: tuple, clock: ManualClock) -> None:
        self._number = number
        self._rng = random.Random(number)
        self._clock = clock
        self._operations = OperationPlanning(*made)
        self._quantities = QuantityCommands(*made)
        self._jobs = JobTreeCommands(*made)
        self.done = 0

    async def job(self, place: int) -> None:
        n = self._number
        steps = [
            {"operation_name": f"op {k}", "cell_id": CELL.format(n), "estimated_time": 5} for k in range(OPERATIONS)
        ]
        number = f"{n:02}-{place:05}"
        parts = [{"part_number": f"P-{number}", "material": "S235", "quantity": 50, "operations": steps}]
        answer = await self._jobs.create(
            {"job_number": f"J-{number}", "customer": "ACME", "parts": parts}, CALLER, None
        )
        self.done += 1
        for operation in _operations(answer.data):
            await self._press(operation, Verb.START)
            for count in range(COUNTS):
                if count == COUNTS // 2:
                    await self._press(operation, Verb.PAUSE)
                    await self._press(operation, Verb.RESUME)
                given = {
                    "operation_id": operation,
                    "quantity_good": self._rng.randint(1, 9),
                    "recorded_by": PERSON.format(n),
                }
                await self._quantities.create(given, CALLER, None)
                self.done += 1
            await self._press(operation, Verb.COMPLETE)

    async def _press(self, operation: str, verb: Verb) -> None:
        await self._operations.change(ChangeOperation(operation, verb, PERSON.format(self._number)), CALLER, None)
        self.done += 1


def _operations(data: str) -> list[str]:
    return [one["id"] for one in json.loads(data)["job"]["parts"][0]["operations"]]


async def shift(folder: Path, mutations: int, hours: float, furnished_by: str = "cell") -> int:
    """Writes the cell's database; how many mutations it holds. `furnished_by`: whose cells and people they are."""
    began = SystemClock().now() - timedelta(hours=hours)
    clock = ManualClock(began)
    new_id = uuid7(clock)
    folder.mkdir(parents=True, exist_ok=True)
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
        await db.write(_furnish, Stamp(clock.now(), furnished_by, new_id))
        made = (db, clock, new_id, "cell")
        stations = [Station(number, made, clock) for number in range(STATIONS)]
        rounds = max(1, mutations // (STATIONS * PER_JOB))
        step_s = hours * 3600 / rounds
        for place in range(rounds):
            ticking = asyncio.create_task(_tick(clock, step_s))
            await asyncio.gather(*(station.job(place) for station in stations))
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
            await clock.advance(
                max(0.0, (began + timedelta(seconds=(place + 1) * step_s) - clock.now()).total_seconds())
            )
            done = sum(station.done for station in stations)
            if sys.stderr.isatty():
                print(f"\r{done:>10,} mutations", end="", file=sys.stderr)
        return sum(station.done for station in stations)


async def _tick(clock: ManualClock, step_s: float) -> None:
    """Time goes on while they work."""
    for _ in range(int(step_s) // 60):
        await clock.advance(60.0)
        await asyncio.sleep(0.02)


def _furnish(tx, stamp: Stamp) -> None:
    tx.execute("INSERT INTO gateway_state (key, value) VALUES ('tenant_id', '00000000-0000-4000-8000-0000000000ff')")
    bring_in(tx, stamp, planned(people()))


def drain(cell: Box, hub: Box) -> tuple[float, list[float]]:
    """(highest memory of the cell's gateway, seconds that live work took)."""
    began, ended = time.monotonic(), threading.Event()
    live = Live(cell, hub, ended)
    live.start()
    while (link := cell.ask("/healthz")["links"]["cloud"])["pending"] > 0:
        if link["accepted"] != link["sent"] + link["pending"] + link["parked"] + link["skipped"]:
            raise SystemExit(f"the counts do not add up: {link}")
        cell.look()
        if time.monotonic() - began > DRAIN_MAX_S:
            raise SystemExit(f"{link['pending']} entries are left")
        time.sleep(0.5)
    ended.set()
    live.join()
    if link["parked"]:
        raise SystemExit(f"{link['parked']} entries were refused")
    return max(cell.rss), live.seconds


def differences(cell: Path, hub: Path) -> list[str]:
    """Rows that one side has and the other has not, or otherwise; events that are there twice, or not."""
    told = []
    with contextlib.closing(sqlite3.connect(f"file:{cell}?mode=ro", uri=True)) as connection:
        connection.execute("ATTACH ? AS hub", (f"file:{hub}?mode=ro",))
        for table in TABLES:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] not in OWN]
            names = ", ".join(columns)
            for here, there in (("main", "hub"), ("hub", "main")):
                sql = f"SELECT {names} FROM {here}.{table} EXCEPT SELECT {names} FROM {there}.{table}"
                count = connection.execute(f"SELECT count(*) FROM ({sql})").fetchone()[0]
                if count:
                    first = connection.execute(sql).fetchone()
                    told.append(f"{count} rows of {table} are in {here} and not in {there}, the first: {first}")
        ours = "origin = 'cell' AND type IS NOT NULL"
        here, there, distinct = (
            connection.execute(f"SELECT {what} FROM {where}.events WHERE {ours}").fetchone()[0]
            for what, where in (("count(*)", "main"), ("count(*)", "hub"), ("count(DISTINCT id)", "hub"))
        )
        if not here == there == distinct:
            told.append(f"{here} events here, {there} at the hub, {distinct} of them different")
    return told


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mutations", type=int, default=1_000_000)
    arguments.add_argument("--hours", type=float, default=72.0)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="offline-") as name:
        folder = Path(name)
        began = time.monotonic()
        done = asyncio.run(shift(folder / "cell" / "data", given.mutations, given.hours))
        size = (folder / "cell" / "data" / "gateway.sqlite").stat().st_size
        print(
            f"{done:,} mutations in {given.hours:g} h of virtual time, {size / 1e6:,.0f} MB, in {time.monotonic() - began:.0f} s"
        )
        with box(folder / "hub", "hub") as hub:
            began = time.monotonic()
            names = ", ".join(f'"Cell {n}"' for n in range(STATIONS))
            cloud = f'kind = "hub"\nurl = "{hub.url}"\napi_key = "{hub.key}"\ncells = [{names}]\ntimeout = "30s"'
            with box(folder / "cell", "cell", cloud) as cell:
                rss, live = drain(cell, hub)
            print(f"drained in {time.monotonic() - began:.0f} s, {rss:.0f} MiB at most (limit {RSS_MAX_MIB:.0f})")
        waits = sorted(live) or [0.0]
        p99 = waits[min(len(waits) - 1, len(waits) * 99 // 100)]
        print(f"live meanwhile: {len(waits)} jobs, p99 {p99:.2f} s (limit {LIVE_P99_MAX_S:g})")
        wrong = differences(folder / "cell" / "data" / "gateway.sqlite", folder / "hub" / "data" / "gateway.sqlite")
        print(*wrong or ["both sides are the same"], sep="\n")
        return int(bool(wrong) or rss > RSS_MAX_MIB or p99 > LIVE_P99_MAX_S)


if __name__ == "__main__":
    raise SystemExit(main())
