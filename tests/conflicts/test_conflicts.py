"""/api-conflicts: who sees what, who may decide, and what is told of it.

What becomes of it upstream: tests/cloud/test_decided.py.
"""

import pytest

from gateway.cloud import conflicts
from gateway.cloud.merge import Difference
from gateway.kernel.ids import uuid7
from gateway.outbox.event import CLOUD, Stamp
from gateway.web.routes import Scope

PATH = "/api-conflicts"
LOCAL, THEIRS = {"resolution": "local"}, {"resolution": "cloud"}


async def find(floor, table: str, row_id: str, resolution: str | None = None, **more) -> str:
    """What the link to the cloud does when both sides differ; the id of the conflict."""
    given = {"field": "status", "ours": "in_progress", "theirs": "on_hold", "reason": "both", "resolution": resolution}
    stamp = Stamp(floor.clock.now(), CLOUD, uuid7(floor.clock))
    await floor.db.write(conflicts.record, stamp, table, row_id, Difference(**{**given, **more}))
    await floor.clock.advance(1)
    return (await floor.query("SELECT id FROM cloud_conflicts WHERE row_id = ? ORDER BY rowid DESC", row_id))[0][0]


async def operations(floor) -> tuple[str, str]:
    """One at the laser, one at the saw."""
    job = await floor.job()
    first, second = (one["id"] for one in job["parts"][0]["operations"])
    return first, second


async def ids(floor, query: str = "", **more) -> list[str]:
    return [row["id"] for row in (await floor.get(PATH + query, **more))["conflicts"]]


# ------------------------------------------------------------------ what is shown


async def test_a_conflict_says_what_each_side_has_and_why(floor):
    first, _ = await operations(floor)
    conflict_id = await find(floor, "operations", first, reason="changed on both sides")
    row = (await floor.get(f"{PATH}?id={conflict_id}"))["conflict"]
    assert {name: row[name] for name in ("id", "entity", "row_id", "field", "local", "cloud", "reason", "open")} == {
        "id": conflict_id,
        "entity": "operations",
        "row_id": first,
        "field": "status",
        "local": "in_progress",
        "cloud": "on_hold",
        "reason": "changed on both sides",
        "open": True,
    }
    assert (row["resolution"], row["resolved_by"], row["resolved_at"], row["row_version"]) == (None, None, None, 1)


@pytest.mark.parametrize("value", [None, 7, True, "text", {"a": [1]}], ids=str)
async def test_values_keep_their_kind(floor, value):
    first, _ = await operations(floor)
    conflict_id = await find(floor, "operations", first, ours=value, theirs=[value])
    row = (await floor.get(f"{PATH}?id={conflict_id}"))["conflict"]
    assert (row["local"], row["cloud"]) == (value, [value])


async def test_the_list_is_newest_first_filtered_and_paged(floor):
    first, second = await operations(floor)
    one = await find(floor, "operations", first)
    two = await find(floor, "operations", second, "cloud")
    three = await find(floor, "cells", floor.LASER, field="name")
    assert await ids(floor) == [three, two, one]
    assert await ids(floor, "?open=true") == [three, one]
    assert await ids(floor, "?open=false") == [two]
    assert await ids(floor, "?table=operations&order=asc") == [one, two]
    assert await ids(floor, f"?row_id={second}") == [two]
    assert await ids(floor, "?limit=1&offset=1") == [two]
    page = await floor.get(f"{PATH}?limit=2")
    assert page["pagination"]["total"] == 3
    assert await ids(floor, f"?limit=2&cursor={page['pagination']['next_cursor']}") == [one]


@pytest.mark.parametrize("query", ["?opened=true", "?open=perhaps", "?row_id=7"])
async def test_what_cannot_be_asked_is_named(floor, query):
    reply = await floor.send("GET", PATH + query)
    assert reply.status == 422
    assert reply.error["details"][0]["field"] in query


async def test_a_list_that_did_not_change_is_not_sent_again_and_one_that_did_is(floor):
    first, second = await operations(floor)
    await find(floor, "operations", first)
    tag = {"If-None-Match": (await floor.send("GET", PATH)).headers["ETag"]}
    assert (await floor.send("GET", PATH, headers=tag)).status == 304
    await find(floor, "operations", second)
    assert (await floor.send("GET", PATH, headers=tag)).status == 200


async def test_a_key_that_is_held_to_cells_sees_the_conflicts_of_what_it_sees(floor):
    job = await floor.job()
    part = job["parts"][0]
    laser, saw = (one["id"] for one in part["operations"])
    seen = [
        await find(floor, "operations", laser),
        await find(floor, "parts", part["id"]),
        await find(floor, "jobs", job["id"]),
        await find(floor, "cells", floor.LASER, field="name"),
        await find(floor, "resources", floor.JIG, field="name"),
    ]
    hidden = [
        await find(floor, "operations", saw),
        await find(floor, "cells", floor.SAW, field="name"),
        await find(floor, "jobs", floor.NOWHERE, field="id"),
    ]
    for cells in ((floor.LASER,), (floor.LASER, floor.NOWHERE)):
        key = await floor.new_key(Scope.PLAN, *cells)
        assert sorted(await ids(floor, key=key)) == sorted(seen)
        for conflict_id in hidden:
            assert (await floor.send("GET", f"{PATH}?id={conflict_id}", key=key)).status == 404
            reply = await floor.send("PATCH", f"{PATH}?id={conflict_id}", LOCAL, key=key)
            assert reply.error["code"] == "CELL_NOT_ALLOWED"
    assert (await floor.send("PATCH", f"{PATH}?id={seen[0]}", LOCAL, key=key)).status == 200


# ------------------------------------------------------------------ decisions


async def test_keeping_ours_is_told_with_the_columns_that_go_up_again(floor):
    first, _ = await operations(floor)
    await floor.pressed(("start", first, floor.ANNA))
    conflict_id = await find(floor, "operations", first)
    before = await floor.operation(first)
    row = (await floor.send("PATCH", f"{PATH}?id={conflict_id}", LOCAL)).data["conflict"]
    assert (row["resolution"], row["resolved_by"], row["open"], row["row_version"]) == ("local", "admin", False, 2)
    (told,) = await floor.events("conflict.resolved")
    assert (told["lane"], told["aggregate"], told["origin"]) == (
        f"job:{before['job_id']}",
        f"operation:{first}",
        "gw-test",
    )
    mine, its = told["changes"]
    assert (mine["table"], mine["id"]) == ("operations", first)
    assert {"status", "started_at", "paused_at", "actual_time"} <= {*mine["fields"]}
    assert "estimated_time" not in mine["fields"]
    assert (its["table"], its["id"]) == ("cloud_conflicts", conflict_id)
    assert told["data"]["cell_id"] == floor.LASER
    assert (told["data"]["local"], told["data"]["resolution"]) == ("in_progress", "local")
    after = await floor.operation(first)
    assert {**after, "updated_at": 0, "row_version": 0} == {**before, "updated_at": 0, "row_version": 0}


async def test_a_decision_is_taken_once(floor):
    first, _ = await operations(floor)
    conflict_id = await find(floor, "operations", first)
    assert (await floor.send("PATCH", f"{PATH}?id={conflict_id}", LOCAL)).status == 200
    reply = await floor.send("PATCH", f"{PATH}?id={conflict_id}", THEIRS)
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    assert reply.error["details"]["resolution"] == "local"
    automatic = await find(floor, "operations", first, "cloud", ours="completed")
    assert (await floor.send("PATCH", f"{PATH}?id={automatic}", LOCAL)).status == 409
    assert len(await floor.events("conflict.resolved")) == 1


async def test_the_same_request_twice_gets_the_same_answer(floor):
    first, _ = await operations(floor)
    conflict_id = await find(floor, "operations", first)
    key = {"Idempotency-Key": "decided-1"}
    once, again = [await floor.send("PATCH", f"{PATH}?id={conflict_id}", LOCAL, headers=key) for _ in "ab"]
    assert (once.status, again.status, again.headers["Idempotency-Replayed"]) == (200, 200, "true")
    assert once.data == again.data
    reused = await floor.send("PATCH", f"{PATH}?id={conflict_id}", THEIRS, headers=key)
    assert reused.error["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_only_the_conflict_that_was_looked_at_is_decided(floor):
    first, _ = await operations(floor)
    conflict_id = await find(floor, "operations", first)
    await find(floor, "operations", first, theirs="completed")  # the same one, renewed
    reply = await floor.send("PATCH", f"{PATH}?id={conflict_id}", LOCAL, headers={"If-Match": '"1"'})
    assert (reply.status, reply.error["details"]["current"]["cloud"]) == (412, "completed")
    assert (await floor.send("PATCH", f"{PATH}?id={conflict_id}", LOCAL, headers={"If-Match": '"2"'})).status == 200


async def test_who_may_decide(floor):
    first, _ = await operations(floor)
    conflict_id = await find(floor, "operations", first)
    operate, plan = [await floor.new_key(scope) for scope in (Scope.OPERATE, Scope.PLAN)]
    assert (await floor.send("PATCH", f"{PATH}?id={conflict_id}", LOCAL, key=operate)).status == 403
    row = (await floor.send("PATCH", f"{PATH}?id={conflict_id}", LOCAL, key=plan)).data["conflict"]
    assert row["resolved_by"] == "plan key"


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("", LOCAL, 400),
        ("?id=7", LOCAL, 404),
        ("?id=11111111-2222-4333-8444-555555555555", LOCAL, 404),
        ("?id=11111111-2222-4333-8444-555555555555&by=me", LOCAL, 422),
        ("?id=11111111-2222-4333-8444-555555555555", {"resolution": "dropped"}, 422),
        ("?id=11111111-2222-4333-8444-555555555555", {}, 422),
        ("?id=11111111-2222-4333-8444-555555555555", {**LOCAL, "reason": "x"}, 422),
    ],
)
async def test_what_is_no_decision(floor, query, body, status):
    assert (await floor.send("PATCH", PATH + query, body)).status == status


async def test_of_a_row_that_is_not_here_only_ours_can_be_kept(floor):
    conflict_id = await find(floor, "jobs", floor.NOWHERE, field="id", ours=None, theirs=floor.NOWHERE)
    assert (await floor.send("PATCH", f"{PATH}?id={conflict_id}", THEIRS)).status == 409
    other = await find(floor, "operations", floor.NOWHERE)
    assert "not here any more" in (await floor.send("PATCH", f"{PATH}?id={other}", THEIRS)).error["message"]
    for one in (conflict_id, other):
        assert (await floor.send("PATCH", f"{PATH}?id={one}", LOCAL)).status == 200
    assert all(len(told["changes"]) == 1 for told in await floor.events("conflict.resolved"))


# ------------------------------------------------------------------ what is kept and told


async def test_what_was_told_last_is_not_told_again(floor):
    first, _ = await operations(floor)
    for theirs in ("on_hold", "on_hold", "not_started", "on_hold"):
        await find(floor, "operations", first, "cloud", theirs=theirs)
    assert [told["data"]["cloud"] for told in await floor.events("conflict.found")] == [
        "on_hold",
        "not_started",
        "on_hold",
    ]
    assert len(await ids(floor)) == 3


async def test_a_rule_that_applies_later_closes_what_was_open(floor):
    first, _ = await operations(floor)
    conflict_id = await find(floor, "operations", first)
    assert await find(floor, "operations", first, "local", theirs="completed") == conflict_id
    row = (await floor.get(f"{PATH}?id={conflict_id}"))["conflict"]
    assert (row["cloud"], row["resolution"], row["resolved_by"]) == ("completed", "local", "rule")
    assert [told["type"] for told in await floor.events("conflict.found", "conflict.resolved")] == [
        "conflict.found",
        "conflict.resolved",
    ]


async def test_the_newest_are_kept_and_all_open_ones(floor, monkeypatch):
    monkeypatch.setattr(conflicts, "KEPT_MAX", 2)
    first, second = await operations(floor)
    still_open = await find(floor, "operations", second)
    resolved = [await find(floor, "operations", first, "cloud", theirs=theirs) for theirs in "abc"]
    assert await ids(floor) == [*reversed(resolved[1:]), still_open]
