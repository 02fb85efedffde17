"""What kind of cloud it is: asked at the start and every hour, never by writing, remembered, and right again by itself."""

import json
from datetime import timedelta

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from passing import pass_by
from shift import CALLER, CUT, OTTO
from test_issues_forwarded import Foreman

from gateway.cloud.functions import BARE, DOWN, PLAIN, REFUSED, UP, Functions
from gateway.cloud.link import DOWN as PULL
from gateway.cloud.link import UP as CLOUD
from gateway.cloud.outcome import Kind, Outcome, classify
from gateway.cloud.probes import EVERY_S, PROBED
from gateway.demo import factory
from gateway.kernel.clock import ManualClock, SystemClock
from gateway.operations.model import Verb
from gateway.operations.trees.commands import JobTreeCommands

STEP_S = 30.0


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


@pytest.fixture
async def slow_shop(tmp_path, pulled):
    """Its clock is turned by hand."""
    clock = ManualClock(SystemClock().now() + timedelta(days=2))
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT, clock=clock), pulled, clock) as shop:
        yield shop


def verdicts(shop) -> dict[str, str]:
    return {name: one["is"] for name, one in shop.health.link(CLOUD).facts.get("probes", {}).items()}


def judged(shop, **expected):
    names = {name.replace("_", "-"): verdict for name, verdict in expected.items()}
    return lambda _: names.items() <= verdicts(shop).items()


def asked(shop, name: str) -> list:
    return [one for one in shop.asked("GET") if one.path == f"/{name}" and one.query == "limit=1"]


# ------------------------------------------------------------------ what an answer says


BOOT = classify("GET", 503, b'{"code":"BOOT_ERROR","message":"Function failed to start"}', None)
OK = Outcome(Kind.OK, status=200)


@pytest.fixture
def functions():
    return Functions(ManualClock(PLANNED_AT))


def test_a_function_is_down_when_it_does_not_load_while_others_do(functions):
    for _ in range(3):
        functions.note("POST", "api-parts", BOOT)
        functions.note("GET", "api-cells", OK)
    assert functions.is_("api-parts") == DOWN
    assert functions.refusal("api-parts").kind is Kind.DOWN
    assert functions.refusal("api-cells") is None
    assert functions.unreadable() == "api-parts of the cloud does not load: no work is read from it"
    functions.note("GET", "api-parts", OK)
    assert functions.refusal("api-parts") is None


def test_when_none_loads_it_is_an_outage_and_no_verdict(functions):
    functions.note("GET", "api-cells", OK)
    for _ in range(9):
        functions.note("GET", "api-parts", BOOT)
        functions.note("GET", "api-cells", BOOT)
    assert functions.down() == []


def test_an_accident_between_answers_is_no_verdict(functions):
    for outcome in (BOOT, OK, BOOT, OK, BOOT, OK):
        functions.note("GET", "api-parts", outcome)
        functions.note("GET", "api-cells", OK)
    assert functions.down() == []


def test_a_function_that_only_refuses_the_method_does_load(functions):
    functions.judge("api-operation-lifecycle", DOWN, "503 BOOT_ERROR")
    functions.note("GET", "api-operation-lifecycle", Outcome(Kind.UNKNOWN, "405", status=405))
    assert functions.is_("api-operation-lifecycle") == UP


@pytest.mark.parametrize(
    ("method", "text", "bare"),
    [
        ("GET", "Failed to fetch operations: column operations.started_at does not exist", True),
        ("PATCH", "Failed to update operations: Could not find the 'started_at' column of 'operations'", True),
        ("PATCH", 'invalid input syntax for type timestamp: "x" in started_at', False),
        ("GET", "Failed to fetch operations: fetch failed", False),
    ],
)
def test_a_missing_column_is_known_by_its_name(functions, method, text, bare):
    functions.note(method, "api-operations", Outcome(Kind.UNKNOWN, text, said=True, status=500))
    assert functions.bare is bare


# ------------------------------------------------------------------ at the start, and every hour


async def test_all_are_asked_at_the_start_and_shown(shop):
    async with shop.online():
        await shop.until(judged(shop, api_capabilities=PLAIN, api_cells=UP, api_operations=UP, api_issues=UP), "judged")
        await shop.until(lambda _: shop.health.link(CLOUD).facts["clock_offset_s"] is not None, "offset")
    assert abs(shop.health.link(CLOUD).facts["clock_offset_s"]) <= 2
    probes = shop.health.link(CLOUD).facts["probes"]
    assert probes["api-issues"]["at"].endswith("Z")
    assert verdicts(shop)["api-batches"] == DOWN  # the stand-in has no such function
    assert shop.mutations() == []
    ((kept,),) = await shop.ask("SELECT value FROM gateway_state WHERE key = 'cloud.functions'")
    assert json.loads(kept)["api-issues"]["is"] == UP


async def test_a_clock_that_is_off_is_told(slow_shop):
    """The Date header is the machine's: ours is two days ahead of it."""
    shop = slow_shop
    async with shop.linked():
        await pass_by(shop, 60, 5)
    assert -49 * 3600 < shop.health.link(CLOUD).facts["clock_offset_s"] < -47 * 3600


async def test_a_key_that_is_not_taken_is_a_verdict_too(shop):
    shop.cloud.revoke_key(factory.CLOUD_KEY)
    async with shop.linked():
        await shop.until(lambda _: shop.health.link(CLOUD).tried and shop.health.link(CLOUD).state == "down", "down")
    assert "API key" in shop.health.link(CLOUD).error
    assert verdicts(shop)["api-cells"] == REFUSED


async def test_each_hour_again_but_what_is_heard_anyway_costs_nothing(slow_shop):
    shop = slow_shop
    async with shop.linked(pull_every_s=300.0, poll_s=60.0):
        await pass_by(shop, 4 * EVERY_S + 600, STEP_S)
    assert 4 <= len(asked(shop, "api-issues")) <= 6
    assert len(asked(shop, "api-cells")) <= 4  # the pull reads it


async def test_a_small_plan_is_not_spent_on_probes(slow_shop):
    shop, per_day = slow_shop, 100
    async with shop.linked(requests_per_day=per_day, pull_every_s=300.0, poll_s=600.0):
        await pass_by(shop, 86_400, 120.0)
    probes = [one for one in shop.asked("GET") if one.query == "limit=1"]
    assert len(probes) <= 3 * len(PROBED)
    assert len(shop.cloud.log) <= per_day


# ------------------------------------------------------------------ a function that does not load


async def test_what_needs_a_function_that_does_not_load_waits_and_nothing_else_does(shop):
    shop.cloud.faults.change(boot_error=1.0, only="/api-issues")
    issue_id = await Foreman(shop).raises()
    await shop.count(CUT, 2)
    async with shop.online():
        await shop.until(judged(shop, api_issues=DOWN), "known")
        await shop.until(lambda c: c.execute("SELECT 1 FROM event_parked").fetchone(), "aside")
        await shop.until(lambda _: shop.cloud.rows("operation_quantities"), "the others go on")
        assert await shop.ask("SELECT state FROM event_parked") == [("blocked_function",)]
        ((reason,),) = await shop.ask("SELECT reason FROM event_parked")
        assert reason.startswith("this function of the cloud does not load")
        assert shop.health.link(CLOUD).state == "up"
        shop.cloud.faults.change(boot_error=0.0)
        await shop.until(lambda _: shop.cloud.rows("issues"), "asked again")
        await shop.until(lambda c: c.execute("SELECT 1 FROM event_parked").fetchone() is None, "nothing is aside")
        await shop.drained()
    assert [row["id"] for row in shop.cloud.rows("issues")] == [issue_id]


async def test_it_is_asked_less_and_less_often_and_comes_back_by_itself(slow_shop):
    shop = slow_shop
    shop.cloud.faults.change(boot_error=1.0, only="/api-issues")
    issue_id = await Foreman(shop).raises()
    async with shop.linked(pull_every_s=600.0, poll_s=30.0):
        await pass_by(shop, 6 * EVERY_S, STEP_S)
        asked_for = [one for one in shop.cloud.log if one.path == "/api-issues"]
        assert len(asked_for) <= 20
        assert shop.cloud.rows("issues") == []
        shop.cloud.faults.change(boot_error=0.0)
        await pass_by(shop, 3 * EVERY_S, STEP_S, until=lambda _: shop.cloud.rows("issues"))
    assert [row["id"] for row in shop.cloud.rows("issues")] == [issue_id]
    assert verdicts(shop)["api-issues"] == UP


async def test_without_parts_a_pull_still_brings_cells_and_says_what_it_does_not_read(tmp_path):
    cloud = stand_in(PLANNED_AT)
    cloud.faults.change(boot_error=1.0, only="/api-parts")
    async with shop_of(tmp_path / "new", cloud) as shop, shop.linked(pull_every_s=0.1):
        link = shop.health.link(PULL)
        await shop.until(lambda _: link.state == "degraded", "degraded")
        assert "api-parts of the cloud does not load" in link.error
        assert len(await shop.ask("SELECT id FROM cells")) == len(cloud.rows("cells"))
        assert await shop.ask("SELECT id FROM operations") == []


async def test_a_verdict_is_remembered_over_a_restart(shop):
    shop.cloud.faults.change(boot_error=1.0, only="/api-issues")
    async with shop.online():
        await shop.until(judged(shop, api_issues=DOWN), "known")
        await shop.until(
            lambda c: (
                '"down"' in c.execute("SELECT value FROM gateway_state WHERE key = 'cloud.functions'").fetchone()[0]
            )
        )
    shop.cloud.go_away()
    shop.health.link(CLOUD).facts.clear()
    async with shop.linked():
        await shop.until(judged(shop, api_issues=DOWN), "remembered")


# ------------------------------------------------------------------ a cloud that was built from its migrations


async def test_a_cloud_without_the_hosted_columns_gets_the_status_alone_and_no_calls(shop):
    shop.cloud.faults.change(bare=True)
    made = {"job_number": "J-BARE", "parts": [{"part_number": "P-BARE"}]}
    await JobTreeCommands(shop.db, shop.clock, shop.new_id, "gw-test").create(made, CALLER, None)
    async with shop.online(pull_every_s=0.1):
        await shop.until(judged(shop, api_operations=BARE), "known")
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        await shop.drained()
        assert shop.cloud.row("operations", CUT)["status"] == "in_progress"
        await shop.change(Verb.COMPLETE, CUT, operator_id=OTTO)
        await shop.drained()
        link = shop.health.link(PULL)
        await shop.until(lambda _: link.state == "degraded", "degraded")
        assert "cannot list operations" in link.error
    assert shop.cloud.row("operations", CUT)["status"] == "completed"
    assert shop.cloud.row("operations", CUT)["completed_at"] is not None  # that one every cloud has
    assert [one for one in shop.asked("POST") if "lifecycle" in one.path] == []
    assert await shop.ask("SELECT reason FROM event_parked") == []
    assert [row["job_number"] for row in shop.cloud.rows("jobs")][-1] == "J-BARE"
