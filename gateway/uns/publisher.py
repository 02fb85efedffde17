"""The reader "uns": the journal as an event stream, and what stands beside it: birth and death, health, retained state.

The same connection hears the devices (`inbound/`): one session, whose end the broker remembers us by.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial

import structlog

from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database
from gateway.kernel.health import Link
from gateway.kernel.supervise import first
from gateway.machines.commands import MachineCommands
from gateway.outbox import journal
from gateway.outbox.event import Entry, encode
from gateway.outbox.reader import follow
from gateway.replays.model import Replay, Went
from gateway.replays.worker import work_off
from gateway.settings import Settings
from gateway.uns import payloads, store
from gateway.uns.broker import Broker
from gateway.uns.client import GOODBYE_MAX_S, Session, connected
from gateway.uns.inbound.receiver import Inbound
from gateway.uns.packets import Message, Will
from gateway.uns.payloads import Payload, Source, Standing
from gateway.uns.refused import Refusals
from gateway.uns.retained import Retained, about_cells
from gateway.uns.store import Kept
from gateway.uns.topics import Topics

READER = "uns"
SESSION_EXPIRY_S = 7 * 86_400
WILL_DELAY_S = 5
HEALTH_EXPIRES_S = 300

log = structlog.get_logger(__name__)


class Publisher:
    """`standing` tells how the gateway is doing, for its health topic."""

    def __init__(
        self,
        db: Database,
        broker: Broker,
        clock: Clock,
        link: Link,
        settings: Settings,
        machines: MachineCommands,
        epoch: int,
        version: str,
        standing: Callable[[], Awaitable[Standing]],
    ) -> None:
        self._db = db
        self._broker = broker
        self._clock = clock
        self._link = link
        self._health_every_s = settings.uns.health_every
        self._topics = Topics.of(settings, settings.gateway.id)
        self._source = Source.of(settings, epoch)
        self._version = version
        self._standing = standing
        self._since = clock.now()
        self._refusals = Refusals(clock, link)
        self._inbound = Inbound(
            machines,
            self._topics,
            clock,
            link,
            self._refusals,
            own_broker=broker.mode != "external",
        )
        self._retained = Retained(db, clock, self._topics, settings.uns, machines, settings.gateway.id, self._refusals)
        self._prev: int | None = None

    async def run(self) -> None:
        """Raises Unavailable when the broker is gone."""
        # Before the broker is there for the first time: what is booked until then belongs to the stream.
        await self._db.write(journal.register, READER, text(self._clock.now()))
        await self._broker.ready.wait()
        will = Will(self._status(payloads.death(self._source, "connection lost", self._clock.now())), WILL_DELAY_S)
        name = f"gw-{self._source.gateway_id}"
        async with (
            self._broker.used(),
            connected(
                self._broker.address(), name, will=will, session_expiry_s=SESSION_EXPIRY_S, by_hand=True
            ) as session,
        ):
            try:
                await first(self._inbound.run(session), self._speak(session))
            finally:
                await self._goodbye(session)

    async def _speak(self, session: Session) -> None:
        await self._inbound.subscribed.wait()
        await self._born(session)
        again = work_off(self._db, self._clock, READER, partial(self._replay, session))
        await first(self._stream(session), self._retained.run(session), self._breathe(session), again)

    async def _born(self, session: Session) -> None:
        """Birth, then everything as it stands; events come after it."""
        self._refusals.connected()
        await self._learn()
        # They stay as long as this gateway is called so: under a new name it takes them back.
        await self._db.write(store.keep, [Kept(topic, None, None) for topic in self._topics.own])
        slugs = [place.slug for place in self._retained.places.values()]
        birth = payloads.birth(self._source, self._version, self._broker.named, self._since, slugs)
        await self._refusals.publish(session, [self._status(birth)])
        await self._retained.everything(session)
        self._refusals.settle()

    async def _learn(self) -> None:
        """The cells as they are now; devices may see the state of their own."""
        await self._retained.learn()
        self._broker.show(self._retained.places.values())

    async def _goodbye(self, session: Session) -> None:
        """An orderly end is told by us, not by the will."""
        told = self._status(payloads.death(self._source, "stopped", self._clock.now()))
        with contextlib.suppress(Exception):  # whatever ended us is told elsewhere; this is a courtesy
            async with asyncio.timeout(GOODBYE_MAX_S):
                await session.publish([told])

    # ------------------------------------------------------------------ the stream

    async def _stream(self, session: Session) -> None:
        position = await self._db.write(journal.register, READER, text(self._clock.now()))
        self._prev = await self._db.read(store.prev, position)

        async def deliver(entries: Sequence[Entry]) -> None:
            await self._deliver(session, entries)

        await follow(READER, self._db, self._clock, deliver)

    async def _deliver(self, session: Session, entries: Sequence[Entry]) -> None:
        if any(about_cells(entry) for entry in entries):
            await self._learn()
        self._retained.touch(entries)
        given_up = await self._refusals.publish(session, self._events(entries))
        if given_up:
            await self._db.write(store.skip, READER, given_up, entries[-1].seq)

    def _events(self, entries: Iterable[Entry]) -> Iterator[Message]:
        for entry in entries:
            if entry.type is not None:
                yield self._event(entry, self._prev)
                self._prev = entry.seq

    def _event(self, entry: Entry, prev: int | None, replay_id: str | None = None) -> Message:
        data, kind = payloads.data_of(entry), str(entry.type)
        place = self._retained.places.get(str(data.get("cell_id")))
        told = payloads.event(entry, data, self._source, prev, replay_id)
        properties = (("event", kind), *payloads.properties(told, self._source.gateway_id))
        return Message(self._topics.event(kind, place, data), payloads.written(told), properties=properties)

    async def _replay(self, session: Session, replay: Replay, entries: Sequence[Entry]) -> Went:
        messages = [self._event(entry, None, replay.id) for entry in entries]
        refused = await self._refusals.publish(session, messages)
        log.info("uns.replayed", replay=replay.id, sent=len(messages) - refused, refused=refused)
        return Went(len(messages) - refused, refused)

    # ------------------------------------------------------------------ the gateway itself

    async def _breathe(self, session: Session) -> None:
        while True:
            told = payloads.health(await self._standing())
            await self._refusals.publish(session, [self._own(self._topics.health, told, HEALTH_EXPIRES_S)])
            await self._clock.sleep(self._health_every_s)

    def _status(self, payload: Payload) -> Message:
        return self._own(self._topics.status, payload, None)

    def _own(self, topic: str, payload: Payload, expires_s: int | None) -> Message:
        properties = payloads.properties(payload, self._source.gateway_id)
        return Message(topic, encode(payload), retain=True, expires_s=expires_s, properties=properties)
