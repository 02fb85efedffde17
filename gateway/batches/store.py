"""All SQL about batches that is not a declaration."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.batches.model import Batch, BatchStatus, Mode, Type
from gateway.jobs.store import at
from gateway.outbox.event import encode

_GET = """
SELECT b.id, b.batch_number, b.batch_type, b.production_mode, b.status, b.cell_id, c.name, b.started_by, b.started_at,
  b.completed_at
FROM operation_batches b JOIN cells c ON c.id = b.cell_id WHERE b.id = ?
"""
_MEMBERS = """
SELECT o.id FROM batch_operations b JOIN operations o ON o.id = b.operation_id
WHERE b.batch_id = ? AND o.deleted_at IS NULL ORDER BY b.sequence_in_batch, b.rowid
"""
_FOUND = """
SELECT o.id, o.cell_id, t.batch_number FROM operations o
LEFT JOIN batch_operations b ON b.operation_id = o.id LEFT JOIN operation_batches t ON t.id = b.batch_id
WHERE o.deleted_at IS NULL AND o.id IN (SELECT value FROM json_each(?))
"""
_BELOW = """
WITH RECURSIVE below (id) AS (VALUES (?) UNION SELECT b.id FROM operation_batches b JOIN below ON b.parent_batch_id = below.id)
SELECT id FROM below
"""
# A plan of its own, or those of its operations together; without either nobody can say that it is late.
_WATCHED = """
SELECT count(*), coalesce(sum(unixepoch(:now) - unixepoch(b.started_at) > 60 * coalesce(b.estimated_time,
  (SELECT nullif(sum(o.estimated_time), 0) FROM batch_operations m JOIN operations o ON o.id = m.operation_id
   WHERE m.batch_id = b.id AND o.deleted_at IS NULL))), 0)
FROM operation_batches b WHERE b.status = 'in_progress' AND b.production_mode = 'automated'
  AND (:cells IS NULL OR b.cell_id IN (SELECT value FROM json_each(:cells)))
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """Automated batches that run, and how many of them should have ended by now."""

    running: int
    overdue: int


def get(connection: sqlite3.Connection, batch_id: str) -> Batch | None:
    row = connection.execute(_GET, (batch_id,)).fetchone()
    if row is None:
        return None
    kinds = (Type(row[2]), Mode(row[3]), BatchStatus(row[4]))
    return Batch(row[0], row[1], *kinds, row[5], row[6], row[7], at(row[8]), at(row[9]))


def of(connection: sqlite3.Connection, operation_id: str) -> Batch | None:
    """The batch that an operation is in: one at most."""
    row = connection.execute("SELECT batch_id FROM batch_operations WHERE operation_id = ?", (operation_id,)).fetchone()
    return get(connection, row[0]) if row else None


def members(connection: sqlite3.Connection, batch_id: str) -> list[str]:
    """Ids of its live operations, in order."""
    return [row[0] for row in connection.execute(_MEMBERS, (batch_id,))]


def memberships(connection: sqlite3.Connection, batch_id: str) -> list[str]:
    """Ids of the rows that hold its operations, those of deleted operations too."""
    rows = connection.execute("SELECT id FROM batch_operations WHERE batch_id = ? ORDER BY rowid", (batch_id,))
    return [row[0] for row in rows]


def found(connection: sqlite3.Connection, operation_ids: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """id of a live operation -> (its cell, the number of the batch that it is in)."""
    return {row[0]: (row[1], row[2]) for row in connection.execute(_FOUND, (encode(operation_ids),))}


def last_place(connection: sqlite3.Connection, batch_id: str) -> int:
    sql = "SELECT coalesce(max(sequence_in_batch), 0) FROM batch_operations WHERE batch_id = ?"
    place: int = connection.execute(sql, (batch_id,)).fetchone()[0]
    return place


def below(connection: sqlite3.Connection, batch_id: str) -> list[str]:
    """The batch itself and all that have it above them."""
    return [row[0] for row in connection.execute(_BELOW, (batch_id,))]


def tenant_id(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT value FROM gateway_state WHERE key = 'tenant_id'").fetchone()
    return str(row[0]) if row else ""


def watched(connection: sqlite3.Connection, now: str, cells: frozenset[str] | None) -> Watched:
    asked = {"now": now, "cells": None if cells is None else encode(sorted(cells))}
    row = connection.execute(_WATCHED, asked).fetchone()
    return Watched(row[0], row[1])
