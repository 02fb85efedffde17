"""Whatever people press and report, in whatever order: an operation is held exactly while a standstill issue is pending on it."""

import asyncio
import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

import hypothesis.strategies as st
import pytest
from hall import ANNA, BEN, LASER
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gateway.issues.commands import IssueCommands
from gateway.issues.resources import STATES
from gateway.jobs import rules as job_rules
from gateway.jobs import store as jobs
from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.errors import Conflict, Invalid, InvalidTransition, NotFound
from gateway.kernel.ids import uuid7
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.trees.commands import JobTreeCommands
from gateway.web.routes import Caller, Scope

CALLER = Caller("test", "test", Scope.ADMIN)
REFUSALS = (InvalidTransition, Conflict, Invalid, NotFound)
EXAMPLES, STEPS = 25, 30

two = st.integers(0, 1)
few = st.integers(0, 4)
flag = st.booleans()


class Reporting(RuleBasedStateMachine):
    """One part with two operations; up to a handful of issues on them."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.folder = tempfile.mkdtemp(prefix="reporting-")
        shutil.copy(self.template, self.folder)
        self.clock = ManualClock()

    @initialize()
    def begin(self) -> None:
        self.runner.run(self.open())

    async def open(self) -> None:
        self.db = await self.stack.enter_async_context(Database.open(Path(self.folder), prepare=lambda _path: None))
        made = (self.db, self.clock, uuid7(self.clock), "gw-test")
        self.operations, self.issues = OperationPlanning(*made), IssueCommands(*made)
        plan = [{"operation_name": f"Op {n}", "cell_id": LASER} for n in (1, 2)]
        body = {"job_number": "J", "parts": [{"part_number": "P", "operations": plan}]}
        [part] = json.loads((await JobTreeCommands(*made).create(body, CALLER, None)).data)["job"]["parts"]
        self.part_id = part["id"]
        self.operation_ids = [operation["id"] for operation in part["operations"]]

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)

    def ask(self, doing) -> None:
        before = self.whole()
        try:
            self.runner.run(doing)
        except REFUSALS:
            assert self.whole() == before, "a refusal has left something behind"
        self.runner.run(self.clock.advance(7))

    def rows(self, sql: str, *values) -> list:
        return self.runner.run(self.db.read(lambda connection: [dict(row) for row in connection.execute(sql, values)]))

    def whole(self) -> list:
        return [self.rows(f"SELECT * FROM {table} ORDER BY rowid") for table in ("operations", "issues", "events")]

    def issue(self, number: int) -> str | None:
        found = self.rows("SELECT id FROM issues ORDER BY rowid")
        return found[number % len(found)]["id"] if found else None

    # ------------------------------------------------------------------ what people do

    @rule(verb=st.sampled_from(Verb), place=two, who=st.sampled_from((ANNA, BEN, None)))
    def press(self, verb, place, who):
        self.ask(self.operations.change(ChangeOperation(self.operation_ids[place], verb, who), CALLER, None))

    @rule(place=two, status=st.sampled_from(("not_started", "in_progress", "on_hold", "completed")))
    def say_how_it_stands(self, place, status):
        self.ask(self.operations.update(self.operation_ids[place], {"status": status}, CALLER, None))

    @rule(place=two, stops=flag, status=st.sampled_from(("pending", "pending", "closed")))
    def report(self, place, stops, status):
        given = {"operation_id": self.operation_ids[place], "description": "x", "causes_standstill": stops}
        self.ask(self.issues.create({**given, "status": status}, CALLER, None))

    @rule(number=few, status=st.sampled_from(STATES))
    def settle(self, number, status):
        if issue_id := self.issue(number):
            self.ask(self.issues.update(issue_id, {"status": status}, CALLER, None))

    @rule(number=few, stops=flag)
    def stop_the_work_or_not(self, number, stops):
        if issue_id := self.issue(number):
            self.ask(self.issues.update(issue_id, {"causes_standstill": stops}, CALLER, None))

    @rule(number=few)
    def take_back(self, number):
        if issue_id := self.issue(number):
            self.ask(self.issues.delete(issue_id, CALLER, None))

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def held_exactly_while_a_standstill_is_pending(self):
        pending = {
            row["operation_id"]
            for row in self.rows("SELECT * FROM issues WHERE status = 'pending' AND causes_standstill = 1")
        }
        for row in self.rows("SELECT * FROM operations"):
            if row["status"] == "completed":
                assert row["status_before_hold"] is None
            elif row["id"] in pending:
                assert row["status"] == "on_hold"
                assert row["status_before_hold"] in (None, "not_started", "in_progress")  # None: it was paused before
            else:
                assert row["status_before_hold"] is None, row

    @invariant()
    def journal_tells_the_state(self):
        told: dict[str, str] = {}
        for row in self.rows("SELECT data, aggregate FROM events WHERE type GLOB 'operation.*' ORDER BY seq"):
            data = json.loads(row["data"])
            assert told.get(row["aggregate"], "not_started") == data["previous_status"]
            told[row["aggregate"]] = data["new_status"]
        for row in self.rows("SELECT id, status FROM operations"):
            assert told.get(f"operation:{row['id']}", "not_started") == row["status"]

    @invariant()
    def part_follows(self):
        def follows(connection) -> bool:
            part, _ = jobs.get_part(connection, self.part_id)
            return job_rules.roll_up_part(part, jobs.below_part(connection, part.id)).status is part.status

        assert self.runner.run(self.db.read(follows))


@pytest.fixture(autouse=True)
def template(furnished):
    Reporting.template = furnished


def test_whatever_people_report_the_right_operations_are_held():
    quick = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(Reporting, settings=quick)


def test_the_machine_would_notice_a_lie():
    machine = Reporting()
    try:
        machine.begin()
        machine.report(0, stops=True, status="pending")
        machine.held_exactly_while_a_standstill_is_pending()
        machine.runner.run(
            machine.db.write(lambda tx: tx.execute("UPDATE operations SET status = 'in_progress'") and None)
        )
        with pytest.raises(AssertionError):
            machine.held_exactly_while_a_standstill_is_pending()
    finally:
        machine.teardown()
