"""The machine's clock is set while work is going on: durations stay true, and instants are restated in the right time."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gateway.kernel import trail
from gateway.kernel.clock import ManualClock, parse

CELL = "00000000-0000-4000-8000-0000000000c1"
ANNA = "00000000-0000-4000-8000-0000000000a1"
RIGHT = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
NEVER_SET = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
LOOKS_MAX = 500


class Shift:
    """Anna works at the laser; the clock of her box is set."""

    def __init__(self, box, machine):
        self.box, self.machine = box, machine
        self.operation_id = ""

    async def plan(self) -> None:
        await self.box.gateway.db.write(_hire)
        await self.box.send("POST", "/api-cells", {"id": CELL, "name": "Laser"})
        operation = {"operation_name": "Cut", "sequence": 1, "cell_id": CELL}
        part = {"part_number": "P-1", "material": "S235", "quantity": 10, "operations": [operation]}
        said = await self.box.send("POST", "/api-jobs", {"job_number": "J-1", "parts": [part]})
        self.operation_id = said.body["data"]["job"]["parts"][0]["operations"][0]["id"]

    async def press(self, verb: str) -> None:
        said = await self.box.send("POST", f"/api-operation-lifecycle/{verb}?id={self.operation_id}&user_id={ANNA}")
        assert said.status == 200, said.body

    async def work(self, minutes: int) -> None:
        await self.machine.advance(60 * minutes)

    async def set(self, right: datetime) -> None:
        """Somebody sets the clock, and the gateway notices."""
        before = await self.box.gateway.db.read(_clock)
        self.machine.step((right - self.machine.now()).total_seconds())
        for _ in range(LOOKS_MAX):
            await self.machine.advance(0.1)
            await asyncio.sleep(0.002)
            if await self.box.gateway.db.read(_clock) != before:
                return
        raise AssertionError("nobody noticed")

    async def entry(self):
        said = await self.box.send("GET", f"/api-time-entries?operation_id={self.operation_id}")
        (entry,) = said.body["data"]["time_entries"]
        return entry

    async def row(self):
        return await self.box.gateway.db.read(_row, self.operation_id)


def _hire(tx) -> None:
    tx.execute(
        "INSERT INTO profiles (id, username, full_name, role, created_at, updated_at) VALUES (?, 'anna', 'Anna', "
        "'operator', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00')",
        (ANNA,),
    )


def _clock(connection):
    return connection.execute("SELECT value FROM gateway_state WHERE key = 'clock'").fetchone()[0]


def _row(connection, operation_id):
    return dict(connection.execute("SELECT * FROM operations WHERE id = ?", (operation_id,)).fetchone())


def near(written: str, wanted: datetime) -> bool:
    return abs(parse(written) - wanted) < timedelta(seconds=10)


@pytest.fixture
def shift(served):
    """`async with shift(at) as anna`: her box was started a minute before `at`."""

    @asynccontextmanager
    async def at(when: datetime):
        machine = ManualClock(when - timedelta(seconds=60))
        await machine.advance(60)
        async with served(machine) as box:
            anna = Shift(box, machine)
            await anna.plan()
            yield anna

    return at


async def test_a_box_that_starts_in_1970_books_true_times(shift):
    async with shift(NEVER_SET) as anna:
        await anna.press("start")
        await anna.work(10)
        await anna.press("pause")
        await anna.work(5)
        await anna.press("resume")
        await anna.work(5)
        await anna.set(RIGHT)
        await anna.work(20)
        await anna.press("complete")
        entry, row = await anna.entry(), await anna.row()
    assert near(entry["start_time"], RIGHT - timedelta(minutes=20))
    assert near(entry["end_time"], RIGHT + timedelta(minutes=20))
    assert entry["duration"] == 35
    assert near(row["started_at"], RIGHT - timedelta(minutes=20))
    assert near(row["completed_at"], RIGHT + timedelta(minutes=20))


async def test_what_was_over_before_the_clock_was_first_set_is_restated_too(shift):
    async with shift(NEVER_SET) as anna:
        await anna.press("start")
        await anna.work(10)
        await anna.press("complete")
        await anna.work(10)
        await anna.set(RIGHT)
        entry, row = await anna.entry(), await anna.row()
        flags = await anna.box.gateway.db.read(lambda c: c.execute("SELECT type, clock_trusted FROM events").fetchall())
        (act,) = await anna.box.gateway.db.read(trail.newest)
    assert near(entry["start_time"], RIGHT - timedelta(minutes=20))
    assert near(entry["end_time"], RIGHT - timedelta(minutes=10))
    assert (entry["duration"], row["actual_time_s"]) == (10, 600)
    assert near(row["completed_at"], RIGHT - timedelta(minutes=10))
    assert {one[1] for one in flags if one[0]} == {0}  # what was told then stays marked
    assert (act["who"], act["action"], json.loads(act["detail"])["by_s"] > 0) == ("gateway", "clock.set", True)


@pytest.mark.parametrize("by", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=400)])
async def test_a_jump_changes_no_duration(shift, by):
    async with shift(RIGHT) as anna:
        await anna.press("start")
        await anna.work(10)
        await anna.set(anna.machine.now() + by)
        await anna.work(20)
        await anna.press("complete")
        entry = await anna.entry()
    assert entry["duration"] == 30
    assert near(entry["start_time"], RIGHT + by)


async def test_what_was_over_when_a_clock_that_was_right_jumps_is_left(shift):
    async with shift(RIGHT) as anna:
        await anna.press("start")
        await anna.work(10)
        await anna.press("complete")
        await anna.set(anna.machine.now() + timedelta(hours=1))
        entry = await anna.entry()
    assert near(entry["start_time"], RIGHT)
    assert near(entry["end_time"], RIGHT + timedelta(minutes=10))


async def test_what_runs_since_before_the_machine_was_started_is_left(shift, served):
    """No battery, the time of the last shutdown: started yesterday in the right time, paused today in the wrong one."""
    async with shift(RIGHT) as anna:
        await anna.press("start")
        operation_id = anna.operation_id
    machine = ManualClock(RIGHT + timedelta(minutes=30))
    async with served(machine) as box:
        anna = Shift(box, machine)
        anna.operation_id = operation_id
        await anna.work(1)
        await anna.press("pause")
        tomorrow = RIGHT + timedelta(hours=14)
        await anna.set(tomorrow)
        await anna.press("resume")
        await anna.work(9)
        await anna.press("complete")
        entry = await anna.entry()
    assert near(entry["start_time"], RIGHT)
    assert entry["duration"] == 14 * 60 + 9  # nobody paused before


async def test_it_is_noticed_when_it_was_set_while_we_were_not_running(shift, served):
    async with shift(NEVER_SET) as anna:
        await anna.press("start")
        await anna.work(10)
        machine, operation_id = anna.machine, anna.operation_id
    machine.step((RIGHT - machine.now()).total_seconds())
    async with served(machine) as box:
        anna = Shift(box, machine)
        anna.operation_id = operation_id
        for _ in range(LOOKS_MAX):
            await asyncio.sleep(0.005)
            if parse((await anna.row())["started_at"]) > NEVER_SET + timedelta(days=1):
                break
        await anna.work(5)
        await anna.press("complete")
        entry = await anna.entry()
    assert near(entry["start_time"], RIGHT - timedelta(minutes=10))
    assert entry["duration"] == 15


async def test_the_time_of_a_batch_is_true_as_well(shift):
    async with shift(NEVER_SET) as anna:
        given = {"batch_number": "B-1", "cell_id": CELL, "operation_ids": [anna.operation_id]}
        made = (await anna.box.send("POST", "/api-batches", given)).body["data"]["batch"]
        for verb, minutes in (("start", 10), ("stop", 0)):
            if verb == "stop":
                await anna.set(RIGHT)
                await anna.work(5)
            body = {"operator_id": ANNA}
            said = await anna.box.send("POST", f"/api-batch-lifecycle/{verb}?id={made['id']}", body)
            assert said.status == 200, said.body
            await anna.work(minutes)
        entry = await anna.entry()
        batch = (await anna.box.send("GET", f"/api-batches?id={made['id']}")).body["data"]["batch"]
    assert entry["duration"] == 15
    assert near(batch["started_at"], RIGHT - timedelta(minutes=10))
