"""An open conflict about a state is over once both sides have come to the same by themselves, and says so."""

import json

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from session_shop import cloud_with_user, in_mode, signed_in
from shift import CALLER, CUT, OTTO
from test_decided import found, here, made, open_of, parted, pulling, there

from gateway.operations.model import Verb
from gateway.operations.planning import OperationPlanning

CONFLICT = "SELECT resolution, resolved_by, reason, row_version FROM cloud_conflicts WHERE id = ?"


@pytest.fixture
async def shop(tmp_path, pulled):
    """It has pulled the plan once."""
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


async def closed(shop, conflict_id: str) -> tuple:
    await shop.until(lambda c: open_of(c, CUT) == [], "nobody has to decide")
    (row,) = await shop.ask(CONFLICT, conflict_id)
    return row


async def test_the_office_comes_to_ours(shop):
    await parted(shop, "on_hold")
    async with pulling(shop):
        conflict_id = await found(shop)
        ours = await here(shop)
        await shop.in_the_office("operations", CUT, status="in_progress", started_at=ours["started_at"])
        resolution, by, reason, version = await closed(shop, conflict_id)
    assert (resolution, by, version) == ("local", "rule", 2)
    assert reason.endswith("; since then both sides have come to the same state by themselves: in_progress")
    assert (await here(shop))["status"] == there(shop)["status"] == "in_progress"
    ((data,),) = await shop.ask("SELECT data FROM events WHERE type = 'conflict.resolved'")
    told = json.loads(data)
    assert (told["conflict_id"], told["resolution"], told["resolved_by"]) == (conflict_id, "local", "rule")


async def test_we_come_to_the_offices(shop):
    """It was stopped there while somebody's time ran on it here; then he ends it himself."""
    async with pulling(shop):
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        await shop.drained()
        await shop.in_the_office("operations", CUT, status="on_hold")
        conflict_id = await found(shop)
        await shop.change(Verb.PAUSE, CUT)
        resolution, by, *_ = await closed(shop, conflict_id)
        await shop.drained()
    assert (resolution, by) == ("cloud", "rule")
    assert (await here(shop))["status"] == there(shop)["status"] == "on_hold"


async def test_the_same_word_with_other_times_is_not_the_same_state(shop):
    await parted(shop, "on_hold")
    async with pulling(shop):
        conflict_id = await found(shop)
        await shop.in_the_office("operations", CUT, status="in_progress", started_at="2026-11-01T01:02:03+00:00")
        sql = "SELECT 1 FROM cloud_rows WHERE id = ? AND json_extract(base, '$.started_at') LIKE '2026-11-01T01:02:03%'"
        await shop.until(lambda c: c.execute(sql, (CUT,)).fetchone(), "read")
        await made(shop, OperationPlanning).update(CUT, {"estimated_time": 5}, CALLER, None)
        await shop.drained()
        assert conflict_id in await shop.db.read(open_of, CUT)


async def test_by_a_users_session_as_well(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", cloud_with_user(), pulled) as shop:
        await parted(shop, "on_hold")
        async with signed_in(shop):
            await in_mode(shop, "B")
            conflict_id = await found(shop)
            ours = await here(shop)
            await shop.in_the_office("operations", CUT, status="in_progress", started_at=ours["started_at"])
            assert (await closed(shop, conflict_id))[:2] == ("local", "rule")


async def test_a_conflict_about_a_time_says_whose_time_it_is_now(shop):
    """The first column that differs speaks for the state: here that is no status."""
    await parted(shop, "in_progress")
    await shop.in_the_office("operations", CUT, started_at="2026-11-01T01:02:03+00:00")
    async with pulling(shop):
        conflict_id = await found(shop)
        assert await shop.ask("SELECT field FROM cloud_conflicts WHERE id = ?", conflict_id) == [("started_at",)]
        await shop.in_the_office("operations", CUT, started_at=(await here(shop))["started_at"])
        assert (await closed(shop, conflict_id))[0] == "local"
