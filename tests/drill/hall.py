"""A hall over OPC UA, for as long as one likes: people work in 100 cells on 5,000 operations, jobs come and go, clients watch every
value, and some of them vanish without a word. At the end each client has heard of each value what the REST API says, nothing of
what has gone is left, and the memory is what it was. Exit 1 otherwise.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from processes import Box, fetch, free_port, say, until

from plugins.opcua_mirror.pki import Pki

NAMESPACE = "http://eryxon.dev/UA/gateway/"
OF_CELL = ("QueueLength", "WipCurrent")
OF_OPERATION = ("OperationId", "Status", "JobNumber", "PartNumber", "QuantityGood", "QuantityScrap")
SLOTS = 5
STEPS = 10  # operations of a job, each in another cell
ITEMS_AT_ONCE = 1_000
NEW_JOB_EVERY = 40  # changes
VANISH_EVERY_S = 5.0
VANISHED_MS = 10_000  # after which the server gives such a session up
WATCHDOG_S = 10.0
SAMPLE_EVERY_S = 2.0
WARM = 0.25  # of the time, after which the memory should stay
GROWTH_MAX = 0.10
QUIET_MAX_S = 60.0
NEXT = {"not_started": ("start",), "in_progress": ("pause", "complete", "count", "count"), "on_hold": ("resume",)}
AFTER = {"start": "in_progress", "pause": "on_hold", "resume": "in_progress", "complete": "completed"}


def row_id(kind: int, number: int) -> str:
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


@dataclass
class Work:
    """What people have done, as they know it."""

    cells: list[str]
    jobs: dict[str, list[str]] = field(default_factory=dict)  # job -> its operations
    status: dict[str, str] = field(default_factory=dict)  # of an operation

    def rows(self, count: int) -> dict[str, list[dict[str, Any]]]:
        """So many operations, `STEPS` in a row, to be brought in."""
        cells = [{"id": one, "name": f"Cell {place}", "sequence": place} for place, one in enumerate(self.cells)]
        jobs, parts, operations = [], [], []
        for number in range(count // STEPS):
            job, part = row_id(1, number), row_id(2, number)
            jobs.append({"id": job, "job_number": f"J-{number}"})
            parts.append({"id": part, "job_id": job, "part_number": f"P-{number}", "quantity": 10, "material": "Steel"})
            for step in range(STEPS):
                cell = self.cells[(number + step * 7) % len(self.cells)]
                named = {"id": row_id(3, number * STEPS + step), "operation_name": f"Op {step}", "sequence": step + 1}
                operations.append({**named, "part_id": part, "cell_id": cell})
            self.taken(job, [one["id"] for one in operations[-STEPS:]])
        return {"cells": cells, "jobs": jobs, "parts": parts, "operations": operations}

    def taken(self, job: str, operations: list[str]) -> None:
        self.jobs[job] = operations
        self.status |= dict.fromkeys(operations, "not_started")


class People:
    def __init__(self, box: Box, work: Work, rng: random.Random, session: aiohttp.ClientSession) -> None:
        self._box = box
        self._work = work
        self._rng = rng
        self._session = session
        self._numbers = itertools.count(100_000)
        self.done: Counter[str] = Counter()

    async def work(self, rate: float, ends_s: float) -> None:
        pace_s, due_s = 1 / rate, time.monotonic()
        while (now_s := time.monotonic()) < ends_s:
            await asyncio.sleep(max(0.0, due_s - now_s))
            due_s += pace_s
            if sum(self.done.values()) % NEW_JOB_EVERY == NEW_JOB_EVERY - 1:
                await self._replace_a_job()
            else:
                await self._change_something()

    async def _change_something(self) -> None:
        operation = self._rng.choice([one for one, status in self._work.status.items() if status != "completed"])
        verb = self._rng.choice(NEXT[self._work.status[operation]])
        self.done[verb] += 1
        if verb == "count":
            body = {"operation_id": operation, "quantity_good": 1, "quantity_scrap": self._rng.randint(0, 1)}
            await self._call("POST", "/api-operation-quantities", body)
            return
        await self._call("POST", "/api-operation-lifecycle", {"operation_id": operation, "action": verb})
        self._work.status[operation] = AFTER[verb]

    async def _replace_a_job(self) -> None:
        self.done["job"] += 1
        gone = self._rng.choice([*self._work.jobs])
        await self._call("DELETE", f"/api-jobs?id={gone}")
        for operation in self._work.jobs.pop(gone):
            del self._work.status[operation]
        number = next(self._numbers)
        steps = [
            {"operation_name": f"Op {step}", "sequence": step + 1, "cell_id": self._rng.choice(self._work.cells)}
            for step in range(STEPS)
        ]
        part = {"part_number": f"P-{number}", "quantity": 10, "material": "Steel", "operations": steps}
        made = (await self._call("POST", "/api-jobs", {"job_number": f"J-{number}", "parts": [part]}))["data"]["job"]
        self._work.taken(made["id"], [one["id"] for one in made["parts"][0]["operations"]])

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._box.key}"}
        async with self._session.request(method, f"{self._box.url}{path}", json=body, headers=headers) as answer:
            told = await answer.json()
            assert answer.status < 300, told
            return told


# ------------------------------------------------------------------ who watches


class Watcher:
    """Hears every value of the cells, or of what is active in them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: dict[str, Any] = {}
        self.changes = 0

    def datachange_notification(self, node: Any, value: Any, _data: Any) -> None:
        self.heard[node.nodeid.Identifier] = value
        self.changes += 1

    async def watch(self, client: Client, index: int, paths: list[str]) -> None:
        subscription = await client.create_subscription(100, self)
        for start in range(0, len(paths), ITEMS_AT_ONCE):
            nodes = [client.get_node(ua.NodeId(one, index)) for one in paths[start : start + ITEMS_AT_ONCE]]
            await subscription.subscribe_data_change(nodes, queuesize=10)


def paths_of(cells: list[str], slots: int) -> Iterator[str]:
    for cell in cells:
        yield from (f"cell/{cell}/{name}" for name in OF_CELL)
        for place in ("active", *(f"next/{slot}" for slot in range(slots))):
            yield from (f"cell/{cell}/{place}/{name}" for name in OF_OPERATION)


@contextlib.asynccontextmanager
async def connected(url: str, pki: Pki, password: str, session_ms: int = 120_000, *, patient: bool = True) -> Any:
    """`patient`: comes back by itself, as a SCADA does on a machine that stands still for seconds."""
    client = Client(url, timeout=60, watchdog_intervall=WATCHDOG_S, auto_reconnect=patient, reconnect_max_delay=1)
    client.application_uri = pki.own(datetime.now(UTC)).uri
    client.session_timeout = session_ms
    await client.set_security(SecurityPolicyBasic256Sha256, pki.certificate, pki.key)
    client.set_user("watcher")
    client.set_password(password)
    async with client:
        yield client, await client.get_namespace_index(NAMESPACE)


async def vanish(url: str, pki: Pki, password: str, cells: list[str], ends_s: float) -> int:
    """Again and again somebody comes, subscribes, and his cable is pulled. Tells how often."""
    pulled = 0
    while time.monotonic() + VANISH_EVERY_S < ends_s:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            async with connected(url, pki, password, VANISHED_MS, patient=False) as (client, index):
                await Watcher("guest").watch(client, index, [*paths_of(cells[:5], 1)])
                client.uaclient.protocol.transport.abort()
        pulled += 1
        await asyncio.sleep(VANISH_EVERY_S)
    return pulled


# ------------------------------------------------------------------ what should stand there


def listed(box: Box, path: str, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        told = fetch(f"{box.url}{path}&limit=1000&offset={len(rows)}", key=box.key)
        assert isinstance(told, dict), path
        found = told["data"][table]
        rows += found
        if len(rows) >= told["data"]["pagination"]["total"] or not found:
            return rows


def expected(box: Box, cells: list[str]) -> dict[str, Any]:
    """Node -> value, by the lists of the REST API: how many wait and run in each cell, and what runs."""
    operations = listed(box, "/api-operations?sort=id", "operations")
    parts = {one["id"]: one for one in listed(box, "/api-parts?sort=id", "parts")}
    jobs = {one["id"]: one["job_number"] for one in listed(box, "/api-jobs?sort=id", "jobs")}
    good, scrap = Counter(), Counter()
    for row in listed(box, "/api-operation-quantities?sort=id", "operation_quantities"):
        good[row["operation_id"]] += row["quantity_good"]
        scrap[row["operation_id"]] += row["quantity_scrap"]
    found: dict[str, Any] = {}
    for cell in cells:
        here = [one for one in operations if one["cell_id"] == cell]
        running = [one for one in here if one["status"] == "in_progress"]
        found[f"cell/{cell}/QueueLength"] = sum(one["status"] == "not_started" for one in here)
        found[f"cell/{cell}/WipCurrent"] = len(running)
        values: dict[str, Any] = dict.fromkeys(OF_OPERATION, "") | {"QuantityGood": 0, "QuantityScrap": 0}
        if running:
            one = max(running, key=lambda row: row["started_at"])
            part = parts[one["part_id"]]
            counted = {"QuantityGood": good[one["id"]], "QuantityScrap": scrap[one["id"]]}
            named = {"JobNumber": jobs[part["job_id"]], "PartNumber": part["part_number"]}
            values = {"OperationId": one["id"], "Status": one["status"], **named, **counted}
        found |= {f"cell/{cell}/active/{name}": value for name, value in values.items()}
    return found


def facts(box: Box) -> dict[str, Any]:
    told = fetch(f"{box.url}/healthz", key=box.key)
    return told["links"]["plugin:opcua_mirror"] if isinstance(told, dict) else {}


def memory_mb(box: Box) -> float:
    lines = Path(f"/proc/{box.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


async def sampled(box: Box, ends_s: float) -> list[float]:
    found = []
    while time.monotonic() < ends_s:
        found.append(memory_mb(box))
        await asyncio.sleep(SAMPLE_EVERY_S)
    return found


# ------------------------------------------------------------------ the drill


def opened(folder: Path, given: argparse.Namespace) -> tuple[Box, Work, Pki, str, str]:
    """Running, with everything in it; (gateway, its work, the clients' certificate, their password, where to)."""
    box, work, pki, port = (
        Box(folder, "hall"),
        Work([row_id(0, one) for one in range(given.cells)]),
        Pki(folder),
        free_port(),
    )
    box.configure(broker="off", kind="off")
    with box.config.open("a") as config:
        config.write(f"[plugins.opcua_mirror]\nenabled = true\nport = {port}\n")
    plan = folder / "plan.json"
    plan.write_text(json.dumps(work.rows(given.operations)))
    box.command("import", str(plan))
    pki.own(datetime.now(UTC))
    box.command("opcua", "trust", str(pki.certificate))
    password = box.command("opcua", "users", "add", "watcher")
    say(f"{given.cells} cells, {len(work.status)} operations: ready in {box.start():.1f} s")
    until(lambda: "nodes" in facts(box), QUIET_MAX_S, "the mirror")
    return box, work, pki, password, f"opc.tcp://127.0.0.1:{port}/eryxon"


async def drill(folder: Path, given: argparse.Namespace) -> list[str]:
    """What went wrong."""
    box, work, pki, password, url = opened(folder, given)
    watchers = [Watcher(f"client {number}") for number in range(given.subscribers)]
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(box.kill)
        for number, watcher in enumerate(watchers):
            client, index = await stack.enter_async_context(connected(url, pki, password))
            await watcher.watch(client, index, [*paths_of(work.cells, SLOTS if number == 0 else 0)])
        session = await stack.enter_async_context(aiohttp.ClientSession())
        before, ends_s = facts(box), time.monotonic() + given.minutes * 60
        people = People(box, work, random.Random(given.seed), session)
        _, pulled, memory = await asyncio.gather(
            people.work(given.rate, ends_s), vanish(url, pki, password, work.cells, ends_s), sampled(box, ends_s)
        )
        wrong = await judged(box, work, watchers)
        after = await left(box, len(watchers), before["nodes"])
    warm = memory[int(len(memory) * WARM)]
    grown = (max(memory[len(memory) // 2 :]) - warm) / warm
    say(f"{dict(people.done)}; heard {[one.changes for one in watchers]} changes; {pulled} clients vanished")
    say(f"memory {memory[0]:.0f} MB, warm {warm:.0f} MB, in the end {memory[-1]:.0f} MB ({grown:+.1%})")
    say(
        f"sessions {after['sessions']}, subscriptions {after['subscriptions']}, nodes {before['nodes']} -> {after['nodes']}"
    )
    if after["sessions"] != len(watchers) or after["subscriptions"] != len(watchers):
        wrong.append("sessions or subscriptions of clients that have vanished are still there")
    if after["nodes"] != before["nodes"]:
        wrong.append("there are as many cells and jobs as before, but not as many nodes")
    if grown > GROWTH_MAX and given.minutes >= 1:
        wrong.append(f"the memory has grown by {grown:.0%}, {GROWTH_MAX:.0%} is allowed")
    return wrong


async def judged(box: Box, work: Work, watchers: list[Watcher]) -> list[str]:
    """Whoever watches has heard the last value of everything."""
    wanted = await asyncio.to_thread(expected, box, work.cells)
    ends_s = time.monotonic() + QUIET_MAX_S
    while True:
        wrong = [
            f"{one.name}: {path} is {one.heard.get(path)!r}, {value!r} by the REST API"
            for one in watchers
            for path, value in wanted.items()
            if one.heard.get(path) != value
        ]
        if not wrong or time.monotonic() > ends_s:
            return wrong[:20]
        await asyncio.sleep(0.2)


async def left(box: Box, sessions: int, nodes: int) -> dict[str, Any]:
    """Once those who have vanished are given up."""
    ends_s = time.monotonic() + QUIET_MAX_S
    while True:
        found = await asyncio.to_thread(facts, box)
        there = (found["sessions"], found["subscriptions"], found["nodes"])
        if there == (sessions, sessions, nodes) or time.monotonic() > ends_s:
            return found
        await asyncio.sleep(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--operations", type=int, default=5_000)
    parser.add_argument("--rate", type=float, default=20, help="changes a second")
    parser.add_argument("--subscribers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # it complains of every client that vanishes
    with tempfile.TemporaryDirectory() as folder:
        wrong = asyncio.run(drill(Path(folder), given))
    for line in wrong:
        say(f"WRONG: {line}")
    say("failed" if wrong else "every client has heard the last of everything, and nothing is left behind")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
