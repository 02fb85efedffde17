"""An open conflict of a cell about a state is over once the site has the same, by whoever's doing."""

from levels import until
from test_two_levels import planned, site_and_cell

from gateway.cloud import conflicts
from gateway.cloud.merge import Difference
from gateway.kernel.clock import SystemClock
from gateway.kernel.ids import uuid7
from gateway.outbox.event import CLOUD, Stamp

HOW = "SELECT resolution, resolved_by FROM cloud_conflicts WHERE row_id = ?"


async def test_what_both_have_alike_again_is_closed_and_what_they_have_not_stays_open(tmp_path):
    async with site_and_cell(tmp_path) as (site, cell):
        _, alike = await planned(site, cell)
        _, apart = await planned(site, cell, "J-2")
        await cell.done("POST", f"/api-operation-lifecycle/start?id={alike}")
        await until(cell.drained, "sent")
        stamp = Stamp(SystemClock().now(), CLOUD, uuid7(SystemClock()))
        for operation, ours in ((alike, "in_progress"), (apart, "on_hold")):
            found = Difference("status", ours, "completed", "changed on both sides", None)
            await cell.db.write(conflicts.record, stamp, "operations", operation, found)
        await cell.db.write(_held, apart)
        await site.done("POST", "/api-cells", {"name": "Any news"})

        async def closed() -> bool:
            return await cell.ask(HOW, alike) == [("local", "rule")]

        await until(closed, "nobody has to decide")
        assert await cell.ask(HOW, apart) == [(None, None)]


def _held(tx, operation: str) -> None:
    """Here it stands otherwise, and nothing of that goes up."""
    tx.execute("UPDATE operations SET status = 'on_hold' WHERE id = ?", (operation,))
