"""All SQL about assignments that is not a declaration."""

import sqlite3
from collections.abc import Mapping
from typing import Any

# `IS`, because what is left open on both sides is the same
_OPEN_TWIN = """
SELECT id FROM assignments WHERE operator_id IS :operator_id AND shop_floor_operator_id IS :shop_floor_operator_id
  AND job_id IS :job_id AND part_id IS :part_id AND status <> 'completed' AND id <> :id LIMIT 1
"""
_COMPARED = ("id", "operator_id", "shop_floor_operator_id", "job_id", "part_id")


def open_twin(connection: sqlite3.Connection, row: Mapping[str, Any]) -> str | None:
    """The id of another open assignment of the same people to the same work."""
    found = connection.execute(_OPEN_TWIN, {name: row.get(name) for name in _COMPARED}).fetchone()
    return found[0] if found else None


def job_of_part(connection: sqlite3.Connection, part_id: str) -> str:
    """Also of a part that is deleted by now."""
    job_id: str = connection.execute("SELECT job_id FROM parts WHERE id = ?", (part_id,)).fetchone()[0]
    return job_id
