"""The edge node: the gateway's cells as Sparkplug B devices, on a connection of its own whose will is their death.

It reads the journal only to learn that something has changed; a birth tells everything as the database has it, so no
position is kept: whatever was missed, the next birth tells.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator

import structlog

from gateway.kernel import state
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import Unavailable
from gateway.kernel.health import Link
from gateway.kernel.supervise import first
from gateway.machines.registry import Machines
from gateway.outbox import journal
from gateway.outbox.reader import tail
from gateway.settings import Settings
from gateway.sparkplug import host, metrics, payload
from gateway.sparkplug.life import Cells, Life
from gateway.uns import store
from gateway.uns.broker import Broker
from gateway.uns.client import GOODBYE_MAX_S, Session, connected
from gateway.uns.packets import Will
from gateway.uns.payloads import CellRow
from gateway.uns.retained import about_cells, scope_of
from gateway.uns.topics import Place, SparkplugTopics

LINK = "sparkplug"  # its name in /healthz
COALESCE_S = 0.5
NUMBER_MODULUS = 256
_NUMBER = "sparkplug_bdseq"  # of the last session, in what the box remembers of itself

log = structlog.get_logger(__name__)


class EdgeNode:
    def __init__(
        self,
        db: Database,
        broker: Broker,
        clock: Clock,
        link: Link,
        settings: Settings,
        machines: Machines,
        version: str,
    ) -> None:
        self._db = db
        self._broker = broker
        self._clock = clock
        self._link = link
        self._topics = SparkplugTopics.of(settings)
        self._machines = machines
        self._version = version
        self._places: dict[str, Place] = {}
        self._learn = True  # their levels: some may have come, or been renamed
        self._news = asyncio.Event()
        self._rebirth = False
        self._host: host.HostState | None = None
        self._host_spoke = asyncio.Event()
        self._link.facts |= {"group": self._topics.group, "births": 0, "devices": 0, "ignored": 0}

    async def run(self) -> None:
        """Raises Unavailable when the broker or the primary host is gone."""
        await self._broker.ready.wait()
        number = await self._db.write(_next_number)
        life = Life(self._topics, self._clock, number, self._version)
        will = Will(life.death(), delay_s=0)
        name = f"gw-{self._topics.node}-sparkplug"
        async with self._broker.used(), connected(self._broker.address(), name, will=will) as session:
            await session.subscribe(self._topics.of_node("NCMD"))
            self._host = None
            if self._topics.host:
                await session.subscribe(self._topics.state)
            await first(self._live(session, life), self._listen(session))

    async def _live(self, session: Session, life: Life) -> None:
        await self._host_is(online=True)
        since = await self._db.read(journal.head)
        async with self._alive(session, life):
            await first(self._watch(since), self._tell(session, life), self._host_leaves())

    @contextlib.asynccontextmanager
    async def _alive(self, session: Session, life: Life) -> AsyncIterator[None]:
        self._learn = True
        await self._bear(session, life, await self._cells())
        try:
            yield
        finally:
            with contextlib.suppress(Unavailable, TimeoutError):  # then the broker says it for us
                async with asyncio.timeout(GOODBYE_MAX_S):
                    await session.publish([life.death()])

    async def _bear(self, session: Session, life: Life, cells: Cells) -> None:
        self._rebirth = False
        await session.publish(life.births(cells))
        self._link.facts["births"] += 1
        self._link.facts["devices"] = len(cells)
        if self._link.up():
            log.info("link.up", link=self._link.name)

    # ------------------------------------------------------------------ what changes

    async def _watch(self, since: int) -> None:
        async for entries in tail(self._db, since):
            if any(about_cells(entry) for entry in entries):
                self._learn = True
            if scope_of(entries):
                self._news.set()

    async def _tell(self, session: Session, life: Life) -> None:
        """At most every COALESCE_S, whatever happens: many changes at once are one message for each cell."""
        while True:
            await self._news.wait()
            await self._clock.sleep(COALESCE_S)
            self._news.clear()
            cells = await self._cells()
            if self._rebirth:
                await self._bear(session, life, cells)
            else:
                await session.publish(life.news(cells))
                self._link.facts["devices"] = len(cells)

    async def _cells(self) -> Cells:
        if self._learn:
            self._learn = False
            self._places = await self._db.write(store.places)
        rows, machines = await self._db.read(_reading, self._machines)
        found = {}
        for row in rows:
            if place := self._places.get(row.id):
                here = metrics.state_of(one.standing for one in machines if row.id in one.cells)
                found[place.slug] = place, row, here
        return dict(sorted(found.items()))

    # ------------------------------------------------------------------ what is heard

    async def _listen(self, session: Session) -> None:
        async with contextlib.aclosing(session.received()) as words:
            async for topic, told in words:
                if topic == self._topics.of_node("NCMD"):
                    self._command(told)
                else:
                    self._host = host.heard(told, self._host)
                    self._host_spoke.set()

    def _command(self, told: bytes) -> None:
        """A rebirth is the only one there is."""
        try:
            wanted = payload.commands(told).get(metrics.REBIRTH) is True
        except ValueError as exc:
            wanted = False
            log.debug("sparkplug.ignored", error=str(exc))
        if wanted:
            self._rebirth = True
            self._news.set()
        else:
            self._link.facts["ignored"] += 1

    async def _host_is(self, *, online: bool) -> None:
        """Wait until it is. Without a primary host it always is online, and never leaves."""
        if not self._topics.host:
            if not online:
                await asyncio.Event().wait()
            return
        while self._host is None or self._host.online is not online:
            if online:
                self._link.degraded(f'waits for the primary host "{self._topics.host}" to be online')
            self._host_spoke.clear()
            await self._host_spoke.wait()

    async def _host_leaves(self) -> None:
        await self._host_is(online=False)
        raise Unavailable(f'the primary host "{self._topics.host}" has gone offline')


def _reading(
    connection: sqlite3.Connection, machines: Machines
) -> tuple[tuple[CellRow, ...], tuple[store.MachineNow, ...]]:
    """All cells and machines, at one moment."""
    return store.cells(connection), store.machines_now(connection, machines, machines.by_id)


def _next_number(tx: Tx) -> int:
    """Of this session: written before it begins, so that no two in a row have the same."""
    number = (_last_number(tx) + 1) % NUMBER_MODULUS
    state.put(tx, _NUMBER, str(number))
    return number


def _last_number(connection: sqlite3.Connection) -> int:
    return int(state.get(connection, _NUMBER) or -1)
