"""A cell's gateway below a site's: what happens in the cell is there in no time, to the second, and once."""

from hall import ANNA, BURR, LASER
from levels import level, until


async def test_work_in_the_cell_is_at_the_site_as_it_was_booked(tmp_path):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan is here")
            job = await site.job("J-1", LASER)
            operation = job["parts"][0]["operations"][0]["id"]
            await until(lambda: cell.knows("operations", operation), "the job is here")
            await cell.done("POST", f"/api-operation-lifecycle/start?id={operation}", {"operator_id": ANNA})
            quantity = {"operation_id": operation, "quantity_good": 3, "quantity_scrap": 2}
            quantity["scrap_reasons"] = [{"scrap_reason_id": BURR, "quantity": 2}]
            await cell.done("POST", "/api-operation-quantities", quantity)
            await cell.done("POST", f"/api-operation-lifecycle/pause?id={operation}")
            await cell.done("POST", f"/api-operation-lifecycle/resume?id={operation}")
            await cell.done("POST", f"/api-operation-lifecycle/complete?id={operation}")
            await until(cell.drained, "sent")
            assert await cell.rows() == await site.rows()
            told = await site.ask(
                "SELECT type, origin FROM events WHERE origin = 'cell' AND type IS NOT NULL ORDER BY seq"
            )
            assert told == await cell.ask(
                "SELECT type, origin FROM events WHERE origin = 'cell' AND type IS NOT NULL ORDER BY seq"
            )
            assert len(told) >= 7
