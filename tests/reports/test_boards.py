"""Cells as their boards show them."""

import json

from hall import LASER, SAW

from gateway.outbox import journal
from gateway.reports import boards
from gateway.reports.boards import Boards, Open
from gateway.reports.model import View
from gateway.reports.work import Nothing


async def shown(floor, asked: Boards | None = None, *cells: str) -> dict:
    view = View(floor.clock.now(), json.dumps(cells) if cells else None)
    found = await floor.db.read(boards.boards, asked or Boards(), view)
    return {cell["name"]: cell for cell in found["cells"]}


async def test_a_board_shows_what_is_open_and_what_has_just_ended(floor):
    job = await floor.job()
    cut, saw = (one["id"] for one in job["parts"][0]["operations"])
    await floor.pressed(("start", cut, floor.ANNA))
    await floor.make("/api-operation-quantities", {"operation_id": cut, "quantity_good": 3, "quantity_scrap": 1})
    found = await shown(floor)
    (running,), (waiting,) = found["Laser"]["operations"], found["Saw"]["operations"]
    assert (running["id"], running["status"], running["operators"]) == (cut, "in_progress", 1)
    assert (running["produced"], running["good"], running["scrap"], running["rework"]) == (4, 3, 1, 0)
    assert (waiting["id"], waiting["waits"], waiting["held"]) == (saw, True, False)
    assert (found["Laser"]["wip_current"], found["Saw"]["queue_length"]) == (1, 1)
    await floor.pressed(("complete", cut, None, 300))
    found = await shown(floor)
    assert [one["id"] for one in found["Laser"]["operations"]] == [cut]
    assert [one["waits"] for one in found["Saw"]["operations"]] == [False]
    assert (await shown(floor, Boards(ended_s=299)))["Laser"]["operations"] == []


async def test_what_the_cloud_has_is_confirmed(floor):
    """A completed operation once its entries have gone up, none of them is parked, and no request about it may still run."""
    job = await floor.job("J-1", (LASER,))
    (cut,) = (one["id"] for one in job["parts"][0]["operations"])
    await floor.pressed(("start", cut, floor.ANNA))

    async def confirmed() -> bool:
        ((one,),) = [cell["operations"] for cell in (await shown(floor)).values() if cell["operations"]]
        return one["confirmed"]

    def done(sql: str):
        return floor.db.write(lambda tx: tx.execute(sql, {"id": cut, "lane": f"job:{job['id']}"}) and None)

    await floor.pressed(("complete", cut, None, 300))
    assert not await confirmed()  # there is no cloud
    await floor.db.write(journal.register, "cloud", "2026", 0)
    assert not await confirmed()
    await done("INSERT INTO event_lanes (reader, lane, position) SELECT 'cloud', :lane, max(seq) FROM events")
    assert await confirmed()  # this lane is ahead
    await done("DELETE FROM event_lanes")
    await done("UPDATE event_readers SET position = (SELECT max(seq) FROM events)")
    assert await confirmed()
    await done(
        "INSERT INTO cloud_rows (table_name, id, unsettled_until, seen_at) VALUES ('operations', :id, '2026', '2026')"
    )
    assert not await confirmed()
    await done("DELETE FROM cloud_rows")
    await done(
        "INSERT INTO event_parked (reader, seq, lane, aggregate, state, reason, parked_at)"
        " SELECT 'cloud', seq, lane, aggregate, 'parked', 'no', '2026' FROM events WHERE aggregate = 'operation:' || :id LIMIT 1"
    )
    assert not await confirmed()


async def test_cells_are_asked_for_by_id_by_job_and_by_what_may_be_seen(floor):
    job = await floor.job("J-1", (SAW,))
    assert (await shown(floor)).keys() == {"Laser", "Saw"}
    assert (await shown(floor, Boards(jobs=(job["id"],)))).keys() == {"Saw"}
    assert (await shown(floor, Boards(cell_ids=(LASER,), jobs=(job["id"],)))).keys() == {"Laser", "Saw"}
    assert (await shown(floor, Boards(cell_ids=(LASER, SAW)), SAW)).keys() == {"Saw"}
    view = View(floor.clock.now(), None)
    assert (await floor.db.read(boards.cell_ids, Nothing(), view))["cells"] == [LASER, SAW]
    (listed,) = (await floor.db.read(boards.open_jobs, Open(), view))["jobs"]
    assert (listed["id"], listed["parts_total"], listed["parts_done"]) == (job["id"], 1, 0)


async def test_history_is_not_looked_through(floor):
    """Of a cell's operations only the open ones and the newest are found, however many there are."""
    given = {"cell_id": LASER, "ended_after": "2026", "now": "", "cells": None}

    def plan(connection) -> list[str]:
        return [
            row[3]
            for sql in (boards._OPERATIONS, boards._QUEUE)
            for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", given)
        ]

    steps = await floor.db.read(plan)
    assert not [step for step in steps if step.startswith("SCAN")]
    assert "SEARCH x USING INDEX operations_by_cell_completed (cell_id=? AND completed_at>?)" in steps
