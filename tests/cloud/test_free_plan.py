"""A cloud that grants a hundred requests a day, a week of backlog, and people who go on working."""

from datetime import timedelta

import pytest
from cloud_shop import PLANNED_AT, all_sent, shop_of, stand_in
from floor import differences
from passing import nothing_unsettled, pass_by
from shift import CALLER, CUT, OTTO

from gateway.demo import factory
from gateway.kernel.clock import ManualClock
from gateway.operations.model import Verb
from gateway.operations.trees.commands import JobTreeCommands

PER_DAY = 100
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
    for number in range(JOBS):
        part = {"part_number": f"P-{number}", "material": "S235", "quantity": 1}
        await jobs.create({"job_number": f"WEEK-{number}", "parts": [part]}, CALLER, None)
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
