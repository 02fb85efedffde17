"""A gateway's inside and a stand-in cloud on loopback: what the tests of the cloud link stand on."""

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from gateway.cloud.link import UP, CloudLink, CloudSettings
from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.files.blobs import Blobs
from gateway.kernel.clock import Clock, SystemClock
from gateway.kernel.db import Database
from gateway.kernel.health import Health
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.operations.commands import OperationCommands
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.quantities.commands import QuantityCommands
from gateway.web.routes import Caller, Scope

SETTLE_AFTER_S = 0.6
PULL_EVERY_S = 2.0
TIMEOUT_S = 2.0
WAIT_MAX_S = 20.0
LOOK_EVERY_S = 0.03
CALLER = Caller("test", "test", Scope.ADMIN)
PLANNED_AT = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)  # when the office entered what `furnished` has pulled


class Shop:
    """One gateway, one cloud. `linked()` is the time in which the line stands."""

    def __init__(self, db: Database, cloud: StandInCloud, url: str, folder: Path, clock: Clock | None = None) -> None:
        self.db = db
        self.blobs = Blobs(folder / "files", lambda _bytes: None)
        self.cloud = cloud
        self.clock = clock or SystemClock()
        self.new_id = uuid7(self.clock)
        self.health = Health(self.clock)
        self.url = url
        self.operations = OperationCommands(db, self.clock, self.new_id, "gw-test")
        self.quantities = QuantityCommands(db, self.clock, self.new_id, "gw-test")

    @contextlib.asynccontextmanager
    async def linked(self, **more) -> AsyncIterator[CloudLink]:
        """`more`: settings of the link that differ."""
        given = {"cells": ("*",), "pull_every_s": PULL_EVERY_S, "timeout_s": TIMEOUT_S, "poll_s": 0.1}
        settings = CloudSettings(self.url, factory.CLOUD_KEY, **{"settle_after_s": SETTLE_AFTER_S, **given, **more})
        link = CloudLink(settings, self.db, self.clock, self.new_id, random.Random(1), self.health, self.blobs)
        running = asyncio.create_task(link.run())
        try:
            yield link
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def online(self, **more) -> AsyncIterator[CloudLink]:
        """`linked`, from the moment on from which what happens is fresh."""
        async with self.linked(**more) as link:
            await self.until(lambda _: self.health.link(UP).state == "up", "the link is up")
            yield link

    async def pulled(self) -> None:
        """The plan is here."""
        await self.until(lambda connection: count(connection, "operations") == len(self.cloud.rows("operations")))

    async def change(self, verb: Verb, operation_id: str, **more) -> None:
        await self.operations.change(ChangeOperation(operation_id, verb, **more), CALLER, None)

    async def in_the_office(self, table: str, row_id: str, **values) -> None:
        """Somebody else changes a row in the cloud."""
        headers = {"Authorization": f"Bearer {factory.CLOUD_KEY}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            url = f"{self.url}/api-{table.replace('_', '-')}"
            async with session.patch(url, params={"id": row_id}, json=values) as answer:
                assert answer.status == 200, await answer.text()

    async def count(self, operation_id: str, good: int) -> None:
        given = {"operation_id": operation_id, "quantity_produced": good, "quantity_good": good}
        await self.quantities.create(given, CALLER, None)

    async def ask(self, sql: str, *values) -> list[tuple]:
        """Rows of the local copy."""
        return [tuple(row) for row in await self.db.read(lambda c: c.execute(sql, values).fetchall())]

    async def until(self, fact, name: str = "") -> None:
        """Wait until `fact(connection)` holds."""
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                while not await self.db.read(fact):
                    await asyncio.sleep(LOOK_EVERY_S)
                    await self.db.write(_nothing)  # takes the positions along that would wait a second for company
        except TimeoutError:
            state = await self.db.read(where_it_stands)
            told = [(one.method, one.path, one.status) for one in self.cloud.log[-12:]]
            links = [vars_of(link) for link in self.health]
            raise AssertionError(f"waited in vain: {name or fact}; {links}; {state}; {told}") from None

    async def sent(self) -> None:
        """Everything is answered for."""
        await self.until(all_sent, "all is sent")

    async def drained(self) -> None:
        """Everything is answered for, and nothing is left to settle."""
        await self.until(nothing_waits, "nothing waits")

    def asked(self, *methods: str) -> list:
        """The requests that came to the cloud with one of these methods."""
        return [request for request in self.cloud.log if request.method in methods]

    def mutations_and_puts(self) -> list:
        return self.asked("POST", "PUT", "PATCH", "DELETE")

    def mutations(self) -> list:
        return self.asked("POST", "PATCH", "DELETE")


def vars_of(link) -> str:
    return f"{link.name} {link.state} {link.error}"


def count(connection, table: str) -> int:
    return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def where_it_stands(connection) -> dict:
    """For the message of a test that failed."""
    return {
        "head": connection.execute("SELECT max(seq) FROM events").fetchone()[0],
        "readers": [tuple(row) for row in connection.execute("SELECT name, position FROM event_readers")],
        "unsettled": [
            tuple(row)
            for row in connection.execute(
                "SELECT table_name, id, lane, unsettled_until FROM cloud_rows WHERE unsettled_until > ''"
            )
        ],
        "parked": [tuple(row) for row in connection.execute("SELECT seq, state, reason FROM event_parked")],
    }


def all_sent(connection) -> bool:
    head = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
    position = connection.execute("SELECT position FROM event_readers WHERE name = 'cloud'").fetchone()
    return position is not None and position[0] >= head


def nothing_waits(connection) -> bool:
    open_rows = connection.execute("SELECT count(*) FROM cloud_rows WHERE unsettled_until IS NOT NULL").fetchone()[0]
    return all_sent(connection) and open_rows == 0


def stand_in(planned_at: datetime, seed: int = 2, clock: Clock | None = None) -> StandInCloud:
    cloud = StandInCloud(clock or SystemClock(), random.Random(seed))
    cloud.add_tenant(factory.TENANT_ID)
    cloud.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
    cloud.load(factory.plan(planned_at, 2))
    return cloud


@contextlib.asynccontextmanager
async def shop_of(
    folder: Path, cloud: StandInCloud, pulled: Path | None = None, clock: Clock | None = None
) -> AsyncIterator[Shop]:
    """A new gateway in `folder`, or one that starts with a copy of the database `pulled`."""
    clock = clock or SystemClock()
    if pulled is not None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(pulled, folder / "gateway.sqlite")
    async with (
        Database.open(folder, prepare=lambda path: migrate(path, clock)) as db,
        cloud.serving("127.0.0.1", 0) as url,
    ):
        if pulled is None:
            await db.write(_people)
        yield Shop(db, cloud, url, folder, clock)


def _nothing(_tx) -> None:
    pass


def _people(tx) -> None:
    for one in factory.people(SystemClock().now()):
        names = [name for name in one if name != "is_machine"]
        marks = ", ".join("?" for _ in names)
        tx.execute(f"INSERT INTO profiles ({', '.join(names)}) VALUES ({marks})", [one[name] for name in names])
