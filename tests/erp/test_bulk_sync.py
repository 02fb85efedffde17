"""POST /api-<entity>/bulk-sync: many records, each for itself."""

import asyncio
import json

import pytest
from hall import Floor

from gateway.erp import bodies, commands
from gateway.erp.bodies import RECORDS_MAX
from gateway.erp.commands import SLICE_ROWS
from gateway.kernel.errors import StorageFailed
from gateway.web.routes import Scope

DOCUMENTED = ("total", "created", "updated", "skipped", "errors", "results", "summary")


async def bulk(floor: Floor, table: str, records, name: str | None = None, status: int = 200, **more):
    reply = await floor.send("POST", f"/api-{table}/bulk-sync", {name or table: records}, **more)
    assert reply.status == status, reply.body
    return reply.data if status == 200 else reply.error


def job(number: int | str, **more):
    return {"external_id": f"E-{number}", "external_source": "sap", "job_number": f"N-{number}", **more}


def actions(data) -> list[str]:
    return [one["action"] for one in data["results"]]


async def test_the_published_test_body_is_taken_over(floor):
    body = {
        "external_id": "ERP-001",
        "external_source": "test",
        "job_number": "SYNC-TEST-001",
        "customer_name": "Sync Test Customer",
    }
    data = await bulk(floor, "jobs", [body])
    assert tuple(data) == DOCUMENTED
    assert [data[name] for name in DOCUMENTED[:5]] == [1, 1, 0, 0, 0]
    [result] = data["results"]
    assert (result["external_id"], result["action"], result["index"]) == ("ERP-001", "created", 0)
    assert data["summary"] == {"created": 1, "updated": 0, "failed": 0, "errors": []}
    row = (await floor.get(f"/api-jobs?id={result['id']}"))["job"]
    assert row["customer"] == "Sync Test Customer"


async def test_created_updated_skipped_and_wrong_in_the_order_of_the_request(floor):
    await bulk(floor, "jobs", [job(1), job(2)])
    data = await bulk(floor, "jobs", [job(3), job(1), job(2, customer="x"), {"external_id": "E-4"}, job(5)])
    assert actions(data) == ["created", "skipped", "updated", "error", "created"]
    assert [one["index"] for one in data["results"]] == [0, 1, 2, 3, 4]
    assert (data["total"], data["created"], data["updated"], data["skipped"], data["errors"]) == (5, 2, 1, 1, 1)
    wrong = data["results"][3]
    assert (wrong["external_id"], wrong["error"]) == ("E-4", "external_id and external_source are required")
    assert "id" not in wrong
    assert data["summary"]["failed"] == 1
    assert data["summary"]["errors"][0]["item"] == {"external_id": "E-4"}


async def test_a_nested_tree_is_skipped_when_nothing_in_it_changed(hall, nested):
    assert actions(await bulk(hall, "jobs", [nested])) == ["created"]
    events = len(await hall.events())
    assert actions(await bulk(hall, "jobs", [nested])) == ["skipped"]
    assert {c["table"] for e in (await hall.events())[events:] for c in e["changes"]} == {"sync_imports"}
    nested["parts"][0]["operations"][0]["estimated_time_minutes"] = 45
    assert actions(await bulk(hall, "jobs", [nested])) == ["updated"]
    [operation] = (await hall.get("/api-operations"))["operations"]
    assert operation["estimated_time"] == 45


async def test_a_tree_grows(hall, nested):
    await bulk(hall, "jobs", [nested])
    part = nested["parts"][0]
    more = {"external_id": "ERP-OP-002", "operation_name": "Bend", "sequence": 2, "cell_name": "Saw"}
    part["operations"].append(more)
    nested["parts"].append({**part, "external_id": "ERP-PART-002", "part_number": "B-2", "operations": []})
    assert actions(await bulk(hall, "jobs", [nested])) == ["updated"]
    names = [one["operation_name"] for one in (await hall.get("/api-operations"))["operations"]]
    assert names == ["Laser Cutting", "Bend"]
    assert len((await hall.get("/api-parts"))["parts"]) == 2
    assert await hall.events("job.updated") == []


async def test_what_the_erp_no_longer_names_stays(hall, nested):
    await bulk(hall, "jobs", [nested])
    nested["parts"][0]["operations"] = []
    await bulk(hall, "jobs", [nested])
    assert len((await hall.get("/api-operations"))["operations"]) == 1


async def test_a_part_that_is_there_comes_into_a_new_job(hall, nested):
    await bulk(hall, "jobs", [nested])
    other = job(7, parts=[{**nested["parts"][0], "quantity": 5}])
    assert actions(await bulk(hall, "jobs", [other])) == ["created"]
    [part] = (await hall.get("/api-parts"))["parts"]
    assert (part["job"]["job_number"], part["quantity"]) == ("N-7", 5)


async def test_one_that_fails_halfway_takes_only_itself_back(hall, nested):
    taken = {**nested, "external_id": "E-2", "job_number": "N-2"}  # its part's number is taken by the first
    taken["parts"] = [{**nested["parts"][0], "external_id": "P-2", "operations": []}]
    data = await bulk(hall, "jobs", [nested, taken, job(3)])
    assert actions(data) == ["created", "error", "created"]
    assert data["results"][1]["error"] == 'part with part_number "BRACKET-A1" already exists'
    numbers = {one["job_number"] for one in (await hall.get("/api-jobs"))["jobs"]}
    assert numbers == {"JOB-2024-001", "N-3"}
    created = await hall.events("job.created")
    assert [event["data"]["job_number"] for event in created] == ["JOB-2024-001", "N-3"]


async def test_what_a_failed_record_made_is_not_known_to_a_later_one(hall, nested):
    part = nested["parts"][0]
    first = job(1, parts=[part, {**part, "external_id": "P-2"}])  # the same number twice
    data = await bulk(hall, "jobs", [first, job(2, parts=[part])])
    assert actions(data) == ["error", "created"]
    first = job(1, parts=[part, {**part, "external_id": "P-2", "part_number": "x" * 256}])
    assert actions(await bulk(hall, "jobs", [first])) == ["error"]


async def test_of_two_with_one_id_the_later_updates_what_the_earlier_made(floor):
    data = await bulk(floor, "jobs", [job(1, customer="A"), job(1, customer="B"), job(1, customer="B")])
    assert actions(data) == ["created", "updated", "skipped"]
    assert len({one["id"] for one in data["results"]}) == 1
    assert (await floor.get("/api-jobs"))["jobs"][0]["customer"] == "B"


async def test_parts_and_operations_refer_by_external_id(floor):
    await bulk(floor, "jobs", [job(1)])
    parts = [
        {"external_id": f"P-{n}", "external_source": "sap", "part_number": f"P-{n}", "job_external_id": f"E-{n}"}
        for n in (1, 2)
    ]
    data = await bulk(floor, "parts", parts)
    assert [one.get("error") for one in data["results"]] == [None, 'Job with external_id "E-2" not found']
    assert data["results"][1]["details"][0]["constraint"] == "FK_CONSTRAINT"
    operation = {"external_source": "sap", "operation_name": "Cut", "part_external_id": "P-1", "cell_name": "Laser"}
    operations = [
        {**operation, "external_id": "1"},
        {**operation, "external_id": "2", "part_external_id": "P-2"},
        {**operation, "external_id": "3", "cell_name": "Moon"},
    ]
    data = await bulk(floor, "operations", operations, "items")
    assert [one.get("error") for one in data["results"]] == [
        None,
        'Part with external_id "P-2" not found',
        'Cell "Moon" not found',
    ]


async def test_another_source_is_another_record(floor):
    await bulk(floor, "jobs", [job(1), job(1, external_source="netsuite", job_number="N-9")])
    assert len((await floor.get("/api-jobs"))["jobs"]) == 2
    part = {"external_id": "P", "external_source": "infor", "part_number": "P", "job_external_id": "E-1"}
    assert actions(await bulk(floor, "parts", [part])) == ["error"]


async def test_records_without_a_source_get_that_of_the_address(floor):
    record = job(1)
    del record["external_source"]
    reply = await floor.send("POST", "/api-jobs/bulk-sync?external_source=sap", {"items": [record]})
    assert actions(reply.data) == ["created"]
    assert (await floor.get("/api-jobs"))["jobs"][0]["external_source"] == "sap"


async def test_cells_and_resources(floor):
    cells = [{"external_id": n, "external_source": "sap", "name": f"C {n}"} for n in "ab"]
    assert actions(await bulk(floor, "cells", cells)) == ["created", "created"]
    cells[0]["name"] = "C 1"
    assert actions(await bulk(floor, "cells", cells)) == ["updated", "skipped"]
    tools = [{"external_id": n, "external_source": "sap", "name": f"T {n}", "type": "mold"} for n in "ab"]
    assert actions(await bulk(floor, "resources", [*tools, {**tools[0], "external_id": "c"}])) == [
        "created",
        "created",
        "error",
    ]
    created = await floor.events("resource.created")
    assert [event["data"]["name"] for event in created] == ["T a", "T b"]
    assert actions(await bulk(floor, "resources", [{**tools[0], "status": "in_use"}])) == ["updated"]
    [told] = await floor.events("resource.updated")
    assert told["data"]["changes"] == ["status", "updated_at"]


# ------------------------------------------------------------------ the envelope


@pytest.mark.parametrize("body", [{}, {"rows": []}, {"items": None}, {"jobs": {}}, {"parts": []}, {"items": "x"}])
async def test_without_a_list_it_is_a_bad_request(floor, body):
    reply = await floor.send("POST", "/api-jobs/bulk-sync", body)
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")


async def test_items_wins(floor):
    reply = await floor.send("POST", "/api-jobs/bulk-sync", {"jobs": [job(1)], "items": []})
    assert reply.data["total"] == 0


async def test_a_field_that_nobody_knows_is_named(floor):
    reply = await floor.send("POST", "/api-jobs/bulk-sync", {"jobs": [], "dry": True})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "dry")


async def test_more_than_a_thousand_are_too_many(floor):
    error = await bulk(floor, "cells", [{}] * (RECORDS_MAX + 1), status=400)
    assert error["message"] == "Maximum 1000 items per bulk-sync request"
    data = await bulk(floor, "cells", [{}] * RECORDS_MAX)
    assert data["errors"] == RECORDS_MAX


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"job_number": 7}, "job_number"),
        ({"job_number": "x" * 256}, "job_number"),
        ({"external_id": {"a": 1}}, "external_id"),
        ({"external_id": "x" * 256}, "external_id"),
        ({"external_source": ["sap"]}, "external_source"),
        ({"due_date": "tomorrow"}, "due_date"),
        ({"priority": 10**30}, "priority"),
        ({"metadata": [1]}, "metadata"),
        ({"status": "lost"}, "status"),
        ({"surprise": 1}, "surprise"),
        ({"customer": "a", "customer_name": "b"}, "customer_name"),
        ({"parts": {}}, "parts"),
        ({"parts": [1]}, "parts[0]"),
        ({"parts": [{"part_number": "p"}]}, "parts[0].external_id"),
        ({"parts": [{"external_id": "p"}]}, "parts[0].part_number"),
        ({"parts": [{"external_id": "p", "part_number": "p", "quantity": 0}]}, "parts[0].quantity"),
        ({"current_cell_id": Floor.NOWHERE}, "current_cell_id"),
    ],
)
async def test_a_wrong_field_is_the_error_of_its_record_alone(floor, wrong, field):
    data = await bulk(floor, "jobs", [job(1, **wrong), job(2)])
    assert actions(data) == ["error", "created"]
    assert data["results"][0]["details"][0]["field"] == field
    assert data["summary"]["errors"][0]["error"] == data["results"][0]["details"]


@pytest.mark.parametrize("record", [None, 1, "x", [], [[]], {"": {}}, {"external_id": None}, {"external_source": 0}])
async def test_what_is_no_record_is_an_error_in_its_place(floor, record):
    data = await bulk(floor, "parts", [record, None])
    assert (data["errors"], [one["external_id"] for one in data["results"]]) == (2, ["unknown", "unknown"])


async def test_what_an_answer_shows_may_come_back(floor):
    await bulk(floor, "jobs", [job(1)])
    [row] = (await floor.get("/api-jobs"))["jobs"]
    names = "external_id external_source job_number sync_hash synced_at hash_alg deleted_at tenant_id id created_at"
    back = {name: row[name] for name in names.split()}
    assert actions(await bulk(floor, "jobs", [back | {"customer": "x"}])) == ["updated"]
    [after] = (await floor.get("/api-jobs"))["jobs"]
    assert (after["id"], after["created_at"]) == (row["id"], row["created_at"])


# ------------------------------------------------------------------ what is told


async def test_it_is_logged_and_told(floor):
    headers = {"Idempotency-Key": "k-1", "X-Request-Id": "r-1"}
    await bulk(floor, "jobs", [job(1), job(2), {}], headers=headers)
    [row] = (await floor.get("/api-erp-sync/status"))["history"]
    told = {"entity_type": "jobs", "operation": "upsert", "source": "api", "status": "completed", "record_count": 0}
    told |= {"total_records": 3, "created_count": 2, "updated_count": 0, "skipped_count": 0, "error_count": 1}
    assert row.items() >= told.items()
    assert row["metadata"] == {"request_id": "r-1", "idempotency_key": "k-1"}
    assert row["errors"] == [
        {"external_id": "unknown", "action": "error", "error": "external_id and external_source are required"}
    ]
    [event] = await floor.events("sync.jobs.completed")
    data = event["data"]
    assert data["summary"] == {"total": 3, "created": 2, "updated": 0, "skipped": 0, "errors": 1}
    assert (data["entity_type"], data["external_ids"]) == ("jobs", ["E-1", "E-2"])
    assert data.keys() >= {"source", "duration_ms", "synced_at"}
    assert [change["id"] for change in event["changes"]] == [row["id"]]
    assert await floor.events("sync.batch.completed") == []


async def test_when_nothing_changed_nobody_is_told(floor):
    await bulk(floor, "jobs", [{}])
    await bulk(floor, "jobs", [])
    assert await floor.events("sync.jobs.completed") == []
    assert [row["status"] for row in (await floor.get("/api-erp-sync/status"))["history"]] == ["completed", "failed"]


# ------------------------------------------------------------------ many at once


def trees(count: int, first: int = 0):
    """As many rows of each as the bench sends: a job, two parts, three operations in each."""
    return [
        job(
            n,
            parts=[
                {
                    "external_id": f"P-{n}-{p}",
                    "part_number": f"P-{n}-{p}",
                    "operations": [
                        {
                            "external_id": f"O-{n}-{p}-{o}",
                            "operation_name": f"Op {o}",
                            "cell_name": "Saw",
                            "sequence": o,
                        }
                        for o in (1, 2, 3)
                    ],
                }
                for p in (1, 2)
            ],
        )
        for n in range(first, first + count)
    ]


async def test_many_are_written_in_slices_with_one_log_row(floor):
    count = SLICE_ROWS // 9 * 2 + 5
    data = await bulk(floor, "jobs", trees(count))
    assert data["created"] == count
    assert [one["index"] for one in data["results"]] == list(range(count))
    assert await floor.query("SELECT count(*) FROM operations") == [(count * 6,)]
    assert await floor.query("SELECT count(*), max(total_records) FROM sync_imports") == [(1, count)]
    assert len(await floor.events("job.created")) == count


async def test_a_record_of_too_many_rows_is_refused(floor, monkeypatch):
    monkeypatch.setattr(bodies, "RECORD_ROWS_MAX", 8)
    [result] = (await bulk(floor, "jobs", trees(1)))["results"]
    assert (result["action"], result["details"][0]["field"]) == ("error", "parts")


async def test_the_same_key_at_the_same_time_is_told_to_wait(floor, monkeypatch):
    monkeypatch.setattr(commands, "SLICE_ROWS", 9)
    body = {"jobs": trees(60)}
    headers = {"Idempotency-Key": "k"}
    first = asyncio.create_task(floor.send("POST", "/api-jobs/bulk-sync", body, headers=headers))
    async with asyncio.timeout(10):
        while not await floor.query("SELECT 1 FROM jobs LIMIT 1"):
            await asyncio.sleep(0)
    second = await floor.send("POST", "/api-jobs/bulk-sync", body, headers=headers)
    assert (second.status, second.error["code"], second.headers["Retry-After"]) == (409, "STILL_RUNNING", "2")
    done = await first
    again = await floor.send("POST", "/api-jobs/bulk-sync", body, headers=headers)
    assert (again.data, again.headers["Idempotency-Replayed"]) == (done.data, "true")
    other = await floor.send("POST", "/api-jobs/bulk-sync", {"jobs": trees(61)}, headers=headers)
    assert (other.status, other.error["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_who_comes_back_after_a_break_in_the_middle_finds_what_was_done_skipped(floor, monkeypatch):
    monkeypatch.setattr(commands, "SLICE_ROWS", 90)
    body, headers = {"jobs": trees(25)}, {"Idempotency-Key": "k"}
    slices = commands._slice

    def broken(tx, stamp, items, order):
        if items[0].index:
            raise StorageFailed("the disk is gone")
        return slices(tx, stamp, items, order)

    with monkeypatch.context() as patched:
        patched.setattr(commands, "_slice", broken)
        assert (await floor.send("POST", "/api-jobs/bulk-sync", body, headers=headers)).status == 503
    assert await floor.query("SELECT count(*) FROM jobs") == [(10,)]
    assert await floor.query("SELECT count(*) FROM operations") == [(60,)]
    data = (await floor.send("POST", "/api-jobs/bulk-sync", body, headers=headers)).data
    assert (data["skipped"], data["created"], data["errors"]) == (10, 15, 0)


async def test_a_start_does_not_wait_for_all_of_them(floor):
    """Between two slices others have their turn."""
    operation = (await floor.job("WORK"))["parts"][0]["operations"][0]["id"]
    body = json.dumps({"jobs": trees(300)})
    headers = {"Authorization": f"Bearer {floor.key}"}

    async def send():
        async with floor.session.post(f"{floor.url}/api-jobs/bulk-sync", data=body, headers=headers) as answer:
            return answer.status

    sending = asyncio.create_task(send())
    async with asyncio.timeout(10):
        while not await floor.query("SELECT 1 FROM jobs WHERE external_id IS NOT NULL LIMIT 1"):
            await asyncio.sleep(0)
    await floor.pressed(("start", operation, floor.ANNA))
    started = await floor.query("SELECT max(seq) FROM events WHERE type = 'operation.started'")
    assert await sending == 200
    last = await floor.query("SELECT max(seq) FROM events WHERE type = 'job.created'")
    assert started < last


async def test_a_key_of_one_cell_gets_errors_for_the_others(floor):
    key = await floor.new_key(Scope.PLAN, floor.LASER)
    data = await bulk(floor, "jobs", trees(1), key=key)
    assert actions(data) == ["error"]
    assert await floor.query("SELECT count(*) FROM jobs") == [(0,)]


async def test_the_log_has_an_end(floor, monkeypatch):
    monkeypatch.setattr("gateway.erp.store.IMPORTS_KEPT", 3)
    for _ in range(5):
        await bulk(floor, "jobs", [])
    assert await floor.query("SELECT count(*) FROM sync_imports") == [(3,)]
