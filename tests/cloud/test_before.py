"""The office and we change the same row between two pulls: before ours goes up the cloud is asked, and both values are kept."""

import contextlib

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from floor import differences
from shift import BEND, CALLER, CUT, OTTO

from gateway.catalog.commands import RowCommands
from gateway.catalog.tables import CELLS
from gateway.cloud.link import DOWN
from gateway.demo import factory
from gateway.operations.model import Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.trees.commands import JobTreeCommands, PartTreeCommands

FIRST = factory.named("part", "1", "Beam")
ITS_JOB = factory.named("job", "1")
LASER = factory.named("cell", "Laser")
NEVER_S = 86_400.0


@pytest.fixture
async def shop(tmp_path, pulled):
    """It has pulled the plan once."""
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


@contextlib.asynccontextmanager
async def quiet(shop):
    """A line on which nothing more comes down."""
    async with shop.online(pull_every_s=NEVER_S):
        await shop.until(lambda _: shop.health.link(DOWN).state == "up", "the first pull is over")
        yield


def made(shop, commands, *first):
    return commands(*first, shop.db, shop.clock, shop.new_id, "gw-test")


async def conflicts(shop) -> list[tuple]:
    return await shop.ask(
        "SELECT table_name, row_id, field, local, cloud, resolution FROM cloud_conflicts ORDER BY rowid"
    )


def looks(shop, table: str, row_id: str) -> int:
    """How often the cloud was asked for one row."""
    return len([one for one in shop.asked("GET") if (one.path, one.query) == (f"/api-{table}", f"id={row_id}")])


async def test_what_the_office_has_entered_meanwhile_is_kept_and_ours_goes_up(shop):
    async with quiet(shop):
        await shop.in_the_office("jobs", ITS_JOB, customer="Office", notes="theirs alone")
        await made(shop, JobTreeCommands).update(ITS_JOB, {"customer": "Floor"}, CALLER, None)
        await shop.drained()
    assert await conflicts(shop) == [("jobs", ITS_JOB, "customer", '"Floor"', '"Office"', "local")]
    row = shop.cloud.row("jobs", ITS_JOB)
    assert (row["customer"], row["notes"]) == ("Floor", "theirs alone")
    assert looks(shop, "jobs", ITS_JOB) == 1


@pytest.mark.parametrize("late", [False, True], ids=["as it happens", "after a time without a line"])
async def test_so_it_is_for_every_kind_of_row_that_the_office_plans(shop, late):
    async def ours() -> None:
        await made(shop, JobTreeCommands).update(ITS_JOB, {"notes": "floor"}, CALLER, None)
        await made(shop, PartTreeCommands).update(FIRST, {"material": "Oak"}, CALLER, None)
        await made(shop, OperationPlanning).update(CUT, {"estimated_time": 7}, CALLER, None)
        await made(shop, RowCommands, CELLS).update(LASER, {"sequence": 8}, CALLER, None)

    async def theirs() -> None:
        await shop.in_the_office("jobs", ITS_JOB, notes="office")
        await shop.in_the_office("parts", FIRST, material="Ash")
        await shop.in_the_office("operations", CUT, estimated_time=9)
        await shop.in_the_office("cells", LASER, sequence=4)

    if late:
        await ours()
        await theirs()
    async with quiet(shop):
        if not late:
            await theirs()
            await ours()
        await shop.drained()
    told = {(table, field, ours, theirs) for table, _, field, ours, theirs, _ in await conflicts(shop)}
    assert told == {
        ("jobs", "notes", '"floor"', '"office"'),
        ("parts", "material", '"Oak"', '"Ash"'),
        ("operations", "estimated_time", "7", "9"),
        ("cells", "sequence", "8", "4"),
    }
    assert await shop.db.read(differences, shop.cloud) == []


async def test_other_columns_are_no_conflict_and_the_same_value_is_none(shop):
    async with quiet(shop):
        await shop.in_the_office("parts", FIRST, material="Oak", quantity=50)
        await made(shop, PartTreeCommands).update(FIRST, {"material": "Oak", "notes": "ours"}, CALLER, None)
        await shop.drained()
    assert await conflicts(shop) == []
    row = shop.cloud.row("parts", FIRST)
    assert (row["material"], row["quantity"], row["notes"]) == ("Oak", 50, "ours")


async def test_work_costs_no_such_request(shop):
    async with quiet(shop):
        for verb in (Verb.START, Verb.PAUSE, Verb.RESUME, Verb.COMPLETE):
            await shop.change(verb, CUT, operator_id=OTTO)
            await shop.count(CUT, 2)
            await shop.sent()
        await shop.drained()
    assert [looks(shop, table, row) for table, row in (("operations", CUT), ("parts", FIRST), ("jobs", ITS_JOB))] == [
        *(0, 0, 0)
    ]


async def test_nor_does_a_column_that_the_cloud_would_not_show(shop):
    async with quiet(shop):
        await made(shop, OperationPlanning).update(CUT, {"notes": "mind the burr"}, CALLER, None)
        await shop.drained()
    assert looks(shop, "operations", CUT) == 0
    assert shop.cloud.row("operations", CUT)["notes"] == "mind the burr"


async def test_a_late_change_of_state_and_plan_is_one_question(shop):
    await made(shop, OperationPlanning).update(BEND, {"estimated_time": 7}, CALLER, None)
    await shop.change(Verb.START, BEND, operator_id=OTTO)
    await shop.in_the_office("operations", BEND, estimated_time=9, status="completed")
    async with quiet(shop):
        await shop.drained()
    assert looks(shop, "operations", BEND) == 1
    told = {(field, resolution) for _, _, field, _, _, resolution in await conflicts(shop)}
    assert told == {("estimated_time", "local"), ("status", None)}
    row = shop.cloud.row("operations", BEND)
    assert (row["estimated_time"], row["status"]) == (7, "completed")


async def test_what_was_deleted_there_is_told_and_nothing_is_sent(shop):
    async with quiet(shop):
        await shop.in_the_office("parts", FIRST, deleted_at="2026-11-02T08:00:00+00:00")
        changes = len(shop.asked("PATCH"))
        await made(shop, PartTreeCommands).update(FIRST, {"material": "Oak"}, CALLER, None)
        await shop.sent()
    assert [(table, field, how) for table, _, field, _, _, how in await conflicts(shop)] == [
        ("parts", "deleted_at", "dropped")
    ]
    assert len(shop.asked("PATCH")) == changes


async def test_a_value_of_our_own_that_nobody_confirmed_is_nobody_elses(shop):
    async with quiet(shop):
        shop.cloud.faults.change(lose_reply=1.0, left=1, only="PATCH /api-jobs")
        await made(shop, JobTreeCommands).update(ITS_JOB, {"customer": "First"}, CALLER, None)
        await made(shop, JobTreeCommands).update(ITS_JOB, {"customer": "Second"}, CALLER, None)
        await shop.drained()
    assert await conflicts(shop) == []
    assert shop.cloud.row("jobs", ITS_JOB)["customer"] == "Second"
