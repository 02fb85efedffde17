"""Issues are raised, changed and deleted. One that causes a standstill parks its operation: same transaction, same journal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.listed import require_own_files
from gateway.catalog.resources import DELETED
from gateway.issues import rules
from gateway.issues.resources import ISSUES
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.operations import commands as operations
from gateway.operations import store as operations_
from gateway.operations.model import Operation
from gateway.operations.quantities.commands import operation_of
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, Stamp, job_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

Given = Mapping[str, Any]


class IssueCommands(Commands):
    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid, Conflict, CellNotAllowed."""
        return await self._once(receipt, create, given, caller)

    async def update(self, row_id: str, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, Conflict, InvalidTransition, CellNotAllowed."""
        return await self._once(receipt, update, row_id, given, caller)

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, CellNotAllowed."""
        return await self._once(receipt, _delete, row_id, caller)


def create(tx: Tx, stamp: Stamp, given: Given, caller: Caller) -> Answer:
    """Raises Invalid, Conflict, CellNotAllowed."""
    operation = operation_of(tx, given["operation_id"])
    caller.may_write(operation.cell_id)
    values = rules.raised(given, by=caller.operator_id, at=stamp.text, token=_token(stamp))
    row = {"id": stamp.new_id(), "created_at": stamp.text, "updated_at": stamp.text, **rows_.stored(ISSUES, values)}
    rows_.check_references(tx, ISSUES, row)
    require_own_files(tx, ISSUES, row, caller)
    change = rows_.insert(tx, ISSUES, row)
    after = dict(rows_.fetch(tx, ISSUES, row["id"]))
    _record(tx, stamp, operation, change, None, after, time_.parse(after["created_at"]))
    return Answer(201, ISSUES.one(rows_.shown(tx, ISSUES, row["id"])))


def update(tx: Tx, stamp: Stamp, row_id: str, given: Given, caller: Caller) -> Answer:
    before = dict(rows_.fetch(tx, ISSUES, row_id))
    operation = operations_.get(tx, before["operation_id"], deleted_too=True)
    caller.may_write(operation.cell_id)
    values = rules.changed(before, given, by=caller.operator_id, at=stamp.text, token=_token(stamp))
    news = {name: value for name, value in rows_.stored(ISSUES, values).items() if before[name] != value}
    if news:
        rows_.check_references(tx, ISSUES, news)
        require_own_files(tx, ISSUES, news, caller, before)
        change = rows_.update(tx, ISSUES, row_id, {**news, "updated_at": stamp.text})
        _record(tx, stamp, operation, change, before, {**before, **news}, stamp.now)
    return Answer(200, ISSUES.one(rows_.shown(tx, ISSUES, row_id)))


def _delete(tx: Tx, stamp: Stamp, row_id: str, caller: Caller) -> Answer:
    before = dict(rows_.fetch(tx, ISSUES, row_id))
    operation = operations_.get(tx, before["operation_id"], deleted_too=True)
    caller.may_write(operation.cell_id)
    change = rows_.delete(tx, ISSUES, row_id)
    gone = Event(job_lane(operation.job.id), f"issue:{row_id}", stamp.now, (change,))
    follows = operations.release(tx, stamp, operation.id, caller.operator_id, stamp.now) if rules.holds(before) else ()
    journal.append(tx, stamp, [gone, *follows])
    return Answer(200, DELETED)


def _record(
    tx: Tx, stamp: Stamp, operation: Operation, change: Change, before: Given | None, after: Given, claimed: datetime
) -> None:
    """The issue first, then what it does to its operation."""
    at = rules.happened_at(claimed, stamp.now)
    name = operations_.profile_name(tx, after["created_by"])
    events: list[Event] = []
    for kind in rules.told(before, after) or (None,):  # most changes have no name: the row tells
        changes = () if events else (change,)
        data = rules.event_data(kind, after, operation, name) if kind else None
        events.append(Event(job_lane(operation.job.id), f"issue:{change.id}", at, changes, kind, data))
    held, holds = rules.holds(before), rules.holds(after)
    if holds and not held:
        events += operations.hold(tx, stamp, operation.id, after["created_by"], at)
    elif held and not holds:
        events += operations.release(tx, stamp, operation.id, after["reviewed_by"], at)
    journal.append(tx, stamp, events)


def _token(stamp: Stamp) -> str:
    return stamp.new_id().replace("-", "")
