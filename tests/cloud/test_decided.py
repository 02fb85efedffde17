"""A person decides whose value it is: afterwards both sides have it."""

import json

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from shift import BEND, CALLER, CUT, OTTO

from gateway.cloud import conflicts, store
from gateway.conflicts.commands import ConflictCommands
from gateway.demo import factory
from gateway.kernel.errors import Conflict, InvalidTransition
from gateway.operations.model import Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.time_entries.commands import TimeEntryCommands
from gateway.operations.trees.commands import PartTreeCommands
from gateway.outbox import journal, parked

FIRST = factory.named("part", "1", "Beam")
ITS_JOB = factory.named("job", "1")


@pytest.fixture
async def shop(tmp_path, pulled):
    """It has pulled the plan once."""
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


def pulling(shop, **more):
    return shop.linked(pull_every_s=0.1, settle_after_s=0.1, **more)


def made(shop, commands):
    return commands(shop.db, shop.clock, shop.new_id, "gw-test")


def give_up(tx, now: str) -> None:
    """What was not sent is refused, and somebody discards it."""
    position = journal.register(tx, store.READER, now)
    entries = journal.after(tx, position)
    journal.park(tx, store.READER, entries, "refused", now, state="parked")
    journal.advance(tx, store.READER, entries[-1].seq)
    parked.discard(tx, store.READER)


async def parted(shop, theirs: str) -> None:
    """Work was begun here and never sent; meanwhile the office has set the operation to `theirs`."""
    await shop.change(Verb.START, CUT, operator_id=OTTO)
    await shop.db.write(give_up, "2026-11-02T07:00:00+00:00")
    await shop.in_the_office("operations", CUT, status=theirs)


async def found(shop, row_id: str = CUT) -> str:
    """The id of the one conflict about a row that is open."""
    await shop.until(lambda c: len(open_of(c, row_id)) == 1, "an open conflict")
    return (await shop.db.read(open_of, row_id))[0]


def open_of(connection, row_id: str) -> list[str]:
    sql = "SELECT id FROM cloud_conflicts WHERE row_id = ? AND resolution IS NULL"
    return [row[0] for row in connection.execute(sql, (row_id,))]


async def decide(shop, conflict_id: str, side: str) -> dict:
    answer = await made(shop, ConflictCommands).resolve(conflict_id, side, CALLER, None)
    return json.loads(answer.data)["conflict"]


async def here(shop, row_id: str = CUT, table: str = "operations") -> dict:
    return dict((await shop.db.read(store.local, table, row_id))[0])


def there(shop, row_id: str = CUT, table: str = "operations") -> dict:
    return shop.cloud.row(table, row_id)


async def settled(shop, row_id: str) -> tuple:
    """How the newest conflict about a row was resolved, and by whom."""
    sql = "SELECT resolution, resolved_by FROM cloud_conflicts WHERE row_id = ? ORDER BY rowid DESC LIMIT 1"
    return (await shop.ask(sql, row_id))[0]


# ------------------------------------------------------------------ the state of an operation


@pytest.mark.parametrize("stopped", [False, True], ids=["with a line", "without one"])
async def test_ours_stays_and_goes_up_again(shop, stopped):
    await parted(shop, "on_hold")
    async with pulling(shop):
        conflict_id = await found(shop)
        told = len(shop.mutations())
        if not stopped:
            row = await decide(shop, conflict_id, "local")
            await shop.drained()
    if stopped:
        row = await decide(shop, conflict_id, "local")
        async with pulling(shop):
            await shop.drained()
    assert (row["resolution"], row["resolved_by"], row["local"], row["cloud"]) == (
        *("local", CALLER.name),
        *("in_progress", "on_hold"),
    )
    assert len(shop.mutations()) > told
    ours = await here(shop)
    assert ours["status"] == "in_progress"
    assert [there(shop)[name] for name in ("status", "paused_at")] == ["in_progress", None]
    assert ours["started_at"][:19] == there(shop)["started_at"][:19]


async def test_ours_goes_up_again_although_we_believe_that_it_stands_there(shop):
    await parted(shop, "on_hold")
    async with pulling(shop):
        conflict_id = await found(shop)
    row = await shop.db.read(store.row, "operations", CUT)
    row.base |= {"status": "in_progress"}
    await shop.db.write(store.save, row.packed("2026-11-02T07:00:00+00:00"))
    await decide(shop, conflict_id, "local")
    shop.cloud.faults.change(error_503=1.0, only="GET /api-cells")  # no pull tells us better
    async with pulling(shop):
        await shop.drained()
    assert there(shop)["status"] == "in_progress"


async def test_theirs_is_taken_over_and_goes_nowhere(shop):
    await parted(shop, "on_hold")
    async with pulling(shop):
        conflict_id = await found(shop)
        row = await decide(shop, conflict_id, "cloud")
        assert row["resolution"] == "cloud"
        assert (await here(shop))["status"] == "on_hold"
        await shop.drained()
    assert there(shop)["status"] == "on_hold"
    assert (await here(shop))["started_at"] is None
    assert [one for one in shop.mutations() if CUT in (one.query or "")][1:] == []  # the office's own
    *_, (origin,) = await shop.ask("SELECT origin FROM events WHERE aggregate = ? ORDER BY seq", f"operation:{CUT}")
    assert origin == "cloud"


async def test_what_the_cloud_has_completed_is_not_taken_back_there(shop):
    await parted(shop, "completed")
    async with pulling(shop):
        conflict_id = await found(shop)
        with pytest.raises(InvalidTransition, match="completed in the cloud"):
            await decide(shop, conflict_id, "local")
        with pytest.raises(Conflict, match="time runs on it"):
            await decide(shop, conflict_id, "cloud")
        ((entry,),) = await shop.ask("SELECT id FROM time_entries WHERE operation_id = ?", CUT)
        await made(shop, TimeEntryCommands).update(entry, {"end_time": shop.clock.now().isoformat()}, CALLER, None)
        await shop.drained()
        await decide(shop, conflict_id, "cloud")
        await shop.drained()
    assert [(await here(shop))["status"], there(shop)["status"]] == ["completed", "completed"]
    assert (await here(shop, FIRST, "parts"))["status"] == "in_progress"


async def test_theirs_is_not_taken_over_what_has_not_gone_up(shop):
    await parted(shop, "on_hold")
    async with pulling(shop):
        conflict_id = await found(shop)
    await shop.change(Verb.PAUSE, CUT)
    with pytest.raises(Conflict, match="has not gone up yet"):
        await decide(shop, conflict_id, "cloud")
    assert await shop.db.read(open_of, CUT) == [conflict_id]


async def test_of_one_field_one_conflict_is_open_with_the_newest_values(shop):
    await parted(shop, "on_hold")
    async with pulling(shop):
        conflict_id = await found(shop)
        await shop.in_the_office("operations", CUT, status="completed")
        sql = "SELECT id FROM cloud_conflicts WHERE row_id = ? AND cloud = '\"completed\"'"
        await shop.until(lambda c: c.execute(sql, (CUT,)).fetchone(), "renewed")
        assert await found(shop) == conflict_id


# ------------------------------------------------------------------ rows that do not fit


async def twice(shop) -> str:
    """The office has renamed a part to a number that we have given away meanwhile: the id of ours."""
    answer = await made(shop, PartTreeCommands).create({"part_number": "P-TWICE", "job_id": ITS_JOB}, CALLER, None)
    shop.cloud.faults.change(error_503=1.0, only="POST /api-parts")
    await shop.in_the_office("parts", FIRST, part_number="P-TWICE")
    return json.loads(answer.data)["part"]["id"]


async def test_a_row_that_does_not_fit_goes_back_to_what_it_is_here(shop):
    await twice(shop)
    number = (await here(shop, FIRST, "parts"))["part_number"]
    async with pulling(shop):
        conflict_id = await found(shop, FIRST)
        with pytest.raises(Conflict, match="P-TWICE"):
            await decide(shop, conflict_id, "cloud")
        await decide(shop, conflict_id, "local")
        shop.cloud.faults.change(error_503=0.0)
        await shop.drained()
    assert there(shop, FIRST, "parts")["part_number"] == number == (await here(shop, FIRST, "parts"))["part_number"]


async def test_a_row_that_fits_at_last_needs_no_decision(shop):
    ours = await twice(shop)
    async with pulling(shop):
        await found(shop, FIRST)
        await made(shop, PartTreeCommands).update(ours, {"part_number": "P-OTHER"}, CALLER, None)
        await shop.until(lambda c: open_of(c, FIRST) == [], "taken over")
        assert (await here(shop, FIRST, "parts"))["part_number"] == "P-TWICE"
    assert await settled(shop, FIRST) == ("cloud", "rule")


# ------------------------------------------------------------------ what is told


async def test_what_a_rule_resolves_is_told_once_and_goes_to_nobody(shop):
    await shop.in_the_office("operations", BEND, status="on_hold")
    async with pulling(shop, cells=("Bending",)):
        await shop.until(lambda c: c.execute("SELECT 1 FROM cloud_conflicts").fetchone(), "told")
        told = len(shop.mutations())
        await shop.drained()
    ((kind, data),) = await shop.ask("SELECT type, data FROM events WHERE type LIKE 'conflict.%'")
    told_of = json.loads(data)
    assert kind == "conflict.found"
    assert (told_of["entity"], told_of["row_id"], told_of["local"], told_of["cloud"], told_of["resolution"]) == (
        *("operations", BEND),
        *("not_started", "on_hold", "cloud"),
    )
    assert told_of["cell_id"] == (await here(shop, BEND))["cell_id"]
    assert len(shop.mutations()) == told
    assert await shop.db.read(conflicts.open_count) == 0


async def test_an_operation_that_is_planned_anew_keeps_its_conflict(shop):
    """A change to other columns decides nothing."""
    await parted(shop, "on_hold")
    async with pulling(shop):
        conflict_id = await found(shop)
        await made(shop, OperationPlanning).update(CUT, {"estimated_time": 5}, CALLER, None)
        await shop.drained()
        assert await found(shop) == conflict_id
    assert [there(shop)[name] for name in ("status", "estimated_time")] == ["on_hold", 5]
