"""Operations are planned: made, changed and deleted; the part and job above them follow."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.commands import NO_MARKS
from gateway.catalog.resources import DELETED
from gateway.jobs import planning
from gateway.jobs import store as jobs_
from gateway.jobs.model import MINUTE_S, Job, Part, Status, minutes
from gateway.jobs.rollup import roll_up
from gateway.jobs.rules import verb_to
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict, Invalid, NotFound
from gateway.operations import store
from gateway.operations.commands import OperationCommands, change
from gateway.operations.model import ChangeOperation, Operation, Verb
from gateway.operations.quantities import gathered
from gateway.operations.resources import OPERATIONS
from gateway.operations.rules import COMPLETE_PERCENTAGE, VERBS
from gateway.operations.time_entries import store as entries_
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, job_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

Given = Mapping[str, Any]

_RESOURCE = "SELECT 1 FROM resources WHERE id = ? AND deleted_at IS NULL"
_NEED = """
INSERT INTO operation_resources (id, operation_id, resource_id, quantity, notes, created_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (operation_id, resource_id) DO UPDATE SET quantity = excluded.quantity, notes = excluded.notes
WHERE quantity IS NOT excluded.quantity OR notes IS NOT excluded.notes
"""


class OperationPlanning(OperationCommands):
    """The verbs of `/api-operations`."""

    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid, Conflict, CellNotAllowed."""
        return await self._once(receipt, _create, given, caller)

    async def update(self, row_id: str, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, Conflict, InvalidTransition, CellNotAllowed."""
        return await self._once(receipt, _update, row_id, given, caller)

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Conflict (somebody works on it), CellNotAllowed."""
        return await self._once(receipt, _delete, row_id, caller)


def _create(tx: Tx, stamp: Stamp, given: Given, caller: Caller) -> Answer:
    part, job = _part_of(tx, given["part_id"])
    row, made = insert(tx, stamp, given, part.id, caller)
    event = event_of(row["id"], job.id, stamp, made)
    journal.append(tx, stamp, [event, *roll_up(tx, stamp, part, job, stamp.now)])
    return Answer(201, OPERATIONS.one(rows_.shown(tx, OPERATIONS, row["id"])))


def insert(
    tx: Tx,
    stamp: Stamp,
    given: Given,
    part_id: str,
    caller: Caller,
    prefix: str = "",
    sure: Collection[str] = (),
) -> tuple[dict[str, Any], Change]:
    """A new operation of a part that is there; `prefix` is its path in the body, for errors; `sure`: columns whose rows are
    known to be there as well.
    """
    needs = given.get("resources") or ()
    row = planning.new_row(OPERATIONS, {name: value for name, value in given.items() if name != "resources"}, stamp)
    row["part_id"] = part_id
    row["actual_time_s"] = row.pop("actual_time", 0) * MINUTE_S
    if row.get("sequence") is None:
        row["sequence"] = store.next_sequence(tx, part_id)
    if row["status"] == Status.COMPLETED:
        row.setdefault("completion_percentage", COMPLETE_PERCENTAGE)
    row = {name: value for name, value in row.items() if value is not None}
    rows_.check_references(tx, OPERATIONS, row, prefix, ("part_id", *sure))
    caller.may_write(row["cell_id"])
    made = rows_.insert(tx, OPERATIONS, row)
    _need(tx, stamp, row["id"], needs, prefix)
    return row, made


def _need(tx: Tx, stamp: Stamp, operation_id: str, needs: Sequence[Given], prefix: str) -> bool:
    """What it needs of tools and the like; what it needs already is set anew. True when that is news. Raises Invalid."""
    seen, news = set(), 0
    for place, need in enumerate(needs):
        resource_id, field = need["resource_id"], f"{prefix}resources[{place}].resource_id"
        if tx.execute(_RESOURCE, (resource_id,)).fetchone() is None:
            raise _wrong(field, f"no resource has the id {resource_id}", "FK_CONSTRAINT")
        if resource_id in seen:
            raise _wrong(field, "the same resource twice: add the numbers up", "UNIQUE_CONSTRAINT")
        seen.add(resource_id)
        given = (resource_id, need.get("quantity", 1), need.get("notes"))
        news += tx.execute(_NEED, (stamp.new_id(), operation_id, *given, stamp.text)).rowcount
    return news > 0


def _wrong(field: str, message: str, constraint: str) -> Invalid:
    return Invalid(message, [{"field": field, "message": message, "constraint": constraint}])


def _update(tx: Tx, stamp: Stamp, row_id: str, given: Given, caller: Caller) -> Answer:
    row = dict(rows_.fetch(tx, OPERATIONS, row_id))
    caller.may_write(row["cell_id"])
    values = rows_.stored(OPERATIONS, given)
    needs = values.pop("resources", None) or ()
    actual_time = values.pop("actual_time", None)
    if (status := values.pop("status", row["status"])) != row["status"]:
        verb = verb_to("operation", VERBS, Status(row["status"]), Status(status))
        change(tx, stamp, ChangeOperation(row_id, Verb(verb), cause="update"), caller)
    if values := planning.differing(row, values):
        journal.append(tx, stamp, revise(tx, stamp, row, values, caller))
    if _need(tx, stamp, row_id, needs, ""):
        touched = rows_.update(tx, OPERATIONS, row_id, {"updated_at": stamp.text})
        journal.append(tx, stamp, [event_of(row_id, store.get(tx, row_id).job.id, stamp, touched)])
    if actual_time is not None:
        _say_actual_time(tx, stamp, row_id, actual_time)
    return Answer(200, OPERATIONS.one(rows_.shown(tx, OPERATIONS, row_id)))


def revise(
    tx: Tx,
    stamp: Stamp,
    row: Given,
    values: Given,
    caller: Caller,
    marks: Given = NO_MARKS,
) -> list[Event]:
    """Set columns that differ, its state not among them; `marks` are set along and are no news.

    Raises Invalid, CellNotAllowed.
    """
    rows_.check_references(tx, OPERATIONS, values)
    caller.may_write(values.get("cell_id", row["cell_id"]))
    changed = rows_.update(tx, OPERATIONS, row["id"], {**values, **marks, "updated_at": stamp.text})
    operation = store.get(tx, row["id"])
    event = event_of(row["id"], operation.job.id, stamp, changed)
    return [event, *roll_up(tx, stamp, operation.part, operation.job, stamp.now)]


def _say_actual_time(tx: Tx, stamp: Stamp, operation_id: str, given_min: int) -> None:
    """Somebody who keeps no time entries may say how long it took. Raises Invalid when the entries say otherwise."""
    operation = store.get(tx, operation_id)
    if given_min == minutes(operation.actual_time_s):
        return
    if entries_.any_on(tx, operation_id):
        message = f"the time entries add up to {minutes(operation.actual_time_s)} minutes: correct them instead"
        raise _wrong("actual_time", message, "CHECK_CONSTRAINT")
    changes = store.set_actual_time(tx, operation, given_min * MINUTE_S, stamp.text)
    journal.append(tx, stamp, [event_of(operation_id, operation.job.id, stamp, *changes)])


def _delete(tx: Tx, stamp: Stamp, row_id: str, caller: Caller) -> Answer:
    operation = _found(tx, row_id)
    caller.may_write(operation.cell_id)
    event = event_of(row_id, operation.job.id, stamp, gone(tx, stamp, row_id))
    part, job = jobs_.get_part(tx, operation.part.id)
    journal.append(tx, stamp, [event, *roll_up(tx, stamp, part, job, stamp.now)])
    return Answer(200, DELETED)


def gone(tx: Tx, stamp: Stamp, operation_id: str) -> Change:
    """Marked as deleted; what was booked on it stays. Raises Conflict while somebody works on it."""
    if entries_.open_on(tx, operation_id):
        message = f"operation {operation_id} has an open time entry: pause or complete the work first"
        raise Conflict(message, {"operation_id": operation_id})
    gathered.before_the_end(tx, stamp, operation_id)
    before = dict(rows_.fetch(tx, OPERATIONS, operation_id))
    marked = rows_.update(tx, OPERATIONS, operation_id, {"deleted_at": stamp.text, "updated_at": stamp.text})
    return Change("operations", operation_id, "delete", marked.version, before)


def _found(tx: Tx, row_id: str) -> Operation:
    rows_.fetch(tx, OPERATIONS, row_id)  # its words for a row that is not there
    return store.get(tx, row_id)


def _part_of(tx: Tx, part_id: str) -> tuple[Part, Job]:
    try:
        return jobs_.get_part(tx, part_id)
    except NotFound as exc:
        raise _wrong("part_id", f"no part has the id {part_id}", "FK_CONSTRAINT") from exc


def event_of(operation_id: str, job_id: str, stamp: Stamp, *changes: Change) -> Event:
    """Plans have no name of their own in the stream: the row tells."""
    return Event(job_lane(job_id), f"operation:{operation_id}", stamp.now, changes)
