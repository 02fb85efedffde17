"""A job or part with everything below it is made whole or not at all, and deleted whole."""

import json
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.listed import require_own_files
from gateway.catalog.resources import DELETED
from gateway.jobs import events, planning
from gateway.jobs import store as jobs_
from gateway.jobs.commands import CHILD_OF, JobCommands, PartCommands, check_parent
from gateway.jobs.model import Job, Status
from gateway.jobs.resources import JOBS, PARTS
from gateway.jobs.rollup import roll_up_job
from gateway.kernel.db import Tx
from gateway.kernel.errors import BadRequest, Conflict, Invalid, NotFound
from gateway.operations import store
from gateway.operations.planning import gone, insert
from gateway.operations.resources import OPERATIONS
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, EventType, Stamp, encode
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

Given = Mapping[str, Any]
_FLAT_JOB = ("job_number", "status", "created_at")
_LIVE_PARTS = "SELECT id FROM parts WHERE job_id = ? AND deleted_at IS NULL ORDER BY rowid"


class JobTreeCommands(JobCommands):
    """The verbs of `/api-jobs`."""

    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid, Conflict, CellNotAllowed: then nothing of it exists."""
        return await self._once(receipt, _create_job, given, caller)

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Conflict (somebody works on it), CellNotAllowed."""
        return await self._once(receipt, _delete_job, row_id, caller)


class PartTreeCommands(PartCommands):
    """The verbs of `/api-parts`."""

    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid, Conflict, CellNotAllowed: then nothing of it exists."""
        return await self._once(receipt, _create_part, given, caller)

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Conflict (it has parts below it, or somebody works on it), CellNotAllowed."""
        return await self._once(receipt, _delete_part, row_id, caller)


def _create_job(tx: Tx, stamp: Stamp, given: Given, caller: Caller) -> Answer:
    job_id, below, told = insert_job(tx, stamp, given, caller)
    journal.append(tx, stamp, told)
    shown = [_part_shown(tx, part_id, operation_ids) for part_id, operation_ids in below]
    whole = {**json.loads(rows_.shown(tx, JOBS, job_id)), "parts": shown}
    flat = {"job_id": job_id, **{name: whole[name] for name in _FLAT_JOB}, "parts": [_flat_part(one) for one in shown]}
    return Answer(201, encode({"job": whole, **flat}))


def insert_job(
    tx: Tx, stamp: Stamp, given: Given, caller: Caller, sure: Collection[str] = ()
) -> tuple[str, list[tuple[str, list[str]]], list[Event]]:
    """A new job with its `parts` and their `operations`: its id, (id, ids of the operations) of each part, and the events
    that tell of all of them. `sure`: columns of operations whose rows are known to be there. Raises Invalid, Conflict,
    CellNotAllowed.
    """
    parts = given.get("parts") or ()
    row = planning.job_row({name: value for name, value in given.items() if name != "parts"}, stamp)
    rows_.check_references(tx, JOBS, row)
    made = rows_.insert(tx, JOBS, row)
    job = planning.job_of(row)
    operations = sum(len(part.get("operations") or ()) for part in parts)
    data = events.job_created(job, parts=len(parts), operations=operations, at=stamp.now)
    told = [events.of_job(job.id, stamp.now, (made,), EventType.JOB_CREATED, data)]
    below = []
    for place, part in enumerate(parts):
        part_id, operation_ids, event = insert_part(tx, stamp, part, job, caller, f"parts[{place}].", sure)
        below.append((part_id, operation_ids))
        told.append(event)
    return job.id, below, told


def _create_part(tx: Tx, stamp: Stamp, given: Given, caller: Caller) -> Answer:
    for name in ("part_number", "job_id"):
        if not given.get(name):
            raise BadRequest(f"{name} is required")
    try:
        job = jobs_.get_job(tx, given["job_id"])
    except NotFound as exc:
        message = f"no job has the id {given['job_id']}"
        raise Invalid(message, [{"field": "job_id", "message": message, "constraint": "FK_CONSTRAINT"}]) from exc
    part_id, operation_ids, event = insert_part(tx, stamp, given, job, caller)
    reopened = job.status is Status.COMPLETED
    journal.append(tx, stamp, [event, *roll_up_job(tx, stamp, job, stamp.now, reopened=reopened)])
    return Answer(201, PARTS.one(encode(_part_shown(tx, part_id, operation_ids))))


def insert_part(
    tx: Tx,
    stamp: Stamp,
    given: Given,
    job: Job,
    caller: Caller,
    prefix: str = "",
    sure: Collection[str] = (),
) -> tuple[str, list[str], Event]:
    """A new part with its `operations`: (id, ids of its operations, the event that tells of all of them).

    `prefix` is its path in the body, for errors; `sure`: columns of operations whose rows are known to be there. Raises
    Invalid, Conflict, CellNotAllowed.
    """
    row = planning.part_row(
        {name: value for name, value in given.items() if name not in ("operations", "job_id")}, job.id, stamp
    )
    rows_.check_references(tx, PARTS, row, prefix, ("job_id",))
    require_own_files(tx, PARTS, row, caller)
    check_parent(tx, row.get("parent_part_id"), row["id"], job.id, prefix)
    changes = [rows_.insert(tx, PARTS, row)]
    ids = []
    below = given.get("operations") or ()
    for place, (one, sequence) in enumerate(zip(below, _sequences(below), strict=True)):
        plan = {**one, "status": Status.NOT_STARTED, "sequence": sequence}
        operation, made = insert(tx, stamp, plan, row["id"], caller, f"{prefix}operations[{place}].", sure)
        ids.append(operation["id"])
        changes.append(made)
    source = {name: row.get(name) for name in ("external_id", "external_source")}
    data = events.part_created(planning.part_of(row), job, at=stamp.now, **source)
    return row["id"], ids, events.of_part(row["id"], job.id, stamp.now, tuple(changes), EventType.PART_CREATED, data)


def _sequences(operations: Sequence[Given]) -> list[int]:
    """As given; who gave none gets his place in the list, or the next that is free."""
    taken = {one["sequence"] for one in operations if one.get("sequence")}
    found = []
    for place, one in enumerate(operations, 1):
        number = one.get("sequence") or next(free for free in count(place) if free not in taken)
        taken.add(number)
        found.append(number)
    return found


def _part_shown(tx: Tx, part_id: str, operation_ids: Sequence[str]) -> dict[str, Any]:
    operations = [json.loads(rows_.shown(tx, OPERATIONS, one)) for one in operation_ids]
    return {**json.loads(rows_.shown(tx, PARTS, part_id)), "operations": operations}


def _flat_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """As the published reference shows it."""
    names = ("operation_id", "operation_name", "sequence")
    operations = [{name: one[name] for name in names} for one in part["operations"]]
    return {"part_id": part["id"], "part_number": part["part_number"], "operations": operations}


def _delete_job(tx: Tx, stamp: Stamp, row_id: str, caller: Caller) -> Answer:
    before = dict(rows_.fetch(tx, JOBS, row_id))
    rows_.require_cell(tx, JOBS, row_id, caller.cells)
    told = [
        _part_gone(tx, stamp, part_id, row_id, caller) for (part_id,) in tx.execute(_LIVE_PARTS, (row_id,)).fetchall()
    ]
    marked = rows_.update(tx, JOBS, row_id, {"deleted_at": stamp.text, "updated_at": stamp.text})
    change = Change("jobs", row_id, "delete", marked.version, before)
    journal.append(tx, stamp, [*told, events.of_job(row_id, stamp.now, (change,))])
    return Answer(200, DELETED)


def _delete_part(tx: Tx, stamp: Stamp, row_id: str, caller: Caller) -> Answer:
    rows_.fetch(tx, PARTS, row_id)
    _, job = jobs_.get_part(tx, row_id)
    rows_.require_cell(tx, PARTS, row_id, caller.cells)
    if child := tx.execute(CHILD_OF, (row_id,)).fetchone():
        raise Conflict(f"part {row_id} has the part {child[0]} below it: delete that first")
    event = _part_gone(tx, stamp, row_id, job.id, caller)
    journal.append(tx, stamp, [event, *roll_up_job(tx, stamp, job, stamp.now)])
    return Answer(200, DELETED)


def _part_gone(tx: Tx, stamp: Stamp, part_id: str, job_id: str, caller: Caller) -> Event:
    changes = []
    for operation_id, cell_id in store.below_part(tx, part_id):
        caller.may_write(cell_id)
        changes.append(gone(tx, stamp, operation_id))
    before = dict(rows_.fetch(tx, PARTS, part_id))
    marked = rows_.update(tx, PARTS, part_id, {"deleted_at": stamp.text, "updated_at": stamp.text})
    changes.append(Change("parts", part_id, "delete", marked.version, before))
    return events.of_part(part_id, job_id, stamp.now, tuple(changes))
