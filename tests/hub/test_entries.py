"""Entries of another gateway's journal: taken whole, once, in order, and only where it is that gateway's word that counts."""

import uuid

import pytest

from gateway.outbox import journal
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

WHEN = "2026-01-02T03:04:05+00:00"
JOB, PART, STEP, QUANTITY = (str(uuid.uuid5(uuid.NAMESPACE_OID, one)) for one in ("job", "part", "step", "quantity"))
STAMPS = {"created_at": WHEN, "updated_at": WHEN}


def change(table: str, row_id: str, op: str = "insert", **values) -> dict:
    return {"table": table, "id": row_id, "op": op, "values": values or None}


def entry(seq: int, *changes: dict, lane: str = f"job:{JOB}", epoch: int = 5, **more) -> dict:
    given = {"key": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{epoch}/{seq}")), "seq": seq, "epoch": epoch, "lane": lane}
    given |= {"aggregate": lane, "origin": "gw-cell", "occurred_at": WHEN, "changes": [*changes]}
    return {**given, **more}


def tree(cell: str) -> dict:
    """A job with a part and an operation, in one entry."""
    return entry(
        1,
        change("jobs", JOB, job_number="J-1", **STAMPS),
        change("parts", PART, job_id=JOB, part_number="P-1", material="Steel", **STAMPS),
        change("operations", STEP, part_id=PART, cell_id=cell, operation_name="Cut", sequence=1, **STAMPS),
    )


def booked(seq: int, good: int, **more) -> dict:
    values = {"operation_id": STEP, "quantity_produced": good, "quantity_good": good, "recorded_at": WHEN, **STAMPS}
    return entry(seq, change("operation_quantities", QUANTITY, **values), **more)


def moved(seq: int, status: str, before: str = "not_started", table: str = "operations", row_id: str = STEP, **more):
    """A change of state and what it says."""
    data = {"previous_status": before, "new_status": status}
    told = change(table, row_id, "update", status=status, updated_at=WHEN) | {"fields": ["status", "updated_at"]}
    return entry(seq, told, data=data, type=more.pop("type", "operation.started"), **more)


async def send(floor, *entries, gateway="gw-cell", epoch=5, key=None, **more):
    body = {"gateway_id": gateway, "epoch": epoch, "entries": [*entries], **more}
    return await floor.send("POST", "/api-forward", body, key=key)


async def taken(floor, *entries, **more) -> dict:
    reply = await send(floor, *entries, **more)
    assert reply.status == 200, reply.body
    return reply.data["entries"]


async def codes(floor, *entries, **more) -> list[str]:
    return [one["body"]["error"]["code"] for one in (await taken(floor, *entries, **more))["refused"]]


async def quantities(floor) -> list[int]:
    return [one["quantity_good"] for one in (await floor.get("/api-operation-quantities"))["operation_quantities"]]


async def test_an_entry_is_taken_with_its_rows_and_told_on_as_it_was(floor):
    since = await floor.db.read(journal.head)
    said = await taken(floor, tree(floor.LASER), booked(2, 7, type="production.quantity_reported", data={"good": 7}))
    assert (said["taken"], said["replayed"], said["refused"]) == (2, 0, [])
    told = await floor.db.read(journal.after, since)
    assert [one.seq for one in told] == said["seqs"]
    assert {(one.origin, one.occurred_at) for one in told} == {("gw-cell", WHEN)}
    assert (told[1].type, told[1].data) == ("production.quantity_reported", '{"good":7}')
    assert await quantities(floor) == [7]
    assert (await floor.get(f"/api-jobs?id={JOB}"))["job"]["job_number"] == "J-1"


async def test_what_comes_twice_is_known_by_its_position(floor):
    first = [tree(floor.LASER), booked(2, 7)]
    await taken(floor, *first)
    again = await taken(floor, *first, booked(3, 9))
    assert (again["taken"], again["replayed"], again["seqs"][:2]) == (1, 2, [0, 0])
    assert await quantities(floor) == [9]
    settled = await taken(floor, settled=3)
    assert settled["settled"] == 3
    assert (await taken(floor, *first))["replayed"] == 2  # known although its lane is forgotten
    other_life = await taken(floor, booked(2, 1, epoch=6), epoch=6)
    assert other_life["taken"] == 1  # the same number in another life is another entry


async def test_after_a_refusal_the_rest_of_its_lane_waits_and_other_lanes_go_on(floor):
    wrong = entry(2, change("operation_quantities", QUANTITY, operation_id=floor.NOWHERE, recorded_at=WHEN, **STAMPS))
    other = entry(4, change("cells", floor.NOWHERE, name="Paint", sequence=9, **STAMPS), lane="cells:x")
    said = await taken(floor, tree(floor.LASER), wrong, booked(3, 5), other)
    assert [one["status"] for one in said["refused"]] == [422, 424]
    assert said["refused"][0]["body"]["error"]["details"][0] == {
        "field": "operation_id",
        "table": "operations",
        "id": floor.NOWHERE,
    }
    assert (said["taken"], await quantities(floor)) == (2, [])
    assert (await taken(floor, booked(3, 5)))["taken"] == 1


async def test_one_that_was_refused_and_parked_comes_again_once(floor):
    await taken(floor, tree(floor.LASER), booked(3, 5))
    late = entry(2, change("operations", STEP, "update", notes="late"), again=True)
    assert [(await taken(floor, late))["taken"] for _ in range(2)] == [1, 0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (change("api_keys", JOB, name="x"), "older than the gateway"),
        (change("jobs", JOB, colour="red"), "has no column colour"),
        (change("jobs", JOB), "without its columns"),
        (change("jobs", JOB, job_number="J", package_count="many", **STAMPS), "package_count"),
    ],
)
async def test_what_is_not_known_here_is_refused_by_name(floor, wrong, said):
    reply = await taken(floor, entry(1, wrong))
    assert said in reply["refused"][0]["body"]["error"]["message"]
    assert reply["taken"] == 0


async def test_an_event_that_is_not_known_here_is_refused(floor):
    assert await codes(floor, entry(1, type="operation.exploded")) == ["VALIDATION_ERROR"]


async def test_work_in_a_cell_is_told_by_its_gateway_only(floor):
    await taken(floor, tree(floor.LASER), cells=[floor.LASER])
    foreign = moved(1, "in_progress")
    assert await codes(floor, foreign, gateway="gw-two") == ["CONFLICT"]
    renamed = entry(2, change("operations", STEP, "update", operation_name="Cut fine", updated_at=WHEN))
    assert await codes(floor, renamed, gateway="gw-two") == []  # the plan is everybody's
    claim = await send(floor, gateway="gw-two", cells=[floor.LASER])
    assert (claim.status, claim.error["code"]) == (409, "CONFLICT")


async def test_a_key_for_some_cells_takes_work_of_those(floor):
    await taken(floor, tree(floor.LASER))
    _, key = await floor.keys.create(NewKey("saw", Scope.PLAN, (floor.SAW,), gateway_id="gw-cell"))
    assert await codes(floor, moved(2, "in_progress"), key=key) == ["CONFLICT"]


@pytest.mark.parametrize(("scope", "gateway"), [(Scope.PLAN, None), (Scope.OPERATE, "gw-cell"), (Scope.PLAN, "gw-two")])
async def test_rows_as_they_are_come_only_from_a_gateways_own_key(floor, scope, gateway):
    """No function's own rules are asked about them: anybody's key could give itself whatever it likes."""
    _, key = await floor.keys.create(NewKey("some", scope, gateway_id=gateway))
    person = entry(1, change("profiles", JOB, username="me", full_name="Me", role="admin", **STAMPS), lane="profiles:x")
    reply = await send(floor, person, key=key)
    assert (reply.status, reply.error["code"]) == (403, "FORBIDDEN")
    assert await floor.db.read(lambda c: c.execute("SELECT 1 FROM profiles WHERE username = 'me'").fetchone()) is None


async def test_a_lower_epoch_is_fenced(floor):
    await taken(floor, epoch=9)
    reply = await send(floor, tree(floor.LASER), epoch=8)
    assert (reply.status, reply.error["code"]) == (409, "EPOCH_FENCED")


async def test_a_row_that_points_at_what_comes_later_waits_for_it_there(floor):
    """Rows are told as they are now: this part was hung below the other one only afterwards."""
    below = change("parts", STEP, job_id=JOB, parent_part_id=PART, part_number="P-2", material="Steel", **STAMPS)
    said = await taken(
        floor,
        entry(1, change("jobs", JOB, job_number="J-1", **STAMPS)),
        entry(2, below),
        entry(3, change("parts", PART, job_id=JOB, part_number="P-1", material="Steel", **STAMPS)),
        entry(4, change("parts", STEP, "update", parent_part_id=PART, updated_at=WHEN)),
    )
    assert said["refused"] == []
    assert (await floor.part(STEP))["parent_part_id"] == PART


async def test_a_job_that_one_cell_thinks_done_is_open_while_another_has_work_in_it(floor):
    await taken(floor, tree(floor.LASER), cells=[floor.LASER])
    late = {"part_id": PART, "cell_id": floor.SAW, "operation_name": "Saw", "sequence": 2}
    other = (await floor.make("/api-operations", late))["operation"]["id"]
    job = {"table": "jobs", "row_id": JOB, "type": "job.completed"}
    ended = moved(3, "completed", "in_progress", **job)
    ended["data"]["cause"] = "rollup"
    await taken(floor, moved(2, "completed", "in_progress", type="operation.completed"), ended)
    assert (await floor.get(f"/api-jobs?id={JOB}"))["job"]["status"] == "in_progress"  # as the hub counts
    assert await floor.events("job.completed") == []
    await floor.pressed(("start", other), ("complete", other))
    assert (await floor.get(f"/api-jobs?id={JOB}"))["job"]["status"] == "completed"
    assert len(await floor.events("job.completed")) == 1


async def test_a_job_that_is_told_late_ends_with_the_last_work_of_all_and_its_event_says_so(floor):
    """Each cell knows its own part of the job only: the one that tells last was through first."""
    await taken(floor, tree(floor.LASER), cells=[floor.LASER])
    step = {"operation_name": "Saw", "sequence": 1, "cell_id": floor.SAW}
    other = {"job_id": JOB, "part_number": "P-2", "material": "Steel", "operations": [step]}
    saw = (await floor.make("/api-parts", other))["part"]["operations"][0]["id"]
    await floor.pressed(("start", saw, None, 60), ("complete", saw))
    ((last,),) = await floor.query("SELECT completed_at FROM operations WHERE id = ?", saw)
    job = {"status": "completed", "started_at": WHEN, "completed_at": WHEN, "actual_duration_s": 0, "updated_at": WHEN}
    data = {"job_id": JOB, "previous_status": "in_progress", "new_status": "completed", "cause": "rollup"}
    data |= {
        "timestamp": "2026-01-02T03:04:05.000Z",
        "completed_at": WHEN,
        "actual_duration": 0,
        "actual_duration_seconds": 0,
    }
    done = [change("operations", STEP, "update", status="completed", completed_at=WHEN, updated_at=WHEN)]
    done += [change("parts", PART, "update", status="completed", updated_at=WHEN)]
    ended = entry(3, change("jobs", JOB, "update", **job), type="job.completed", data=data)
    assert await codes(floor, entry(2, *done, data={"new_status": "completed"}), ended) == []
    row = (await floor.get(f"/api-jobs?id={JOB}"))["job"]
    assert (row["status"], row["completed_at"]) == ("completed", last)
    (told,) = await floor.events("job.completed")
    assert (told["occurred_at"], told["data"]["completed_at"], told["data"]["occurred_at_claimed"]) == (
        last,
        last,
        WHEN,
    )
    assert told["data"]["timestamp"][:19] == last[:19]
    assert told["data"]["actual_duration"] == row["actual_duration"]
    assert told["data"]["actual_duration_seconds"] == row["actual_duration_seconds"] > 0


async def test_what_is_completed_here_is_not_taken_back_by_who_did_not_know(floor):
    await taken(floor, tree(floor.LASER))
    await floor.pressed(("start", STEP), ("complete", STEP))
    since = await floor.db.read(journal.head)
    assert await codes(floor, moved(2, "on_hold", "in_progress", type="operation.paused")) == []
    assert (await floor.operation(STEP))["status"] == "completed"
    told = await floor.db.read(journal.after, since)
    assert [(one.type, one.origin) for one in told] == [
        (None, "gw-cell"),
        (None, "gw-test"),
    ]  # and the sender hears of it
    reopened = moved(3, "in_progress", "completed", type="operation.resumed")
    await taken(floor, reopened)
    assert (await floor.operation(STEP))["status"] == "in_progress"


async def test_rows_that_no_journal_names_come_with_the_one_above_them(floor):
    await taken(floor, tree(floor.LASER))
    pause = {"id": QUANTITY, "time_entry_id": JOB, "paused_at": WHEN, "resumed_at": None, "duration": None}
    pause |= {"segment_id": str(uuid.uuid4()), "created_at": WHEN}
    began = change("time_entries", JOB, operation_id=STEP, operator_id=floor.ANNA, start_time=WHEN, created_at=WHEN)
    began["values"] |= {"time_type": "run"}
    count = "SELECT count(*) FROM time_entry_pauses"

    async def pauses() -> int:
        return await floor.db.read(lambda connection: connection.execute(count).fetchone()[0])

    assert await codes(floor, entry(2, {**began, "below": [pause]})) == []
    assert await pauses() == 1
    ended = change("time_entries", JOB, "update", end_time=WHEN)
    assert await codes(floor, entry(3, {**ended, "below": []})) == []
    assert await pauses() == 0
    odd = {**ended, "below": [{"id": QUANTITY}]}
    assert await codes(floor, entry(4, odd)) == ["VALIDATION_ERROR"]


async def test_a_deleted_row_that_is_only_marked_still_carries_what_was_booked(floor):
    await taken(floor, tree(floor.LASER), booked(2, 3))
    gone = change("operations", STEP, "delete", deleted_at=WHEN, updated_at=WHEN)
    assert await codes(floor, entry(3, gone)) == []
    assert await quantities(floor) == [3]
    assert await codes(floor, entry(4, change("operation_quantities", QUANTITY, "delete"))) == []
    assert await quantities(floor) == []
    assert await codes(floor, entry(5, change("operation_quantities", QUANTITY, "delete"))) == []  # gone already
