"""A floor on which anything may happen: every kind of mutation, in a random order, through the product's own commands."""

import random
from datetime import UTC, datetime, timedelta

from gateway.catalog.commands import RowCommands
from gateway.catalog.tables import CELLS, RESOURCES, SCRAP_REASONS, SUBSTEP_TEMPLATES
from gateway.cloud import mapping, store
from gateway.demo import factory
from gateway.issues.commands import IssueCommands
from gateway.jobs.assignments.commands import AssignmentCommands
from gateway.jobs.commands import ChangeJob
from gateway.kernel.errors import GatewayError
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.quantities.commands import QuantityCommands
from gateway.operations.substeps.commands import SubstepCommands
from gateway.operations.time_entries.commands import TimeEntryCommands
from gateway.operations.trees.commands import JobTreeCommands, PartTreeCommands
from gateway.web.routes import Caller, Scope

PEOPLE = tuple(factory.named("profile", name) for name in factory.PEOPLE)
FORWARDED = (
    "cells",
    "resources",
    "scrap_reasons",
    "jobs",
    "parts",
    "operations",
    "time_entries",
    "operation_quantities",
    "issues",
    "substeps",
    "assignments",
    "substep_templates",
)
LATE_MAX_MIN = 300
STANDSTILLS = 0.3  # of the issues
STAMPS = ("started_at", "paused_at", "resumed_at", "completed_at")  # of fresh work the cloud's own clock will do
STAMP_TOLERANCE = timedelta(seconds=2)


class Floor:
    """`acted` counts what was done, by kind; what a rule refused does not count. `cells`: of those alone, None for all."""

    def __init__(self, shop, seed: int, gateway_id: str = "gw-test", cells: frozenset[str] | None = None) -> None:
        self._db = shop.db
        self._rng = random.Random(seed)
        self._caller = Caller("floor", "floor", Scope.ADMIN, cells)
        made = (shop.db, shop.clock, shop.new_id, gateway_id)
        self._operations = OperationPlanning(*made)
        self._jobs = JobTreeCommands(*made)
        self._parts = PartTreeCommands(*made)
        self._quantities = QuantityCommands(*made)
        self._entries = TimeEntryCommands(*made)
        self._steps = SubstepCommands(*made)
        self._issues = IssueCommands(*made)
        self._assignments = AssignmentCommands(*made)
        plain = (CELLS, RESOURCES, SCRAP_REASONS, SUBSTEP_TEMPLATES)
        self._plain = {one.table: RowCommands(one, *made) for one in plain}
        self._new_id = shop.new_id
        self.acted: dict[str, int] = {}

    async def act(self) -> None:
        kinds = {
            self.press: 10,
            self.count: 6,
            self.recount: 2,
            self.book: 3,
            self.add_step: 2,
            self.complain: 2,
            self.settle: 2,
            self.tick: 3,
            self.assign: 2,
            self.take: 2,
            self.rebook: 2,
            self.move_job: 2,
            self.plan_job: 1,
            self.plan_part: 1,
            self.plan_operation: 2,
            self.replan: 4,
            self.cancel: 1,
            self.keep_house: 3,
        }
        (kind,) = self._rng.choices(list(kinds), weights=kinds.values())
        try:
            await kind()
        except (GatewayError, LookupError):
            return  # a rule said no, or there is nothing of that kind
        self.acted[kind.__name__] = self.acted.get(kind.__name__, 0) + 1

    async def press(self) -> None:
        operation_id = await self._any("operations", "status <> 'completed'")
        at = self._at()
        for verb in self._rng.sample(list(Verb), len(Verb)):
            wish = ChangeOperation(operation_id, verb, self._rng.choice((*PEOPLE, None)), at)
            try:
                await self._operations.change(wish, self._caller, None)
            except GatewayError:
                continue
            return

    async def count(self) -> None:
        good, scrap = self._rng.randint(0, 9), self._rng.randint(0, 2)
        given = {"operation_id": await self._any("operations"), "quantity_good": good, "quantity_scrap": scrap}
        if scrap and self._rng.random() < 0.5:
            reason = await self._any("scrap_reasons", alive="active = 1")
            given["scrap_reasons"] = [{"scrap_reason_id": reason, "quantity": scrap}]
        await self._quantities.create(given, self._caller, None)

    async def recount(self) -> None:
        row_id = await self._any("operation_quantities", alive="1")
        if self._rng.random() < 0.4:
            await self._quantities.delete(row_id, self._caller, None)
        else:
            await self._quantities.update(row_id, {"quantity_good": self._rng.randint(0, 20)}, self._caller, None)

    async def book(self) -> None:
        began = datetime.now(UTC) - timedelta(minutes=self._rng.randint(60, 600))
        given = {"operation_id": await self._any("operations"), "operator_id": self._rng.choice(PEOPLE)}
        given |= {"start_time": began.isoformat(), "end_time": (began + timedelta(minutes=25)).isoformat()}
        await self._entries.create(given, self._caller, None)

    async def rebook(self) -> None:
        row_id = await self._any("time_entries", "end_time IS NOT NULL", alive="1")
        if self._rng.random() < 0.4:
            await self._entries.delete(row_id, self._caller, None)
        else:
            await self._entries.update(row_id, {"notes": self._word(), "time_type": "setup"}, self._caller, None)

    async def complain(self) -> None:
        given = {"operation_id": await self._any("operations"), "created_by": self._rng.choice(PEOPLE)}
        given |= {"description": self._word(), "severity": self._rng.choice(("low", "critical"))}
        if self._rng.random() < 0.3:
            given |= {"issue_type": "ncr", "ncr_category": "dimensional"}
        await self._issues.create({**given, "causes_standstill": self._rng.random() < STANDSTILLS}, self._caller, None)

    async def settle(self) -> None:
        row_id = await self._any("issues", alive="1")
        if self._rng.random() < 0.2:
            await self._issues.delete(row_id, self._caller, None)
        else:
            given = {"status": self._rng.choice(("approved", "closed")), "root_cause": self._word()}
            await self._issues.update(row_id, given, self._caller, None)

    async def add_step(self) -> None:
        await self._steps.create(
            {"operation_id": await self._any("operations"), "name": self._word()}, self._caller, None
        )

    async def tick(self) -> None:
        row_id = await self._any("substeps", alive="1")
        if self._rng.random() < 0.2:
            await self._steps.delete(row_id, self._caller, None)
        else:
            given = {"status": self._rng.choice(("completed", "blocked")), "completed_by": self._rng.choice(PEOPLE)}
            await self._steps.update(row_id, given, self._caller, None)

    async def assign(self) -> None:
        given = {"operator_id": self._rng.choice(PEOPLE), "assigned_by": self._rng.choice(PEOPLE)}
        what = self._rng.choice(("job", "part"))
        await self._assignments.create({f"{what}_id": await self._any(f"{what}s"), **given}, self._caller, None)

    async def take(self) -> None:
        row_id = await self._any("assignments", alive="1")
        if self._rng.random() < 0.2:
            await self._assignments.delete(row_id, self._caller, None)
        else:
            given = {"status": self._rng.choice(("accepted", "completed")), "operator_id": self._rng.choice(PEOPLE)}
            await self._assignments.update(row_id, given, self._caller, None)

    async def move_job(self) -> None:
        verb = self._rng.choice(("start", "stop", "resume", "complete"))
        await self._jobs.change(ChangeJob(await self._any("jobs"), verb, self._at()), self._caller, None)

    async def plan_job(self) -> None:
        steps = [{"operation_name": self._word(), "cell_id": await self._any("cells"), "estimated_time": 5}]
        parts = [{"part_number": self._word(), "quantity": 3, "operations": steps}]
        given = {"job_number": self._word(), "customer": "Ümlaut & Söhne", "priority": 2, "parts": parts}
        await self._jobs.create({**given, "external_id": self._word(), "external_source": "erp"}, self._caller, None)

    async def plan_part(self) -> None:
        await self._parts.create({"part_number": self._word(), "job_id": await self._any("jobs")}, self._caller, None)

    async def plan_operation(self) -> None:
        given = {
            "part_id": await self._any("parts"),
            "cell_id": await self._any("cells"),
            "operation_name": self._word(),
        }
        await self._operations.create(given, self._caller, None)

    async def replan(self) -> None:
        what = self._rng.choice(("jobs", "parts", "operations"))
        row_id = await self._any(what)
        if what == "jobs":
            given = {"notes": self._word(), "priority": self._rng.randint(0, 9)}
            await self._jobs.update(row_id, given, self._caller, None)
        elif what == "parts":
            await self._parts.update(row_id, {"material": self._word(), "metadata": {"a": 1}}, self._caller, None)
        else:
            given = {"cell_id": await self._any("cells"), "estimated_time": self._rng.randint(1, 99)}
            await self._operations.update(row_id, given, self._caller, None)

    async def cancel(self) -> None:
        what = self._rng.choice(("jobs", "parts", "operations"))
        commands = {"jobs": self._jobs, "parts": self._parts, "operations": self._operations}[what]
        await commands.delete(await self._any(what), self._caller, None)

    async def keep_house(self) -> None:
        table = self._rng.choice(tuple(self._plain))
        commands = self._plain[table]
        given = {
            "cells": {"name": self._word()},
            "resources": {"name": self._word(), "type": "tooling"},
            "scrap_reasons": {"code": self._word(), "description": "odd", "category": "other"},
            "substep_templates": {"name": self._word(), "is_global": self._rng.random() < 0.5},
        }[table]
        chance = self._rng.random()
        if chance < 0.5:
            await commands.create(given, self._caller, None)
        elif chance < 0.8:
            flag = {} if table == "substep_templates" else {"active": True}
            await commands.update(await self._any(table), {**flag, **given}, self._caller, None)
        elif self._caller.cells is None:  # who shares them with others leaves them: work of theirs may name them
            await commands.delete(await self._any(table), self._caller, None)

    async def _any(self, table: str, where: str = "1", *, alive: str | None = None) -> str:
        """The id of a row that is there. Raises IndexError when there is none."""
        alive = alive or ("1" if table in ("scrap_reasons", "substep_templates") else "deleted_at IS NULL")
        sql = f"SELECT id FROM {table} WHERE {alive} AND {where} ORDER BY id"
        return self._rng.choice([row[0] for row in await self._db.read(lambda c: c.execute(sql).fetchall())])

    def _at(self) -> datetime | None:
        """Now, or some time ago: a phone that was out of reach."""
        if self._rng.random() < 0.5:
            return None
        return datetime.now(UTC) - timedelta(minutes=self._rng.randint(2, LATE_MAX_MIN))

    def _word(self) -> str:
        return f"w{self._rng.getrandbits(40):010x}"


def close(ours: str | None, theirs: str | None) -> bool:
    if ours is None or theirs is None:
        return False
    return abs(datetime.fromisoformat(ours) - datetime.fromisoformat(theirs)) <= STAMP_TOLERANCE


def differences(connection, cloud) -> list[str]:
    """Where the cloud is not what the local copy says it should be: nothing lost, nothing doubled, nothing old."""
    told = []
    for table in FORWARDED:
        there = {row["id"]: row for row in cloud.rows(table)}
        expected: dict[str, dict] = {}
        for (row_id,) in connection.execute(f"SELECT id FROM {table}").fetchall():
            row, below = store.local(connection, table, row_id)
            if not row.get("deleted_at"):
                wanted = mapping.wanted(table, row, below)
                expected |= {want.id: want.values for want in wanted if not want.empty or want.id in there}
        for row_id in expected.keys() - there.keys():
            told.append(f"{table} {row_id} is not in the cloud")
        for row_id, row in there.items():
            if row.get("deleted_at") or (table == "cells" and not row["active"]):
                continue
            if row_id not in expected:
                told.append(f"{table} {row_id} should not be in the cloud: {row}")
                continue
            told += [
                f"{table} {row_id} {name}: {value!r} here, {row[name]!r} there"
                for name, value in expected[row_id].items()
                if not (mapping.same(value, row[name]) or (name in STAMPS and close(value, row[name])))
            ]
        told += [f"{table} {row_id} is deleted there" for row_id in expected if there.get(row_id, {}).get("deleted_at")]
    return told
