"""Operations that are worked on at once: how a batch starts them and completes them.

The rules, events and roll-ups are those of a single operation. What differs: nobody asks whether the operator is free, his
time is his share, and nothing is left open at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.jobs.model import Status
from gateway.kernel.db import Tx
from gateway.operations import rules, store
from gateway.operations.commands import carry_out
from gateway.operations.model import ChangeOperation, Operation, TimeEntry, Verb
from gateway.operations.time_entries import store as entries_
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, job_lane

CAUSE = "batch"


@dataclass(frozen=True, slots=True)
class Together:
    """What is the same for all operations of a batch. `told`: what their events say beside their own."""

    at: datetime
    operator_id: str | None = None
    operator_name: str | None = None
    notes: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


def begin(tx: Tx, stamp: Stamp, operation: Operation, together: Together) -> None:
    """The operation runs, and the operator's time on it from now on; what he had open on it has ended.

    Raises InvalidTransition: look at the states of all of them before the first write.
    """
    mine = [one for one in entries_.open_on(tx, operation.id) if one.operator_id == together.operator_id]
    if mine:
        _end(tx, stamp, operation, [rules.closed(one, together.at) for one in mine], together.at)
    wish = _wish(Verb.START, operation, together)
    if operation.status is not Status.IN_PROGRESS:
        carry_out(tx, stamp, wish, store.get(tx, operation.id), together.operator_name, together.told)
    elif together.operator_id:
        opened = TimeEntry(stamp.new_id(), operation.id, together.operator_id, together.at)
        _record(tx, stamp, operation, entries_.save(tx, rules.Time(opened=opened), wish, stamp), together.at)


def finish(tx: Tx, stamp: Stamp, operation: Operation, together: Together, share_s: Mapping[str, int]) -> None:
    """Completed, from whatever state. `share_s`: entry id -> the seconds that it counts; the others go by the clock.

    What an open standstill issue holds stays on hold: only the time on it ends.
    """
    if operation.held and operation.status is Status.ON_HOLD:
        open_ = entries_.open_on(tx, operation.id)
        _end(tx, stamp, operation, [rules.closed(one, together.at, share_s.get(one.id)) for one in open_], together.at)
        return
    for verb in rules.TO_THE_END[operation.status]:
        # nobody's time begins at the end
        wish = replace(_wish(verb, operation, replace(together, operator_id=None)), worked_s=share_s)
        told = {"operator_id": together.operator_id, **together.told}
        carry_out(tx, stamp, wish, store.get(tx, operation.id), together.operator_name, told)


def count_machine_time(tx: Tx, stamp: Stamp, operation: Operation, share_s: int, at: datetime) -> None:
    """Nobody's entries say how long it took: the machine's time does."""
    if not entries_.any_on(tx, operation.id):
        changes = store.set_actual_time(tx, operation, operation.actual_time_s + share_s, stamp.text)
        _record(tx, stamp, operation, changes, at)


def _wish(verb: Verb, operation: Operation, together: Together) -> ChangeOperation:
    return ChangeOperation(operation.id, verb, together.operator_id, together.at, notes=together.notes, cause=CAUSE)


def _end(tx: Tx, stamp: Stamp, operation: Operation, ended: Sequence[TimeEntry], at: datetime) -> None:
    changes = [entries_.close_pause(tx, one) for one in ended]
    changes += store.set_actual_time(tx, operation, entries_.counted_s(tx, operation.id), stamp.text)
    _record(tx, stamp, operation, changes, at)


def _record(tx: Tx, stamp: Stamp, operation: Operation, changes: Sequence[Change], at: datetime) -> None:
    """No transition, so no name: the rows tell."""
    if changes:
        event = Event(job_lane(operation.job.id), f"operation:{operation.id}", at, tuple(changes))
        journal.append(tx, stamp, [event])
