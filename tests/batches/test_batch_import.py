"""Batches come by import as they are, with what they hold; a batch that ran elsewhere is stopped here."""

import copy

import pytest
from batch_floor import acted, operations, row
from hall import Floor

from gateway.kernel.errors import Conflict, Invalid
from gateway.kernel.ids import uuid7
from gateway.outbox.event import Stamp
from gateway.transfer.commands import bring_in, planned

ABOVE, BATCH, MEMBER, REQUIREMENT, ENTRY = (f"00000000-0000-4000-8000-00000000ba0{n}" for n in range(1, 6))
AT = "2026-11-02T06:00:00+00:00"


def tables(operation_id: str) -> dict[str, list[dict]]:
    return {
        "batch_requirements": [
            {"id": REQUIREMENT, "batch_id": BATCH, "material_name": "Sheet", "quantity": 3, "tenant_id": Floor.NOWHERE}
        ],
        "batch_operations": [
            {
                "id": MEMBER,
                "batch_id": BATCH,
                "operation_id": operation_id,
                "sequence_in_batch": 4,
                "quantity_in_batch": 2,
            }
        ],
        "operation_batches": [
            {
                "id": BATCH,
                "batch_number": "NEST-9",
                "batch_type": "laser_nesting",
                "production_mode": "automated",
                "status": "in_progress",
                "cell_id": Floor.LASER,
                "parent_batch_id": ABOVE,
                "nesting_metadata": {"sheet": [1, 2]},
                "operations_count": 7,
                "estimated_time": 12.25,
                "started_by": Floor.ANNA,
                "started_at": "2026-11-02T06:00:00Z",
                "material_requirement_raised": False,
                "created_at": AT,
            },
            {"id": ABOVE, "batch_number": "NEST-8", "cell_id": Floor.LASER, "status": "completed", "actual_time": 12.5},
        ],
        "time_entries": [
            {"id": ENTRY, "operation_id": operation_id, "operator_id": Floor.ANNA, "start_time": AT, "created_at": AT}
        ],
    }


async def bring(floor, given):
    return await floor.db.write(bring_in, Stamp(floor.clock.now(), "gw-test", uuid7(floor.clock)), planned(given))


async def test_batches_are_kept_as_they_are(floor):
    [operation_id] = await operations(floor, 10)
    given = tables(operation_id)
    told = await bring(floor, given)
    assert told["not_kept"] == []
    assert told["tables"]["operation_batches"] == {"written": 2, "unchanged": 0}
    kept = await row(floor, BATCH)
    wanted = {name: value for name, value in given["operation_batches"][0].items() if name != "operations_count"}
    assert {name: kept[name] for name in wanted} == {**wanted, "started_at": AT}
    assert kept["operations_count"] == 1
    assert kept["operations"][0].items() >= {"id": operation_id, "sequence_in_batch": 4, "quantity_in_batch": 2}.items()
    assert (await row(floor, ABOVE))["actual_time_seconds"] == 750
    assert await floor.query("SELECT material_name, quantity, status FROM batch_requirements") == [
        ("Sheet", 3, "pending")
    ]
    again = await bring(floor, given)
    assert all(count["written"] == 0 for count in again["tables"].values())


async def test_a_batch_that_was_started_elsewhere_is_stopped_here(floor):
    [operation_id] = await operations(floor, 10)
    await floor.pressed(("start", operation_id))
    await bring(floor, tables(operation_id))
    data = await acted(floor, "stop", BATCH)
    assert (data["total_minutes"], data["monitoring_source"]) == (60, "operator")
    assert (await floor.operation(operation_id))["status"] == "completed"


@pytest.mark.parametrize(
    ("table", "change", "error"),
    [
        ("operation_batches", {"batch_type": "general"}, Invalid),
        ("operation_batches", {"status": "odd"}, Invalid),
        ("operation_batches", {"batch_number": "NEST-8"}, Conflict),
        ("operation_batches", {"cell_id": Floor.NOWHERE}, Invalid),
        ("batch_operations", {"operation_id": Floor.NOWHERE}, Invalid),
        ("batch_requirements", {"batch_id": Floor.NOWHERE}, Invalid),
    ],
)
async def test_what_cannot_be_is_named_by_its_table(floor, table, change, error):
    given = copy.deepcopy(tables((await operations(floor, 10))[0]))
    given[table][0] |= change
    with pytest.raises(error, match=table):
        await bring(floor, given)
    assert await floor.query("SELECT 1 FROM operation_batches") == []


async def test_batches_that_are_above_each_other_are_refused(floor):
    given = tables((await operations(floor, 10))[0])
    given["operation_batches"][1]["parent_batch_id"] = BATCH
    with pytest.raises(Invalid, match=r"operation_batches: .* are parents of each other"):
        await bring(floor, given)
