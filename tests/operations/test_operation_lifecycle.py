"""`/api-operation-lifecycle` over real HTTP, in both dialects."""

import asyncio

import pytest
from hall import Floor

from gateway.web.routes import Scope

PATH = "/api-operation-lifecycle"
BOTH = ("body", "path")
STATE_FIELDS = ("status", "actual_time_seconds", "completion_percentage")


async def said(floor: Floor, dialect: str, verb: str, operation_id: str, operator_id: str | None = None):
    if dialect == "body":
        return await floor.press(verb, operation_id, operator_id)
    who = f"&user_id={operator_id}" if operator_id else ""
    return await floor.send("POST", f"{PATH}/{verb}?id={operation_id}{who}")


async def first(floor: Floor, **more) -> str:
    return (await floor.job(**more))["parts"][0]["operations"][0]["id"]


async def test_of_16_who_start_at_once_exactly_one_does(floor):
    operation_id = await first(floor)
    replies = await asyncio.gather(*(floor.press("start", operation_id) for _ in range(16)))
    assert sorted(reply.status for reply in replies) == [200] + [400] * 15
    refused = [reply.error for reply in replies if reply.status == 400]
    assert {error["code"] for error in refused} == {"INVALID_STATE_TRANSITION"}
    assert {error["message"] for error in refused} == {
        "Cannot start operation with status 'in_progress'. Operation must be 'not_started' or 'on_hold'."
    }
    assert len(await floor.events("operation.started")) == 1


@pytest.mark.parametrize("dialect", BOTH)
async def test_both_dialects_do_the_same_to_operation_time_part_and_job(floor, dialect):
    job = await floor.job()
    part = job["parts"][0]
    operation_id = part["operations"][0]["id"]
    steps = []
    for verb, seconds in (("start", 600), ("pause", 300), ("resume", 600), ("complete", 0)):
        reply = await said(floor, dialect, verb, operation_id, floor.ANNA)
        assert reply.status == 200, reply.body
        told = reply.data
        steps.append((told["operation_type"], told["previous_status"], told["new_status"]))
        assert told["operation"]["status"] == told["new_status"]
        await floor.clock.advance(seconds)
    assert steps == [
        ("start", "not_started", "in_progress"),
        ("pause", "in_progress", "on_hold"),
        ("resume", "on_hold", "in_progress"),
        ("complete", "in_progress", "completed"),
    ]
    operation = await floor.operation(operation_id)
    assert {name: operation[name] for name in STATE_FIELDS} == {
        "status": "completed",
        "actual_time_seconds": 1200,
        "completion_percentage": 100,
    }
    assert operation["actual_time"] == 20
    [entry] = await floor.entries(operation_id)
    assert (entry["duration"], entry["duration_seconds"], entry["is_paused"]) == (20, 1200, False)
    assert [pause["duration"] for pause in entry["pauses"]] == [300]
    assert (await floor.part(part["id"]))["status"] == "in_progress"
    assert (await floor.get(f"/api-jobs?id={job['id']}"))["job"]["status"] == "in_progress"


@pytest.mark.parametrize("base", ["", "/functions/v1"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_every_spelling_of_the_address_works(floor, base, slash):
    operation_id = await first(floor)
    assert (await floor.send("POST", f"{base}{PATH}/start{slash}?id={operation_id.upper()}")).status == 200
    body = {"operation_id": operation_id.upper(), "action": "pause"}
    assert (await floor.send("POST", f"{base}{PATH}{slash}", body)).status == 200


async def test_the_answer_holds_the_operation_with_what_is_above_it_and_what_became_of_the_time(floor):
    operation_id = await first(floor, customer="Acme")
    data = (await floor.press("start", operation_id, floor.ANNA)).data
    [entry] = await floor.entries(operation_id)
    assert data["operation"]["part"]["job"]["customer"] == "Acme"
    assert (data["time_entry_created"], data["time_entry_ended"], data["time_entry_id"]) == (True, False, entry["id"])
    data = (await floor.press("complete", operation_id)).data
    assert (data["time_entry_created"], data["time_entry_ended"], data["time_entry_id"]) == (False, True, entry["id"])


async def test_without_an_operator_there_is_no_time_entry_and_the_answer_says_so(floor):
    operation_id = await first(floor)
    data = (await floor.press("start", operation_id)).data
    assert (data["time_entry_created"], data["time_entry_id"]) == (True, None)
    assert await floor.entries(operation_id) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "text"),
    [
        ("POST", "/start", None, 400, "VALIDATION_ERROR", "Operation ID is required"),
        ("POST", "", {"action": "start"}, 400, "VALIDATION_ERROR", "Operation ID is required"),
        ("POST", "/start?id=zz", None, 404, "NOT_FOUND", "Operation not found"),
        ("POST", f"/start?id={Floor.NOWHERE}", None, 404, "NOT_FOUND", "Operation not found"),
        ("POST", "/explode?id={op}", None, 400, "INVALID_OPERATION", "Invalid operation 'explode'"),
        ("POST", "?id={op}", None, 400, "INVALID_OPERATION", "start, pause, resume, complete"),
        ("POST", "", {"operation_id": "{op}", "action": "stop"}, 400, "INVALID_OPERATION", "Invalid operation 'stop'"),
        ("GET", "/start?id={op}", None, 405, "METHOD_NOT_ALLOWED", "GET not allowed"),
        ("PATCH", "", {}, 405, "METHOD_NOT_ALLOWED", "PATCH not allowed"),
        ("POST", "/start?id={op}", {"colour": "red"}, 422, "VALIDATION_ERROR", "colour"),
        ("POST", "/start?id={op}", {"time_type": "nap"}, 422, "VALIDATION_ERROR", "time_type"),
        *(
            ("POST", "/start?id={op}", {"occurred_at": when}, 422, "VALIDATION_ERROR", "occurred_at")
            for when in (
                "yesterday",
                "2026-11-02T07:00:00",
                "2026-11-02",
                "0001-01-01T00:00:00+14:00",
                "1762070400",
                "",
            )
        ),
        ("POST", "/start?id={op}&user_id=" + Floor.NOWHERE, None, 422, "VALIDATION_ERROR", "no active profile"),
        ("POST", "/pause?id={op}", None, 400, "INVALID_STATE_TRANSITION", "Operation must be 'in_progress'."),
        ("POST", "/start/again?id={op}", None, 404, "NOT_FOUND", "not found"),
    ],
)
async def test_what_is_wrong_is_said_by_name_and_changes_nothing(floor, method, path, body, status, code, text):
    operation_id = await first(floor)
    body = body and {name: value.replace("{op}", operation_id) for name, value in body.items()}
    before = await floor.events()
    reply = await floor.send(method, PATH + path.replace("{op}", operation_id), body)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert text in reply.error["message"]
    assert reply.error["request_id"] == reply.headers["x-request-id"]
    assert await floor.events() == before


async def test_an_illegal_transition_tells_programs_what_would_be_legal(floor):
    operation_id = await first(floor)
    error = (await floor.press("resume", operation_id)).error
    assert error["details"] == {"current_status": "not_started", "requested": "resume", "allowed_from": ["on_hold"]}


async def test_a_deleted_operation_is_not_there(floor):
    operation_id = await first(floor)
    assert (await floor.send("DELETE", f"/api-operations?id={operation_id}")).status == 200
    assert (await floor.press("start", operation_id)).status == 404


# ------------------------------------------------------------------ the same again


async def test_the_same_key_and_request_get_the_first_answer_again(floor):
    operation_id = await first(floor)
    once = {"Idempotency-Key": "press-1"}
    body = {"operation_id": operation_id, "action": "start", "operator_id": floor.ANNA}
    first_reply = await floor.send("POST", PATH, body, headers=once)
    assert "Idempotency-Replayed" not in first_reply.headers
    assert first_reply.headers["Idempotency-Key"] == "press-1"
    before = await floor.events()
    for _ in range(2):
        again = await floor.send("POST", PATH, body, headers=once)
        assert (again.status, again.data) == (200, first_reply.data)
        assert again.headers["Idempotency-Replayed"] == "true"
    assert await floor.events() == before


async def test_the_same_key_sent_16_times_at_once_is_done_once(floor):
    operation_id = await first(floor)
    body = {"operation_id": operation_id, "action": "start"}
    once = {"Idempotency-Key": "press-16"}
    replies = await asyncio.gather(*(floor.send("POST", PATH, body, headers=once) for _ in range(16)))
    assert {reply.status for reply in replies} == {200}
    assert sum("Idempotency-Replayed" in reply.headers for reply in replies) == 15
    assert len(await floor.events("operation.started")) == 1


async def test_the_same_key_with_another_request_is_refused(floor):
    operation_id = await first(floor)
    once = {"Idempotency-Key": "press-2"}
    assert (await floor.send("POST", f"{PATH}/start?id={operation_id}", headers=once)).status == 200
    for path, body in ((f"/pause?id={operation_id}", None), (f"/start?id={operation_id}", {"notes": "x"})):
        reply = await floor.send("POST", PATH + path, body, headers=once)
        assert (reply.status, reply.error["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_refusal_is_judged_anew_and_keys_of_others_are_their_own(floor):
    operation_id = await first(floor)
    once = {"Idempotency-Key": "press-3"}
    pause = f"{PATH}/pause?id={operation_id}"
    assert (await floor.send("POST", pause, headers=once)).status == 400
    await floor.pressed(("start", operation_id))
    assert (await floor.send("POST", pause, headers=once)).status == 200
    other = await floor.new_key(Scope.OPERATE)
    assert (await floor.send("POST", pause, headers=once, key=other)).status == 400


# ------------------------------------------------------------------ people


async def test_several_people_on_one_operation_each_have_their_own_time(floor):
    operation_id = await first(floor)
    await floor.pressed(("start", operation_id, floor.ANNA, 600), ("pause", operation_id, None, 60))
    await floor.pressed(("resume", operation_id, floor.BEN, 300), ("complete", operation_id))
    entries = await floor.entries(operation_id)
    assert {(entry["operator"]["full_name"], entry["duration_seconds"]) for entry in entries} == {
        ("Anna", 900),
        ("Ben", 300),
    }
    assert (await floor.operation(operation_id))["actual_time_seconds"] == 1200


async def test_nobody_works_in_two_places_and_the_answer_names_the_other(floor):
    job = await floor.job()
    one, other = (operation["id"] for operation in job["parts"][0]["operations"])
    await floor.pressed(("start", one, floor.ANNA))
    reply = await floor.press("start", other, floor.ANNA)
    assert (reply.status, reply.error["code"]) == (409, "OPERATOR_BUSY")
    assert reply.error["details"] == {"operation_id": one, "operation_name": "Op 1"}
    await floor.pressed(("pause", one), ("start", other, floor.ANNA))
    reply = await floor.press("resume", one, floor.ANNA)
    assert (reply.status, reply.error["code"]) == (409, "OPERATOR_BUSY")


async def test_who_works_elsewhere_is_not_pulled_back_when_others_resume(floor):
    job = await floor.job()
    one, other = (operation["id"] for operation in job["parts"][0]["operations"])
    await floor.pressed(("start", one, floor.ANNA, 60), ("pause", one), ("resume", one, floor.BEN, 60), ("pause", one))
    await floor.pressed(("start", other, floor.ANNA, 60), ("resume", one, floor.BEN, 60), ("complete", one))
    worked = {entry["operator"]["full_name"]: entry["duration_seconds"] for entry in await floor.entries(one)}
    assert worked == {"Anna": 120, "Ben": 120}
    [elsewhere] = await floor.entries(other)
    assert (elsewhere["end_time"], elsewhere["is_paused"]) == (None, False)


async def test_a_key_that_belongs_to_somebody_books_on_him(floor):
    operation_id = await first(floor)
    key = await floor.new_key(Scope.OPERATE, operator_id=floor.CEM)
    assert (await floor.send("POST", f"{PATH}/start?id={operation_id}", key=key)).status == 200
    [entry] = await floor.entries(operation_id)
    assert entry["operator_id"] == floor.CEM


async def test_the_kind_of_work_and_the_note_stand_in_the_entry(floor):
    operation_id = await first(floor)
    note = "operator-mode:setup batch:42"
    assert (await floor.press("start", operation_id, floor.ANNA, time_type="setup", notes=note)).status == 200
    [entry] = await floor.entries(operation_id)
    assert (entry["time_type"], entry["notes"]) == ("setup", note)


# ------------------------------------------------------------------ when it happened


async def test_work_that_is_booked_late_has_its_true_times(floor):
    operation_id = await first(floor)
    await floor.clock.advance(7200)
    for verb, hour in (("start", 7), ("pause", 8), ("resume", 8.5), ("complete", 9)):
        at = f"2026-11-02T{int(hour):02}:{int(hour % 1 * 60):02}:00+00:00"
        assert (await floor.press(verb, operation_id, floor.ANNA, occurred_at=at)).status == 200
    operation = await floor.operation(operation_id)
    assert (operation["started_at"], operation["completed_at"]) == (
        "2026-11-02T07:00:00+00:00",
        "2026-11-02T09:00:00+00:00",
    )
    assert operation["actual_time"] == 90
    [done] = await floor.events("operation.completed")
    assert (done["occurred_at"], done["recorded_at"]) == ("2026-11-02T09:00:00+00:00", "2026-11-02T09:00:00+00:00")
    [started] = await floor.events("operation.started")
    assert (started["occurred_at"], started["recorded_at"]) == (
        "2026-11-02T07:00:00+00:00",
        "2026-11-02T09:00:00+00:00",
    )


async def test_the_future_is_now(floor):
    operation_id = await first(floor)
    data = (await floor.press("start", operation_id, occurred_at="2030-01-01T00:00:00Z")).data
    assert data["operation"]["started_at"] == "2026-11-02T07:00:00+00:00"
    [event] = await floor.events("operation.started")
    assert event["data"]["occurred_at_claimed"] == "2030-01-01T00:00:00+00:00"


async def test_a_start_after_a_hold_counts_as_the_last_event_too(floor):
    operation_id = await first(floor)
    await floor.pressed(("start", operation_id, None, 3600), ("pause", operation_id, None, 3600))
    await floor.pressed(("start", operation_id, None, 3600))
    data = (await floor.press("pause", operation_id, occurred_at="2026-11-02T07:30:00Z")).data
    assert data["operation"]["paused_at"] == "2026-11-02T09:00:00+00:00"


async def test_the_payload_holds_every_field_that_anybody_reads(floor):
    operation_id = await first(floor, customer="Acme")
    await floor.pressed(("start", operation_id, floor.ANNA, 600), ("pause", operation_id, floor.ANNA, 90))
    await floor.pressed(("resume", operation_id, floor.ANNA, 600), ("complete", operation_id, floor.ANNA))
    kinds = ("operation.started", "operation.paused", "operation.resumed", "operation.completed")
    started, paused, resumed, completed = (event["data"] for event in await floor.events(*kinds))
    operation = await floor.operation(operation_id)
    assert (
        started.items()
        >= {
            "operation_id": operation_id,
            "operation_name": "Op 1",
            "part_id": operation["part_id"],
            "part_number": "J-1-P1",
            "job_id": operation["job_id"],
            "job_number": "J-1",
            "customer": "Acme",
            "operator_id": floor.ANNA,
            "operator_name": "Anna",
            "cell_id": floor.LASER,
            "cell_name": "Laser",
            "previous_status": "not_started",
            "new_status": "in_progress",
            "started_at": "2026-11-02T07:00:00+00:00",
            "timestamp": "2026-11-02T07:00:00.000Z",
            "estimated_time": 30,
            "actual_time": 0,
            "completion_percentage": 0,
            "cause": "rest",
        }.items()
    )
    assert paused["paused_at"] == "2026-11-02T07:10:00+00:00"
    assert (resumed["resumed_at"], resumed["pause_duration_seconds"]) == ("2026-11-02T07:11:30+00:00", 90)
    assert completed.items() >= {"actual_time": 20, "actual_time_seconds": 1200, "estimated_time_seconds": 1800}.items()
    [entry] = await floor.entries(operation_id)
    assert {event["time_entry_id"] for event in (started, paused, resumed, completed)} == {entry["id"]}


# ------------------------------------------------------------------ keys


@pytest.mark.parametrize(("scope", "status"), [(Scope.READ, 403), (Scope.OPERATE, 200), (Scope.PLAN, 200)])
async def test_a_key_needs_the_scope_to_operate(floor, scope, status):
    operation_id = await first(floor)
    reply = await floor.send("POST", f"{PATH}/start?id={operation_id}", key=await floor.new_key(scope))
    assert reply.status == status
    if status == 403:
        assert reply.error["code"] == "FORBIDDEN"


async def test_a_key_for_one_cell_moves_nothing_in_another(floor):
    job = await floor.job()
    laser, saw = (operation["id"] for operation in job["parts"][0]["operations"])
    key = await floor.new_key(Scope.OPERATE, floor.LASER)
    assert (await floor.send("POST", f"{PATH}/start?id={laser}", key=key)).status == 200
    reply = await floor.send("POST", f"{PATH}/start?id={saw}", key=key)
    assert (reply.status, reply.error["code"]) == (403, "CELL_NOT_ALLOWED")
    assert (await floor.operation(saw))["status"] == "not_started"
