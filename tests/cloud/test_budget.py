"""When the cloud may be asked again, and how often in a day; in minutes of a clock that we turn."""

import random

import pytest

from gateway.cloud.budget import (
    FALSE_PROBES_S,
    IMPLAUSIBLE,
    KEY_PAUSE_S,
    PROBE_S,
    REFUSING_CAP_S,
    SILENT_MAX,
    UNREACHABLE_CAP_S,
    Budget,
)
from gateway.cloud.outcome import Kind, Outcome, classify, unanswered, unreached
from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.migrate import migrate

DAY_S = 86_400.0
OK = Outcome(Kind.OK)
SICK = classify("GET", 401, b'{"error":{"message":"Authentication failed"}}', None)
BAD_KEY = classify("GET", 401, b'{"error":{"message":"Invalid API key"}}', None)


def over(limit: int, plan: str = "pro", retry_after_s: float | None = DAY_S) -> Outcome:
    return Outcome(Kind.QUOTA, f"the {plan} plan is used up", retry_after_s=retry_after_s, plan=(plan, limit))


class Knocker:
    """Asks as a client does: only when it may."""

    def __init__(self, db, clock: ManualClock, per_day: int | None = None) -> None:
        self.clock = clock
        self.budget = Budget(db, clock, random.Random(1), per_day)

    def ask(self, outcome: Outcome) -> bool:
        if self.budget.wait_s() > 0:
            return False
        self.budget.count()
        self.budget.note(outcome)
        return True

    async def tries(self, seconds: float, outcome: Outcome, step_s: float = 10.0) -> int:
        """How many requests were made in that time by somebody who always wants to."""
        made = 0
        for _ in range(int(seconds / step_s)):
            made += self.ask(outcome)
            await self.clock.advance(step_s)
        return made


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def db(tmp_path, clock):
    async with Database.open(tmp_path, prepare=lambda path: migrate(path, clock)) as db:
        yield db


async def restarted(db, clock: ManualClock, per_day: int | None = None) -> Knocker:
    await db.write(lambda _tx: None)  # what waited for company is written with it
    again = Knocker(db, clock, per_day)
    await again.budget.load()
    return again


async def test_the_cloud_says_when_to_come_back_and_a_restart_does_not_forget_it(db, clock):
    assert Knocker(db, clock).ask(over(1_000, retry_after_s=1_800))
    await clock.advance(600)
    again = await restarted(db, clock)
    assert again.budget.wait_s() == pytest.approx(1_200, abs=1)
    assert "pro" in again.budget.why
    await clock.advance(1_201)
    assert again.ask(OK)


async def test_come_back_tomorrow_is_looked_at_every_hour(db, clock):
    knocker = Knocker(db, clock)
    assert await knocker.tries(DAY_S, over(1_000, retry_after_s=10 * DAY_S)) == 24
    assert await knocker.tries(PROBE_S + 60, OK) > 1  # the counters over there were lost: on we go at once


async def test_a_wall_clock_that_is_set_back_does_not_keep_us_out(db, clock):
    Knocker(db, clock).ask(over(1_000, retry_after_s=3_000))
    clock.step(-365 * DAY_S)
    again = await restarted(db, clock)
    assert again.budget.wait_s() <= PROBE_S


async def test_the_day_has_so_many_requests_and_then_one_an_hour(db, clock):
    knocker = Knocker(db, clock, per_day=50)
    assert await knocker.tries(12 * 3600, OK) == 50 + 11
    assert "50 requests are used up" in knocker.budget.why
    assert await knocker.tries(13 * 3600, OK) > 50  # a new window, and with it new requests


async def test_what_is_used_is_kept_over_a_restart(db, clock):
    knocker = Knocker(db, clock, per_day=50)
    for _ in range(30):
        knocker.ask(OK)
    again = await restarted(db, clock, per_day=50)
    assert again.budget.used == 30
    assert again.budget.short()
    await clock.advance(DAY_S)
    assert not again.budget.short()


async def test_a_day_is_short_when_its_requests_run_out_faster_than_it(db, clock):
    knocker = Knocker(db, clock, per_day=100)
    for _ in range(50):
        knocker.ask(OK)
    assert not knocker.budget.short()
    knocker.ask(OK)
    assert knocker.budget.short()
    await clock.advance(0.6 * DAY_S)
    assert not knocker.budget.short()
    assert not Knocker(db, clock).budget.short()  # nobody told us of a limit


async def test_what_never_arrived_does_not_count(db, clock):
    knocker = Knocker(db, clock, per_day=50)
    await knocker.tries(3600, unreached("cannot connect"))
    await knocker.tries(3600, SICK)
    assert knocker.budget.used == 0


async def test_a_limit_is_learnt_and_kept_until_the_cloud_answers_beyond_it(db, clock):
    knocker = Knocker(db, clock)
    for _ in range(60):
        knocker.ask(OK)
    knocker.ask(over(100, "free"))
    assert (await restarted(db, clock)).budget.limit == 100
    assert await knocker.tries(6 * 3600, OK) > 100
    assert knocker.budget.limit is None


async def test_a_configured_limit_is_kept_whatever_the_cloud_answers(db, clock):
    knocker = Knocker(db, clock, per_day=20)
    await knocker.tries(DAY_S / 2, OK)
    assert knocker.budget.limit == 20
    again = await restarted(db, clock)  # somebody took it out of the settings
    assert again.budget.limit is None


async def test_a_larger_plan_than_the_known_one_is_believed(db, clock):
    knocker = Knocker(db, clock)
    knocker.ask(over(100, "free"))
    await clock.advance(PROBE_S)
    knocker.ask(over(1_000, "pro"))
    assert knocker.budget.limit == 1_000


@pytest.mark.parametrize("known", ["configured", "learnt"])
async def test_a_smaller_plan_than_the_known_one_is_an_outage(db, clock, known):
    knocker = Knocker(db, clock, per_day=1_000 if known == "configured" else None)
    if known == "learnt":
        knocker.ask(over(1_000))
        await clock.advance(PROBE_S)
    pauses = []
    for _ in range(4):
        assert knocker.ask(over(100, "free"))
        pauses.append(knocker.budget.wait_s())
        await clock.advance(pauses[-1])
    assert pauses == [*FALSE_PROBES_S, FALSE_PROBES_S[-1]]
    assert "smaller plan (free)" in knocker.budget.why
    assert knocker.ask(OK)
    assert knocker.ask(OK)  # and at once as before
    assert knocker.budget.limit == 1_000


async def test_a_limit_that_was_passed_long_ago_is_an_outage(db, clock):
    knocker = Knocker(db, clock)
    for _ in range(IMPLAUSIBLE * 100):
        assert knocker.ask(OK)
    knocker.ask(over(100, "free"))
    assert knocker.budget.limit == 100  # twice as many may have been two days of its counter
    await clock.advance(PROBE_S)
    other = Knocker(db, clock)
    for _ in range(IMPLAUSIBLE * 100 + 1):
        assert other.ask(OK)
    other.ask(over(100, "free"))
    assert other.budget.limit is None
    assert other.budget.wait_s() == FALSE_PROBES_S[0]


async def test_a_limit_named_while_its_database_is_away_is_an_outage(db, clock):
    knocker = Knocker(db, clock)
    knocker.ask(SICK)
    await clock.advance(UNREACHABLE_CAP_S)
    knocker.ask(over(100, "free"))
    assert knocker.budget.limit is None
    assert knocker.budget.wait_s() == FALSE_PROBES_S[0]


async def test_a_wrong_key_is_tried_once_a_minute_by_everybody_together(db, clock):
    knocker = Knocker(db, clock)
    for _ in range(4):
        knocker.budget.count()  # four lanes at once
    for _ in range(4):
        knocker.budget.note(BAD_KEY)
    await clock.advance(KEY_PAUSE_S)
    knocker.budget.count()
    assert knocker.budget.wait_s() == KEY_PAUSE_S  # one is on its way: the others wait for what it says
    knocker.budget.note(BAD_KEY)
    assert knocker.budget.wait_s() == KEY_PAUSE_S
    assert "Invalid API key" in knocker.budget.why
    assert await knocker.tries(3600, BAD_KEY, step_s=1.0) == 59
    await clock.advance(KEY_PAUSE_S)
    assert knocker.ask(OK)
    assert knocker.budget.wait_s() == 0
    assert knocker.budget.why == ""


async def test_a_database_that_is_away_is_tried_again_within_half_a_minute(db, clock):
    knocker = Knocker(db, clock)
    pauses = []
    for _ in range(200):
        knocker.ask(SICK)
        pauses.append(knocker.budget.wait_s())
        await clock.advance(pauses[-1])
    assert max(pauses) <= UNREACHABLE_CAP_S
    assert max(pauses) > UNREACHABLE_CAP_S * 0.9
    assert min(pauses[20:]) < UNREACHABLE_CAP_S * 0.1  # full jitter: a hundred gateways do not knock at once
    assert pauses[0] <= 2.0
    assert knocker.budget.failing


async def test_who_asks_us_to_come_back_later_is_obeyed(db, clock):
    knocker = Knocker(db, clock)
    knocker.ask(classify("GET", 503, b"<html>", "120"))
    assert knocker.budget.wait_s() >= 120
    for _ in range(50):
        await clock.advance(knocker.budget.wait_s())
        knocker.ask(over(1_000, retry_after_s=None))
        assert knocker.budget.wait_s() <= REFUSING_CAP_S


async def test_one_lost_answer_says_nothing_and_several_do(db, clock):
    knocker = Knocker(db, clock)
    for _ in range(SILENT_MAX - 1):
        assert knocker.ask(unanswered("timeout"))
    assert not knocker.budget.failing
    knocker.ask(unanswered("timeout"))
    assert knocker.budget.failing
    assert knocker.budget.wait_s() > 0


async def test_trust_comes_back_in_steps_after_a_long_outage(db, clock):
    knocker = Knocker(db, clock)
    await knocker.tries(DAY_S, unreached("cannot connect"))
    await clock.advance(UNREACHABLE_CAP_S)
    answered = 0
    while knocker.budget.failing:
        assert knocker.ask(OK)
        answered += 1
    assert 1 < answered < 6


async def test_a_person_ends_the_pause_after_a_failure_but_not_the_days_limit(db, clock):
    knocker = Knocker(db, clock, per_day=3)
    while knocker.ask(unreached("no route")):
        await clock.advance(0.01)
    assert knocker.budget.wait_s() > 0
    knocker.budget.knock_now()
    assert knocker.budget.wait_s() == 0
    while not knocker.budget.wait_s() > DAY_S / 24 / 2:
        await clock.advance(UNREACHABLE_CAP_S)
        knocker.ask(OK)
    knocker.budget.knock_now()
    assert knocker.budget.wait_s() > 0
