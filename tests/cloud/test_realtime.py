"""The cloud's realtime only wakes: with it a change of the office is here at once, without it with the next reading."""

from datetime import timedelta

import aiohttp
import pytest
from cloud_shop import shop_of
from passing import pass_by
from session_shop import PULL, cloud_with_user, conflicts, here, in_mode, office, one, reads, signed_in
from shift import CUT, OTTO

from gateway.cloud.link import UP
from gateway.cloud.realtime import BEAT, HEARTBEAT_S, JOIN, NEWS_EVERY_S, TOPIC
from gateway.demo import factory
from gateway.demo.cloud_realtime import REALTIME, VERSIONS
from gateway.demo.cloud_tables import ANON_KEY
from gateway.kernel.clock import ManualClock, SystemClock
from gateway.operations.model import Verb

FEED_EVERY_S = 10.0
FEED_NEVER_S = 86_400.0  # only a ring brings anything
STEP_S = 0.25


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", cloud_with_user(), pulled) as shop:
        yield shop


@pytest.fixture
async def quiet_shop(tmp_path, pulled):
    """Its time stands still until somebody turns the clock."""
    clock = ManualClock(SystemClock().now() + timedelta(hours=1))  # later than what `pulled` has seen
    async with shop_of(tmp_path / "shop", cloud_with_user(clock=clock), pulled, clock) as shop:
        yield shop


def verdict(shop) -> dict:
    return shop.health.link(UP).facts.get("probes", {}).get("realtime", {})


async def listening(shop) -> None:
    await shop.until(lambda _: verdict(shop).get("is") == "up" and shop.cloud.realtime.joined == 1, "realtime is up")


async def passing(shop, fact) -> None:
    """Until it holds, however much time has to pass."""
    for _ in range(400):
        if fact():
            return
        await pass_by(shop, STEP_S, STEP_S)
    raise AssertionError(fact)


async def latency_s(shop, minutes: int) -> float:
    """From a change of the office to the row here, in the clock's time."""
    office(shop, "operations", CUT, estimated_time=minutes)
    sql = "SELECT estimated_time FROM operations WHERE id = ?"
    return await pass_by(shop, 60.0, STEP_S, until=lambda c: c.execute(sql, (CUT,)).fetchone()[0] == minutes)


async def test_a_change_of_the_office_is_here_at_once_and_without_the_socket_with_the_next_reading(quiet_shop):
    shop = quiet_shop
    async with signed_in(shop, feed_every_s=FEED_EVERY_S, pull_every_s=600.0):
        await passing(shop, lambda: verdict(shop).get("is") == "up")
        await pass_by(shop, FEED_EVERY_S, STEP_S)
        with_it = [await latency_s(shop, minutes) for minutes in (71, 72, 73)]
        shop.cloud.realtime.away = True
        shop.cloud.realtime.cut()
        await passing(shop, lambda: verdict(shop).get("is") == "down")
        without = [await latency_s(shop, minutes) for minutes in (81, 82, 83)]
    assert max(with_it) <= 3.0, with_it
    assert max(without) <= FEED_EVERY_S + 1.0, without
    assert sum(without) > 3 * sum(with_it), (with_it, without)


async def test_who_only_listens_needs_no_feed_of_his_own(shop):
    async with signed_in(shop, feed_every_s=FEED_NEVER_S):
        await in_mode(shop, "B")
        await listening(shop)
        office(shop, "operations", CUT, estimated_time=77)
        await here(shop, "operations", CUT, "estimated_time", 77)
    assert shop.asked("GET")[-1].path.startswith("/rest/v1/")


async def test_a_socket_that_is_killed_comes_back_and_what_was_missed_is_read(shop):
    async with signed_in(shop, feed_every_s=FEED_NEVER_S):
        await in_mode(shop, "B")
        await listening(shop)
        shop.cloud.realtime.cut()
        await shop.until(lambda _: shop.cloud.realtime.joined == 0, "cut")
        office(shop, "operations", CUT, estimated_time=77)  # told to nobody
        await listening(shop)
        await here(shop, "operations", CUT, "estimated_time", 77)


async def test_a_cloud_without_realtime_is_read_all_the_same(shop):
    shop.cloud.realtime.away = True
    async with signed_in(shop):
        await in_mode(shop, "B")
        await shop.until(lambda _: verdict(shop).get("is") == "down", "the verdict")
        assert "404" in verdict(shop)["why"]
        office(shop, "operations", CUT, estimated_time=77)
        await here(shop, "operations", CUT, "estimated_time", 77)
        assert shop.health.link(PULL).state == "up"  # slower, and nothing is wrong
        assert all(one.path != "/realtime" for one in shop.cloud.log)  # nor is it asked for as a function


async def test_a_token_that_is_refused_is_replaced(shop):
    async with signed_in(shop, feed_every_s=FEED_NEVER_S):
        await in_mode(shop, "B")
        await listening(shop)
        shop.cloud.tables.forget_tokens()
        office(shop, "operations", CUT, estimated_time=77)  # the channel is closed instead of telling it
        await here(shop, "operations", CUT, "estimated_time", 77)
        await listening(shop)
        office(shop, "operations", CUT, estimated_time=78)
        await here(shop, "operations", CUT, "estimated_time", 78)


async def test_a_user_who_may_not_sign_in_hears_nothing(shop):
    async with signed_in(shop, password="wrong"):
        await in_mode(shop, "A")
        await shop.until(lambda _: verdict(shop).get("is") == "down", "the verdict")
        assert "cannot sign in" in verdict(shop)["why"]
        assert shop.cloud.realtime.joined == 0


async def test_a_token_is_renewed_on_the_open_socket(quiet_shop):
    shop = quiet_shop
    shop.cloud.tables.token_s = 4 * HEARTBEAT_S
    async with signed_in(shop, feed_every_s=FEED_EVERY_S, pull_every_s=600.0):
        await passing(shop, lambda: verdict(shop).get("is") == "up")
        joins = shop.cloud.realtime.heard.count("phx_join")
        await pass_by(shop, 20 * HEARTBEAT_S, STEP_S)
        assert shop.cloud.realtime.heard.count("heartbeat") >= 10
        assert shop.cloud.realtime.heard.count("access_token") >= 3
        assert await latency_s(shop, 71) <= 3.0
        assert shop.cloud.realtime.heard.count("phx_join") == joins


async def test_somebody_who_does_not_answer_is_nobody(quiet_shop):
    shop = quiet_shop
    async with signed_in(shop, feed_every_s=FEED_EVERY_S, pull_every_s=600.0):
        await passing(shop, lambda: verdict(shop).get("is") == "up")
        shop.cloud.realtime.silent = True
        await passing(shop, lambda: "does not answer" in verdict(shop).get("why", ""))


async def test_our_own_work_does_not_make_us_read_without_end(quiet_shop):
    shop = quiet_shop
    async with signed_in(shop, feed_every_s=FEED_EVERY_S, pull_every_s=600.0):
        await passing(shop, lambda: verdict(shop).get("is") == "up")
        await pass_by(shop, FEED_EVERY_S, STEP_S)
        before = len(reads(shop, "activity_log"))
        for number in range(200):  # an entry each quarter of a second
            office(shop, "jobs", factory.named("job", "2"), notes=f"note {number}")
            await pass_by(shop, STEP_S, STEP_S)
        assert 5 < len(reads(shop, "activity_log")) - before < 50 / NEWS_EVERY_S / 3


async def test_with_the_key_alone_nothing_is_read_for_it(shop):
    """Lists cost the day's requests, and our own work makes entries as well."""
    shop.cloud.tables.hidden = {"operations.part_id"}
    async with signed_in(shop, again_s=600.0, pull_every_s=600.0):
        await in_mode(shop, "A")
        await listening(shop)
        lists = len([one for one in shop.asked("GET") if one.path == "/api-jobs"])
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        await shop.drained()
        office(shop, "operations", CUT, estimated_time=77)
        await shop.count(CUT, 1)
        await shop.drained()
        assert len([one for one in shop.asked("GET") if one.path == "/api-jobs"]) == lists
    assert await conflicts(shop) == []
    assert await one(shop, "operations", CUT, "estimated_time") != 77


# ------------------------------------------------------------------ the stand-in's socket


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_stand_in_speaks_both_versions(shop, version):
    url = shop.url.removesuffix("/functions/v1") + REALTIME
    async with aiohttp.ClientSession() as session:
        for query, status in (({"apikey": "wrong"}, 401), ({"apikey": ANON_KEY, "vsn": "3.0.0"}, 400)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url, params=query)
            assert refused.value.status == status
        async with session.ws_connect(url, params={"apikey": ANON_KEY, "vsn": version}) as socket:

            async def ask(topic, event, payload, ref="7"):
                named = {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": "1"}
                await socket.send_json(named if version == VERSIONS[0] else ["1", ref, topic, event, payload])
                return await hear()

            async def hear():
                frame = await socket.receive_json(timeout=5)
                return (frame["event"], frame["payload"]) if version == VERSIONS[0] else (frame[3], frame[4])

            ok = ("phx_reply", {"status": "ok", "response": {}})
            assert await ask("phoenix", "heartbeat", {}) == ok
            assert (await ask("realtime:x", "phx_leave", {}))[1]["response"] == {"reason": "unmatched topic"}
            refused = await ask("realtime:x", "phx_join", {"config": {}, "access_token": "nobody's"})
            assert refused[1]["status"] == "error"
            asked = [{"event": "*", "schema": "public", "table": "activity_log"}]
            _, told = await ask("realtime:x", "phx_join", {"config": {"postgres_changes": asked}})
            assert told == {"status": "ok", "response": {"postgres_changes": [{"id": 1, **asked[0]}]}}
            assert (await hear())[1]["message"] == "Subscribed to PostgreSQL"
            office(shop, "operations", CUT, estimated_time=5)  # nobody in particular sees nothing of it
            assert await ask("realtime:x", "phx_leave", {}) == ok


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("postgres_changes", {"data": {"record": {"entity_type": ["jobs"]}}}),
        ("phx_reply", {"status": "error", "response": "no"}),
        ("phx_reply", {"status": ["ok"]}),
        ("postgres_changes", {"data": {"record": {"entity_type": {}}}}),
    ],
)
async def test_no_frame_is_a_bug_of_ours(shop, event, payload, capsys):
    """Whatever stands in it: at the worst the socket is not one, which is told as such."""
    async with signed_in(shop, feed_every_s=FEED_NEVER_S):
        await in_mode(shop, "B")
        await listening(shop)
        (client,) = shop.cloud.realtime._clients
        for ref in (JOIN, BEAT, ""):
            await client.send(TOPIC, event, payload, ref, JOIN)
        office(shop, "operations", CUT, estimated_time=77)
        await here(shop, "operations", CUT, "estimated_time", 77)
    assert "link.failed" not in capsys.readouterr().out
