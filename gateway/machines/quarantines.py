"""Pieces that were counted and not believed: somebody looks, books what was made by hand, and says so."""

import sqlite3
from datetime import timedelta
from typing import Any

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import CellNotAllowed
from gateway.kernel.ids import NewId
from gateway.machines import standing, store
from gateway.machines.registry import Machines
from gateway.outbox.command import Commands
from gateway.outbox.event import Stamp, encode
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

KEPT = timedelta(days=30)  # of what somebody has acknowledged


class QuarantineCommands(Commands):
    def __init__(self, db: Database, clock: Clock, new_id: NewId, origin: str, machines: Machines) -> None:
        super().__init__(db, clock, new_id, origin)
        self._machines = machines

    async def acknowledge(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, CellNotAllowed."""
        return await self._once(receipt, _acknowledge, self._machines, row_id, caller)

    async def listed(self, caller: Caller, *, acknowledged_too: bool) -> list[dict[str, Any]]:
        """Newest first; of machines in the caller's cells."""
        return await self._db.read(_listed, self._machines, caller, acknowledged_too)


def _listed(
    connection: sqlite3.Connection,
    machines: Machines,
    caller: Caller,
    acknowledged_too: bool,  # noqa: FBT001 -- what the caller asks for
) -> list[dict[str, Any]]:
    cells = standing.cells_of(connection, machines)
    rows = store.quarantines(connection, acknowledged_too=acknowledged_too)
    return [row for row in rows if caller.cells is None or caller.cells.intersection(cells.get(row["device"], ()))]


def _acknowledge(tx: Tx, stamp: Stamp, machines: Machines, row_id: str, caller: Caller) -> Answer:
    device = store.device_of(tx, row_id)
    cells = standing.cells_of(tx, machines).get(device, ())
    if caller.cells is not None and not (cells and caller.cells.issuperset(cells)):
        raise CellNotAllowed("this key may not write in every cell of that machine", {"device": device})
    store.forget(tx, time_.text(stamp.now - KEPT))
    row = store.acknowledge(tx, row_id, caller.name, stamp.text)
    return Answer(200, encode({"quarantine": row}))
