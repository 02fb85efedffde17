"""Whatever three people press, in whatever order: state, time, roll-up, ledger and journal always agree.

The real commands on a real SQLite file; the clock is turned by hand.
"""

import asyncio
import contextlib
import json
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import hypothesis.strategies as st
import pytest
from hall import ANNA, BEN, BURR, CEM, LASER, SAW
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.jobs import rules as job_rules
from gateway.jobs import store as jobs
from gateway.jobs.commands import ChangeJob
from gateway.jobs.model import Status
from gateway.kernel import clock as time_
from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.errors import Conflict, Invalid, InvalidTransition, NotFound
from gateway.kernel.ids import uuid7
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.quantities.commands import QuantityCommands
from gateway.operations.time_entries.commands import TimeEntryCommands
from gateway.operations.trees.commands import JobTreeCommands, PartTreeCommands
from gateway.web.routes import Caller, Scope

CALLER = Caller("test", "test", Scope.ADMIN)
PEOPLE = (ANNA, BEN, CEM)
REFUSALS = (InvalidTransition, Conflict, Invalid, NotFound)  # a fine answer to somebody who presses at random
EXAMPLES, STEPS = 22, 30

people = st.sampled_from(PEOPLE)
somebody = st.sampled_from((*PEOPLE, None))
few = st.integers(0, 5)
near = st.integers(0, 2)


class Pressing(RuleBasedStateMachine):
    """Two parts with two operations each; `reported` is what was booked and not taken back."""

    template: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.folder = tempfile.mkdtemp(prefix="pressing-")
        shutil.copy(self.template, self.folder)
        self.clock = ManualClock()

    @initialize()
    def begin(self) -> None:
        self.run(self.open())

    async def open(self) -> None:
        self.db = await self.stack.enter_async_context(Database.open(Path(self.folder), prepare=lambda _path: None))
        made = (self.db, self.clock, uuid7(self.clock), "gw-test")
        self.operations, self.entries, self.quantities = (
            OperationPlanning(*made),
            TimeEntryCommands(*made),
            QuantityCommands(*made),
        )
        self.jobs, self.parts = JobTreeCommands(*made), PartTreeCommands(*made)
        plan = [
            {
                "part_number": f"P{part}",
                "operations": [
                    {"operation_name": f"{part}.{n}", "cell_id": cell} for n, cell in ((1, LASER), (2, SAW))
                ],
            }
            for part in (1, 2)
        ]
        answer = await self.jobs.create({"job_number": "J", "parts": plan}, CALLER, None)
        job = json.loads(answer.data)["job"]
        self.job_id = job["id"]
        self.part_ids = [part["id"] for part in job["parts"]]
        self.operation_ids = [operation["id"] for part in job["parts"] for operation in part["operations"]]
        self.reported: dict[str, int] = {}

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)

    def run(self, doing):
        return self.runner.run(doing)

    def ask(self, doing):
        """The answer's data; None when it was refused, which leaves everything as it is."""
        before = self.whole()
        try:
            return json.loads(self.run(doing).data)
        except REFUSALS:
            assert self.whole() == before, "a refusal has left something behind"
            return None

    def rows(self, sql: str, *values) -> list:
        return self.run(self.db.read(lambda connection: [dict(row) for row in connection.execute(sql, values)]))

    def whole(self) -> list:
        tables = "jobs parts operations time_entries time_entry_pauses operation_quantities events".split()
        return [self.rows(f"SELECT * FROM {table} ORDER BY rowid") for table in tables]

    def pick(self, table: str, number: int) -> str | None:
        found = self.rows(f"SELECT id FROM {table} ORDER BY rowid")
        return found[number % len(found)]["id"] if found else None

    # ------------------------------------------------------------------ what people do

    @rule(seconds=st.integers(1, 5000))
    def time_passes(self, seconds):
        self.run(self.clock.advance(seconds))

    @rule(verb=st.sampled_from(Verb), place=few, who=somebody, late=st.sampled_from((None, 0, 300, 90_000, -600)))
    def press(self, verb, place, who, late):
        claimed = None if late is None else self.clock.now() - timedelta(seconds=late)
        operation_id = self.operation_ids[place % len(self.operation_ids)]
        self.ask(self.operations.change(ChangeOperation(operation_id, verb, who, claimed), CALLER, None))

    @rule(place=near, who=people, seconds=st.integers(1, 5000), end=st.booleans())
    def go_on(self, place, who, seconds, end):
        """What is legal next, by somebody: so that a run gets somewhere."""
        operation_id = self.operation_ids[place]
        [found] = self.rows("SELECT status FROM operations WHERE id = ?", operation_id)
        legal = {"not_started": Verb.START, "on_hold": Verb.RESUME, "in_progress": Verb.COMPLETE if end else Verb.PAUSE}
        if verb := legal.get(found["status"]):
            self.ask(self.operations.change(ChangeOperation(operation_id, verb, who), CALLER, None))
            self.run(self.clock.advance(seconds))

    @rule(verb=st.sampled_from(sorted(job_rules.VERBS)))
    def move_the_job(self, verb):
        self.ask(self.jobs.change(ChangeJob(self.job_id, verb), CALLER, None))

    @rule(place=few, status=st.sampled_from(Status), name=st.text("abc", min_size=1, max_size=3))
    def set_a_status(self, place, status, name):
        operation_id = self.operation_ids[place % len(self.operation_ids)]
        self.ask(self.operations.update(operation_id, {"status": status, "operation_name": name}, CALLER, None))

    @rule(place=few, who=people, minutes=st.integers(-30, 60), ended=st.booleans())
    def book_time_by_hand(self, place, who, minutes, ended):
        start = self.clock.now() - timedelta(minutes=60)
        given = {"operation_id": self.operation_ids[place % len(self.operation_ids)], "operator_id": who}
        given["start_time"] = time_.text(start)
        if ended:
            given["end_time"] = time_.text(start + timedelta(minutes=minutes))
        self.ask(self.entries.create(given, CALLER, None))

    @rule(number=few, minutes=st.integers(-10, 10), duration=st.one_of(st.none(), st.integers(0, 50)))
    def correct_an_entry(self, number, minutes, duration):
        if entry_id := self.pick("time_entries", number):
            given = {"end_time": time_.text(self.clock.now() + timedelta(minutes=minutes))}
            if duration is not None:
                given["duration"] = duration
            self.ask(self.entries.update(entry_id, given, CALLER, None))

    @rule(number=few)
    def delete_an_entry(self, number):
        if entry_id := self.pick("time_entries", number):
            self.ask(self.entries.delete(entry_id, CALLER, None))

    @rule(place=few, good=few, scrap=few, told=few, who=somebody)
    def report(self, place, good, scrap, told, who):
        given = {"operation_id": self.operation_ids[place % len(self.operation_ids)], "recorded_by": who}
        given |= {"quantity_good": good, "quantity_scrap": scrap}
        if told:
            given["scrap_reasons"] = [{"scrap_reason_id": BURR, "quantity": told}]
        if done := self.ask(self.quantities.create(given, CALLER, None)):
            self.reported[done["operation_quantity"]["id"]] = good + scrap

    @rule(number=few, good=few)
    def correct_a_report(self, number, good):
        if quantity_id := self.pick("operation_quantities", number):
            done = self.ask(self.quantities.update(quantity_id, {"quantity_good": good}, CALLER, None))
            self.reported[quantity_id] = done["operation_quantity"]["quantity_produced"]

    @rule(number=few)
    def take_a_report_back(self, number):
        if quantity_id := self.pick("operation_quantities", number):
            self.ask(self.quantities.delete(quantity_id, CALLER, None))
            del self.reported[quantity_id]

    @rule(part=st.integers(0, 1), cell=st.sampled_from((LASER, SAW)))
    def plan_an_operation(self, part, cell):
        given = {"part_id": self.part_ids[part], "cell_id": cell, "operation_name": "more"}
        if done := self.ask(self.operations.create(given, CALLER, None)):
            self.operation_ids.append(done["operation"]["id"])

    @precondition(lambda self: len(self.operation_ids) > 2)
    @rule(place=few)
    def delete_an_operation(self, place):
        self.ask(self.operations.delete(self.operation_ids[place % len(self.operation_ids)], CALLER, None))

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def journal_tells_the_state(self):
        told: dict[str, str] = {}
        for row in self.rows("SELECT type, data, aggregate FROM events WHERE type IS NOT NULL ORDER BY seq"):
            data = json.loads(row["data"])
            if "new_status" in data:
                assert told.get(row["aggregate"], "not_started") == data["previous_status"], row
                told[row["aggregate"]] = data["new_status"]
        for kind, table in (("job", "jobs"), ("part", "parts"), ("operation", "operations")):
            for row in self.rows(f"SELECT id, status FROM {table}"):
                assert told.get(f"{kind}:{row['id']}", "not_started") == row["status"], (table, row)

    @invariant()
    def moves_are_in_order_of_time(self):
        last: dict[str, str] = {}
        for row in self.rows("SELECT aggregate, occurred_at FROM events WHERE type GLOB 'operation.*' ORDER BY seq"):
            assert last.get(row["aggregate"], "") <= row["occurred_at"], row
            last[row["aggregate"]] = row["occurred_at"]

    @invariant()
    def time_is_the_sum_over_the_entries(self):
        for operation in self.rows("SELECT id, actual_time_s FROM operations"):
            total = sum(
                map(self.counted_s, self.rows("SELECT * FROM time_entries WHERE operation_id = ?", operation["id"]))
            )
            assert operation["actual_time_s"] == total, operation

    def counted_s(self, entry) -> int:
        """Closed: as it stands, and never more than the clock allows if nobody overruled it. Open: up to the last pause."""
        pauses = self.rows("SELECT * FROM time_entry_pauses WHERE time_entry_id = ? ORDER BY paused_at", entry["id"])
        open_ones = [pause for pause in pauses if pause["resumed_at"] is None]
        assert len(open_ones) == entry["is_paused"], (entry, pauses)
        assert not (entry["end_time"] and open_ones), entry
        if entry["end_time"] is not None:
            return entry["duration_s"]
        if not pauses:
            return 0
        since, until = time_.parse(entry["start_time"]), time_.parse(pauses[-1]["paused_at"])
        return max(0, round((until - since).total_seconds()) - sum(pause["duration"] or 0 for pause in pauses[:-1]))

    @invariant()
    def nobody_works_in_two_places(self):
        running = self.rows("SELECT operator_id FROM time_entries WHERE end_time IS NULL AND is_paused = 0")
        assert len({row["operator_id"] for row in running}) == len(running), running

    @invariant()
    def nobody_works_on_what_is_gone(self):
        sql = "SELECT 1 FROM time_entries e JOIN operations o ON o.id = e.operation_id WHERE e.end_time IS NULL"
        assert self.rows(f"{sql} AND o.deleted_at IS NOT NULL") == []

    @invariant()
    def ledger_adds_up(self):
        rows = self.rows("SELECT * FROM operation_quantities")
        assert {row["id"]: row["quantity_produced"] for row in rows} == self.reported
        told = {}
        for row in self.rows("SELECT data FROM events WHERE type = 'production.quantity_reported'"):
            data = json.loads(row["data"])
            assert data["quantity_id"] not in told, "booked twice"
            told[data["quantity_id"]] = data
        corrected = {
            change["id"]
            for row in self.rows("SELECT changes FROM events WHERE aggregate GLOB 'quantity:*'")
            for change in json.loads(row["changes"])
            if change["op"] != "insert"
        }
        for row in rows:
            if row["id"] not in corrected:
                assert told[row["id"]]["quantity_produced"] == row["quantity_produced"]
            assert row["id"] in told

    @invariant()
    def part_and_job_follow(self):
        self.run(self.db.read(self.follow))

    def follow(self, connection):
        for part_id in self.part_ids:
            part, job = jobs.get_part(connection, part_id)
            assert job_rules.roll_up_part(part, jobs.below_part(connection, part_id)).status is part.status, part
        rolled = job_rules.roll_up_job(job, jobs.below_job(connection, job.id), self.clock.now(), reopened=False)
        resumed = job.resumed_at is not None and job.status is Status.IN_PROGRESS
        if not resumed:  # who takes a finished job out of its hold has the last word
            assert rolled.status is job.status, job


@pytest.fixture(autouse=True)
def template(furnished):
    Pressing.template = furnished


def test_whatever_people_press_everything_agrees():
    quick = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(Pressing, settings=quick)


def test_the_machine_would_notice_a_lie():
    machine = Pressing()
    try:
        machine.begin()
        machine.press(Verb.START, 0, ANNA, None)
        machine.run(machine.db.write(lambda tx: tx.execute("UPDATE parts SET status = 'completed'") and None))
        for invariants in (machine.journal_tells_the_state, machine.part_and_job_follow):
            with pytest.raises(AssertionError):
                invariants()
    finally:
        machine.teardown()
