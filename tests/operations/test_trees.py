"""A job with everything below it: made whole or not at all, deleted whole."""

import asyncio
import copy

import pytest
from hall import Floor

# the example of the published reference, with its ids filled in
PUBLISHED = {
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
            "material_id": Floor.NOWHERE,
            "notes": "Laser cut required",
            "operations": [
                {
                    "operation_name": "Laser Cutting",
                    "sequence": 1,
                    "cell_id": Floor.LASER,
                    "estimated_time_minutes": 30,
                    "setup_time_minutes": 10,
                    "assigned_operator_id": Floor.ANNA,
                    "instructions": "Use 3mm nozzle",
                    "resources": [{"resource_id": Floor.JIG, "quantity": 1}],
                }
            ],
        }
    ],
}
TABLES = ("jobs", "parts", "operations", "operation_resources", "events")


async def counts(floor) -> dict[str, int]:
    return {table: (await floor.query(f"SELECT count(*) FROM {table}"))[0][0] for table in TABLES}


def changed(path: str, value) -> dict:
    """The published example with something else at `path`."""
    body = copy.deepcopy(PUBLISHED)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place = body
    for step in way:
        place = place[step]
    place[last] = value
    return body


async def test_the_published_example_makes_the_whole_tree(floor):
    data = await floor.make("/api-jobs", PUBLISHED)
    job = data["job"]
    [part] = job["parts"]
    [operation] = part["operations"]
    assert (
        job.items()
        >= {
            "job_number": "JOB-2024-001",
            "customer": "Acme Manufacturing",
            "customer_name": "Acme Manufacturing",
            "notes": "Custom bracket assembly",
            "description": "Custom bracket assembly",
            "priority": 1,
            "due_date": "2024-02-15T00:00:00+00:00",
            "status": "not_started",
            "metadata": {"po_number": "PO-12345", "sales_order": "SO-67890"},
            "delivery_country": "NL",
            "package_count": 1,
            "job_id": job["id"],
        }.items()
    )
    assert (
        part.items()
        >= {
            "part_number": "BRACKET-A1",
            "material": "Steel 304",
            "quantity": 50,
            "material_id": Floor.NOWHERE,
            "job_id": job["id"],
            "part_id": part["id"],
        }.items()
    )
    assert (
        operation.items()
        >= {
            "operation_name": "Laser Cutting",
            "sequence": 1,
            "cell_id": floor.LASER,
            "estimated_time": 30,
            "setup_time": 10,
            "assigned_operator_id": floor.ANNA,
            "notes": "Use 3mm nozzle",
            "part_id": part["id"],
            "operation_id": operation["id"],
        }.items()
    )
    assert await floor.query("SELECT operation_id, resource_id, quantity FROM operation_resources") == [
        (operation["id"], floor.JIG, 1)
    ]


async def test_the_answer_also_has_the_published_shape(floor):
    data = await floor.make("/api-jobs", PUBLISHED)
    [part] = data["job"]["parts"]
    flat = {name: value for name, value in data.items() if name != "job"}
    assert flat == {
        "job_id": data["job"]["id"],
        "job_number": "JOB-2024-001",
        "status": "not_started",
        "created_at": data["job"]["created_at"],
        "parts": [
            {
                "part_id": part["id"],
                "part_number": "BRACKET-A1",
                "operations": [
                    {"operation_id": part["operations"][0]["id"], "operation_name": "Laser Cutting", "sequence": 1}
                ],
            }
        ],
    }


async def test_everybody_is_told_of_the_job_and_each_part(floor):
    job = (await floor.make("/api-jobs", PUBLISHED))["job"]
    created, part = await floor.events("job.created", "part.created")
    told = {"job_id": job["id"], "customer": "Acme Manufacturing", "parts_count": 1, "operations_count": 1}
    assert created["data"].items() >= told.items()
    assert (
        part["data"].items() >= {"part_id": job["parts"][0]["id"], "job_number": "JOB-2024-001", "quantity": 50}.items()
    )
    assert [(change["table"], change["op"]) for change in part["changes"]] == [
        ("parts", "insert"),
        ("operations", "insert"),
    ]
    assert {event["lane"] for event in (created, part)} == {f"job:{job['id']}"}


@pytest.mark.parametrize(
    ("path", "value", "field", "constraint"),
    [
        ("parts.0.operations.0.cell_id", Floor.NOWHERE, "parts[0].operations[0].cell_id", "FK_CONSTRAINT"),
        ("parts.0.operations.0.cell_id", "laser", "parts[0].operations[0].cell_id", "UUID_FORMAT"),
        (
            "parts.0.operations.0.assigned_operator_id",
            Floor.NOWHERE,
            "parts[0].operations[0].assigned_operator_id",
            "FK_CONSTRAINT",
        ),
        ("parts.0.operations.0.sequence", 0, "parts[0].operations[0].sequence", "MIN_VALUE"),
        ("parts.0.operations.0.colour", "red", "parts[0].operations[0].colour", "UNKNOWN_FIELD"),
        (
            "parts.0.operations.0.resources",
            [{"resource_id": Floor.NOWHERE}],
            "parts[0].operations[0].resources[0].resource_id",
            "FK_CONSTRAINT",
        ),
        (
            "parts.0.operations.0.resources",
            [{"resource_id": Floor.JIG}, {"resource_id": Floor.JIG}],
            "parts[0].operations[0].resources[1].resource_id",
            "UNIQUE_CONSTRAINT",
        ),
        ("parts.0.operations", [], "parts[0].operations", "MIN_LENGTH"),
        (
            "parts.0.operations",
            [PUBLISHED["parts"][0]["operations"][0]] * 2,
            "parts[0].operations",
            "UNIQUE_CONSTRAINT",
        ),
        ("parts.0.quantity", 0, "parts[0].quantity", "MIN_VALUE"),
        ("parts.0.quantity", 1.5, "parts[0].quantity", "TYPE_MISMATCH"),
        ("parts.0.parent_part_id", Floor.NOWHERE, "parts[0].parent_part_id", "FK_CONSTRAINT"),
        ("parts.0.part_number", "", "parts[0].part_number", "NOT_NULL"),
        ("parts", [], "parts", "MIN_LENGTH"),
        ("parts", [PUBLISHED["parts"][0]] * 2, "parts", "UNIQUE_CONSTRAINT"),
        ("job_number", "N" * 256, "job_number", "MAX_LENGTH"),
        ("job_number", None, "job_number", "NOT_NULL"),
        ("status", "flying", "status", "ENUM_CONSTRAINT"),
        ("due_date", "31-12-2030", "due_date", "DATE_FORMAT"),
        ("priority", -1, "priority", "MIN_VALUE"),
        ("current_cell_id", Floor.NOWHERE, "current_cell_id", "FK_CONSTRAINT"),
        ("metadata", "x", "metadata", "TYPE_MISMATCH"),
        ("customer", "Somebody else", "customer_name", "TYPE_MISMATCH"),
    ],
)
async def test_one_wrong_field_anywhere_and_nothing_exists(floor, path, value, field, constraint):
    before = await counts(floor)
    reply = await floor.send("POST", "/api-jobs", changed(path, value))
    assert (reply.status, reply.error["code"]) == (422, "VALIDATION_ERROR")
    [detail] = reply.error["details"]
    assert (detail["field"], detail["constraint"]) == (field, constraint)
    assert detail["message"] in reply.error["message"]
    assert await counts(floor) == before


async def test_several_wrong_fields_are_all_named(floor):
    body = {"status": "x", "parts": [{"part_number": "P", "quantity": -1, "operations": [{"sequence": 0}]}]}
    reply = await floor.send("POST", "/api-jobs", body)
    fields = {detail["field"] for detail in reply.error["details"]}
    nested = {f"parts[0].operations[0].{name}" for name in ("sequence", "operation_name", "cell_id")}
    assert fields == {"job_number", "status", "parts[0].quantity", *nested}
    assert "6 validation error(s) in job" in reply.error["message"]


async def test_a_taken_job_number_is_a_conflict_and_nothing_exists(floor):
    await floor.make("/api-jobs", PUBLISHED)
    before = await counts(floor)
    reply = await floor.send("POST", "/api-jobs", changed("parts.0.part_number", "OTHER"))
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    assert reply.error["message"] == 'job with job_number "JOB-2024-001" already exists'
    assert await counts(floor) == before


async def test_a_taken_part_number_is_a_conflict_and_nothing_exists(floor):
    await floor.make("/api-jobs", PUBLISHED)
    before = await counts(floor)
    reply = await floor.send("POST", "/api-jobs", changed("job_number", "OTHER"))
    assert (reply.status, reply.error["message"]) == (409, 'part with part_number "BRACKET-A1" already exists')
    assert await counts(floor) == before


async def test_of_16_who_take_the_same_number_at_once_one_gets_it_and_the_others_leave_nothing(floor):
    bodies = [changed("parts.0.part_number", f"P-{n}") for n in range(16)]
    replies = await asyncio.gather(*(floor.send("POST", "/api-jobs", body) for body in bodies))
    assert sorted(reply.status for reply in replies) == [201] + [409] * 15
    assert (await counts(floor)).items() >= {"jobs": 1, "parts": 1, "operations": 1, "operation_resources": 1}.items()


async def test_one_that_fails_at_its_last_operation_takes_only_itself_back(floor):
    wrong = changed("parts.0.operations.0.cell_id", floor.NOWHERE)
    bodies = [{**(wrong if n % 2 else PUBLISHED), "job_number": f"J-{n}"} for n in range(16)]
    bodies = [{**body, "parts": [{**body["parts"][0], "part_number": f"P-{n}"}]} for n, body in enumerate(bodies)]
    replies = await asyncio.gather(*(floor.send("POST", "/api-jobs", body) for body in bodies))
    assert [reply.status for reply in replies] == [201, 422] * 8
    numbers = {row["job_number"] for row in (await floor.get("/api-jobs"))["jobs"]}
    assert numbers == {f"J-{n}" for n in range(0, 16, 2)}
    assert len(await floor.events("job.created")) == 8


async def test_who_gives_no_sequence_gets_the_next_free_one(floor):
    given = [{"sequence": 2}, {}, {}, {"sequence": 4}, {}]
    operations = [{"operation_name": f"o{n}", "cell_id": floor.SAW, **one} for n, one in enumerate(given)]
    job = await floor.job()
    body = {"job_id": job["id"], "part_number": "NEW", "operations": operations}
    made = (await floor.make("/api-parts", body))["part"]["operations"]
    assert [one["sequence"] for one in made] == [2, 3, 5, 4, 6]


async def test_a_client_may_choose_the_id_and_a_second_time_is_a_conflict(floor):
    body = {"job_number": "J-9", "id": "22222222-2222-4333-8444-AAAAAAAAAAAA"}
    assert (await floor.make("/api-jobs", body))["job"]["id"] == body["id"].lower()
    assert (await floor.send("POST", "/api-jobs", {**body, "job_number": "J-10"})).status == 409


async def test_a_create_sent_again_under_its_key_makes_one_job(floor):
    once = {"Idempotency-Key": "make-1"}
    first = await floor.send("POST", "/api-jobs", PUBLISHED, headers=once)
    again = await floor.send("POST", "/api-jobs", PUBLISHED, headers=once)
    assert (again.status, again.data) == (201, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await floor.send("POST", "/api-jobs", {"job_number": "X"}, headers=once)).status == 422


# ------------------------------------------------------------------ parts


async def test_a_part_with_operations_is_made_under_its_job(floor):
    job = await floor.job()
    body = {
        "job_id": job["id"],
        "part_number": "NEW",
        "operations": [{"operation_name": "Saw", "cell_id": floor.SAW}] * 2,
    }
    part = (await floor.make("/api-parts", body))["part"]
    assert (
        part.items() >= {"material": "Unknown", "quantity": 1, "status": "not_started", "part_id": part["id"]}.items()
    )
    assert [operation["sequence"] for operation in part["operations"]] == [1, 2]
    assert part["job"] == {"id": job["id"], "job_number": "J-1", "customer": None}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"job_id": "{job}"}, 400, "part_number is required"),
        ({"part_number": "P"}, 400, "job_id is required"),
        ({"part_number": "P", "job_id": Floor.NOWHERE}, 422, "no job has the id"),
        ({"part_number": "P", "job_id": "{job}", "quantity": -3}, 422, "quantity must be >= 1"),
        ({"part_number": "P", "job_id": "{job}", "parent_part_id": "{other}"}, 422, "another part of the same job"),
        ({"part_number": "J-1-P1", "job_id": "{job}"}, 409, "already exists"),
        (
            {"part_number": "P", "job_id": "{job}", "operations": [{"operation_name": "x", "cell_id": Floor.NOWHERE}]},
            422,
            "1 validation error(s) in operation: Invalid cell_id",
        ),
    ],
)
async def test_a_part_that_cannot_be_is_refused_whole(floor, body, status, text):
    job, other = await floor.job(), await floor.job("J-2")
    ids = {"{job}": job["id"], "{other}": other["parts"][0]["id"]}
    before = await counts(floor)
    body = {name: ids.get(value, value) if isinstance(value, str) else value for name, value in body.items()}
    reply = await floor.send("POST", "/api-parts", body)
    assert reply.status == status
    assert text in reply.error["message"]
    assert await counts(floor) == before


async def test_no_part_is_above_itself(floor):
    job = await floor.job("J-1", (floor.LASER,), (floor.SAW,))
    upper, lower = (part["id"] for part in job["parts"])
    assert (await floor.send("PATCH", f"/api-parts?id={lower}", {"parent_part_id": upper})).status == 200
    for row_id, parent in ((upper, upper), (upper, lower)):
        reply = await floor.send("PATCH", f"/api-parts?id={row_id}", {"parent_part_id": parent})
        assert (reply.status, reply.error["details"][0]["field"]) == (422, "parent_part_id")


async def test_new_work_in_a_finished_job_opens_it_again(floor):
    job = await floor.job("J-1", (floor.LASER,))
    [part] = job["parts"]
    await floor.pressed(("start", part["operations"][0]["id"]), ("complete", part["operations"][0]["id"]))
    assert (await floor.get(f"/api-jobs?id={job['id']}"))["job"]["status"] == "completed"
    await floor.make("/api-operations", {"part_id": part["id"], "cell_id": floor.SAW, "operation_name": "Deburr"})
    assert (await floor.part(part["id"]))["status"] == "in_progress"
    shown = (await floor.get(f"/api-jobs?id={job['id']}"))["job"]
    assert (shown["status"], shown["completed_at"], shown["actual_duration"]) == ("in_progress", None, None)
