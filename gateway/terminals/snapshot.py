"""All that a terminal needs to begin: who works here, what may be said of scrap and issues, the cells and their work."""

import sqlite3
from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

from gateway.kernel.clock import zulu
from gateway.outbox import journal
from gateway.terminals import cards, pins

PEOPLE_MAX = 1_000
WORDS_MAX = 500  # scrap reasons, and issue categories
USED_MAX = 2_000  # the newest bookings of scrap, in which is counted which reasons are used

_CELLS = """
SELECT c.id, c.name, c.color, c.icon_name, c.sequence, c.wip_limit, c.wip_warning_threshold, c.enforce_wip_limit,
  c.capacity_hours_per_day
FROM cells c WHERE c.deleted_at IS NULL AND c.active ORDER BY c.sequence, c.name, c.id
"""
_LOAD = """
SELECT o.cell_id, o.status, count(*) AS operations, coalesce(sum(max(0, o.estimated_time * 60 - o.actual_time_s)), 0) AS left_s
FROM operations o INDEXED BY operations_by_cell_status
WHERE o.cell_id IN (SELECT c.id FROM cells c) AND o.deleted_at IS NULL
  AND o.status IN ('not_started', 'in_progress', 'on_hold') GROUP BY o.cell_id, o.status
"""
_PEOPLE = f"""
SELECT p.id, p.full_name AS name, p.employee_id, p.role FROM profiles p
WHERE p.active AND p.is_machine = 0 ORDER BY p.full_name, p.id LIMIT {PEOPLE_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
_REASONS = f"""
SELECT r.id, r.code, r.description, r.category FROM scrap_reasons r WHERE r.active ORDER BY r.code, r.id LIMIT {WORDS_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
_USED = f"""
SELECT s.scrap_reason_id, count(*) FROM (SELECT q.id, q.operation_id FROM operation_quantities q
  INDEXED BY operation_quantities_scrap WHERE q.quantity_scrap > 0 ORDER BY q.recorded_at DESC LIMIT {USED_MAX}) b
JOIN operations o ON o.id = b.operation_id
JOIN operation_quantity_scrap_reasons s ON s.operation_quantity_id = b.id
WHERE :cell IS NULL OR o.cell_id = :cell GROUP BY 1
"""  # nosec B608 # noqa: S608 -- constants only
_CATEGORIES = f"""
SELECT k.id, k.code, k.description, k.severity_default FROM issue_categories k WHERE k.active
ORDER BY k.code, k.id LIMIT {WORDS_MAX}
"""  # nosec B608 # noqa: S608 -- constants only


def taken(
    connection: sqlite3.Connection, cell_id: str | None, seen: Collection[str] | None, box: str, now: datetime
) -> dict[str, Any]:
    """As it stands at one moment, `seq` in the journal. `cell_id`: the work of that cell alone; None: of all in `seen` (None: every
    cell). `box`: whose PINs count.
    """
    cells = [_cell(row) for row in connection.execute(_CELLS) if seen is None or row["id"] in seen]
    _load(connection, cells)
    shown = [cell["id"] for cell in cells if cell_id in (None, cell["id"])]
    return {
        "seq": journal.head(connection),
        "now": zulu(now),
        "cells": cells,
        "operators": _people(connection, box),
        "scrap_reasons": _reasons(connection, cell_id),
        "issue_categories": [dict(row) for row in connection.execute(_CATEGORIES)],
        "operations": cards.listed(connection, shown, now),
    }


def _cell(row: sqlite3.Row) -> dict[str, Any]:
    return {**dict(row), "enforce_wip_limit": bool(row["enforce_wip_limit"])}


def _load(connection: sqlite3.Connection, cells: list[dict[str, Any]]) -> None:
    """How much open work each cell has: operations by state, and the seconds of it that are planned and not worked."""
    nothing = {"not_started": 0, "in_progress": 0, "on_hold": 0, "left_s": 0}
    loads = {cell["id"]: cell.setdefault("load", dict(nothing)) for cell in cells}
    for row in connection.execute(_LOAD):
        if (load := loads.get(row["cell_id"])) is not None:
            load[row["status"]] = row["operations"]
            load["left_s"] += row["left_s"]


def _people(connection: sqlite3.Connection, box: str) -> list[dict[str, Any]]:
    known = pins.set_here(connection, box)
    return [
        {**dict(row), "has_pin": row["id"] in known, "initials": initials(row["name"]), "language": None}
        for row in connection.execute(_PEOPLE)
    ]


def initials(name: str) -> str:
    """Of the first and the last word: "Anna van Dijk" is AD."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def _reasons(connection: sqlite3.Connection, cell_id: str | None) -> list[dict[str, Any]]:
    """Those that are used most in this cell first."""
    used = Counter(dict(map(tuple, connection.execute(_USED, {"cell": cell_id}))))
    found = [{**dict(row), "used": used[row["id"]]} for row in connection.execute(_REASONS)]
    return sorted(found, key=lambda one: -one["used"])
