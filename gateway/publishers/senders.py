"""All publishers: each that is active runs, whatever becomes of the others. What changes in their table is told by the journal."""

import asyncio
import random
from dataclasses import dataclass

from gateway.kernel.health import Health, Link
from gateway.kernel.supervise import keep_running, stop
from gateway.outbox import journal
from gateway.outbox.reader import tail
from gateway.publishers import store
from gateway.publishers.model import Publisher
from gateway.publishers.resources import PUBLISHERS
from gateway.publishers.sender import Here, Sender
from gateway.uns.payloads import Source

PAUSE_MAX_S = 5.0  # between two tries, as long as the breaker is closed
STOP_MAX_S = 2.0
_MARK = f'"table":"{PUBLISHERS.table}","id":'  # as `Change.written` has it


@dataclass(frozen=True, slots=True)
class _Running:
    publisher: Publisher
    task: asyncio.Task[None]


class Senders:
    """`link` is their common one; each publisher has its own, called like its reader."""

    def __init__(self, here: Here, source: Source, health: Health, link: Link, rng: random.Random) -> None:
        self._here = here
        self._source = source
        self._health = health
        self._link = link
        self._rng = rng
        self._running: dict[str, _Running] = {}
        self._known: set[str] = set()  # readers with an entry in health

    async def run(self) -> None:
        db = self._here.db
        head = await db.read(journal.head)
        try:
            await self._match()
            self._link.up()
            async for entries in tail(db, head):
                if any(_MARK in entry.changes for entry in entries):
                    await self._match()
        finally:
            await asyncio.gather(*(stop(one.task, within_s=STOP_MAX_S) for one in self._running.values()))
            self._running.clear()

    async def _match(self) -> None:
        """What runs is what the table says: a publisher that is as it was goes on undisturbed."""
        wanted = {one.id: one for one in await self._here.db.read(store.publishers)}
        changed = [one for one in self._running.values() if wanted.get(one.publisher.id) != one.publisher]
        await asyncio.gather(*(stop(one.task, within_s=STOP_MAX_S) for one in changed))
        for one in changed:
            del self._running[one.publisher.id]
        for reader in self._known - {one.reader for one in wanted.values()}:
            self._health.forget(reader)
        self._known = {one.reader for one in wanted.values()}
        for publisher in wanted.values():
            if not publisher.active:
                self._health.link(publisher.reader).off("it is switched off: active is false")
            elif publisher.id not in self._running:
                self._running[publisher.id] = self._started(publisher)

    def _started(self, publisher: Publisher) -> _Running:
        link = self._health.link(publisher.reader)
        sender = Sender(self._here, self._source, publisher, link)
        supervised = keep_running(sender.run, link, clock=self._here.clock, rng=self._rng, cap_s=PAUSE_MAX_S)
        return _Running(publisher, asyncio.create_task(supervised, name=publisher.reader))
