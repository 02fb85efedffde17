"""How cells, operations, jobs and machines stand now, retained: always what the database says, whatever the broker lost.

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
from gateway.kernel.supervise import first
from gateway.machines.commands import MachineCommands
from gateway.machines.store import TABLE as MACHINES
from gateway.outbox.event import JOB_LANE, Entry, encode
from gateway.settings import Uns
from gateway.uns import payloads, store
from gateway.uns.client import Session
from gateway.uns.packets import Message
from gateway.uns.payloads import Payload
from gateway.uns.refused import Refusals
from gateway.uns.store import Kept, MachineNow, Picture, Scope
from gateway.uns.topics import Place, Topics

COALESCE_S = 0.25
COUNTERS_EVERY_S = 1.0
REFRESH_S = 3_600.0
EXPIRES_S = 86_400  # a gateway that is gone for good leaves nothing behind


class _State(NamedTuple):
    """One topic that should be there, and how to tell what it says."""

    kept: Kept
    payload: Callable[[], Payload]


class Retained:
    """`places`: every live cell, as of the last `learn`."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        topics: Topics,
        uns: Uns,
        commands: MachineCommands,
        gateway_id: str,
        refusals: Refusals,
    ) -> None:
        self._db = db
        self._machines = commands.machines
        self._heard = commands.heard  # device -> when it last told something
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
        await first(self._follow(session), self._sweep(session), self._watch(session))

    async def _follow(self, session: Session) -> None:
        while True:
            await self._news.wait()
            await self._clock.sleep(COALESCE_S)
            self._news.clear()
            scope, self._touched = self._touched, Scope()
            await self._refresh(session, scope)

    async def _watch(self, session: Session) -> None:
        """Counters and tags are not in the journal: of devices that tell something they are looked at once a second."""
        seen_s = self._clock.monotonic()
        while True:
            await self._clock.sleep(COUNTERS_EVERY_S)
            told = {device for device, at_s in self._heard.items() if at_s >= seen_s}
            seen_s = self._clock.monotonic()
            if not told:
                continue
            async with self._changing:
                now = await self._db.read(store.machines_now, self._machines, told)
                states = (state for one in now for state in self._of_machine(one))
                # What was never shown is not in the database yet: the next reading of its cell does both.
                known = {state.kept.topic: state for state in states if state.kept.topic in self._shown}
                await self._refusals.publish(session, self._changed(known))

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
            unknown = (state.kept for topic, state in wanted.items() if topic not in self._shown)
            if fresh := [kept for kept in unknown if kept not in before]:
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
        return store.picture(connection, self._machines, scope, **self._lingering(now))

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
                here = [machine.standing for machine in seen.machines if cell.id in machine.cells]
                kept = Kept(self._topics.cell(place), None, cell.id)
                states = {one.device: one.state for one in here}
                yield _State(kept, partial(payloads.cell, cell, place, own, states))
        for operation in seen.operations:
            if place := self.places.get(operation.cell_id):
                kept = Kept(self._topics.operation(place, operation.id), operation.job_id, operation.cell_id)
                yield _State(kept, partial(payloads.operation, operation, place, own))
        for machine in seen.machines:
            yield from self._of_machine(machine)
            kept = Kept(self._topics.device_job(machine.standing.device), None, None)
            yield _State(kept, partial(payloads.device_job, machine.work, machine.standing.program))
        for job in seen.jobs:
            kept = Kept(self._topics.job(job.id), job.id, None)
            yield _State(kept, partial(payloads.job, job, own))

    def _of_machine(self, machine: MachineNow) -> Iterator[_State]:
        """In each of its cells."""
        device = machine.standing.device
        for cell_id in machine.cells & self.places.keys():
            kept = Kept(self._topics.machine(self.places[cell_id], device), None, cell_id)
            yield _State(kept, partial(payloads.machine, machine.standing, self._gateway_id))


def scope_of(entries: Iterable[Entry]) -> Scope:
    """The jobs, cells and devices that these entries are about."""
    jobs: set[str] = set()
    others: dict[str, set[str]] = {"cells": set(), MACHINES: set()}
    for entry in entries:
        if entry.lane.startswith(JOB_LANE):
            jobs.add(entry.lane.removeprefix(JOB_LANE))
        elif any(f'"{table}"' in entry.changes for table in others):
            for change in json.loads(entry.changes):
                if change["table"] in others:
                    others[change["table"]].add(change["id"])
    return Scope(frozenset(jobs), frozenset(others["cells"]), frozenset(others[MACHINES]))


def about_cells(entry: Entry) -> bool:
    return '"cells"' in entry.changes


def _before(now: str, seconds: float) -> str:
    return text(time_.parse(now) - timedelta(seconds=seconds))
