"""Several people on one operation: one of them comes, stops for a while, comes back or goes, and it runs on for the others.

The operation keeps its state, so nothing of this has a name in the journal: the rows tell. The only one who is left on it pauses
and resumes the operation itself (`commands.change`).
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.jobs.rules import effective
from gateway.kernel.db import Tx
from gateway.kernel.errors import InvalidTransition
from gateway.operations import rules, store
from gateway.operations.commands import require_free
from gateway.operations.model import ChangeOperation, Operation, TimeEntry
from gateway.operations.time_entries import store as entries_
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, job_lane


def mine(entries: Sequence[TimeEntry], operator_id: str | None) -> TimeEntry | None:
    """The open entry of this person."""
    return next((entry for entry in entries if entry.operator_id == operator_id), None)


def come(tx: Tx, stamp: Stamp, wish: ChangeOperation, operation: Operation) -> str:
    """The operator's time runs on it from now on, beside that of others; the entry's id.

    Raises OperatorBusy, Invalid; InvalidTransition when it runs already.
    """
    operator_id = wish.operator_id or ""
    require_free(tx, operator_id, store.operator_name(tx, operator_id), operation.id)
    at = effective(wish.occurred_at, operation.last_at, stamp.now)
    known = mine(entries_.open_on(tx, operation.id), operator_id)
    if known is None:
        opened = TimeEntry(stamp.new_id(), operation.id, operator_id, at)
        _record(tx, stamp, operation, entries_.save(tx, rules.Time(opened=opened), wish, stamp), at)
        return opened.id
    if not known.paused:
        raise InvalidTransition(
            "this time runs already", {"current_status": operation.status, "time_entry_id": known.id}
        )
    back = rules.resumed(known, at)
    _record(tx, stamp, operation, entries_.save(tx, rules.Time(resumed=(back,)), wish, stamp), at)
    return known.id


def stop(tx: Tx, stamp: Stamp, wish: ChangeOperation, operation: Operation, entry: TimeEntry) -> None:
    """One person's running time stands still; that of the others goes on."""
    at = effective(wish.occurred_at, operation.last_at, stamp.now)
    paused = rules.paused(entry, at, stamp.new_id)
    _record(tx, stamp, operation, entries_.save(tx, rules.Time(paused=(paused,)), wish, stamp), at)


def _record(tx: Tx, stamp: Stamp, operation: Operation, changes: Sequence[Change], at: datetime) -> None:
    worked = store.set_actual_time(tx, operation, entries_.counted_s(tx, operation.id), stamp.text)
    event = Event(job_lane(operation.job.id), f"operation:{operation.id}", at, (*changes, *worked))
    journal.append(tx, stamp, [event])
