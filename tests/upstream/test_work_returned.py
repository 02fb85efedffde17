"""A cell that was restored gets its work back from the site; what is done on the new box in the meantime stands."""

from contextlib import asynccontextmanager

from hall import ANNA, LASER, SAW
from levels import level, until
from test_cuts import same, shift
from test_restored_cells import back, saved

from gateway.upstream import returning

HUB_OF_BEFORE = "SELECT value FROM gateway_state WHERE key = 'hub_returned'"


@asynccontextmanager
async def lost_a_shift(tmp_path):
    """A site, and the folder of a cell from a backup after which the old box went on, and sent."""
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan")
            await shift(cell, 1)
            job = await cell.job("J-9", LASER)
            step = job["parts"][0]["operations"][0]["id"]
            await cell.done("POST", f"/api-operation-lifecycle/start?id={step}", {"operator_id": ANNA})
            wrong = await cell.done("POST", "/api-operation-quantities", {"operation_id": step, "quantity_good": 3})
            made = await saved(cell)
            await cell.done("DELETE", f"/api-operation-quantities?id={wrong['operation_quantity']['id']}")
            await cell.done("POST", "/api-operation-quantities", {"operation_id": step, "quantity_good": 7})
            await cell.done("POST", f"/api-operation-lifecycle/pause?id={step}", {"operator_id": ANNA})
            await cell.done("POST", f"/api-operation-lifecycle/resume?id={step}", {"operator_id": ANNA})
            await cell.done("POST", f"/api-operation-lifecycle/complete?id={step}")
            await shift(cell, 2, first=1)
            await until(cell.drained, "sent")
        await back(made, tmp_path / "new", "cell")
        yield site, step


async def returned(box) -> bool:
    return bool(await box.ask(HUB_OF_BEFORE))


async def test_everything_that_it_had_sent_since_its_backup(tmp_path):
    async with lost_a_shift(tmp_path) as (site, _):
        async with level(tmp_path / "new", "cell", above=site, cells=("Laser",)) as new:
            await until(lambda: returned(new), "its work")
            await until(new.drained, "sent")
            assert await new.rows() == await site.rows()
            head = (await new.ask("SELECT max(seq) FROM events"))[0][0]
        async with level(
            tmp_path / "new", "cell", above=site, cells=("Laser",)
        ) as again:  # it is not asked for a second time
            await until(again.drained, "up")
            assert (await again.ask("SELECT max(seq) FROM events"))[0][0] == head


async def test_what_is_done_on_the_new_box_meanwhile_stands(tmp_path, monkeypatch):
    """The operator completes what was running when the backup was made, before the site has told that it was completed."""
    fetched = returning.Returning.fetched

    async with lost_a_shift(tmp_path) as (site, step):

        async def after_work(self, life, cells):
            rows = await fetched(self, life, cells)
            await new.done("POST", "/api-operation-quantities", {"operation_id": step, "quantity_good": 1})
            await new.done("PATCH", f"/api-operations?id={step}", {"notes": "by the new box"})
            await until(new.drained, "sent before the older rows are taken")
            return rows

        monkeypatch.setattr(returning.Returning, "fetched", after_work)
        async with level(tmp_path / "new", "cell", above=site, cells=("Laser",)) as new:
            await until(lambda: returned(new), "its work")
            assert await new.ask("SELECT notes FROM operations WHERE id = ?", step) == [("by the new box",)]
            await until(new.sure, "the operation was looked at again")
            pieces = await new.ask(
                "SELECT quantity_good FROM operation_quantities WHERE operation_id = ? ORDER BY 1", step
            )
            assert pieces == [(1,), (7,)]
            assert await new.rows("operation_quantities", "time_entries") == await site.rows(
                "operation_quantities", "time_entries"
            )


async def test_work_of_other_cells_does_not_come_along(tmp_path):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan")
            made = await saved(cell)
        await site.job("SAW-1", SAW)
        await back(made, tmp_path / "new", "cell")
        async with level(tmp_path / "new", "cell", above=site, cells=("Laser",)) as new:
            await until(lambda: returned(new), "its work")
            assert await new.ask("SELECT 1 FROM jobs WHERE job_number = 'SAW-1'") == []


async def test_a_box_in_its_first_life_asks_for_nothing(tmp_path):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan")
            await shift(cell, 1)
            await same(cell, site)
            assert not await returned(cell)
