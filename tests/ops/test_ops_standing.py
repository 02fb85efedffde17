"""The sentence of truth as data, what needs somebody, samples for the plots."""

import asyncio
from datetime import timedelta

import pytest

from gateway import housekeeping
from gateway.kernel import trail
from gateway.kernel.clock import ManualClock, text
from gateway.kernel.db import Database
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.ops import history, store
from gateway.ops.overview import overview
from gateway.ops.store import KEEP_MINUTES, Sample
from gateway.settings import Retention

CLOUD = {
    "state": "up",
    "since": "t",
    "error": None,
    "pending": 0,
    "parked": 0,
    "sent": 9,
    "accepted": 9,
    "oldest_s": 0.0,
}


def report(cloud=None, **links):
    return {"status": "ok", "clock_trusted": True, "links": {"cloud": {**CLOUD, **(cloud or {})}, **links}}


@pytest.mark.parametrize(
    ("cloud", "state"),
    [
        ({}, "current"),
        ({"pending": 3}, "sending"),
        ({"state": "down", "pending": 3}, "offline"),
        ({"state": "degraded"}, "degraded"),
        ({"state": "off"}, "none"),
        ({"state": "off", "paused": {"by": "x", "since": "t", "reason": ""}}, "paused"),
    ],
)
def test_the_state_is_one_word(cloud, state):
    assert overview(report(cloud), 0, 0)["state"] == state


def test_progress_is_what_has_gone_since_the_most_that_waited():
    told = overview(report({"pending": 25, "drain_s": 60}), 100, 0)["to_send"]
    assert (told["percent"], told["eta_s"]) == (75, 60)
    assert overview(report({"pending": 25}), 20, 0)["to_send"]["percent"] is None  # more than at the last sample
    assert overview(report(), 0, 0)["to_send"]["percent"] is None


def test_what_needs_somebody_is_counted_and_what_does_not_is_not_named():
    links = {"webhook:a": {"dead_letters": 2}, "webhook:b": {"dead_letters": 1}, "machines": {"quarantined": 4}}
    needs = overview(report({"parked": 5, "conflicts": 6}, **links), 0, 7)["needs_you"]
    assert {one["what"]: one["count"] for one in needs} == {
        "parked": 5,
        "conflicts": 6,
        "dead_letters": 3,
        "quarantined": 4,
        "repairs": 7,
    }
    assert overview(report(), 0, 0)["needs_you"] == []


@pytest.fixture
async def db(tmp_path):
    async with Database.open(tmp_path, prepare=lambda path: migrate(path, ManualClock())) as db:
        yield db


async def test_a_week_of_minutes_is_kept_and_shown_in_steps(db):
    clock = ManualClock()

    async def status():
        queue = {"pending": 5, "parked": 1, "sent": history._minute(clock), "oldest_s": 3.4}
        return {"journal_head": 2 * history._minute(clock), "links": {"cloud": queue}}

    await history.take(db, clock, status)
    for _ in range(9):
        await clock.advance(60)
        await history.take(db, clock, status)
        await history.take(db, clock, status)  # twice in a minute: the first counts
    told = await history.shown(db, clock, 1)
    fresh = [one for one in told["points"] if one["pending"] == 5]
    assert [one["sent"] for one in fresh[1:]] == [1] * 9
    assert [one["recorded"] for one in fresh[1:]] == [2] * 9
    assert (fresh[0]["parked"], fresh[0]["oldest_s"]) == (1, 3)
    day = await history.shown(db, clock, 24)
    assert (day["step_s"], {one["at"] % 300 for one in day["points"]}) == (300, {0})
    assert await db.read(store.peak) == 5
    await clock.advance(KEEP_MINUTES * 60 + 120)
    await history.take(db, clock, status)
    assert len((await history.shown(db, clock, 168))["points"]) == 1


async def test_nothing_is_sampled_while_the_clock_was_never_set(db):
    clock = ManualClock()
    clock.step(-(10**9))
    await history.take(db, clock, None)
    assert await db.read(store.points, 0, 1) == []


async def test_the_peak_is_forgotten_once_nothing_waited(db):
    for minute, pending in enumerate((3, 9, 0, 4, 2)):
        await db.write(store.sample, 30_000_000 + minute, Sample(1, pending, 0, 0, 0))
    assert await db.read(store.peak) == 4


async def test_what_was_done_on_the_page_is_forgotten_with_the_other_logs(db):
    clock = ManualClock()
    days = [40, 10]
    for number, age in enumerate(days):
        at = text(clock.now() - timedelta(days=age))
        await db.write(trail.add, str(number), at, trail.Act("anna", "::1", "queue.retry"))
    cleaning = asyncio.create_task(housekeeping.clean(db, clock, uuid7(clock), Retention(log_days=30)))
    while not cleaning.done():
        await clock.advance(1)
        await asyncio.sleep(0)
    await cleaning
    assert [one["id"] for one in await db.read(trail.newest)] == ["1"]
