"""Quantities are booked, corrected and taken back. Every number is a fact of its own: nothing is counted up."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.resources import DELETED
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Invalid, NotFound
from gateway.operations import store as operations_
from gateway.operations.model import Operation
from gateway.operations.quantities import rules, store
from gateway.operations.quantities.resources import QUANTITIES
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, EventType, Stamp, job_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

Given = Mapping[str, Any]


class QuantityCommands(Commands):
    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid, Conflict, CellNotAllowed."""
        return await self._once(receipt, create, given, caller)

    async def update(self, row_id: str, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, CellNotAllowed."""
        return await self._once(receipt, update, row_id, given, caller)

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, CellNotAllowed."""
        return await self._once(receipt, _delete, row_id, caller)


def create(tx: Tx, stamp: Stamp, given: Given, caller: Caller, cause: str = "rest") -> Answer:
    """Raises Invalid, Conflict, CellNotAllowed."""
    operation = operation_of(tx, given["operation_id"])
    caller.may_write(operation.cell_id)
    stamps = {"recorded_at": stamp.text, "created_at": stamp.text, "updated_at": stamp.text}
    row: dict[str, Any] = {"id": stamp.new_id(), **stamps}
    row |= rows_.stored(QUANTITIES, {name: value for name, value in given.items() if name != "scrap_reasons"})
    row["recorded_by"] = row.get("recorded_by") or caller.operator_id
    reasons = _reasons(tx, given.get("scrap_reasons") or (), row.get("scrap_reason_id"), row.get("quantity_scrap") or 0)
    row |= rules.counted(row, reasons)
    if len(reasons) == 1:
        row["scrap_reason_id"] = reasons[0]["scrap_reason_id"]
    recorder = operations_.operator_name(tx, row["recorded_by"], "recorded_by") if row["recorded_by"] else None
    change = rows_.insert(tx, QUANTITIES, row)
    if given.get("scrap_reasons"):
        store.save_reasons(tx, stamp, row["id"], reasons)
    journal.append(tx, stamp, _events(operation, row, change, reasons, rules.Origin(recorder, cause)))
    return Answer(201, QUANTITIES.one(rows_.shown(tx, QUANTITIES, row["id"])))


def update(tx: Tx, stamp: Stamp, row_id: str, given: Given, caller: Caller) -> Answer:
    before = dict(rows_.fetch(tx, QUANTITIES, row_id))
    operation = operations_.get(tx, before["operation_id"], deleted_too=True)
    caller.may_write(operation.cell_id)
    values = rows_.stored(QUANTITIES, {name: value for name, value in given.items() if name != "scrap_reasons"})
    after = {**before, **values}
    if not values.keys() & {"quantity_produced"}:
        after.pop("quantity_produced")
    named = given.get("scrap_reasons")
    reasons = store.reasons_of(tx, row_id)
    if named is not None:
        reasons = _reasons(tx, named, None, 0)
        store.save_reasons(tx, stamp, row_id, reasons)
        values.setdefault("scrap_reason_id", reasons[0]["scrap_reason_id"] if len(reasons) == 1 else None)
    values |= rules.counted(after, reasons)
    rows_.check_references(tx, QUANTITIES, values)
    values = {name: value for name, value in values.items() if before[name] != value}
    if values or named is not None:
        change = rows_.update(tx, QUANTITIES, row_id, {**values, "updated_at": stamp.text})
        _record(tx, stamp, operation, change)
    return Answer(200, QUANTITIES.one(rows_.shown(tx, QUANTITIES, row_id)))


def _delete(tx: Tx, stamp: Stamp, row_id: str, caller: Caller) -> Answer:
    before = rows_.fetch(tx, QUANTITIES, row_id)
    operation = operations_.get(tx, before["operation_id"], deleted_too=True)
    caller.may_write(operation.cell_id)
    _record(tx, stamp, operation, rows_.delete(tx, QUANTITIES, row_id))
    return Answer(200, DELETED)


def operation_of(tx: Tx, operation_id: str) -> Operation:
    """Raises Invalid: the id stands in a body, not in the address."""
    try:
        return operations_.get(tx, operation_id)
    except NotFound as exc:
        message = f'no operation has the id "{operation_id}"'
        detail = {"field": "operation_id", "message": message, "constraint": "FK_CONSTRAINT"}
        raise Invalid(message, [detail]) from exc


def _reasons(tx: Tx, given: Sequence[Mapping[str, Any]], single: str | None, scrap: int) -> list[dict[str, Any]]:
    """The reasons with code, description and category; one alone explains all of the scrap."""
    found = []
    seen = set()
    for place, one in enumerate(given):
        field = f"scrap_reasons[{place}].scrap_reason_id"
        if one["scrap_reason_id"] in seen:
            message = "the same reason twice: add the numbers up"
            raise Invalid(message, [{"field": field, "message": message, "constraint": "UNIQUE_CONSTRAINT"}])
        seen.add(one["scrap_reason_id"])
        found.append({**one, **store.reason(tx, one["scrap_reason_id"], field)})
    if single and not found:
        named = store.reason(tx, single, "scrap_reason_id")
        found.append({"scrap_reason_id": single, "quantity": scrap, **named})
    return found


def _events(
    operation: Operation,
    row: Mapping[str, Any],
    change: Change,
    reasons: Sequence[Mapping[str, Any]],
    origin: rules.Origin,
) -> list[Event]:
    lane, aggregate, at = job_lane(operation.job.id), f"quantity:{row['id']}", time_.parse(row["recorded_at"])
    told = rules.reported(row, operation, origin)
    events = [Event(lane, aggregate, at, (change,), EventType.QUANTITY_REPORTED, told)]
    if row["quantity_scrap"]:
        told = rules.scrapped(row, operation, origin, reasons)
        events.append(Event(lane, aggregate, at, (), EventType.SCRAP_RECORDED, told))
    return events


def _record(tx: Tx, stamp: Stamp, operation: Operation, change: Change) -> None:
    """A correction: the row tells, no name for it."""
    event = Event(job_lane(operation.job.id), f"quantity:{change.id}", stamp.now, (change,))
    journal.append(tx, stamp, [event])
