"""What the tests of the outbox write: cells, each with an event, and commands with a receipt."""

import asyncio
import contextlib
import json

from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.errors import Conflict
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, Stamp, row_lane
from gateway.outbox.receipts import Answer

ORIGIN = "gw-test"
_INSERT = "INSERT INTO cells (id, name, sequence, created_at, updated_at) VALUES (?, ?, 1, ?, ?)"


def opened(folder, clock=None):
    clock = clock or ManualClock()
    return Database.open(folder, prepare=lambda path: migrate(path, clock))


def stamp(clock=None) -> Stamp:
    clock = clock or ManualClock()
    return Stamp(clock.now(), ORIGIN, uuid7(clock))


def event(of: Stamp, name: str, lane: str | None = None) -> Event:
    """Of one cell that was made."""
    row = row_lane("cells", name)
    return Event(lane or row, row, of.now, (Change("cells", name, "insert", 1),), data={"name": name})


def append(tx, of: Stamp, *names: str, lane: str | None = None) -> int:
    """Returns the head."""
    journal.append(tx, of, [event(of, name, lane) for name in names])
    return journal.head(tx)


def append_in(tx, of: Stamp, lane: str, name: str) -> int:
    return append(tx, of, name, lane=lane)


def book(tx, of: Stamp, name: str) -> Answer:
    """A command: the row, what happened, the answer. Refused after its first write when the name is `refused`."""
    tx.execute(_INSERT, (name, name, of.text, of.text))
    if name.startswith("refused"):
        raise Conflict(f"{name}: no")
    head = append(tx, of, name)
    return Answer(201, json.dumps({"cell": {"id": name, "seq": head}}))


class Booking(Commands):
    async def book(self, receipt, name: str) -> Answer:
        return await self._once(receipt, book, name)


def booking(db: Database, clock=None) -> Booking:
    clock = clock or ManualClock()
    return Booking(db, clock, uuid7(clock), ORIGIN)


def seqs(connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT seq FROM events ORDER BY seq")]


def position(connection, name: str) -> int:
    return connection.execute("SELECT position FROM event_readers WHERE name = ?", (name,)).fetchone()[0]


@contextlib.asynccontextmanager
async def running(coroutine):
    """Until the end of the block; what it raises comes out."""
    task = asyncio.create_task(coroutine)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
