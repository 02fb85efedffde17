"""How a way out reads the journal: in order, at least once, from where it left off."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database
from gateway.outbox import journal
from gateway.outbox.event import Entry

POLL_S = 5.0  # the wake-up is for speed, this is the safety net

Deliver = Callable[[Sequence[Entry]], Awaitable[None]]


async def follow(name: str, db: Database, clock: Clock, deliver: Deliver, *, batch_max: int = journal.PAGE_MAX) -> None:
    """Hand every event to `deliver`, in order, at least once; never returns.

    When `deliver` raises (Unavailable), the position stays and the next run begins there.
    """
    position = await db.write(journal.register, name, text(clock.now()))
    async for entries in tail(db, position, batch_max=batch_max):
        await deliver(entries)
        db.write_soon(f"position:{name}", journal.advance, name, entries[-1].seq)


async def tail(db: Database, since: int, *, batch_max: int = journal.PAGE_MAX) -> AsyncIterator[list[Entry]]:
    """Pages of the journal after `since`, for ever; remembers nothing."""
    while True:
        seen = db.commits.count
        entries = await db.read(journal.after, since, batch_max)
        if entries:
            since = entries[-1].seq
            yield entries
        else:
            with contextlib.suppress(TimeoutError):
                # Not wait_for: Python 3.11's loses a cancellation that comes together with the commit.
                async with asyncio.timeout(POLL_S):
                    await db.commits.beyond(seen)
