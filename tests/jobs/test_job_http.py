"""`/api-jobs`, `/api-parts` and `/api-job-lifecycle` over real HTTP."""

import asyncio

import pytest
from hall import Floor

LIFECYCLE = "/api-job-lifecycle"


async def said(floor: Floor, dialect: str, verb: str, job_id: str):
    if dialect == "body":
        return await floor.send("POST", LIFECYCLE, {"job_id": job_id, "action": verb})
    return await floor.send("POST", f"/functions/v1{LIFECYCLE}/{verb}/?id={job_id}")


async def shown(floor: Floor, job_id: str):
    return (await floor.get(f"/api-jobs?id={job_id}"))["job"]


@pytest.mark.parametrize("stop", ["stop", "pause"])
@pytest.mark.parametrize("dialect", ["body", "path"])
async def test_both_dialects_take_a_job_from_start_to_end(floor, dialect, stop):
    job_id = (await floor.job())["id"]
    steps = []
    for verb in ("start", stop, "resume", "complete"):
        reply = await said(floor, dialect, verb, job_id)
        assert reply.status == 200, reply.body
        told = reply.data
        assert told["job"]["status"] == told["new_status"]
        steps.append((told["operation"], told["previous_status"], told["new_status"]))
        await floor.clock.advance(600)
    assert steps == [
        ("start", "not_started", "in_progress"),
        (stop, "in_progress", "on_hold"),
        ("resume", "on_hold", "in_progress"),
        ("complete", "in_progress", "completed"),
    ]
    job = await shown(floor, job_id)
    assert (job["started_at"], job["completed_at"]) == ("2026-11-02T07:00:00+00:00", "2026-11-02T07:30:00+00:00")
    assert (job["actual_duration"], job["actual_duration_seconds"], job["paused_at"]) == (30, 1800, None)
    kinds = ("job.started", "job.stopped", "job.resumed", "job.completed")
    assert [event["type"] for event in await floor.events(*kinds)] == list(kinds)


async def test_of_16_who_start_at_once_exactly_one_does(floor):
    job_id = (await floor.job())["id"]
    replies = await asyncio.gather(*(said(floor, "body", "start", job_id) for _ in range(16)))
    assert sorted(reply.status for reply in replies) == [200] + [400] * 15
    assert {reply.error["message"] for reply in replies if reply.status == 400} == {
        "Cannot start job with status 'in_progress'. Job must be 'not_started' or 'on_hold'."
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/start", None, 400, "VALIDATION_ERROR"),
        ("POST", "", {"action": "start"}, 400, "VALIDATION_ERROR"),
        ("POST", "/start?id=zz", None, 404, "NOT_FOUND"),
        ("POST", f"/start?id={Floor.NOWHERE}", None, 404, "NOT_FOUND"),
        ("POST", "/explode?id={job}", None, 400, "INVALID_OPERATION"),
        ("POST", "?id={job}", None, 400, "INVALID_OPERATION"),
        ("POST", "/resume?id={job}", None, 400, "INVALID_STATE_TRANSITION"),
        ("POST", "", {"job_id": "{job}", "action": "start", "colour": "red"}, 422, "VALIDATION_ERROR"),
        ("GET", "/start?id={job}", None, 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_what_is_wrong_is_said_by_name(floor, method, path, body, status, code):
    job_id = (await floor.job())["id"]
    body = body and {name: value.replace("{job}", job_id) for name, value in body.items()}
    reply = await floor.send(method, LIFECYCLE + path.replace("{job}", job_id), body)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert (await shown(floor, job_id))["status"] == "not_started"


async def test_stopping_a_job_leaves_running_work_alone(floor):
    job = await floor.job()
    operation_id = job["parts"][0]["operations"][0]["id"]
    await floor.pressed(("start", operation_id, floor.ANNA))
    assert (await said(floor, "body", "stop", job["id"])).status == 200
    assert (await floor.operation(operation_id))["status"] == "in_progress"
    await floor.pressed(("complete", operation_id))
    assert (await shown(floor, job["id"]))["status"] == "on_hold"


async def test_who_completes_a_job_early_may_and_is_told_what_is_open(floor):
    job = await floor.job("J-1", (floor.LASER,), (floor.SAW,))
    operation_id = job["parts"][0]["operations"][0]["id"]
    await floor.pressed(("start", operation_id), ("complete", operation_id))
    data = (await said(floor, "path", "complete", job["id"])).data
    assert (data["new_status"], data["warnings"]) == ("completed", ["1 of 2 parts are not completed"])


async def test_a_job_is_booked_late_with_its_true_time_and_a_note(floor):
    job_id = (await floor.job())["id"]
    await floor.clock.advance(7200)
    body = {"job_id": job_id, "action": "start", "occurred_at": "2026-11-02T08:00:00Z", "notes": "shift 1"}
    assert (await floor.send("POST", LIFECYCLE, body)).data["job"]["started_at"] == "2026-11-02T08:00:00+00:00"
    [event] = await floor.events("job.started")
    assert (event["occurred_at"], event["data"]["notes"]) == ("2026-11-02T08:00:00+00:00", "shift 1")
    for action, at in (("stop", "08:30"), ("start", "08:45")):
        body = {"job_id": job_id, "action": action, "occurred_at": f"2026-11-02T{at}:00Z"}
        assert (await floor.send("POST", LIFECYCLE, body)).status == 200
    body = {"job_id": job_id, "action": "stop", "occurred_at": "2026-11-02T08:10:00Z"}
    assert (await floor.send("POST", LIFECYCLE, body)).data["job"]["paused_at"] == "2026-11-02T08:45:00+00:00"
    told = (await floor.events("job.stopped"))[-1]["data"]
    assert told["occurred_at_claimed"] == "2026-11-02T08:10:00+00:00"


async def test_the_payload_of_a_job_holds_every_field_that_anybody_reads(floor):
    job_id = (await floor.job(customer="Acme"))["id"]
    await said(floor, "body", "start", job_id)
    [event] = await floor.events("job.started")
    assert event["data"] == {
        "job_id": job_id,
        "job_number": "J-1",
        "customer": "Acme",
        "previous_status": "not_started",
        "new_status": "in_progress",
        "timestamp": "2026-11-02T07:00:00.000Z",
        "started_at": "2026-11-02T07:00:00+00:00",
        "completed_at": None,
        "actual_duration": None,
        "actual_duration_seconds": None,
        "cause": "rest",
    }


# ------------------------------------------------------------------ what follows from the work below


async def test_part_and_job_follow_the_work_and_say_why(floor):
    job = await floor.job("J-1", (floor.LASER, floor.SAW), (floor.SAW,))
    one, two = (row["id"] for row in job["parts"][0]["operations"])
    three = job["parts"][1]["operations"][0]["id"]
    await floor.pressed(("start", one))
    row = await shown(floor, job["id"])
    assert (row["status"], row["started_at"], row["current_cell_id"]) == (
        "in_progress",
        "2026-11-02T07:00:00+00:00",
        floor.LASER,
    )
    assert [part["status"] for part in row["parts"]] == ["in_progress", "not_started"]
    await floor.pressed(
        ("start", three), ("complete", one, None, 600), ("start", two), ("complete", two), ("complete", three)
    )
    row = await shown(floor, job["id"])
    assert (row["status"], row["actual_duration"], row["current_cell_id"]) == ("completed", 10, None)
    kinds = ("part.started", "part.completed", "job.started", "job.completed")
    told = await floor.events(*kinds)
    assert [event["type"] for event in told] == [
        "part.started",
        "job.started",
        "part.started",
        "part.completed",
        "part.completed",
        "job.completed",
    ]
    assert {event["data"]["cause"] for event in told} == {"rollup"}
    assert (
        told[0]["data"].items()
        >= {"part_number": "J-1-P1", "material": "Steel", "quantity": 10, "job_number": "J-1"}.items()
    )


async def test_an_explicit_hold_of_a_part_stays(floor):
    job = await floor.job("J-1", (floor.LASER,))
    part_id, operation_id = job["parts"][0]["id"], job["parts"][0]["operations"][0]["id"]
    await floor.pressed(("start", operation_id))
    assert (await floor.send("PATCH", f"/api-parts?id={part_id}", {"status": "on_hold"})).status == 200
    await floor.pressed(("complete", operation_id))
    assert (await floor.part(part_id))["status"] == "on_hold"
    assert (await shown(floor, job["id"]))["status"] == "in_progress"


async def test_a_part_without_operations_never_finishes_by_itself(floor):
    job = await floor.job("J-1", (floor.LASER,))
    await floor.make("/api-parts", {"job_id": job["id"], "part_number": "BOUGHT"})
    operation_id = job["parts"][0]["operations"][0]["id"]
    await floor.pressed(("start", operation_id), ("complete", operation_id))
    assert (await shown(floor, job["id"]))["status"] == "in_progress"


# ------------------------------------------------------------------ updates


async def test_a_job_is_changed_within_the_documented_fields(floor):
    job_id = (await floor.job())["id"]
    given = {
        "customer_name": "New",
        "description": "d",
        "due_date": "2026-12-31",
        "due_date_override": "2027-01-01T08:00:00+01:00",
        "metadata": {"po": 1},
        "external_id": "E1",
        "external_source": "sap",
        "current_cell_id": floor.SAW,
        "delivery_city": "Delft",
        "delivery_lat": 52.01,
        "package_count": 3,
        "priority": 2,
    }
    await floor.clock.advance(60)
    row = (await floor.send("PATCH", f"/api-jobs?id={job_id}", given)).data["job"]
    stored = {"due_date": "2026-12-31T00:00:00+00:00", "due_date_override": "2027-01-01T07:00:00+00:00"}
    assert row.items() >= {**given, **stored, "customer": "New", "notes": "d"}.items()
    assert row["updated_at"] == "2026-11-02T07:01:00+00:00"
    [event] = await floor.events("job.updated")
    assert event["data"].items() >= {"job_id": job_id, "job_number": "J-1", "updated_at": row["updated_at"]}.items()
    assert {"customer", "notes", "priority"} <= {*event["data"]["changes"]}
    put = await floor.send("PUT", f"/api-jobs?id={job_id}", {"notes": "put"})
    assert put.data["job"]["notes"] == "put"


@pytest.mark.parametrize("path", ["/api-jobs", "/api-parts"])
@pytest.mark.parametrize(
    ("query", "body", "status", "code"),
    [
        ("?id={id}", {}, 400, "BAD_REQUEST"),
        ("?id={id}", {"tenant_id": Floor.NOWHERE, "id": Floor.NOWHERE, "created_at": "2020-01-01"}, 400, "BAD_REQUEST"),
        ("", {"notes": "x"}, 400, "BAD_REQUEST"),
        ("?id=zz", {"notes": "x"}, 404, "NOT_FOUND"),
        (f"?id={Floor.NOWHERE}", {"notes": "x"}, 404, "NOT_FOUND"),
        ("?id={id}", {"colour": "red"}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"created_by": "me"}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"current_cell_id": Floor.NOWHERE}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"status": "completed", "notes": "x"}, 400, "INVALID_STATE_TRANSITION"),
        ("?id={id}", {"status": "flying"}, 422, "VALIDATION_ERROR"),
        ("?id={id}", {"metadata": []}, 422, "VALIDATION_ERROR"),
    ],
)
async def test_an_update_that_cannot_be_changes_nothing(floor, path, query, body, status, code):
    job = await floor.job()
    row_id = job["id"] if path == "/api-jobs" else job["parts"][0]["id"]
    before = await floor.events(), await shown(floor, job["id"])
    reply = await floor.send("PATCH", path + query.replace("{id}", row_id), body)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert (await floor.events(), await shown(floor, job["id"])) == before


async def test_a_taken_number_is_a_conflict_in_an_update_too(floor):
    job = await floor.job()
    await floor.job("J-2")
    reply = await floor.send("PATCH", f"/api-jobs?id={job['id']}", {"job_number": "J-2"})
    assert (reply.status, reply.error["message"]) == (409, 'job with job_number "J-2" already exists')
    reply = await floor.send("PATCH", f"/api-jobs?id={job['id']}", {"job_number": None})
    assert (reply.status, reply.error["details"][0]["constraint"]) == (422, "NOT_NULL")


async def test_a_status_by_update_is_the_transition_itself(floor):
    job_id = (await floor.job())["id"]
    path = f"/api-jobs?id={job_id}"
    for status in ("in_progress", "on_hold", "in_progress", "completed"):
        assert (await floor.send("PATCH", path, {"status": status})).data["job"]["status"] == status
        await floor.clock.advance(600)
    job = await shown(floor, job_id)
    assert (job["completed_at"], job["actual_duration"]) == ("2026-11-02T07:30:00+00:00", 30)
    before = await floor.events()
    assert (await floor.send("PATCH", path, {"status": "completed"})).status == 200
    assert await floor.events() == before
    error = (await floor.send("PATCH", path, {"status": "not_started"})).error
    assert error["details"]["current_status"] == "completed"


async def test_a_part_is_changed_and_its_kept_fields_with_it(floor):
    part_id = (await floor.job())["parts"][0]["id"]
    path = f"/api-parts?id={part_id}"
    given = {"quantity": 7, "description": "d", "drawing_url": "https://x.example/1", "is_bullet_card": True}
    row = (await floor.send("PUT", path, given)).data["part"]
    assert row.items() >= given.items()
    row = (await floor.send("PATCH", path, {"description": None, "material": None})).data["part"]
    assert (row["description"], row["drawing_url"], row["material"]) == (None, given["drawing_url"], "Unknown")
    assert len(await floor.events("part.updated")) == 2
    assert (await floor.send("PATCH", path, {"quantity": 0})).status == 422
    assert (await floor.send("PATCH", path, {"job_id": Floor.NOWHERE})).status == 422
