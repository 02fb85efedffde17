"""A small factory: its plan as the office entered it, and the people who work it off. The machine among them: `laser.py`.

Everything here goes through the same door as the product's users: the REST API, with a key.
"""

import asyncio
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from gateway.kernel.clock import Clock

TENANT_ID = "00000000-0000-4000-8000-000000000001"
CLOUD_KEY = "ery_live_d3m0c10ud00000000000000000000000"
CELLS = ("Laser", "Bending", "Welding", "Assembly")
PEOPLE = ("Otto Operator", "Petra Press", "Laser 1")
OPERATOR = "otto.operator"  # who has a PIN at the terminal
PRODUCTS = (
    ("Control cabinet", "Steel DC01 1.5 mm", ("Side panel", "Door", "Mounting plate")),
    ("Conveyor frame", "Stainless 1.4301 3 mm", ("Beam", "Cross member", "Foot")),
    ("Machine guard", "Aluminium 5083 2 mm", ("Hood", "Bracket")),
    ("Filter housing", "Stainless 1.4404 2 mm", ("Shell", "Flange", "Lid")),
)
CUSTOMERS = ("Brouwer Machines", "Nordwind GmbH", "Atelier Lambert", "Veldkamp")
ASSEMBLY = ("Final assembly", "Assembly", 30)  # of the first part only: left to whoever tries the API by hand
STEPS = (("Laser cutting", "Laser", 12), ("Bending", "Bending", 18), ("Welding", "Welding", 25))
SCRAP = (("BURR", "Burr on the cut edge", "process"), ("DIM", "Dimension out of tolerance", "process"))
SCRAP_SHARE = 0.06
REQUEST_MAX_S = 20.0
_TIMEOUT = aiohttp.ClientTimeout(total=REQUEST_MAX_S)

Rows = dict[str, list[dict[str, Any]]]
Tell = Callable[[str], None]


def named(*names: str) -> str:
    """The same id for the same thing in every run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "eryxon-gateway/demo/" + "/".join(names)))


def plan(now: datetime, jobs: int) -> Rows:
    """What the cloud holds at the start: any table by its name."""
    at = now.astimezone(UTC).isoformat()
    stamps = {"created_at": at, "updated_at": at}
    rows: Rows = {
        "cells": [
            {"id": named("cell", name), "name": name, "sequence": place, "active": True, **stamps}
            for place, name in enumerate(CELLS, 1)
        ],
        "profiles": people(now),
        "scrap_reasons": [
            {"id": named("scrap", code), "code": code, "description": text, "category": kind, "active": True, **stamps}
            for code, text, kind in SCRAP
        ],
        "jobs": [],
        "parts": [],
        "operations": [],
    }
    for number in range(1, jobs + 1):
        for table, more in job(number, now).items():
            rows[table].extend(more)
    return rows


def people(now: datetime) -> list[dict[str, Any]]:
    at = now.astimezone(UTC).isoformat()
    return [
        {
            "id": named("profile", name),
            "username": name.lower().replace(" ", "."),
            "full_name": name,
            "email": f"{name.lower().replace(' ', '.')}@example.com",
            "role": "operator",
            "active": True,
            "is_machine": name.startswith("Laser"),
            "created_at": at,
            "updated_at": at,
        }
        for name in PEOPLE
    ]


def job(number: int, now: datetime) -> Rows:
    """One order with its parts and their routing."""
    product, material, names = PRODUCTS[number % len(PRODUCTS)]
    at = (now + timedelta(milliseconds=number)).astimezone(UTC).isoformat()
    stamps = {"created_at": at, "updated_at": at}
    job_id, job_number = named("job", str(number)), f"JOB-{2600 + number}"
    rows: Rows = {
        "jobs": [
            {
                "id": job_id,
                "job_number": job_number,
                "customer": CUSTOMERS[number % len(CUSTOMERS)],
                "notes": product,
                "due_date": (now + timedelta(days=5 + number)).astimezone(UTC).isoformat(),
                "status": "not_started",
                **stamps,
            }
        ],
        "parts": [],
        "operations": [],
    }
    for place, name in enumerate(names, 1):
        part_id = named("part", str(number), name)
        rows["parts"].append(
            {
                "id": part_id,
                "job_id": job_id,
                "part_number": f"{job_number}-{place:02}",
                "material": material,
                "quantity": 4 + 2 * place,
                "notes": name,
                "status": "not_started",
                **stamps,
            }
        )
        steps = (*STEPS, ASSEMBLY) if (number, place) == (1, 1) else STEPS
        for sequence, (step, cell, minutes) in enumerate(steps, 1):
            rows["operations"].append(
                {
                    "id": named("operation", str(number), name, step),
                    "part_id": part_id,
                    "cell_id": named("cell", cell),
                    "operation_name": step,
                    "sequence": sequence,
                    "estimated_time": minutes,
                    "actual_time": 0,
                    "status": "not_started",
                    **stamps,
                }
            )
    return rows


class Api:
    """The gateway as a station sees it. Raises Refused with the API's own words."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self._session = session
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        return await self._call("GET", path, query, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._call("POST", path, {}, body)

    async def health(self) -> dict[str, Any]:
        """Not in an envelope, and not below the API's base."""
        url = self._url.removesuffix("/functions/v1") + "/healthz"
        async with self._session.get(url, headers=self._headers, timeout=_TIMEOUT) as answer:
            told: dict[str, Any] = await answer.json()
            return told

    async def _call(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        headers = self._headers if body is None else {**self._headers, "Idempotency-Key": str(uuid.uuid4())}
        async with self._session.request(
            method, self._url + path, params=query, json=body, headers=headers, timeout=_TIMEOUT
        ) as answer:
            told = await answer.json()
            if not told["success"]:
                raise Refused(f"{answer.status} {told['error']['message']}")
            data: dict[str, Any] = told["data"]
            return data


class Refused(Exception):
    """The gateway did not take it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Somebody who works at one cell, and how long one step takes."""

    name: str
    cell: str
    step_s: float

    @property
    def profile_id(self) -> str:
        return named("profile", self.name)


PLACES = (Place("Otto Operator", "Bending", 3.0), Place("Petra Press", "Welding", 3.5))


class Worker:
    """Takes the next operation of its cell whose predecessors are far enough, and works it off.

    `booked` good pieces have been acknowledged to it.
    """

    def __init__(self, place: Place, api: Api, clock: Clock, rng: random.Random, tell: Tell) -> None:
        self._place = place
        self._api = api
        self._clock = clock
        self._rng = rng
        self._tell = tell
        self.booked = 0

    async def run(self) -> None:
        """Work for ever; what is refused is told and left, what cannot be reached is tried again."""
        while True:
            try:
                operation = await self._next()
                if operation is not None:
                    await self._work(operation)
                    continue
            except Refused as no:
                self._tell(f"{self._place.name}: {no}")
            except (aiohttp.ClientError, TimeoutError):
                self._tell(f"{self._place.name}: no answer from the gateway, trying again")
            await self._clock.sleep(self._place.step_s)

    async def _next(self) -> dict[str, Any] | None:
        """Own work that was begun first, then what is new."""
        cell_id = named("cell", self._place.cell)
        for status in ("in_progress", "on_hold", "not_started"):
            listed = await self._api.get("/api-operations", cell_id=cell_id, status=status, limit="50")
            for operation in listed["operations"]:
                if operation["sequence"] == 1 or await self._ready(operation):
                    found: dict[str, Any] = operation
                    return found
        return None

    async def _ready(self, operation: Mapping[str, Any]) -> bool:
        listed = await self._api.get("/api-operations", part_id=operation["part_id"])
        before = [one for one in listed["operations"] if one["sequence"] < operation["sequence"]]
        return all(one["status"] == "completed" for one in before)

    async def _work(self, operation: Mapping[str, Any]) -> None:
        listed = await self._api.get("/api-parts", id=operation["part_id"])
        part = listed["part"]
        label = f"{operation['operation_name']} of {part['part_number']}"
        if operation["status"] != "in_progress":
            await self._change("resume" if operation["status"] == "on_hold" else "start", operation)
            self._tell(f"{self._place.name} starts {label}")
        done = await self._counted(operation["id"])
        while done < part["quantity"]:
            await self._clock.sleep(self._place.step_s * self._rng.uniform(0.7, 1.3))
            done += await self._count(operation["id"], part["quantity"] - done)
        if self._rng.random() < 0.3:  # noqa: PLR2004 -- now and then somebody has a break
            await self._change("pause", operation)
            self._tell(f"{self._place.name} has a break")
            await self._clock.sleep(self._place.step_s * 2)
            await self._change("resume", operation)
        await self._change("complete", operation)
        self._tell(f"{self._place.name} completes {label}: {done} pieces")

    async def _count(self, operation_id: str, left: int) -> int:
        pieces = min(left, self._rng.randint(1, 3))
        scrap = int(self._rng.random() < SCRAP_SHARE)
        body: dict[str, Any] = {
            "operation_id": operation_id,
            "recorded_by": self._place.profile_id,
            "quantity_produced": pieces + scrap,
            "quantity_good": pieces,
            "quantity_scrap": scrap,
        }
        if scrap:
            body["scrap_reason_id"] = named("scrap", self._rng.choice(SCRAP)[0])
        await self._api.post("/api-operation-quantities", body)
        self.booked += pieces
        return pieces

    async def _counted(self, operation_id: str) -> int:
        listed = await self._api.get("/api-operation-quantities", operation_id=operation_id, limit="1000")
        return sum(one["quantity_good"] for one in listed["operation_quantities"])

    async def _change(self, action: str, operation: Mapping[str, Any]) -> None:
        body = {"operation_id": operation["id"], "action": action, "operator_id": self._place.profile_id}
        await self._api.post("/api-operation-lifecycle", body)


async def working(workers: list[Worker]) -> None:
    """All of them beside each other, until cancelled."""
    async with asyncio.TaskGroup() as floor:
        for worker in workers:
            floor.create_task(worker.run())
