"""Batches are planned, started and stopped: read, decide, save, record, in one transaction.

Operations and the time on them are written by `operations/batched.py` alone; a batch says which of them, when, and how much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.batches import rules, store
from gateway.batches.model import Batch, BatchStatus, ChangeBatch, Distribution, Mode, Type
from gateway.batches.resources import BATCHES, MEMBERS
from gateway.catalog import store as rows_
from gateway.catalog.listed import require_own_files
from gateway.catalog.resources import DELETED
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import BadRequest, Conflict, Invalid, InvalidTransition, NotFound
from gateway.operations import batched
from gateway.operations import store as operations_
from gateway.operations.batched import Together
from gateway.operations.model import Operation
from gateway.operations.time_entries import store as entries_
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, EventType, Stamp, encode, row_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

Given = Mapping[str, Any]

IDS = "operation_ids"  # in a body; no column
NOTE = "batch:"  # [U] how the note of a time entry names its batch


class BatchCommands(Commands):
    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid, BadRequest (a rule of batches), Conflict, CellNotAllowed: then nothing of it exists."""
        return await self._once(receipt, _create, given, caller)

    async def update(self, row_id: str, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, BadRequest, Conflict, InvalidTransition, CellNotAllowed."""
        return await self._once(receipt, _update, row_id, given, caller)

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Conflict (it runs, or batches hang on it), CellNotAllowed."""
        return await self._once(receipt, _delete, row_id, caller)

    async def start(self, wish: ChangeBatch, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises BadRequest, Invalid, InvalidTransition (a standstill), CellNotAllowed."""
        return await self._once(receipt, start, wish, caller)

    async def stop(self, wish: ChangeBatch, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises BadRequest, Invalid, CellNotAllowed."""
        return await self._once(receipt, stop, wish, caller)

    async def add(self, batch_id: str, operation_ids: object, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, BadRequest, CellNotAllowed."""
        return await self._once(receipt, _add, batch_id, operation_ids, caller)

    async def monitor(self, caller: Caller) -> Answer:
        """How many automated batches run, and how many of them too long. Nothing is recorded here: exceptions are the cloud's."""
        now = time_.text(self._clock.now())
        seen = await self._db.read(store.watched, now, caller.cells)
        counts = {"monitored_batches": seen.running, "overdue_batches": seen.overdue, "created_exceptions": 0}
        return Answer(200, encode({**counts, "monitored_at": now}))


# ------------------------------------------------------------------ planned


def _create(tx: Tx, stamp: Stamp, given: Given, caller: Caller) -> Answer:
    ids = rules.members(given[IDS]) if given.get(IDS) is not None else []
    row: dict[str, Any] = {
        "id": stamp.new_id(),
        "batch_type": Type.GENERAL,
        "status": BatchStatus.DRAFT,
        "production_mode": Mode.MANUAL,
        "created_at": stamp.text,
        "updated_at": stamp.text,
        "created_by": caller.operator_id,
    }
    row |= rows_.stored(BATCHES, {name: value for name, value in given.items() if name != IDS})
    if row["status"] not in rules.FIRST:
        details = {"requested": row["status"], "allowed": [*rules.FIRST]}
        raise InvalidTransition(f"A new batch is {' or '.join(rules.FIRST)}, not '{row['status']}'.", details)
    rules.require_row(row, given, store.tenant_id(tx))
    rows_.check_references(tx, BATCHES, row)
    require_own_files(tx, BATCHES, row, caller)
    caller.may_write(row["cell_id"])
    _check_members(tx, ids, caller)
    changes = [rows_.insert(tx, BATCHES, row), *_assign(tx, stamp, row["id"], ids)]
    _record(tx, stamp, row["id"], changes)
    shown = rows_.shown(tx, BATCHES, row["id"])
    return Answer(201, BATCHES.one(f'{shown[:-1]},"operations_assigned":{len(ids)}}}'))


def _update(tx: Tx, stamp: Stamp, row_id: str, given: Given, caller: Caller) -> Answer:
    if IDS in given:
        raise BadRequest("operation_ids cannot be changed here: /api-batch-lifecycle/add-operations adds some")
    row = dict(rows_.fetch(tx, BATCHES, row_id))
    caller.may_write(row["cell_id"])
    values = rows_.stored(BATCHES, given)
    values = {name: value for name, value in values.items() if row[name] != value}
    if status := values.get("status"):
        rules.require_update(BatchStatus(row["status"]), BatchStatus(status))
    if values:
        rules.require_row({**row, **values}, values, store.tenant_id(tx))
        rows_.check_references(tx, BATCHES, values)
        require_own_files(tx, BATCHES, values, caller, row)
        _check_parent(tx, row_id, values.get("parent_batch_id"))
        caller.may_write(values.get("cell_id", row["cell_id"]))
        _record(tx, stamp, row_id, [rows_.update(tx, BATCHES, row_id, {**values, "updated_at": stamp.text})])
    return Answer(200, BATCHES.one(rows_.shown(tx, BATCHES, row_id)))


def _check_parent(tx: Tx, batch_id: str, parent_id: str | None) -> None:
    if parent_id is not None and parent_id in store.below(tx, batch_id):
        message = f"the parent {parent_id} must be another batch, and not below this one"
        raise Invalid(message, [{"field": "parent_batch_id", "message": message, "constraint": "FK_CONSTRAINT"}])


def _delete(tx: Tx, stamp: Stamp, row_id: str, caller: Caller) -> Answer:
    row = rows_.fetch(tx, BATCHES, row_id)
    caller.may_write(row["cell_id"])
    if row["status"] == BatchStatus.IN_PROGRESS:
        raise Conflict(f"batch {row_id} is in progress: stop it first", {"status": row["status"]})
    if len(batches := store.below(tx, row_id)) > 1:
        raise Conflict(f"batch {row_id} has batches below it: delete those first", {"below": batches[1:]})
    changes = [rows_.delete(tx, MEMBERS, one) for one in store.memberships(tx, row_id)]
    _record(tx, stamp, row_id, [*changes, rows_.delete(tx, BATCHES, row_id)])
    return Answer(200, DELETED)


def _add(tx: Tx, stamp: Stamp, batch_id: str, operation_ids: object, caller: Caller) -> Answer:
    batch = store.get(tx, batch_id)
    if batch is None:
        raise NotFound("Batch not found")
    caller.may_write(batch.cell_id)
    ids = rules.members(operation_ids, "VALIDATION_ERROR")
    if not ids:
        raise BadRequest("operation_ids is required: a list of at least one id", code="VALIDATION_ERROR")
    if batch.status not in rules.FIRST:
        raise BadRequest(
            f"Cannot add operations to batch in '{batch.status}' status",
            {"current_status": batch.status, "requested": "add-operations", "allowed_from": [*rules.FIRST]},
            code="INVALID_STATE",
        )
    there = store.memberships(tx, batch_id)
    if len(there) + len(ids) > rules.OPERATIONS_MAX:
        message = f"the batch has {len(there)} operations and can have {rules.OPERATIONS_MAX} at most"
        raise BadRequest(message, code="VALIDATION_ERROR")
    _check_members(tx, ids, caller, "VALIDATION_ERROR")
    changes = _assign(tx, stamp, batch_id, ids)
    changes.append(rows_.update(tx, BATCHES, batch_id, {"updated_at": stamp.text}))
    _record(tx, stamp, batch_id, changes)
    return Answer(200, encode({"batch_id": batch_id, "operations_added": len(ids)}))


def _check_members(tx: Tx, ids: Sequence[str], caller: Caller, code: str = "BAD_REQUEST") -> None:
    found = store.found(tx, ids)
    rules.require_free(ids, found, code)
    for cell_id, _ in found.values():
        caller.may_write(cell_id)


def _assign(tx: Tx, stamp: Stamp, batch_id: str, ids: Sequence[str]) -> list[Change]:
    about = {"batch_id": batch_id, "created_at": stamp.text, "updated_at": stamp.text}
    first = store.last_place(tx, batch_id) + 1
    rows = [
        {"id": stamp.new_id(), "operation_id": one, "sequence_in_batch": place, **about}
        for place, one in enumerate(ids, first)
    ]
    return [rows_.insert(tx, MEMBERS, row) for row in rows]


def _record(tx: Tx, stamp: Stamp, batch_id: str, changes: Sequence[Change]) -> None:
    """A plan has no name of its own in the stream: the rows tell."""
    lane, aggregate = row_lane("operation_batches", batch_id), f"batch:{batch_id}"
    journal.append(tx, stamp, [Event(lane, aggregate, stamp.now, tuple(changes))])


# ------------------------------------------------------------------ started and stopped


def start(tx: Tx, stamp: Stamp, wish: ChangeBatch, caller: Caller) -> Answer:
    before, operations = _asked(tx, wish, caller)
    after = rules.started(before, operations, wish, stamp.now)
    name = operations_.operator_name(tx, after.started_by) if after.started_by else None
    begun, at = rules.unfinished(operations), rules.moment(after)
    saved = {"status": after.status, "started_at": time_.text(at), "started_by": after.started_by}
    data = rules.started_data(after, len(operations), name, wish)
    _move(tx, stamp, after, saved, EventType.BATCH_STARTED, data)
    together = Together(at, after.started_by, name, f"{NOTE}{after.id}", rules.about(after))
    for one in begun:
        batched.begin(tx, stamp, one, together)
    told = {"batch_id": after.id, "status": after.status, "operations_started": len(begun)}
    return Answer(200, encode({**told, "started_at": time_.text(at), "monitoring_source": rules.source(after)}))


def stop(tx: Tx, stamp: Stamp, wish: ChangeBatch, caller: Caller) -> Answer:
    before, operations = _asked(tx, wish, caller)
    after = rules.stopped(before, operations, wish, stamp.now)
    name = operations_.operator_name(tx, wish.by) if wish.by else operations_.profile_name(tx, after.started_by)
    operator, at = (wish.by or after.started_by, name), rules.moment(after)
    ended = rules.unfinished(operations)
    time = _share_out(tx, stamp, after, ended, Together(at, *operator, told=rules.about(after)))
    saved = {
        "status": after.status,
        "completed_at": time_.text(at),
        "completed_by": wish.by,
        "actual_time_s": time.total_s,
    }
    ids = [one.id for one in operations]
    _move(tx, stamp, after, saved, EventType.BATCH_COMPLETED, rules.completed_data(after, ids, operator, time, wish))
    told: dict[str, Any] = {"batch_id": after.id, "status": after.status, "completed_at": time_.text(at)}
    told |= {"total_minutes": time.total_minutes, "total_seconds": time.total_s, "distribution_method": time.method}
    told |= {"operations": time.told(ids), "monitoring_source": rules.source(after)}
    if warnings := rules.held(ended):
        told["warnings"] = warnings
    return Answer(200, encode(told))


def _share_out(tx: Tx, stamp: Stamp, batch: Batch, ended: Sequence[Operation], together: Together) -> Distribution:
    """Every operation gets its share of the time and is completed."""
    entries = [entry for one in ended for entry in entries_.open_on(tx, one.id)]
    own = {entry.operation_id: entry for entry in entries if entry.operator_id == batch.started_by}
    time = rules.distribution(batch, ended, own, together.at)
    for one in ended:
        share, entry = time.shares.get(one.id), own.get(one.id)
        if share and entry is None:
            batched.count_machine_time(tx, stamp, one, share.seconds, together.at)
        batched.finish(tx, stamp, one, together, {entry.id: share.seconds} if share and entry else {})
    return time


def _asked(tx: Tx, wish: ChangeBatch, caller: Caller) -> tuple[Batch, list[Operation]]:
    """[U] an unknown batch is a bad request here. Raises BadRequest, CellNotAllowed."""
    batch = store.get(tx, wish.batch_id)
    if batch is None:
        raise BadRequest("Batch not found")
    operations = [operations_.get(tx, one) for one in store.members(tx, batch.id)]
    for cell_id in (batch.cell_id, *(one.cell_id for one in operations)):
        caller.may_write(cell_id)
    return batch, operations


def _move(tx: Tx, stamp: Stamp, batch: Batch, values: Given, kind: EventType, data: Given) -> None:
    change = rows_.update(tx, BATCHES, batch.id, {**values, "updated_at": stamp.text})
    fields = tuple("actual_time" if name == "actual_time_s" else name for name in change.fields or ())
    change = replace(change, fields=fields)
    lane, aggregate = row_lane("operation_batches", batch.id), f"batch:{batch.id}"
    journal.append(tx, stamp, [Event(lane, aggregate, rules.moment(batch), (change,), kind, data)])
