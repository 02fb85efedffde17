"""A client written from the published reference: its own example bodies, as they stand there, with ids that exist."""

import json

JOB = """{
  "job_number": "JOB-2024-001",
  "customer_name": "Acme Manufacturing",
  "due_date": "2024-02-15",
  "priority": 1,
  "description": "Custom bracket assembly",
  "metadata": {"po_number": "PO-12345", "sales_order": "SO-67890"},
  "parts": [
    {
      "part_number": "BRACKET-A1",
      "material": "Steel 304",
      "quantity": 50,
      "material_id": "%(material)s",
      "notes": "Laser cut required",
      "operations": [
        {
          "operation_name": "Laser Cutting",
          "sequence": 1,
          "cell_id": "%(cell)s",
          "estimated_time_minutes": 30,
          "setup_time_minutes": 10,
          "assigned_operator_id": "%(operator)s",
          "instructions": "Use 3mm nozzle",
          "resources": [{ "resource_id": "%(resource)s", "quantity": 1 }]
        }
      ]
    }
  ]
}"""
TESTED_JOB = """{
  "job_number": "TEST-JOB-001",
  "customer_name": "Test Customer",
  "due_date": "2024-12-31",
  "parts": [
    {
      "part_number": "TEST-PART-001",
      "material": "Test Material",
      "quantity": 1,
      "operations": [
        {"operation_name": "Test Operation", "sequence": 1, "cell_id": "%(cell)s", "estimated_time_minutes": 30}
      ]
    }
  ]
}"""


async def made(floor, body: str):
    return await floor.make("/functions/v1/api-jobs", json.loads(filled(floor, body)))


def filled(floor, body: str) -> str:
    ids = {"cell": floor.LASER, "operator": floor.ANNA, "resource": floor.JIG, "material": floor.NOWHERE}
    return body % ids


async def test_a_job_with_everything_in_it(floor):
    told = await made(floor, JOB)
    assert (told["job_number"], told["status"]) == ("JOB-2024-001", "not_started")
    assert told["created_at"]
    part = told["parts"][0]
    assert part["part_number"] == "BRACKET-A1"
    operation = part["operations"][0]
    assert (operation["operation_name"], operation["sequence"]) == ("Laser Cutting", 1)

    job = (await floor.get(f"/api-jobs?id={told['job_id']}"))["job"]
    assert (job["customer"], job["customer_name"], job["priority"]) == ("Acme Manufacturing", "Acme Manufacturing", 1)
    assert (job["notes"], job["description"]) == ("Custom bracket assembly", "Custom bracket assembly")
    assert job["metadata"] == {"po_number": "PO-12345", "sales_order": "SO-67890"}
    assert job["due_date"] == "2024-02-15T00:00:00+00:00"
    shown = await floor.operation(operation["operation_id"])
    assert (shown["estimated_time"], shown["setup_time"], shown["notes"]) == (30, 10, "Use 3mm nozzle")
    assert shown["assigned_operator_id"] == floor.ANNA
    assert (await floor.part(part["part_id"]))["material_id"] == floor.NOWHERE
    assert await floor.query("SELECT resource_id, quantity FROM operation_resources") == [(floor.JIG, 1)]


async def test_what_its_testing_guide_sends(floor):
    job_id = (await made(floor, TESTED_JOB))["job_id"]
    assert len((await floor.get("/functions/v1/api-jobs?limit=1"))["jobs"]) == 1
    for action, status in (("start", "in_progress"), ("complete", "completed")):
        reply = await floor.send("POST", "/functions/v1/api-job-lifecycle", {"job_id": job_id, "action": action})
        assert (reply.status, reply.data["job"]["status"]) == (200, status)


async def test_an_operation_from_start_to_end_by_body(floor):
    operation_id = (await made(floor, JOB))["parts"][0]["operations"][0]["operation_id"]
    for action, status in (
        ("start", "in_progress"),
        ("pause", "on_hold"),
        ("resume", "in_progress"),
        ("complete", "completed"),
    ):
        body = {"operation_id": operation_id, "action": action, "operator_id": floor.ANNA}
        reply = await floor.send("POST", "/functions/v1/api-operation-lifecycle", body)
        assert (reply.status, reply.data["operation"]["status"]) == (200, status)
    entries = (await floor.get(f"/api-time-entries?operation_id={operation_id}"))["time_entries"]
    assert [len(entry["pauses"]) for entry in entries] == [1]


async def test_a_quantity_with_its_scrap_reasons(floor):
    operation_id = (await made(floor, JOB))["parts"][0]["operations"][0]["operation_id"]
    body = {
        "operation_id": operation_id,
        "quantity_produced": 100,
        "quantity_good": 95,
        "quantity_scrap": 3,
        "quantity_rework": 2,
        "scrap_reasons": [{"reason_id": floor.BURR, "quantity": 3}],
    }
    told = await floor.make("/api-operation-quantities", body)
    assert told["operation_quantitie"] == told["operation_quantity"]
    assert told["operation_quantity"]["yield_percentage"] == 95.0
    assert [reason["quantity"] for reason in told["operation_quantity"]["scrap_reasons"]] == [3]
    assert told["operation_quantity"]["scrap_reason_id"] == floor.BURR


async def test_a_number_twice_is_a_conflict_and_a_cell_that_is_not_there_is_named_by_its_path(floor):
    await made(floor, JOB)
    again = await floor.send("POST", "/api-jobs", json.loads(filled(floor, JOB)))
    assert (again.status, again.error["code"]) == (409, "CONFLICT")
    body = json.loads(filled(floor, TESTED_JOB))
    body["parts"][0]["operations"][0]["cell_id"] = floor.NOWHERE
    wrong = await floor.send("POST", "/api-jobs", body)
    assert (wrong.status, wrong.error["code"]) == (422, "VALIDATION_ERROR")
    detail = wrong.error["details"][0]
    assert (detail["field"], detail["constraint"]) == ("parts[0].operations[0].cell_id", "FK_CONSTRAINT")


async def test_every_answer_says_what_is_left_of_the_rate(floor):
    reply = await floor.send("GET", "/api-jobs?limit=1")
    for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"):
        assert reply.headers[name].isdigit()
