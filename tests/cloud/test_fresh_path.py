"""Fresh transitions: the requests of the forwarding table, in its order; and what is made good when nobody answers."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from floor import differences
from shift import CALLER, CUT, OTTO

from gateway.cloud import mapping
from gateway.demo import factory
from gateway.issues.commands import IssueCommands
from gateway.kernel.clock import ManualClock
from gateway.operations.model import Verb

AGO_S = 50  # fresh, and worth a minute
BEAM = [factory.named("operation", "1", "Beam", name) for name, _, _ in (*factory.STEPS, factory.ASSEMBLY)]
SETTLE_AFTER_S = 0.5
AMPLE_S = 1.5  # for the work that is done while a request is on its way
START, PAUSE, RESUME, COMPLETE = Verb
NOTHING_OF_ITS_OWN = {"id", "updated_at"}


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


def told(shop, since: int = 0) -> list[str]:
    """What was asked of the cloud about operations and entries: in short, "PATCH operations started_at"."""
    lines = []
    for one in shop.mutations()[since:]:
        path = one.path.removeprefix("/api-")
        if path.startswith(("parts", "jobs")):
            continue
        fields = sorted((one.body or {}).keys() - NOTHING_OF_ITS_OWN) if one.method == "PATCH" else []
        lines.append(" ".join((one.method, path, *fields)))
    return lines


async def step(shop, verb: Verb, ago_s: float = 0, operation_id: str = CUT, operator_id: str = OTTO) -> list[str]:
    """One press of a button, and the requests that it led to."""
    before = len(shop.mutations())
    at = shop.clock.now() - timedelta(seconds=ago_s) if ago_s else None
    await shop.change(verb, operation_id, operator_id=operator_id, occurred_at=at)
    await shop.sent()
    return told(shop, before)


async def test_each_transition_is_sent_as_the_forwarding_table_says(shop):
    async with shop.online():
        assert await step(shop, START, AGO_S) == [
            "PATCH operations started_at",
            "POST operation-lifecycle/start",
            "POST time-entries",
        ]
        assert await step(shop, PAUSE) == [
            "PATCH time-entries duration end_time",
            "PATCH operations actual_time",
            "POST operation-lifecycle/pause",
        ]
        assert await step(shop, RESUME) == ["POST operation-lifecycle/resume", "POST time-entries"]
        assert await step(shop, COMPLETE) == [
            "PATCH time-entries duration end_time",
            "POST operation-lifecycle/complete",
        ]
        assert await shop.db.read(differences, shop.cloud) == []


async def test_stamps_that_are_off_are_set_right_in_the_same_step(shop):
    async with shop.online():
        await step(shop, START, AGO_S)
        assert (await step(shop, PAUSE, AGO_S - 10))[-1] == "PATCH operations paused_at"
        assert (await step(shop, RESUME, AGO_S - 20))[1] == "PATCH operations resumed_at"
        assert (await step(shop, COMPLETE, AGO_S - 30))[-1] == "PATCH operations completed_at"
    ours = (await shop.ask("SELECT started_at, paused_at, resumed_at, completed_at FROM operations WHERE id = ?", CUT))[
        0
    ]
    theirs = shop.cloud.row("operations", CUT)
    stamps = ("started_at", "paused_at", "resumed_at", "completed_at")
    assert all(mapping.same(mine, theirs[name]) for mine, name in zip(ours, stamps, strict=True))


async def test_a_start_never_names_a_user(shop):
    async with shop.online():
        await step(shop, START)
    (call,) = [one for one in shop.mutations() if "lifecycle" in one.path]
    assert call.body is None
    assert "user" not in call.query


async def test_a_standstill_goes_up_as_it_stands_and_ends_nobodys_time(shop):
    issues = IssueCommands(shop.db, shop.clock, shop.new_id, "gw-test")
    async with shop.online():
        await step(shop, START, AGO_S)
        before = len(shop.mutations())
        given = {"operation_id": CUT, "created_by": OTTO, "description": "smoke", "causes_standstill": True}
        issue = json.loads((await issues.create(given, CALLER, None)).data)["issue"]
        await shop.sent()
        assert told(shop, before) == ["POST issues", "PATCH operations status"]
        assert shop.cloud.row("operations", CUT)["status"] == "on_hold"
        [entry] = [row for row in shop.cloud.rows("time_entries") if row["operation_id"] == CUT]
        assert entry["end_time"] is None
        await issues.update(issue["id"], {"status": "closed"}, CALLER, None)
        await shop.sent()
        assert told(shop, before)[2:] == ["PATCH issues reviewed_at status", "PATCH operations status"]
        assert await shop.db.read(differences, shop.cloud) == []


async def test_time_on_an_operation_that_the_office_has_deleted_goes_up_all_the_same(shop):
    async with shop.online(pull_every_s=60):
        await step(shop, START, AGO_S)
        await shop.in_the_office("operations", CUT, deleted_at=datetime.now(UTC).isoformat())
        for verb in (PAUSE, RESUME, COMPLETE):
            await step(shop, verb)
        entries = [row for row in shop.cloud.rows("time_entries") if row["operation_id"] == CUT]
        assert [row["end_time"] is not None for row in entries] == [True, True]


async def test_the_end_of_the_last_operation_tells_the_part_as_well(shop):
    async with shop.online():
        await a_whole_part(shop)
    assert shop.cloud.row("parts", factory.named("part", "1", "Beam"))["status"] == "completed"


@pytest.mark.parametrize(("short", "webhooks", "calls"), [(0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 0, 0)])
async def test_lifecycle_calls_are_worth_it_for_webhooks_or_while_there_is_budget(shop, short, webhooks, calls):
    """Only when nobody listens and the day is short as well, plain changes with true times are enough."""
    limit = 400
    opened = json.dumps({"opened_at": shop.clock.now().isoformat(), "used": int(limit * 0.6) if short else 1})
    sql = "UPDATE gateway_state SET value = ? WHERE key = 'cloud.budget'"
    await shop.db.write(lambda tx: tx.execute(sql, (opened,)).rowcount)
    if webhooks:
        hook = {"id": shop.new_id(), "url": "http://127.0.0.1:9/", "events": ["job.created"], "active": True}
        shop.cloud.load({"webhooks": [hook]})
    async with shop.online(requests_per_day=limit) as link:
        await shop.until(lambda _: any("webhooks" in one.path for one in shop.asked("GET")), "asked for webhooks")
        await shop.until(lambda _: link.downlink.subscribed() == bool(webhooks), "knows of webhooks")
        assert link.budget.short() == bool(short)
        lines = await step(shop, START)
    assert len([line for line in lines if "lifecycle" in line]) == calls
    assert shop.cloud.row("operations", CUT)["status"] == "in_progress"


async def test_a_call_that_nobody_answered_is_asked_for_and_settled_later(shop):
    async with shop.online(settle_after_s=SETTLE_AFTER_S):
        await step(shop, START, AGO_S)
        shop.cloud.faults.change(lose_reply=1.0, only="lifecycle/pause", left=1)
        lines = await step(shop, PAUSE)
        assert [line for line in lines if "lifecycle" in line] == ["POST operation-lifecycle/pause"]
        assert any(CUT in one.query for one in shop.asked("GET"))
        before = len(shop.mutations())
        await shop.drained()
    settled = told(shop, before)
    assert [line.split()[:2] for line in settled] == [["PATCH", "time-entries"], ["PATCH", "operations"]] or [
        line.split()[:2] for line in settled
    ] == [["PATCH", "operations"], ["PATCH", "time-entries"]]
    assert any("status" in line for line in settled)
    assert await shop.db.read(differences, shop.cloud) == []


async def quantity_taken_back(shop) -> None:
    await shop.count(CUT, 5)
    await shop.sent()
    ((quantity_id,),) = await shop.ask("SELECT id FROM operation_quantities")
    await shop.quantities.delete(quantity_id, CALLER, None)
    await shop.sent()


def pressed(*verbs: Verb):
    async def press(shop) -> None:
        for verb in verbs:
            await step(shop, verb)

    return press


async def pressed_late(shop) -> None:
    for minutes, verb in ((50, START), (40, PAUSE), (30, RESUME), (20, COMPLETE)):
        await step(shop, verb, minutes * 60)


async def a_whole_part(shop) -> None:
    for operation_id in BEAM:
        await step(shop, START, operation_id=operation_id)
        await step(shop, COMPLETE, operation_id=operation_id)


@pytest.mark.parametrize(
    ("work", "late", "place", "harms"),
    [
        pytest.param(pressed_late, "PATCH /api-operations", 1, True, id="an old state comes back over the last one"),
        pytest.param(pressed_late, "PATCH /api-operations", 3, True, id="a state from the middle comes back"),
        pytest.param(pressed(START, PAUSE), "lifecycle/start", 1, True, id="a start comes after the pause"),
        pytest.param(pressed(START, PAUSE, RESUME), "lifecycle/pause", 1, True, id="a pause comes after the resume"),
        pytest.param(
            pressed(START, PAUSE, RESUME, PAUSE), "lifecycle/resume", 1, True, id="a resume comes after a pause"
        ),
        pytest.param(
            pressed(START, PAUSE, RESUME),
            "POST /api-time-entries",
            1,
            False,
            id="an open entry comes when it is closed",
        ),
        pytest.param(
            quantity_taken_back, "POST /api-operation-quantities", 1, True, id="a quantity comes that was taken back"
        ),
        pytest.param(a_whole_part, "PATCH /api-parts", 1, True, id="a part's old state comes"),
        pytest.param(a_whole_part, "PATCH /api-time-entries", 1, False, id="an entry's end comes twice"),
    ],
)
async def test_what_arrives_late_is_made_good(tmp_path, pulled, work, late, place, harms):
    """The request runs over there when newer ones are through already: as soon as we turn the cloud's clock."""
    clock = ManualClock(datetime.now(UTC))
    cloud = stand_in(PLANNED_AT, clock=clock)
    cloud.faults.change(late_delivery=1.0, late_min_s=1.0, late_max_s=1.0, only=late, left=0)
    async with shop_of(tmp_path / "shop", cloud, pulled) as shop, shop.online(settle_after_s=AMPLE_S):
        watch = asyncio.create_task(_from(shop, late, place))
        await work(shop)
        await watch
        await clock.advance(1.0)
        await shop.until(lambda _: all(one.status for one in cloud.log), "it has arrived")
        assert len([one for one in cloud.log if one.fault == "late_delivery"]) == 1
        assert bool(await shop.db.read(differences, cloud)) == harms
        await shop.drained()
        assert await shop.db.read(differences, cloud) == []
        assert await shop.ask("SELECT * FROM event_parked") == []


async def _from(shop, late: str, place: int) -> None:
    """The fault is armed once enough such requests are through."""
    while len([one for one in shop.mutations() if late in f"{one.method} {one.path}"]) < place - 1:
        await asyncio.sleep(0)
    shop.cloud.faults.change(left=1)
