"""Those who wait for changes: they hear that we are still here, and there is a place for only so many of them."""

import asyncio
import json

import pytest

from gateway.hub import stream
from gateway.hub.changes import Asked
from gateway.hub.entities import sight
from gateway.hub.stream import Feed
from gateway.outbox import journal
from gateway.web.routes import Caller, Scope

WAIT_MAX_S = 30
ANYBODY = Caller("key", "key", Scope.ADMIN)


async def open_stream(floor, key=None):
    sent = {"Authorization": f"Bearer {key or floor.key}", "Accept": "text/event-stream"}
    since = await floor.db.read(journal.head)
    return await floor.session.get(f"{floor.url}/api-changes?since={since}", headers=sent)


async def until_open(floor, key=None):
    """A place becomes free once the server has seen that somebody went."""
    async with asyncio.timeout(WAIT_MAX_S):
        while (answer := await open_stream(floor, key)).status != 200:
            answer.close()
            await asyncio.sleep(0.02)
    return answer


async def test_a_stream_on_which_nothing_happens_says_that_it_is_there_and_goes_on(floor):
    since = await floor.db.read(journal.head)
    feed = Feed(floor.db, heartbeat_s=0.01)
    told = await feed.stream(Asked(since, 10), sight(ANYBODY), "key")
    async with asyncio.timeout(WAIT_MAX_S):
        assert await anext(told) == b"retry: 1000\n\n"
        assert {await anext(told) for _ in range(3)} == {b": still here\n\n"}
        cell = (await floor.make("/api-cells", {"name": "Paint"}))["cell"]
        pieces = [piece async for piece in first_change(told)]
    assert cell["id"] in pieces[-1].decode()
    await told.aclose()


async def test_who_is_cut_off_anywhere_and_comes_back_has_been_told_everything(floor):
    """Also of columns that changed before: several changes of one row are told as one."""
    since = await floor.db.read(journal.head)
    cell, other = [(await floor.make("/api-cells", {"name": name}))["cell"]["id"] for name in ("Paint", "Weld")]
    made = await floor.db.read(journal.head)
    for row_id, given in (
        (cell, {"wip_limit": 3}),
        (other, {"color": "red"}),
        (cell, {"color": "blue"}),
        (other, {"description": "hot"}),
        (floor.LASER, {"wip_limit": 5}),
    ):
        assert (await floor.send("PATCH", f"/api-cells?id={row_id}", given)).status == 200
    written = {
        (cell, "wip_limit"),
        (cell, "color"),
        (other, "color"),
        (other, "description"),
        (floor.LASER, "wip_limit"),
    }

    async def told(since: int) -> list[tuple[str, set, set]]:
        """(id, rows, columns of rows) of each piece of the stream."""
        stream_ = await Feed(floor.db, heartbeat_s=0.01).stream(Asked(since, 100), sight(ANYBODY, "cells"), "key")
        await anext(stream_)
        text = (await anext(stream_)).decode()
        await stream_.aclose()
        found = []
        for piece in text.split("\n\n")[:-1]:
            lines = dict(line.split(": ", 1) for line in piece.splitlines())
            change = json.loads(lines["data"]) if "data" in lines else {}
            columns = {(change["id"], name) for name in change.get("changed_fields") or ()}
            found.append((lines.get("id"), {change.get("id")}, columns))
        return found

    for start in (since, made):
        pieces = await told(start)
        for cut in range(len(pieces) + 1):
            before = pieces[:cut]
            ids = [one[0] for one in before if one[0]]
            again = [] if cut == len(pieces) else await told(int(ids[-1]) if ids else start)
            rows = set().union(*(one[1] for one in [*before, *again]))
            assert rows >= {cell, other, floor.LASER}
            if start == made:
                assert set().union(*(one[2] for one in [*before, *again])) >= written


async def first_change(told):
    async for piece in told:
        yield piece
        if b"event: change" in piece:
            return


async def test_a_stream_ends_after_its_time_and_when_the_gateway_does(floor):
    since = await floor.db.read(journal.head)
    short = await Feed(floor.db, stream_max_s=0.05).stream(Asked(since, 10), sight(ANYBODY), "key")
    feed = Feed(floor.db)
    ended = await feed.stream(Asked(since, 10), sight(ANYBODY), "key")
    assert await anext(ended) == b"retry: 1000\n\n"
    feed.end()
    async with asyncio.timeout(WAIT_MAX_S):
        assert b"retry: 1000\n\n" in [piece async for piece in short]
        assert [piece async for piece in ended] in ([], [b": still here\n\n"])


async def test_only_so_many_wait_with_one_key_and_a_place_is_free_again_when_one_goes(floor, monkeypatch):
    monkeypatch.setattr(stream, "WAITING_MAX", 2)
    held = [await open_stream(floor) for _ in range(2)]
    assert [one.status for one in held] == [200, 200]
    for query, headers in (("", {"Accept": "text/event-stream"}), ("&wait=5", {})):
        url = f"{floor.url}/api-changes?since={await floor.db.read(journal.head)}{query}"
        async with floor.session.get(url, headers={"Authorization": f"Bearer {floor.key}", **headers}) as refused:
            error = (await refused.json())["error"]
            assert (refused.status, error["code"]) == (503, "BUSY")
            assert "end some" in error["message"]
            assert int(refused.headers["Retry-After"]) > 0
    other = await floor.new_key(Scope.READ)
    (await open_stream(floor, other)).close()
    held.pop().close()
    held.append(await until_open(floor))
    for one in held:
        one.close()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_who_goes_at_once_leaves_no_place_taken(floor, monkeypatch, method):
    monkeypatch.setattr(stream, "WAITING_MAX", 1)
    since = await floor.db.read(journal.head)
    sent = {"Authorization": f"Bearer {floor.key}", "Accept": "text/event-stream"}
    for _ in range(3):
        (await floor.session.request(method, f"{floor.url}/api-changes?since={since}", headers=sent)).close()
    (await until_open(floor)).close()


async def test_only_so_many_wait_in_all(floor, monkeypatch):
    monkeypatch.setattr(stream, "WAITING_ALL_MAX", 2)
    keys = [await floor.new_key(Scope.READ) for _ in range(3)]
    held = [await open_stream(floor, key) for key in keys]
    assert [one.status for one in held] == [200, 200, 503]
    assert "ask without `wait`" in (await held[2].json())["error"]["message"]
    since = await floor.db.read(journal.head)
    assert (await floor.send("GET", f"/api-changes?since={since}")).status == 200  # who does not wait needs no place
    for one in held:
        one.close()
