"""`/api-issues`: issues and NCRs as rows."""

import pytest
from hall import Floor

from gateway.web.routes import Scope

PATH = "/api-issues"
LISTED = (
    "id title description severity status issue_type ncr_category disposition affected_quantity reported_by_id created_by "
    "root_cause corrective_action preventive_action resolution_notes verification_required current_cell_id "
    "intended_next_cell_id reviewed_at reviewed_by image_paths created_at updated_at operation_id operation reporter "
    "current_cell intended_next_cell"
).split()
COLUMNS = {*LISTED, "tenant_id", "causes_standstill"}
BODY = {"title": "Burr", "description": "A burr on the left edge"}


async def operation(floor: Floor, number: str = "J-1") -> str:
    return (await floor.job(number))["parts"][0]["operations"][0]["id"]


async def raised(floor: Floor, **given):
    body = {"operation_id": await operation(floor, given.pop("number", "J-1")), **BODY, **given}
    return (await floor.make(PATH, body))["issue"]


async def changed(floor: Floor, issue, **given):
    return (await floor.send("PATCH", f"{PATH}?id={issue['id']}", given)).data["issue"]


async def test_every_column_is_answered_and_listed(floor):
    operation_id = await operation(floor)
    body = {
        "operation_id": operation_id,
        **BODY,
        "severity": "high",
        "created_by": floor.ANNA,
        "reported_by_id": floor.BEN,
        "affected_quantity": 3,
        "current_cell_id": floor.LASER,
        "intended_next_cell_id": floor.SAW,
        "image_paths": ["t/issues/a.png"],
        "root_cause": "worn tool",
        "corrective_action": "new tool",
        "preventive_action": "count strokes",
    }
    row = (await floor.make(PATH, body))["issue"]
    assert set(row) >= COLUMNS
    assert row.items() >= body.items()
    assert (row["status"], row["issue_type"], row["causes_standstill"]) == ("pending", "general", False)
    assert (row["verification_required"], row["verified"], row["reviewed_at"]) == (False, False, None)
    assert row["operation"].items() >= {"id": operation_id, "operation_name": "Op 1"}.items()
    assert row["reporter"] == {"id": floor.BEN, "full_name": "Ben", "username": "ben"}
    assert row["current_cell"] == {"id": floor.LASER, "name": "Laser"}
    assert row["intended_next_cell"] == {"id": floor.SAW, "name": "Saw"}
    assert (await floor.get(f"{PATH}?id={row['id']}"))["issue"] == row
    listed = await floor.get(PATH)
    assert listed["issues"] == [row]
    assert listed["pagination"].items() >= {"total": 1, "offset": 0, "limit": 100}.items()


async def test_an_operation_and_a_description_are_enough(floor):
    row = (await floor.make(PATH, {"operation_id": await operation(floor), "description": "x" * 100}))["issue"]
    assert (row["title"], row["severity"], row["created_by"]) == ("x" * 80, "medium", None)


async def test_who_raises_it_is_the_keys_operator_unless_somebody_is_named(floor):
    key = await floor.new_key(Scope.OPERATE, operator_id=floor.ANNA)
    body = {"operation_id": await operation(floor), **BODY}
    assert (await floor.make(PATH, body, key=key))["issue"]["created_by"] == floor.ANNA
    assert (await floor.make(PATH, {**body, "created_by": floor.BEN}, key=key))["issue"]["created_by"] == floor.BEN


async def test_a_client_may_choose_id_time_and_state(floor):
    given = {"id": floor.NOWHERE, "created_at": "2026-11-01T08:00:00Z", "status": "closed", "tenant_id": floor.NOWHERE}
    row = await raised(floor, **given)
    assert (row["id"], row["created_at"], row["status"]) == (floor.NOWHERE, "2026-11-01T08:00:00+00:00", "closed")
    reply = await floor.send("POST", PATH, {"operation_id": row["operation_id"], **BODY, "id": floor.NOWHERE})
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("given", "field", "constraint"),
    [
        ({"operation_id": None}, "operation_id", "NOT_NULL"),
        ({"operation_id": "zz"}, "operation_id", "UUID_FORMAT"),
        ({"operation_id": Floor.NOWHERE}, "operation_id", "FK_CONSTRAINT"),
        ({"description": None}, "description", "NOT_NULL"),
        ({"description": ""}, "description", "NOT_NULL"),
        ({"description": "x" * 10_001}, "description", "MAX_LENGTH"),
        ({"title": ""}, "title", "NOT_NULL"),
        ({"title": None}, "title", "NOT_NULL"),
        ({"title": "x" * 256}, "title", "MAX_LENGTH"),
        ({"title": 7}, "title", "TYPE_MISMATCH"),
        ({"issue_type": "bug"}, "issue_type", "ENUM_CONSTRAINT"),
        ({"severity": "urgent"}, "severity", "ENUM_CONSTRAINT"),
        ({"severity": None}, "severity", "NOT_NULL"),
        ({"status": "open"}, "status", "ENUM_CONSTRAINT"),
        ({"created_by": "anna"}, "created_by", "UUID_FORMAT"),
        ({"created_by": Floor.NOWHERE}, "created_by", "FK_CONSTRAINT"),
        ({"reported_by_id": Floor.NOWHERE}, "reported_by_id", "FK_CONSTRAINT"),
        ({"reviewed_by": Floor.NOWHERE}, "reviewed_by", "FK_CONSTRAINT"),
        ({"resolved_by_id": Floor.NOWHERE}, "resolved_by_id", "FK_CONSTRAINT"),
        ({"verified_by_id": Floor.NOWHERE}, "verified_by_id", "FK_CONSTRAINT"),
        ({"current_cell_id": Floor.NOWHERE}, "current_cell_id", "FK_CONSTRAINT"),
        ({"intended_next_cell_id": 5}, "intended_next_cell_id", "UUID_FORMAT"),
        ({"ncr_number": "x" * 51}, "ncr_number", "MAX_LENGTH"),
        ({"ncr_category": "weather"}, "ncr_category", "ENUM_CONSTRAINT"),
        ({"ncr_disposition": "burn"}, "ncr_disposition", "ENUM_CONSTRAINT"),
        ({"disposition": "scrap", "ncr_disposition": "rework"}, "ncr_disposition", "TYPE_MISMATCH"),
        ({"affected_quantity": -1}, "affected_quantity", "MIN_VALUE"),
        ({"affected_quantity": "3"}, "affected_quantity", "TYPE_MISMATCH"),
        ({"affected_quantity": 2**40}, "affected_quantity", "MAX_VALUE"),
        ({"causes_standstill": "yes"}, "causes_standstill", "TYPE_MISMATCH"),
        ({"causes_standstill": None}, "causes_standstill", "NOT_NULL"),
        ({"image_paths": "a.png"}, "image_paths", "TYPE_MISMATCH"),
        ({"image_paths": [1]}, "image_paths[0]", "TYPE_MISMATCH"),
        ({"reviewed_at": "soon"}, "reviewed_at", "DATE_FORMAT"),
        ({"verified": "yes"}, "verified", "TYPE_MISMATCH"),
        ({"verified_at": "2026-11-01"}, "verified_at", "UNKNOWN_FIELD"),
        ({"metadata": {}}, "metadata", "UNKNOWN_FIELD"),
        ({"colour": "red"}, "colour", "UNKNOWN_FIELD"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_raised(floor, given, field, constraint):
    body = {"operation_id": await operation(floor), **BODY, **given}
    reply = await floor.send("POST", PATH, body)
    assert (reply.status, reply.error["code"]) == (422, "VALIDATION_ERROR")
    [detail] = reply.error["details"]
    assert (detail["field"], detail["constraint"]) == (field, constraint)
    assert (await floor.get(PATH))["pagination"]["total"] == 0
    assert await floor.events("issue.created") == []


@pytest.mark.parametrize("name", ["operation_id", "description"])
async def test_what_has_to_be_there(floor, name):
    body = {"operation_id": await operation(floor), **BODY}
    del body[name]
    reply = await floor.send("POST", PATH, body)
    assert (reply.status, reply.error["details"][0]["field"]) == (422, name)


# ------------------------------------------------------------------ what is told


async def test_everybody_is_told_with_every_field(floor):
    row = await raised(
        floor, created_by=floor.ANNA, severity="high", issue_type="ncr", ncr_category="supplier", affected_quantity=2
    )
    created, ncr = await floor.events("issue.created", "ncr.created")
    part = (await floor.operation(row["operation_id"]))["part"]
    about = {
        "issue_id": row["id"],
        "operation_id": row["operation_id"],
        "operation_name": "Op 1",
        "part_id": part["id"],
        "part_number": "J-1-P1",
        "job_id": part["job"]["id"],
        "job_number": "J-1",
        "cell_id": floor.LASER,
        "cell_name": "Laser",
        "created_by": floor.ANNA,
        "operator_name": "Anna",
        "severity": "high",
        "title": "Burr",
        "description": BODY["description"],
        "issue_type": "ncr",
        "ncr_category": "other",
        "disposition": None,
        "causes_standstill": False,
        "created_at": row["created_at"],
    }
    assert created["data"] == about
    assert ncr["data"] == {**about, "ncr_number": row["ncr_number"], "affected_quantity": 2}
    assert (created["aggregate"], created["lane"]) == (f"issue:{row['id']}", f"job:{about['job_id']}")
    told = [(change["table"], change["id"], change["op"]) for change in created["changes"]]
    assert (told, ncr["changes"]) == ([("issues", row["id"], "insert")], [])


async def test_it_happened_when_the_client_says_but_never_in_the_future(floor):
    row = await raised(floor, created_at="2026-01-01T00:00:00Z")
    await floor.make(PATH, {"operation_id": row["operation_id"], **BODY, "created_at": "2099-01-01"})
    past, future = await floor.events("issue.created")
    assert past["occurred_at"] == "2026-01-01T00:00:00+00:00"
    assert future["occurred_at"] == future["recorded_at"]


async def test_a_plain_issue_is_no_ncr_and_a_change_has_no_name(floor):
    row = await raised(floor)
    before = len(await floor.events())
    await changed(floor, row, severity="critical")
    assert await floor.events("ncr.created", "ncr.verified") == []
    *_, last = await floor.events()
    assert (last["type"], last["changes"][0]["fields"]) == (None, ["severity", "updated_at"])
    await changed(floor, row, severity="critical")
    assert len(await floor.events()) == before + 1


# ------------------------------------------------------------------ states


async def test_who_leaves_pending_was_reviewed_now_by_the_key_unless_said(floor):
    key = await floor.new_key(Scope.OPERATE, operator_id=floor.CEM)
    row = await raised(floor)
    await floor.clock.advance(60)
    path = f"{PATH}?id={row['id']}"
    row = (await floor.send("PATCH", path, {"status": "rejected", "resolution_notes": "fine"}, key=key)).data["issue"]
    assert (row["reviewed_at"], row["reviewed_by"]) == (row["updated_at"], floor.CEM)
    row = await changed(floor, row, status="pending")
    assert (row["reviewed_at"], row["reviewed_by"], row["resolution_notes"]) == (None, None, "fine")
    said = {"reviewed_by": floor.BEN, "reviewed_at": "2026-11-01T08:00:00+00:00"}
    row = (await floor.send("PUT", path, {"status": "approved", **said}, key=key)).data["issue"]
    assert row.items() >= said.items()
    row = (await floor.send("PATCH", path, {"status": "closed"}, key=key)).data["issue"]
    assert row.items() >= said.items()


async def test_an_illegal_change_of_state_is_refused_with_the_way_out(floor):
    row = await changed(floor, await raised(floor), status="approved")
    reply = await floor.send("PATCH", f"{PATH}?id={row['id']}", {"status": "pending", "severity": "low"})
    assert (reply.status, reply.error["code"]) == (400, "INVALID_STATE_TRANSITION")
    details = {"current_status": "approved", "requested": "pending", "allowed_from": ["rejected", "closed"]}
    assert reply.error["details"] == details
    assert (await floor.get(f"{PATH}?id={row['id']}"))["issue"] == row


# ------------------------------------------------------------------ the rest of the verbs


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 400),
        ({"id": Floor.NOWHERE, "created_at": "2020-01-01"}, 400),
        ({"title": ""}, 422),
        ({"description": None}, 422),
        ({"status": None}, 422),
        ({"operation_id": Floor.NOWHERE}, 422),
        ({"intended_next_cell_id": Floor.NOWHERE}, 422),
        ({"verified_by_id": Floor.NOWHERE}, 422),
        ({"colour": "red"}, 422),
        ([], 422),
    ],
)
async def test_a_change_that_cannot_be(floor, given, status):
    row = await raised(floor)
    assert (await floor.send("PATCH", f"{PATH}?id={row['id']}", given)).status == status
    assert (await floor.get(f"{PATH}?id={row['id']}"))["issue"] == row


async def test_ids_and_methods(floor):
    row = await raised(floor)
    for path, status in ((f"{PATH}?id={floor.NOWHERE}", 404), (f"{PATH}?id=zz", 404), (PATH, 400)):
        assert (await floor.send("PATCH", path, {"severity": "low"})).status == status
    assert (await floor.send("GET", f"{PATH}?id=zz")).status == 404
    assert (await floor.send("DELETE", PATH)).status == 400
    for _ in range(2):  # [U] who asks twice has what he wants
        reply = await floor.send("DELETE", f"{PATH}?id={row['id']}")
        assert (reply.status, reply.data) == (200, {"message": "Deleted successfully"})
    assert (await floor.send("GET", f"{PATH}?id={row['id']}")).status == 404
    *_, gone = await floor.events()
    [change] = gone["changes"]
    assert (change["op"], change["fields"]["title"]) == ("delete", "Burr")


async def test_an_issue_outlives_its_operation(floor):
    row = await raised(floor)
    assert (await floor.send("DELETE", f"/api-operations?id={row['operation_id']}")).status == 200
    assert (await changed(floor, row, status="closed"))["operation"]["operation_name"] == "Op 1"
    reply = await floor.send("POST", PATH, {"operation_id": row["operation_id"], **BODY})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "operation_id")
    assert (await floor.send("DELETE", f"{PATH}?id={row['id']}")).status == 200


async def test_lists_are_filtered_searched_and_sorted(floor):
    for number, (severity, title) in enumerate(
        (("low", "a 100% burr"), ("critical", "b"), ("medium", "c"), ("high", "d burr")), 1
    ):
        given = {"severity": severity, "title": title, "created_at": f"2026-10-0{number}", "reported_by_id": floor.BEN}
        await raised(floor, number=f"J-{number}", **given)
    ncr = await raised(floor, number="J-5", issue_type="ncr", ncr_category="dimensional", title="e", status="closed")

    async def titles(query: str) -> str:
        return "".join(row["title"][0] for row in (await floor.get(f"{PATH}?{query}"))["issues"])

    assert await titles("") == "edcba"
    assert await titles("order=asc") == "abcde"
    assert await titles("severity=high") == "d"
    assert await titles("status=closed") == "e"
    assert await titles("issue_type=ncr&ncr_category=dimensional") == "e"
    assert await titles(f"reported_by_id={floor.BEN}&limit=2&offset=1") == "cb"
    assert await titles(f"operation_id={ncr['operation_id']}") == "e"
    assert await titles("search=D BURR") == "d"
    assert await titles("search=0%25") == "a"
    assert await titles("search=left edge") == "edcba"
    assert await titles("issue_type=general&sort=severity&order=asc") == "acdb"
    assert await titles("issue_type=general&sort=severity") == "bdca"
    assert await titles("sort=status&order=desc&limit=1") == "e"
    assert await titles("colour=red&sort=colour&offset=99") == ""
    for query in ("severity=urgent", "status=open", "issue_type=x", "ncr_category=material", "operation_id=7"):
        reply = await floor.send("GET", f"{PATH}?{query}")
        assert (reply.status, reply.error["code"]) == (422, "VALIDATION_ERROR")


async def test_who_may_raise_and_see(floor):
    laser, saw = (one["id"] for one in (await floor.job())["parts"][0]["operations"])
    row = (await floor.make(PATH, {"operation_id": saw, **BODY}))["issue"]
    reader = await floor.new_key(Scope.READ)
    assert (await floor.send("POST", PATH, {"operation_id": laser, **BODY}, key=reader)).status == 403
    key = await floor.new_key(Scope.OPERATE, floor.LASER)
    await floor.make(PATH, {"operation_id": laser, **BODY}, key=key)
    assert (await floor.get(PATH, key=key))["pagination"]["total"] == 1
    assert (await floor.send("GET", f"{PATH}?id={row['id']}", key=key)).status == 404
    one = f"{PATH}?id={row['id']}"
    asked = (
        ("POST", PATH, {"operation_id": saw, **BODY}),
        ("PATCH", one, {"severity": "low"}),
        ("DELETE", one, None),
    )
    for method, path, body in asked:
        refused = await floor.send(method, path, body, key=key)
        assert (refused.status, refused.error["code"]) == (403, "CELL_NOT_ALLOWED")


async def test_once_under_one_key(floor):
    body = {"operation_id": await operation(floor), **BODY, "issue_type": "ncr"}
    once = {"Idempotency-Key": "raise-1"}
    first = await floor.make(PATH, body, headers=once)
    assert await floor.make(PATH, body, headers=once) == first
    assert len(await floor.events("issue.created")) == 1
