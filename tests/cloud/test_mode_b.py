"""Plans by a user's session: the activity log as a feed, and mode A whenever that is not to be had."""

import random
from datetime import timedelta
from functools import partial

import pytest
from cloud_shop import shop_of
from floor import Floor, differences
from session_shop import (
    FIRST,
    ITS_JOB,
    PULL,
    cloud_with_user,
    conflicts,
    here,
    in_mode,
    office,
    one,
    reads,
    rounds,
    signed_in,
)
from shift import BEND, CUT, OTTO, PETRA, WELD
from test_random_histories import FAULTS, play

from gateway.demo import factory
from gateway.kernel.clock import text
from gateway.operations.model import Verb


@pytest.fixture
async def new_shop(tmp_path):
    async with shop_of(tmp_path / "shop", cloud_with_user()) as shop:
        yield shop


@pytest.fixture
async def shop(tmp_path, pulled):
    """It has pulled the plan once, in mode A."""
    async with shop_of(tmp_path / "pulled", cloud_with_user(), pulled) as shop:
        yield shop


# ------------------------------------------------------------------ what comes down


async def test_the_whole_plan_comes_without_a_list_of_the_functions(new_shop):
    async with signed_in(new_shop):
        await new_shop.pulled()
        await in_mode(new_shop, "B")
        await rounds(new_shop)
        for table in ("jobs", "parts", "operations", "cells", "scrap_reasons"):
            assert len(await new_shop.ask(f"SELECT id FROM {table}")) == len(new_shop.cloud.rows(table)), table
        assert new_shop.health.link(PULL).state == "up"
    counted = [one.path for one in new_shop.asked("GET") if one.path in ("/api-jobs", "/api-parts")]
    assert counted == ["/api-parts"]  # the probe of the function
    assert new_shop.mutations() == [one for one in new_shop.mutations() if one.path == "/auth/v1/token"]


async def test_both_modes_bring_the_same(new_shop, shop):
    async with signed_in(new_shop):
        await new_shop.pulled()
    for table in ("jobs", "parts", "operations", "cells", "scrap_reasons"):
        sql = f"SELECT * FROM {table} ORDER BY id"
        both = [await one.db.read(lambda c, sql=sql: [dict(row) for row in c.execute(sql)]) for one in (shop, new_shop)]
        stamped = ("updated_at", "row_version")
        a, b = ([{name: row[name] for name in row if name not in stamped} for row in rows] for rows in both)
        assert a == b, table


async def test_a_change_comes_within_a_round_and_costs_nothing(shop):
    async with signed_in(shop):
        await in_mode(shop, "B")
        await rounds(shop, 1)
        office(shop, "operations", CUT, estimated_time=77)
        office(shop, "jobs", ITS_JOB, customer="Somebody else")
        await here(shop, "operations", CUT, "estimated_time", 77)
        await here(shop, "jobs", ITS_JOB, "customer", "Somebody else")
        assert [one.path for one in shop.asked("GET") if one.path == "/api-jobs"] == []


async def test_a_quiet_feed_writes_nothing(shop):
    async with signed_in(shop):
        await in_mode(shop, "B")
        await rounds(shop)
        state = (
            "SELECT (SELECT max(seq) FROM events), (SELECT max(seen_at) FROM cloud_rows), "
            "(SELECT value FROM gateway_state WHERE key = 'cloud.feed')"
        )
        before = await shop.ask(state)
        await rounds(shop)
        assert await shop.ask(state) == before


async def test_what_was_read_once_is_not_asked_for_again(shop):
    async with signed_in(shop):
        await in_mode(shop, "B")
        await rounds(shop, 1)
        office(shop, "operations", CUT, estimated_time=77)
        await here(shop, "operations", CUT, "estimated_time", 77)
        await rounds(shop, 1)
        asked = len(reads(shop, "operations"))
        await rounds(shop, 4)  # the entries are within the overlap, and read each time
        assert len(reads(shop, "operations")) == asked


async def test_a_late_commit_behind_the_cursor_is_found(shop):
    async with signed_in(shop):
        await in_mode(shop, "B")
        began = shop.clock.now()
        office(shop, "operations", CUT, estimated_time=66)
        await here(shop, "operations", CUT, "estimated_time", 66)
        await rounds(shop, 1)
        office(shop, "operations", BEND, began=began - timedelta(seconds=30), estimated_time=88)
        await here(shop, "operations", BEND, "estimated_time", 88)


async def test_new_work_comes_with_its_whole_tree(shop):
    number, at = 77, shop.clock.now()
    async with signed_in(shop, cells=("Welding",)):
        await in_mode(shop, "B")
        rows = factory.job(number, at)
        with shop.cloud.committing() as db:
            for table, listed in rows.items():
                for row in listed:
                    db.insert(table, {**row, "tenant_id": factory.TENANT_ID})
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM jobs WHERE id = ?", (rows["jobs"][0]["id"],)).fetchone(), "the job"
        )
    for table, listed in rows.items():
        for row in listed:
            assert await one(shop, table, row["id"], "id") == row["id"], (table, row)


async def test_work_of_other_cells_stays_away(new_shop):
    async with signed_in(new_shop, cells=("Assembly",)):
        await new_shop.until(lambda c: c.execute("SELECT 1 FROM operations").fetchone(), "pulled")
        office(new_shop, "operations", factory.named("operation", "1", "Foot", "Bending"), estimated_time=5)
        await rounds(new_shop)
    assert {row[0] for row in await new_shop.ask("SELECT id FROM parts")} == {FIRST}
    assert len(await new_shop.ask("SELECT id FROM operations")) == len(factory.STEPS) + 1


async def test_a_thousand_changes_of_one_transaction_all_come(shop):
    count = 1_200
    at = text(shop.clock.now())
    made = {
        f"B-{number}": {"job_number": f"B-{number}", "tenant_id": factory.TENANT_ID, "created_at": at}
        for number in range(count)
    }
    async with signed_in(shop):
        await in_mode(shop, "B")
        await rounds(shop, 1)
        with shop.cloud.committing() as db:
            for row in made.values():
                db.insert("jobs", row)
        await shop.until(
            lambda c: c.execute("SELECT count(*) FROM jobs WHERE job_number LIKE 'B-%'").fetchone()[0] == count, "all"
        )


async def test_people_become_known_without_their_pins_and_leave(new_shop):
    new = new_shop.new_id()
    hand = new_shop.new_id()
    with new_shop.cloud.committing() as db:
        tenant = {"tenant_id": factory.TENANT_ID}
        profile = {"id": new, "username": "nina", "full_name": "Nina", "email": "n@example.com", "role": "operator"}
        db.insert("profiles", {**profile, "pin_hash": "secret", **tenant})
        db.insert("operators", {"id": hand, "employee_id": "E-7", "full_name": "Hugo", "pin_hash": "secret", **tenant})
    async with signed_in(new_shop):
        await here(new_shop, "profiles", new, "full_name", "Nina")
        await here(new_shop, "operators", hand, "employee_id", "E-7")
        office(new_shop, "profiles", new, full_name="Nina Neu")
        await here(new_shop, "profiles", new, "full_name", "Nina Neu")
        with new_shop.cloud.committing() as db:
            db.delete("profiles", db.get("profiles", new))
        await here(new_shop, "profiles", new, "active", 0)
        assert await one(new_shop, "profiles", PETRA, "active") == 1
    assert not [one for one in reads(new_shop, "profiles") + reads(new_shop, "operators") if "pin" in one.query]


# ------------------------------------------------------------------ with work of our own


async def test_our_own_work_comes_back_as_nothing_new(shop):
    async with signed_in(shop):
        await in_mode(shop, "B")
        for verb in (Verb.START, Verb.PAUSE, Verb.RESUME, Verb.COMPLETE):
            await shop.change(verb, CUT, operator_id=OTTO)
            await shop.sent()
        await shop.drained()
        await rounds(shop)
        assert await conflicts(shop) == []
        assert await one(shop, "operations", CUT, "status") == "completed"
        told = len(shop.mutations())
        await rounds(shop)
        assert len(shop.mutations()) == told


async def test_work_that_is_not_sent_is_not_overwritten_and_a_change_beside_it_comes_later(shop):
    shop.cloud.faults.change(error_503=1.0, only="POST /api-operation-quantities")
    async with signed_in(shop):
        await in_mode(shop, "B")
        await shop.count(CUT, 1)  # it is stuck, and what comes after it waits
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        office(shop, "operations", CUT, status="on_hold", estimated_time=55)
        await here(shop, "operations", CUT, "estimated_time", 55)
        assert await one(shop, "operations", CUT, "status") == "in_progress"
        shop.cloud.faults.change(error_503=0.0)
        await shop.drained()
    assert shop.cloud.row("operations", CUT)["estimated_time"] == 55


# ------------------------------------------------------------------ deletions


async def test_a_job_that_is_deleted_softly_goes_with_all_below_it(shop):
    async with signed_in(shop):
        await in_mode(shop, "B")
        office(shop, "jobs", ITS_JOB, deleted_at=text(shop.clock.now()))
        await shop.until(
            lambda c: c.execute("SELECT deleted_at FROM operations WHERE id = ?", (WELD,)).fetchone()[0], "gone"
        )
    assert await one(shop, "jobs", ITS_JOB, "deleted_at")
    assert [(table, how) for table, _, _, how in await conflicts(shop)] == [("jobs", "cloud")]


async def test_what_is_deleted_for_good_goes_here(shop):
    reason = factory.named("scrap", factory.SCRAP[0][0])
    async with signed_in(shop):
        await in_mode(shop, "B")
        with shop.cloud.committing() as db:
            db.delete("operations", db.get("operations", CUT))
            db.delete("scrap_reasons", db.get("scrap_reasons", reason))
        await shop.until(
            lambda c: c.execute("SELECT deleted_at FROM operations WHERE id = ?", (CUT,)).fetchone()[0], "gone"
        )
        assert await one(shop, "scrap_reasons", reason, "id")  # the log does not tell of these
    async with signed_in(shop):  # but the small tables are read at the start, and every hour
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM scrap_reasons WHERE id = ?", (reason,)).fetchone() is None, "gone"
        )


async def test_many_that_go_at_once_wait_for_a_person_whatever_the_steps(shop):
    every = [row["id"] for row in shop.cloud.rows("operations")]
    async with signed_in(shop):
        await in_mode(shop, "B")
        await rounds(shop, 1)
        for row_id in every[:12]:
            office(shop, "operations", row_id, deleted_at=text(shop.clock.now()))
        await shop.until(lambda _: "open conflict" in (shop.health.link(PULL).error or ""), "asks")
        await rounds(shop)
    assert await shop.ask("SELECT count(*) FROM operations WHERE deleted_at IS NOT NULL") == [(0,)]


async def test_a_deletion_waits_for_work_that_is_not_sent(shop):
    shop.cloud.faults.change(error_503=1.0, only="POST /api-operation-quantities")
    async with signed_in(shop):
        await in_mode(shop, "B")
        await shop.count(CUT, 1)
        office(shop, "operations", CUT, deleted_at=text(shop.clock.now()))
        await shop.until(lambda c: c.execute("SELECT 1 FROM cloud_conflicts").fetchone(), "told")
        await rounds(shop)
        assert await one(shop, "operations", CUT, "deleted_at") is None
        shop.cloud.faults.change(error_503=0.0)
        await shop.until(
            lambda c: c.execute("SELECT deleted_at FROM operations WHERE id = ?", (CUT,)).fetchone()[0], "gone"
        )


async def test_a_user_who_sees_nothing_deletes_nothing(shop):
    """His profile was moved to another company, so every table is empty for him."""
    async with signed_in(shop):
        await in_mode(shop, "B")
        other = shop.new_id()
        with shop.cloud.committing() as db:
            for table in ("cells", "scrap_reasons", "operations"):
                for row in list(db.where(table)):
                    db.tables[table][row["id"]] = {**row, "tenant_id": other}
            db.update("operations", db.get("operations", CUT), {"tenant_id": factory.TENANT_ID, "estimated_time": 3})
            db.tables["profiles"].pop(OTTO)
    async with signed_in(shop):
        await in_mode(shop, "A")
        await shop.until(lambda _: "own profile" in shop.health.link(PULL).facts["why"], "why")
    assert await one(shop, "operations", BEND, "deleted_at") is None


async def test_tables_that_the_user_may_not_see_are_not_taken_for_empty(shop):
    """The small ones are then read with the key, once a day."""
    shop.cloud.tables.hidden = {"scrap_reasons", "resources", "operators"}
    reason = {"id": shop.new_id(), "code": "NEW", "description": "New", "category": "other"}
    with shop.cloud.committing() as db:
        db.insert("scrap_reasons", {**reason, "tenant_id": factory.TENANT_ID})
    async with signed_in(shop):
        await in_mode(shop, "B")
        await here(shop, "scrap_reasons", reason["id"], "code", "NEW")
        await rounds(shop)
        assert len(await shop.ask("SELECT id FROM scrap_reasons")) == len(factory.SCRAP) + 1
        asked = [one.query for one in shop.asked("GET") if one.path == "/api-scrap-reasons"]
        assert len(asked) == 2, asked  # the active ones and the others


async def test_a_log_that_the_user_may_not_see_is_no_feed(shop):
    shop.cloud.tables.hidden = {"activity_log"}
    async with signed_in(shop):
        await in_mode(shop, "A")
        assert "activity log" in shop.health.link(PULL).facts["why"]


async def test_a_cloud_of_another_build_is_read_with_the_key(shop):
    shop.cloud.tables.hidden = {"operations.part_id"}
    async with signed_in(shop):
        await in_mode(shop, "A")
        assert "not as we know them: KeyError: 'part_id'" in shop.health.link(PULL).facts["why"]
        office(shop, "operations", CUT, estimated_time=77)
        await here(shop, "operations", CUT, "estimated_time", 77)


@pytest.mark.parametrize("weather", FAULTS)
async def test_a_shift_in_bad_weather_leaves_both_sides_the_same_and_nobody_a_question(new_shop, weather):
    async with signed_in(new_shop):
        await new_shop.pulled()
    floor = Floor(new_shop, 3)
    await play(new_shop, floor, random.Random(3), FAULTS[weather], partial(signed_in, new_shop))
    new_shop.cloud.faults.change(**dict.fromkeys(FAULTS[weather], 0))
    async with signed_in(new_shop):
        await new_shop.drained()
        assert await new_shop.db.read(differences, new_shop.cloud) == []
    assert await conflicts(new_shop) == []
