"""One request id through three levels: cell, site, cloud."""

import json

from firm import LASER, firm
from levels import level, until

from gateway.hub.raw import tables
from gateway.upstream import outgoing
from gateway.upstream.outgoing import Wanted

TAP = "tap-4711"


async def ids_of(box, request_id):
    """The events that it led to there."""
    return [row[0] for row in await box.ask("SELECT id FROM events WHERE request_id = ? ORDER BY seq", request_id)]


async def test_a_tap_in_a_cell_is_found_at_the_site_and_at_the_cloud(tmp_path):
    async with firm(tmp_path) as here:
        cell = here.cells[LASER]
        ((operation,),) = await cell.ask(
            "SELECT o.id FROM operations o JOIN cells c ON c.id = o.cell_id WHERE c.name = ? ORDER BY o.id LIMIT 1",
            LASER,
        )
        body = {"operation_id": operation, "action": "start"}
        await cell.done("POST", "/api-operation-lifecycle", body, **{"X-Request-Id": TAP})
        await until(here.drained, "all is up", here.stand)

        booked = await ids_of(cell, TAP)
        assert booked
        assert await ids_of(here.site, TAP) == booked
        calls = [one for one in here.cloud.log if one.request_id == TAP]
        assert any(operation in f"{one.query}{json.dumps(one.body)}" for one in calls if one.method != "GET"), calls

        told = (await here.site.send("GET", "/api-events?since=0&limit=1000&types=operation.started")).data["events"]
        assert [one["request_id"] for one in told if one["data"]["operation_id"] == operation] == [TAP]
        changes = (await here.site.send("GET", "/api-changes?since=0&limit=500&entities=operations")).data["changes"]
        assert TAP in [one["request_id"] for one in changes if one["id"] == operation]


async def test_a_hub_that_does_not_know_of_it_is_not_asked_to(tmp_path):
    async with level(tmp_path, "cell") as cell:
        await cell.done("POST", "/api-cells", {"name": "Press"}, **{"X-Request-Id": TAP})
        known = await cell.db.read(tables)
        ((lane, seq),) = await cell.ask("SELECT lane, seq FROM events WHERE request_id = ?", TAP)
        for follows in (True, False):
            wanted = [Wanted(lane, seq - 1)]
            batch = await cell.db.read(outgoing.batch, wanted, 10, known, [(1, 0)], follows=follows)
            (piece,) = [json.loads(one) for one in batch.pieces]
            assert piece.get("request_id") == (TAP if follows else None)
