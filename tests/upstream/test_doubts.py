"""A row that was changed here and at the site at once: in the end both say the same, whoever was switched off meanwhile."""

from hall import LASER
from levels import deaf_line, level, until

NOTES = "SELECT notes FROM jobs WHERE id = ?"


async def test_a_cell_that_is_switched_off_before_it_could_look_again(tmp_path):
    """The site took the cell's word, nobody heard that it did, and the office changed it once more."""
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with deaf_line(site) as (port, lost):
            cloud = {"kind": "hub", "url": f"http://127.0.0.1:{port}", "api_key": await site.key_for("cell")}
            cloud |= {"cells": ["Laser"], "timeout": "5s"}
            async with level(tmp_path / "cell", "cell", cloud=cloud) as cell:
                await until(lambda: cell.knows("cells", LASER), "the plan")
                job_id = (await cell.job("J-1", LASER))["id"]
                await until(cell.drained, "sent")
                lost["left"] = 1_000
                await cell.done("PATCH", f"/api-jobs?id={job_id}", {"notes": "of the cell"})
                await until(lambda: site.says(NOTES, job_id, "of the cell"), "the site has it")
                await site.done("PATCH", f"/api-jobs?id={job_id}", {"notes": "of the office"})
                await until(cell.doubts, "the cell has heard of it")
                assert await cell.says(NOTES, job_id, "of the cell"), "what is not sent yet is never overwritten"
            lost["left"] = 0
            async with level(tmp_path / "cell", "cell", cloud=cloud) as cell:
                await until(cell.drained, "sent")
                await until(lambda: cell.says(NOTES, job_id, "of the office"), "the site's word is the last")
                await until(cell.sure, "nothing is left to look at")
        assert await site.says(NOTES, job_id, "of the office")
