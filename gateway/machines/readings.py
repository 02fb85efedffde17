"""What each rule of a mapping makes of a value. A step is checked while it is made, so that a wrong value is refused before
anything is written; then the steps of one reading are taken, part of one transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.kernel.db import Tx
from gateway.kernel.errors import GatewayError, Invalid, InvalidTransition, NoActiveOperation
from gateway.machines import counters, cycles, pieces, requests, states, store, values
from gateway.machines.model import COUNTER, STATE, Cycle, Quality, Reading, State, Told, Verb
from gateway.machines.pieces import Counted
from gateway.machines.registry import Machine, Source
from gateway.machines.states import Timed
from gateway.machines.store import JUMP, Doubt, MachineRow
from gateway.operations.quantities.gathered import PIECE
from gateway.outbox.event import Stamp
from gateway.sections import Mapping_

UNBOUNDED_MAX = 2**63  # of a counter that never rolls over
NAME_MAX = 200  # characters of an input that is told


@dataclass(frozen=True, slots=True)
class At:
    """Where and when a step is taken."""

    tx: Tx
    stamp: Stamp
    machine: Machine
    claimed: datetime | None
    timed: Timed
    kept: bool = False


Taken = tuple[MachineRow, list[Told]]
Step = Callable[[At, MachineRow], Taken]


def steps(machine: Machine, reading: Reading) -> list[Step]:
    """Everything that follows from one value. Raises Invalid."""
    name = reading.input
    sources = machine.sources.get(name, ())
    if reading.quality is Quality.BAD:
        return _unbelieved(name, sources)
    made = [_MAKES[one.mapping.rule](one, values.at(reading.value, one.mapping.path, name)) for one in sources]
    if name == STATE and not any(one.mapping.rule == "state_map" for one in sources):
        made.append(_state(None, reading.value))
    elif name.startswith(COUNTER) and not sources:
        made.append(_showing(name, values.whole(reading.value, name)))
    if not made:
        require(machine, name)
    return made


def require(machine: Machine, name: str) -> None:
    """Raises Invalid when a value of this input says nothing."""
    if name != STATE and not name.startswith(COUNTER) and name not in machine.sources:
        message = f"no [[uns.mapping]] of {machine.id} says what {name[:NAME_MAX]} means"
        raise Invalid(message, [{"field": "input", "message": message, "constraint": "UNKNOWN"}])


def _unbelieved(name: str, sources: Sequence[Source]) -> list[Step]:
    """Nobody knows the value: nothing is counted, a state is unknown."""
    made = [_state(one, State.UNKNOWN.value) if one.mapping.rule == "state_map" else _doubting(one) for one in sources]
    return made or ([_state(None, State.UNKNOWN.value)] if name == STATE else [])


def _doubting(source: Source) -> Step:
    def doubt(at: At, row: MachineRow) -> Taken:
        store.doubt(at.tx, row.id, source.key)
        return row, []

    return doubt


def take(at: At, steps_: Sequence[Step], row: MachineRow) -> Taken:
    told: list[Told] = []
    for step in steps_:
        row, more = step(at, row)
        told += more
    return row, told


# ------------------------------------------------------------------ counters


def _counter(source: Source, raw: Any) -> Step:
    value, mapping = values.whole(raw, source.key), source.mapping
    end = 2**mapping.bits if mapping.bits else UNBOUNDED_MAX
    if not 0 <= value < end:
        message = f"{source.key} is {value}: with bits = {mapping.bits} a number from 0 to {end - 1} is wanted"
        raise Invalid(message, [{"field": source.key, "message": message, "constraint": "RANGE"}])

    def count(at: At, row: MachineRow) -> Taken:
        last = store.last(at.tx, row.id, source.key)
        if last is not None and not mapping.rebase:
            last = replace(last, unsure=False)
        step = counters.delta(last, value, at.claimed, source.meter, kept=at.kept)
        if step.why == "late":
            return row, []
        store.keep_value(at.tx, row.id, source.key, value, at.claimed, at.stamp.text)
        if step.why == "jump":
            return row, [_jumped(at, source, last.value if last else None, value, step.count)]
        return _counted(at, row, source, step.count)

    return count


def _jumped(at: At, source: Source, last: int | None, value: int, count: int) -> Told:
    found = round(count * _millionths(source.mapping, None) / PIECE)
    store.quarantine(at.tx, at.stamp, Doubt(at.machine.id, source.key, JUMP, found, None, last, value))
    limit = source.mapping.max_step
    return Told("COUNTER_JUMP", f"{source.key} went from {last} to {value}, more than max_step = {limit}: not booked")


def _edge(source: Source, raw: Any) -> Step:
    value, mapping = values.switch(raw, source.key), source.mapping

    def look(at: At, row: MachineRow) -> Taken:
        last = store.last(at.tx, row.id, source.key)
        store.keep_value(at.tx, row.id, source.key, int(value), at.claimed, at.stamp.text)
        began = last is None or (last.unsure and mapping.rebase)
        if began or bool(last and last.value) is value or value is not (mapping.edge == "rising"):
            return row, []
        if mapping.command is not None:
            return move(at, row, Verb(mapping.command), f"{source.key}: ")
        return _counted(at, row, source, 1)

    return look


def _counted(at: At, row: MachineRow, source: Source, count: int) -> Taken:
    if not count or source.mapping.report is None:
        return row, []
    millionths = count * _millionths(source.mapping, row.parts)
    counted = Counted(source.piece_key, source.mapping.report, millionths, at.timed.at, source.mapping)
    return pieces.gather(at.tx, at.stamp, at.machine, row, counted)


def _millionths(mapping: Mapping_, parts: float | None) -> int:
    factor = mapping.factor
    return round(PIECE * ((parts or 1) if isinstance(factor, str) else factor))


def _cycle(source: Source, raw: Any) -> Step:
    """A message that somebody else's equipment sends at the end of a cycle."""
    if isinstance(raw, Mapping):
        given = {
            name: raw.get(name)
            for name in ("id", "good", "scrap", "program", "duration_s")
            if raw.get(name) is not None
        }
    else:
        given = {"id": values.word(raw), "good": 1}
    finished = Cycle(source.mapping.device, **given)
    checked = cycles.checked(finished, unidentified=source.mapping.allow_unidentified)

    def finish(at: At, row: MachineRow) -> Taken:
        return cycles.finish(at.tx, at.stamp, at.machine, row, checked, at.timed.at, source.mapping)

    return finish


# ------------------------------------------------------------------ what is shown


def _gauge(source: Source, raw: Any) -> Step:
    return _showing(source.key, values.scalar(raw, source.key))


def _showing(key: str, value: Any) -> Step:
    def show(at: At, row: MachineRow) -> Taken:
        last = store.last(at.tx, row.id, key)
        if last is None or last.value != value or last.at != at.claimed:
            store.keep_value(at.tx, row.id, key, value, at.claimed, at.stamp.text)
        return row, []

    return show


# ------------------------------------------------------------------ states


def _state(source: Source | None, raw: Any) -> Step:
    values.scalar(raw, STATE)
    seen = states.mapped(raw, source.names if source else None)

    def enter(at: At, row: MachineRow) -> Taken:
        debounce_s = source.mapping.debounce if source else 0.0
        state, candidate = states.follow(row.state, row.candidate, seen, at.timed.at, at.stamp.now, debounce_s)
        if state is row.state:
            kept = row if candidate is not None or row.raw == raw else replace(row, raw=raw)
            return replace(kept, candidate=candidate, candidate_raw=raw if candidate else None), []
        return become(at, row, state, raw, at.timed.at, source.mapping if source else None)

    return enter


def become(at: At, row: MachineRow, state: State, raw: Any, since: datetime, mapping: Mapping_ | None) -> Taken:
    """It is in another state now; a mapping may say what follows."""
    after = replace(row, state=state, raw=raw, since=since, candidate=None, candidate_raw=None)
    verb = mapping.on_enter.get(state.value) if mapping else None
    return (after, []) if verb is None else move(at, after, Verb(verb), f"on_enter {state}: ")


def move(at: At, row: MachineRow, verb: Verb, about: str) -> Taken:
    """The machine's own doing changes an operation. Nothing to move, or moved already, is as good as done."""
    try:
        operation_id = requests.move(at.tx, at.stamp, at.machine, row, verb)
    except (NoActiveOperation, InvalidTransition):
        return row, []
    except GatewayError as exc:  # refused by a rule, before it wrote anything
        return row, [Told(exc.code, f"{about}{exc.message}")]
    started = operation_id if verb in (Verb.START, Verb.RESUME) else row.started_operation_id
    return replace(row, started_operation_id=started), []


_MAKES: Mapping[str, Callable[[Source, Any], Step]] = {
    "counter_delta": _counter,
    "gauge": _gauge,
    "state_map": _state,
    "edge": _edge,
    "cycle": _cycle,
}
