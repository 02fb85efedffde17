"""Cells, resources, scrap reasons, templates and materials over real HTTP: one manner for every plain table."""

import pytest
from hall import Floor

from gateway.web.routes import Scope

NEW = {
    "/api-cells": ("cell", {"name": "Bending"}, {"name": "Bending 2"}),
    "/api-resources": ("resource", {"name": "Mold 3", "type": "mold"}, {"status": "in_use"}),
    "/api-scrap-reasons": (
        "scrap_reason",
        {"code": "DIM", "description": "Out of tolerance", "category": "process"},
        {"description": "Dimension"},
    ),
    "/api-templates": ("substep_template", {"name": "Deburr set"}, {"operation_type": "cutting"}),
}
FLAG = {"/api-templates": "is_global"}  # what the others call `active`
SAID = {"/api-scrap-reasons": "Scrap reason deleted successfully"}
ALL = pytest.mark.parametrize("path", NEW)


@ALL
@pytest.mark.parametrize("base", ["", "/functions/v1"])
async def test_a_row_is_made_read_changed_and_deleted(floor, path, base):
    one, body, change = NEW[path]
    made = (await floor.make(base + path, body))[one]
    flag = FLAG.get(path, "active")
    assert made.items() >= {**body, f"{one}_id": made["id"], flag: flag == "active"}.items()
    assert (await floor.get(f"{base}{path}?id={made['id']}"))[one] == made
    await floor.clock.advance(60)
    changed = (await floor.send("PATCH", f"{base}{path}?id={made['id']}", change)).data[one]
    assert (
        changed.items()
        >= {**change, "updated_at": "2026-11-02T07:01:00+00:00", "created_at": made["created_at"]}.items()
    )
    put = (await floor.send("PUT", f"{base}{path}/?id={made['id'].upper()}", {flag: flag != "active"})).data[one]
    assert put[flag] is (flag != "active")
    for _ in range(2):
        reply = await floor.send("DELETE", f"{base}{path}?id={made['id']}")
        assert (reply.status, reply.data) == (200, {"message": SAID.get(path, "Deleted successfully")})
    assert (await floor.send("GET", f"{base}{path}?id={made['id']}")).status == 404


@ALL
@pytest.mark.parametrize(
    ("method", "query", "given", "status", "code"),
    [
        ("GET", "?id=zz", None, 404, "NOT_FOUND"),
        ("GET", f"?id={Floor.NOWHERE}", None, 404, "NOT_FOUND"),
        ("GET", "?{flag}=maybe", None, 422, "VALIDATION_ERROR"),
        ("GET", "/sub/path", None, 404, "NOT_FOUND"),
        ("POST", "", {}, 422, "VALIDATION_ERROR"),
        ("POST", "", {"colour": "red"}, 422, "VALIDATION_ERROR"),
        ("PATCH", "", {"{flag}": True}, 400, "BAD_REQUEST"),
        ("PUT", "?id=", {"colour": "red"}, 400, "BAD_REQUEST"),
        ("PATCH", "?id={id}", {}, 400, "BAD_REQUEST"),
        ("PATCH", "?id={id}", {"id": Floor.NOWHERE}, 400, "BAD_REQUEST"),
        ("PATCH", "?id={id}", {"colour": "red"}, 422, "VALIDATION_ERROR"),
        ("PATCH", "?id={id}", {"{flag}": "yes"}, 422, "VALIDATION_ERROR"),
        ("PATCH", "?id=zz", {"{flag}": True}, 404, "NOT_FOUND"),
        ("PATCH", f"?id={Floor.NOWHERE}", {"{flag}": True}, 404, "NOT_FOUND"),
        ("DELETE", "", None, 400, "BAD_REQUEST"),
        ("REPORT", "", None, 400, "BAD_REQUEST"),
    ],
)
async def test_what_is_wrong_is_said_by_name(floor, path, method, query, given, status, code):
    one, body, _ = NEW[path]
    made = (await floor.make(path, body))[one]
    flag = FLAG.get(path, "active")
    given = given and {name.replace("{flag}", flag): value for name, value in given.items()}
    asked = path + query.replace("{id}", made["id"]).replace("{flag}", flag)
    reply = await floor.send(method, asked, given)
    assert (reply.status, reply.error["code"]) == (status, code)
    assert (await floor.get(f"{path}?id={made['id']}"))[one] == made


@ALL
async def test_a_row_that_was_sent_back_unchanged_leaves_no_trace(floor, path):
    one, body, _ = NEW[path]
    made = (await floor.make(path, body))[one]
    before = await floor.events()
    reply = await floor.send("PATCH", f"{path}?id={made['id']}", {**body, "id": made["id"], "created_at": "2020-01-01"})
    assert reply.data[one] == made
    assert await floor.events() == before


@pytest.mark.parametrize(
    ("path", "field"), [("/api-resources", "name"), ("/api-scrap-reasons", "code"), ("/api-templates", "name")]
)
async def test_a_taken_name_is_a_conflict(floor, path, field):
    one, body, _ = NEW[path]
    await floor.make(path, body)
    reply = await floor.send("POST", path, body)
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    assert reply.error["message"] == f'{one} with {field} "{body[field]}" already exists'
    assert reply.error["details"] == {"field": field, "value": body[field]}


async def test_a_deleted_resource_gives_its_name_back_and_is_needed_by_nobody(floor):
    for _ in range(2):
        made = await floor.make(
            "/api-resources", {"name": "Jig", "type": "fixture", "external_id": "1", "external_source": "e"}
        )
        assert (await floor.send("DELETE", f"/api-resources?id={made['resource']['id']}")).status == 200
    part_id = (await floor.job())["parts"][0]["id"]
    body = {"part_id": part_id, "cell_id": floor.SAW, "operation_name": "x"}
    reply = await floor.send(
        "POST", "/api-operations", {**body, "resources": [{"resource_id": made["resource"]["id"]}]}
    )
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "resources[0].resource_id")


@ALL
async def test_a_client_may_choose_the_id_once(floor, path):
    one, body, _ = NEW[path]
    body = {**body, "id": "22222222-2222-4333-8444-ABCDEFABCDEF", "tenant_id": floor.NOWHERE}
    made = (await floor.make(path, body))[one]
    assert (made["id"], made["tenant_id"] == floor.NOWHERE) == (body["id"].lower(), False)
    assert (await floor.send("POST", path, body)).status == 409
    assert (await floor.send("POST", path, {**body, "id": "22"})).error["details"][0]["constraint"] == "UUID_FORMAT"


@ALL
async def test_a_create_sent_again_under_its_key_makes_one_row(floor, path):
    one, body, _ = NEW[path]
    once = {"Idempotency-Key": "row-1"}
    first = await floor.send("POST", path, body, headers=once)
    again = await floor.send("POST", path, body, headers=once)
    assert (again.status, again.data, again.headers["Idempotency-Replayed"]) == (201, first.data, "true")
    reply = await floor.send("POST", path, {**body, FLAG.get(path, "active"): False}, headers=once)
    assert (reply.status, reply.error["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert first.data[one]["id"] == again.data[one]["id"]


@ALL
async def test_reading_needs_the_least_and_writing_the_scope_to_plan(floor, path):
    body = NEW[path][1]
    for scope, status in ((Scope.READ, 403), (Scope.OPERATE, 403), (Scope.PLAN, 201)):
        key = await floor.new_key(scope)
        await floor.get(path, key=key)
        assert (await floor.send("POST", path, body, key=key)).status == status


# ------------------------------------------------------------------ cells


async def test_a_cell_gets_the_next_place_and_every_field_of_it(floor):
    given = {
        "name": "Bending",
        "description": "d",
        "color": "#ff0000",
        "icon_name": "bolt",
        "image_url": "t/x.png",
        "wip_limit": 5,
        "wip_warning_threshold": 4,
        "enforce_wip_limit": True,
        "show_capacity_warning": False,
        "capacity_hours_per_day": 31.5,
    }
    cell = (await floor.make("/api-cells", given))["cell"]
    assert cell.items() >= {**given, "sequence": 3}.items()
    assert (await floor.make("/api-cells", {"name": "Bending", "sequence": 9}))["cell"]["sequence"] == 9
    assert (await floor.make("/api-cells", {"name": "Paint"}))["cell"]["capacity_hours_per_day"] == 8
    assert (await floor.send("POST", "/api-cells", {"name": "x", "sequence": None})).status == 422


async def test_cells_are_listed_in_their_order(floor):
    await floor.send("PATCH", f"/api-cells?id={floor.SAW}", {"active": False})

    async def found(query: str) -> list[str]:
        return [row["name"] for row in (await floor.get(f"/api-cells?{query}"))["cells"]]

    assert await found("") == ["Laser", "Saw"]
    assert await found("order=desc") == ["Saw", "Laser"]
    assert await found("sort=name&order=desc") == ["Saw", "Laser"]
    for spelling in ("false", "False", "0"):
        assert await found(f"active={spelling}") == ["Saw"]
    assert await found("search=AS") == ["Laser"]
    assert await found("limit=1&offset=1") == ["Saw"]


async def test_a_cell_in_use_stays_and_says_the_way_out(floor):
    await floor.job()
    reply = await floor.send("DELETE", f"/api-cells?id={floor.LASER}")
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    assert "active=false" in reply.error["message"]
    assert len((await floor.get("/api-cells"))["cells"]) == 2


async def test_a_key_for_one_cell_sees_and_writes_that_one(floor):
    key = await floor.new_key(Scope.ADMIN, floor.LASER)
    assert [row["id"] for row in (await floor.get("/api-cells", key=key))["cells"]] == [floor.LASER]
    assert (await floor.send("GET", f"/api-cells?id={floor.SAW}", key=key)).status == 404
    for method, path, body in (
        ("PATCH", f"/api-cells?id={floor.SAW}", {"name": "x"}),
        ("DELETE", f"/api-cells?id={floor.SAW}", None),
        ("POST", "/api-cells", {"name": "x"}),
    ):
        reply = await floor.send(method, path, body, key=key)
        assert (reply.status, reply.error["code"]) == (403, "CELL_NOT_ALLOWED")
    assert (await floor.send("PATCH", f"/api-cells?id={floor.LASER}", {"name": "L"}, key=key)).status == 200


# ------------------------------------------------------------------ the others


async def test_resources_are_found_by_their_external_id_and_announced(floor):
    body = {"name": "Tool 1", "type": "tooling", "identifier": "T-1", "external_id": "77", "external_source": "sap"}
    made = (await floor.make("/api-resources", body))["resource"]
    assert made.items() >= {**body, "status": "available", "metadata": None, "location": None}.items()
    await floor.send("PATCH", f"/api-resources?id={made['id']}", {"status": "maintenance", "metadata": {"h": 1}})

    async def found(query: str) -> list[str]:
        return [row["name"] for row in (await floor.get(f"/api-resources?{query}"))["resources"]]

    assert await found("") == ["Jig 7", "Tool 1"]
    for query in ("type=tooling", "status=maintenance", "external_source=sap&external_id=77", "search=t-1"):
        assert await found(query) == ["Tool 1"]
    assert await found("active=false") == []
    created, updated = await floor.events("resource.created", "resource.updated")
    assert created["data"].items() >= {"resource_id": made["id"], "name": "Tool 1", "type": "tooling"}.items()
    assert {"status", "metadata"} <= {*updated["data"]["changes"]}
    assert (await floor.send("POST", "/api-resources", {**body, "name": "Tool 2"})).status == 409


async def test_only_active_scrap_reasons_are_listed_unless_asked(floor):
    await floor.send("PATCH", f"/api-scrap-reasons?id={floor.BURR}", {"active": False})

    async def found(query: str) -> list[str]:
        return [row["code"] for row in (await floor.get(f"/api-scrap-reasons?{query}"))["scrap_reasons"]]

    assert await found("") == ["SCR"]
    assert await found("active=false") == ["BURR"]
    await floor.make("/api-scrap-reasons", {"code": "AAA", "description": "x", "category": "material"})
    assert await found("") == ["AAA", "SCR"]
    assert await found("category=material&sort=code&order=desc") == ["SCR", "AAA"]
    assert await found("search=scratch") == ["SCR"]
    reply = await floor.send("POST", "/api-scrap-reasons", {"code": "B", "description": "x", "category": "surface"})
    assert (reply.status, reply.error["details"][0]["constraint"]) == (422, "ENUM_CONSTRAINT")


async def test_a_scrap_reason_in_use_stays(floor):
    operation_id = (await floor.job())["parts"][0]["operations"][0]["id"]
    booked = {"operation_id": operation_id, "quantity_scrap": 3}
    split = [{"scrap_reason_id": one, "quantity": 1} for one in (floor.BURR, floor.SCRATCH)]
    await floor.make("/api-operation-quantities", {**booked, "scrap_reasons": split})
    for one in (floor.BURR, floor.SCRATCH):
        reply = await floor.send("DELETE", f"/api-scrap-reasons?id={one}")
        assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
        assert "active=false" in reply.error["message"]


async def test_a_category_that_does_not_exist_has_no_reasons(floor):
    assert (await floor.get("/api-scrap-reasons?category=magic"))["scrap_reasons"] == []


async def test_a_resource_stays_while_work_needs_it(floor):
    part_id = (await floor.job())["parts"][0]["id"]
    body = {
        "part_id": part_id,
        "cell_id": floor.SAW,
        "operation_name": "Bend",
        "resources": [{"resource_id": floor.JIG}],
    }
    operation = (await floor.make("/api-operations", body))["operation"]
    reply = await floor.send("DELETE", f"/api-resources?id={floor.JIG}")
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    assert '"Bend"' in reply.error["message"]
    await floor.pressed(("start", operation["id"]), ("complete", operation["id"]))
    assert (await floor.send("DELETE", f"/api-resources?id={floor.JIG}")).status == 200


async def test_templates_have_their_items_and_are_listed_by_name(floor):
    made = (await floor.make("/api-templates", {"name": "Weld set", "description": "Seams", "is_global": True}))[
        "substep_template"
    ]
    assert made["items"] == []
    for place, name in ((2, "Clean"), (1, "Tack")):
        values = (f"{floor.NOWHERE[:-1]}{place}", made["id"], name, place)
        await floor.do(
            "INSERT INTO substep_template_items (id, template_id, name, sequence, created_at, updated_at) "
            "VALUES (?, ?, ?, ?, '', '')",
            *values,
        )
    await floor.clock.advance(1)
    await floor.make("/api-templates", {"name": "Cut set", "operation_type": "cutting"})

    async def found(query: str) -> list[str]:
        return [row["name"] for row in (await floor.get(f"/api-templates?{query}"))["substep_templates"]]

    assert await found("") == ["Cut set", "Weld set"]
    assert await found("order=desc") == ["Weld set", "Cut set"]
    assert await found("operation_type=cutting") == await found("is_global=false") == ["Cut set"]
    assert await found("search=seam") == ["Weld set"]
    assert await found("sort=created_at&order=desc&limit=1") == ["Cut set"]
    items = (await floor.get(f"/api-templates?id={made['id']}"))["substep_template"]["items"]
    assert [(item["name"], item["sequence"], item["notes"]) for item in items] == [
        ("Tack", 1, None),
        ("Clean", 2, None),
    ]
    reply = await floor.send("PATCH", f"/api-templates?id={made['id']}", {"items": []})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "items")
    assert (await floor.send("DELETE", f"/api-templates?id={made['id']}")).status == 200
    assert await floor.query("SELECT * FROM substep_template_items") == []


async def test_materials_are_the_catalogue_and_what_parts_are_made_of(floor):
    job = await floor.job()
    assert (await floor.get("/api-materials"))["materials"] == ["Steel", "Steel S235"]
    await floor.send("DELETE", f"/api-jobs?id={job['id']}")
    assert (await floor.get("/functions/v1/api-materials/"))["materials"] == ["Steel S235"]
    reply = await floor.send("POST", "/api-materials", {"name": "x"})
    assert (reply.status, reply.error["code"]) == (405, "METHOD_NOT_ALLOWED")
