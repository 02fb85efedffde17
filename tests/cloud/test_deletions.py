"""What was deleted in the cloud goes here as well: after two rounds and a question, never with unsent work, never much at once."""

import json
from datetime import timedelta

import aiohttp
import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from passing import pass_by
from shift import BEND, BURR, CALLER, CUT, DIM, OTTO, WELD

from gateway.catalog.commands import RowCommands
from gateway.catalog.tables import RESOURCES
from gateway.cloud.absent import GONE, Here, Known, Listed, missing
from gateway.cloud.deletions import ROWS_MAX
from gateway.cloud.downlink import CATALOGUE_EVERY_S
from gateway.cloud.link import DOWN
from gateway.conflicts.commands import ConflictCommands
from gateway.demo import factory
from gateway.kernel.clock import ManualClock, SystemClock
from gateway.operations.model import Verb
from gateway.operations.planning import OperationPlanning

JOB = factory.named("job", "1")
BEAM, FOOT = (factory.named("part", "1", name) for name in ("Beam", "Foot"))
PULL_EVERY_S = 0.1
STEP_S = 60.0


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


@pytest.fixture
async def slow_shop(tmp_path, pulled):
    """Its clock is turned by hand."""
    clock = ManualClock(SystemClock().now() + timedelta(hours=1))  # after the copy was made
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT, clock=clock), pulled, clock) as shop:
        yield shop


def pulling(shop, **more):
    return shop.linked(**{"pull_every_s": PULL_EVERY_S, "settle_after_s": 0.1, **more})


async def delete_there(shop, table: str, *row_ids: str) -> None:
    headers = {"Authorization": f"Bearer {factory.CLOUD_KEY}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for row_id in row_ids:
            url = f"{shop.url}/api-{table.replace('_', '-')}"
            async with session.delete(url, params={"id": row_id}) as answer:
                assert answer.status == 200, await answer.text()


async def live(shop, table: str) -> set[str]:
    return {row[0] for row in await shop.ask(f"SELECT id FROM {table} WHERE deleted_at IS NULL")}


def gone(table: str, row_id: str):
    sql = f"SELECT 1 FROM {table} WHERE id = ? AND deleted_at IS NOT NULL"
    return lambda connection: connection.execute(sql, (row_id,)).fetchone()


async def rounds(shop, count: int = 3) -> None:
    def seen() -> int:
        return len([one for one in shop.asked("GET") if one.path == "/api-cells"])

    before = seen()
    await shop.until(lambda _: seen() > before + count, f"{count} pulls")


async def told(shop, row_id: str) -> list[tuple]:
    sql = "SELECT resolution, resolved_by, reason FROM cloud_conflicts WHERE row_id = ? AND field = 'deleted_at'"
    return await shop.ask(f"{sql} ORDER BY rowid", row_id)


def asked_about(shop, table: str, row_id: str) -> int:
    return len([one for one in shop.asked("GET") if one.path == f"/api-{table}" and one.query == f"id={row_id}"])


# ------------------------------------------------------------------ what is missing


KNOWN = Known(("part", "job"), "laser", open=True, missed=0)


def listed(**more) -> Listed:
    return Listed(**{"flat": ("cells",), "work": True, **more})


def test_a_row_is_missing_only_where_it_would_have_been_seen():
    here = Here(known={"operations": {"o": KNOWN}, "cells": {"c": Known()}, "resources": {"r": Known()}})
    assert missing(here, listed()).first == [("cells", "c"), ("operations", "o")]
    assert missing(here, listed(partial={"operations", "cells"})).first == []
    assert missing(here, listed(cells=frozenset(("bending",)))).first == [("cells", "c")]
    assert ("operations", "o") in missing(here, listed(cells=frozenset(("bending",)), trees={"part"})).first
    assert missing(here, listed(shown={"operations": {"o"}, "cells": {"c"}})).first == []


def test_what_is_completed_is_missed_only_by_a_scan_of_everything():
    here = Here(known={"jobs": {"j": Known(open=False)}})
    assert missing(here, listed()).first == []
    assert missing(here, listed(scanned={"jobs"})).first == [("jobs", "j")]


def test_what_lies_below_a_missing_row_is_its_business():
    known = {"jobs": {"job": Known()}, "parts": {"part": Known(("job",))}, "operations": {"o": KNOWN}}
    assert missing(Here(known=known), listed()).first == [("jobs", "job")]
    assert missing(Here(known=known), listed(shown={"jobs": {"job"}, "parts": {"part"}})).first == [("operations", "o")]


def test_a_row_that_is_shown_again_is_back_and_one_that_is_gone_is_not_asked_about_again():
    known = {"jobs": {"back": Known(missed=1), "again": Known(missed=1), "gone": Known(missed=GONE)}}
    found = missing(Here(known=known), listed(shown={"jobs": {"back"}}))
    assert (found.back, found.again, found.first) == ([("jobs", "back")], [("jobs", "again")], [])


# ------------------------------------------------------------------ deleted there, deleted here


async def test_an_operation_goes_after_two_rounds_and_a_404(shop):
    await delete_there(shop, "operations", CUT)
    async with pulling(shop):
        await shop.until(gone("operations", CUT), "gone")
        await rounds(shop)
    assert asked_about(shop, "operations", CUT) == 1
    assert await told(shop, CUT) == [("cloud", "rule", "it was deleted in the cloud")]
    ((origin, changes),) = await shop.ask("SELECT origin, changes FROM events WHERE aggregate = ?", f"operation:{CUT}")
    (change,) = json.loads(changes)
    assert (origin, change["table"], change["id"], change["op"]) == ("cloud", "operations", CUT, "delete")
    assert change["fields"]["operation_name"] == "Laser cutting"
    assert shop.mutations()[1:] == []  # nothing goes up but the office's own request


async def test_a_job_goes_with_everything_below_it_although_that_is_still_listed(shop):
    await delete_there(shop, "jobs", JOB)
    async with pulling(shop):
        await shop.until(gone("jobs", JOB), "gone")
        await rounds(shop)
    assert {BEAM, FOOT}.isdisjoint(await live(shop, "parts"))
    assert {CUT, BEND, WELD}.isdisjoint(await live(shop, "operations"))
    assert [row["id"] for row in shop.cloud.rows("parts") if row["id"] == BEAM and row["deleted_at"] is None] == [BEAM]
    ((resolution, by, reason),) = await told(shop, JOB)
    assert (resolution, by) == ("cloud", "rule")
    assert "3 parts and 10 operations below it" in reason
    assert await shop.ask("SELECT count(*) FROM cloud_conflicts WHERE resolution IS NULL") == [(0,)]
    assert asked_about(shop, "jobs", JOB) <= 2


async def test_what_lies_below_a_deleted_job_or_part_never_comes(tmp_path):
    cloud = stand_in(PLANNED_AT)
    dead, *alive = [row["id"] for row in cloud.rows("parts") if row["job_id"] != JOB]
    async with shop_of(tmp_path / "new", cloud) as shop:
        await delete_there(shop, "jobs", JOB)
        await delete_there(shop, "parts", dead)
        async with pulling(shop):
            await shop.until(lambda c: c.execute("SELECT count(*) FROM operations").fetchone()[0], "pulled")
            await rounds(shop)
        assert await live(shop, "jobs") == {factory.named("job", "2")}
        assert await live(shop, "parts") == set(alive)
        expected = {row["id"] for row in cloud.rows("operations") if row["part_id"] in alive}
        assert await live(shop, "operations") == expected
        assert await shop.ask("SELECT count(*) FROM cloud_conflicts") == [(0,)]


async def test_a_part_goes_with_its_operations_and_the_job_stays(shop):
    await delete_there(shop, "parts", BEAM)
    async with pulling(shop, cells=("Laser",)):
        await shop.until(gone("parts", BEAM), "gone")
        await rounds(shop)
    assert {CUT, BEND, WELD}.isdisjoint(await live(shop, "operations"))
    assert FOOT in await live(shop, "parts")
    assert JOB in await live(shop, "jobs")


async def test_what_was_completed_or_moved_over_there_is_not_deleted(shop):
    await shop.in_the_office("jobs", JOB, status="completed")
    await shop.in_the_office("parts", BEAM, status="completed")
    await shop.in_the_office("operations", CUT, cell_id=factory.named("cell", "Bending"))
    async with pulling(shop, cells=("Laser", "Welding")):
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM jobs WHERE id = ? AND status = 'completed'", (JOB,)).fetchone(), "known"
        )
        await rounds(shop)
    assert await shop.ask("SELECT count(*) FROM cloud_rows WHERE missed > 0 OR deleted = 1") == [(0,)]
    assert {JOB} <= await live(shop, "jobs")
    ((cell_id,),) = await shop.ask("SELECT cell_id FROM operations WHERE id = ?", CUT)
    assert cell_id == factory.named("cell", "Bending")


async def test_completed_work_is_looked_for_in_a_scan_of_everything(slow_shop):
    shop = slow_shop
    await shop.change(Verb.START, CUT, operator_id=OTTO)
    await shop.change(Verb.COMPLETE, CUT, operator_id=OTTO)
    async with pulling(shop, pull_every_s=STEP_S):
        await pass_by(shop, 1_200, STEP_S / 4)
        assert shop.cloud.row("operations", CUT)["status"] == "completed"
        await delete_there(shop, "operations", CUT)
        await pass_by(shop, 600, STEP_S / 4)
        assert CUT in await live(shop, "operations")
        await pass_by(shop, 3 * CATALOGUE_EVERY_S, STEP_S / 2, until=gone("operations", CUT))
    assert CUT not in await live(shop, "operations")
    ((booked,),) = await shop.ask("SELECT count(*) FROM time_entries WHERE operation_id = ?", CUT)
    assert booked == 1


# ------------------------------------------------------------------ tables beside the work


async def test_tables_beside_the_work_lose_what_nobody_needs_and_switch_off_what_is_in_use(slow_shop):
    shop = slow_shop
    jigs = {name: shop.new_id() for name in ("free", "needed")}
    plain = {"type": "tooling", "active": True, "created_at": "2026-11-01T00:00:00Z"}
    cells = {name: shop.new_id() for name in ("free", "in use")}
    shop.cloud.load({"resources": [{"id": one, "name": name, **plain} for name, one in jigs.items()]})
    shop.cloud.load(
        {"cells": [{"id": one, "name": name, "sequence": 9, "active": True} for name, one in cells.items()]}
    )
    async with pulling(shop, pull_every_s=STEP_S):
        await pass_by(
            shop, 600, STEP_S / 4, until=lambda c: c.execute("SELECT count(*) FROM resources").fetchone()[0] == 2
        )
        need = "INSERT INTO operation_resources (id, operation_id, resource_id, quantity, created_at) VALUES (?, ?, ?, 1, '')"
        await shop.db.write(lambda tx: tx.execute(need, (shop.new_id(), CUT, jigs["needed"])).rowcount)
        shop.cloud.faults.change(error_503=1.0, only="POST /api-operation")
        scrap = {"operation_id": CUT, "quantity_scrap": 1, "scrap_reasons": [{"scrap_reason_id": BURR, "quantity": 1}]}
        await shop.quantities.create(scrap, CALLER, None)
        extra = {"part_id": BEAM, "cell_id": cells["in use"], "operation_name": "Polish"}
        await OperationPlanning(shop.db, shop.clock, shop.new_id, "gw-test").create(extra, CALLER, None)
        await delete_there(shop, "resources", *jigs.values())
        await delete_there(shop, "cells", *cells.values())
        await delete_there(shop, "scrap_reasons", BURR, DIM)
        await pass_by(shop, 3 * CATALOGUE_EVERY_S, STEP_S)
    assert await shop.ask("SELECT active FROM resources WHERE id = ? AND deleted_at IS NULL", jigs["needed"]) == [(0,)]
    assert await live(shop, "resources") == {jigs["needed"]}
    for table, used, free in (("cells", cells["in use"], cells["free"]), ("scrap_reasons", BURR, DIM)):
        assert await shop.ask(f"SELECT id, active FROM {table} WHERE id IN (?, ?)", used, free) == [(used, 0)]
        ((resolution, _, told_of),) = await told(shop, used)
        assert resolution == "cloud"
        assert "in use here, so it was only switched off" in told_of


# ------------------------------------------------------------------ never over work


async def test_work_that_is_not_sent_keeps_the_row_until_it_is(shop):
    await delete_there(shop, "jobs", JOB)
    shop.cloud.faults.change(error_503=1.0, only="POST /api-operation-quantities")
    await shop.count(CUT, 3)
    async with pulling(shop):
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM cloud_conflicts WHERE row_id = ?", (JOB,)).fetchone(), "told"
        )
        await rounds(shop)
        assert JOB in await live(shop, "jobs")
        ((resolution, _, reason),) = await told(shop, JOB)
        assert resolution is None
        assert "not sent yet: it stays until that is over" in reason
        shop.cloud.faults.change(error_503=0.0)
        await shop.until(gone("jobs", JOB), "gone")
    assert [row["quantity_good"] for row in shop.cloud.rows("operation_quantities")] == [3]
    assert [one[:2] for one in await told(shop, JOB)] == [("cloud", "rule")]


async def test_nothing_is_taken_away_from_somebody_who_works_on_it(shop):
    async with pulling(shop):
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        await shop.drained()
        await delete_there(shop, "operations", CUT)
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM cloud_conflicts WHERE row_id = ?", (CUT,)).fetchone(), "told"
        )
        await rounds(shop)
        assert CUT in await live(shop, "operations")
        assert "somebody works on it" in (await told(shop, CUT))[0][2]
        await shop.change(Verb.COMPLETE, CUT, operator_id=OTTO)
        await shop.until(gone("operations", CUT), "gone")
        await shop.sent()
    ((ended,),) = await shop.ask("SELECT count(*) FROM time_entries WHERE operation_id = ? AND end_time > ''", CUT)
    assert ended == 1


async def test_a_person_may_keep_a_row(shop):
    await shop.change(Verb.START, CUT, operator_id=OTTO)
    async with pulling(shop):
        await shop.drained()
        await delete_there(shop, "operations", CUT)
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM cloud_conflicts WHERE row_id = ?", (CUT,)).fetchone(), "told"
        )
        await decide(shop, CUT, "local")
        await shop.change(Verb.COMPLETE, CUT, operator_id=OTTO)
        await shop.sent()
        await rounds(shop)
    assert CUT in await live(shop, "operations")


async def test_a_row_that_comes_back_is_not_asked_about_any_more(shop):
    shop.cloud.faults.change(error_503=1.0, only="POST /api-operation-quantities")
    await shop.count(CUT, 3)
    row = shop.cloud.row("operations", CUT)
    await delete_there(shop, "operations", CUT)
    async with pulling(shop):
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM cloud_conflicts WHERE row_id = ?", (CUT,)).fetchone(), "told"
        )
        shop.cloud.load({"operations": [row]})
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM cloud_conflicts WHERE resolution = 'dropped'").fetchone(), "over"
        )
    assert await shop.ask("SELECT count(*) FROM cloud_rows WHERE missed > 0") == [(0,)]


# ------------------------------------------------------------------ never much at once


async def decide(shop, row_id: str, resolution: str) -> None:
    ((conflict_id,),) = await shop.ask("SELECT id FROM cloud_conflicts WHERE row_id = ? AND resolution IS NULL", row_id)
    commands = ConflictCommands(shop.db, shop.clock, shop.new_id, "gw-test")
    await commands.resolve(conflict_id, resolution, CALLER, None)


async def much_is_gone(shop) -> str:
    """The office loses everything; returns the row id of the question."""
    operations = sorted(await live(shop, "operations"))
    assert len(operations) > ROWS_MAX
    await delete_there(shop, "operations", *operations)
    sql = "SELECT row_id FROM cloud_conflicts WHERE table_name = 'operations' AND resolution IS NULL"
    await shop.until(lambda c: c.execute(sql).fetchone(), "asked")
    await rounds(shop)
    ((row_id,),) = await shop.ask(sql)
    return row_id


@pytest.mark.parametrize("answer", ["cloud", "local"])
async def test_much_at_once_waits_for_a_person(shop, answer):
    before = await live(shop, "operations")
    async with pulling(shop):
        row_id = await much_is_gone(shop)
        assert await live(shop, "operations") == before
        link = shop.health.link(DOWN)
        assert link.state == "degraded"
        assert f"does not show {len(before)} of {len(before)} operations any more" in link.error
        ((ours, reason),) = await shop.ask("SELECT local, reason FROM cloud_conflicts WHERE row_id = ?", row_id)
        assert (json.loads(ours)["rows"], json.loads(ours)["of"]) == (len(before), len(before))
        assert "nothing was deleted here" in reason
        await decide(shop, row_id, answer)
        await shop.until(lambda _: link.state == "up", "up again")
        await rounds(shop)
    assert await live(shop, "operations") == (set() if answer == "cloud" else before)
    assert await shop.ask("SELECT count(*) FROM cloud_conflicts WHERE resolution IS NULL") == [(0,)]


async def test_a_question_is_over_when_the_rows_are_back(shop):
    rows = shop.cloud.rows("operations")
    async with pulling(shop):
        row_id = await much_is_gone(shop)
        shop.cloud.load({"operations": rows})
        await shop.until(lambda _: shop.health.link(DOWN).state == "up", "up again")
    assert [one[0] for one in await told(shop, row_id)] == ["dropped"]
    assert await shop.ask("SELECT count(*) FROM cloud_rows WHERE missed > 0") == [(0,)]


async def test_a_scan_that_costs_too_much_is_left_out(slow_shop):
    """All the tables take seven pages: more than a tenth of sixty requests a day."""
    shop = slow_shop
    done = {**shop.cloud.row("operations", CUT), "status": "completed"}
    shop.cloud.load({"operations": [{**done, "id": shop.new_id()} for _ in range(4_500)]})
    async with pulling(shop, requests_per_day=60, pull_every_s=STEP_S):
        await pass_by(shop, 600, STEP_S / 4)
    whole = [one.query for one in shop.asked("GET") if one.path == "/api-operations" and "_id" not in one.query]
    assert [one for one in whole if "status" not in one and "sort" in one] == [
        "limit=1000&offset=0&sort=created_at&order=asc"
    ]


async def test_a_resource_that_we_made_ourselves_and_that_was_deleted_there_goes_as_well(slow_shop):
    shop = slow_shop
    jigs = RowCommands(RESOURCES, shop.db, shop.clock, shop.new_id, "gw-test")
    made = json.loads((await jigs.create({"name": "Jig", "type": "tooling"}, CALLER, None)).data)["resource"]["id"]
    async with pulling(shop, pull_every_s=STEP_S):
        await pass_by(shop, CATALOGUE_EVERY_S, STEP_S / 4, until=lambda _: shop.cloud.rows("resources"))
        assert made in [row["id"] for row in shop.cloud.rows("resources")]
        await pass_by(shop, 120, STEP_S / 4)
        await delete_there(shop, "resources", made)
        await pass_by(shop, 3 * CATALOGUE_EVERY_S, STEP_S / 2, until=gone("resources", made))
    assert await live(shop, "resources") == set()
