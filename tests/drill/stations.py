"""Twenty stations at work: press, count, pause, complete; try again with the same key until there is an answer.

Everything that was answered 2xx is written down here, durably, by somebody who knows nothing of the gateway's inside.
"""

import argparse
import asyncio
import json
import os
import random
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

TRY_MAX_S = 5.0
PATIENCE_S = 120.0
PAUSE_S = (0.05, 0.3)
LATE = timedelta(hours=3)  # work that somebody books after lunch
LATE_SHARE = 0.15
RIVAL_SHARE = 0.3


class Notes:
    """One line for each answer, on disk before the next press."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self.count = 0

    def write(self, **note) -> None:
        self._file.write(json.dumps(note) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.count += 1


class Station:
    def __init__(
        self, name: str, operator: str, work: list[str], url: str, key: str, notes: Notes, seed: int, count: int
    ) -> None:
        self._name = name
        self._operator = operator
        self._work = work
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._notes = notes
        self._rng = random.Random(seed)
        self._count = count
        self.rival: Station | None = None

    async def run(self, session: aiohttp.ClientSession) -> None:
        for operation in self._work:
            backdated = self._rng.random() < LATE_SHARE
            rival = asyncio.create_task(self._race(session, operation)) if self._rng.random() < RIVAL_SHARE else None
            shift = LATE if backdated else timedelta(0)
            if rival is not None:
                await rival
            else:
                await self.change(session, operation, "start", shift)
            await self._counting(session, operation, self._count // 2)
            await self.change(session, operation, "pause", shift)
            await self.change(session, operation, "resume", shift)
            await self._counting(session, operation, self._count - self._count // 2)
            await self.change(session, operation, "complete", shift)

    async def change(self, session, operation: str, verb: str, shift: timedelta) -> dict:
        body = {"operation_id": operation, "action": verb, "operator_id": self._operator}
        body["occurred_at"] = (datetime.now(UTC) - shift).isoformat()
        return await self._post(session, verb, operation, "/api-operation-lifecycle", body)

    async def _race(self, session, operation: str) -> None:
        """Two people press Start at once: each with a key of his own, one of them wins."""
        body = {"operation_id": operation, "action": "start", "occurred_at": datetime.now(UTC).isoformat()}
        mine = self._post(
            session, "start", operation, "/api-operation-lifecycle", {**body, "operator_id": self._operator}
        )
        await asyncio.gather(mine, *(self._rival(session, operation, body) for _ in range(3)))

    async def _rival(self, session, operation: str, body: dict) -> None:
        """The same person at another terminal: the state decides, not who he is."""
        await self._post(
            session, "start", operation, "/api-operation-lifecycle", {**body, "operator_id": self._operator}, rival=True
        )

    async def _counting(self, session, operation: str, times: int) -> None:
        for _ in range(times):
            good, scrap = self._rng.randint(1, 9), int(self._rng.random() < 0.1)
            body = {"operation_id": operation, "recorded_by": self._operator, "quantity_produced": good + scrap}
            body |= {"quantity_good": good, "quantity_scrap": scrap}
            await self._post(session, "quantity", operation, "/api-operation-quantities", body)

    async def _post(self, session, kind: str, operation: str, path: str, body: dict, *, rival: bool = False) -> dict:
        key = str(uuid.uuid4())
        pressed = datetime.now(UTC)
        headers = {**self._headers, "Idempotency-Key": key}
        timeout = aiohttp.ClientTimeout(total=TRY_MAX_S)
        tries = 0
        while (datetime.now(UTC) - pressed).total_seconds() < PATIENCE_S:
            tries += 1
            try:
                async with session.post(self._url + path, json=body, headers=headers, timeout=timeout) as answer:
                    told = await answer.json()
                    status, replayed = answer.status, answer.headers.get("Idempotency-Replayed") == "true"
            except (aiohttp.ClientError, TimeoutError, ValueError):
                status = 0
            if status in (200, 201, 400, 409):
                note = {"station": self._name, "kind": kind, "operation": operation, "key": key, "status": status}
                note |= {"pressed_at": pressed.isoformat(), "occurred_at": body.get("occurred_at"), "tries": tries}
                self._notes.write(**note, replayed=replayed, rival=rival, operator=self._operator, answer=told)
                await asyncio.sleep(self._rng.uniform(*PAUSE_S))
                return told
            if status and status < 500:
                raise SystemExit(f"{self._name}: {kind} got {status}: {told}")
            await asyncio.sleep(self._rng.uniform(*PAUSE_S))
        raise SystemExit(f"{self._name}: no answer to {kind} within {PATIENCE_S:.0f} s")


async def main(plan: dict, url: str, key: str, notes: Path, seed: int) -> None:
    kept = Notes(notes)
    stations = [
        Station(f"station-{place}", one["operator"], one["operations"], url, key, kept, seed + place, plan["count"])
        for place, one in enumerate(plan["stations"])
    ]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(station.run(session) for station in stations))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    for name in ("--plan", "--notes"):
        arguments.add_argument(name, type=Path, required=True)
    for name in ("--url", "--key"):
        arguments.add_argument(name, required=True)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    asyncio.run(main(json.loads(given.plan.read_text()), given.url, given.key, given.notes, given.seed))
