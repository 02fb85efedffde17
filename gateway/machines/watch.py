"""Once a second: what was gathered long enough is booked, a state that lasted counts, who is silent is not believed any more."""

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Link
from gateway.machines import readings, standing, store, targets
from gateway.machines.commands import MachineCommands, save
from gateway.machines.model import Quality, Told
from gateway.machines.readings import At
from gateway.machines.registry import Machines
from gateway.machines.states import Timed
from gateway.machines.store import MachineRow
from gateway.operations.quantities import gathered
from gateway.operations.quantities.gathered import For, Gathered
from gateway.outbox.event import Stamp

LINK = "machines"  # its name in /healthz
EVERY_S = 1.0
DEBOUNCE_MAX = timedelta(hours=1)  # nobody waits longer for a state to last

log = structlog.get_logger(__name__)


class Watch:
    """`run` never returns. Raises Unavailable when the disk does not take what is due; then somebody tries again soon."""

    def __init__(self, db: Database, clock: Clock, commands: MachineCommands, link: Link) -> None:
        self._db = db
        self._clock = clock
        self._commands = commands
        self._machines = commands.machines
        self._link = link
        self._began_s = clock.monotonic()

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(EVERY_S)

    async def look(self) -> None:
        """One round."""
        silent = self._silent()
        if await self._db.read(_work, self._machines, silent, self._clock.now()):
            for device, told in await self._db.write(_round, self._commands.stamp(), self._machines, silent):
                log.warning("machine.refused", device=device, code=told.code, what=told.message)
        self._tell(await self._db.read(_facts, self._machines))

    def _silent(self) -> frozenset[str]:
        """Who has said nothing for longer than `stale_after`; after a start everybody has that long once more."""
        now_s = self._clock.monotonic()
        heard = self._commands.heard
        return frozenset(
            one.id for one in self._machines if 0 < one.device.stale_after < now_s - heard.get(one.id, self._began_s)
        )

    def _tell(self, facts: dict[str, int]) -> None:
        self._link.facts = facts
        if not len(self._machines):
            self._link.off("no [[uns.device]] in the settings")
        elif facts["quarantined"]:
            self._link.degraded(
                f"{facts['quarantined']} times pieces were not booked: look, then `eryxon-gateway machines acknowledge`"
            )
        else:
            self._link.up()


def _facts(connection: sqlite3.Connection, machines: Machines) -> dict[str, int]:
    waiting = gathered.waiting(connection)
    rows = store.every(connection)
    offline = sum(1 for one in machines if rows.get(one.id, MachineRow(one.id)).quality is Quality.BAD)
    return {
        "devices": len(machines),
        "offline": offline,
        "gathered": waiting.gathered,
        "held": waiting.held,
        "dropped": waiting.dropped,
        "quarantined": store.open_count(connection),
        "cells_missing": len(standing.missing_cells(connection, machines)),
    }


# ------------------------------------------------------------------ what is due


def _work(connection: sqlite3.Connection, machines: Machines, silent: frozenset[str], now: datetime) -> bool:
    """Is there anything to write? Most seconds there is not."""
    rows = store.every(connection)
    return bool(
        gathered.due(connection, now)
        or any(_owner(connection, machines, rows, one) for one in gathered.held(connection))
        or any(_fell_silent(row, silent) or _lasted(row, now) for row in rows.values() if row.id in machines.by_id)
    )


def _round(tx: Tx, stamp: Stamp, machines: Machines, silent: frozenset[str]) -> list[tuple[str, Told]]:
    """What was refused on the way, with the device it is about."""
    rows = store.every(tx)
    for held in gathered.held(tx):
        if owner := _owner(tx, machines, rows, held):
            gathered.assign(tx, held, owner, stamp.now)
    for due in gathered.due(tx, stamp.now):
        gathered.book(tx, stamp, due)
    refused: list[tuple[str, Told]] = []
    for before in rows.values():
        machine = machines.by_id.get(before.id)
        if machine is None or not (_fell_silent(before, silent) or _lasted(before, stamp.now)):
            continue
        row = before
        if _fell_silent(row, silent):
            store.doubt(tx, row.id)
            row = replace(row, quality=Quality.BAD)
        if _lasted(row, stamp.now) and (candidate := row.candidate) is not None:
            at = At(tx, stamp, machine, None, Timed(candidate.since, row.quality))
            mapping = machine.state_mapping(candidate.state)
            row, told = readings.become(at, row, candidate.state, row.candidate_raw, candidate.since, mapping)
            refused += [(row.id, one) for one in told]
        save(tx, stamp, before, row)
    return refused


def _owner(
    connection: sqlite3.Connection, machines: Machines, rows: Mapping[str, MachineRow], held: Gathered
) -> For | None:
    """For which operation held pieces are, once somebody can tell."""
    machine = machines.by_id.get(held.source.partition("/")[0])
    if machine is None:
        return None
    row = rows.get(machine.id) or MachineRow(machine.id)
    found = targets.current(connection, held.cells, row.started_operation_id)
    return For(found[0], held.recorded_by) if len(found) == 1 else None


def _fell_silent(row: MachineRow, silent: frozenset[str]) -> bool:
    return row.id in silent and row.quality is not Quality.BAD


def _lasted(row: MachineRow, now: datetime) -> bool:
    """A state that waits for long enough, or whose end was said by a clock that ran ahead."""
    return row.candidate is not None and not now < row.candidate.due < now + DEBOUNCE_MAX
