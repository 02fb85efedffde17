"""/api-capabilities and /api-changes: what another gateway learns of what has happened here."""

import asyncio
import json

import aiohttp

from gateway.outbox import journal
from gateway.web.routes import Scope

WAIT_MAX_S = 30  # a machine that stands still for seconds is not a defect of ours


async def changes(floor, query: str = "", **more):
    return await floor.get(f"/api-changes?{query}", **more)


async def everything(floor, query: str = "", **more) -> list[dict]:
    found, since, more_to_come = [], 0, True
    while more_to_come:
        page = await changes(floor, f"since={since}&limit=3&{query}", **more)
        found += page["changes"]
        since, more_to_come = page["next"], page["has_more"]
    return found


async def head(floor) -> int:
    return await floor.db.read(journal.head)


async def test_a_hub_says_what_it_can(floor):
    told = await floor.get("/api-capabilities")
    assert all(told[name] is True for name in ("idempotency", "change_feed", "if_match", "batch"))
    assert told["time_unit"] == "minutes"
    assert {"version", "epoch"} <= told.keys()


async def test_a_row_is_told_as_the_api_shows_it_now(floor):
    since = await head(floor)
    job = await floor.job()
    first = job["parts"][0]["operations"][0]
    await floor.press("start", first["id"], floor.ANNA)
    page = await changes(floor, f"since={since}")
    told = {(one["entity"], one["id"]): one for one in page["changes"]}
    shown = (await floor.get(f"/api-operations?id={first['id']}"))["operation"]
    assert told["operations", first["id"]]["row"] == shown
    assert told["operations", first["id"]]["row_version"] == shown["row_version"]
    assert told["jobs", job["id"]]["origin"] == "gw-test"
    assert (page["next"], page["has_more"]) == (await head(floor), False)
    assert [one["seq"] for one in page["changes"]] == sorted(one["seq"] for one in page["changes"])


async def test_a_page_tells_the_columns_of_all_changes_that_it_left_out(floor):
    cell = (await floor.make("/api-cells", {"name": "Bending"}))["cell"]
    since = await head(floor)
    for body in ({"color": "red"}, {"description": "d"}):
        await floor.send("PATCH", f"/api-cells?id={cell['id']}", body)
    (one,) = (await changes(floor, f"since={since}"))["changes"]
    assert {"color", "description"} <= set(one["changed_fields"])
    assert (one["seq"], one["row"]["color"], one["row_version"]) == (await head(floor), "red", 3)


async def test_pages_follow_each_other_to_the_end(floor):
    for number in range(4):
        await floor.job(f"J-{number}")
    jobs = (await floor.get("/api-jobs"))["jobs"]
    found = await everything(floor)
    assert {one["id"] for one in found if one["entity"] == "jobs"} == {job["id"] for job in jobs}
    assert all(one["op"] == "upsert" for one in found)


async def test_a_deleted_row_is_a_delete_whether_it_stays_or_not(floor):
    job = await floor.job()
    reason = (await floor.make("/api-scrap-reasons", {"code": "D", "description": "d", "category": "process"}))[
        "scrap_reason"
    ]
    since = await head(floor)
    await floor.send("DELETE", f"/api-jobs?id={job['id']}")
    await floor.send("DELETE", f"/api-scrap-reasons?id={reason['id']}")
    told = {one["id"]: one for one in (await changes(floor, f"since={since}"))["changes"]}
    for row_id in (job["id"], reason["id"]):
        assert (told[row_id]["op"], told[row_id]["row"]) == ("delete", None)


async def test_entities_and_a_cell_narrow_it(floor):
    since = await head(floor)
    job = await floor.job("J-1", (floor.LASER, floor.SAW))
    laser, _saw = job["parts"][0]["operations"]
    only = (await changes(floor, f"since={since}&entities=operations&cell_id={floor.LASER}"))["changes"]
    assert [one["id"] for one in only] == [laser["id"]]


async def test_a_key_sees_no_more_than_over_rest(floor):
    since = await head(floor)
    job = await floor.job("J-1", (floor.LASER,), (floor.SAW,))
    laser, saw = (part["operations"][0] for part in job["parts"])
    quantity = {"operation_id": saw["id"], "quantity_good": 1}
    booked = (await floor.make("/api-operation-quantities", quantity))["operation_quantity"]
    await floor.send("DELETE", f"/api-operation-quantities?id={booked['id']}")
    key = await floor.new_key(Scope.READ, floor.LASER)
    told = json.dumps((await changes(floor, f"since={since}", key=key))["changes"])
    assert laser["id"] in told
    assert saw["id"] not in told
    assert booked["id"] not in told
    shown = {one["entity"] for one in await everything(floor, key=key)}
    assert "profiles" not in shown
    assert "profiles" in {one["entity"] for one in await everything(floor)}


async def test_an_operation_that_leaves_the_cell_is_gone_for_it(floor):
    first = (await floor.job())["parts"][0]["operations"][0]
    key, since = await floor.new_key(Scope.READ, floor.LASER), await head(floor)
    await floor.send("PATCH", f"/api-operations?id={first['id']}", {"cell_id": floor.SAW})
    told = (await changes(floor, f"since={since}&entities=operations", key=key))["changes"]
    assert [(one["id"], one["op"], one["row"]) for one in told] == [(first["id"], "delete", None)]


async def test_secrets_of_webhooks_are_not_told(floor):
    since = await head(floor)
    body = {"url": "https://erp.example.com/x", "events": ["*"], "secret_key": "canary-in-the-feed"}
    await floor.make("/api-webhooks", body)
    page = await changes(floor, f"since={since}")
    assert [one["entity"] for one in page["changes"]] == ["webhooks"]
    assert "canary-in-the-feed" not in json.dumps(page)


async def test_a_position_that_the_journal_does_not_have_any_more_is_410(floor):
    for number in range(3):
        await floor.make("/api-cells", {"name": f"Cell {number}"})
    end = await head(floor)
    await floor.do("DELETE FROM events WHERE seq < ?", end)
    for query in (f"since={end - 2}", "since=0", f"since={end + 1}", f"since={end}&epoch=7"):
        reply = await floor.send("GET", f"/api-changes?{query}")
        assert (reply.status, reply.error["code"]) == (410, "CURSOR_EXPIRED"), query
        assert reply.error["details"]["head"] == end
    assert len((await changes(floor, f"since={end - 1}"))["changes"]) == 1
    await floor.do("DELETE FROM events WHERE seq <= ?", end)
    assert (await changes(floor, f"since={end}"))["changes"] == []
    assert (await floor.send("GET", f"/api-changes?since={end - 1}")).status == 410


async def test_a_hole_in_the_journal_is_never_stepped_over(floor):
    since = await head(floor)
    for number in range(3):
        await floor.make("/api-cells", {"name": f"Cell {number}"})
    await floor.do("DELETE FROM events WHERE seq = ?", since + 2)
    page = await changes(floor, f"since={since}")
    assert (page["next"], page["has_more"]) == (since + 1, True)
    assert (await floor.send("GET", f"/api-changes?since={page['next']}")).status == 410


async def test_what_is_not_a_question_is_told_by_name(floor):
    for query, field in (
        ("sinse=1", "sinse"),
        ("since=x", "since"),
        ("since=-1", "since"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("wait=31", "wait"),
        ("cell_id=x", "cell_id"),
        ("entities=jobs,gremlins", "entities"),
    ):
        reply = await floor.send("GET", f"/api-changes?{query}")
        assert (reply.status, reply.error["details"][0]["field"]) == (422, field), query
    assert (await floor.send("GET", "/api-capabilities?x=1")).status == 422


async def test_a_long_poll_is_answered_by_the_next_commit(floor):
    since = await head(floor)
    async with asyncio.timeout(WAIT_MAX_S):
        waiting = asyncio.create_task(changes(floor, f"since={since}&wait=30&entities=jobs"))
        await floor.make("/api-cells", {"name": "Not asked for"})
        job = await floor.job()
        page = await waiting
    assert [one["id"] for one in page["changes"]] == [job["id"]]


async def test_a_long_poll_ends_with_nothing_and_its_position_moves_on(floor):
    since = await head(floor)
    await floor.make("/api-cells", {"name": "Not asked for"})
    page = await changes(floor, f"since={since}&wait=1&entities=jobs")
    assert (page["changes"], page["next"]) == ([], await head(floor))


class Stream:
    """A client of the stream: what it has been told, and the id it would come back with."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.last_id = ""

    async def change(self) -> dict:
        data = ""
        async with asyncio.timeout(WAIT_MAX_S):
            async for raw in self.answer.content:
                line = raw.decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif name == "data":
                    data = value
                elif not line and data:
                    return json.loads(data)
        raise AssertionError("the stream has ended")


async def stream(floor, query: str, **headers: str) -> Stream:
    sent = {"Authorization": f"Bearer {floor.key}", "Accept": "text/event-stream", **headers}
    answer = await floor.session.get(f"{floor.url}/api-changes?{query}", headers=sent)
    assert (answer.status, answer.content_type) == (200, "text/event-stream")
    return Stream(answer)


async def test_a_stream_tells_what_happens_and_goes_on_where_it_was_cut(floor):
    since = await head(floor)
    first = await stream(floor, f"since={since}&entities=jobs")
    job = await floor.job("J-1")
    assert (await first.change())["id"] == job["id"]
    first.answer.close()
    second_job = await floor.job("J-2")
    again = await stream(floor, "entities=jobs", **{"Last-Event-ID": first.last_id})
    assert (await again.change())["id"] == second_job["id"]
    again.answer.close()


async def test_a_stream_from_a_position_that_is_gone_is_410(floor):
    sent = {"Authorization": f"Bearer {floor.key}", "Accept": "text/event-stream"}
    async with floor.session.get(f"{floor.url}/api-changes?since=999999", headers=sent) as answer:
        assert answer.status == 410
