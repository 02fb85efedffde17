"""What was deleted is remembered for longer than the journal: in the snapshot it is a tombstone."""

from datetime import timedelta

import pytest

from gateway import housekeeping
from gateway.kernel import clock as time_
from gateway.kernel.ids import uuid7
from gateway.outbox import tombstones
from gateway.settings import Retention
from gateway.web.routes import Scope

DAY_S = 86_400


async def stones(floor, **more) -> dict[tuple[str, str], dict]:
    key = more.get("key") or floor.key
    async with floor.session.get(f"{floor.url}/api-snapshot", headers={"Authorization": f"Bearer {key}"}) as answer:
        assert answer.status == 200
        found = (await answer.json())["tombstones"]
    told = {(one["entity"], one["id"]): one for one in found}
    assert len(told) == len(found)
    return told


async def operation(floor, *cells: str) -> str:
    return (await floor.job("J-1", cells))["parts"][0]["operations"][0]["id"]


async def gone(floor, path: str, body: dict) -> str:
    """A row that is made and deleted for good."""
    made = next(iter((await floor.make(path, body)).values()))
    assert (await floor.send("DELETE", f"{path}?id={made['id']}")).status == 200
    return made["id"]


@pytest.mark.parametrize(
    "table", ["cells", "scrap_reasons", "operation_quantities", "time_entries", "issues", "substeps"]
)
async def test_a_row_that_is_deleted_for_good_leaves_one(floor, table):
    step = await operation(floor, floor.LASER)
    bodies = {
        "cells": {"name": "Bending"},
        "scrap_reasons": {"code": "ODD", "description": "d", "category": "process"},
        "operation_quantities": {"operation_id": step, "quantity_good": 1},
        "time_entries": {"operation_id": step, "operator_id": floor.ANNA, "start_time": "2026-11-02T06:00:00Z"},
        "issues": {"operation_id": step, "description": "d", "severity": "low", "created_by": floor.ANNA},
        "substeps": {"operation_id": step, "name": "Deburr"},
    }
    row_id = await gone(floor, f"/api-{table.replace('_', '-')}", bodies[table])
    stone = (await stones(floor))[table, row_id]
    assert (stone["deleted_at"], stone["row_version"]) == (time_.text(floor.clock.now()), 1)


async def test_one_that_is_made_again_is_none_and_one_that_is_marked_is_told_once(floor):
    row_id = await gone(floor, "/api-cells", {"name": "Bending"})
    await floor.make("/api-cells", {"id": row_id, "name": "Bending"})
    job = await floor.job()
    await floor.send("DELETE", f"/api-jobs?id={job['id']}")
    told = await stones(floor)
    assert ("cells", row_id) not in told
    assert ("jobs", job["id"]) in told


async def test_what_a_gateway_below_has_deleted_leaves_one_as_well(floor):
    row_id = floor.NOWHERE
    made = {
        "name": "Paint",
        "sequence": 9,
        "created_at": "2026-11-02T06:00:00+00:00",
        "updated_at": "2026-11-02T06:00:00+00:00",
    }
    entry = {"key": row_id, "seq": 1, "epoch": 5, "lane": "cells:x", "aggregate": "cells:x", "origin": "gw-cell"}
    entry |= {"occurred_at": "2026-11-02T06:00:00+00:00"}
    entries = [
        {**entry, "changes": [{"table": "cells", "id": row_id, "op": "insert", "values": made}]},
        {**entry, "key": floor.ANNA, "seq": 2, "changes": [{"table": "cells", "id": row_id, "op": "delete"}]},
    ]
    reply = await floor.send("POST", "/api-forward", {"gateway_id": "gw-cell", "epoch": 5, "entries": entries})
    assert reply.data["entries"]["refused"] == []
    assert ("cells", row_id) in await stones(floor)


async def test_a_key_that_is_held_to_cells_is_told_of_those(floor):
    job = await floor.job("J-1", (floor.LASER, floor.SAW))
    laser, saw = [
        await gone(floor, "/api-operation-quantities", {"operation_id": one["id"], "quantity_good": 1})
        for one in job["parts"][0]["operations"]
    ]
    assigned = {"job_id": job["id"], "operator_id": floor.ANNA, "assigned_by": floor.BEN}
    assignment = await gone(floor, "/api-assignments", assigned)
    reason = await gone(floor, "/api-scrap-reasons", {"code": "ODD", "description": "d", "category": "process"})
    ids = {row_id for _, row_id in await stones(floor, key=await floor.new_key(Scope.READ, floor.LASER))}
    assert {laser, reason} <= ids
    assert not {saw, assignment} & ids
    assert {laser, saw, assignment, reason} <= {row_id for _, row_id in await stones(floor)}


async def test_they_go_after_ninety_days_and_not_before(floor):
    row_id = await gone(floor, "/api-cells", {"name": "Bending"})
    for days, there in ((tombstones.KEEP_DAYS - 1, True), (2, False)):
        floor.clock.step(days * DAY_S)
        await _cleaned(floor)
        assert (("cells", row_id) in await stones(floor)) is there


async def test_one_that_a_clock_which_was_never_set_has_dated_stays_as_long(floor):
    row_id = await gone(floor, "/api-cells", {"name": "Bending"})
    await floor.do("UPDATE tombstones SET deleted_at = '1970-01-01T00:00:10+00:00'")
    await _cleaned(floor)
    stone = (await stones(floor))["cells", row_id]
    assert time_.parse(stone["deleted_at"]) >= floor.clock.now() - timedelta(seconds=1)


async def _cleaned(floor) -> None:
    """One round of housekeeping; the journal is kept for as long as it may be, which says nothing of tombstones."""
    await housekeeping.clean(floor.db, Quick(floor.clock), uuid7(floor.clock), Retention(journal_days=30))


class Quick:
    """The floor's clock, on which nobody waits."""

    def __init__(self, clock) -> None:
        self._clock = clock
        self.now, self.monotonic = clock.now, clock.monotonic

    async def sleep(self, _delay_s: float) -> None:
        return
