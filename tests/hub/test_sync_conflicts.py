"""409 SYNC_CONFLICT: a change that was made on an older version of its row, and somebody has changed the same since."""

import pytest

from gateway.outbox import journal


async def forwarded(floor, *items) -> list[dict]:
    reply = await floor.send("POST", "/api-forward", {"gateway_id": "gw-cell", "epoch": 5, "items": [*items]})
    assert reply.status == 200, reply.body
    return reply.data["results"]


def item(key: str, method: str, path: str, body=None, **more) -> dict:
    return {"key": key, "method": method, "path": path, "body": body, **more}


async def office(floor, path: str, **values) -> int:
    """Somebody changes a row: its version then."""
    reply = await floor.send("PATCH", path, values)
    assert reply.status == 200, reply.body
    return next(iter(reply.data.values()))["row_version"]


async def test_the_same_column_changed_meanwhile_is_a_conflict_with_both_sides(floor):
    job = await floor.job()
    path = f"/api-jobs?id={job['id']}"
    base = (await floor.get(path))["job"]["row_version"]
    version = await office(floor, path, notes="from the office", customer="ACME")
    reply = await floor.send("PATCH", path, {"notes": "from the cell", "priority": 3, "base_version": base})
    assert (reply.status, reply.error["code"]) == (409, "SYNC_CONFLICT")
    told = reply.error["details"]
    assert (told["base_version"], told["row_version"], told["fields"]) == (base, version, ["notes"])
    assert told["current"] == (await floor.get(path))["job"]
    assert (told["current"]["notes"], told["current"]["priority"]) == ("from the office", None)
    again = await floor.send("PATCH", path, {"notes": "both", "base_version": version})
    assert again.status == 200


async def test_other_columns_changed_meanwhile_are_none(floor):
    job = await floor.job()
    path = f"/api-jobs?id={job['id']}"
    base = (await floor.get(path))["job"]["row_version"]
    await office(floor, path, customer="ACME")
    reply = await floor.send("PATCH", path, {"notes": "from the cell", "base_version": base})
    assert (reply.status, reply.data["job"]["notes"], reply.data["job"]["customer"]) == (200, "from the cell", "ACME")


async def test_if_match_and_a_base_version_say_different_things(floor):
    """`If-Match` holds it to that version whatever has changed; both can be given."""
    job = await floor.job()
    path = f"/api-jobs?id={job['id']}"
    base = (await floor.get(path))["job"]["row_version"]
    await office(floor, path, customer="ACME")
    body = {"notes": "from the cell", "base_version": base}
    assert (await floor.send("PATCH", path, body, headers={"If-Match": f'"{base}"'})).status == 412
    assert (await floor.send("PATCH", path, body, headers={"If-Match": f'"{base + 1}"'})).status == 200


async def test_of_a_forwarded_call_it_is_its_own_answer_and_the_rest_of_its_tree_waits(floor):
    job = await floor.job()
    path, part = f"/api-jobs?id={job['id']}", f"/api-parts?id={job['parts'][0]['id']}"
    base = (await floor.get(path))["job"]["row_version"]
    await office(floor, path, notes="from the office")
    late = item("a", "PATCH", path, {"notes": "from the cell"}, base_version=base)
    after = item("b", "PATCH", part, {"material": "Brass"})
    results = await forwarded(floor, late, after)
    assert [one["status"] for one in results] == [409, 424]
    assert results[0]["body"]["error"]["code"] == "SYNC_CONFLICT"
    assert results[0]["body"]["error"]["details"]["fields"] == ["notes"]
    mended = {**late, "base_version": base + 1}  # nothing was kept under its key: it is judged anew
    assert [one["status"] for one in await forwarded(floor, mended, after)] == [200, 200]
    replayed = await forwarded(floor, mended)
    assert (replayed[0]["status"], replayed[0]["replayed"]) == (200, True)
    (other,) = await forwarded(floor, {**mended, "base_version": base})
    assert other["body"]["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_deletion_and_a_lifecycle_are_about_the_row_as_a_whole(floor):
    operation = (await floor.job())["parts"][0]["operations"][0]["id"]
    path = f"/api-operations?id={operation}"
    base = (await floor.operation(operation))["row_version"]
    await office(floor, path, estimated_time=77)
    gone = item("d", "DELETE", path, base_version=base)
    start = item("s", "POST", f"/api-operation-lifecycle/start?id={operation}", {"base_version": base})
    for call in (gone, start):
        (result,) = await forwarded(floor, call)
        assert (result["status"], result["body"]["error"]["details"]["fields"]) == (409, ["estimated_time"])
    (started,) = await forwarded(floor, {**start, "key": "t", "body": None, "base_version": base + 1})
    assert started["status"] == 200


async def test_what_is_too_long_ago_to_be_told_column_by_column_is_a_conflict(floor, monkeypatch):
    job = await floor.job()
    path = f"/api-jobs?id={job['id']}"
    base = (await floor.get(path))["job"]["row_version"]
    await office(floor, path, customer="ACME")
    await floor.make("/api-cells", {"name": "Bending"})
    monkeypatch.setattr(journal, "LOOK_BACK_MAX", 1)
    reply = await floor.send("PATCH", path, {"notes": "n", "base_version": base})
    assert (reply.status, reply.error["details"]["fields"]) == (409, ["notes"])
    ahead = await floor.send(
        "PATCH", path, {"notes": "n", "base_version": base + 7}
    )  # of a box that was restored since
    assert ahead.status == 409


async def test_fields_that_are_kept_together_in_one_column_are_no_others(floor):
    part = (await floor.job())["parts"][0]["id"]
    path = f"/api-parts?id={part}"
    base = (await floor.part(part))["row_version"]
    await office(floor, path, description="from the office")
    reply = await floor.send("PATCH", path, {"drawing_url": "https://x.example/1", "base_version": base})
    assert (reply.status, reply.error["details"]["fields"]) == (409, ["drawing_url"])


async def test_a_call_that_changes_no_row_has_no_base_version(floor):
    (result,) = await forwarded(floor, item("k", "POST", "/api-cells", {"name": "x"}, base_version=1))
    assert (result["status"], result["body"]["error"]["details"][0]["field"]) == (422, "base_version")


@pytest.mark.parametrize("wrong", [0, -1, "1", 1.5, True])
async def test_a_version_is_a_whole_number_from_one_on(floor, wrong):
    reply = await floor.send("PATCH", f"/api-cells?id={floor.LASER}", {"name": "Laser", "base_version": wrong})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "base_version")
