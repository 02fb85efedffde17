"""Time entries that somebody writes by hand: booked, ended, corrected, deleted. The operation's time is their sum again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.resources import DELETED
from gateway.jobs.model import MINUTE_S
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict, Invalid
from gateway.operations import store as operations_
from gateway.operations.commands import require_free
from gateway.operations.model import Operation, TimeEntry
from gateway.operations.quantities.commands import operation_of
from gateway.operations.rules import closed
from gateway.operations.time_entries import store
from gateway.operations.time_entries.resources import TIME_ENTRIES
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, Stamp, job_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

Given = Mapping[str, Any]

_TIMES = frozenset(("start_time", "end_time", "duration"))


class TimeEntryCommands(Commands):
    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid, Conflict (an open entry of this person is there already), CellNotAllowed."""
        return await self._once(receipt, _create, given, caller)

    async def update(self, row_id: str, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, CellNotAllowed."""
        return await self._once(receipt, update, row_id, given, caller)

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, CellNotAllowed."""
        return await self._once(receipt, _delete, row_id, caller)


def _create(tx: Tx, stamp: Stamp, given: Given, caller: Caller) -> Answer:
    operation = operation_of(tx, given["operation_id"])
    caller.may_write(operation.cell_id)
    name = operations_.operator_name(tx, given["operator_id"])
    row: dict[str, Any] = {"id": stamp.new_id(), "start_time": stamp.text, "created_at": stamp.text}
    row |= rows_.stored(TIME_ENTRIES, {field: value for field, value in given.items() if field != "duration"})
    if row.get("end_time") is None:
        if other := store.open_by(tx, row["operator_id"], operation.id, but=row["id"]):
            raise Conflict(
                f"{name} has an open entry on this operation already: end it first", {"time_entry_id": other}
            )
        if given.get("duration") is not None:
            raise _wrong("duration", "an entry that is still running has no duration: give end_time too")
        require_free(tx, row["operator_id"], name, operation.id)
    else:
        row["duration_s"] = _ended(_entry(row), row["end_time"], given.get("duration")).duration_s
    change = rows_.insert(tx, TIME_ENTRIES, row)
    _record(tx, stamp, operation, change)
    return Answer(201, TIME_ENTRIES.one(rows_.shown(tx, TIME_ENTRIES, row["id"])))


def update(tx: Tx, stamp: Stamp, row_id: str, given: Given, caller: Caller) -> Answer:
    before = dict(rows_.fetch(tx, TIME_ENTRIES, row_id))
    operation = operations_.get(tx, before["operation_id"], deleted_too=True)
    caller.may_write(operation.cell_id)
    plain = {name: value for name, value in given.items() if name not in _TIMES}
    values: dict[str, Any] = rows_.stored(TIME_ENTRIES, plain)
    if given.keys() & _TIMES:  # or a note would put what was said, or shared out, back to what the clock says
        values |= _times(tx, before, given)
    values = {name: value for name, value in values.items() if before[name] != value}
    if values:
        change = rows_.update(tx, TIME_ENTRIES, row_id, values)
        _record(tx, stamp, operation, change)
    return Answer(200, TIME_ENTRIES.one(rows_.shown(tx, TIME_ENTRIES, row_id)))


def _times(tx: Tx, before: Given, given: Given) -> dict[str, Any]:
    """Start, end and duration as they will be; a pause that is open ends with the entry."""
    start, end = given.get("start_time", before["start_time"]), given.get("end_time", before["end_time"])
    entry = store.one(tx, before["id"])
    assert entry is not None, before["id"]  # nosec B101 # noqa: S101 -- it has just been read in this transaction
    _keeps_pauses(entry, start, end)
    if end is None:
        if before["end_time"] is not None:
            raise _wrong("end_time", "an entry that has ended stays ended: make a new one")
        if given.get("duration") is not None:
            raise _wrong("duration", "an entry that is still running has no duration: give end_time too")
        return {"start_time": start}
    ended = _ended(replace(entry, start_time=time_.parse(start)), end, given.get("duration"))
    if entry.paused:
        store.close_pause(tx, ended)
    return {"start_time": start, "end_time": end, "duration_s": ended.duration_s, "is_paused": 0}


def _keeps_pauses(entry: TimeEntry, start: str, end: str | None) -> None:
    """A pause is a part of its entry, wherever that is moved to. Raises Invalid."""
    if not entry.pauses:
        return
    first, last = entry.pauses[0], entry.pauses[-1]
    if time_.parse(start) > first.paused_at:
        raise _wrong("start_time", f"the start {start} lies after its first pause, {time_.text(first.paused_at)}")
    if end and time_.parse(end) < (over := last.resumed_at or last.paused_at):
        raise _wrong("end_time", f"the end {end} lies before its last pause was over, {time_.text(over)}")


def _ended(entry: TimeEntry, end: str, minutes: int | None) -> TimeEntry:
    """Closed at `end`; `minutes` overrule what the clock says. Raises Invalid."""
    at = time_.parse(end)
    if at < entry.start_time:
        raise _wrong("end_time", f"the end {end} lies before the start {time_.text(entry.start_time)}")
    ended = closed(entry, at)
    return ended if minutes is None else replace(ended, duration_s=minutes * MINUTE_S)


def _delete(tx: Tx, stamp: Stamp, row_id: str, caller: Caller) -> Answer:
    before = rows_.fetch(tx, TIME_ENTRIES, row_id)
    operation = operations_.get(tx, before["operation_id"], deleted_too=True)
    caller.may_write(operation.cell_id)
    pauses = store.pauses_of(tx, row_id)
    change = rows_.delete(tx, TIME_ENTRIES, row_id)
    old = {**dict(before), "pauses": pauses}  # with them it went up as several entries
    _record(tx, stamp, operation, Change(change.table, change.id, "delete", change.version, old))
    return Answer(200, DELETED)


def _record(tx: Tx, stamp: Stamp, operation: Operation, change: Change) -> None:
    changes = [change, *operations_.set_actual_time(tx, operation, store.counted_s(tx, operation.id), stamp.text)]
    event = Event(job_lane(operation.job.id), f"time_entry:{change.id}", stamp.now, tuple(changes))
    journal.append(tx, stamp, [event])


def _entry(row: Given) -> TimeEntry:
    return TimeEntry(row["id"], row["operation_id"], row["operator_id"], time_.parse(row["start_time"]))


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, [{"field": field, "message": message, "constraint": "CHECK_CONSTRAINT"}])
