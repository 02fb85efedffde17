"""PUT /api-<entity>/sync: one record, by its external id."""

import pytest

from gateway.web.routes import Scope

SAP = {"external_id": "E-1", "external_source": "sap"}
JOB = {**SAP, "job_number": "SYNC-1", "customer": "Acme"}
VECTOR = "5b11db65b20d76b910f6cb49cf385467"


async def put(floor, table: str, body, status: int = 200, **more):
    reply = await floor.send("PUT", f"/api-{table}/sync", body, **more)
    assert reply.status == status, reply.body
    return reply


async def test_the_published_nested_example_becomes_a_tree(hall, nested):
    data = (await put(hall, "jobs", nested, 201)).data
    job = data["job"]
    assert (data["action"], data["id"], data["external_id"]) == ("created", job["id"], "ERP-JOB-001")
    assert (job["customer"], job["due_date"]) == ("Acme Corp", "2024-02-15T00:00:00+00:00")
    part = await hall.part(job["parts"][0]["id"])
    assert (part["external_id"], part["external_source"], part["quantity"]) == ("ERP-PART-001", "sap", 50)
    operations = (await hall.get(f"/api-operations?part_id={part['id']}"))["operations"]
    assert [(one["operation_name"], one["cell"]["name"], one["estimated_time"]) for one in operations] == [
        ("Laser Cutting", "Laser Cell 1", 30)
    ]
    assert operations[0]["external_source"] == "sap"
    assert all(row["sync_hash"] and row["synced_at"] for row in (job, part, operations[0]))


async def test_the_hash_is_that_of_the_contract_and_names_its_algorithm(floor):
    record = {**SAP, "external_id": "ERP-JOB-001", "job_number": "JOB-2024-001"}
    record |= {"customer_name": "Acme Corp", "due_date": "2024-02-15"}
    job = (await put(floor, "jobs", record, 201)).data["job"]
    assert (job["sync_hash"], job["hash_alg"]) == (VECTOR, "sha256-sorted")


async def test_created_then_updated_then_the_same(floor):
    made = (await put(floor, "jobs", JOB, 201)).data
    changed = (await put(floor, "jobs", JOB | {"customer": "Beta"})).data
    assert (changed["action"], changed["changed"], changed["job"]["customer"]) == ("updated", True, "Beta")
    assert changed["job"]["id"] == made["job"]["id"]
    events = len(await floor.events())
    same = (await put(floor, "jobs", JOB | {"customer": "Beta"})).data
    assert (same["action"], same["changed"], same["job"]) == ("updated", False, changed["job"])
    told = (await floor.events())[events:]
    assert [change["table"] for event in told for change in event["changes"]] == ["sync_imports"]


@pytest.mark.parametrize("missing", ["external_id", "external_source"])
@pytest.mark.parametrize("table", ["jobs", "parts", "operations", "cells", "resources"])
async def test_who_it_is_must_be_said(floor, table, missing):
    record = {name: value for name, value in SAP.items() if name != missing}
    reply = await put(floor, table, record, 400)
    assert (reply.error["code"], missing in reply.error["message"]) == ("BAD_REQUEST", True)


@pytest.mark.parametrize("body", [[], [JOB], "x", 1, None])
async def test_what_is_no_record_is_refused(floor, body):
    reply = await floor.send("PUT", "/api-jobs/sync", body)
    assert reply.status == (400 if body is None else 422), reply.body


async def test_every_table_is_taken_over_with_its_aliases(hall):
    job = (await put(hall, "jobs", JOB | {"description": "urgent"}, 201)).data["job"]
    assert job["notes"] == "urgent"
    part = (
        await put(hall, "parts", {**SAP, "part_number": "P-1", "job_external_id": "E-1", "drawing_no": "D"}, 201)
    ).data["part"]
    assert (part["job_id"], part["material"], part["quantity"], part["drawing_no"]) == (job["id"], "Unknown", 1, "D")
    operation = {**SAP, "operation_name": "Cut", "part_external_id": "E-1", "cell_name": "Laser Cell 1"}
    operation |= {"estimated_time_minutes": 12, "setup_time_minutes": 3, "instructions": "slowly"}
    row = (await put(hall, "operations", operation, 201)).data["operation"]
    assert (row["part_id"], row["estimated_time"], row["setup_time"], row["notes"]) == (part["id"], 12, 3, "slowly")
    cell = {**SAP, "name": "Bending", "wip_limit": 4, "capacity_hours_per_day": 16, "color": "#fff", "active": False}
    assert (await put(hall, "cells", cell, 201)).data["cell"].items() >= cell.items()
    tool = {**SAP, "name": "Mold", "type": "mold", "notes": "cracked", "location": "B2", "metadata": {"a": 1}}
    assert (await put(hall, "resources", tool, 201)).data["resource"].items() >= tool.items()


async def test_ids_of_ours_do_as_well(floor):
    job = (await put(floor, "jobs", JOB, 201)).data["job"]
    part = (await put(floor, "parts", {**SAP, "part_number": "P-1", "job_id": job["id"]}, 201)).data["part"]
    body = {**SAP, "operation_name": "Cut", "part_id": part["id"], "cell_id": floor.SAW}
    assert (await put(floor, "operations", body, 201)).data["operation"]["cell"]["name"] == "Saw"


@pytest.mark.parametrize(
    ("table", "record", "message", "field"),
    [
        (
            "parts",
            {"part_number": "P", "job_external_id": "x"},
            'Job with external_id "x" not found',
            "job_external_id",
        ),
        ("parts", {"part_number": "P"}, "job_id or job_external_id is required", "job_external_id"),
        ("parts", {"job_external_id": "x"}, "part_number is required", "part_number"),
        ("jobs", {}, "job_number is required", "job_number"),
        ("cells", {"name": ""}, "name is required", "name"),
        ("resources", {"name": "n"}, "type is required", "type"),
        (
            "operations",
            {"operation_name": "o", "part_external_id": "x"},
            "cell_id or cell_name is required",
            "cell_name",
        ),
        (
            "operations",
            {"operation_name": "o", "part_external_id": "x", "cell_name": "Laser"},
            'Part with external_id "x" not found',
            "part_external_id",
        ),
        (
            "operations",
            {"operation_name": "o", "cell_name": "Laser"},
            "part_id or part_external_id",
            "part_external_id",
        ),
    ],
)
async def test_what_is_missing_is_named(floor, table, record, message, field):
    error = (await put(floor, table, {**SAP, **record}, 422)).error
    assert message in error["message"]
    assert error["details"][0]["field"] == field


async def test_the_name_of_a_cell_is_exact(floor):
    job = (await put(floor, "jobs", JOB, 201)).data["job"]
    part = (await put(floor, "parts", {**SAP, "part_number": "P-1", "job_id": job["id"]}, 201)).data["part"]
    body = {**SAP, "operation_name": "Cut", "part_id": part["id"], "cell_name": "laser"}
    assert (await put(floor, "operations", body, 422)).error["message"] == 'Cell "laser" not found'


async def test_of_cells_with_one_name_the_one_in_use_counts(floor):
    old, new = [
        (await floor.make("/api-cells", {"name": "Twin", "sequence": n, "active": active}))["cell"]["id"]
        for n, active in ((1, False), (2, True))
    ]
    job = (await put(floor, "jobs", JOB, 201)).data["job"]
    part = (await put(floor, "parts", {**SAP, "part_number": "P-1", "job_id": job["id"]}, 201)).data["part"]
    body = {**SAP, "operation_name": "Cut", "part_id": part["id"], "cell_name": "Twin"}
    assert (await put(floor, "operations", body, 201)).data["operation"]["cell_id"] == new != old


async def test_a_nested_error_takes_the_whole_record_back(hall, nested):
    nested["parts"][0]["operations"][0]["cell_name"] = "Nowhere"
    error = (await put(hall, "jobs", nested, 422)).error
    assert error["message"] == 'Cell "Nowhere" not found'
    assert error["details"][0]["field"] == "parts[0].operations[0].cell_name"
    assert (await hall.get("/api-jobs"))["jobs"] == []


async def test_what_work_has_made_of_it_stays(floor):
    body = JOB | {"status": "not_started"}
    await put(floor, "jobs", body, 201)
    part = (await put(floor, "parts", {**SAP, "part_number": "P-1", "job_external_id": "E-1"}, 201)).data["part"]
    operation = {**SAP, "operation_name": "Cut", "part_external_id": "E-1", "cell_name": "Laser"}
    row = (await put(floor, "operations", operation, 201)).data["operation"]
    await floor.pressed(("start", row["id"], floor.ANNA))
    job = (await put(floor, "jobs", body | {"customer": "Beta", "status": "completed"})).data["job"]
    assert (job["status"], job["customer"]) == ("in_progress", "Beta")
    assert job["started_at"]
    part = (
        await put(floor, "parts", {**SAP, "part_number": "P-2", "job_external_id": "E-1", "status": "on_hold"})
    ).data["part"]
    assert (part["status"], part["part_number"]) == ("in_progress", "P-2")
    row = (await put(floor, "operations", operation | {"sequence": 7})).data["operation"]
    assert (row["status"], row["sequence"]) == ("in_progress", 7)


async def test_a_status_is_taken_for_a_new_row(floor):
    job = (await put(floor, "jobs", JOB | {"status": "on_hold"}, 201)).data["job"]
    assert (job["status"], bool(job["paused_at"])) == ("on_hold", True)


async def test_what_is_absent_stays_and_null_empties(floor):
    await put(floor, "jobs", JOB | {"due_date": "2030-01-01", "priority": 3}, 201)
    job = (await put(floor, "jobs", {**SAP, "job_number": "SYNC-1", "due_date": None})).data["job"]
    assert (job["customer"], job["due_date"], job["priority"]) == ("Acme", None, 3)


async def test_a_record_whose_row_was_deleted_is_a_new_row(floor):
    first = (await put(floor, "jobs", JOB, 201)).data["job"]
    await floor.send("DELETE", f"/api-jobs?id={first['id']}")
    second = (await put(floor, "jobs", JOB, 201)).data
    assert (second["action"], second["job"]["id"] != first["id"]) == ("created", True)


async def test_a_number_that_another_row_has_is_a_conflict(floor):
    await floor.job("SYNC-1")
    reply = await put(floor, "jobs", JOB, 409)
    assert reply.error["message"] == 'job with job_number "SYNC-1" already exists'


async def test_a_part_goes_to_another_job(floor):
    for number in ("1", "2"):
        await put(floor, "jobs", {**SAP, "external_id": f"J-{number}", "job_number": f"N-{number}"}, 201)
    record = {**SAP, "part_number": "P-1", "job_external_id": "J-1"}
    part = (await put(floor, "parts", record, 201)).data["part"]
    moved = (await put(floor, "parts", record | {"job_external_id": "J-2"})).data["part"]
    assert (moved["id"], moved["job"]["job_number"]) == (part["id"], "N-2")
    [told] = await floor.events("part.updated")
    assert (told["data"]["job_number"], told["data"]["changes"]) == ("N-2", ["job_id"])
    assert told["lane"] == f"job:{part['job_id']}"


async def test_an_assembly_does_not_go_to_another_job_piece_by_piece(floor):
    for number in ("1", "2"):
        await put(floor, "jobs", {**SAP, "external_id": f"J-{number}", "job_number": f"N-{number}"}, 201)
    above = {**SAP, "external_id": "A", "part_number": "A", "job_external_id": "J-1"}
    above_id = (await put(floor, "parts", above, 201)).data["id"]
    below = above | {"external_id": "B", "part_number": "B", "parent_part_id": above_id}
    await put(floor, "parts", below, 201)
    assert "below it" in (await put(floor, "parts", above | {"job_external_id": "J-2"}, 409)).error["message"]
    moved = {name: value for name, value in below.items() if name != "parent_part_id"} | {"job_external_id": "J-2"}
    assert "below another" in (await put(floor, "parts", moved, 409)).error["message"]


async def test_an_operation_stays_with_its_part(floor):
    await put(floor, "jobs", JOB, 201)
    for one in ("1", "2"):
        await put(floor, "parts", {**SAP, "external_id": one, "part_number": one, "job_external_id": "E-1"}, 201)
    record = {**SAP, "operation_name": "Cut", "part_external_id": "1", "cell_name": "Laser"}
    await put(floor, "operations", record, 201)
    assert "another part" in (await put(floor, "operations", record | {"part_external_id": "2"}, 422)).error["message"]


async def test_new_work_in_a_completed_job_opens_it_again(floor):
    await put(floor, "jobs", JOB | {"status": "completed"}, 201)
    await put(floor, "parts", {**SAP, "part_number": "P-1", "job_external_id": "E-1"}, 201)
    assert (await floor.get("/api-jobs"))["jobs"][0]["status"] == "in_progress"


async def test_everybody_is_told_as_by_the_other_routes(hall, nested):
    await put(hall, "jobs", nested, 201)
    nested["customer_name"] = "Beta"
    nested["parts"][0]["quantity"] = 60
    await put(hall, "jobs", nested)
    events = await hall.events("job.created", "part.created", "job.updated", "part.updated")
    assert [event["type"] for event in events] == ["job.created", "part.created", "job.updated", "part.updated"]
    created, part, updated, more = (event["data"] for event in events)
    assert (created["parts_count"], created["operations_count"]) == (1, 1)
    assert (part["external_id"], part["external_source"]) == ("ERP-PART-001", "sap")
    assert (updated["changes"], updated["external_id"]) == (["customer"], "ERP-JOB-001")
    assert more["changes"] == ["quantity"]
    tables = [change["table"] for change in events[1]["changes"]]
    assert tables == ["parts", "operations"]


async def test_each_is_logged_with_its_key_and_request(floor):
    headers = {"Idempotency-Key": "k-1", "X-Request-Id": "r-1"}
    await put(floor, "jobs", JOB, 201, headers=headers)
    [row] = (await floor.get("/api-erp-sync/status"))["history"]
    assert row["metadata"] == {"request_id": "r-1", "idempotency_key": "k-1"}
    assert (row["source"], row["entity_type"], row["created_count"], row["status"]) == ("api", "jobs", 1, "completed")
    assert await floor.events("sync.jobs.completed") == []


async def test_the_same_key_gets_the_first_answer(floor):
    first = await put(floor, "jobs", JOB, 201, headers={"Idempotency-Key": "k"})
    again = await put(floor, "jobs", JOB, 201, headers={"Idempotency-Key": "k"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.data == first.data
    await put(floor, "jobs", JOB | {"customer": "x"}, 422, headers={"Idempotency-Key": "k"})


async def test_a_key_is_held_to_its_cells(floor):
    await put(floor, "jobs", JOB, 201)
    await put(floor, "parts", {**SAP, "part_number": "P-1", "job_external_id": "E-1"}, 201)
    key = await floor.new_key(Scope.PLAN, floor.SAW)
    record = {**SAP, "operation_name": "Cut", "part_external_id": "E-1", "cell_name": "Laser"}
    assert (await put(floor, "operations", record, 403, key=key)).error["code"] == "CELL_NOT_ALLOWED"
    await put(floor, "operations", record | {"cell_name": "Saw"}, 201, key=key)
    await put(floor, "operations", record, 403, key=key)
    await put(floor, "operations", record | {"external_id": "E-2"}, 201)
    assert (await put(floor, "operations", record | {"external_id": "E-2", "cell_name": "Saw"}, 403, key=key)).error
    await put(floor, "cells", {**SAP, "name": "New"}, 403, key=key)


@pytest.mark.parametrize(("method", "status"), [("GET", 400), ("POST", 400), ("DELETE", 400)])
async def test_another_method_is_a_bad_request(floor, method, status):
    assert (await floor.send(method, "/api-jobs/sync", None if method == "GET" else {})).status == status


async def test_a_key_must_be_allowed_to_plan(floor):
    key = await floor.new_key(Scope.OPERATE)
    await put(floor, "jobs", JOB, 403, key=key)
