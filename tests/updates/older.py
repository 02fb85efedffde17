"""A box at work, and an older version of this software: one that knows fewer steps, and checks that let less in."""

import asyncio
import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

from hall import ANNA, HALL, LASER

from gateway.app import running
from gateway.kernel import migrate as migrate_
from gateway.kernel.clock import SystemClock
from gateway.kernel.connection import offline
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import steps
from gateway.operations.commands import OperationCommands
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.quantities.commands import QuantityCommands
from gateway.operations.trees.commands import JobTreeCommands
from gateway.outbox import journal
from gateway.outbox.event import Stamp
from gateway.settings import Settings
from gateway.transfer.commands import bring_in, planned
from gateway.web.routes import Caller, Scope

ADMIN = Caller("test", "test", Scope.ADMIN)
CLOCK = SystemClock()
NEXT = max(steps()) + 1
# What the next version brings: a column with a default, one without, a table, and a state that older ones do not allow.
STEP = """
ALTER TABLE jobs ADD COLUMN promised_at TEXT;
ALTER TABLE jobs ADD COLUMN weight_class INTEGER NOT NULL DEFAULT 1;
CREATE TABLE tools (id TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE reasons_new (
  id TEXT PRIMARY KEY, code TEXT NOT NULL UNIQUE, description TEXT NOT NULL, category TEXT NOT NULL,
  active INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, row_version INTEGER NOT NULL DEFAULT 1
) STRICT;
INSERT INTO reasons_new
SELECT id, code, description, category, active, created_at, updated_at, row_version FROM scrap_reasons;
DROP TABLE scrap_reasons;
ALTER TABLE reasons_new RENAME TO scrap_reasons;
"""
NAME = "gateway.sqlite"
WORK = ("jobs", "parts", "operations", "time_entries", "operation_quantities", "events", "event_readers", "event_lanes")
KNOWN = {
    "jobs": "id, job_number, status, started_at, completed_at, row_version",
    "event_readers": "name, since, position, skipped",
}


def settings(data: Path) -> Settings:
    return Settings.model_validate(
        {"gateway": {"id": "gw-test", "data_dir": data}, "http": {"port": 0}, "broker": {"mode": "off"}}
    )


@contextlib.contextmanager
def newer_version(monkeypatch):
    """This software is the next version meanwhile."""
    now = steps()
    with monkeypatch.context() as patched:
        patched.setattr(migrate_, "steps", lambda: {**now, NEXT: (f"{NEXT:04}_next", STEP)})
        yield


@contextlib.asynccontextmanager
async def serving(data: Path):
    async with running(settings(data), links=False) as gateway:
        yield gateway


async def work(gateway, number: int) -> None:
    """A job, started, two pieces of it, completed."""
    made = (gateway.db, CLOCK, uuid7(CLOCK), "gw-test")
    part = {"part_number": f"P-{number}", "material": "S235", "quantity": 5}
    part["operations"] = [{"operation_name": "Cut", "sequence": 1, "cell_id": LASER, "estimated_time": 5}]
    answer = await JobTreeCommands(*made).create({"job_number": f"J-{number}", "parts": [part]}, ADMIN, None)
    operation = json.loads(answer.data)["job"]["parts"][0]["operations"][0]["id"]
    await OperationCommands(*made).change(ChangeOperation(operation, Verb.START, operator_id=ANNA), ADMIN, None)
    given = {"operation_id": operation, "quantity_produced": 2, "quantity_good": 2}
    await QuantityCommands(*made).create(given, ADMIN, None)
    await OperationCommands(*made).change(ChangeOperation(operation, Verb.COMPLETE), ADMIN, None)


async def furnish(data: Path) -> None:
    async with serving(data) as gateway:
        stamp = Stamp(CLOCK.now(), "gw-test", uuid7(CLOCK))
        await gateway.db.write(lambda tx: bring_in(tx, stamp, planned(HALL)))
        await gateway.db.write(journal.register, "cloud", stamp.text, 0)
        for number in range(5):
            await work(gateway, number)


def do(data: Path, sql: str, *values) -> None:
    with offline(data / NAME) as connection:
        connection.execute(sql, values)


def ask(data: Path, sql: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(data / NAME)) as connection:
        return connection.execute(sql).fetchall()


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("ballast", "*.sock"))
    return target


def worked_by_the_newer(data: Path, monkeypatch, count: int = 5) -> None:
    """It starts, and people book with it."""

    async def shift() -> None:
        async with serving(data) as gateway:
            for number in range(100, 100 + count):
                await work(gateway, number)

    with newer_version(monkeypatch):
        asyncio.run(shift())


def standing(data: Path) -> dict:
    """Work, journal and positions, in columns that both versions know."""
    return {table: ask(data, f"SELECT {KNOWN.get(table, '*')} FROM {table} ORDER BY 1") for table in WORK}
