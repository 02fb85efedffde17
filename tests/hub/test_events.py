"""/api-events: named events of the journal, told once more from a position on."""

import pytest

from gateway.hub import events
from gateway.outbox import journal
from gateway.web.routes import Scope


async def head(floor) -> int:
    return await floor.db.read(journal.head)


async def told(floor, query: str = "", **more) -> list[dict]:
    """All pages."""
    found, since, more_to_come = [], 0, True
    while more_to_come:
        page = await floor.get(f"/api-events?since={since}&limit=2&{query}", **more)
        assert len(page["events"]) <= 2
        found += page["events"]
        since, more_to_come = page["next"], page["has_more"]
    assert since == await head(floor)
    return found


def names(found: list[dict]) -> list[str]:
    return [one["event"] for one in found]


async def shift(floor) -> list[str]:
    """Some work; the operations at the laser and at the saw."""
    job = await floor.job()
    laser, saw = (one["id"] for one in job["parts"][0]["operations"])
    await floor.pressed(("start", laser, floor.ANNA, 60), ("complete", laser), ("start", saw, floor.BEN))
    return [laser, saw]


async def test_what_happened_is_told_as_it_was_with_its_id_its_place_and_its_time(floor):
    laser, _ = await shift(floor)
    found = await told(floor)
    entries = [one for one in await floor.events() if one["type"]]
    assert [(one["seq"], one["id"], one["event"], one["data"]) for one in found] == [
        (entry["seq"], entry["id"], entry["type"], entry["data"]) for entry in entries
    ]
    (started,) = [one for one in found if one["event"] == "operation.started" and one["data"]["operation_id"] == laser]
    assert (started["timestamp"], started["origin"]) == ("2026-11-02T07:00:00.000Z", "gw-test")
    assert started["data"]["part_number"] == "J-1-P1"


@pytest.mark.parametrize(
    ("types", "kinds"),
    [
        ("operation.started", {"operation.started"}),
        ("operation.*", {"operation.started", "operation.completed"}),
        ("job.created, operation.completed", {"job.created", "operation.completed"}),
        (
            "*",
            {"job.created", "job.started", "part.created", "part.started", "operation.started", "operation.completed"},
        ),
    ],
)
async def test_only_those_that_are_asked_for(floor, types, kinds):
    await shift(floor)
    found = names(await told(floor, f"types={types}"))
    assert {*found} == kinds


async def test_a_page_that_looks_through_much_and_finds_nothing_goes_on(floor, monkeypatch):
    monkeypatch.setattr(events, "SCAN_MAX", 3)
    for number in range(10):
        await floor.make("/api-cells", {"name": f"Cell {number}"})  # has no name as an event
    await floor.job()
    page = await floor.get("/api-events?since=0&types=job.created")
    assert (page["events"], page["next"], page["has_more"]) == ([], 3, True)
    assert names(await told(floor, "types=job.created")) == ["job.created"]


async def test_a_position_from_which_nothing_can_be_told_is_410_with_the_epoch(floor):
    await shift(floor)
    end = await head(floor)
    epoch = (await floor.get("/api-events"))["epoch"]
    for query in (f"since={end + 1}", f"since=0&epoch={epoch + 1}"):
        reply = await floor.send("GET", f"/api-events?{query}")
        assert (reply.status, reply.error["code"]) == (410, "CURSOR_EXPIRED")
        assert reply.error["details"] == {"epoch": epoch, "head": end}
    await floor.do("DELETE FROM events WHERE seq <= ?", end - 2)  # trimmed
    assert (await floor.send("GET", "/api-events?since=0")).status == 410
    page = await floor.get(f"/api-events?since={end - 2}&epoch={epoch}")
    assert page["next"] == end
    assert (await floor.get(f"/api-events?since={end}"))["events"] == []


async def test_a_hole_in_the_journal_is_not_jumped_over(floor):
    await shift(floor)
    end = await head(floor)
    await floor.do("DELETE FROM events WHERE seq = ?", end - 1)
    page = await floor.get("/api-events?since=0&limit=1000")
    assert (page["next"], page["has_more"]) == (end - 2, True)
    assert (await floor.send("GET", f"/api-events?since={end - 2}")).status == 410


async def test_a_key_that_is_held_to_cells_is_told_of_those(floor):
    laser, saw = await shift(floor)
    key = await floor.new_key(Scope.READ, floor.SAW)
    found = await told(floor, key=key)
    assert {one["data"]["operation_id"] for one in found if "operation_id" in one["data"]} == {saw}
    assert "job.created" in names(found)  # its job has work in that cell
    other = await floor.job("J-2", (floor.LASER,))
    assert other["id"] not in [one["data"].get("job_id") for one in await told(floor, key=key)]
    assert laser in [one["data"].get("operation_id") for one in await told(floor)]


@pytest.mark.parametrize(
    ("query", "field"),
    [("since=-1", "since"), ("limit=1001", "limit"), ("types=job.strated", "types"), ("type=job.started", "type")],
)
async def test_what_is_not_a_question_is_told_by_name(floor, query, field):
    reply = await floor.send("GET", f"/api-events?{query}")
    assert (reply.status, reply.error["details"][0]["field"]) == (422, field)
