"""One cycle finished: what it made is booked once, whoever says it how often."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.kernel.db import Tx
from gateway.kernel.errors import Invalid
from gateway.machines import pieces, values
from gateway.machines.model import Cycle, Told
from gateway.machines.registry import CYCLE_FIELDS, Machine
from gateway.machines.store import MachineRow
from gateway.operations.quantities.resources import COUNT_MAX
from gateway.outbox import receipts
from gateway.outbox.event import Stamp
from gateway.outbox.receipts import Answer, Receipt
from gateway.sections import Mapping_

TEXT_MAX = 200  # characters of the id of a cycle, of the name of a program
SPACE = ":cycle"  # ids of cycles and of requests do not meet


@dataclass(frozen=True, slots=True)
class Finished:
    """A cycle whose values are sound. `parts`: how many pieces one run of its program makes, None: nobody said."""

    id: str | None
    good: int
    scrap: int
    program: str | None
    parts: float | None
    duration_s: float | None


def checked(cycle: Cycle, *, unidentified: bool) -> Finished:
    """Raises Invalid."""
    name = None if cycle.id is None else str(values.scalar(cycle.id, "id"))
    if name and len(name) > TEXT_MAX:  # cut, it could be another one's
        message = f"id has {len(name)} characters: {TEXT_MAX} is the most"
        raise Invalid(message, [{"field": "id", "message": message, "constraint": "LENGTH"}])
    if not name and not unidentified:
        message = "id is missing: without one a cycle that is sent twice would count twice (allow_unidentified)"
        raise Invalid(message, [{"field": "id", "message": message, "constraint": "NOT_NULL_CONSTRAINT"}])
    good = values.pieces(cycle.good, "good", COUNT_MAX)
    scrap = values.pieces(cycle.scrap, "scrap", COUNT_MAX)
    program, parts = _program(cycle.program)
    return Finished(
        name or None, good, scrap, program, parts or good or None, values.seconds(cycle.duration_s, "duration_s")
    )


def finish(
    tx: Tx, stamp: Stamp, machine: Machine, row: MachineRow, done: Finished, at: datetime, mapping: Mapping_ | None
) -> tuple[MachineRow, list[Told]]:
    """What a mapping counts by another input is not booked here a second time."""
    row = replace(row, program=done.program or row.program, parts=done.parts or row.parts)
    counts = dict(zip(CYCLE_FIELDS, (done.good, done.scrap), strict=True))
    counts = {name: count for name, count in counts.items() if count and name not in machine.counted}
    if not counts:
        return row, []
    after: list[tuple[MachineRow, list[Told]]] = []

    def once(tx: Tx, stamp: Stamp) -> Answer:
        about = {"cycle_id": done.id, "program": done.program, "duration_s": done.duration_s}
        known = {name: value for name, value in about.items() if value is not None}
        after.append(pieces.book(tx, stamp, machine, row, counts, at, known, mapping))
        return Answer(200, "null")

    receipts.once(tx, _receipt(machine, done.id), stamp, once)
    return after[0] if after else (row, [])


def _receipt(machine: Machine, cycle_id: str | None) -> Receipt | None:
    """The id alone: a cycle that is told again with other numbers is still the same cycle."""
    return None if cycle_id is None else Receipt(machine.cause + SPACE, cycle_id, receipts.request_hash(cycle_id))


def _program(value: Any) -> tuple[str | None, float | None]:
    """A name, or {name, parts}."""
    parts = None
    if isinstance(value, dict):
        parts = None if value.get("parts") is None else float(values.pieces(value["parts"], "program.parts", COUNT_MAX))
        value = value.get("name")
    return (None if value is None else str(values.scalar(value, "program"))[:TEXT_MAX]), parts
