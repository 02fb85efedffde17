"""How cells, operations and jobs stand now, as retained messages: always what the database says, whatever the broker lost.

Published on change (at most every COALESCE_S), after every connect, and every REFRESH_S, as the broker forgets a state
that nobody renews; taken back once the thing is gone. Every topic is in the database before it is on the broker.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database
from gateway.outbox.event import JOB_LANE, Entry, encode
from gateway.settings import Uns
from gateway.uns import payloads, store
from gateway.uns.client import Message, Session, first
from gateway.uns.payloads import Payload
from gateway.uns.refused import Refusals
from gateway.uns.store import Kept, Picture, Scope
from gateway.uns.topics import Place, Topics

COALESCE_S = 0.25
REFRESH_S = 3_600.0
EXPIRES_S = 86_400  # a gateway that is gone for good leaves nothing behind


class _State(NamedTuple):
    """One topic that should be there, and how to tell what it says."""

    kept: Kept
    payload: Callable[[], Payload]


class Retained:
    """`places`: every live cell, as of the last `learn`."""

    def __init__(
        self, db: Database, clock: Clock, topics: Topics, uns: Uns, gateway_id: str, refusals: Refusals
    ) -> None:
        self._db = db
        self._clock = clock
        self._topics = topics
        self._uns = uns
        self._gateway_id = gateway_id
        self._refusals = refusals
        self.places: dict[str, Place] = {}
        self._shown: dict[str, int] = {}  # topic -> hash of what it says, as far as this session knows
        self._touched = Scope()
        self._news = asyncio.Event()
        self._changing = asyncio.Lock()

    async def learn(self) -> None:
        """Read the cells' levels; new and renamed cells get theirs."""
        self.places = await self._db.write(store.places)

    def touch(self, entries: Iterable[Entry]) -> None:
        """What these entries are about is published anew, soon."""
        if touched := scope_of(entries):
            self._touched |= touched
            self._news.set()

    async def everything(self, session: Session) -> None:
        """After a connect and once an hour: nothing that is there is taken for granted."""
        self._shown.clear()
        await self._refresh(session, None)

    async def run(self, session: Session) -> None:
        await first(self._follow(session), self._sweep(session))

    async def _follow(self, session: Session) -> None:
        while True:
            await self._news.wait()
            await self._clock.sleep(COALESCE_S)
            self._news.clear()
            scope, self._touched = self._touched, Scope()
            await self._refresh(session, scope)

    async def _sweep(self, session: Session) -> None:
        """Take back what was finished long enough ago; renew everything when it is time."""
        refresh_at_s = self._clock.monotonic() + REFRESH_S
        while True:
            await self._clock.sleep(self._uns.health_every)
            if self._clock.monotonic() < refresh_at_s:
                finished = await self._db.read(self._finished, text(self._clock.now()))
                await self._refresh(session, finished)
            else:
                refresh_at_s += REFRESH_S
                await self.everything(session)

    async def _refresh(self, session: Session, scope: Scope | None) -> None:
        """Publish what has changed in the scope (None: everything), take back what is no longer there."""
        if scope is not None and not scope:
            return
        async with self._changing:
            seen = await self._db.read(self._picture, scope, text(self._clock.now()))
            wanted = {state.kept.topic: state for state in self._states(seen)}
            before = set(seen.kept)
            if fresh := [state.kept for state in wanted.values() if state.kept not in before]:
                await self._db.write(store.keep, fresh)
            await self._refusals.publish(session, self._changed(wanted))
            gone = [one.topic for one in seen.kept if one.topic not in wanted and one.topic not in self._topics.own]
            if gone:
                await self._refusals.publish(session, [Message(topic, "", retain=True) for topic in gone])
                await self._db.write(store.forget, gone)
                for topic in gone:
                    self._shown.pop(topic, None)

    def _changed(self, wanted: dict[str, _State]) -> Iterator[Message]:
        """Built one by one while they are sent: a thousand at once would keep the bookings waiting."""
        for topic, state in wanted.items():
            payload = state.payload()
            told = hash(encode(payload))
            if self._shown.get(topic) == told:
                continue
            self._shown[topic] = told
            stamped = payloads.stamped(payload, self._clock.now())
            properties = payloads.properties(payload, self._gateway_id)
            yield Message(topic, payloads.written(stamped), retain=True, expires_s=EXPIRES_S, properties=properties)

    # ------------------------------------------------------------------ readings

    def _picture(self, connection: sqlite3.Connection, scope: Scope | None, now: str) -> Picture:
        return store.picture(connection, scope, **self._lingering(now))

    def _finished(self, connection: sqlite3.Connection, now: str) -> Scope:
        return store.jobs_of_finished(connection, **self._lingering(now))

    def _lingering(self, now: str) -> dict[str, str]:
        return {
            "operations_after": _before(now, self._uns.operation_linger),
            "jobs_after": _before(now, self._uns.job_linger),
        }

    def _states(self, seen: Picture) -> Iterator[_State]:
        own = self._gateway_id
        for cell in seen.cells:
            if place := self.places.get(cell.id):
                kept = Kept(self._topics.cell(place), None, cell.id)
                yield _State(kept, partial(payloads.cell, cell, place, own))
        for operation in seen.operations:
            if place := self.places.get(operation.cell_id):
                kept = Kept(self._topics.operation(place, operation.id), operation.job_id, operation.cell_id)
                yield _State(kept, partial(payloads.operation, operation, place, own))
        for job in seen.jobs:
            kept = Kept(self._topics.job(job.id), job.id, None)
            yield _State(kept, partial(payloads.job, job, own))


def scope_of(entries: Iterable[Entry]) -> Scope:
    """The jobs and cells that these entries are about."""
    jobs, cells = set(), set()
    for entry in entries:
        if entry.lane.startswith(JOB_LANE):
            jobs.add(entry.lane.removeprefix(JOB_LANE))
        elif about_cells(entry):
            cells |= {change["id"] for change in json.loads(entry.changes) if change["table"] == "cells"}
    return Scope(frozenset(jobs), frozenset(cells))


def about_cells(entry: Entry) -> bool:
    return '"cells"' in entry.changes


def _before(now: str, seconds: float) -> str:
    return text(time_.parse(now) - timedelta(seconds=seconds))
