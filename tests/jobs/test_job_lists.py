"""Lists of jobs and parts, and what each key may see and do."""

import pytest

from gateway.web.routes import KEY_SCOPES, Scope

LIFECYCLE = "/api-job-lifecycle"


@pytest.mark.parametrize("table", ["jobs", "parts", "operations"])
async def test_the_order_of_the_states_is_that_of_the_cloud(floor, table):
    states = ("not_started", "in_progress", "completed", "on_hold")
    for number, state in enumerate(sorted(states)):
        await floor.job(f"J-{number}", (floor.LASER,))
        await floor.do(f"UPDATE {table} SET status = ? WHERE rowid = (SELECT max(rowid) FROM {table})", state)
    for order, found in (("asc", [*states]), ("desc", [*reversed(states)])):
        rows = (await floor.get(f"/api-{table}?sort=status&order={order}"))[table]
        assert [row["status"] for row in rows] == found


async def test_jobs_are_filtered_sorted_and_cut(floor):
    for number, customer in (("A-1", "Acme"), ("A%2", "acme b.v."), ("B_3", "Müller"), ("B-4", None)):
        await floor.job(number, (floor.LASER,), customer=customer)
        await floor.clock.advance(1)

    async def found(query: str) -> list[str]:
        return [row["job_number"] for row in (await floor.get(f"/api-jobs?{query}"))["jobs"]]

    assert await found("") == ["B-4", "B_3", "A%2", "A-1"]
    assert await found("order=asc") == ["A-1", "A%2", "B_3", "B-4"]
    assert await found("order=sideways&sort=job_number") == ["B_3", "B-4", "A-1", "A%2"]
    assert await found("sort=unknown") == ["B-4", "B_3", "A%2", "A-1"]
    assert await found("customer=ACME&sort=job_number&order=asc") == ["A%2", "A-1"]
    assert await found("job_number=%25") == ["A%2"]
    assert await found("job_number=_") == ["B_3"]
    assert await found("job_number=*") == []
    assert await found("search=m%C3%BCller") == ["B_3"]
    assert await found("search=a-1,(x)") == []
    assert await found("limit=2&offset=1") == ["B_3", "A%2"]
    assert await found("limit=1&limit=3") == ["B-4"]
    assert await found("limit=0") == ["B-4"]
    assert await found("limit=2.9&offset=-5") == ["B-4", "B_3"]
    assert len(await found("limit=many&offset=few&colour=red")) == 4
    assert await found("offset=99") == []
    assert (await floor.get("/api-jobs?limit=9999&offset=99"))["pagination"] == {
        "total": 4,
        "offset": 99,
        "limit": 1000,
        "next_cursor": None,
    }
    assert (await floor.get("/api-jobs?customer=acme&limit=1"))["pagination"]["total"] == 2
    assert (await floor.send("GET", "/api-jobs?status=flying")).error["details"][0]["constraint"] == "ENUM_CONSTRAINT"
    row = (await floor.get("/api-jobs?limit=1"))["jobs"][0]
    assert row["parts"][0].keys() >= {"id", "part_number", "material", "quantity", "status"}
    assert row.keys() >= {
        "external_id",
        "external_source",
        "current_cell_id",
        "started_at",
        "delivery_city",
        "customer_name",
    }


async def test_parts_are_filtered_and_say_what_the_cloud_leaves_out(floor):
    job = await floor.job("J-1", (floor.LASER,), (floor.SAW,))
    await floor.job("J-2", (floor.SAW,))

    async def found(query: str) -> list[str]:
        return [
            row["part_number"] for row in (await floor.get(f"/api-parts?{query}&sort=part_number&order=asc"))["parts"]
        ]

    assert await found(f"job_id={job['id']}") == ["J-1-P1", "J-1-P2"]
    assert await found("material=STEE&limit=1") == ["J-1-P1"]
    assert await found("part_number=nothing") == ["J-1-P1", "J-1-P2", "J-2-P1"]
    assert await found("search=j-2") == ["J-2-P1"]
    assert await found("status=completed") == []
    assert (await floor.send("GET", "/api-parts?job_id=x")).error["details"][0]["constraint"] == "UUID_FORMAT"
    row = (await floor.get("/api-parts"))["parts"][0]
    assert row.keys() >= {
        "job_id",
        "current_cell_id",
        "parent_part_id",
        "metadata",
        "image_paths",
        "external_id",
        "job",
    }


async def test_a_key_for_one_cell_sees_and_writes_what_is_worked_on_there(floor):
    mixed = await floor.job("J-1", (floor.LASER, floor.SAW))
    saw = await floor.job("J-2", (floor.SAW,))
    key = await floor.new_key(Scope.ADMIN, floor.LASER)
    assert [row["id"] for row in (await floor.get("/api-jobs", key=key))["jobs"]] == [mixed["id"]]
    assert [row["job_id"] for row in (await floor.get("/api-parts", key=key))["parts"]] == [mixed["id"]]
    assert (await floor.send("GET", f"/api-jobs?id={saw['id']}", key=key)).status == 404
    refused = [
        ("PATCH", f"/api-jobs?id={saw['id']}", {"notes": "x"}),
        ("DELETE", f"/api-jobs?id={saw['id']}", None),
        ("DELETE", f"/api-jobs?id={mixed['id']}", None),  # it would take the saw's operation along
        ("PATCH", f"/api-parts?id={saw['parts'][0]['id']}", {"notes": "x"}),
        ("POST", f"{LIFECYCLE}/start?id={saw['id']}", None),
        ("POST", "/api-jobs", {"job_number": "X", "parts": [_part(floor.SAW)]}),
    ]
    for method, path, body in refused:
        reply = await floor.send(method, path, body, key=key)
        assert (reply.status, reply.error["code"]) == (403, "CELL_NOT_ALLOWED"), path
    assert (await floor.send("PATCH", f"/api-jobs?id={mixed['id']}", {"notes": "x"}, key=key)).status == 200
    assert (await floor.get("/api-jobs"))["pagination"]["total"] == 2


def _part(cell_id: str) -> dict:
    operation = {"operation_name": "o", "sequence": 1, "cell_id": cell_id}
    return {"part_number": "X-1", "quantity": 1, "operations": [operation]}


@pytest.mark.parametrize(
    ("method", "path", "body", "needs"),
    [
        ("GET", "/api-jobs", None, Scope.READ),
        ("POST", f"{LIFECYCLE}/start?id={{job}}", None, Scope.OPERATE),
        ("POST", "/api-jobs", {"job_number": "X"}, Scope.PLAN),
        ("PATCH", "/api-jobs?id={job}", {"notes": "x"}, Scope.PLAN),
        ("DELETE", "/api-jobs?id={job}", None, Scope.PLAN),
        ("POST", "/api-parts", {"job_id": "{job}", "part_number": "X"}, Scope.PLAN),
    ],
)
async def test_each_scope_holds_those_before_it(floor, method, path, body, needs):
    job_id = (await floor.job())["id"]
    body = body and {name: value.replace("{job}", job_id) for name, value in body.items()}
    for scope in KEY_SCOPES:
        reply = await floor.send(method, path.replace("{job}", job_id), body, key=await floor.new_key(scope))
        if scope < needs:
            assert (reply.status, reply.error["code"]) == (403, "FORBIDDEN")
        elif scope == needs:
            assert reply.status in (200, 201)


async def test_what_does_not_exist_says_so(floor):
    for path in ("/api-jobs/anything", "/api-jobs/sync/more", "/api-parts/x/y", "/api-tasks-of-mine"):
        for method in ("GET", "POST"):
            reply = await floor.send(method, path, {} if method == "POST" else None)
            assert (reply.status, reply.error["code"]) == (404, "NOT_FOUND"), (method, path)
    reply = await floor.send("REPORT", "/api-jobs")
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")


async def test_an_address_of_a_cad_file_needs_one_that_the_part_lists(floor):
    job = await floor.job()
    part_id = job["parts"][0]["id"]
    await floor.send("PATCH", f"/api-parts?id={part_id}", {"file_paths": ["t/a.step"]})
    assert (await floor.send("GET", f"/api-parts/{part_id}/file-url")).status == 400
    for path in ("t/a.step", "t/b.step"):
        assert (await floor.send("GET", f"/api-parts/{part_id}/file-url?path={path}")).status == 404
    assert (await floor.send("GET", f"/api-parts/{floor.NOWHERE}/file-url?path=x")).status == 404
