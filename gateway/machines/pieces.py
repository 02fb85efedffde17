"""Counted pieces find their operation: gathered for it, held until there is one, or quarantined. Part of a transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.issues import commands as issues
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.machines import store, targets
from gateway.machines.model import Told
from gateway.machines.registry import Machine
from gateway.machines.store import HELD_TOO_MANY, Doubt, MachineRow
from gateway.operations.quantities import commands as quantities
from gateway.operations.quantities import gathered
from gateway.operations.quantities.gathered import PIECE, For, Gathered
from gateway.outbox.event import Stamp
from gateway.sections import Mapping_
from gateway.web.routes import Caller, Scope

HOLD_MAX = 1_000  # pieces of cycles, for which no mapping says otherwise
FLUSH_S = 30.0

_LAST_WORKED_ON = f"""
SELECT o.id FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id
WHERE o.deleted_at IS NULL AND p.deleted_at IS NULL AND j.deleted_at IS NULL AND o.started_at IS NOT NULL
  AND {gathered.IN_CELLS} ORDER BY o.updated_at DESC, o.id LIMIT 1
"""  # nosec B608 # noqa: S608 -- constants only


@dataclass(frozen=True, slots=True)
class Counted:
    """Pieces of one kind. `key`: their source; `millionths` of a piece."""

    key: str
    field: str
    millionths: int
    at: datetime
    mapping: Mapping_ | None = None

    @property
    def flush_s(self) -> float:
        return self.mapping.flush if self.mapping else FLUSH_S

    @property
    def no_active(self) -> str:
        return self.mapping.no_active if self.mapping else "hold"

    @property
    def hold_max(self) -> int:
        return self.mapping.hold_max if self.mapping else HOLD_MAX


def caller(machine: Machine, cells: str | None, operator_id: str | None = None) -> Caller:
    """The device as the rules see it: it may work in its cells."""
    allowed = None if cells is None else frozenset(store.decoded(cells))
    return Caller(machine.cause, machine.id, Scope.OPERATE, allowed, operator_id)


def gather(tx: Tx, stamp: Stamp, machine: Machine, row: MachineRow, counted: Counted) -> tuple[MachineRow, list[Told]]:
    """For the operation that is active now; what becomes of them without one says the mapping."""
    cells = targets.cells_of(tx, machine)
    found = targets.current(tx, cells, row.started_operation_id)
    known = gathered.get(tx, counted.key) or Gathered(counted.key, machine.cause, counted.field, cells)
    known = replace(known, cells=cells, cause=machine.cause)
    if len(found) == 1:
        owner = For(found[0], targets.operator(tx, machine, stamp.now))
        due = stamp.now + timedelta(seconds=counted.flush_s)
        gathered.add(tx, stamp, known, counted.millionths, owner, counted_at=counted.at, due=due)
        return replace(row, told_at=None), []
    if counted.no_active == "drop":
        gathered.save(tx, replace(known, dropped_total=known.dropped_total + counted.millionths // PIECE))
        return row, []
    if counted.no_active == "issue" and row.told_at is None and _complain(tx, stamp, machine, cells, found):
        row = replace(row, told_at=stamp.now)
    return row, _hold(tx, stamp, machine, known, counted)


def _hold(tx: Tx, stamp: Stamp, machine: Machine, known: Gathered, counted: Counted) -> list[Told]:
    """Until an operation starts, but not without end."""
    waiting = known.pending if known.operation_id is None else 0
    excess = max(0, waiting + counted.millionths - counted.hold_max * PIECE) // PIECE
    kept = counted.millionths - excess * PIECE
    gathered.add(tx, stamp, known, kept, For(None), counted_at=counted.at, due=stamp.now)
    if not excess:
        return []
    store.quarantine(tx, stamp, Doubt(machine.id, counted.key, HELD_TOO_MANY, excess, known.cells))
    message = f"{counted.hold_max} pieces wait for an operation already: {excess} more are not booked"
    return [Told("HELD_TOO_MANY", message)]


def _complain(tx: Tx, stamp: Stamp, machine: Machine, cells: str | None, found: list[str]) -> bool:
    """One issue until pieces find their operation again. False where no operation is there that it could stand on."""
    last = found[:1] or [row[0] for row in tx.execute(_LAST_WORKED_ON, {"cells": cells})]
    if not last:
        return False
    why = "several operations are in progress" if found else "no operation is in progress"
    text = f"{machine.id} counts pieces, and {why}. They are held, and booked on the next operation that starts."
    given = {"operation_id": last[0], "title": f"Pieces without an operation: {machine.id}", "description": text}
    issues.create(tx, stamp, given, caller(machine, cells))
    return True


def book(
    tx: Tx,
    stamp: Stamp,
    machine: Machine,
    row: MachineRow,
    counts: Mapping[str, int],
    at: datetime,
    about: Mapping[str, Any],
    mapping: Mapping_ | None,
) -> tuple[MachineRow, list[Told]]:
    """One finished cycle: a quantity of its own where its operation is known, else held like any other pieces."""
    cells = targets.cells_of(tx, machine)
    found = targets.current(tx, cells, row.started_operation_id)
    if len(found) == 1:
        given = {
            "operation_id": found[0],
            **counts,
            "recorded_at": time_.text(min(at, stamp.now)),
            "recorded_by": targets.operator(tx, machine, stamp.now),
            "metadata": {"cause": machine.cause, **about},
        }
        quantities.create(tx, stamp, given, caller(machine, cells), machine.cause)
        return replace(row, told_at=None), []
    told: list[Told] = []
    for field, pieces in counts.items():
        counted = Counted(f"{machine.id}/cycle:{field}", field, pieces * PIECE, at, mapping)
        row, more = gather(tx, stamp, machine, row, counted)
        told += more
    return row, told
