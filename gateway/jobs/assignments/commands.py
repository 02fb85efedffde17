"""Assignments are made, moved on, changed and deleted."""

from collections.abc import Mapping
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.resources import DELETED
from gateway.jobs.assignments import rules, store
from gateway.jobs.assignments.model import Status
from gateway.jobs.assignments.resources import ASSIGNMENTS
from gateway.jobs.resources import JOBS, PARTS
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, Stamp, job_lane, row_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller, Scope

Given = Mapping[str, Any]


class AssignmentCommands(Commands):
    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid, Conflict (an open one says the same), CellNotAllowed."""
        return await self._once(receipt, _create, given, caller)

    async def update(self, row_id: str, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, Conflict, InvalidTransition, CellNotAllowed."""
        return await self._once(receipt, _update, row_id, given, caller)

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, CellNotAllowed."""
        return await self._once(receipt, _delete, row_id, caller)


def _create(tx: Tx, stamp: Stamp, given: Given, caller: Caller) -> Answer:
    row: dict[str, Any] = {"id": stamp.new_id(), "created_at": stamp.text, "updated_at": stamp.text}
    row |= {"status": Status.ASSIGNED, "assigned_by": caller.operator_id, **rows_.stored(ASSIGNMENTS, given)}
    rules.require_whole(row)
    rows_.check_references(tx, ASSIGNMENTS, row)
    _check(tx, row, caller)
    change = rows_.insert(tx, ASSIGNMENTS, row)
    _record(tx, stamp, row, change)
    return Answer(201, ASSIGNMENTS.one(rows_.shown(tx, ASSIGNMENTS, row["id"])))


def _update(tx: Tx, stamp: Stamp, row_id: str, given: Given, caller: Caller) -> Answer:
    before = dict(rows_.fetch(tx, ASSIGNMENTS, row_id))
    rows_.require_cell(tx, ASSIGNMENTS, row_id, caller.cells)
    wanted = rows_.stored(ASSIGNMENTS, given)
    values = {name: value for name, value in wanted.items() if before[name] != value}
    if values:
        after = {**before, **values}
        if caller.scope < Scope.ADMIN:
            rules.require_forward(Status(before["status"]), Status(after["status"]))
        rules.require_whole(after)
        rows_.check_references(tx, ASSIGNMENTS, values)
        _check(tx, after, caller)
        change = rows_.update(tx, ASSIGNMENTS, row_id, {**values, "updated_at": stamp.text})
        _record(tx, stamp, after, change)
    return Answer(200, ASSIGNMENTS.one(rows_.shown(tx, ASSIGNMENTS, row_id)))


def _delete(tx: Tx, stamp: Stamp, row_id: str, caller: Caller) -> Answer:
    before = dict(rows_.fetch(tx, ASSIGNMENTS, row_id))
    rows_.require_cell(tx, ASSIGNMENTS, row_id, caller.cells)
    _record(tx, stamp, before, rows_.delete(tx, ASSIGNMENTS, row_id))
    return Answer(200, DELETED)


def _check(tx: Tx, row: Given, caller: Caller) -> None:
    """Its part belongs to its job, both to the key's cells, and nobody has been told the same already."""
    job_id, part_id = row.get("job_id"), row.get("part_id")
    if part_id and job_id and store.job_of_part(tx, part_id) != job_id:
        raise rules.wrong("part_id", f"the part {part_id} belongs to another job than {job_id}", "FK_CONSTRAINT")
    if part_id:
        rows_.require_cell(tx, PARTS, part_id, caller.cells)
    elif job_id:
        rows_.require_cell(tx, JOBS, job_id, caller.cells)
    else:
        caller.may_write(None)
    if row["status"] != Status.COMPLETED and (twin := store.open_twin(tx, row)):
        raise Conflict("this is assigned already: complete or delete that assignment first", {"assignment_id": twin})


def _record(tx: Tx, stamp: Stamp, row: Given, change: Change) -> None:
    """The contract has no name for it: the row tells."""
    job_id = row.get("job_id") or (store.job_of_part(tx, row["part_id"]) if row.get("part_id") else None)
    own = row_lane(ASSIGNMENTS.table, change.id)
    journal.append(tx, stamp, [Event(job_lane(job_id) if job_id else own, own, stamp.now, (change,))])
