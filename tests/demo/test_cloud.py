"""What the stand-in cloud does beyond the recorded exchanges, as experiments with the real one found it."""

import asyncio

import pytest

GHOST = "11111111-2222-4333-8444-555555555555"


def duplicate(constraint):
    return f'duplicate key value violates unique constraint "{constraint}"'


async def test_errors_come_in_the_order_of_the_database(shop):
    body = {"id": shop.PART, "job_id": GHOST, "part_number": "P-1", "colour": "red", "status": "odd"}
    for repaired, text in [
        ({}, "Could not find the 'colour' column of 'parts' in the schema cache"),
        ({"colour": None}, 'invalid input value for enum job_status: "odd"'),
        (
            {"status": "not_started"},
            'null value in column "material" of relation "parts" violates not-null constraint',
        ),
        ({"material": "Steel"}, duplicate("parts_pkey")),
        ({"id": shop.NEW}, duplicate("parts_tenant_id_part_number_key")),
        (
            {"part_number": "P-2"},
            'insert or update on table "parts" violates foreign key constraint "parts_job_id_fkey"',
        ),
    ]:
        body |= repaired
        if repaired.get("colour", "") is None:
            del body["colour"]
        assert await shop.refusal("POST", "/api-parts", body) == (500, f"Failed to create part: {text}")


@pytest.mark.parametrize(
    ("path", "table", "constraint", "body"),
    [
        ("/api-operations", "operations", "tasks_pkey", {"operation_name": "x", "sequence": 1, "estimated_time": 1}),
        ("/api-cells", "cells", "stages_pkey", {"name": "x", "sequence": 1}),
        ("/api-resources", "resources", "resources_pkey", {"name": "x", "type": "mold"}),
        ("/api-time-entries", "time_entries", "time_entries_pkey", {}),
    ],
)
async def test_a_create_repeated_names_its_primary_key(shop, path, table, constraint, body):
    parents = {
        "operations": {"part_id": shop.PART, "cell_id": shop.CELL},
        "time_entries": {"operation_id": shop.OPERATION, "operator_id": shop.OPERATOR},
    }
    body |= {"id": shop.NEW, **parents.get(table, {})}
    assert (await shop.send("POST", path, body))[0] == 201
    assert await shop.refusal("POST", path, body) == (500, f"Failed to create {table}: {duplicate(constraint)}")


async def test_a_deleted_row_keeps_its_number_and_takes_new_work(shop):
    await shop.send("DELETE", f"/api-jobs?id={shop.JOB}")
    deleted_at = shop.cloud.row("jobs", shop.JOB)["deleted_at"]
    await shop.clock.advance(60)
    assert (await shop.send("DELETE", f"/api-jobs?id={shop.JOB}"))[0] == 200
    assert shop.cloud.row("jobs", shop.JOB)["deleted_at"] == deleted_at
    assert (await shop.send("PATCH", f"/api-jobs?id={shop.JOB}", {"notes": "x"}))[0] == 404
    _, text = await shop.refusal("POST", "/api-jobs", {"job_number": "J-1"})
    assert duplicate("jobs_tenant_id_job_number_key") in text
    assert (await shop.lifecycle("start"))[0] == 200


async def test_one_patch_frees_the_number_and_deletes(shop):
    body = {"job_number": "J-1~b1", "deleted_at": "2026-11-01T10:00:00.123400Z"}
    status, answer = await shop.send("PATCH", f"/api-jobs?id={shop.JOB}", body)
    assert (status, answer["data"]["job"]["deleted_at"]) == (200, "2026-11-01T10:00:00.1234+00:00")
    assert (await shop.send("PATCH", f"/api-jobs?id={shop.JOB}", body))[0] == 404
    assert (await shop.send("POST", "/api-jobs", {"job_number": "J-1"}))[0] == 201


async def test_the_lifecycle_stamps_its_own_clock_and_keeps_a_start_that_is_there(shop):
    await shop.send("PATCH", f"/api-operations?id={shop.OPERATION}", {"started_at": "2026-11-02T06:59:30Z"})
    await shop.clock.advance(60)
    await shop.lifecycle("start")
    assert shop.operation["started_at"] == "2026-11-02T06:59:30+00:00"
    await shop.clock.advance(60)
    await shop.lifecycle("pause")
    assert shop.operation["paused_at"] == "2026-11-02T07:02:00+00:00"
    await shop.clock.advance(60)
    await shop.lifecycle("resume")
    assert shop.operation["resumed_at"] == "2026-11-02T07:03:00+00:00"
    await shop.clock.advance(60)
    await shop.lifecycle("complete")
    assert shop.operation["completed_at"] == shop.operation["updated_at"] == "2026-11-02T07:04:00+00:00"
    assert shop.operation["actual_time"] == 0


async def test_pause_closes_the_entries_of_everybody_and_sums_them(shop):
    await shop.lifecycle("start")
    entries = [("2026-11-02T07:00:00Z", None), ("2026-11-02T06:30:00Z", None), ("2026-11-02T06:00:00Z", 7)]
    for start, duration in entries:
        end = {"end_time": "2026-11-02T06:07:00Z", "duration": duration} if duration else {}
        body = {"operation_id": shop.OPERATION, "operator_id": shop.OPERATOR, "start_time": start, **end}
        assert (await shop.send("POST", "/api-time-entries", body))[0] == 201
    await shop.clock.advance(10.5 * 60)
    await shop.lifecycle("pause")
    assert [row["duration"] for row in shop.cloud.rows("time_entries")] == [11, 41, 7]
    assert shop.operation["actual_time"] == 59


async def test_start_with_a_user_opens_no_entry_whatever_it_says(shop):
    path = f"/api-operation-lifecycle/start?id={shop.OPERATION}&user_id={shop.OPERATOR}"
    _, answer = await shop.send("POST", path)
    assert answer["data"]["time_entry_created"] is True
    assert shop.cloud.rows("time_entries") == []


async def test_start_after_a_pause_is_legal_and_a_second_complete_is_not(shop):
    for verb in ("start", "pause", "start", "complete"):
        assert (await shop.lifecycle(verb))[0] == 200
    status, answer = await shop.lifecycle("complete")
    assert (status, answer["error"]["code"]) == (400, "INVALID_STATE_TRANSITION")
    assert "with status 'completed'" in answer["error"]["message"]


async def test_a_patch_writes_any_status_with_the_given_times(shop):
    body = {"status": "completed", "completed_at": "2026-11-02T05:00:00Z", "actual_time": -3}
    await shop.send("PATCH", f"/api-operations?id={shop.OPERATION}", body)
    row = shop.operation
    assert (row["status"], row["completed_at"]) == ("completed", "2026-11-02T05:00:00+00:00")
    assert (row["actual_time"], row["completion_percentage"]) == (-3, 0)
    assert row["updated_at"] == "2026-11-02T07:00:00+00:00"


async def test_a_job_lifecycle_counts_wall_clock_minutes(shop):
    for verb, minutes in (("start", 10), ("stop", 20), ("resume", 30)):
        assert (await shop.send("POST", f"/api-job-lifecycle/{verb}?id={shop.JOB}"))[0] == 200
        await shop.clock.advance(60 * minutes)
    _, answer = await shop.send("POST", f"/api-job-lifecycle/complete?id={shop.JOB}")
    assert answer["data"]["job"]["actual_duration"] == 60
    assert shop.operation["status"] == "not_started"


async def test_the_plan_counts_a_deleted_job_and_answers_the_retry_of_the_last_one_with_402(shop):
    shop.tenant.max_jobs = 1
    body = {"id": shop.NEW, "job_number": "J-2"}
    assert (await shop.send("POST", "/api-jobs", body))[0] == 201
    await shop.send("DELETE", f"/api-jobs?id={shop.NEW}")
    status, answer = await shop.send("POST", "/api-jobs", body)
    assert (status, answer["error"]["details"]) == (402, {"limitType": "job", "currentUsage": 1, "limit": 1})


async def test_parts_are_counted_by_their_quantity(shop):
    shop.tenant.max_parts_per_month = 10
    body = {"job_id": shop.JOB, "part_number": "P-9", "material": "m", "quantity": 9}
    assert (await shop.send("POST", "/api-parts", body))[0] == 201
    status, text = await shop.refusal("POST", "/api-parts", body)
    assert (status, text) == (402, "part limit exceeded (9/10)")


async def test_a_cell_in_use_cannot_be_deleted_and_two_may_have_one_name(shop):
    status, text = await shop.refusal("DELETE", f"/api-cells?id={shop.CELL}")
    assert status == 500
    assert text == (
        'Failed to delete cells: update or delete on table "cells" violates foreign key constraint '
        '"tasks_stage_id_fkey" on table "operations"'
    )
    assert (await shop.send("POST", "/api-cells", {"name": "Laser", "sequence": 2}))[0] == 201


async def test_an_entry_is_found_by_its_exact_instant(shop):
    start = "2026-11-02T06:30:00.120000Z"
    body = {"operation_id": shop.OPERATION, "operator_id": shop.OPERATOR, "start_time": start}
    await shop.send("POST", "/api-time-entries", body)
    _, answer = await shop.send("GET", f"/api-time-entries?start_date={start}&end_date={start}")
    assert [entry["start_time"] for entry in answer["data"]["time_entries"]] == ["2026-11-02T06:30:00.12+00:00"]
    _, answer = await shop.send("GET", "/api-time-entries?end_date=2026-11-02T06:30:00.11Z")
    assert answer["data"]["time_entries"] == []


async def test_a_plus_that_is_not_encoded_is_a_space(shop):
    status, text = await shop.refusal("GET", "/api-time-entries?start_date=2026-11-02T06:30:00+00:00")
    assert status == 500
    assert "invalid input syntax for type timestamp with time zone" in text


async def test_numbers_pass_through_javascript(shop):
    path = f"/api-parts?id={shop.PART}"
    assert (await shop.send("PATCH", path, {"quantity": 5.0}))[0] == 200
    _, text = await shop.refusal("PATCH", path, {"quantity": 9.5})
    assert text == 'Failed to update parts: invalid input syntax for type integer: "9.5"'


async def test_an_echoed_search_vector_is_refused(shop):
    status, text = await shop.refusal("PATCH", f"/api-parts?id={shop.PART}", {"search_vector": None})
    assert (status, text) == (500, 'Failed to update parts: column "search_vector" can only be updated to DEFAULT')


async def test_inactive_scrap_reasons_are_hidden_unless_asked_for(shop):
    for code, active in (("A", True), ("B", False)):
        body = {"code": code, "description": code, "category": "other", "active": active}
        assert (await shop.send("POST", "/api-scrap-reasons", body))[0] == 201
    for query, codes in (("", ["A"]), ("?active=false", ["B"]), ("?search=b&active=false", ["B"])):
        _, answer = await shop.send("GET", f"/api-scrap-reasons{query}")
        assert [reason["code"] for reason in answer["data"]["scrap_reasons"]] == codes


async def test_webhooks_can_be_listed_by_whether_they_are_active(shop):
    for n, active in enumerate((True, False)):
        body = {"url": f"http://127.0.0.1:9/{n}", "events": ["job.started"], "secret_key": "s", "active": active}
        assert (await shop.send("POST", "/api-webhooks", body))[0] == 201
    _, answer = await shop.send("GET", "/api-webhooks?active=true")
    assert [hook["url"] for hook in answer["data"]["webhooks"]] == ["http://127.0.0.1:9/0"]


async def test_a_standstill_issue_parks_the_operation_until_it_is_settled(shop):
    await shop.lifecycle("start")
    issue = {"operation_id": shop.OPERATION, "created_by": shop.OPERATOR, "title": "t", "description": "d"}
    body = {**issue, "id": shop.NEW, "severity": "high", "causes_standstill": True}
    assert (await shop.send("POST", "/api-issues", body))[0] == 201
    assert (shop.operation["status"], shop.operation["status_before_hold"]) == ("on_hold", "in_progress")
    await shop.send("PATCH", f"/api-issues?id={shop.NEW}", {"status": "closed"})
    assert (shop.operation["status"], shop.operation["status_before_hold"]) == ("in_progress", None)


async def test_a_critical_issue_fails_while_there_is_an_admin(shop):
    issue = {"operation_id": shop.OPERATION, "created_by": shop.OPERATOR, "title": "t", "description": "d"}
    shop.cloud.load({"profiles": [{"id": GHOST, "username": "a", "full_name": "A", "email": "a@x", "role": "admin"}]})
    status, text = await shop.refusal("POST", "/api-issues", issue | {"severity": "critical"})
    assert status == 500
    assert "notifications_severity_check" in text
    assert shop.cloud.rows("issues") == []


async def test_one_tenant_sees_nothing_of_another(shop):
    shop.cloud.add_tenant(GHOST)
    shop.cloud.add_key(GHOST, "ery_live_other")
    headers = {"Authorization": "Bearer ery_live_other"}
    async with shop.session.get(f"{shop.url}/api-jobs", headers=headers) as answer:
        assert (await answer.json())["data"]["jobs"] == []
    async with shop.session.patch(f"{shop.url}/api-jobs?id={shop.JOB}", json={"notes": "x"}, headers=headers) as answer:
        assert answer.status == 404


async def test_a_revoked_key_is_an_invalid_one(shop):
    shop.cloud.revoke_key(shop.KEY)
    assert await shop.refusal("GET", "/api-jobs") == (401, "Invalid API key")


async def test_there_are_no_capabilities(shop):
    assert await shop.send("GET", "/api-capabilities") == (
        404,
        {"code": "NOT_FOUND", "message": "Requested function was not found"},
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"notes": "abc', "Unterminated string in JSON at position 14 (line 1 column 15)"),
        ('{"notes": NaN}', 'Unexpected token \'N\', "{"notes": NaN}" is not valid JSON'),
        ('{"notes": ', "Unexpected end of JSON input"),
        ('{"notes": "abc",', "Expected double-quoted property name in JSON at position 16 (line 1 column 17)"),
        ('{"metadata": [1', "Expected ',' or ']' after array element in JSON at position 15 (line 1 column 16)"),
    ],
)
async def test_a_body_cut_on_the_way_is_refused_in_the_parsers_words(shop, body, text):
    headers = {"Authorization": f"Bearer {shop.KEY}"}
    async with shop.session.patch(f"{shop.url}/api-jobs?id={shop.JOB}", data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["message"]) == (500, text)


async def test_it_keeps_up_with_many_requests_at_once(shop):
    bodies = [{"job_number": f"M-{n}"} for n in range(200)]
    statuses = await asyncio.gather(*(shop.send("POST", "/api-jobs", body) for body in bodies))
    assert {status for status, _ in statuses} == {201}
    _, answer = await shop.send("GET", "/api-jobs?limit=50&offset=180")
    assert (len(answer["data"]["jobs"]), answer["data"]["pagination"]["total"]) == (21, 201)
