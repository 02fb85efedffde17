"""Store and forward against the stand-in cloud: every fact once, in order, with its true time."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.demo import factory
from gateway.operations.model import Verb

CUT = factory.named("operation", "1", "Beam", "Laser cutting")
PERSON = factory.named("profile", "Otto Operator")


async def a_whole_operation(shop, operation_id=CUT, *, began: datetime, pieces=(3, 4)) -> None:
    """Started, counted, paused, resumed and completed, each at a time of its own."""
    at = [began + timedelta(minutes=10 * step) for step in range(4)]
    await shop.change(Verb.START, operation_id, operator_id=PERSON, occurred_at=at[0])
    for good in pieces:
        await shop.count(operation_id, good)
    await shop.change(Verb.PAUSE, operation_id, operator_id=PERSON, occurred_at=at[1])
    await shop.change(Verb.RESUME, operation_id, operator_id=PERSON, occurred_at=at[2])
    await shop.change(Verb.COMPLETE, operation_id, operator_id=PERSON, occurred_at=at[3])


def instant(written: str) -> datetime:
    return datetime.fromisoformat(written)


def holds(shop, began: datetime, pieces=(3, 4)) -> None:
    row = shop.cloud.row("operations", CUT)
    assert row["status"] == "completed"
    assert instant(row["started_at"]) == began
    assert instant(row["completed_at"]) == began + timedelta(minutes=30)
    assert row["actual_time"] == 20
    entries = sorted(
        (instant(one["start_time"]), instant(one["end_time"]), one["duration"])
        for one in shop.cloud.rows("time_entries")
    )
    assert entries == [
        (began, began + timedelta(minutes=10), 10),
        (began + timedelta(minutes=20), began + timedelta(minutes=30), 10),
    ]
    assert [one["quantity_good"] for one in shop.cloud.rows("operation_quantities")] == list(pieces)


async def test_the_plan_is_pulled_and_not_sent_back(shop):
    async with shop.linked():
        await shop.pulled()
        await shop.drained()
    assert [request for request in shop.cloud.log if request.method != "GET"] == []


async def test_late_work_arrives_with_its_true_times(shop):
    async with shop.linked():
        await shop.pulled()
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
    await a_whole_operation(shop, began=began)
    async with shop.linked():
        await shop.drained()
    holds(shop, began)


async def test_fresh_work_goes_through_the_lifecycle_calls(shop):
    async with shop.linked():
        await shop.pulled()
        await shop.change(Verb.START, CUT, operator_id=PERSON)
        await shop.drained()
        await shop.change(Verb.COMPLETE, CUT, operator_id=PERSON)
        await shop.drained()
    calls = [request.path.rsplit("/", 1)[-1] for request in shop.cloud.log if "lifecycle" in request.path]
    assert calls == ["start", "complete"]
    (entry,) = shop.cloud.rows("time_entries")
    assert entry["operator_id"] == PERSON
    assert entry["end_time"] is not None


LATE = {"late_delivery": 0.2, "late_min_s": 0.05, "late_max_s": 0.4}


@pytest.mark.parametrize(
    "faults",
    [
        {"lose_reply": 0.3},
        LATE,
        {"error_500": 0.2, "error_503": 0.2},
        {"truncated_body": 0.2, "duplicate": 0.2},
        {**LATE, "lose_reply": 0.1, "duplicate": 0.1, "error_500": 0.1},
    ],
    ids="+".join,
)
async def test_nothing_is_lost_or_doubled_when_the_cloud_misbehaves(shop, faults):
    async with shop.linked():
        await shop.pulled()
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
    for name, value in faults.items():
        setattr(shop.cloud.faults, name, value)
    await a_whole_operation(shop, began=began)
    async with shop.linked():
        await shop.drained()
    holds(shop, began)


async def test_an_outage_in_the_middle_is_only_a_delay(shop):
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
    async with shop.linked():
        await shop.pulled()
        shop.cloud.go_away()
        await a_whole_operation(shop, began=began)
        shop.cloud.come_back()
        await shop.drained()
    holds(shop, began)


async def test_a_refusal_is_parked_with_its_reason_and_holds_up_nobody_else(shop):
    """Nobody told the cloud of the new colleague: her time cannot be booked there, everything else can."""
    async with shop.linked():
        await shop.pulled()
    colleague = factory.named("profile", "New Colleague")
    await shop.db.write(_hire, colleague)
    await shop.change(Verb.START, CUT, operator_id=colleague)
    await shop.count(CUT, 5)
    async with shop.linked():
        await shop.until(lambda connection: parked(connection) != [], "something is parked")
        await shop.until(lambda _: shop.cloud.rows("operation_quantities") != [], "the quantity is there")
    (reason,) = await shop.db.read(parked)
    assert reason.startswith("the cloud does not have the person that it names: ")
    assert "time_entries" in reason


def _hire(tx, profile_id: str) -> None:
    sql = "INSERT INTO profiles (id, username, full_name, created_at, updated_at) VALUES (?, 'new', 'New Colleague', '', '')"
    tx.execute(sql, (profile_id,))


def parked(connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT reason FROM event_parked WHERE reader = 'cloud'")]


async def test_a_pull_never_overwrites_what_is_not_sent(shop):
    async with shop.linked():
        await shop.pulled()
    await shop.change(Verb.START, CUT, operator_id=PERSON)
    shop.cloud.load({"operations": [{**shop.cloud.row("operations", CUT), "estimated_time": 99}]})
    async with shop.linked():
        await shop.until(lambda connection: estimated(connection) == 99, "the plan is taken over")
        assert await shop.db.read(status) == "in_progress"
        await shop.drained()
    assert shop.cloud.row("operations", CUT)["status"] == "in_progress"


def estimated(connection) -> int:
    return connection.execute("SELECT estimated_time FROM operations WHERE id = ?", (CUT,)).fetchone()[0]


def status(connection) -> str:
    return connection.execute("SELECT status FROM operations WHERE id = ?", (CUT,)).fetchone()[0]


async def test_only_the_cells_that_are_ours_are_pulled_with_whole_parts(shop):
    async with shop.linked(cells=("Laser",)):
        await shop.until(
            lambda connection: connection.execute("SELECT count(*) FROM operations").fetchone()[0] > 0, "pulled"
        )
        expected = {row["id"] for row in shop.cloud.rows("operations")}  # each part has an operation in Laser
        assert {
            row[0] for row in await shop.db.read(lambda c: c.execute("SELECT id FROM operations").fetchall())
        } == expected
