"""The line between a cell and its site is cut, boxes are restored and cloned: nothing is lost, nothing is twice."""

import shutil

from hall import ANNA, LASER
from levels import deaf_line, level, until

NAMED = "SELECT id FROM events WHERE origin = 'cell' ORDER BY id"


async def shift(cell, jobs: int, first: int = 0) -> None:
    """Some jobs of the cell's own, each worked on from start to end."""
    for number in range(first, first + jobs):
        operation = (await cell.job(f"J-{number}", LASER))["parts"][0]["operations"][0]["id"]
        await cell.done("POST", f"/api-operation-lifecycle/start?id={operation}", {"operator_id": ANNA})
        await cell.done("POST", "/api-operation-quantities", {"operation_id": operation, "quantity_good": number + 1})
        await cell.done("POST", f"/api-operation-lifecycle/complete?id={operation}")


async def same(cell, site) -> None:
    await until(cell.drained, "sent")
    assert await cell.rows() == await site.rows()
    there = await site.ask(NAMED)
    assert there == sorted({*there})  # none of them twice
    assert there == await cell.ask(NAMED)


async def test_a_site_that_is_away_for_a_while(tmp_path):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        cloud = {"kind": "hub", "url": site.url, "api_key": await site.key_for("cell"), "cells": ["Laser"]}
        async with level(tmp_path / "cell", "cell", cloud=cloud) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan")
            await shift(cell, 3)
        port = int(site.url.rpartition(":")[2])
    async with level(tmp_path / "cell", "cell", cloud=cloud) as cell:
        await shift(cell, 3, first=3)
        assert (await cell.link())["state"] == "down"
        assert (await cell.link())["pending"] > 0
        async with level(tmp_path / "site", "site", http={"port": port}) as site:
            await same(cell, site)


async def test_a_site_that_answers_but_is_not_heard(tmp_path):
    """Every answer to a request with entries is cut off after the hub has taken it, for a while."""
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with deaf_line(site) as (port, lost):
            cloud = {"kind": "hub", "url": f"http://127.0.0.1:{port}", "api_key": await site.key_for("cell")}
            async with level(tmp_path / "cell", "cell", cloud={**cloud, "cells": ["Laser"], "timeout": "5s"}) as cell:
                await until(lambda: cell.knows("cells", LASER), "the plan")
                lost["left"] = 5
                await shift(cell, 4)
                await same(cell, site)
                assert lost["left"] == 0


async def test_a_restored_cell_sends_nothing_twice_and_the_old_one_is_refused(tmp_path, monkeypatch):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan")
            await shift(cell, 2)
        shutil.copytree(tmp_path / "cell", tmp_path / "copy")
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            await shift(cell, 2, first=2)  # after the copy was made
            await until(cell.drained, "sent")
        monkeypatch.setattr("gateway.identity.machine", lambda: "another machine")
        async with level(tmp_path / "copy", "cell", above=site, cells=("Laser",)) as copy:
            await shift(copy, 2, first=10)  # its seqs are the old one's again
            await until(copy.drained, "sent")
            theirs = await site.ask(NAMED)
            assert theirs == sorted({*theirs})
            assert {one for (one,) in await copy.ask(NAMED)} <= {one for (one,) in theirs}
            numbers = {one for (one,) in await site.ask("SELECT job_number FROM jobs")}
            assert numbers == {"J-0", "J-1", "J-2", "J-3", "J-10", "J-11"}

            async def has_it_back() -> bool:
                return {one for (one,) in await copy.ask("SELECT job_number FROM jobs")} == numbers

            await until(has_it_back, "what the other one did comes down")
        monkeypatch.undo()
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as old:
            await shift(old, 1, first=20)

            async def refused() -> bool:
                return "replaced" in str((await old.link())["error"])

            await until(refused, "the old one is told")
            assert (await old.link())["pending"] > 0
            assert not await site.ask("SELECT 1 FROM jobs WHERE job_number = 'J-20'")


async def test_a_restored_site_gets_again_what_it_has_lost(tmp_path, monkeypatch):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan")
            await shift(cell, 2)
            await until(cell.drained, "sent")
    shutil.copytree(tmp_path / "site", tmp_path / "copy")
    async with (
        level(tmp_path / "site", "site") as site,
        level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell,
    ):
        await shift(cell, 2, first=2)
        await until(cell.drained, "sent")
    monkeypatch.setattr("gateway.identity.machine", lambda: "another machine")
    async with level(tmp_path / "copy", "site") as site:
        monkeypatch.undo()
        async with level(tmp_path / "cell", "cell", above=site, cells=("Laser",)) as cell:
            await until(lambda: site.ask("SELECT 1 FROM jobs WHERE job_number = 'J-3'"), "what it had lost")
            await same(cell, site)
