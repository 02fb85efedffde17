"""/api-erp-sync: what would change, what was taken over, what is in the log."""

import pytest

from gateway.erp.bodies import RECORDS_MAX
from gateway.web.routes import Scope

SAP = {"external_source": "sap"}
TEST = {
    "external_id": "ERP-001",
    "external_source": "test",
    "job_number": "SYNC-TEST-001",
    "customer_name": "Sync Test Customer",
}


async def ask(floor, mode: str, body, **more):
    reply = await floor.send("POST", f"/api-erp-sync/{mode}", body, **more)
    assert reply.status == 200, reply.body
    return reply.data


async def diff(floor, body):
    return await ask(floor, "diff", body)


async def sync(floor, body):
    return await ask(floor, "sync", body)


async def everything(floor):
    tables = ("cells", "resources", "jobs", "parts", "operations", "sync_imports", "receipts", "events")
    return [await floor.query(f"SELECT * FROM {table}") for table in tables]


def part(**more):
    return {**SAP, "external_id": "P-1", "part_number": "P-1", "material": "m", "quantity": 3, **more}


def job(**more):
    return {**SAP, "external_id": "J-1", "job_number": "N-1", "customer_name": "Acme", **more}


# ------------------------------------------------------------------ diff


async def test_the_published_test_body_is_only_looked_at(floor):
    before = await everything(floor)
    data = await diff(floor, {"jobs": [TEST]})
    assert data == {
        "summary": {
            "total_entities": 1,
            "total_records": 1,
            "total_to_create": 1,
            "total_to_update": 0,
            "total_unchanged": 0,
            "total_errors": 0,
        },
        "entities": {
            "jobs": {
                "entity_type": "jobs",
                "total": 1,
                "to_create": 1,
                "to_update": 0,
                "unchanged": 0,
                "errors": 0,
                "records": [{"external_id": "ERP-001", "external_source": "test", "status": "create", "index": 0}],
            }
        },
    }
    assert await everything(floor) == before


async def test_what_changes_is_said_for_a_person(floor):
    await sync(floor, {"jobs": [job(priority=1, due_date="2030-01-01")], "parts": [part(job_external_id="J-1")]})
    changed = job(
        priority=2, due_date="2030-01-02", job_number="N-2", customer_name="Beta", notes="n", metadata={"a": 1}
    )
    data = await diff(floor, {"jobs": [changed], "parts": [part(job_external_id="J-1", material="steel", quantity=4)]})
    [first] = data["entities"]["jobs"]["records"]
    assert first["status"] == "update"
    assert first["existing_id"]
    assert set(first["changes"]) == {
        'job_number: "N-1" -> "N-2"',
        'customer: "Acme" -> "Beta"',
        'due_date: "2030-01-01T00:00:00+00:00" -> "2030-01-02T00:00:00+00:00"',
        "priority: 1 -> 2",
        "notes updated",
        "metadata updated",
    }
    [second] = data["entities"]["parts"]["records"]
    assert second["changes"] == ['material: "m" -> "steel"', "quantity: 3 -> 4"]


async def test_what_differs_in_nothing_but_the_hash_is_said(floor):
    await sync(floor, {"jobs": [job()]})
    same = job(customer="Acme")
    del same["customer_name"]
    [record] = (await diff(floor, {"jobs": [same]}))["entities"]["jobs"]["records"]
    assert record["changes"] == ["data changed (hash mismatch)"]
    [result] = (await sync(floor, {"jobs": [same]}))["entities"]["jobs"]["results"]
    assert result["action"] == "updated"
    assert await floor.events("job.updated") == []
    [record] = (await diff(floor, {"jobs": [same]}))["entities"]["jobs"]["records"]
    assert record["status"] == "unchanged"


async def test_what_stands_in_a_tree_is_said_too(hall, nested):
    await sync(hall, {"jobs": [nested]})
    [below] = nested["parts"]
    below["quantity"] = 60
    below["operations"][0]["sequence"] = 2
    below["operations"].append({"external_id": "O-2", "operation_name": "Bend", "cell_name": "Saw"})
    [record] = (await diff(hall, {"jobs": [nested]}))["entities"]["jobs"]["records"]
    assert record["changes"] == [
        'part "ERP-PART-001": quantity: 50 -> 60',
        'part "ERP-PART-001": operation "ERP-OP-001": sequence: 1 -> 2',
        'part "ERP-PART-001": operation "O-2": new',
    ]


async def test_the_errors_that_are_recorded(floor):
    parts = [
        {**SAP, "external_id": "EP-2", "part_number": "X", "job_external_id": "NOPE"},
        {**SAP, "external_id": "EP-3", "part_number": "X"},
        {**SAP, "external_id": "EP-4"},
        {"part_number": "Z"},
    ]
    records = (await diff(floor, {"parts": parts}))["entities"]["parts"]["records"]
    assert [one["error"] for one in records] == [
        'Job with external_id "NOPE" not found',
        "job_id or job_external_id is required",
        "part_number is required",
        "external_id and external_source are required",
    ]
    assert (records[3]["external_id"], records[3]["external_source"]) == ("unknown", "unknown")


async def test_what_comes_earlier_in_the_request_is_there_for_what_comes_later(floor):
    """Whatever the order in which the lists stand."""
    operation = {
        **SAP,
        "external_id": "O-1",
        "operation_name": "Cut",
        "part_external_id": "P-1",
        "cell_name": "Welding",
    }
    body = {
        "operations": [operation],
        "parts": [part(job_external_id="J-1"), part(job_external_id="J-1", quantity=4)],
        "jobs": [job()],
        "cells": [{**SAP, "external_id": "C-1", "name": "Bending"}],
    }
    body["cells"].append({**SAP, "external_id": "C-2", "name": "Welding"})
    seen = await diff(floor, body)
    statuses = {table: [one["status"] for one in found["records"]] for table, found in seen["entities"].items()}
    assert statuses == {
        "operations": ["create"],
        "parts": ["create", "update"],
        "jobs": ["create"],
        "cells": ["create", "create"],
    }
    done = await sync(floor, body)
    assert {table: [one["action"] for one in found["results"]] for table, found in done["entities"].items()} == {
        "operations": ["created"],
        "parts": ["created", "updated"],
        "jobs": ["created"],
        "cells": ["created", "created"],
    }
    [row] = (await floor.get("/api-operations"))["operations"]
    assert row["cell"]["name"] == "Welding"


async def test_a_number_that_is_taken_is_seen_before(floor):
    await floor.job("N-1")
    jobs = [job(), job(external_id="J-2", job_number="N-2"), job(external_id="J-3", job_number="N-2")]
    seen = (await diff(floor, {"jobs": jobs}))["entities"]["jobs"]["records"]
    assert [one["status"] for one in seen] == ["error", "create", "error"]
    assert seen[0]["error"] == 'job with job_number "N-1" already exists'
    done = (await sync(floor, {"jobs": jobs}))["entities"]["jobs"]["results"]
    assert [one["action"] for one in done] == ["error", "created", "error"]


async def test_a_deleted_row_is_a_new_one(floor):
    done = await sync(floor, {"jobs": [job()]})
    await floor.send("DELETE", f"/api-jobs?id={done['entities']['jobs']['results'][0]['id']}")
    assert (await diff(floor, {"jobs": [job()]}))["summary"]["total_to_create"] == 1
    assert (await sync(floor, {"jobs": [job()]}))["summary"]["total_created"] == 1


# ------------------------------------------------------------------ sync


async def test_the_answer_has_the_shape_of_the_cloud(floor):
    await sync(floor, {"jobs": [job()]})
    data = await sync(floor, {"jobs": [{}, job(), job(external_id="J-2", job_number="N-2")], "parts": []})
    summary = {"total_entities": 2, "total_records": 3, "total_created": 1, "total_updated": 0}
    summary |= {"total_skipped": 1, "total_errors": 1, "duration_ms": data["summary"]["duration_ms"]}
    assert data["summary"] == summary
    jobs = data["entities"]["jobs"]
    assert [one["action"] for one in jobs["results"]] == ["error", "skipped", "created"]
    assert [one["index"] for one in jobs["results"]] == [0, 1, 2]
    assert (jobs["total"], jobs["created"], jobs["skipped"], jobs["errors"]) == (3, 1, 1, 1)
    assert data["entities"]["parts"]["total"] == 0


async def test_unchanged_records_are_written_again_if_asked_for(floor):
    await sync(floor, {"jobs": [job()]})
    await floor.do("UPDATE jobs SET customer = 'somebody here'")
    assert (await sync(floor, {"jobs": [job()]}))["summary"]["total_skipped"] == 1
    again = await sync(floor, {"jobs": [job()], "options": {"skip_unchanged": False}})
    assert again["summary"]["total_updated"] == 1
    assert (await floor.get("/api-jobs"))["jobs"][0]["customer"] == "Acme"


async def test_a_hash_of_another_algorithm_says_nothing(floor):
    await sync(floor, {"jobs": [job()]})
    await floor.do("UPDATE jobs SET hash_alg = NULL")
    assert (await sync(floor, {"jobs": [job()]}))["summary"]["total_updated"] == 1
    assert (await sync(floor, {"jobs": [job()]}))["summary"]["total_skipped"] == 1


async def test_what_a_record_says_beyond_our_fields_only_changes_its_hash(floor):
    body = {"jobs": [job(sales_rep="Kim", parts=[part(shade="blue")])]}
    assert (await sync(floor, body))["summary"]["total_created"] == 1
    assert (await sync(floor, body))["summary"]["total_skipped"] == 1
    body["jobs"][0]["sales_rep"] = "Lee"
    assert (await sync(floor, body))["summary"]["total_updated"] == 1


@pytest.mark.parametrize("options", [{"batch_size": 7, "continue_on_error": False}, {"record_history": True}, {}, None])
async def test_options(floor, options):
    data = await sync(floor, {"jobs": [{}, job()], "options": options})
    assert data["summary"]["total_created"] == 1


async def test_no_history_if_none_is_wanted(floor):
    await sync(floor, {"jobs": [job()], "options": {"record_history": False}, "source": "sap"})
    assert (await floor.get("/api-erp-sync/status"))["history"] == []
    [event] = await floor.events("sync.jobs.completed")
    assert (event["data"]["source"], event["changes"]) == ("sap", [])


async def test_several_kinds_are_told_of_together(floor):
    await sync(floor, {"jobs": [job()], "parts": [part(job_external_id="J-1")], "resources": [], "source": "sap"})
    await sync(floor, {"jobs": [job()], "parts": []})
    assert [one["type"] for one in await floor.events() if str(one["type"]).startswith("sync.")] == [
        "sync.jobs.completed",
        "sync.parts.completed",
        "sync.batch.completed",
        "sync.batch.completed",
    ]
    first, second = (one["data"] for one in await floor.events("sync.batch.completed"))
    assert set(first["entities"]) == {"jobs", "parts", "resources"}
    told = {"total_records": 2, "total_created": 2, "total_updated": 0, "total_skipped": 0, "total_errors": 0}
    assert first.items() >= told.items()
    assert first["source"] == "sap"
    assert second["total_skipped"] == 1


# ------------------------------------------------------------------ status


async def test_the_history_is_newest_first_with_statistics_of_what_is_shown(floor):
    await sync(floor, {"jobs": [job()]})
    await floor.clock.advance(1)
    await sync(floor, {"jobs": [{}], "parts": [part(job_external_id="J-1")]})
    data = await floor.get("/api-erp-sync/status")
    assert data["stats"] == {
        "total_syncs": 3,
        "successful": 2,
        "failed": 1,
        "total_created": 2,
        "total_updated": 0,
        "total_errors": 1,
    }
    assert [row["entity_type"] for row in data["history"]] == ["parts", "jobs", "jobs"]
    assert {row["source"] for row in data["history"]} == {"api_erp_sync"}
    columns = set(
        "id tenant_id entity_type operation source status record_count total_records created_count updated_count "
        "skipped_count error_count sync_hash errors metadata started_at completed_at created_at".split()
    )
    assert columns <= data["history"][0].keys()
    assert data["history"][0]["errors"] is None


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("entity_type=jobs", 2),
        ("entity_type=nothing", 0),
        ("source=api", 1),
        ("source=api_erp_sync&entity_type=parts", 1),
        ("limit=1", 1),
        ("limit=2.9", 2),
        ("limit=0", 1),
        ("limit=-4", 1),
        ("limit=1e9", 3),
        ("limit=inf", 3),
        ("limit=nan", 3),
        ("limit=abc", 3),
    ],
)
async def test_the_history_is_asked_for(floor, query, count):
    await floor.send("POST", "/api-jobs/bulk-sync", {"items": [job()]})
    await sync(floor, {"jobs": [{}], "parts": [part(job_external_id="J-1")]})
    data = await floor.get(f"/api-erp-sync/status?{query}")
    assert (len(data["history"]), data["stats"]["total_syncs"]) == (count, count)


# ------------------------------------------------------------------ envelopes


@pytest.mark.parametrize(("method", "mode"), [("GET", "diff"), ("GET", "sync"), ("PUT", "sync"), ("POST", "status")])
async def test_another_method_is_not_allowed(floor, method, mode):
    reply = await floor.send(method, f"/api-erp-sync/{mode}")
    assert (reply.status, reply.error["code"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("path", ["", "/", "/apply", "/diffs"])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_another_end_of_the_address_is_a_bad_request(floor, path, method):
    reply = await floor.send(method, f"/api-erp-sync{path}", None if method == "GET" else {})
    assert reply.status == 400
    if method == "POST":
        assert reply.error["message"] == "Invalid endpoint. Use /diff, /sync, or /status"


@pytest.mark.parametrize("raw", [b"{", b"", b"[", b"\xff", b'{"jobs":[NaN]}'])
@pytest.mark.parametrize("mode", ["diff", "sync"])
async def test_what_is_no_json_is_a_bad_request(floor, raw, mode):
    headers = {"Authorization": f"Bearer {floor.key}"}
    async with floor.session.post(f"{floor.url}/api-erp-sync/{mode}", data=raw, headers=headers) as answer:
        assert answer.status == 400


@pytest.mark.parametrize(
    "body", [{"jobs": {}}, {"jobs": "x"}, {"customers": []}, {"options": 1}, {"options": {"x": 1}}, []]
)
async def test_a_wrong_envelope_is_invalid(floor, body):
    assert (await floor.send("POST", "/api-erp-sync/diff", body)).status == 422


async def test_an_empty_one_is_fine(floor):
    assert (await diff(floor, {}))["entities"] == {}
    assert (await sync(floor, {}))["summary"]["total_records"] == 0


async def test_more_than_a_thousand_of_a_kind_are_too_many(floor):
    reply = await floor.send("POST", "/api-erp-sync/sync", {"jobs": [{}] * (RECORDS_MAX + 1)})
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")


async def test_who_may_read_may_look_and_no_more(floor):
    key = await floor.new_key(Scope.READ)
    await ask(floor, "diff", {"jobs": [job()]}, key=key)
    assert (await floor.send("POST", "/api-erp-sync/sync", {"jobs": [job()]}, key=key)).status == 403


async def test_a_key_of_one_cell_does_not_look_into_another(floor):
    await sync(floor, {"jobs": [job(parts=[part(operations=[])])]})
    await sync(floor, {"operations": [operation := operation_at("Laser")]})
    key = await floor.new_key(Scope.PLAN, floor.SAW)
    for mode, list_ in (("diff", "records"), ("sync", "results")):
        data = await ask(floor, mode, {"operations": [operation | {"sequence": 9}], "jobs": [job(notes="x")]}, key=key)
        assert data["summary"]["total_errors"] == 2
        assert "cell" in data["entities"]["operations"][list_][0]["error"]


def operation_at(cell: str):
    return {**SAP, "external_id": "O-1", "operation_name": "Cut", "part_external_id": "P-1", "cell_name": cell}
