"""When may an operation start, pause, resume, complete, and what follows for the time on it. Pure: values in, values out.

Pauses stay inside one time entry. Someone who works elsewhere by now is not pulled back when others resume.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.jobs.model import Status, minutes
from gateway.jobs.rules import Table, effective, require
from gateway.kernel import clock as time_
from gateway.kernel.errors import InvalidTransition
from gateway.kernel.ids import NewId
from gateway.operations.model import STANDSTILL, ChangeOperation, Operation, Pause, TimeEntry, Verb, seconds
from gateway.outbox.event import EventType

COMPLETE_PERCENTAGE = 100

# verb -> (states it is allowed from, state it leads to)
VERBS: Table = {
    Verb.START: ((Status.NOT_STARTED, Status.ON_HOLD), Status.IN_PROGRESS),
    Verb.PAUSE: ((Status.IN_PROGRESS,), Status.ON_HOLD),
    Verb.RESUME: ((Status.ON_HOLD,), Status.IN_PROGRESS),
    Verb.COMPLETE: ((Status.IN_PROGRESS,), Status.COMPLETED),
}
EVENTS = {
    Verb.START: EventType.OPERATION_STARTED,
    Verb.PAUSE: EventType.OPERATION_PAUSED,
    Verb.RESUME: EventType.OPERATION_RESUMED,
    Verb.COMPLETE: EventType.OPERATION_COMPLETED,
}
_STAMP_OF = {
    Verb.PAUSE: "paused_at",
    Verb.RESUME: "resumed_at",
    Verb.COMPLETE: "completed_at",
}


# state -> the verbs that lead from it to the end, for what is ended with everything around it
TO_THE_END: Mapping[Status, tuple[Verb, ...]] = {
    Status.NOT_STARTED: (Verb.START, Verb.COMPLETE),
    Status.IN_PROGRESS: (Verb.COMPLETE,),
    Status.ON_HOLD: (Verb.RESUME, Verb.COMPLETE),
    Status.COMPLETED: (),
}


@dataclass(frozen=True, slots=True)
class Time:
    """What becomes of the time entries; each as it will be."""

    opened: TimeEntry | None = None
    paused: tuple[TimeEntry, ...] = ()
    resumed: tuple[TimeEntry, ...] = ()
    closed: tuple[TimeEntry, ...] = ()


_Verdict = tuple[dict[str, Any], Time]  # the operation's new values, and what becomes of the entries


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be saved; `at` is when it counts as having happened."""

    verb: Verb
    before: Operation
    after: Operation
    at: datetime
    time: Time

    @property
    def time_entry_id(self) -> str | None:
        """The entry that was opened or closed by this, for whoever asked."""
        touched = self.time.opened or next(iter((*self.time.resumed, *self.time.closed, *self.time.paused)), None)
        return touched.id if touched else None


def decide(
    wish: ChangeOperation,
    operation: Operation,
    entries: Sequence[TimeEntry],
    closed_s: int,
    *,
    now: datetime,
    new_id: NewId,
) -> Decision:
    """`entries`: the open ones on this operation; `closed_s`: what the closed ones add up to. Raises InvalidTransition."""
    allowed, target = VERBS[wish.verb]
    require("operation", wish.verb, operation.status, allowed)
    if target is Status.IN_PROGRESS:
        require_free_of_standstill(operation, wish.verb)
    at = effective(wish.occurred_at, operation.last_at, now)
    values, time = _BY_VERB[wish.verb](wish, operation, entries, at, new_id)
    if entries and wish.verb in (Verb.PAUSE, Verb.COMPLETE):
        later = {entry.id: entry for entry in (*time.paused, *time.closed)}
        values["actual_time_s"] = closed_s + sum(later.get(entry.id, entry).counted_s for entry in entries)
    return Decision(wish.verb, operation, replace(operation, status=target, moved_at=at, **values), at, time)


def require_free_of_standstill(operation: Operation, verb: Verb) -> None:
    """Raises InvalidTransition while an open issue holds the operation."""
    if operation.held:
        raise InvalidTransition(
            f"Cannot {verb} operation with status 'on_hold': an open standstill issue holds it. Close the issue first.",
            {
                "operation_id": operation.id,
                "current_status": operation.status,
                "requested": verb,
                "allowed_from": [],
                "reason": STANDSTILL,
            },
        )


def hold(wish: ChangeOperation, operation: Operation, *, now: datetime) -> Decision | None:
    """A standstill issue parks the operation; None when it stands already, or is done.

    [U] No stamp of its own, and nobody's time is touched: whoever is booked on it waits beside it.
    """
    if operation.status in (Status.ON_HOLD, Status.COMPLETED):
        return None
    return _moved(wish, operation, now, status=Status.ON_HOLD, status_before_hold=operation.status)


def release(wish: ChangeOperation, operation: Operation, *, now: datetime) -> Decision | None:
    """The last standstill issue is settled; None while another one holds it, or when it does not stand any more.

    [U] What somebody had paused before the issue came is in progress afterwards.
    """
    if operation.held or operation.status is not Status.ON_HOLD:
        return None
    status = operation.status_before_hold or Status.IN_PROGRESS
    return _moved(wish, operation, now, status=status, status_before_hold=None, paused_at=None)


def _moved(wish: ChangeOperation, operation: Operation, now: datetime, **values: Any) -> Decision:
    at = effective(wish.occurred_at, operation.last_at, now)
    return Decision(wish.verb, operation, replace(operation, moved_at=at, **values), at, Time())


def paused(entry: TimeEntry, at: datetime, new_id: NewId) -> TimeEntry:
    """A running entry whose time stands still from `at` on."""
    return replace(entry, pauses=(*entry.pauses, Pause(new_id(), _after(entry, at))))


def resumed(entry: TimeEntry, at: datetime) -> TimeEntry:
    """The same entry without an open pause."""
    if not entry.paused:
        return entry
    pause = entry.pauses[-1]
    end = max(at, pause.paused_at)
    ended = replace(pause, resumed_at=end, duration_s=seconds(pause.paused_at, end))
    return replace(entry, pauses=(*entry.pauses[:-1], ended))


def closed(entry: TimeEntry, at: datetime, worked_s: int | None = None) -> TimeEntry:
    """An entry that ends at `at`, or where it began if somebody claims an earlier end. An open pause ends with it.

    `worked_s` overrules what the clock says.
    """
    end = max(at, entry.start_time)
    pauses = resumed(entry, end).pauses
    duration_s = seconds(entry.start_time, end, pauses) if worked_s is None else worked_s
    return replace(entry, end_time=end, pauses=pauses, duration_s=duration_s)


def event_data(decision: Decision, wish: ChangeOperation, operator_name: str | None) -> dict[str, Any]:
    """The payload: every field that any of today's consumers reads. Minutes as the cloud has them, seconds beside them."""
    before, after, at = decision.before, decision.after, decision.at
    data: dict[str, Any] = {
        "operation_id": after.id,
        "operation_name": after.operation_name,
        "part_id": after.part.id,
        "part_number": after.part.part_number,
        "job_id": after.job.id,
        "job_number": after.job.job_number,
        "customer": after.job.customer or "",
        "cell_id": after.cell_id,
        "cell_name": after.cell_name,
        "operator_id": wish.operator_id,
        "operator_name": operator_name,
        "previous_status": before.status,
        "new_status": after.status,
        "timestamp": time_.zulu(at),
        "started_at": time_.text(after.started_at) if after.started_at else None,
        "estimated_time": after.estimated_time,
        "estimated_time_seconds": after.estimated_time * 60,
        "actual_time": minutes(after.actual_time_s),
        "actual_time_seconds": after.actual_time_s,
        "completion_percentage": after.completion_percentage,
        "time_entry_id": decision.time_entry_id,
        "cause": wish.cause,
    }
    if decision.verb is not Verb.START:
        data[_STAMP_OF[decision.verb]] = time_.text(at)
    since = before.paused_at or before.moved_at
    if decision.verb is Verb.RESUME and since:
        data["pause_duration_seconds"] = seconds(since, at)
    if wish.notes:
        data["notes"] = wish.notes
    if wish.occurred_at and wish.occurred_at != at:
        data["occurred_at_claimed"] = time_.text(wish.occurred_at)
    return data


def _start(
    wish: ChangeOperation, operation: Operation, entries: Sequence[TimeEntry], at: datetime, new_id: NewId
) -> _Verdict:
    started_at = operation.started_at or at  # the first start is the one that counts
    stamps = {"started_at": started_at, "paused_at": None, "status_before_hold": None}
    mine = tuple(entry for entry in entries if entry.operator_id == wish.operator_id)
    if not mine:
        return stamps, Time(opened=_opened(wish, at, new_id))
    return stamps, Time(resumed=tuple(resumed(entry, at) for entry in mine if entry.paused))


def _pause(
    _wish: ChangeOperation, _operation: Operation, entries: Sequence[TimeEntry], at: datetime, new_id: NewId
) -> _Verdict:
    running = (entry for entry in entries if not entry.paused)
    return {"paused_at": at}, Time(paused=tuple(paused(entry, at, new_id) for entry in running))


def _resume(
    wish: ChangeOperation, _operation: Operation, entries: Sequence[TimeEntry], at: datetime, new_id: NewId
) -> _Verdict:
    back = (entry for entry in entries if entry.operator_id == wish.operator_id or not wish.alone)
    again = tuple(resumed(entry, at) for entry in back if entry.paused and not entry.elsewhere)
    mine = any(entry.operator_id == wish.operator_id for entry in entries)
    opened = None if mine else _opened(wish, at, new_id)
    return {"resumed_at": at, "paused_at": None, "status_before_hold": None}, Time(opened=opened, resumed=again)


def _complete(
    wish: ChangeOperation, _operation: Operation, entries: Sequence[TimeEntry], at: datetime, _new_id: NewId
) -> _Verdict:
    stamps = {"completed_at": at, "completion_percentage": COMPLETE_PERCENTAGE}
    return stamps, Time(closed=tuple(closed(entry, at, wish.worked_s.get(entry.id)) for entry in entries))


def _opened(wish: ChangeOperation, at: datetime, new_id: NewId) -> TimeEntry | None:
    return TimeEntry(new_id(), wish.operation_id, wish.operator_id, at) if wish.operator_id else None


def _after(entry: TimeEntry, at: datetime) -> datetime:
    """Not before the entry began, nor before its last pause was over: another clock may have set those."""
    latest = entry.pauses[-1].resumed_at if entry.pauses else None
    return max(at, entry.start_time, latest or entry.start_time)


_BY_VERB = {Verb.START: _start, Verb.PAUSE: _pause, Verb.RESUME: _resume, Verb.COMPLETE: _complete}
