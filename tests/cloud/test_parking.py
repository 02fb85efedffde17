"""What the cloud refuses waits for a person, with what hangs on it; nothing else waits for that."""

import json
from datetime import timedelta

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from floor import differences
from shift import BURR, CALLER, CUT, LASER, OTTO

from gateway.catalog.commands import RowCommands
from gateway.catalog.tables import SCRAP_REASONS
from gateway.cloud import store
from gateway.cloud.uplink import BLOCKED_EVERY
from gateway.demo import factory
from gateway.kernel import clock as time_
from gateway.operations.model import Verb
from gateway.operations.trees.commands import JobTreeCommands, PartTreeCommands
from gateway.outbox import parked

JOB = factory.named("job", "1")
TAKEN = "P-TAKEN"
SQL = "SELECT aggregate, state, reason FROM event_parked WHERE reader = 'cloud' ORDER BY seq"


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


def office(shop, commands=PartTreeCommands):
    return commands(shop.db, shop.clock, shop.new_id, "gw-test")


async def planned(shop, part_number: str, job_id: str = JOB) -> tuple[str, str]:
    """(part, its one operation), planned here."""
    steps = [{"operation_name": "Saw", "cell_id": LASER, "estimated_time": 5}]
    given = {"part_number": part_number, "job_id": job_id, "operations": steps}
    part = json.loads((await office(shop).create(given, CALLER, None)).data)["part"]
    return part["id"], part["operations"][0]["id"]


async def somebody_has_it(shop, part_number: str = TAKEN) -> str:
    """A part of that number in the cloud, as the office there may have made one."""
    part_id = shop.new_id()
    twin = shop.cloud.row("parts", factory.named("part", "2", "Hood"))
    shop.cloud.load({"parts": [{**twin, "id": part_id, "part_number": part_number, "status": "completed"}]})
    return part_id


async def work_on(shop, operation_id: str) -> None:
    await shop.change(Verb.START, operation_id, operator_id=OTTO)
    await shop.count(operation_id, 2)
    await shop.change(Verb.COMPLETE, operation_id, operator_id=OTTO)


async def a_refused_part(shop) -> tuple[str, str, str]:
    """(the part in the cloud that has its number, ours, its operation): worked on, and parked."""
    theirs = await somebody_has_it(shop)
    part_id, operation_id = await planned(shop, TAKEN)
    await work_on(shop, operation_id)
    return theirs, part_id, operation_id


async def test_a_refused_part_holds_back_what_is_below_it_and_nothing_else(shop):
    _, part_id, operation_id = await a_refused_part(shop)
    await planned(shop, "P-FREE")
    await work_on(shop, CUT)
    async with shop.linked():
        await shop.drained()
    waiting = await shop.ask(SQL)
    assert {(aggregate, reason.partition(":")[0]) for aggregate, _, reason in waiting} == {
        (f"part:{part_id}", "another row of the cloud has this number or name"),
        (f"operation:{operation_id}", "waits for operation"),
        *((f"quantity:{row}", "waits for operation") for row in not_there(shop, await quantities(shop))),
    }
    assert shop.cloud.row("operations", CUT)["status"] == "completed"
    assert len(shop.cloud.rows("operation_quantities")) == 1
    assert [row["part_number"] for row in shop.cloud.rows("parts") if row["part_number"].startswith("P-")] == [
        TAKEN,
        "P-FREE",
    ]
    ids = {part_id, operation_id}
    assert len([one for one in shop.mutations() if ids & {(one.body or {}).get("id"), one.query[3:]}]) == 1


async def quantities(shop) -> list[str]:
    return [row[0] for row in await shop.ask("SELECT id FROM operation_quantities")]


def not_there(shop, ids: list[str]) -> set[str]:
    return set(ids) - {row["id"] for row in shop.cloud.rows("operation_quantities")}


async def test_when_the_cause_is_gone_a_retry_sends_all_of_it_in_order(shop):
    theirs, part_id, operation_id = await a_refused_part(shop)
    async with shop.linked():
        await shop.drained()
        await shop.in_the_office("parts", theirs, part_number="P-OTHER")
        before = len(shop.mutations())
        await shop.db.write(parked.retry, store.READER)
        await shop.until(lambda c: not c.execute(SQL).fetchall(), "nothing is parked")
        await shop.drained()
    made = [one.body["id"] for one in shop.mutations()[before:] if one.method == "POST"]
    assert made[:2] == [part_id, operation_id]
    await shop.in_the_office("parts", theirs, deleted_at="2026-11-02T00:00:00Z")
    assert await shop.db.read(differences, shop.cloud) == []


async def test_a_retry_in_vain_parks_it_again_and_nothing_is_sent_out_of_turn(shop):
    _, part_id, _ = await a_refused_part(shop)
    async with shop.linked():
        await shop.drained()
        before, waiting = len(shop.mutations()), await shop.ask(SQL)
        await shop.db.write(parked.retry, store.READER)
        await shop.until(lambda c: c.execute("SELECT min(state) FROM event_parked").fetchone()[0] == "parked", "tried")
        await shop.until(lambda c: [tuple(row) for row in c.execute(SQL)] == waiting, "as before")
    assert [one.body["id"] for one in shop.mutations()[before:]] == [part_id]


async def test_the_first_of_several_can_be_retried_alone(shop):
    theirs, part_id, _ = await a_refused_part(shop)
    async with shop.linked():
        await shop.drained()
        await shop.in_the_office("parts", theirs, part_number="P-OTHER")
        ((first, waiting),) = await shop.ask("SELECT min(seq), count(*) FROM event_parked")
        await shop.db.write(parked.retry, store.READER, [first])
        await shop.until(lambda c: c.execute("SELECT min(seq) FROM event_parked").fetchone()[0] != first, "it is gone")
        assert shop.cloud.row("parts", part_id)["part_number"] == TAKEN
        ((left,),) = await shop.ask("SELECT count(*) FROM event_parked")
    assert left == waiting - 1


async def test_a_later_one_retried_alone_goes_on_waiting_for_the_first(shop):
    await a_refused_part(shop)
    async with shop.linked():
        await shop.drained()
        before = len(shop.mutations())
        ((last,),) = await shop.ask("SELECT max(seq) FROM event_parked")
        await shop.db.write(parked.retry, store.READER, [last])
        state = f"SELECT state FROM event_parked WHERE seq = {last}"
        await shop.until(lambda c: c.execute(state).fetchone()[0] == "parked", "it waits again")
    assert shop.mutations()[before:] == []


async def test_what_is_discarded_is_never_sent(shop):
    await a_refused_part(shop)
    async with shop.linked():
        await shop.drained()
        given_up = await shop.db.write(parked.discard, store.READER)
        assert await shop.ask("SELECT skipped FROM event_readers WHERE name = 'cloud'") == [(given_up,)]
        before = len(shop.mutations())
    async with shop.linked():
        await shop.drained()
    assert shop.mutations()[before:] == []


async def test_what_the_plan_does_not_allow_is_tried_again_every_day(shop):
    tenant = shop.cloud.add_tenant(factory.TENANT_ID)
    tenant.max_jobs = tenant.jobs = 2
    steps = [{"operation_name": "Saw", "cell_id": LASER, "estimated_time": 5}]
    given = {"job_number": "J-3", "customer": "Third", "parts": [{"part_number": "P-3", "operations": steps}]}
    job = json.loads((await office(shop, JobTreeCommands).create(given, CALLER, None)).data)["job"]
    await work_on(shop, job["parts"][0]["operations"][0]["id"])
    async with shop.linked():
        await shop.drained()
        waiting = await shop.ask(SQL)
        assert {state for _, state, _ in waiting} == {"blocked_quota"}
        assert "plan does not allow more" in waiting[0][2]
        assert "(2/2)" in waiting[0][2]
    asked = len(shop.asked("POST"))
    async with shop.linked():  # not a day later
        await shop.drained()
    assert len(shop.asked("POST")) == asked
    await a_day_later(shop)
    async with shop.linked():
        await shop.until(lambda _: len(shop.asked("POST")) > asked, "it was tried again")
        await shop.until(lambda c: [tuple(row) for row in c.execute(SQL)] == waiting, "in vain")
    assert len(shop.asked("POST")) == asked + 1
    tenant.max_jobs = 3
    await a_day_later(shop)
    async with shop.linked():
        await shop.until(lambda c: not c.execute(SQL).fetchall(), "nothing is parked")
        await shop.drained()
        assert await shop.db.read(differences, shop.cloud) == []


async def a_day_later(shop) -> None:
    parked_at = time_.text(shop.clock.now() - BLOCKED_EVERY - timedelta(seconds=1))
    await shop.db.write(lambda tx: tx.execute("UPDATE event_parked SET parked_at = ?", (parked_at,)).rowcount)


async def test_a_row_outside_the_job_trees_waits_alone(shop):
    reasons = RowCommands(SCRAP_REASONS, shop.db, shop.clock, shop.new_id, "gw-test")
    twin = shop.cloud.row("scrap_reasons", BURR)
    shop.cloud.load({"scrap_reasons": [{**twin, "id": shop.new_id(), "code": "NEW"}]})
    await reasons.create({"code": "NEW", "description": "new", "category": "process"}, CALLER, None)
    await reasons.create({"code": "OK", "description": "fine", "category": "process"}, CALLER, None)
    async with shop.linked():
        await shop.drained()
    assert len(await shop.ask(SQL)) == 1
    assert "OK" in [row["code"] for row in shop.cloud.rows("scrap_reasons")]


async def test_after_a_restart_nobody_sends_again_what_was_confirmed(shop):
    """One lane is stuck: the watermark stands before it, the other is ahead of it."""
    stuck, ahead = factory.named("operation", "2", "Hood", "Bending"), f"job:{JOB}"
    await shop.change(Verb.START, stuck)
    await work_on(shop, CUT)
    shop.cloud.faults.change(error_503=1.0, only=f"PATCH /api-operations?id={stuck}")
    async with shop.linked(settle_after_s=0.1):
        await shop.until(lambda c: position(c, ahead) and not unsettled(c, ahead), "the other lane is done")
    assert not await shop.db.read(position, f"job:{factory.named('job', '2')}")
    confirmed, tries = len(not_about(shop, stuck)), len(shop.mutations())
    for _ in range(2):
        async with shop.linked(settle_after_s=0.1):
            await shop.until(lambda _, tries=tries: len(shop.mutations()) > tries, "the stuck one was tried again")
        tries = len(shop.mutations())
    assert len(not_about(shop, stuck)) == confirmed
    shop.cloud.faults.change(error_503=0.0)
    async with shop.linked(settle_after_s=0.1):
        await shop.drained()
        assert await shop.db.read(differences, shop.cloud) == []
    sent = len(shop.mutations())
    async with shop.online(settle_after_s=0.1):
        await shop.drained()
    assert len(shop.mutations()) == sent


def position(connection, lane: str) -> bool:
    """Is this lane done, ahead of the watermark?"""
    sql = (
        "SELECT l.position = (SELECT max(seq) FROM events e WHERE e.lane = l.lane) FROM event_lanes l WHERE l.lane = ?"
    )
    found = connection.execute(sql, (lane,)).fetchone()
    return bool(found and found[0])


def unsettled(connection, lane: str) -> int:
    sql = "SELECT count(*) FROM cloud_rows WHERE lane = ? AND unsettled_until IS NOT NULL"
    return connection.execute(sql, (lane,)).fetchone()[0]


def not_about(shop, row_id: str) -> list:
    return [one for one in shop.mutations() if row_id not in one.query]
