"""Outages of every kind last hours of a clock that we turn; afterwards everything is there within a minute."""

import json
from datetime import timedelta

import pytest
from cloud_shop import PLANNED_AT, all_sent, shop_of, stand_in
from floor import differences
from passing import nothing_unsettled, pass_by
from shift import CALLER, CUT, OTTO

from gateway.catalog.commands import RowCommands
from gateway.catalog.tables import RESOURCES
from gateway.cloud.budget import FALSE_PROBES_S, KEY_PAUSE_S
from gateway.cloud.uplink import LANE_CAP_S, POISON_TRIES_MAX
from gateway.demo import factory
from gateway.kernel.clock import ManualClock
from gateway.operations.model import Verb

HOURS = 2
OUTAGE_STEP_S = 20.0
BACK_WITHIN_S = 60
LANES = 6
SETTLE_AFTER_S = 60.0


@pytest.fixture
def clock():
    return ManualClock(PLANNED_AT + timedelta(hours=1))


@pytest.fixture
async def shop(tmp_path, pulled, clock):
    cloud = stand_in(PLANNED_AT, clock=clock)
    async with shop_of(tmp_path / "shop", cloud, pulled, clock) as shop:
        yield shop


async def work_in_many_lanes(shop) -> None:
    rows = RowCommands(RESOURCES, shop.db, shop.clock, shop.new_id, "gw-test")
    for number in range(LANES):
        await rows.create({"name": f"Jig {number}", "type": "tooling"}, CALLER, None)
    for verb in Verb:
        await shop.change(verb, CUT, operator_id=OTTO)
    await shop.count(CUT, 5)


def link(shop):
    return shop.health.link("cloud")


async def everything_arrives(shop, within_s: float = BACK_WITHIN_S) -> None:
    passed = await pass_by(shop, within_s + 1, step_s=1.0, until=all_sent)
    assert passed <= within_s
    await pass_by(shop, 4 * SETTLE_AFTER_S, until=nothing_unsettled)
    assert await shop.ask("SELECT reason FROM event_parked") == []
    assert await shop.db.read(differences, shop.cloud) == []


SICK = {
    "its database is away": {"database_away": True},
    "it answers 500 to everything": {"error_500": 1.0},
    "it answers a page to everything": {"error_503": 1.0},
    "no function loads": {"boot_error": 1.0},
    "no answer arrives whole": {"truncated_body": 1.0},
    "nothing is answered": {"lose_reply": 1.0},
}


@pytest.mark.parametrize("sickness", SICK)
async def test_an_outage_parks_nothing_and_is_over_a_minute_after_it_ends(shop, sickness):
    async with shop.linked(settle_after_s=SETTLE_AFTER_S, pull_every_s=300.0, poll_s=2.0):
        await pass_by(shop, 20, 1.0)
        shop.cloud.faults.change(**SICK[sickness])
        await work_in_many_lanes(shop)
        await pass_by(shop, HOURS * 3600, OUTAGE_STEP_S)
        assert await shop.ask("SELECT reason FROM event_parked") == []
        if sickness != "nothing is answered":
            assert not await shop.db.read(all_sent)
            assert link(shop).state == "down"
            assert link(shop).error
        shop.cloud.faults.change(**dict.fromkeys(SICK[sickness], 0))
        await everything_arrives(shop)
        await pass_by(shop, 10, 1.0)
        assert link(shop).state == "up"


async def test_hours_without_a_line_are_only_a_delay(shop):
    async with shop.linked(settle_after_s=SETTLE_AFTER_S, pull_every_s=300.0, poll_s=2.0):
        await pass_by(shop, 20, 1.0)
        shop.cloud.go_away()
        await work_in_many_lanes(shop)
        await pass_by(shop, HOURS * 3600, OUTAGE_STEP_S)
        assert link(shop).state == "down"
        assert "cannot connect" in link(shop).error
        shop.cloud.come_back()
        await everything_arrives(shop)


async def test_a_sick_cloud_is_asked_by_one_lane_at_a_time(shop):
    async with shop.linked(settle_after_s=SETTLE_AFTER_S, pull_every_s=1e6, poll_s=2.0):
        await pass_by(shop, 20, 1.0)
        shop.cloud.faults.change(error_500=1.0)
        await work_in_many_lanes(shop)
        await pass_by(shop, 300)
        before = len(shop.cloud.log)
        await pass_by(shop, 1_800)
        tries = len(shop.cloud.log) - before
    # Each lane waits half of its cap on the average, and asks whether the cloud can read at all.
    assert 10 < tries < 4 * (LANES + 1) * 1_800 / LANE_CAP_S


async def test_what_the_cloud_fails_on_each_time_is_set_aside_alone(shop):
    async with shop.linked(settle_after_s=SETTLE_AFTER_S, pull_every_s=300.0, poll_s=2.0):
        await pass_by(shop, 20, 1.0)
        shop.cloud.faults.change(error_500=1.0, only="POST /api-operation-quantities")
        await work_in_many_lanes(shop)
        behind = factory.named("operation", "1", "Foot", "Bending")
        await shop.change(Verb.START, behind, operator_id=OTTO)
        await pass_by(shop, 1_800, until=all_sent)
    ((aggregate, reason, request),) = await shop.ask("SELECT aggregate, reason, request FROM event_parked")
    assert aggregate.startswith("quantity:")
    assert reason == "the cloud fails on it each time: fetch failed"
    assert json.loads(request)["tries"] >= POISON_TRIES_MAX
    assert shop.cloud.row("operations", CUT)["status"] == "completed"
    assert len(shop.cloud.rows("resources")) == LANES
    assert behind in [row["operation_id"] for row in shop.cloud.rows("time_entries")]


async def test_a_cloud_that_takes_us_for_a_smaller_plan_is_looked_at_every_quarter_of_an_hour(shop):
    async with shop.linked(requests_per_day=100_000, settle_after_s=SETTLE_AFTER_S, pull_every_s=300.0, poll_s=2.0):
        await pass_by(shop, 20, 1.0)
        shop.cloud.faults.change(false_429=1.0)
        await work_in_many_lanes(shop)
        before = len(shop.cloud.log)
        await pass_by(shop, HOURS * 3600, OUTAGE_STEP_S)
        assert 6 <= len(shop.cloud.log) - before <= 16
        assert "smaller plan (free)" in link(shop).error
        shop.cloud.faults.change(false_429=0.0)
        await everything_arrives(shop, FALSE_PROBES_S[-1] + BACK_WITHIN_S)


async def test_a_key_that_is_revoked_stops_all_but_one_try_a_minute(shop):
    async with shop.linked(settle_after_s=SETTLE_AFTER_S, pull_every_s=300.0, poll_s=2.0):
        await pass_by(shop, 20, 1.0)
        shop.cloud.revoke_key(factory.CLOUD_KEY)
        await work_in_many_lanes(shop)
        await pass_by(shop, 120)
        before = len(shop.cloud.log)
        await pass_by(shop, 1_800)
        assert 20 <= len(shop.cloud.log) - before <= 1_800 / KEY_PAUSE_S + 1
        assert (link(shop).state, link(shop).error) == (
            "down",
            "the cloud does not accept the API key: Invalid API key",
        )
        shop.cloud.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
        await everything_arrives(shop, KEY_PAUSE_S + BACK_WITHIN_S)
