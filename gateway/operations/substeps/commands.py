"""Substeps are added, ticked off, changed and deleted. The operation above them does not follow."""

from collections.abc import Mapping
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.resources import DELETED
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.operations import store as operations_
from gateway.operations.model import Operation
from gateway.operations.quantities.commands import operation_of
from gateway.operations.substeps import rules, store
from gateway.operations.substeps.model import Status
from gateway.operations.substeps.resources import SUBSTEPS
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, EventType, Stamp, job_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

Given = Mapping[str, Any]


class SubstepCommands(Commands):
    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid, Conflict (the id is taken), CellNotAllowed."""
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
    row: dict[str, Any] = {"id": stamp.new_id(), "created_at": stamp.text, "updated_at": stamp.text, **_columns(given)}
    if row.get("sequence") is None:
        row["sequence"] = store.next_sequence(tx, operation.id)
    row["status"] = status = rules.status_in(given, Status.NOT_STARTED)
    before = {"status": Status.NOT_STARTED}
    row |= rules.completion(given, before, status, by=caller.operator_id, now=stamp.text)
    rows_.check_references(tx, SUBSTEPS, row)
    change = rows_.insert(tx, SUBSTEPS, row)
    _record(tx, stamp, operation, row, change, EventType.STEP_ADDED)
    return Answer(201, SUBSTEPS.one(rows_.shown(tx, SUBSTEPS, row["id"])))


def update(tx: Tx, stamp: Stamp, row_id: str, given: Given, caller: Caller) -> Answer:
    before = dict(rows_.fetch(tx, SUBSTEPS, row_id))
    operation = operations_.get(tx, before["operation_id"], deleted_too=True)
    caller.may_write(operation.cell_id)
    if given.get("operation_id", operation.id) != operation.id:
        operation = operation_of(tx, given["operation_id"])
        caller.may_write(operation.cell_id)
    status = rules.status_in(given, Status(before["status"]))
    wanted = {**_columns(given), "status": status}
    wanted |= rules.completion(given, before, status, by=caller.operator_id, now=stamp.text)
    values = {name: value for name, value in wanted.items() if before[name] != value}
    if values:
        rows_.check_references(tx, SUBSTEPS, values)
        change = rows_.update(tx, SUBSTEPS, row_id, {**values, "updated_at": stamp.text})
        done = "status" in values and status is Status.COMPLETED
        _record(tx, stamp, operation, {**before, **values}, change, EventType.STEP_COMPLETED if done else None)
    return Answer(200, SUBSTEPS.one(rows_.shown(tx, SUBSTEPS, row_id)))


def _delete(tx: Tx, stamp: Stamp, row_id: str, caller: Caller) -> Answer:
    before = dict(rows_.fetch(tx, SUBSTEPS, row_id))
    operation = operations_.get(tx, before["operation_id"], deleted_too=True)
    caller.may_write(operation.cell_id)
    _record(tx, stamp, operation, before, rows_.delete(tx, SUBSTEPS, row_id), None)
    return Answer(200, DELETED)


def _columns(given: Given) -> dict[str, Any]:
    return rows_.stored(SUBSTEPS, {name: value for name, value in given.items() if name != "completed"})


def _record(tx: Tx, stamp: Stamp, operation: Operation, row: Given, change: Change, kind: EventType | None) -> None:
    at = time_.parse(row["completed_at"]) if kind is EventType.STEP_COMPLETED else stamp.now
    told = rules.told(row, operation) if kind else None
    event = Event(job_lane(operation.job.id), f"substep:{change.id}", at, (change,), kind, told)
    journal.append(tx, stamp, [event])
