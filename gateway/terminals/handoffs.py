"""What one shift leaves the next about an operation. The last remark counts."""

import sqlite3
from datetime import datetime
from typing import Any

from gateway.catalog.resources import Column, Kind, Resource
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.operations.model import Operation
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, job_lane

# It has no endpoint: it comes by import and goes by export.
HANDOFFS = Resource(
    table="operation_handoffs",
    path="",
    singular=("operation_handoff",),
    cell="(SELECT o.cell_id FROM operations o WHERE o.id = operation_handoffs.operation_id)",
    columns=(
        Column("operation_id", Kind.UUID, required=True, references="operations"),
        Column("text", required=True),
        Column("written_by", Kind.UUID, references="profiles"),
        Column("written_at", Kind.TIME, nullable=False),
    ),
)

_LEAVE = """
INSERT INTO operation_handoffs (id, operation_id, text, written_by, written_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (operation_id) DO UPDATE SET text = excluded.text, written_by = excluded.written_by,
  written_at = excluded.written_at, row_version = row_version + 1
RETURNING id, row_version
"""
_LAST = """
SELECT h.text, f.full_name AS "by", h.written_at AS at FROM operation_handoffs h
LEFT JOIN profiles f ON f.id = h.written_by WHERE h.operation_id = ?
"""


def leave(tx: Tx, stamp: Stamp, operation: Operation, text: str, by: str, at: datetime) -> None:
    row_id, version = tx.execute(_LEAVE, (stamp.new_id(), operation.id, text, by, time_.text(at))).fetchone()
    fields = None if version == 1 else ("text", "written_by", "written_at")
    change = Change("operation_handoffs", row_id, "insert" if version == 1 else "update", version, fields)
    journal.append(tx, stamp, [Event(job_lane(operation.job.id), f"handoff:{row_id}", at, (change,))])


def last(connection: sqlite3.Connection, operation_id: str) -> dict[str, Any] | None:
    """text, by, at."""
    row = connection.execute(_LAST, (operation_id,)).fetchone()
    return dict(row) if row else None
