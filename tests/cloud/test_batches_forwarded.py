"""A batch as the cloud sees it: its operations and the shares of its time, several entries of one person at once."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from floor import differences
from shift import BEND, CALLER, CUT, FOOT_CUT, LASER, OTTO

from gateway.batches.commands import BatchCommands
from gateway.batches.model import ChangeBatch
from gateway.operations.model import Verb

IDS = [CUT, BEND, FOOT_CUT]  # of two parts


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


@pytest.fixture
def batches(shop):
    return BatchCommands(shop.db, shop.clock, shop.new_id, "gw-test")


async def planned(batches) -> str:
    given = {"batch_number": "NEST-1", "cell_id": LASER, "operation_ids": IDS}
    return json.loads((await batches.create(given, CALLER, None)).data)["batch"]["id"]


async def work(shop, batches, began: datetime | None, between=None) -> dict:
    """A batch that runs for 31 minutes, or as it happens."""
    batch_id = await planned(batches)
    await batches.start(ChangeBatch(batch_id, OTTO, None, began), CALLER, None)
    if between:
        await between()
    ended = began + timedelta(minutes=31) if began else None
    answer = await batches.stop(ChangeBatch(batch_id, OTTO, None, ended), CALLER, None)
    return json.loads(answer.data)


def there(shop) -> dict[str, list[tuple]]:
    """operation -> (operator, start, end, minutes) of each entry that the cloud has on it."""
    found: dict[str, list[tuple]] = {one: [] for one in IDS}
    for row in shop.cloud.rows("time_entries"):
        found[row["operation_id"]].append((row["operator_id"], row["start_time"], row["end_time"], row["duration"]))
    return found


async def agree(shop, answer: dict) -> None:
    await shop.drained()
    assert await shop.ask("SELECT reason FROM event_parked") == []
    assert await shop.db.read(differences, shop.cloud) == []
    rows = {row["id"]: row for row in shop.cloud.rows("operations")}
    for one in answer["operations"]:
        assert (rows[one["id"]]["status"], rows[one["id"]]["actual_time"]) == ("completed", one["minutes"])
        assert sum(duration for *_, duration in there(shop)[one["id"]]) == one["minutes"]


async def test_what_was_done_without_the_cloud_arrives_as_shares(shop, batches):
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    answer = await work(shop, batches, began)
    assert answer["total_minutes"] == 31
    async with shop.linked():
        await agree(shop, answer)
    entries = there(shop)
    assert [len(entries[one]) for one in IDS] == [1, 1, 1]
    assert {entries[one][0][1] for one in IDS} == {began.isoformat()}
    assert sum(entries[one][0][3] for one in IDS) == 31


async def test_as_it_happens(shop, batches):
    async with shop.online():
        began = datetime.now(UTC) - timedelta(seconds=50)
        batch_id = await planned(batches)
        await batches.start(ChangeBatch(batch_id, OTTO, None, began), CALLER, None)
        await shop.sent()
        calls = [one.path for one in shop.asked("POST") if "lifecycle" in one.path]
        assert calls == ["/api-operation-lifecycle/start"] * 3
        running = [row for row in shop.cloud.rows("time_entries") if row["end_time"] is None]
        assert {(row["operation_id"], row["operator_id"]) for row in running} == {(one, OTTO) for one in IDS}
        answer = json.loads((await batches.stop(ChangeBatch(batch_id, OTTO), CALLER, None)).data)
        assert answer["total_minutes"] == 1
        await agree(shop, answer)
        calls = [one.path for one in shop.asked("POST") if "lifecycle" in one.path]
        assert calls[3:] == ["/api-operation-lifecycle/complete"] * 3


@pytest.mark.parametrize("live", [False, True])
async def test_pauses_cut_a_share_and_do_not_change_it(shop, batches, live):
    began = datetime.now(UTC) - timedelta(minutes=31, seconds=5)

    async def alone() -> None:
        for verb, minute in ((Verb.PAUSE, 5), (Verb.RESUME, 20), (Verb.PAUSE, 25)):
            await shop.change(verb, CUT, operator_id=OTTO, occurred_at=began + timedelta(minutes=minute))

    if live:
        async with shop.online():
            answer = await work(shop, batches, began, alone)
            await agree(shop, answer)
    else:
        answer = await work(shop, batches, began, alone)
        async with shop.linked():
            await agree(shop, answer)
    assert len(there(shop)[CUT]) == 2
    assert sum(one["minutes"] for one in answer["operations"]) == 31


async def test_a_batch_that_the_cloud_has_no_place_for_keeps_nothing_waiting(shop, batches):
    batch_id = await planned(batches)
    await batches.update(batch_id, {"notes": "hurry"}, CALLER, None)
    await batches.delete(batch_id, CALLER, None)
    async with shop.linked():
        await shop.drained()
    assert [one for one in shop.mutations() if "batch" in one.path] == []
