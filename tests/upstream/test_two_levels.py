"""A cell's gateway below a site's: what happens in the cell is there in no time, to the second, and once."""

import contextlib
import json

from hall import ANNA, BEN, BURR, LASER, SAW
from levels import level, line_to, until

from gateway.cloud import conflicts
from gateway.cloud.merge import Difference
from gateway.kernel.clock import SystemClock
from gateway.kernel.ids import uuid7
from gateway.outbox.event import CLOUD, Stamp

NAMED = "SELECT type, origin FROM events WHERE origin = 'cell' AND type IS NOT NULL ORDER BY seq"


@contextlib.asynccontextmanager
async def site_and_cell(tmp_path, cells=("Laser",)):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with level(tmp_path / "cell", "cell", above=site, cells=cells) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan")
            yield site, cell


async def planned(site, cell, number="J-1", *cells):
    job = await site.job(number, *(cells or (LASER,)))
    operation = job["parts"][0]["operations"][0]["id"]
    await until(lambda: cell.knows("operations", operation), "the job is in the cell")
    return job, operation


async def test_work_in_the_cell_is_at_the_site_as_it_was_booked(tmp_path):
    async with site_and_cell(tmp_path) as (site, cell):
        _, operation = await planned(site, cell)
        await cell.done("POST", f"/api-operation-lifecycle/start?id={operation}", {"operator_id": ANNA})
        quantity = {"operation_id": operation, "quantity_good": 3, "quantity_scrap": 2}
        quantity["scrap_reasons"] = [{"scrap_reason_id": BURR, "quantity": 2}]
        await cell.done("POST", "/api-operation-quantities", quantity)
        await cell.done("POST", f"/api-operation-lifecycle/pause?id={operation}")
        await cell.done("POST", f"/api-operation-lifecycle/resume?id={operation}")
        await cell.done("POST", f"/api-operation-lifecycle/complete?id={operation}")
        await until(cell.drained, "sent")
        assert await cell.rows() == await site.rows()
        told = await site.ask(NAMED)
        assert told == await cell.ask(NAMED)
        assert len(told) >= 7


async def test_what_the_cell_makes_changes_and_deletes_goes_up(tmp_path):
    async with site_and_cell(tmp_path) as (site, cell):
        made = await cell.job("J-LOCAL", LASER, SAW)
        part = made["parts"][0]
        first, second = part["operations"]
        await cell.done("PATCH", f"/api-jobs?id={made['id']}", {"priority": 7, "due_date": "2027-01-02"})
        await cell.done("PATCH", f"/api-parts?id={part['id']}", {"quantity": 12})
        entry = {"operation_id": first["id"], "operator_id": ANNA, "start_time": "2026-11-02T06:00:00Z"}
        entry = (await cell.done("POST", "/api-time-entries", entry))["time_entry"]["id"]
        await cell.done("PATCH", f"/api-time-entries?id={entry}", {"end_time": "2026-11-02T06:10:07Z"})
        await cell.done("DELETE", f"/api-time-entries?id={entry}")
        issue = {
            "operation_id": first["id"],
            "title": "Burr",
            "description": "sharp",
            "severity": "high",
            "created_by": BEN,
        }
        await cell.done("POST", "/api-issues", {**issue, "causes_standstill": True})
        step = {"operation_id": second["id"], "name": "Deburr", "sequence": 1}
        await cell.done("POST", "/api-substeps", step)
        await cell.done("DELETE", f"/api-operations?id={second['id']}")
        await until(cell.drained, "sent")
        assert await cell.rows() == await site.rows()
        (gone,) = await site.ask("SELECT deleted_at FROM operations WHERE id = ?", second["id"])
        assert gone[0]


async def test_a_cell_holds_its_own_trees_and_a_part_that_gets_work_in_it_comes_whole(tmp_path):
    async with site_and_cell(tmp_path) as (site, cell):
        other, _ = (await site.job("J-SAW", SAW)), None
        job, _ = await planned(site, cell, "J-BOTH", SAW, LASER)
        assert not await cell.knows("jobs", other["id"])
        assert len(await cell.ask("SELECT id FROM operations WHERE part_id = ?", job["parts"][0]["id"])) == 2
        late = {"part_id": other["parts"][0]["id"], "cell_id": LASER, "operation_name": "Cut", "sequence": 2}
        await site.done("POST", "/api-operations", late)
        await until(lambda: cell.knows("jobs", other["id"]), "the tree")
        assert await cell.rows("jobs", "parts", "operations") == await site.rows("jobs", "parts", "operations")


async def test_changes_of_the_plan_come_down_and_work_that_is_not_sent_is_kept(tmp_path):
    async with site_and_cell(tmp_path) as (site, cell):
        job, operation = await planned(site, cell)
        await site.done("PATCH", f"/api-jobs?id={job['id']}", {"due_date": "2027-03-04"})
        await site.done(
            "PATCH", f"/api-operations?id={operation}", {"estimated_time": 42, "operation_name": "Cut fine"}
        )
        new = "SELECT o.estimated_time, o.operation_name, j.due_date FROM operations o, jobs j WHERE o.id = ? AND j.id = ?"
        there = await site.ask(new, operation, job["id"])

        async def here():
            return await cell.ask(new, operation, job["id"]) == there

        await until(here, "the new plan")
        assert await cell.ask("SELECT count(*) FROM cloud_conflicts") == [(0,)]
        await site.done("DELETE", f"/api-jobs?id={job['id']}")

        async def gone():
            return await cell.ask("SELECT 1 FROM jobs WHERE id = ? AND deleted_at IS NOT NULL", job["id"])

        await until(gone, "the deleted job")
        await until(cell.drained, "nothing waits")
        assert await site.ask("SELECT count(*) FROM events WHERE origin = 'cell'") == [(0,)]


async def test_of_a_conflict_the_site_is_told_what_goes_up_again_and_no_more(tmp_path):
    async with site_and_cell(tmp_path) as (site, cell):
        _, operation = await planned(site, cell)
        stamp = Stamp(SystemClock().now(), CLOUD, uuid7(SystemClock()))
        for row_id, field in ((operation, "notes"), (ANNA, "id")):
            found = Difference(field, "ours", "theirs", "changed on both sides", None)
            await cell.gateway.db.write(conflicts.record, stamp, "operations", row_id, found)
        for row in (await cell.done("GET", "/api-conflicts"))["conflicts"]:
            await cell.done("PATCH", f"/api-conflicts?id={row['id']}", {"resolution": "local"})
        await until(cell.drained, "sent")
        assert await cell.rows() == await site.rows()
        told = await site.ask("SELECT aggregate FROM events WHERE type LIKE 'conflict.%'")
        assert told == [(f"operation:{operation}",)]


async def test_the_site_shows_who_is_below_it_and_a_cell_that_is_given_up_is_free(tmp_path):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        key = await site.key_for("cell")

        async def with_cells(*cells: str) -> None:
            cloud = {"kind": "hub", "url": site.url, "api_key": key, "cells": [*cells]}
            async with level(tmp_path / "cell", "cell", cloud=cloud) as cell:
                await until(lambda: cell.knows("cells", LASER), "the plan")
                await cell.job("J-" + "-".join(cells), LASER)
                await until(cell.drained, "sent")

                async def claimed() -> bool:
                    return (await site.send("GET", "/healthz")).body["gateways"]["cell"]["cells"] == len(cells)

                await cell.job("K-" + "-".join(cells), LASER)  # by now it knows which cells are meant
                await until(claimed, "claimed")

        await with_cells("Laser", "Saw")
        await with_cells("Laser")
        assert await site.ask("SELECT cell_id, gateway_id FROM hub_cells") == [(LASER, "cell")]


async def test_what_was_made_and_deleted_while_it_was_told_stays_deleted(tmp_path):
    """The hub tells of a row that it has just heard of, and has yet to hear that it is gone."""
    async with level(tmp_path / "site", "site") as site, line_to(site.url) as line:
        await site.furnished()
        hub = {"kind": "hub", "url": f"http://127.0.0.1:{line.port}", "api_key": await site.key_for("cell")}
        async with level(tmp_path / "cell", "cell", cloud={**hub, "cells": ["Laser"], "timeout": "5s"}) as cell:
            await until(lambda: cell.knows("cells", LASER), "the plan")
            for number in range(40):
                body = {"code": f"ODD-{number}", "description": "odd", "category": "other"}
                reason = (await cell.done("POST", "/api-scrap-reasons", body))["scrap_reason"]["id"]
                line.cut() if number % 2 else line.mend()
                await cell.done("DELETE", f"/api-scrap-reasons?id={reason}")
            line.mend()
            await until(cell.drained, "sent")

            async def told():
                return await cell.rows("scrap_reasons") == await site.rows("scrap_reasons")

            await until(told, "both say the same")


async def test_a_job_of_two_cells_ends_with_its_last_work_whoever_tells_first(tmp_path):
    async with level(tmp_path / "site", "site") as site, line_to(site.url) as line:
        await site.furnished()
        key = await site.key_for("saw")
        hub = {"kind": "hub", "url": f"http://127.0.0.1:{line.port}", "api_key": key, "timeout": "5s"}
        async with (
            level(tmp_path / "laser", "laser", above=site, cells=("Laser",)) as laser,
            level(tmp_path / "saw", "saw", cloud={**hub, "cells": ["Saw"]}) as saw,
        ):
            job = await site.job("J-BOTH", LASER, SAW)
            first, second = (one["id"] for one in job["parts"][0]["operations"])
            for box in (laser, saw):
                await until(lambda box=box: box.knows("operations", first), "the job is in the cell")
            line.cut()
            for box, operation in ((saw, second), (laser, first)):  # the saw is through first, and cannot say so
                await box.done("POST", f"/api-operation-lifecycle/start?id={operation}")
                await box.done("POST", f"/api-operation-lifecycle/complete?id={operation}")
            await until(laser.drained, "the laser has told")
            line.mend()
            await until(saw.drained, "the saw has told")
            ((last,),) = await site.ask("SELECT max(completed_at) FROM operations")

            async def ended():
                sql = "SELECT status, completed_at FROM jobs"
                return [await box.ask(sql) for box in (site, laser, saw)] == [[("completed", last)]] * 3

            await until(ended, "all know when it ended")
            ((data, occurred_at),) = await site.ask("SELECT data, occurred_at FROM events WHERE type = 'job.completed'")
            told = json.loads(data)
            assert (told["completed_at"], occurred_at) == (last, last)  # and the event says the same
