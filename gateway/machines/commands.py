"""What machines tell becomes rows: read, decide, save, record, in one transaction each. Every one of them may come twice."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import Forbidden
from gateway.kernel.following import current, followed, sane
from gateway.kernel.ids import NewId
from gateway.kernel.room import Use
from gateway.machines import cycles, readings, requests, states, store, targets
from gateway.machines.model import BADGE, CYCLE, Badge, Cycle, Quality, Reading, Request, Told
from gateway.machines.readings import At, Step, Taken
from gateway.machines.registry import Machine, Machines
from gateway.machines.store import MachineRow
from gateway.outbox import journal, receipts
from gateway.outbox.command import Commands
from gateway.outbox.event import Event, Stamp, row_lane
from gateway.outbox.receipts import Answer, Receipt, request_hash

SAME_BADGE = timedelta(seconds=3)
READER = "reader"  # a role that only listens
READINGS = ":reading"  # ids of readings, of cycles and of requests do not meet

log = structlog.get_logger(__name__)


class MachineCommands(Commands):
    """`heard`: when each device last told something, by the monotonic clock. Everything raises UnknownDevice and Forbidden (it
    may only read); nothing that is raised has written anything.
    """

    def __init__(self, db: Database, clock: Clock, new_id: NewId, origin: str, machines: Machines) -> None:
        super().__init__(db, clock, new_id, origin)
        self.machines = machines
        self.heard: dict[str, float] = {}

    def over(self, way: str) -> "MachineCommands":
        """For the same devices, as they speak over another way in."""
        found = MachineCommands(self._db, self._clock, self._new_id, self._origin, self.machines.over(way))
        found.heard = self.heard
        return found

    def require(self, device: str, name: str) -> None:
        """Raises UnknownDevice, Forbidden, and Invalid for an input of which nothing says what it means."""
        machine = self._speaker(device)
        if name not in (CYCLE, BADGE):
            readings.require(machine, name)

    async def take(self, reading: Reading) -> tuple[Told, ...]:
        """One value of a device. What of it was not done is told; the rest is. Raises Invalid; RoomKept: it is never booked."""
        machine = self._speaking(reading.device)
        steps = readings.steps(machine, reading)
        return await self._taken(machine, reading, steps)

    async def cycle(self, cycle: Cycle) -> tuple[Told, ...]:
        """One cycle finished; the same id counts once. Raises Invalid."""
        machine = self._speaking(cycle.device)
        mapping = next((one.mapping for one in machine.sources.get(CYCLE, ())), None)
        done = cycles.checked(cycle, unidentified=bool(mapping and mapping.allow_unidentified))

        def finish(at: At, row: MachineRow) -> Taken:
            return cycles.finish(at.tx, at.stamp, at.machine, row, done, at.timed.at, mapping)

        reading = Reading(cycle.device, CYCLE, None, cycle.occurred_at)
        return await self._taken(machine, reading, [finish])

    async def badge(self, badge: Badge) -> None:
        """Somebody logs on at the machine, or off. Raises UnknownBadge."""
        await self._db.write(_badge_once, self.stamp(), self._speaking(badge.device), badge)

    async def online(self, device: str, *, online: bool) -> None:
        """What a device says of itself, or its last will."""
        machine = self._speaking(device)
        if not online or not await self._db.read(_known_online, device):
            await self._db.write(_online, self.stamp(), machine, online)

    async def request(self, request: Request) -> Answer:
        """Carried out, or answered as it was the first time. Raises what the same command raises over REST, and UnknownVerb,
        Expired, NoActiveOperation, AmbiguousTarget, UnknownBadge.
        """
        machine = self._speaking(request.device)
        wish, now = requests.checked(machine, request), self._clock.now()
        if wish.verb in requests.LOOKING:
            return await self._db.read(requests.looked, machine, wish)
        receipt = requests.receipt(machine, request, wish, now)
        if receipt is None:
            requests.require_in_time(machine, request, wish, now)
        with followed(sane(request.request_id) or self._new_id()):
            answer = await self._once(receipt, requests.carry_out, machine, wish)
            log.info("machine.answered", device=request.device, verb=wish.verb, status=answer.status)
        return answer

    async def _taken(self, machine: Machine, reading: Reading, steps: Sequence[Step]) -> tuple[Told, ...]:
        if machine.only_shows(reading.input):
            self._db.room.require(Use.TELEMETRY)
        told = await self._db.write(_take_once, self.stamp(), machine, reading, steps)
        # Again: who looks once a second at those that told something must not have looked before it was committed.
        self.heard[machine.id] = self._clock.monotonic()
        return told

    def _speaking(self, device: str) -> Machine:
        machine = self._speaker(device)
        self.heard[device] = self._clock.monotonic()
        return machine

    def _speaker(self, device: str) -> Machine:
        machine = self.machines.get(device)
        if machine.device.role == READER:
            raise Forbidden(f'"{device}" has the role "reader": it may say nothing')
        return machine

    def stamp(self) -> Stamp:
        """Of now, with this gateway's name. Each message is a request of its own."""
        return Stamp(self._clock.now(), self._origin, self._new_id, current() or self._new_id())


def save(tx: Tx, stamp: Stamp, before: MachineRow, after: MachineRow) -> None:
    """With its journal entry, when others see something new."""
    change = store.save(tx, before, after)
    if change is not None:
        journal.append(tx, stamp, [Event(row_lane(store.TABLE, after.id), f"machine:{after.id}", stamp.now, (change,))])


def _take_once(tx: Tx, stamp: Stamp, machine: Machine, reading: Reading, steps: Sequence[Step]) -> tuple[Told, ...]:
    """What only shows how something stands may be taken again; it needs no receipt."""
    told: list[Told] = []

    def take(tx: Tx, stamp: Stamp) -> Answer:
        told.extend(_take(tx, stamp, machine, reading, steps))
        return Answer(200, "null")

    known = reading.id if machine.changes_work(reading.input) else None
    receipts.once(tx, _receipt(machine, reading.input, known), stamp, take)
    return tuple(told)


def _receipt(machine: Machine, name: str, id_: str | None) -> Receipt | None:
    key = f"{name}:{id_}"
    return None if id_ is None else Receipt(machine.cause + READINGS, key, request_hash(key))


def _take(tx: Tx, stamp: Stamp, machine: Machine, reading: Reading, steps: Sequence[Step]) -> tuple[Told, ...]:
    timed = states.timed(reading.occurred_at, stamp.now)
    if reading.quality is Quality.UNCERTAIN:
        timed = replace(timed, quality=Quality.UNCERTAIN)
    before = store.get(tx, machine.id)
    quality = states.quality(timed.quality, online=before.online, silent=False)
    row = replace(before, quality=quality, source_timestamp=timed.at, received_at=stamp.now)
    after, told = readings.take(At(tx, stamp, machine, reading.occurred_at, timed, reading.kept), steps, row)
    save(tx, stamp, before, after)
    return tuple(told)


def _badge_once(tx: Tx, stamp: Stamp, machine: Machine, badge: Badge) -> None:
    def log_on(tx: Tx, stamp: Stamp) -> Answer:
        _badge(tx, stamp, machine, badge)
        return Answer(200, "null")

    receipts.once(tx, _receipt(machine, BADGE, badge.id), stamp, log_on)


def _badge(tx: Tx, stamp: Stamp, machine: Machine, badge: Badge) -> None:
    operator_id = targets.of_badge(tx, badge.badge)
    known = store.logged_on(tx, machine.id)
    if not badge.on:
        store.log_off(tx, machine.id, operator_id)
    elif known is None or known[0] != operator_id or not stamp.now - known[1] < SAME_BADGE:
        store.log_on(tx, machine.id, operator_id, stamp.text)


def _known_online(connection: sqlite3.Connection, device: str) -> bool:
    row = store.get(connection, device)
    return row.online is True and (row.quality is not Quality.BAD or row.received_at is None)


def _online(tx: Tx, stamp: Stamp, machine: Machine, online: bool) -> None:  # noqa: FBT001 -- what it says of itself
    before = store.get(tx, machine.id)
    quality = Quality.GOOD if online and before.received_at else Quality.BAD
    if not online:
        store.doubt(tx, machine.id)
    save(tx, stamp, before, replace(before, online=online, quality=quality))
