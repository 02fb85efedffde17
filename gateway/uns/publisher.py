"""The reader "uns": the journal as an event stream, and how cells, operations and jobs stand now as retained messages.

After every connect everything retained is published again from the database: the broker is a fan-out, not a store.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import structlog

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Link
from gateway.outbox import journal
from gateway.outbox.event import Entry, encode
from gateway.outbox.reader import follow
from gateway.settings import Settings
from gateway.uns import payloads, store
from gateway.uns.broker import Broker
from gateway.uns.client import GOODBYE_MAX_S, Message, Session, Will, connected, first
from gateway.uns.payloads import Payload, Source, Standing
from gateway.uns.store import Kept, Picture, Scope
from gateway.uns.topics import Place, Topics

READER = "uns"
SESSION_EXPIRY_S = 7 * 86_400
WILL_DELAY_S = 5
HEALTH_EXPIRES_S = 300
JOB_EXPIRES_S = 86_400
_JOB_LANE = "job:"

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
        epoch: int,
        version: str,
        standing: Callable[[], Standing],
    ) -> None:
        self._db = db
        self._broker = broker
        self._clock = clock
        self._link = link
        self._uns = settings.uns
        self._topics = Topics.of(settings, settings.gateway.id)
        self._source = Source(settings.gateway.id, epoch, settings.site.tenant_id, settings.uns.publish_names)
        self._version = version
        self._standing = standing
        self._since = clock.now()
        self._places: dict[str, Place] = {}
        self._shown: dict[str, str] = {}  # topic -> what it holds, as this session knows
        self._prev: int | None = None
        self._changing = asyncio.Lock()  # the event stream and the sweep both change what is retained

    async def run(self) -> None:
        """Raises Unavailable when the broker is gone."""
        await self._broker.ready.wait()
        will = Will(self._status(payloads.death(self._source, "connection lost", self._clock.now())), WILL_DELAY_S)
        name = f"gw-{self._source.gateway_id}"
        async with connected(self._broker.address(), name, will=will, session_expiry_s=SESSION_EXPIRY_S) as session:
            try:
                await self._born(session)
                if self._link.up():
                    log.info("link.up", link=self._link.name)
                await first(self._stream(session), self._breathe(session), session.lost())
            finally:
                await self._goodbye(session)

    async def _born(self, session: Session) -> None:
        """Birth, then everything as it stands."""
        self._places = await self._db.write(store.places)
        self._shown.clear()
        slugs = [place.slug for place in self._places.values()]
        birth = payloads.birth(self._source, self._version, self._broker.named, self._since, slugs)
        await session.publish([self._status(birth)])
        await self._refresh(session, None)

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
        if any('"cells"' in entry.changes for entry in entries):
            self._places = await self._db.write(store.places)
        refused = await session.publish(self._events(entries))
        for one in refused:
            log.warning("uns.refused", topic=one.message.topic, code=one.code, reason=one.reason)
        await self._refresh(session, _touched(entries))

    def _events(self, entries: Iterable[Entry]) -> list[Message]:
        messages = []
        for entry in entries:
            if entry.type is None:
                continue
            data = payloads.data_of(entry)
            place = self._places.get(str(data.get("cell_id")))
            told = payloads.event(entry, data, self._source, self._prev)
            messages.append(Message(self._topics.event(entry.type, place, data), encode(told)))
            self._prev = entry.seq
        return messages

    # ------------------------------------------------------------------ what is retained

    async def _refresh(self, session: Session, scope: Scope | None) -> None:
        """Publish what has changed in the scope (None: everything), take back what is no longer there."""
        if scope is not None and not scope:
            return
        async with self._changing:
            now = self._clock.now()
            seen = await self._db.read(self._picture, scope, text(now))
            wanted = {topic: (payload, kept) for topic, payload, kept in self._states(seen)}
            gone = [one.topic for one in seen.kept if one.topic not in wanted]
            news = {
                topic: told
                for topic, (payload, _) in wanted.items()
                if (told := encode(payload)) != self._shown.get(topic)
            }
            if fresh := [wanted[topic][1] for topic in news if topic not in self._shown]:
                await self._db.write(_keep, fresh)
            messages = [self._state(topic, wanted[topic][0]) for topic in news]
            await session.publish([*messages, *(Message(topic, "", retain=True) for topic in gone)])
            self._shown |= news
            if gone:
                await self._db.write(store.forget, gone)
                for topic in gone:
                    self._shown.pop(topic, None)

    def _picture(self, connection: sqlite3.Connection, scope: Scope | None, now: str) -> Picture:
        after = {
            "operations_after": _before(now, self._uns.operation_linger),
            "jobs_after": _before(now, self._uns.job_linger),
        }
        return store.picture(connection, scope, **after)

    def _states(self, seen: Picture) -> Iterable[tuple[str, Payload, Kept]]:
        gateway_id = self._source.gateway_id
        for cell in seen.cells:
            if place := self._places.get(cell.id):
                topic = self._topics.cell(place)
                yield topic, payloads.cell(cell, place, gateway_id), Kept(topic, None, cell.id)
        for operation in seen.operations:
            if place := self._places.get(operation.cell_id):
                topic = self._topics.operation(place, operation.id)
                kept = Kept(topic, operation.job_id, operation.cell_id)
                yield topic, payloads.operation(operation, place, gateway_id), kept
        for job in seen.jobs:
            topic = self._topics.job(job.id)
            yield topic, payloads.job(job, gateway_id), Kept(topic, job.id, None)

    def _state(self, topic: str, payload: Payload) -> Message:
        told = encode(payloads.stamped(payload, self._clock.now()))
        expires_s = JOB_EXPIRES_S if payload["schema"] == payloads.JOB_SCHEMA else None
        return Message(topic, told, retain=True, expires_s=expires_s)

    def _status(self, payload: Payload) -> Message:
        return Message(self._topics.status, encode(payload), retain=True)

    # ------------------------------------------------------------------ the gateway itself

    async def _breathe(self, session: Session) -> None:
        """Health, and the sweep of what was finished long enough ago."""
        while True:
            told = encode(payloads.health(self._standing()))
            await session.publish([Message(self._topics.health, told, retain=True, expires_s=HEALTH_EXPIRES_S)])
            now = text(self._clock.now())
            finished = await self._db.read(self._finished, now)
            await self._refresh(session, finished)
            await self._clock.sleep(self._uns.health_every)

    def _finished(self, connection: sqlite3.Connection, now: str) -> Scope:
        return store.jobs_of_finished(
            connection,
            operations_after=_before(now, self._uns.operation_linger),
            jobs_after=_before(now, self._uns.job_linger),
        )


def _touched(entries: Iterable[Entry]) -> Scope:
    """The jobs and cells that these entries are about."""
    jobs, cells = set(), set()
    for entry in entries:
        if entry.lane.startswith(_JOB_LANE):
            jobs.add(entry.lane.removeprefix(_JOB_LANE))
        elif '"cells"' in entry.changes:
            cells |= {change["id"] for change in json.loads(entry.changes) if change["table"] == "cells"}
    return Scope(frozenset(jobs), frozenset(cells))


def _keep(tx: Tx, kept: list[Kept]) -> None:
    store.keep(tx, kept)


def _before(now: str, seconds: float) -> str:
    return text(time_.parse(now) - timedelta(seconds=seconds))
