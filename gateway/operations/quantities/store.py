"""All SQL about the scrap reasons of a quantity; the rest is a declaration."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.kernel.db import Tx
from gateway.kernel.errors import Invalid
from gateway.outbox.event import Stamp

_REASONS = """
SELECT r.scrap_reason_id, r.quantity, r.notes, s.code, s.description, s.category
FROM operation_quantity_scrap_reasons r JOIN scrap_reasons s ON s.id = r.scrap_reason_id
WHERE r.operation_quantity_id = ? ORDER BY r.id
"""
_INSERT = """
INSERT INTO operation_quantity_scrap_reasons (id, operation_quantity_id, scrap_reason_id, quantity, notes, created_at)
VALUES (?, ?, ?, ?, ?, ?)
"""


def reasons_of(connection: sqlite3.Connection, quantity_id: str) -> list[dict[str, Any]]:
    """scrap_reason_id, quantity, notes, code, description, category, in the order in which they were given."""
    return [dict(row) for row in connection.execute(_REASONS, (quantity_id,))]


def reason(connection: sqlite3.Connection, reason_id: str, field: str) -> dict[str, Any]:
    """code, description and category. Raises Invalid."""
    found = connection.execute(
        "SELECT code, description, category FROM scrap_reasons WHERE id = ?", (reason_id,)
    ).fetchone()
    if found is None:
        message = f'no scrap reason has the id "{reason_id}"'
        raise Invalid(message, [{"field": field, "message": message, "constraint": "FK_CONSTRAINT"}])
    return dict(found)


def save_reasons(tx: Tx, stamp: Stamp, quantity_id: str, reasons: Sequence[Mapping[str, Any]]) -> None:
    """Instead of those that were there."""
    tx.execute("DELETE FROM operation_quantity_scrap_reasons WHERE operation_quantity_id = ?", (quantity_id,))
    for one in reasons:
        values = (stamp.new_id(), quantity_id, one["scrap_reason_id"], one["quantity"], one.get("notes"), stamp.text)
        tx.execute(_INSERT, values)
