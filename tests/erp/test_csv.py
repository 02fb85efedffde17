"""POST /api-<entity>/bulk-sync with a CSV file, and dry runs."""

import json

import pytest

from gateway.erp.commands import ErpCommands
from gateway.erp.model import Given, Order
from gateway.kernel.ids import uuid7
from gateway.transfer.files import LINES_MAX
from gateway.web.routes import Caller, Scope

JOBS = "external_id,external_source,job_number,customer,due_date,status,notes\n"
PARTS = "external_id,external_source,part_number,job_external_id,material,quantity,notes\n"
OPERATIONS = (
    "external_id,external_source,operation_name,part_external_id,cell_name,sequence,estimated_time_minutes,notes\n"
)
CELLS = "external_id,external_source,name,sequence,color,capacity_hours_per_day,wip_limit\n"
RESOURCES = "external_id,external_source,name,type,identifier,location,notes\n"


async def send(floor, table: str, text: str | bytes, query: str = "", *, kind: str = "text/csv", **headers):
    raw = text.encode() if isinstance(text, str) else text
    url = f"{floor.url}/api-{table}/bulk-sync{query}"
    sent = {"Authorization": f"Bearer {floor.key}", "Content-Type": kind, **headers}
    async with floor.session.post(url, data=raw, headers=sent) as answer:
        return answer.status, await answer.json(), answer.headers


async def taken(floor, table: str, text: str | bytes, query: str = "", **more):
    status, body, _ = await send(floor, table, text, query, **more)
    assert status == 200, body
    return body["data"]


async def test_every_template_is_taken_over(floor):
    assert (await taken(floor, "cells", CELLS + "C-1,sap,Bending,7,#fff,7.5,3\n"))["created"] == 1
    assert (await taken(floor, "resources", RESOURCES + "T-1,sap,Mold 9,mold,M9,Rack,cracked\n"))["created"] == 1
    assert (await taken(floor, "jobs", JOBS + "J-1,sap,N-1,Acme,2030-01-31,not_started,\n"))["created"] == 1
    assert (await taken(floor, "parts", PARTS + "P-1,sap,P-1,J-1,Steel,25,\n"))["created"] == 1
    assert (await taken(floor, "operations", OPERATIONS + "O-1,sap,Bend,P-1,Bending,1,30,slowly\n"))["created"] == 1
    [row] = (await floor.get("/api-operations"))["operations"]
    assert (row["cell"]["name"], row["estimated_time"], row["notes"]) == ("Bending", 30, "slowly")
    assert (row["part"]["job"]["job_number"], (await floor.part(row["part_id"]))["quantity"]) == ("N-1", 25)
    [cell] = (await floor.get("/api-cells?search=Bending"))["cells"]
    assert (cell["capacity_hours_per_day"], cell["wip_limit"]) == (7.5, 3)
    history = (await floor.get("/api-erp-sync/status?source=csv"))["history"]
    assert {one["entity_type"] for one in history} == {"cells", "resources", "jobs", "parts", "operations"}


async def test_what_excel_makes_of_it(floor):
    text = '\ufeffExternal ID;Job Number;CUSTOMER-NAME;Priority\r\nJ-1;N-1;"Acme; Sons";2\r\n\r\nJ-2;N-2;\'=Acme;\r\n'
    data = await taken(floor, "jobs", text, "?external_source=excel")
    assert [one["line"] for one in data["results"]] == [2, 4]
    rows = (await floor.get("/api-jobs?sort=job_number&order=asc"))["jobs"]
    assert [(row["customer"], row["priority"], row["external_source"]) for row in rows] == [
        ("Acme; Sons", 2, "excel"),
        ("=Acme", None, "excel"),
    ]


async def test_a_wrong_line_is_named_and_the_others_are_taken(floor):
    await taken(floor, "jobs", JOBS + "J-1,sap,N-1,,,,\n")
    data = await taken(floor, "parts", PARTS + "P-1,sap,P-1,J-1,,many,\nP-2,sap,P-2,J-9,,,\nP-3,sap,P-3,J-1,,3,\n")
    assert [(one["line"], one["action"]) for one in data["results"]] == [(2, "error"), (3, "error"), (4, "created")]
    assert data["results"][0]["details"][0]["field"] == "quantity"
    assert data["results"][1]["error"] == 'Job with external_id "J-9" not found'


async def test_the_same_file_again_changes_nothing(floor):
    text = JOBS + "J-1,sap,N-1,Acme,,,\n"
    await taken(floor, "jobs", text)
    assert (await taken(floor, "jobs", text))["skipped"] == 1


async def test_a_key_belongs_to_one_file(floor):
    text = JOBS + "J-1,sap,N-1,Acme,,,\n"
    headers = {"Idempotency-Key": "k"}
    first = await taken(floor, "jobs", text, **headers)
    _, body, told = await send(floor, "jobs", text, **headers)
    assert (body["data"], told["Idempotency-Replayed"]) == (first, "true")
    status, body, _ = await send(floor, "jobs", text + "J-2,sap,N-2,Acme,,,\n", **headers)
    assert (status, body["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("\n", 400),
        ("external_id,external_id\n", 400),
        (b"external_id\n\xff\n", 400),
        ('external_id\n"J-1\n', 400),
        ("external_id,surprise\nJ-1,x\n", 422),
        ("external_id,job_number\nJ\0,N\n", 400),
        ("external_id\n" * (LINES_MAX + 2), 413),
    ],
)
async def test_what_is_no_such_file(floor, text, status):
    answered, body, _ = await send(floor, "jobs", text)
    assert answered == status, body
    assert await floor.query("SELECT count(*) FROM jobs") == [(0,)]


@pytest.mark.parametrize("cell", ['{"a":1', "[1]", "x", "[" * 99_999])
async def test_a_cell_that_is_no_object_is_the_error_of_its_line(floor, cell):
    text = f"external_id;external_source;job_number;metadata\nJ-1;sap;N-1;{cell}\n"
    data = await taken(floor, "jobs", text)
    assert [one["action"] for one in data["results"]] == ["error"]


@pytest.mark.parametrize("cell", ['{"a":NaN}', '{"a":1e999}', '"{""a"":""\\ud800""}"', '{"a":' * 40 + "1" + "}" * 40])
async def test_a_cell_that_no_body_may_hold_is_named_with_its_line(floor, cell):
    status, body, _ = await send(floor, "jobs", f"external_id;external_source;job_number;metadata\nJ;sap;N;{cell}\n")
    assert (status, body["error"]["message"].startswith("line 2: ")) == (400, True)


async def test_another_format_is_read_as_json(floor):
    status, _, _ = await send(floor, "jobs", JOBS, kind="application/xml")
    assert status == 400


@pytest.mark.parametrize("number", ["9" * 300, "1e99", "nan", "inf"])
async def test_a_number_that_is_none_is_an_error(floor, number):
    data = await taken(floor, "cells", f"external_id,external_source,name,capacity_hours_per_day\nC,sap,C,{number}\n")
    assert data["errors"] == 1


# ------------------------------------------------------------------ dry runs


async def test_a_dry_run_says_what_would_happen_and_writes_nothing(floor):
    await taken(floor, "jobs", JOBS + "J-1,sap,N-1,Acme,,,\n")
    before = await floor.query("SELECT count(*), max(seq) FROM events")
    text = JOBS + "J-1,sap,N-1,Beta,,,\nJ-2,sap,N-2,,,,\nJ-3,sap,,,,,\n"
    data = await taken(floor, "jobs", text, "?dry_run=true", **{"Idempotency-Key": "k"})
    assert data["dry_run"] is True
    assert [one["action"] for one in data["results"]] == ["updated", "created", "error"]
    assert data["results"][0]["changes"] == ['customer: "Acme" -> "Beta"']
    assert await floor.query("SELECT count(*), max(seq) FROM events") == before
    assert (await taken(floor, "jobs", text, **{"Idempotency-Key": "k"}))["created"] == 1


async def test_json_may_be_tried_as_well(floor):
    record = {"external_id": "J-1", "external_source": "sap", "job_number": "N-1"}
    reply = await floor.send("POST", "/api-jobs/bulk-sync?dry_run=true", {"items": [record]})
    assert reply.data["created"] == 1
    assert await floor.query("SELECT count(*) FROM jobs") == [(0,)]


# ------------------------------------------------------------------ for clients of today's cloud


async def test_the_answer_in_the_shape_of_the_cloud(floor):
    erp = ErpCommands(floor.db, floor.clock, uuid7(floor.clock), "gw-test", upstream=True)
    record = {"external_id": "J-1", "external_source": "sap", "job_number": "N-1"}
    order = Order("api", Caller("test", "test", Scope.ADMIN), "test", None)
    answers = [
        (await erp.upsert_many("jobs", [Given(record), Given({})], order)).data,
        (await erp.upsert_many("jobs", [Given(record)], order)).data,
    ]
    first, second = (json.loads(one) for one in answers)
    assert (first["total"], first["results"]["created"], first["results"]["failed"]) == (2, 1, 1)
    assert first["results"]["errors"][0]["item"] == {}
    assert second["results"] == {"created": 0, "updated": 1, "failed": 0, "errors": []}
