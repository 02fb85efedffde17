"""What ends after a while lasts as long as was meant although the clock is set; a late date alone throws nothing away."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from gateway import housekeeping
from gateway.kernel import clock as time_
from gateway.kernel.clock import ManualClock, parse, text
from gateway.kernel.db import Database
from gateway.kernel.health import Link
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.kernel.steady import Step
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp
from gateway.settings import Retention
from gateway.timekeeping import correct

NOW = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
NEVER_SET = datetime(1970, 1, 1, 0, 20, tzinfo=UTC)
DAY_S = 86_400.0


@pytest.fixture
async def db(tmp_path):
    async with Database.open(tmp_path, prepare=lambda path: migrate(path, ManualClock())) as db:
        yield db


def stamp_of(at: datetime) -> Stamp:
    return Stamp(at, "gw-test", uuid7(ManualClock(at)))


# ------------------------------------------------------------------ sessions, codes, locks, settling


def living(tx, now: datetime) -> None:
    """As they stand in the middle of a shift."""
    at = {"now": text(now - timedelta(minutes=5)), "soon": text(now + timedelta(minutes=10))}
    tx.execute("INSERT INTO terminals (id, name, key_hash, created_at) VALUES ('t', 'Laser', 'h', :now)", at)
    tx.execute(
        "INSERT INTO terminal_sessions VALUES ('open', 't', 'anna', :now, NULL), ('over', 't', 'anna', :now, :now)", at
    )
    tx.execute("INSERT INTO terminal_codes (code_hash, name, expires_at) VALUES ('c', 'Saw', :soon)", at)
    tx.execute(
        "INSERT INTO terminal_pins (operator_id, box, salt, verifier, wrong, locked_until, set_at) "
        "VALUES ('anna', 'b', x'00', x'00', 5, :soon, :now)",
        at,
    )
    tx.execute(
        "INSERT INTO cloud_rows (table_name, id, base, written, lane, unsettled_until, seen_at) "
        "VALUES ('jobs', 'j', '{}', '{}', 'job:j', :soon, :now)",
        at,
    )


def ends(connection) -> dict[str, str]:
    sql = (
        "SELECT id, started_at FROM terminal_sessions UNION SELECT 'code', expires_at FROM terminal_codes "
        "UNION SELECT 'lock', locked_until FROM terminal_pins UNION SELECT 'settle', unsettled_until FROM cloud_rows "
        "UNION SELECT 'seen', seen_at FROM cloud_rows"
    )
    return dict(connection.execute(sql).fetchall())


@pytest.mark.parametrize(
    ("now", "by"),
    [(NOW, timedelta(hours=9)), (NOW, timedelta(hours=-9)), (NEVER_SET, NOW - NEVER_SET)],
    ids=["forth", "back", "set for the first time"],
)
async def test_what_is_not_over_lasts_as_long_as_was_meant(db, now, by):
    await db.write(living, now)
    before = await db.read(ends)
    step = Step(now - timedelta(minutes=20), now, by)
    await db.write(correct, stamp_of(now + by), step, 0.0)
    after = await db.read(ends)
    moved = {name: parse(after[name]) - parse(before[name]) for name in before}
    assert moved == dict.fromkeys(("open", "code", "lock", "settle", "seen"), by) | {"over": timedelta()}


async def test_what_the_clock_of_yesterday_wrote_is_left(db):
    await db.write(living, NOW - timedelta(days=1))
    before = await db.read(ends)
    await db.write(correct, stamp_of(NOW), Step(NOW - timedelta(minutes=20), NOW, timedelta(hours=1)), 0.0)
    assert await db.read(ends) == before


# ------------------------------------------------------------------ retention


def record(tx, at: datetime) -> None:
    change = Change("cells", "c", "update", 1, ("name",))
    journal.append(tx, stamp_of(at), [Event("cells:c", "cells:c", at, (change,))])


async def counted(db) -> int:
    return await db.read(lambda connection: connection.execute("SELECT count(*) FROM events").fetchone()[0])


@contextlib.asynccontextmanager
async def cleaning(db, clock):
    link = Link("housekeeping", clock)
    running = asyncio.create_task(housekeeping.run(db, clock, uuid7(clock), Retention(), link))
    try:
        async with asyncio.timeout(20):
            while link.state != "up":
                await clock.advance(1)
                await asyncio.sleep(0.001)
            yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def hours(clock, count: int) -> None:
    for _ in range(count * 6):
        await clock.advance(600)
        await asyncio.sleep(0.005)


async def test_a_clock_that_leaps_ahead_throws_nothing_away_for_a_day(db):
    clock = ManualClock(NOW)
    await db.write(record, NOW)
    async with cleaning(db, clock):
        clock.step(400 * DAY_S)
        await hours(clock, 20)
        assert await counted(db) == 1
        clock.step(-400 * DAY_S)  # somebody has set it right
        await hours(clock, 30)
        assert await counted(db) == 1


async def test_after_that_day_it_is_believed(db):
    clock = ManualClock(NOW)
    await db.write(record, NOW)
    async with cleaning(db, clock):
        clock.step(400 * DAY_S)
        await hours(clock, 20)
        assert await counted(db) == 1
        while await counted(db):
            await hours(clock, 1)


async def test_a_box_that_comes_back_with_a_late_date_waits_as_well(db):
    clock = ManualClock(NOW)
    await db.write(record, NOW)
    async with cleaning(db, clock):
        pass
    later = ManualClock(NOW + timedelta(days=400))
    async with cleaning(db, later):
        await hours(later, 20)
        assert await counted(db) == 1
    assert time_.trusted(later.now())
