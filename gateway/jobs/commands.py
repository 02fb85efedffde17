"""Jobs and parts are changed: read, decide, save, record, in one transaction. Made and deleted are they as trees."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.commands import NO_MARKS
from gateway.catalog.listed import require_own_files
from gateway.jobs import events, planning, rules, store
from gateway.jobs.model import Job, Part, Status
from gateway.jobs.resources import JOBS, PARTS
from gateway.jobs.rollup import roll_up_job
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict, Invalid
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Event, EventType, Stamp, encode
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

Given = Mapping[str, Any]
CHILD_OF = "SELECT part_number FROM parts WHERE parent_part_id = ? AND deleted_at IS NULL LIMIT 1"
# Is the second part the first one, or above it?
_IS_ABOVE = """
WITH RECURSIVE above (id) AS (VALUES (?1) UNION SELECT p.parent_part_id FROM parts p JOIN above a ON p.id = a.id)
SELECT 1 FROM above WHERE id = ?2
"""


@dataclass(frozen=True, slots=True)
class ChangeJob:
    """A wish to move a job. `occurred_at` is when it happened, as the sender says; `called` is the verb in his words."""

    job_id: str
    verb: str
    occurred_at: datetime | None = None
    notes: str | None = None
    cause: str = "rest"
    called: str = ""


class JobCommands(Commands):
    async def change(self, wish: ChangeJob, caller: Caller, receipt: Receipt | None) -> Answer:
        """Start, stop, resume or complete. Raises NotFound, CellNotAllowed, InvalidTransition."""
        return await self._once(receipt, _change, wish, caller)

    async def update(self, row_id: str, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, Conflict, InvalidTransition, CellNotAllowed."""
        return await self._once(receipt, _update_job, row_id, given, caller)


class PartCommands(Commands):
    async def update(self, row_id: str, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, Conflict, InvalidTransition, CellNotAllowed."""
        return await self._once(receipt, _update_part, row_id, given, caller)


def _change(tx: Tx, stamp: Stamp, wish: ChangeJob, caller: Caller) -> Answer:
    before = store.get_job(tx, wish.job_id)
    rows_.require_cell(tx, JOBS, before.id, caller.cells)
    at = rules.effective(wish.occurred_at, before.last_at, stamp.now)
    after = rules.change(before, wish.verb, at)
    _move(tx, stamp, before, after, wish, at)
    row = rows_.shown(tx, JOBS, before.id)
    warned = rules.unfinished(after, store.below_job(tx, before.id))
    warnings = f',"warnings":{encode([warned])}' if warned else ""
    states = f'"previous_status":"{before.status}","new_status":"{after.status}"'
    return Answer(200, f'{{"job":{row},"operation":"{wish.called or wish.verb}",{states}{warnings}}}')


def _move(tx: Tx, stamp: Stamp, before: Job, after: Job, wish: ChangeJob, at: datetime) -> None:
    saved = store.save_job(tx, before, after, stamp.text)
    data = events.job_moved(before, after, at, cause=wish.cause, claimed=wish.occurred_at)
    if wish.notes:
        data["notes"] = wish.notes
    journal.append(tx, stamp, [events.of_job(before.id, at, (saved,), rules.JOB_EVENTS[wish.verb], data)])


def _update_job(tx: Tx, stamp: Stamp, row_id: str, given: Given, caller: Caller) -> Answer:
    row = dict(rows_.fetch(tx, JOBS, row_id))
    rows_.require_cell(tx, JOBS, row_id, caller.cells)
    values = rows_.stored(JOBS, given)
    job = store.get_job(tx, row_id)
    if (status := values.pop("status", job.status)) != job.status:
        verb = rules.verb_to("job", rules.VERBS, job.status, Status(status))
        after = rules.change(job, verb, stamp.now)
        _move(tx, stamp, job, after, ChangeJob(row_id, verb, cause="update"), stamp.now)
    if values := planning.differing(row, values):
        journal.append(tx, stamp, [revise_job(tx, stamp, row, values)])
    return Answer(200, JOBS.one(rows_.shown(tx, JOBS, row_id)))


def revise_job(
    tx: Tx, stamp: Stamp, row: Mapping[str, Any], values: Mapping[str, Any], marks: Mapping[str, Any] = NO_MARKS
) -> Event:
    """Set columns that differ, its state not among them; `marks` are set along and are no news. Raises Invalid, Conflict."""
    rows_.check_references(tx, JOBS, values)
    change = rows_.update(tx, JOBS, row["id"], {**values, **marks, "updated_at": stamp.text})
    if not values:
        return events.of_job(row["id"], stamp.now, (change,))
    told = events.job_updated(store.get_job(tx, row["id"]), values, row["external_id"], stamp.now)
    return events.of_job(row["id"], stamp.now, (change,), EventType.JOB_UPDATED, told)


def _update_part(tx: Tx, stamp: Stamp, row_id: str, given: Given, caller: Caller) -> Answer:
    row = dict(rows_.fetch(tx, PARTS, row_id))
    rows_.require_cell(tx, PARTS, row_id, caller.cells)
    values = planning.part_values(row, given)
    require_own_files(tx, PARTS, values, caller, row)
    part, job = store.get_part(tx, row_id)
    told: list[Event] = []
    if (status := values.pop("status", part.status)) != part.status:
        told += _move_part(tx, stamp, part, job, Status(status))
    if values := planning.differing(row, values):
        told += revise_part(tx, stamp, row, values)
    journal.append(tx, stamp, told)
    return Answer(200, PARTS.one(rows_.shown(tx, PARTS, row_id)))


def revise_part(
    tx: Tx, stamp: Stamp, row: Mapping[str, Any], values: Mapping[str, Any], marks: Mapping[str, Any] = NO_MARKS
) -> list[Event]:
    """Set columns that differ, its state not among them; `marks` are set along and are no news. Raises Invalid, Conflict.

    Another `job_id` moves it: told in the lane of the job that it leaves, because there it may still wait to be sent.
    """
    part_id, moved = row["id"], "job_id" in values
    rows_.check_references(tx, PARTS, values)
    check_parent(tx, values.get("parent_part_id"), part_id, values.get("job_id", row["job_id"]))
    if moved:
        _check_move(tx, row, values)
    change = rows_.update(tx, PARTS, part_id, {**values, **marks, "updated_at": stamp.text})
    if not values:
        return [events.of_part(part_id, row["job_id"], stamp.now, (change,))]
    part, job = store.get_part(tx, part_id)
    data = events.part_updated(part, job, values, row["external_id"], stamp.now)
    told = [events.of_part(part_id, row["job_id"], stamp.now, (change,), EventType.PART_UPDATED, data)]
    if moved:
        left = store.get_job(tx, row["job_id"])
        reopened = job.status is Status.COMPLETED and part.status is not Status.COMPLETED
        told += roll_up_job(tx, stamp, left, stamp.now)
        told += roll_up_job(tx, stamp, job, stamp.now, reopened=reopened)
    return told


def _check_move(tx: Tx, row: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raises Conflict: an assembly stays together in one job."""
    if "parent_part_id" not in values and row["parent_part_id"] is not None:
        raise Conflict(f"part {row['part_number']} is below another part: it cannot go to another job alone")
    if child := tx.execute(CHILD_OF, (row["id"],)).fetchone():
        raise Conflict(f"part {row['part_number']} has the part {child[0]} below it: it cannot go to another job alone")


def _move_part(tx: Tx, stamp: Stamp, part: Part, job: Job, target: Status) -> list[Event]:
    """[U] parts have no lifecycle calls of their own: an update of the status is one. Its job follows."""
    rules.verb_to("part", rules.VERBS, part.status, target)
    after = rules.part_as(part, target)
    change = store.save_part(tx, part, after, stamp.text)
    kind = events.part_type(part, after)
    data = events.part_moved(part, after, job, stamp.now, cause="update")
    if kind is EventType.PART_UPDATED:
        data |= events.status_updated(store.external_id(tx, part), stamp.now)
    return [events.of_part(part.id, job.id, stamp.now, (change,), kind, data), *roll_up_job(tx, stamp, job, stamp.now)]


def check_parent(tx: Tx, parent_id: str | None, part_id: str, job_id: str, prefix: str = "") -> None:
    """Raises Invalid: a parent is another part of the same job, and no part is above itself."""
    if parent_id is None:
        return
    found = tx.execute("SELECT job_id FROM parts WHERE id = ? AND deleted_at IS NULL", (parent_id,)).fetchone()
    if found is None or found[0] != job_id or tx.execute(_IS_ABOVE, (parent_id, part_id)).fetchone():
        message = f"the parent {parent_id} must be another part of the same job, and not below this one"
        detail = {"field": f"{prefix}parent_part_id", "message": message, "constraint": "FK_CONSTRAINT"}
        raise Invalid(message, [detail])
