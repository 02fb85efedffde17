"""Values a second that the OPC UA mirror writes, against bare writes of asyncua into as many nodes, in turns in one process.

The mirror makes the values of a cell anew, compares all of them with what was shown last, and writes what differs: here every
operation of the cell has moved on. Nobody has subscribed: what that costs is asyncua's, and the same for both.

Then the memory of a gateway with a hall of 100 cells and 5,000 operations, with the mirror and without it,
each a process of its own.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import Server, ua

sys.path.insert(0, str(Path(__file__).parents[1]))  # the rows of tests

from large_hall import CELLS, OPERATIONS

from plugins.opcua_mirror import nodes
from plugins.opcua_mirror.model import Cell, Operation
from plugins.opcua_mirror.nodes import Kind
from plugins.opcua_mirror.space import NAMESPACE, Space

STAND = Path(__file__).with_name("opcua_stand.py")
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
FLOOR = 0.1  # of the bare writes a second
MEMORY_MAX_MB = 250.0  # that the mirror of such a hall costs


def operation(number: int, moved: int) -> Operation:
    """`moved`: how often it has."""
    name = f"{number}-{moved}"
    values: dict[str, Any] = dict.fromkeys(Operation.__dataclass_fields__, number + moved)
    words = ("id", "operation_name", "part_id", "part_number", "material", "job_id", "job_number")
    return Operation(
        **{
            **values,
            **dict.fromkeys(words, name),
            **dict.fromkeys(("due_date", "planned_start", "planned_end", "completed_at", "program")),
            "status": "not_started" if number % (OPERATIONS // CELLS) else "in_progress",
            "job_status": "in_progress",
            "started_at": f"2026-11-30T11:00:{moved % 60:02}.000Z",
            "updated_at": "2026-11-30T11:00:00.000Z",
            "waits": False,
            "held": False,
            "confirmed": False,
        }
    )


def cell(number: int, moved: int) -> Cell:
    each = OPERATIONS // CELLS
    operations = tuple(operation(number * each + place, moved) for place in range(each))
    return Cell(f"cell-{number}", f"Cell {number}", f"cell-{number}", 5, moved, moved, operations)


async def mirrored(space: Space, moved: int) -> float:
    """Values a second."""
    cells = [cell(number, moved) for number in range(CELLS)]
    began_s = time.perf_counter()
    written = 0
    for one in cells:
        written += await space.show(nodes.values_of_cell(one, NOW), NOW)
    return written / (time.perf_counter() - began_s)


async def bare(server: Server, ids: list[tuple[ua.NodeId, Kind]], moved: int) -> float:
    began_s = time.perf_counter()
    for node_id, kind in ids:
        variant = (
            ua.Variant(str(moved), ua.VariantType.String)
            if kind is Kind.STRING
            else ua.Variant(moved, ua.VariantType.Int32)
        )
        await server.write_attribute_value(node_id, ua.DataValue(variant, SourceTimestamp=NOW, ServerTimestamp=NOW))
    return len(ids) / (time.perf_counter() - began_s)


async def writes(rounds: int) -> tuple[list[float], list[float]]:
    ours, theirs = [], []
    server, other = Server(), Server()
    await server.init()
    await other.init()
    space = Space(server, await server.register_namespace(NAMESPACE))
    space.add_types()
    space.add(nodes.frame())
    plain = Space(other, await other.register_namespace(NAMESPACE))
    plain.add(nodes.frame())
    ids = []
    for number in range(CELLS):
        made = [*nodes.of_cell(cell(number, 0))]
        space.add(made)
        plain.add(made)
        written = [node for node in made if node.kind in (Kind.STRING, Kind.INT32)]
        ids += [(plain.node_id(node.id), node.kind) for node in written]
    for moved in range(1, rounds + 1):
        theirs.append(await bare(other, ids, moved))
        ours.append(await mirrored(space, moved))
    return ours, theirs


# ------------------------------------------------------------------ memory


def child(folder: Path, *words: str) -> dict[str, Any]:
    command = [sys.executable, str(STAND), str(folder), *words]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return json.loads(said) if said else {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    ours, theirs = asyncio.run(writes(given.rounds))
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    print(
        f"{CELLS} cells, {OPERATIONS} operations: {statistics.median(ours):,.0f} values/s by the mirror, "
        f"{statistics.median(theirs):,.0f} bare; ratio {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), floor {FLOOR}"
    )
    with tempfile.TemporaryDirectory() as folder:
        child(Path(folder), "fill")
        off, on = child(Path(folder), "plain"), child(Path(folder), "mirror")
    cost_mb = on["mb"] - off["mb"]
    print(
        f"memory: {off['mb']:.0f} MB without the mirror, {on['mb']:.0f} MB with {on['cells']} cells in it: {cost_mb:.0f} MB"
    )
    print(f"from nothing to listening: {off['ready_s']:.1f} s without it, {on['ready_s']:.1f} s with it")
    return 0 if ratio >= FLOOR and cost_mb <= MEMORY_MAX_MB and on["cells"] == CELLS else 1


if __name__ == "__main__":
    raise SystemExit(main())
