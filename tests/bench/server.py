"""The real lifecycle route for the write bench: the product, and what it is held against.

product: as it ships. bare: the same route, key check and answer, but no database behind it. naive: a commit for each request,
as it is usually written with aiosqlite. single: the product's own writer thread, with one transaction and one fsync each.
"""

import argparse
import asyncio
import json
import uuid
from pathlib import Path

import uvloop
from aiohttp import web
from naive import Naive

from gateway.kernel import db as kernel_db
from gateway.kernel import interpreter, logs
from gateway.kernel.clock import SystemClock, text
from gateway.kernel.db import Database, Tx
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.operations.commands import OperationCommands
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.routes import lifecycle
from gateway.outbox.receipts import Answer
from gateway.web.auth import Keys, NewKey
from gateway.web.limits import Limiter, Rate
from gateway.web.routes import Caller, Scope
from gateway.web.server import application, runner

OPERATIONS = 16_384
OPERATIONS_OF_A_PART, PARTS_OF_A_JOB = 4, 3
KEY = "ery_live_bench00000000000000000000000000"
TENANT_ID = "00000000-0000-4000-8000-000000000001"


class NoDatabase:
    """Answers what a real start answers, without doing anything."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    async def change(self, *_args) -> Answer:
        return Answer(200, self._answer)


def ids() -> list[str]:
    return [str(uuid.UUID(int=(4 << 64) + place)) for place in range(OPERATIONS)]


def seed(tx: Tx, now: str) -> None:
    tx.execute("INSERT OR REPLACE INTO gateway_state (key, value) VALUES ('tenant_id', ?)", (TENANT_ID,))
    cell = str(uuid.UUID(int=1))
    stamps = (now, now)
    tx.execute(
        "INSERT INTO cells (id, name, sequence, created_at, updated_at) VALUES (?, 'Laser', 1, ?, ?)", (cell, *stamps)
    )
    for place, operation in enumerate(ids()):
        job, part = (
            str(uuid.UUID(int=(kind << 64) + place // below))
            for kind, below in ((2, PARTS_OF_A_JOB * OPERATIONS_OF_A_PART), (3, OPERATIONS_OF_A_PART))
        )
        tx.execute(
            "INSERT OR IGNORE INTO jobs (id, job_number, created_at, updated_at) VALUES (?, ?, ?, ?)",
            (job, f"J-{job[-12:]}", *stamps),
        )
        tx.execute(
            "INSERT OR IGNORE INTO parts (id, job_id, part_number, material, created_at, updated_at) "
            "VALUES (?, ?, ?, 'Steel', ?, ?)",
            (part, job, f"P-{part[-12:]}", *stamps),
        )
        tx.execute(
            "INSERT INTO operations (id, part_id, cell_id, operation_name, sequence, created_at, updated_at) "
            "VALUES (?, ?, ?, 'Cut', ?, ?, ?)",
            (operation, part, cell, place % OPERATIONS_OF_A_PART + 1, *stamps),
        )


async def example(commands: OperationCommands) -> str:
    """The answer of a real transition, for the one that only pretends."""
    wish = ChangeOperation(ids()[-1], Verb.START)
    return (await commands.change(wish, Caller("bench", "bench", Scope.ADMIN), None)).data


async def main(mode: str, port: int, folder: Path) -> None:
    clock = SystemClock()
    new_id = uuid7(clock)
    if mode == "single":
        kernel_db.GROUP_MAX = 1
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
        await db.write(seed, text(clock.now()))
        keys = Keys(db, clock, new_id)
        await keys.adopt(KEY, NewKey("bench", Scope.ADMIN))
        commands = OperationCommands(db, clock, new_id, "gw-bench")
        behind = commands
        if mode == "bare":
            behind = NoDatabase(await example(commands))
        elif mode == "naive":
            behind = OperationCommands(await Naive.open(db.path), clock, new_id, "gw-bench")
        limiter = Limiter(Rate(per_minute=10**9, burst=10**9), clock, request_max_s=30)  # in the way, and never reached
        served = runner(application(lifecycle(behind), keys, limiter, new_id), shutdown_s=1)
        await served.setup()
        await web.TCPSite(served, "127.0.0.1", port, backlog=1024).start()
        interpreter.settled()
        print(json.dumps({"ready": port}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--mode", choices=("bare", "naive", "single", "product"))
    arguments.add_argument("--port", type=int)
    arguments.add_argument("--folder", type=Path)
    given = arguments.parse_args()
    logs.configure("info", "json")  # as a service has it
    uvloop.run(main(given.mode, given.port, given.folder))
