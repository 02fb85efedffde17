"""Who forwards to this gateway: what its key may, and all SQL about its epochs and cells."""

import sqlite3
from collections.abc import Collection
from typing import Any

from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict, EpochFenced, Forbidden
from gateway.outbox.event import encode
from gateway.transfer.tables import KEPT
from gateway.web.routes import Caller, Scope

_SEEN = """
INSERT INTO hub_gateways (id, epoch, seen_at) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, seen_at = excluded.seen_at
"""
_RELEASE = "DELETE FROM hub_cells WHERE gateway_id = ? AND cell_id NOT IN (SELECT value FROM json_each(?))"
_KNOWN = """
SELECT id, epoch, seen_at, (SELECT count(*) FROM hub_cells c WHERE c.gateway_id = g.id) AS cells,
  (SELECT count(DISTINCT path) FROM files_to_come f WHERE f.gateway_id = g.id) AS files_to_come FROM hub_gateways g ORDER BY id
"""
_JOBS = {kept.resource.path: kept.job for kept in KEPT if kept.job and kept.resource.path}
_PARENTS = {"job_id": "/api-jobs", "part_id": "/api-parts", "operation_id": "/api-operations"}


def speaks_for(caller: Caller, gateway_id: str) -> None:
    """Raises Forbidden."""
    if caller.gateway_id not in (None, gateway_id):
        raise Forbidden(f"this key speaks for another gateway than {gateway_id}")


def require_rows(caller: Caller) -> None:
    """Rows and files come as they are, and no function's own rules are asked: it takes a gateway's own key. Raises Forbidden."""
    if caller.gateway_id is None:
        caller.require(Scope.ADMIN)
    caller.require(Scope.PLAN)


def admit(tx: Tx, gateway_id: str, epoch: int, cells: Collection[str], now: str) -> None:
    """It is there, with this epoch, and these cells are its own; those it had and does not name are free, unless it names none.

    Raises EpochFenced, Conflict.
    """
    require_epoch(tx, gateway_id, epoch)
    for cell in cells:
        found = tx.execute("SELECT gateway_id FROM hub_cells WHERE cell_id = ?", (cell,)).fetchone()
        if found is not None and found[0] != gateway_id:
            raise Conflict(
                f"the cell {cell} belongs to the gateway {found[0]}: a cell has one gateway",
                {"cell_id": cell, "gateway_id": found[0]},
            )
    tx.execute(_SEEN, (gateway_id, epoch, now))
    if cells:
        tx.execute(_RELEASE, (gateway_id, encode(sorted(cells))))
    claims = [(cell, gateway_id, now) for cell in cells]
    tx.executemany("INSERT INTO hub_cells VALUES (?, ?, ?) ON CONFLICT (cell_id) DO NOTHING", claims)


def require_epoch(connection: sqlite3.Connection, gateway_id: str, epoch: int) -> None:
    """Raises EpochFenced."""
    found = connection.execute("SELECT epoch FROM hub_gateways WHERE id = ?", (gateway_id,)).fetchone()
    if found is not None and found[0] > epoch:
        raise EpochFenced(
            f"the gateway {gateway_id} has been here with the epoch {found[0]}, this is {epoch}: a box that was replaced",
            {"epoch": found[0]},
        )


def known(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """Gateways below this one: id -> `{epoch, seen_at, cells, files_to_come}`; of the last two how many."""
    names = ("epoch", "seen_at", "cells", "files_to_come")
    return {row["id"]: {name: row[name] for name in names} for row in connection.execute(_KNOWN)}


def job_of(connection: sqlite3.Connection, function: str, row_id: str) -> str | None:
    """The job in whose tree this row of `/api-parts`, ... stands."""
    sql = _JOBS.get(function)
    found = connection.execute(sql, (row_id,)).fetchone() if sql else None
    return str(found[0]) if found and found[0] else None


def parent_function(column: str) -> str:
    return _PARENTS[column]
