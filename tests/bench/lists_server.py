"""The real list of operations for the list bench, on a database of a given size; `/bare` answers the same bytes as constants."""

import argparse
import asyncio
import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import uvloop
from aiohttp import web

from gateway.catalog.routes import reading
from gateway.kernel import interpreter, logs
from gateway.kernel.clock import SystemClock, text
from gateway.kernel.connection import offline
from gateway.kernel.db import Database
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.operations.resources import OPERATIONS
from gateway.web.auth import Keys, NewKey
from gateway.web.limits import Limiter, Rate
from gateway.web.routes import Scope
from gateway.web.server import application, runner

KEY = "ery_live_bench00000000000000000000000000"
OF_A_CELL = 200  # operations; they lie scattered over the table
OF_A_PART, OF_A_JOB = 4, 12
STRIDE = 7_919  # a prime: which cell the next operation is worked in
STATES = ("not_started", "in_progress", "on_hold", *["completed"] * 7)


def an_id(kind: int, place: int) -> str:
    return str(uuid.UUID(int=(kind << 64) + place))


def cells(operations: int) -> int:
    return operations // OF_A_CELL


def furnish(folder: Path, operations: int, clock: SystemClock) -> None:
    """A database with so many operations, quickly: without a journal of its own, the indices made at the end."""
    path = folder / "gateway.sqlite"
    migrate(path, clock)
    now = text(clock.now())
    with offline(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-200000")
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("BEGIN")
        later = _without_indices(connection)
        connection.execute("INSERT INTO gateway_state (key, value) VALUES ('tenant_id', ?)", (an_id(9, 1),))
        for table, rows in _rows(operations):
            named = next(iter(rows))
            names, marks = ", ".join((*named, "created_at", "updated_at")), ", ".join("?" * (len(named) + 2))
            statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"
            connection.execute(statement, (*named.values(), now, now))
            connection.executemany(statement, ((*row.values(), now, now) for row in rows))
        for index in later:
            connection.execute(index)
        connection.commit()


def _without_indices(connection: sqlite3.Connection) -> list[str]:
    made = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL "
        "AND tbl_name IN ('jobs', 'parts', 'operations')"
    ).fetchall()
    for name, _ in made:
        connection.execute(f"DROP INDEX {name}")
    return [sql for _, sql in made]


def _rows(operations: int) -> Iterator[tuple[str, Iterator[dict]]]:
    count = cells(operations)
    yield "cells", ({"id": an_id(1, n), "name": f"Cell {n}", "sequence": n} for n in range(count))
    jobs = -(-operations // OF_A_JOB)
    yield "jobs", ({"id": an_id(2, n), "job_number": f"J-{n}", "customer": f"Customer {n % 97}"} for n in range(jobs))
    parts = -(-operations // OF_A_PART)
    yield (
        "parts",
        (
            {
                "id": an_id(3, n),
                "job_id": an_id(2, n * OF_A_PART // OF_A_JOB),
                "part_number": f"P-{n}",
                "material": "S235",
            }
            for n in range(parts)
        ),
    )
    yield (
        "operations",
        (
            {
                "id": an_id(4, n),
                "part_id": an_id(3, n // OF_A_PART),
                "cell_id": an_id(1, n * STRIDE % count),
                "operation_name": f"Operation {n % OF_A_PART}",
                "sequence": n % OF_A_PART + 1,
                "status": STATES[n // 3 % len(STATES)],
            }
            for n in range(operations)
        ),
    )


async def main(port: int, folder: Path, operations: int) -> None:
    clock = SystemClock()
    new_id = uuid7(clock)
    furnish(folder, operations, clock)
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
        keys = Keys(db, clock, new_id)
        await keys.adopt(KEY, NewKey("bench", Scope.READ))
        limiter = Limiter(Rate(per_minute=10**9, burst=10**9), clock, request_max_s=30)  # in the way, and never reached
        app = application(reading(OPERATIONS, db), keys, limiter, new_id)
        constants: dict[str, bytes] = {}

        async def bare(request: web.Request) -> web.Response:
            return web.Response(body=constants[request.query_string], content_type="application/json")

        async def learn(request: web.Request) -> web.Response:
            constants[request.query_string] = await request.read()
            return web.Response()

        app.router.add_get("/bare", bare)
        app.router.add_put("/bare", learn)
        served = runner(app, shutdown_s=1)
        await served.setup()
        await web.TCPSite(served, "127.0.0.1", port, backlog=1024).start()
        interpreter.settled()
        print(json.dumps({"ready": port}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--operations", type=int)
    given = arguments.parse_args()
    logs.configure("info", "json")  # as a service has it
    uvloop.run(main(given.port, given.folder, given.operations))
