"""A cell that was away for longer than the site's journal reaches: what was deleted at the site meanwhile goes in the cell, too."""

from hall import LASER
from levels import level, until


async def made(site, path: str, body: dict) -> str:
    return next(iter((await site.done("POST", path, body)).values()))["id"]


async def test_rows_that_were_deleted_for_good_while_it_was_away_are_gone_below(tmp_path):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        reason = await made(site, "/api-scrap-reasons", {"code": "ODD", "description": "d", "category": "process"})
        cell_id = await made(site, "/api-cells", {"name": "Paint"})
        template = await made(site, "/api-templates", {"name": "Deburr"})
        used = await made(site, "/api-scrap-reasons", {"code": "USED", "description": "d", "category": "process"})
        rows = (("scrap_reasons", reason), ("cells", cell_id), ("substep_templates", template), ("scrap_reasons", used))
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            for table, row_id in rows:
                await until(lambda table=table, row_id=row_id: cell.knows(table, row_id), table)
        for path, row_id in (("scrap-reasons", reason), ("cells", cell_id), ("templates", template)):
            await site.done("DELETE", f"/api-{path}?id={row_id}")
        ((head,),) = await site.ask("SELECT max(seq) FROM events")
        await site.done("POST", "/api-cells", {"name": "Later"})
        await site.db.write(_trimmed, head)
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            for table, row_id in rows[:3]:
                await until(lambda table=table, row_id=row_id: _gone(cell, table, row_id), f"{table} is gone")
            assert await cell.knows("scrap_reasons", used)
            assert await cell.knows("cells", LASER)
            told = await cell.ask("SELECT table_name, resolution FROM cloud_conflicts WHERE field = 'deleted_at'")
            assert sorted(told) == [(table, "cloud") for table in ("cells", "scrap_reasons", "substep_templates")]
            await until(cell.drained, "nothing of it goes up")


async def _gone(cell, table: str, row_id: str) -> bool:
    return not await cell.knows(table, row_id)


def _trimmed(tx, head: int) -> None:
    tx.execute("DELETE FROM events WHERE seq <= ?", (head,))
