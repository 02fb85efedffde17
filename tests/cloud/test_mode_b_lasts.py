"""Mode B over restarts, with tokens that end, and when it is not to be had: then it is mode A, until it is."""

import json
from datetime import timedelta

import pytest
from cloud_shop import shop_of
from session_shop import (
    MAIL,
    PULL,
    WORD,
    cloud_with_user,
    here,
    in_mode,
    mode,
    office,
    one,
    reads,
    rounds,
    signed_in,
)
from shift import BEND, CUT, OTTO

from gateway.demo import factory
from gateway.demo.cloud_tables import User
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


# ------------------------------------------------------------------ restarts


async def test_a_restart_goes_on_where_it_was(shop):
    async with signed_in(shop):
        await in_mode(shop, "B")
        await rounds(shop)
        await shop.until(lambda c: c.execute("SELECT 1 FROM gateway_state WHERE key = 'cloud.feed'").fetchone(), "kept")
    office(shop, "operations", CUT, estimated_time=77)
    asked = len(reads(shop, "operations"))
    async with signed_in(shop):
        await here(shop, "operations", CUT, "estimated_time", 77)
        await rounds(shop, 1)
    queries = [one.query for one in reads(shop, "operations")[asked:]]
    assert not [query for query in queries if "status=in" in query]  # not everything


async def test_what_could_not_be_taken_over_is_kept_over_a_restart(shop):
    """A row that may still change over there is left for later, and the log does not tell of it a second time."""
    shop.cloud.faults.change(lose_reply=1.0, only="PATCH /api-operations", left=1)
    async with signed_in(shop, settle_after_s=60.0):
        await in_mode(shop, "B")
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM cloud_rows WHERE unsettled_until IS NOT NULL").fetchone(), "unsettled"
        )
        office(shop, "operations", CUT, estimated_time=55)
        await shop.until(lambda c: CUT in _feed(c).get("later", ""), "left for later")
    async with signed_in(shop):
        await shop.until(lambda c: CUT in _feed(c).get("later", ""), "still")
        await shop.db.write(lambda tx: tx.execute("UPDATE cloud_rows SET unsettled_until = NULL"))
        await here(shop, "operations", CUT, "estimated_time", 55)


def _feed(connection) -> dict[str, str]:
    found = connection.execute("SELECT value FROM gateway_state WHERE key = 'cloud.feed'").fetchone()
    return {name: json.dumps(value) for name, value in json.loads(found[0]).items()} if found else {}


async def test_everything_is_read_once_a_day(shop):
    async with signed_in(shop):
        await in_mode(shop, "B")
        await shop.until(_feed, "kept")
    with shop.cloud.committing() as db:  # the log has lost it
        db.tables["operations"][CUT]["estimated_time"] = 99
    async with signed_in(shop):
        await rounds(shop)
        assert await one(shop, "operations", CUT, "estimated_time") != 99
    await shop.db.write(_a_day_ago, text(shop.clock.now() - timedelta(hours=25)))
    async with signed_in(shop):
        await here(shop, "operations", CUT, "estimated_time", 99)


def _a_day_ago(tx, then: str) -> None:
    tx.execute(
        "UPDATE gateway_state SET value = json_set(value, '$.everything_at', ?) WHERE key = 'cloud.feed'", (then,)
    )


# ------------------------------------------------------------------ tokens, and when it does not work


async def test_a_token_is_renewed_before_it_ends(shop):
    shop.cloud.tables.token_s = 1.0
    async with signed_in(shop):
        await in_mode(shop, "B")
        await shop.until(
            lambda _: [one.query for one in shop.asked("POST")].count("grant_type=refresh_token") > 2, "renewed"
        )
        assert mode(shop) == "B"
    assert [one.query for one in shop.asked("POST")].count("grant_type=password") == 1
    assert [one for one in shop.cloud.log if one.status == 401] == []


async def test_a_token_that_is_refused_is_replaced_at_once(shop):
    async with signed_in(shop):
        await in_mode(shop, "B")
        shop.cloud.tables.remove_user(MAIL)
        shop.cloud.tables.add_user(User(OTTO, factory.TENANT_ID, MAIL, WORD))
        office(shop, "operations", CUT, estimated_time=77)
        await here(shop, "operations", CUT, "estimated_time", 77)
        assert mode(shop) == "B"
    assert [one.query for one in shop.asked("POST")].count("grant_type=password") == 2


@pytest.mark.parametrize("trouble", ["password", "tables"])
async def test_without_a_session_the_key_does_it_and_b_comes_back_by_itself(shop, trouble):
    if trouble == "password":
        shop.cloud.tables.remove_user(MAIL)
    else:
        shop.cloud.tables.away = True
    async with signed_in(shop):
        await in_mode(shop, "A")
        link = shop.health.link(PULL)
        await shop.until(lambda _: link.state == "degraded", "degraded")
        assert "read with the API key" in link.error
        assert link.facts["why"].startswith(
            "gateway@example.com cannot sign in at the cloud: "
            + ("400 Invalid login" if trouble == "password" else "503")
        )
        office(shop, "operations", CUT, estimated_time=77)
        await here(shop, "operations", CUT, "estimated_time", 77)
        shop.cloud.tables.away = False
        shop.cloud.tables.add_user(User(OTTO, factory.TENANT_ID, MAIL, WORD))
        await in_mode(shop, "B")
        assert link.facts["why"] == ""
        office(shop, "operations", BEND, estimated_time=66)
        await here(shop, "operations", BEND, "estimated_time", 66)
        assert link.state == "up"


async def test_what_happened_while_the_whole_cloud_was_away_comes(shop):
    async with signed_in(shop):
        await in_mode(shop, "B")
        shop.cloud.go_away()
        await shop.until(lambda _: shop.health.link(PULL).state == "down", "down")
        office(shop, "operations", CUT, estimated_time=77)
        shop.cloud.come_back()
        await here(shop, "operations", CUT, "estimated_time", 77)
        await in_mode(shop, "B")


async def test_the_feed_goes_on_when_the_days_requests_are_used_up(shop):
    async with signed_in(shop, requests_per_day=12):
        await in_mode(shop, "B")
        shop.cloud.faults.change(quota=0)
        office(shop, "operations", CUT, estimated_time=77)
        await here(shop, "operations", CUT, "estimated_time", 77)
        assert mode(shop) == "B"
