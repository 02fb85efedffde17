"""How machines stand now, for everybody who shows it. Reads only."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.kernel import clock as time_
from gateway.machines import store, targets
from gateway.machines.model import COUNTER, TAG, Standing
from gateway.machines.registry import Machine, Machines

_EDGE = "!"  # in a key: only the rule looks at that value


def standing(
    connection: sqlite3.Connection, machines: Machines, devices: Sequence[str] | None = None
) -> list[Standing]:
    """Those devices of the settings (None: all), also one that never told anything."""
    rows, values = store.every(connection), store.values(connection)
    wanted = [one for one in machines if devices is None or one.id in devices]
    return [
        _one(connection, one, rows.get(one.id) or store.MachineRow(one.id), values.get(one.id, {})) for one in wanted
    ]


def seen_by(connection: sqlite3.Connection, machines: Machines, cells: frozenset[str] | None) -> list[Standing]:
    """What a caller who is held to these cells sees, None: all of them."""
    if cells is None:
        return standing(connection, machines)
    seen = [device for device, its in cells_of(connection, machines).items() if cells.intersection(its)]
    return standing(connection, machines, seen)


def cells_of(connection: sqlite3.Connection, machines: Machines) -> dict[str, tuple[str, ...]]:
    """device -> the ids of its cells that are there."""
    known = store.cells(connection)
    return {one.id: tuple(known) if one.everywhere else store.cell_ids(one.device.cells, known) for one in machines}


def missing_cells(connection: sqlite3.Connection, machines: Machines) -> list[str]:
    """One sentence for each device with a cell that is not there (yet)."""
    known = store.cells(connection)
    gone = {one.id: store.missing(one.device.cells, known) for one in machines}
    return [
        f"[[uns.device]] {device}: no cell is called {', '.join(names)} (yet)"
        for device, names in gone.items()
        if names
    ]


def _one(
    connection: sqlite3.Connection, machine: Machine, row: store.MachineRow, values: Mapping[str, Any]
) -> Standing:
    cells = targets.cells_of(connection, machine)
    found = targets.current(connection, cells, row.started_operation_id)
    shown = {key: value for key, value in values.items() if _EDGE not in key}
    return Standing(
        device=row.id,
        state=row.state,
        raw=row.raw,
        since=time_.zulu(row.since) if row.since else None,
        quality=row.quality,
        source_timestamp=time_.zulu(row.source_timestamp) if row.source_timestamp else None,
        received_at=time_.zulu(row.received_at) if row.received_at else None,
        program=row.program,
        counters={key.removeprefix(COUNTER): value for key, value in shown.items() if key.startswith(COUNTER)},
        tags={key.removeprefix(TAG): value for key, value in shown.items() if not key.startswith(COUNTER)},
        version=row.version,
        operation_id=found[0] if len(found) == 1 else None,
    )
