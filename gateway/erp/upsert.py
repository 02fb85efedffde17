"""A plan is carried out: the writes of one record, by the same functions that the other routes use."""

from typing import Any

from gateway.catalog import commands as catalog
from gateway.erp import mapping
from gateway.erp.model import Action, Record
from gateway.erp.plan import Plan
from gateway.erp.store import Found, Known
from gateway.jobs import commands as jobs
from gateway.jobs import store as jobs_
from gateway.jobs.model import Status
from gateway.jobs.resources import JOBS, PARTS
from gateway.jobs.rollup import roll_up, roll_up_job
from gateway.kernel.db import Tx
from gateway.operations import planning as operations
from gateway.operations.resources import OPERATIONS
from gateway.operations.trees import commands as trees
from gateway.outbox.event import Event, Stamp
from gateway.web.routes import Caller

SURE = ("cell_id",)  # looked up while it was planned


class Upsert:
    """`told`: what happened, for the journal. Raises Invalid, Conflict, CellNotAllowed in the middle of it."""

    def __init__(self, tx: Tx, stamp: Stamp, caller: Caller) -> None:
        self.told: list[Event] = []
        self._tx = tx
        self._stamp = stamp
        self._caller = caller
        self._rows: list[tuple[Record, Found]] = []

    def run(self, plan: Plan) -> str:
        """The id of the record's row."""
        if plan.action is Action.CREATED:
            return self._create(plan)
        if plan.action is Action.UPDATED:
            self._revise(plan, plan.above_id)
        return plan.row_id

    def remember(self, known: Known) -> None:
        """For later records of the same request, once it is certain."""
        for record, found in self._rows:
            known.put(record, found)

    # ------------------------------------------------------------------ new rows

    def _create(self, plan: Plan) -> str:
        resource, above_id = plan.record.entity.resource, plan.above_id or ""
        if resource is JOBS:
            return self._new_job(plan)
        if resource is PARTS:
            part_id = self._new_part(plan, above_id)
            self._work_came_into(above_id)
            return part_id
        if resource is OPERATIONS:
            return self._new_operations([plan], above_id)[0]
        row_id, event = catalog.insert(self._tx, self._stamp, resource, self._tree(plan), self._caller)
        self.told.append(event)
        self._made(plan, row_id)
        return row_id

    def _new_job(self, plan: Plan) -> str:
        job_id, below, told = trees.insert_job(self._tx, self._stamp, self._tree(plan), self._caller, SURE)
        self.told += told
        self._made(plan, job_id)
        for child, (part_id, operation_ids) in zip(_new(plan), below, strict=True):
            self._made_part(child, job_id, part_id, operation_ids)
        for child in plan.below:
            if child.action is Action.UPDATED:
                self._revise(child, job_id)
        return job_id

    def _new_part(self, plan: Plan, job_id: str) -> str:
        job = jobs_.get_job(self._tx, job_id)
        given = (self._tree(plan), job, self._caller, plan.record.path, SURE)
        part_id, operation_ids, event = trees.insert_part(self._tx, self._stamp, *given)
        self.told.append(event)
        self._made_part(plan, job_id, part_id, operation_ids)
        return part_id

    def _new_operations(self, plans: list[Plan], part_id: str) -> list[str]:
        part, job = jobs_.get_part(self._tx, part_id)
        ids = []
        for plan in plans:
            given = (self._tree(plan), part_id, self._caller, plan.record.path, SURE)
            row, change = operations.insert(self._tx, self._stamp, *given)
            self.told.append(operations.event_of(row["id"], job.id, self._stamp, change))
            self._made(plan, row["id"], part_id)
            ids.append(row["id"])
        self.told += roll_up(self._tx, self._stamp, part, job, self._stamp.now)
        return ids

    def _tree(self, plan: Plan) -> dict[str, Any]:
        """A new row and those below it that are new as well, as the creating functions take them."""
        record = plan.record
        tree = {**plan.values, **mapping.origin(record), **mapping.marks(record, self._stamp)}
        if record.entity.below:
            tree[record.entity.below] = [self._tree(child) for child in _new(plan)]
        return tree

    def _work_came_into(self, job_id: str) -> None:
        job = jobs_.get_job(self._tx, job_id)
        reopened = job.status is Status.COMPLETED
        self.told += roll_up_job(self._tx, self._stamp, job, self._stamp.now, reopened=reopened)

    # ------------------------------------------------------------------ rows that are there

    def _revise(self, plan: Plan, above_id: str | None) -> None:
        resource, row, values = plan.record.entity.resource, plan.row or {}, dict(plan.values)
        marks = mapping.marks(plan.record, self._stamp)
        if resource is JOBS:
            self.told.append(jobs.revise_job(self._tx, self._stamp, row, values, marks))
            self._parts_below(plan, row["id"])
        elif resource is PARTS:
            if plan.moves:
                values["job_id"] = above_id
            self.told += jobs.revise_part(self._tx, self._stamp, row, values, marks)
            self._operations_below(plan, row["id"])
        elif resource is OPERATIONS:
            self.told += operations.revise(self._tx, self._stamp, row, values, self._caller, marks)
        else:
            self.told.append(catalog.revise(self._tx, self._stamp, resource, row, values, marks))
        self._made(plan, row["id"], above_id)

    def _parts_below(self, plan: Plan, job_id: str) -> None:
        for child in _new(plan):
            self._new_part(child, job_id)
        for child in plan.below:
            if child.action is Action.UPDATED:
                self._revise(child, job_id)
        if _new(plan):
            self._work_came_into(job_id)

    def _operations_below(self, plan: Plan, part_id: str) -> None:
        for child in plan.below:
            if child.action is Action.UPDATED:
                self._revise(child, part_id)
        if fresh := _new(plan):
            self._new_operations(fresh, part_id)

    # ------------------------------------------------------------------ who is known now

    def _made(self, plan: Plan, row_id: str, above_id: str | None = None) -> None:
        self._rows.append((plan.record, Found(row_id, above_id, plan.record.hash)))

    def _made_part(self, plan: Plan, job_id: str, part_id: str, operation_ids: list[str]) -> None:
        self._made(plan, part_id, job_id)
        for child, operation_id in zip(_new(plan), operation_ids, strict=True):
            self._made(child, operation_id, part_id)


def seen(known: Known, plan: Plan) -> None:
    """In a dry run: what would be there now."""
    known.put(plan.record, Found(plan.row_id, plan.above_id, plan.record.hash))
    known.name(plan.record.entity, plan.values)
    for child in plan.below:
        seen(known, child)


def _new(plan: Plan) -> list[Plan]:
    return [child for child in plan.below if child.action is Action.CREATED]
