"""/api-snapshot: everything at one position of the journal, from which /api-changes goes on."""

import asyncio

import aiohttp

from gateway.hub.snapshot import ROWS
from gateway.outbox import journal
from gateway.web.routes import Scope

FREE_MAX_S = 5


async def snapshot(floor, query: str = "", key: str | None = None) -> dict:
    sent = {"Authorization": f"Bearer {key or floor.key}"}
    async with floor.session.get(f"{floor.url}/api-snapshot{query}", headers=sent) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        found = await answer.json()
    assert found["complete"] is True
    return found


async def test_rows_are_as_the_api_shows_them_and_changes_go_on_from_there(floor):
    job = await floor.job()
    first = job["parts"][0]["operations"][0]
    await floor.press("start", first["id"], floor.ANNA)
    taken = await snapshot(floor)
    shown = (await floor.get(f"/api-operations?id={first['id']}"))["operation"]
    assert shown in taken["entities"]["operations"]
    assert {one["full_name"] for one in taken["entities"]["profiles"]} == {"Anna", "Ben", "Cem"}
    assert taken["seq"] == await floor.db.read(journal.head)
    cell = (await floor.make("/api-cells", {"name": "Later"}))["cell"]
    page = await floor.get(f"/api-changes?since={taken['seq']}&epoch={taken['epoch']}")
    assert [one["id"] for one in page["changes"]] == [cell["id"]]


async def test_it_holds_more_rows_than_one_piece(floor):
    count = ROWS + 3
    for number in range(count):
        await floor.make("/api-scrap-reasons", {"code": f"C{number}", "description": "d", "category": "process"})
    taken = await snapshot(floor, "?entities=scrap_reasons")
    assert list(taken["entities"]) == ["scrap_reasons"]
    codes = {one["code"] for one in taken["entities"]["scrap_reasons"]}
    assert codes >= {f"C{number}" for number in range(count)}
    assert len(taken["entities"]["scrap_reasons"]) == len(codes)


async def test_what_is_marked_as_deleted_is_a_tombstone(floor):
    job = await floor.job()
    await floor.send("DELETE", f"/api-jobs?id={job['id']}")
    taken = await snapshot(floor)
    assert taken["entities"]["jobs"] == []
    stones = {(one["entity"], one["id"]): one for one in taken["tombstones"]}
    assert stones["jobs", job["id"]]["deleted_at"]


async def test_a_key_sees_no_more_than_over_rest(floor):
    job = await floor.job("J-1", (floor.LASER,), (floor.SAW,))
    laser = job["parts"][0]["operations"][0]
    taken = await snapshot(floor, key=await floor.new_key(Scope.READ, floor.LASER))
    assert [one["id"] for one in taken["entities"]["operations"]] == [laser["id"]]
    assert [one["id"] for one in taken["entities"]["cells"]] == [floor.LASER]
    assert "profiles" not in taken["entities"]
    assert "time_entry_pauses" not in taken["entities"]


async def test_what_is_not_a_question_is_told_by_name(floor):
    for query in ("?entities=gremlins", "?since=1"):
        assert (await floor.send("GET", f"/api-snapshot{query}")).status == 422


async def test_no_entity_is_open_to_this_key_and_it_is_still_whole(floor):
    taken = await snapshot(floor, "?entities=profiles", key=await floor.new_key(Scope.READ))
    assert (taken["entities"], taken["tombstones"]) == ({}, [])


async def test_it_can_be_left_in_the_middle_and_taken_again(floor):
    sent = {"Authorization": f"Bearer {floor.key}"}
    async with aiohttp.ClientSession() as another:
        answer = await another.get(f"{floor.url}/api-snapshot", headers=sent)
        answer.close()
    async with asyncio.timeout(FREE_MAX_S):
        while (await floor.send("GET", "/api-snapshot?entities=cells")).status == 503:
            await asyncio.sleep(0.01)  # the server has yet to see that nobody reads
