"""A cloud that grants a hundred requests a day, a week of backlog, and people who go on working."""

import asyncio
import json
from datetime import timedelta

import pytest
from cloud_shop import PLANNED_AT, all_sent, shop_of, stand_in
from floor import differences
from passing import nothing_unsettled, pass_by
from shift import CALLER, CUT, LASER, OTTO

from gateway.cloud import store, worth
from gateway.demo import factory
from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import StorageFailed
from gateway.operations.model import Verb
from gateway.operations.trees.commands import JobTreeCommands

PER_DAY = 100
WORKED = 12  # trees that somebody has worked on while there was no line
JOBS = 80  # two requests each: more than a day has
DAY_S = 86_400
STEP_S = 20.0


@pytest.fixture
def clock():
    return ManualClock(PLANNED_AT + timedelta(hours=1))


@pytest.fixture
async def shop(tmp_path, pulled, clock):
    cloud = stand_in(PLANNED_AT, clock=clock)
    cloud.add_tenant(factory.TENANT_ID, "free")
    async with shop_of(tmp_path / "shop", cloud, pulled, clock) as shop:
        yield shop


def calls(shop) -> list[str]:
    return [one.path for one in shop.asked("POST") if "lifecycle" in one.path and one.status == 200]


async def test_what_people_do_goes_first_nothing_is_lost_and_the_page_says_when_the_rest_is_through(shop):
    jobs = JobTreeCommands(shop.db, shop.clock, shop.new_id, "gw-test")
    await plan(jobs, "WEEK", JOBS)
    async with shop.linked(requests_per_day=PER_DAY, settle_after_s=60.0, pull_every_s=DAY_S, poll_s=5.0) as link:
        await pass_by(shop, 1_800, STEP_S)
        waiting = JOBS - len([row for row in shop.cloud.rows("jobs") if row["job_number"].startswith("WEEK-")])
        assert waiting > 0
        left_s = link.drain_s(waiting)
        assert left_s is not None
        assert 0 < left_s < 3 * DAY_S
        for hour, verb in enumerate((Verb.START, Verb.PAUSE, Verb.RESUME, Verb.COMPLETE), 1):
            await shop.change(verb, CUT, operator_id=OTTO)
            await pass_by(shop, 3_600, STEP_S)
            assert shop.cloud.row("operations", CUT)["status"] == {
                1: "in_progress",
                2: "on_hold",
                3: "in_progress",
            }.get(hour, "completed")
        assert not await shop.db.read(all_sent)
        assert len([one for one in shop.cloud.log if one.status == 429]) <= 2
        await pass_by(shop, 3 * DAY_S, 60.0, until=all_sent)
        assert await shop.db.read(all_sent)
        await pass_by(shop, 2 * DAY_S, 60.0, until=nothing_unsettled)
    assert await shop.ask("SELECT reason FROM event_parked") == []
    assert await shop.db.read(differences, shop.cloud) == []


async def test_of_a_backlog_what_was_worked_on_goes_up_before_older_plans_and_all_of_it_once(shop):
    jobs = JobTreeCommands(shop.db, shop.clock, shop.new_id, "gw-test")
    await plan(jobs, "WEEK", JOBS)
    worked = [one["operations"][0]["id"] for one in await plan(jobs, "WORK", WORKED, cell_id=LASER)]
    for operation_id in worked:
        await shop.change(Verb.START, operation_id, operator_id=OTTO)
        for good in (1, 2, 3):
            await shop.count(operation_id, good)
        await shop.change(Verb.COMPLETE, operation_id, operator_id=OTTO)
    shop.cloud.faults.change(lose_reply=0.03)
    async with shop.linked(requests_per_day=PER_DAY, settle_after_s=60.0, pull_every_s=DAY_S, poll_s=5.0) as link:
        await pass_by(shop, DAY_S / 2, 60.0)
        there = [row["job_number"] for row in shop.cloud.rows("jobs")]
        assert [number for number in there if number.startswith("WORK")] != []
        assert [number for number in there if number.startswith("WEEK")] == []
        pending, _ = await shop.db.read(store.pending)
        told_s, began_s = link.drain_s(pending), shop.clock.monotonic()
        await pass_by(shop, 9 * DAY_S, 120.0, until=all_sent)
        true_s = shop.clock.monotonic() - began_s
        assert true_s / 2.5 <= told_s <= true_s * 2.5, (told_s, true_s)
        shop.cloud.faults.change(lose_reply=0.0)
        await pass_by(shop, 3 * DAY_S, 120.0, until=nothing_unsettled)
    assert await shop.ask("SELECT reason FROM event_parked") == []
    assert await shop.db.read(differences, shop.cloud) == []


async def plan(jobs, name: str, count: int, **more) -> list[dict]:
    """So many jobs of one part; the parts. `more`: of the operation of each."""
    parts = []
    for number in range(count):
        part = {"part_number": f"{name}-{number}", "material": "S235", "quantity": 1}
        part |= {"operations": [{"operation_name": "Cut", **more}]} if more else {}
        answer = await jobs.create({"job_number": f"{name}-{number}", "parts": [part]}, CALLER, None)
        parts += json.loads(answer.data)["job"]["parts"]
    return parts


async def test_the_estimate_stands_when_the_uplink_has_to_begin_again(shop, monkeypatch):
    await plan(JobTreeCommands(shop.db, shop.clock, shop.new_id, "gw-test"), "WEEK", JOBS)
    async with shop.linked(requests_per_day=PER_DAY, settle_after_s=60.0, pull_every_s=DAY_S, poll_s=5.0) as link:
        await pass_by(shop, 1_800, STEP_S)
        before_s, touched, broke = link.drain_s(JOBS), worth.touched, asyncio.Event()

        def breaks(*_args):
            monkeypatch.setattr(worth, "touched", touched)
            broke.set()
            raise StorageFailed("the disk did not answer")

        monkeypatch.setattr(worth, "touched", breaks)
        await pass_by(shop, 600, STEP_S)
        assert broke.is_set()
        after_s = link.drain_s(JOBS)
    assert before_s is not None
    assert after_s is not None
    assert before_s / 2 < after_s < 2 * before_s
