"""Tables whose rows are ways out: each active row runs, whatever becomes of the others. What changes in the table is told by the
journal.
"""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.health import Health, Link
from gateway.kernel.supervise import keep_running, stop
from gateway.outbox import journal
from gateway.outbox.reader import tail

STOP_MAX_S = 2.0


class Way(Protocol):
    """One row. Equal as long as nothing about it has changed; `reader` names its place in the journal and its link."""

    @property
    def id(self) -> str: ...
    @property
    def reader(self) -> str: ...
    @property
    def active(self) -> bool: ...


W = TypeVar("W", bound=Way)
Run = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Running(Generic[W]):
    row: W
    task: asyncio.Task[None]


class Ways(Generic[W]):
    """`rows` are all of `table`; `built(row, link)` is what runs for one, again and again, with pauses of at most `pause_max_s`.

    `link` is their common one; each row has its own, called like its reader.
    """

    def __init__(
        self,
        table: str,
        rows: Callable[[sqlite3.Connection], Sequence[W]],
        built: Callable[[W, Link], Run],
        db: Database,
        clock: Clock,
        health: Health,
        link: Link,
        rng: random.Random,
        *,
        pause_max_s: float,
    ) -> None:
        self._mark = f'"table":"{table}","id":'  # as `Change.written` has it
        self._rows = rows
        self._built = built
        self._db = db
        self._clock = clock
        self._health = health
        self._link = link
        self._rng = rng
        self._pause_max_s = pause_max_s
        self._running: dict[str, _Running[W]] = {}
        self._known: set[str] = set()  # readers with an entry in health

    async def run(self) -> None:
        head = await self._db.read(journal.head)
        try:
            await self._match()
            self._link.up()
            async for entries in tail(self._db, head):
                if any(self._mark in entry.changes for entry in entries):
                    await self._match()
        finally:
            await asyncio.gather(*(stop(one.task, within_s=STOP_MAX_S) for one in self._running.values()))
            self._running.clear()

    async def _match(self) -> None:
        """What runs is what the table says: a row that is as it was goes on undisturbed."""
        wanted = {one.id: one for one in await self._db.read(self._rows)}
        changed = [one for one in self._running.values() if wanted.get(one.row.id) != one.row]
        await asyncio.gather(*(stop(one.task, within_s=STOP_MAX_S) for one in changed))
        for one in changed:
            del self._running[one.row.id]
        readers = {one.reader for one in wanted.values()}
        for reader in self._known - readers:
            self._health.forget(reader)
        self._known = readers
        for row in wanted.values():
            if not row.active:
                self._health.link(row.reader).off("it is switched off: active is false")
            elif row.id not in self._running:
                self._running[row.id] = self._started(row)

    def _started(self, row: W) -> _Running[W]:
        link = self._health.link(row.reader)
        run = self._built(row, link)
        supervised = keep_running(run, link, clock=self._clock, rng=self._rng, cap_s=self._pause_max_s)
        return _Running(row, asyncio.create_task(supervised, name=row.reader))
