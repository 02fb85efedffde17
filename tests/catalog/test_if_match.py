"""`If-Match`: a change that is meant for one version of a row does not overwrite another."""

import asyncio

import pytest

from gateway.outbox.event import Stamp
from gateway.transfer.commands import bring_in, planned
from gateway.web.routes import Scope

CREATED = {
    "/api-cells": ({"name": "Bending"}, {"name": "Bending 2"}),
    "/api-resources": ({"name": "Mold 3", "type": "mold"}, {"status": "in_use"}),
    "/api-scrap-reasons": ({"code": "D", "description": "d", "category": "process"}, {"description": "D"}),
    "/api-jobs": ({"job_number": "X-1"}, {"notes": "n"}),
}


async def made(floor, path: str) -> dict:
    return next(iter((await floor.make(path, CREATED[path][0])).values()))


async def operation(floor) -> dict:
    return (await floor.job())["parts"][0]["operations"][0]


def matching(version) -> dict[str, str]:
    return {"If-Match": f'"{version}"' if isinstance(version, int) else version}


@pytest.mark.parametrize("path", CREATED)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_change_of_the_version_that_was_seen_goes_through_once(floor, path, method):
    row, change = await made(floor, path), CREATED[path][1]
    assert row["row_version"] == 1
    one = f"{path}?id={row['id']}"
    reply = await floor.send(method, one, change, headers=matching(1))
    assert reply.status == 200
    now = next(iter(reply.data.values()))
    assert now["row_version"] == 2
    journal = await floor.events()
    stale = await floor.send(method, one, dict.fromkeys(change, "other"), headers=matching(1))
    assert (stale.status, stale.error["code"]) == (412, "PRECONDITION_FAILED")
    assert stale.error["details"] == {"row_version": 2, "current": now}
    assert "row_version 2" in stale.error["message"]
    assert next(iter((await floor.get(one)).values())) == now
    assert await floor.events() == journal


@pytest.mark.parametrize("path", CREATED)
async def test_a_delete_too(floor, path):
    row = await made(floor, path)
    one = f"{path}?id={row['id']}"
    assert (await floor.send("DELETE", one, headers=matching(2))).status == 412
    assert (await floor.send("GET", one)).status == 200
    assert (await floor.send("DELETE", one, headers=matching(1))).status == 200
    assert (await floor.send("DELETE", one, headers=matching(1))).status == 200  # who deletes twice has what he wants


async def test_parts_operations_entries_and_quantities_too(floor):
    job = await floor.job()
    part, first = job["parts"][0], job["parts"][0]["operations"][0]
    booking = {"operation_id": first["id"], "quantity_good": 1}
    quantity = (await floor.make("/api-operation-quantities", booking))["operation_quantity"]
    worked = {"operation_id": first["id"], "operator_id": floor.ANNA}
    entry = (await floor.make("/api-time-entries", worked))["time_entry"]
    for path, row in (
        ("/api-parts", part),
        ("/api-operations", first),
        ("/api-operation-quantities", quantity),
        ("/api-time-entries", entry),
    ):
        for method, body in (("PATCH", {"notes": "n"}), ("DELETE", None)):
            reply = await floor.send(method, f"{path}?id={row['id']}", body, headers=matching(77))
            assert reply.status == 412, path
            assert reply.error["details"]["current"]["id"] == row["id"]


@pytest.mark.parametrize("sent", ["*", " * ", '"1"', 'W/"1"', '"8", "1"', '"1-anything.at.all"', "etag"])
async def test_what_names_the_version(floor, sent):
    row = await made(floor, "/api-cells")
    one = f"/api-cells?id={row['id']}"
    sent = (await floor.send("GET", one)).headers["ETag"] if sent == "etag" else sent
    assert (await floor.send("PATCH", one, {"color": "red"}, headers=matching(sent))).status == 200


@pytest.mark.parametrize("sent", ['"2"', '"x"', '""', '"01x"', '"2", "3"', f'"{"1" * 40}"'])
async def test_what_names_another(floor, sent):
    row = await made(floor, "/api-cells")
    reply = await floor.send("PATCH", f"/api-cells?id={row['id']}", {"color": "red"}, headers=matching(sent))
    assert reply.status == 412


@pytest.mark.parametrize("sent", ["1", "x", '"1', '"1" "2"', "'1'", "W/1", ",", '*, "1"'])
async def test_what_names_nothing_is_a_bad_request(floor, sent):
    row = await made(floor, "/api-cells")
    for method, body in (("PATCH", {"color": "red"}), ("DELETE", None)):
        reply = await floor.send(method, f"/api-cells?id={row['id']}", body, headers=matching(sent))
        assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")
        assert 'such as "7"' in reply.error["message"]


async def test_a_row_that_is_not_there_is_404_as_ever(floor):
    for sent in (1, "*"):
        reply = await floor.send("PATCH", f"/api-cells?id={floor.NOWHERE}", {"name": "x"}, headers=matching(sent))
        assert reply.status == 404


async def test_who_may_not_write_there_learns_no_version(floor):
    first = await operation(floor)
    key = await floor.new_key(Scope.ADMIN, floor.SAW)
    for path, body in (
        (f"/api-operations?id={first['id']}", {"notes": "x"}),
        (f"/api-cells?id={floor.LASER}", {"name": "x"}),
    ):
        reply = await floor.send("PATCH", path, body, key=key, headers=matching(77))
        assert (reply.status, reply.error["code"]) == (403, "CELL_NOT_ALLOWED")
        assert "current" not in str(reply.body)


@pytest.mark.parametrize("form", ["path", "body"])
async def test_the_lifecycles_too(floor, form):
    job = await floor.job()
    first = job["parts"][0]["operations"][0]

    async def change(kind: str, row_id: str, action: str, version: int):
        path, body = f"/api-{kind}-lifecycle", {f"{kind}_id": row_id, "action": action}
        if form == "path":
            path, body = f"{path}/{action}?id={row_id.upper()}", None
        return await floor.send("POST", path, body, headers=matching(version))

    stale = await change("operation", first["id"], "start", 5)
    assert (stale.status, stale.error["details"]["current"]["status"]) == (412, "not_started")
    started = await change("operation", first["id"], "start", first["row_version"])
    assert (started.status, started.data["operation"]["row_version"]) == (200, 2)
    assert (await change("operation", first["id"], "complete", 1)).status == 412
    # a state that forbids it and a version that has moved on: the version says more
    assert (await change("operation", first["id"], "start", 1)).status == 412
    version = (await floor.get(f"/api-jobs?id={job['id']}"))["job"]["row_version"]
    assert (await change("job", job["id"], "stop", version + 1)).status == 412
    assert (await change("job", job["id"], "stop", version)).status == 200
    assert (await change("operation", floor.NOWHERE, "start", 1)).status == 404


async def test_so_is_that_of_batches(floor):
    ids = [one["id"] for one in (await floor.job("J-1", (floor.LASER, floor.LASER)))["parts"][0]["operations"]]
    batch = (
        await floor.make(
            "/api-batches",
            {"cell_id": floor.LASER, "batch_number": "B-1", "batch_type": "general", "operation_ids": ids},
        )
    )["batch"]
    one = f"/api-batch-lifecycle/start?id={batch['id']}"
    version, body = batch["row_version"], {"operator_id": floor.ANNA}
    assert (await floor.send("POST", one, body, headers=matching(version + 1))).status == 412
    assert (await floor.send("POST", one, body, headers=matching(version))).status == 200
    assert (await floor.send("POST", one, body, headers=matching(version))).status == 412


async def test_a_repeat_with_its_key_gets_its_answer_although_the_version_has_moved_on(floor):
    row = await made(floor, "/api-cells")
    one, headers = f"/api-cells?id={row['id']}", {**matching(1), "Idempotency-Key": "k"}
    first = await floor.send("PATCH", one, {"color": "red"}, headers=headers)
    second = await floor.send("PATCH", one, {"color": "red"}, headers=headers)
    assert (second.status, second.body) == (200, first.body)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "ETag" not in second.headers


async def test_a_key_that_was_refused_can_be_used_with_the_right_version(floor):
    row = await made(floor, "/api-cells")
    one, key = f"/api-cells?id={row['id']}", {"Idempotency-Key": "k"}
    assert (await floor.send("PATCH", one, {"color": "red"}, headers={**matching(9), **key})).status == 412
    assert (await floor.send("PATCH", one, {"color": "red"}, headers={**matching(1), **key})).status == 200


async def test_of_many_at_the_same_time_one_gets_through(floor):
    row = await made(floor, "/api-cells")
    one = f"/api-cells?id={row['id']}"
    for version in range(1, 4):
        replies = await asyncio.gather(
            *(floor.send("PATCH", one, {"color": f"{version}{n}"}, headers=matching(version)) for n in range(20))
        )
        assert sorted(reply.status for reply in replies) == [200, *[412] * 19]


async def test_what_is_embedded_is_not_the_row(floor):
    """The ETag of an operation changes with its part, its version does not: who planned with it may write."""
    job = await floor.job()
    part, first = job["parts"][0], job["parts"][0]["operations"][0]
    one = f"/api-operations?id={first['id']}"
    before = (await floor.send("GET", one)).headers["ETag"]
    await floor.send("PATCH", f"/api-parts?id={part['id']}", {"part_number": "P-9"})
    after = (await floor.send("GET", one)).headers["ETag"]
    assert before != after
    assert (await floor.send("PATCH", one, {"notes": "n"}, headers=matching(before))).status == 200


async def test_an_import_counts_changes_itself(floor):
    """A row that was exported says its version; it does not bring it along."""
    cell = (await floor.get(f"/api-cells?id={floor.LASER}"))["cell"]
    stamp = Stamp(floor.clock.now(), "gw-test", lambda: floor.NOWHERE)
    told = await floor.db.write(bring_in, stamp, planned({"cells": [{**cell, "row_version": 9}]}))
    assert told["tables"]["cells"] == {"written": 0, "unchanged": 1}
    await floor.db.write(bring_in, stamp, planned({"cells": [{**cell, "color": "red", "row_version": 9}]}))
    assert (await floor.get(f"/api-cells?id={floor.LASER}"))["cell"]["row_version"] == 2
