"""/api-forward: what another gateway has done, call by call, once each."""

from gateway.outbox import journal
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

CELL_A, CELL_B = ("00000000-0000-4000-8000-00000000fe01", "00000000-0000-4000-8000-00000000fe02")


def item(key: str, method: str, path: str, body=None, **more) -> dict:
    return {"key": key, "method": method, "path": path, "body": body, **more}


async def send(floor, *items, gateway="gw-cell", epoch=5, key=None, **more):
    body = {"gateway_id": gateway, "epoch": epoch, "items": [*items], **more}
    return await floor.send("POST", "/api-forward", body, key=key)


async def forwarded(floor, *items, **more) -> list[dict]:
    reply = await send(floor, *items, **more)
    assert reply.status == 200, reply.body
    return reply.data["results"]


def start(key: str, operation: dict, **more) -> dict:
    return item(key, "POST", f"/api-operation-lifecycle/start?id={operation['id']}", **more)


async def test_an_item_is_the_call_of_its_path_with_its_true_time_and_origin(floor):
    first = (await floor.job())["parts"][0]["operations"][0]
    since = await floor.db.read(journal.head)
    when = "2026-01-02T03:04:05+00:00"
    (result,) = await forwarded(floor, start("k1", first, body={"operator_id": floor.ANNA}, occurred_at=when))
    assert (result["key"], result["status"], result["replayed"]) == ("k1", 200, False)
    shown = (await floor.get(f"/api-operations?id={first['id']}"))["operation"]
    assert (shown["status"], shown["started_at"]) == ("in_progress", when)
    assert result["body"]["data"]["operation"]["id"] == first["id"]
    entries = await floor.db.read(journal.after, since)
    assert {entry.origin for entry in entries} == {"gw-cell"}


async def test_a_repeat_is_answered_from_the_first_time(floor):
    cell = item("k1", "POST", "/functions/v1/api-cells", {"name": "Bending"})
    (first,) = await forwarded(floor, cell)
    (second,) = await forwarded(floor, cell)
    assert (second["replayed"], second["body"], second["status"]) == (True, first["body"], 201)
    (other,) = await forwarded(floor, {**cell, "body": {"name": "Another"}})
    assert (other["status"], other["body"]["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    (stranger,) = await forwarded(floor, {**cell, "body": {"name": "Third"}}, gateway="gw-two")
    assert stranger["status"] == 201


async def test_a_job_tree_stops_at_its_first_refusal_and_others_go_on(floor):
    one, two = [(await floor.job(name))["parts"][0]["operations"][0] for name in ("J-1", "J-2")]
    pause = item("b", "POST", f"/api-operation-lifecycle/pause?id={one['id']}")
    booked = item("c", "POST", "/api-operation-quantities", {"operation_id": one["id"], "quantity_good": 1})
    results = await forwarded(floor, pause, booked, start("d", two), start("e", one))
    assert [result["status"] for result in results] == [400, 424, 200, 424]
    assert results[1]["body"]["error"]["details"] == {"refused": "b"}
    assert (await floor.get("/api-operation-quantities"))["operation_quantities"] == []
    again = await forwarded(floor, booked)  # what was not run has left no receipt
    assert (again[0]["status"], again[0]["replayed"]) == (201, False)


async def test_what_hangs_on_a_row_that_was_refused_is_not_run(floor):
    job = await floor.job()
    part = {"id": CELL_A, "job_id": job["id"], "part_number": "P", "material": "m", "quantity": "many"}
    operation = {"part_id": CELL_A, "cell_id": floor.LASER, "operation_name": "o", "sequence": 1}
    parts, operations = item("p", "POST", "/api-parts", part), item("o", "POST", "/api-operations", operation)
    named = item("n", "POST", "/api-cells", {"name": "Hangs on it"}, depends_on="p")
    results = await forwarded(floor, parts, operations, named)
    assert [result["status"] for result in results] == [422, 424, 424]
    names = [cell["name"] for cell in (await floor.get("/api-cells"))["cells"]]
    assert "Hangs on it" not in names


async def test_a_lower_epoch_is_fenced_and_nothing_is_carried_out(floor):
    await forwarded(floor, epoch=7)
    reply = await send(floor, item("k", "POST", "/api-cells", {"name": "Ghost"}), epoch=6)
    assert (reply.status, reply.error["code"], reply.error["details"]) == (409, "EPOCH_FENCED", {"epoch": 7})
    assert "Ghost" not in [cell["name"] for cell in (await floor.get("/api-cells"))["cells"]]
    await forwarded(floor, epoch=8)
    assert (await send(floor, epoch=7)).status == 409
    await forwarded(floor, epoch=1, gateway="gw-two")


async def test_a_cell_has_one_gateway(floor):
    await forwarded(floor, cells=[CELL_A])
    await forwarded(floor, cells=[CELL_A])
    reply = await send(floor, cells=[CELL_B, CELL_A], gateway="gw-two")
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")
    assert reply.error["details"] == {"cell_id": CELL_A, "gateway_id": "gw-cell"}
    await forwarded(floor, cells=[CELL_B], gateway="gw-three")  # nothing of the refused claim has stayed


async def test_a_bound_key_speaks_for_its_gateway_only_and_within_its_scope(floor):
    _, key = await floor.keys.create(NewKey("cell", Scope.OPERATE, (floor.SAW,), gateway_id="gw-saw"))
    assert (await send(floor, key=key)).status == 403
    first = (await floor.job())["parts"][0]["operations"][0]
    for call, status in ((start("k", first), 403), (item("c", "POST", "/api-cells", {"name": "x"}), 403)):
        (result,) = await forwarded(floor, call, gateway="gw-saw", key=key)
        assert result["status"] == status
    assert (await send(floor, cells=[floor.LASER], gateway="gw-saw", key=key)).status == 403


async def test_what_cannot_be_forwarded_is_said_for_that_item(floor):
    part = (await floor.job())["parts"][0]
    calls = ("/api-forward", "/api-nothing", f"/api-parts-images/{part['id']}/upload", "/")
    results = await forwarded(floor, *(item(path, "POST", path, {}) for path in calls))
    assert [result["status"] for result in results] == [404, 404, 404, 404]


async def test_a_wrong_request_is_refused_whole(floor):
    cell = item("k", "POST", "/api-cells", {"name": "Never"})
    assert (await send(floor, cell, cell)).status == 422
    assert (await send(floor, {**cell, "depends_on": "k"})).status == 422
    assert (await send(floor, *({**cell, "key": str(n)} for n in range(501)))).status == 422
    assert "Never" not in [one["name"] for one in (await floor.get("/api-cells"))["cells"]]


async def test_what_is_no_address_is_refused_by_itself(floor):
    paths = ("/", "/functions/v1", "/functions/v1/", "//[", "/?id=1", "/api-cells/../api-jobs")
    wrong = [item(f"k{place}", "POST", path, {"name": "x"}) for place, path in enumerate(paths)]
    results = await forwarded(floor, *wrong, item("good", "POST", "/api-cells", {"name": "Bending"}))
    assert [result["status"] for result in results] == [404] * len(paths) + [201]


async def test_without_a_body_it_says_what_is_needed(floor):
    reply = await floor.send("POST", "/api-forward")
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")
