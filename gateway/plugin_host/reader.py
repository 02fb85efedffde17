"""The journal for plugins: a reader like any other way out, with its own place and what was set aside for it; and a live tail."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import structlog

from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database
from gateway.kernel.errors import Refused, Unavailable
from gateway.kernel.health import Link
from gateway.kernel.supervise import first
from gateway.outbox import journal, parked
from gateway.outbox.event import Entry, subscribed
from gateway.outbox.reader import tail
from gateway.plugin_api import Event

BATCH_MAX = 100  # journal entries: what comes again, at the most, after a crash
FAILURES_MAX = 3  # at the same place: what fails alone then is set aside
LOOK_EVERY_S = 5.0  # for what somebody wants to be tried again
PARKED_MAX = 1_000  # the oldest give way
REFUSED_PAUSE_S = (
    0.2  # after a refusal: each costs a commit, and one that refuses everything would take one for every event
)

log = structlog.get_logger(__name__)

OnEvents = Callable[[Sequence[Event]], Awaitable[None]]


class PluginReader:
    """`link` is the plugin's, and called like the reader. `events`: the types it wants, None for everything. `alone`: there is
    nobody else to say that the plugin is up.
    """

    def __init__(
        self,
        on_events: OnEvents,
        events: tuple[str, ...] | None,
        db: Database,
        clock: Clock,
        link: Link,
        *,
        alone: bool,
    ) -> None:
        self._on_events = on_events
        self._events = events
        self._db = db
        self._clock = clock
        self._link = link
        self._alone = alone
        self._one_at_a_time = asyncio.Lock()
        self._failed = (0, 0)  # first seq of a batch that crashed, how often in a row
        self._refuses = False  # since it was told in the log it has never taken a whole batch

    async def run(self) -> None:
        """For ever. Raises Unavailable and what the plugin raises: its place stays."""
        await first(self._stream(), self._again())

    async def _stream(self) -> None:
        db, name = self._db, self._link.name
        position = await db.write(journal.register, name, text(self._clock.now()))
        if self._alone and not self._link.tried:
            self._link.up()
        async for entries in tail(db, position, batch_max=BATCH_MAX):
            wanted = [entry for entry in entries if self._wants(entry)]
            if wanted:
                await self._deliver(wanted)
            db.write_soon(f"position:{name}", journal.advance, name, entries[-1].seq)

    def _wants(self, entry: Entry) -> bool:
        return self._events is None or (entry.type is not None and subscribed(self._events, entry.type))

    async def _deliver(self, entries: Sequence[Entry]) -> None:
        """All at once; one by one when the plugin refuses something, or has failed here again and again."""
        head = entries[0].seq
        fails = self._failed[1] if self._failed[0] == head else 0
        if fails < FAILURES_MAX - 1:
            self._failed = (head, fails + 1)
            try:
                await self._tell(entries)
            except (Unavailable, asyncio.CancelledError):
                self._failed = (head, fails)
                raise
            except Refused as exc:
                log.debug("plugin.refused", link=self._link.name, entries=len(entries), error=exc.message)
            else:
                self._refuses = False
                self._took()
                return
        await self._one_by_one(entries)
        await self._clock.sleep(REFUSED_PAUSE_S)

    async def _one_by_one(self, entries: Sequence[Entry]) -> None:
        """Raises Unavailable: then all of them come again."""
        refused = []
        for entry in entries:
            if (why := await self._refusal(entry)) is not None:
                refused.append((entry, why))
            await asyncio.sleep(0)  # a hook that fails at once lets nobody else run
        if refused:
            await self._park(refused)
        if len(refused) < len(entries):
            self._took()

    def _took(self) -> None:
        """There may be nobody else to say that it is back."""
        if self._alone and self._link.state == "down":
            self._link.up()

    async def _refusal(self, entry: Entry) -> str | None:
        """Why it does not take this one, alone. Raises Unavailable."""
        try:
            await self._tell([entry])
        except Refused as exc:
            return exc.message
        except Unavailable:
            raise
        except Exception as exc:
            log.exception("plugin.event_failed", link=self._link.name, seq=entry.seq)
            return f"{type(exc).__name__}: {exc}"
        return None

    async def _tell(self, entries: Sequence[Entry]) -> None:
        async with self._one_at_a_time:
            await self._on_events([_event(entry) for entry in entries])

    async def _park(self, refused: Sequence[tuple[Entry, str]]) -> None:
        """Loud once, then quiet until it takes something again."""
        entry, why = refused[-1]
        tell = log.debug if self._refuses else log.warning
        tell("plugin.parked", link=self._link.name, entries=len(refused), seq=entry.seq, error=why)
        self._refuses = True
        self._link.facts["parked_because"] = why
        await self._db.write(parked.set_aside, self._link.name, refused, text(self._clock.now()), PARKED_MAX)

    async def _again(self) -> None:
        """What somebody has asked for with `queue retry`."""
        while True:
            for entry in await self._db.read(parked.to_retry, self._link.name, BATCH_MAX):
                if (why := await self._refusal(entry)) is None:
                    await self._db.write(parked.settle, self._link.name, entry.seq)
                else:
                    await self._park([(entry, why)])
            await self._clock.sleep(LOOK_EVERY_S)


class LocalJournal:
    """Of this gateway: no place, nothing set aside."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def head(self) -> int:
        return await self._db.read(journal.head)

    async def tail(self, since: int) -> AsyncIterator[Sequence[Event]]:
        async for entries in tail(self._db, since):
            yield [_event(entry) for entry in entries]


def _event(entry: Entry) -> Event:
    data = None if entry.data is None else json.loads(entry.data)
    about = (entry.lane, entry.type, entry.origin, entry.occurred_at, entry.recorded_at)
    return Event(entry.seq, entry.id, *about, data, json.loads(entry.changes))
