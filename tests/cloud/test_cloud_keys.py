"""Keys that the cloud made: learnt from it once, good without it, ended by it."""

import asyncio
import contextlib
import random

import pytest
from cloud_shop import Shop

from gateway.cloud.link import CloudLink
from gateway.demo import factory
from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.errors import Busy, Unauthorized, Unavailable
from gateway.kernel.health import Health
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.kernel.supervise import keep_running
from gateway.web import auth, learning
from gateway.web.auth import Keys, NewKey, UnknownKey
from gateway.web.learning import Learning
from gateway.web.routes import Scope

STATION = "ery_live_57a710n0000000000000000000000000"
ELSEWHERE = "ery_live_e15e00000000000000000000000000ff"
OTHER_TENANT = "00000000-0000-4000-8000-00000000ffff"
SOURCE = "192.0.2.7"
DAY_S = 86_400.0


def bearer(key: str) -> str:
    return f"Bearer {key}"


class Cloud:
    """One that says what it is told to."""

    def __init__(self) -> None:
        self.good = {STATION}
        self.away = False
        self.asked: list[str] = []

    async def takes(self, key: str) -> bool:
        self.asked.append(key)
        if self.away:
            raise Unavailable("the cloud is away")
        return key in self.good


@pytest.fixture
async def local(tmp_path):
    """(keys, cloud, clock, database) of a gateway whose cloud knows one station's key."""
    clock, cloud = ManualClock(), Cloud()
    async with Database.open(tmp_path, prepare=lambda path: migrate(path, clock)) as db:
        keys = Keys(db, clock, uuid7(clock), Learning(cloud, clock, 30 * DAY_S))
        await keys.load()
        yield keys, cloud, clock, db


async def learnt(keys: Keys, key: str = STATION):
    with pytest.raises(UnknownKey):
        keys.identify(bearer(key))
    return await keys.learn(bearer(key), SOURCE)


# ------------------------------------------------------------------ with the stand-in cloud


@contextlib.asynccontextmanager
async def asking(shop: Shop):
    """The keys of a gateway that stands in line with the cloud, and that line."""
    async with shop.linked() as link:
        await shop.pulled()
        keys = Keys(shop.db, shop.clock, shop.new_id, Learning(link.keys, shop.clock, 30 * DAY_S))
        await keys.load()
        yield keys, link


async def test_a_stations_key_is_learnt_and_works_without_the_cloud(shop):
    shop.cloud.add_key(factory.TENANT_ID, STATION)
    async with asking(shop) as (keys, _):
        caller = await learnt(keys)
        assert (caller.scope, caller.cells) == (Scope.ADMIN, None)
        shop.cloud.go_away()
        assert keys.identify(bearer(STATION)) == caller
    again = Keys(shop.db, shop.clock, shop.new_id, Learning(Cloud(), shop.clock, 30 * DAY_S))
    await again.load()
    assert again.identify(bearer(STATION)) == caller


async def test_a_key_that_the_cloud_does_not_know_is_refused(shop):
    async with asking(shop) as (keys, _):
        for _ in range(3):
            with pytest.raises(Unauthorized, match="Invalid API key"):
                await learnt(keys, "ery_live_nobodys")
        asked = [one for one in shop.cloud.log if one.path.endswith("api-cells") and one.status == 401]
        assert len(asked) == 1


async def test_a_key_of_another_company_is_refused_though_the_cloud_takes_it(shop):
    shop.cloud.add_tenant(OTHER_TENANT)
    shop.cloud.add_key(OTHER_TENANT, ELSEWHERE)
    async with asking(shop) as (keys, _):
        with pytest.raises(Unauthorized, match="Invalid API key"):
            await learnt(keys, ELSEWHERE)
    assert await shop.ask("SELECT count(*) FROM api_keys") == [(0,)]


async def test_a_wrong_key_says_nothing_about_our_own(shop):
    async with asking(shop) as (keys, link):
        with pytest.raises(Unauthorized):
            await learnt(keys, "ery_live_nobodys")
        assert link.budget.wait_s() == 0


async def test_a_cloud_that_is_away_cannot_be_asked_and_nobody_is_let_in(shop):
    async with asking(shop) as (keys, _):
        shop.cloud.go_away()
        with pytest.raises(Unavailable, match="cannot be asked"):
            await learnt(keys)


async def test_before_the_first_pull_nobody_can_tell_whose_key_it_is(shop):
    shop.cloud.add_key(factory.TENANT_ID, STATION)
    link: CloudLink
    async with shop.linked(pull_every_s=3600.0) as link:
        await shop.pulled()
        await shop.db.write(lambda tx: tx.execute("DELETE FROM cloud_rows WHERE table_name = 'cells'") and None)
        keys = Keys(shop.db, shop.clock, shop.new_id, Learning(link.keys, shop.clock, DAY_S))
        await keys.load()
        with pytest.raises(Unavailable, match="cells"):
            await learnt(keys)


# ------------------------------------------------------------------ what is kept


async def test_only_prefix_and_hash_are_kept(local):
    keys, _, _, db = local
    await learnt(keys)
    (row,) = [row for row in await db.read(auth.listed) if row["origin"] == "cloud"]
    assert (row["key_prefix"], row["scope"], row["active"]) == (STATION[:12], "admin", True)
    files = b"".join(file.read_bytes() for file in db.path.parent.iterdir() if file.name.startswith("gateway."))
    assert STATION.encode() not in files


async def test_a_known_key_never_waits_for_the_cloud(local):
    keys, cloud, clock, _ = local
    await learnt(keys)
    cloud.away = True
    for _ in range(5):
        keys.identify(bearer(STATION))
        clock._elapsed_s += DAY_S
    assert cloud.asked == [STATION]


async def test_after_the_window_the_cloud_has_to_say_it_again(local):
    keys, cloud, clock, _ = local
    caller = await learnt(keys)
    clock._elapsed_s += 30 * DAY_S + 1
    cloud.away = True
    with pytest.raises(Unavailable):
        await learnt(keys)
    cloud.away = False
    assert await learnt(keys) == caller
    assert keys.identify(bearer(STATION)) == caller


async def test_the_window_is_kept_over_a_restart(local):
    keys, cloud, clock, db = local
    await learnt(keys)
    for passed_s, good in ((29 * DAY_S, True), (2 * DAY_S, False)):
        clock._elapsed_s += passed_s
        again = Keys(db, clock, uuid7(clock), Learning(cloud, clock, 30 * DAY_S))
        await again.load()
        if good:
            again.identify(bearer(STATION))
        else:
            with pytest.raises(UnknownKey):
                again.identify(bearer(STATION))


async def test_no_key_ends_by_a_clock_that_is_not_set(local):
    keys, cloud, _, db = local
    await learnt(keys)
    await db.write(lambda tx: tx.execute("UPDATE api_keys SET verified_at = '2020-01-01T00:00:00+00:00'") and None)
    unset = ManualClock()
    unset.step(-60 * 365 * DAY_S)
    again = Keys(db, unset, uuid7(unset), Learning(cloud, unset, 30 * DAY_S))
    await again.load()
    again.identify(bearer(STATION))


# ------------------------------------------------------------------ asked again


@contextlib.asynccontextmanager
async def asked_again(keys: Keys, clock: ManualClock):
    """While the gateway asks the cloud about keys in use."""
    link = Health(clock).link("cloud-keys")
    task = asyncio.create_task(keep_running(lambda: keys.run(link), link, clock=clock, rng=random.Random(1)))
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(fact) -> None:
    async with asyncio.timeout(10):
        while not fact():
            await asyncio.sleep(0.005)


async def test_a_key_in_use_is_asked_about_again(local):
    keys, cloud, clock, db = local
    await learnt(keys)
    async with asked_again(keys, clock):
        clock._elapsed_s += learning.AGAIN_S + 1
        keys.identify(bearer(STATION))
        await until(lambda: len(cloud.asked) == 2)
        async with asyncio.timeout(10):
            while not await db.read(
                lambda c: c.execute("SELECT 1 FROM api_keys WHERE verified_at > '2026-11-02T12'").fetchone()
            ):
                await asyncio.sleep(0.005)


async def test_one_that_the_cloud_has_ended_ends_here_and_may_come_back(local):
    keys, cloud, clock, _ = local
    caller = await learnt(keys)
    async with asked_again(keys, clock):
        cloud.good.clear()
        clock._elapsed_s += learning.AGAIN_S + 1
        keys.identify(bearer(STATION))
        await until(lambda: caller.key_id not in keys._confirmed_s)
    with pytest.raises(Unauthorized):
        await learnt(keys)
    cloud.good.add(STATION)
    clock._elapsed_s += learning.REFUSED_S + 1
    assert (await learnt(keys)).key_id == caller.key_id


async def test_while_the_cloud_is_away_the_key_stays(local):
    keys, cloud, clock, _ = local
    await learnt(keys)
    cloud.away = True
    async with asked_again(keys, clock) as link:
        clock._elapsed_s += learning.AGAIN_S + 1
        keys.identify(bearer(STATION))
        await until(lambda: link.state == "down")
    keys.identify(bearer(STATION))


async def test_one_that_a_person_ended_stays_so_whatever_the_cloud_says(local):
    keys, cloud, _, _ = local
    caller = await learnt(keys)
    await keys.revoke(caller.key_id)
    with pytest.raises(Unauthorized) as refused:
        keys.identify(bearer(STATION))
    assert not isinstance(refused.value, UnknownKey)
    with pytest.raises(Unauthorized):
        await keys.learn(bearer(STATION), SOURCE)
    assert len(cloud.asked) <= 2


# ------------------------------------------------------------------ bounds


async def test_keys_made_here_are_not_asked_about(local):
    keys, cloud, clock, _ = local
    _, key = await keys.create(NewKey("own", Scope.READ))
    clock._elapsed_s += 90 * DAY_S
    keys.identify(bearer(key))
    assert cloud.asked == []


@pytest.mark.parametrize("key", ["ery_live_ä", "ery_live_a b", "ery_live_" + "x" * 200, "ery_live_\x7f", "sk_live_x"])
async def test_what_cannot_be_a_key_is_not_asked_about(local, key):
    keys, _, _, _ = local
    with pytest.raises(Unauthorized) as refused:
        keys.identify(bearer(key))
    assert not isinstance(refused.value, UnknownKey)


async def test_one_address_cannot_ask_about_many_keys_and_not_take_the_turns_of_others(local):
    keys, cloud, clock, _ = local
    for number in range(5):
        with pytest.raises(Unauthorized):
            await keys.learn(bearer(f"ery_live_wrong{number}"), SOURCE)
    with pytest.raises(Busy):
        await keys.learn(bearer("ery_live_wrong6"), SOURCE)
    assert len(cloud.asked) == 5
    await keys.learn(bearer(STATION), "192.0.2.8")
    clock._elapsed_s += 60
    with pytest.raises(Unauthorized):
        await keys.learn(bearer("ery_live_wrong6"), SOURCE)


async def test_all_addresses_together_ask_about_so_many_a_minute(local):
    keys, cloud, _, _ = local
    for number in range(100):
        with pytest.raises((Unauthorized, Busy)):
            await keys.learn(bearer(f"ery_live_wrong{number}"), f"192.0.2.{number}")
    assert len(cloud.asked) == learning.ASKED_PER_MINUTE.burst


async def test_many_requests_with_one_wrong_key_are_one_question(local):
    keys, cloud, _, _ = local
    asked = [keys.learn(bearer("ery_live_wrong"), SOURCE) for _ in range(learning.WAITING_MAX)]
    assert {type(one) for one in await asyncio.gather(*asked, return_exceptions=True)} == {Unauthorized}
    assert cloud.asked == ["ery_live_wrong"]
