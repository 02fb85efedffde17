"""Twenty stations at work: press, count, pause, complete, and all else that a floor does; try again with the same key until
there is an answer.

Everything that was answered 2xx is written down here, durably, by somebody who knows nothing of the gateway's inside.
"""

import argparse
import asyncio
import json
import os
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from chores import Chores

TRY_MAX_S = 5.0
PATIENCE_S = 120.0
PAUSE_S = (0.05, 0.3)
LATE = timedelta(hours=3)  # work that somebody books after lunch
LATE_SHARE = 0.15
RIVAL_SHARE = 0.3
FUNCTIONS = {"substep_templates": "templates", "operation_batches": "batches"}  # that are not called as their table


class Notes:
    """One line for each answer, on disk before the next press."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, **note) -> None:
        self._file.write(json.dumps(note) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


class Station:
    """`given`: {name, url, key, operator, cell, cell_name, operations, contested, reasons ...}, as `run.py` writes it."""

    def __init__(
        self, session: aiohttp.ClientSession, given: dict, notes: Notes, seed: int, count: int, chores: int
    ) -> None:
        self._session = session
        self._given = given
        self.operator: str = given["operator"]
        self._notes = notes
        self._rng = random.Random(seed)
        self._count = count
        self._chores = chores
        self._other = Chores(self, given, self._rng)

    async def run(self) -> None:
        for place, operation in enumerate(self._given["operations"]):
            shift = LATE if self._rng.random() < LATE_SHARE else timedelta(0)
            if self._rng.random() < RIVAL_SHARE:
                await self._race(operation)
            else:
                await self.change(operation, "start", shift)
            await self._counting(operation, self._count // 2)
            await self._other.some(operation, self._chores // 2)
            await self.change(operation, "pause", shift)
            await self.change(operation, "resume", shift)
            await self._counting(operation, self._count - self._count // 2)
            await self._other.some(operation, self._chores - self._chores // 2)
            await self.change(operation, "complete", shift)
            if place == 0 and self._given.get("contests", True):
                await self._contested()

    async def change(
        self, operation: str, verb: str, shift: timedelta, *, operator: bool = True, refusable: bool = False
    ) -> None:
        body = {"operation_id": operation, "action": verb, "operator_id": self.operator if operator else None}
        body["occurred_at"] = (datetime.now(UTC) - shift).isoformat()
        await self.call(verb, "POST", "/api-operation-lifecycle", body, operation=operation, refusable=refusable)

    async def _race(self, operation: str) -> None:
        """One presses Start at four terminals at once: each with a key of its own, one of them wins."""
        body = {"operation_id": operation, "action": "start", "operator_id": self.operator}
        body["occurred_at"] = datetime.now(UTC).isoformat()
        path = "/api-operation-lifecycle"
        presses = [self.call("start", "POST", path, body, operation=operation, refusable=True) for _ in range(4)]
        await asyncio.gather(*presses)

    async def _counting(self, operation: str, times: int) -> None:
        for _ in range(times):
            good, scrap = self._rng.randint(1, 9), int(self._rng.random() < 0.1)
            body = {"operation_id": operation, "recorded_by": self.operator, "quantity_produced": good + scrap}
            body |= {"quantity_good": good, "quantity_scrap": scrap}
            await self.row("quantity", "POST", "operation_quantities", body, operation=operation)

    async def _contested(self) -> None:
        """Meanwhile the office starts, completes and changes the same: whoever comes too late is refused, and accepts it."""
        started, completed, _, counted = self._given["contested"]
        for operation, verbs in ((started, ("start",)), (completed, ("start", "complete"))):
            for verb in verbs:
                await self.change(operation, verb, timedelta(0), operator=False, refusable=True)
        body = {"operation_id": counted, "quantity_produced": 3, "quantity_good": 3, "recorded_by": self.operator}
        await self.row("counted", "POST", "operation_quantities", body, operation=counted)
        job, part = self._given["contested_job"], self._given["contested_part"]
        await self.row("replan", "PATCH", "jobs", {"notes": f"station {self._rng.random()}"}, job)
        await self.row("replan", "PATCH", "parts", {"quantity": self._rng.randint(60, 90)}, part)

    async def row(self, kind: str, method: str, table: str, body: dict | None, row: str | None = None, **about) -> dict:
        """One request about one row of a table; what the answer tells of it."""
        path = f"/api-{FUNCTIONS.get(table, table.replace('_', '-'))}" + (f"?id={row}" if row else "")
        told = await self.call(kind, method, path, body, table=table, row=row, **about)
        return one_row(told)

    async def call(
        self, kind: str, method: str, path: str, body: dict | bytes | None, *, refusable: bool = False, **about
    ) -> dict:
        """`refusable`: somebody else may have been quicker. Raises SystemExit on any other refusal."""
        key = str(uuid.uuid4())
        pressed = datetime.now(UTC)
        headers = {"Authorization": f"Bearer {self._given['key']}", "Idempotency-Key": key}
        headers |= {"Content-Type": about.pop("content_type", "application/json")}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        timeout = aiohttp.ClientTimeout(total=TRY_MAX_S)
        tries = 0
        while (datetime.now(UTC) - pressed).total_seconds() < PATIENCE_S:
            tries += 1
            began_s = time.monotonic()
            url = self._given["url"] + path
            try:
                async with self._session.request(method, url, data=data, headers=headers, timeout=timeout) as answer:
                    told = await answer.json()
                    status, replayed = answer.status, answer.headers.get("Idempotency-Replayed") == "true"
            except (aiohttp.ClientError, TimeoutError, ValueError):
                status = 0
            if status in (200, 201) or (refusable and status in (400, 409)):
                sent = body if isinstance(body, dict) else None
                note = {"station": self._given["name"], "kind": kind, "method": method, "key": key, "status": status}
                note |= {"pressed_at": pressed.isoformat(), "tries": tries, "replayed": replayed, **about}
                note["took_ms"] = (time.monotonic() - began_s) * 1000
                self._notes.write(**note, operator=self.operator, body=sent, answer=told)
                await asyncio.sleep(self._rng.uniform(*PAUSE_S))
                return told
            if status and status < 500:
                raise SystemExit(f"{self._given['name']}: {kind} {method} {path} {body} got {status}: {told}")
            await asyncio.sleep(self._rng.uniform(*PAUSE_S))
        raise SystemExit(f"{self._given['name']}: no answer to {kind} within {PATIENCE_S:.0f} s")


def one_row(told: dict) -> dict:
    """The row in an answer, whatever the API calls it."""
    return next((one for one in told["data"].values() if isinstance(one, dict) and "id" in one), {})


async def main(work: dict, notes: Path, seed: int) -> None:
    kept = Notes(notes)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        stations = [
            Station(session, one, kept, seed + place, work["count"], work["chores"])
            for place, one in enumerate(work["stations"])
        ]
        await asyncio.gather(*(station.run() for station in stations))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ("--work", "--notes"):
        arguments.add_argument(name, type=Path, required=True)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    asyncio.run(main(json.loads(given.work.read_text()), given.notes, given.seed))
