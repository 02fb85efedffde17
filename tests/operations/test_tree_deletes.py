"""A job is deleted with everything below it; what was booked stays."""

import pytest


async def test_a_job_is_deleted_with_everything_below_it_and_what_was_booked_stays(floor):
    job = await floor.job("J-1", (floor.LASER, floor.SAW), (floor.SAW,))
    operation_id = job["parts"][0]["operations"][0]["id"]
    await floor.pressed(("start", operation_id, floor.ANNA, 60), ("complete", operation_id))
    await floor.make("/api-operation-quantities", {"operation_id": operation_id, "quantity_good": 3})
    reply = await floor.send("DELETE", f"/api-jobs?id={job['id']}")
    assert (reply.status, reply.data) == (200, {"message": "Deleted successfully"})
    for path, row_id in (
        ("/api-jobs", job["id"]),
        ("/api-parts", job["parts"][1]["id"]),
        ("/api-operations", operation_id),
    ):
        assert (await floor.send("GET", f"{path}?id={row_id}")).status == 404
        assert (await floor.get(path))["pagination"]["total"] == 0
    assert len(await floor.entries(operation_id)) == 1
    assert (await floor.get("/api-operation-quantities"))["pagination"]["total"] == 1
    gone = [change for event in await floor.events() for change in event["changes"] if change["op"] == "delete"]
    assert sorted(change["table"] for change in gone) == ["jobs", *["operations"] * 3, *["parts"] * 2]
    assert all(change["fields"]["id"] == change["id"] for change in gone)


async def test_what_is_deleted_twice_is_still_gone(floor):
    job = await floor.job()
    before = None
    for _ in range(2):
        assert (await floor.send("DELETE", f"/api-jobs?id={job['id']}")).status == 200
        before, last = await floor.events(), before
    assert before == last
    assert (await floor.send("DELETE", f"/api-jobs?id={floor.NOWHERE}")).status == 200
    assert (await floor.send("DELETE", "/api-jobs")).error["code"] == "BAD_REQUEST"
    assert (await floor.send("PATCH", f"/api-jobs?id={job['id']}", {"notes": "x"})).status == 404


async def test_a_deleted_number_may_be_given_again(floor):
    for _ in range(3):
        job = await floor.job("J-1", external_id="E-1", external_source="erp")
        assert (await floor.send("DELETE", f"/api-jobs?id={job['id']}")).status == 200


@pytest.mark.parametrize("path", ["/api-jobs", "/api-parts", "/api-operations"])
async def test_nothing_is_deleted_while_somebody_works_on_it(floor, path):
    job = await floor.job("J-1", (floor.SAW, floor.LASER))
    part = job["parts"][0]
    worked_on = part["operations"][1]["id"]
    await floor.pressed(("start", worked_on, floor.ANNA))
    row_id = {"/api-jobs": job["id"], "/api-parts": part["id"], "/api-operations": worked_on}[path]
    before = await floor.events()
    reply = await floor.send("DELETE", f"{path}?id={row_id}")
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    assert "open time entry" in reply.error["message"]
    assert await floor.events() == before
    assert (await floor.get(f"/api-operations?job_id={job['id']}"))["pagination"]["total"] == 2


async def test_a_part_with_parts_below_it_stays_until_they_are_gone(floor):
    job = await floor.job("J-1", (floor.LASER,), (floor.SAW,))
    upper, lower = (part["id"] for part in job["parts"])
    await floor.send("PATCH", f"/api-parts?id={lower}", {"parent_part_id": upper})
    reply = await floor.send("DELETE", f"/api-parts?id={upper}")
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    assert (await floor.send("DELETE", f"/api-parts?id={lower}")).status == 200
    assert (await floor.send("DELETE", f"/api-parts?id={upper}")).status == 200


async def test_the_last_open_part_that_goes_finishes_the_job(floor):
    job = await floor.job("J-1", (floor.LASER,), (floor.SAW,))
    done, open_ = job["parts"]
    await floor.pressed(("start", done["operations"][0]["id"]), ("complete", done["operations"][0]["id"]))
    assert (await floor.send("DELETE", f"/api-parts?id={open_['id']}")).status == 200
    assert (await floor.get(f"/api-jobs?id={job['id']}"))["job"]["status"] == "completed"
    [told] = await floor.events("job.completed")
    assert told["data"]["cause"] == "rollup"


async def test_the_last_open_operation_that_goes_finishes_part_and_job(floor):
    job = await floor.job()
    [part] = job["parts"]
    done, open_ = (one["id"] for one in part["operations"])
    await floor.pressed(("start", done), ("complete", done))
    assert (await floor.send("DELETE", f"/api-operations?id={open_}")).status == 200
    assert (await floor.part(part["id"]))["status"] == "completed"
    assert (await floor.get(f"/api-jobs?id={job['id']}"))["job"]["status"] == "completed"
