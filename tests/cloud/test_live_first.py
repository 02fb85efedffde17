"""What people do now is in the cloud before the backlog of a week is."""

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from shift import CALLER, CUT, OTTO

from gateway.operations.model import Verb
from gateway.operations.trees.commands import JobTreeCommands

JOBS = 40  # planned here while there was no line
SLOW_S = 0.02  # of each answer


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


async def plan_offline(shop) -> None:
    jobs = JobTreeCommands(shop.db, shop.clock, shop.new_id, "gw-test")
    for number in range(JOBS):
        part = {"part_number": f"P-{number}", "material": "S235", "quantity": 1}
        await jobs.create({"job_number": f"WEEK-{number}", "parts": [part]}, CALLER, None)


async def test_a_start_overtakes_the_jobs_of_a_week_and_they_arrive_all_the_same(shop):
    await plan_offline(shop)
    shop.cloud.faults.slow_s = SLOW_S
    async with shop.online():
        await shop.until(lambda _: len(shop.asked("POST")) > 3, "some of the backlog has gone up")
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        seen = len(shop.asked("POST"))
        await shop.until(lambda _: any("lifecycle" in one.path for one in shop.asked("POST")), "the start is there")
        posts = [one.path for one in shop.asked("POST")]
        overtaken = next(place for place, path in enumerate(posts) if "lifecycle" in path) - seen
        assert overtaken < JOBS / 2, posts
        await shop.drained()
    assert len([row for row in shop.cloud.rows("jobs") if row["job_number"].startswith("WEEK-")]) == JOBS
