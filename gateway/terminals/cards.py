"""An operation as its card shows it: everything that a list needs to say of it, read for many at once."""

import json
import sqlite3
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from gateway.kernel.clock import text
from gateway.outbox.event import encode

OPEN_MAX = 2_000  # operations in one list
ENDED_MAX = 200
ENDED = timedelta(hours=2)  # for so long what was completed is still in the list
UNIT = "pc"  # the cloud knows no other

Card = dict[str, Any]

DUE = "coalesce(j.due_date_override, j.due_date)"
WAITS = """EXISTS (SELECT 1 FROM operations e WHERE e.part_id = o.part_id AND e.deleted_at IS NULL AND e.sequence < o.sequence
  AND e.status <> 'completed')"""
_HELD = """(SELECT json_object('issue_id', i.id, 'title', i.title) FROM issues i
  WHERE i.operation_id = o.id AND i.status = 'pending' AND i.causes_standstill = 1 ORDER BY i.created_at, i.id LIMIT 1)"""
_COUNTED = """(SELECT json_array(coalesce(sum(q.quantity_good), 0), coalesce(sum(q.quantity_scrap), 0),
  coalesce(sum(q.quantity_rework), 0)) FROM operation_quantities q WHERE q.operation_id = o.id)"""
_PAUSED_S = "(SELECT coalesce(sum(x.duration), 0) FROM time_entry_pauses x WHERE x.time_entry_id = t.id)"
_PAUSED_AT = "(SELECT max(x.paused_at) FROM time_entry_pauses x WHERE x.time_entry_id = t.id AND x.resumed_at IS NULL)"
_ON_IT = f"""(SELECT json_group_array(json_object('operator_id', t.operator_id, 'name', f.full_name, 'entry_id', t.id,
  'since', t.start_time, 'setup', json(CASE t.time_type WHEN 'setup' THEN 'true' ELSE 'false' END),
  'paused', json(CASE WHEN t.is_paused THEN 'true' ELSE 'false' END), 'paused_at', {_PAUSED_AT}, 'paused_s', {_PAUSED_S}))
  FROM time_entries t INDEXED BY time_entries_by_operation JOIN profiles f ON f.id = t.operator_id
  WHERE t.operation_id = o.id AND t.end_time IS NULL)"""  # nosec B608 # noqa: S608 -- constants only
_BATCH = """(SELECT json_object('id', b.id, 'number', b.batch_number, 'status', b.status, 'operations',
  (SELECT count(*) FROM batch_operations n JOIN operations y ON y.id = n.operation_id
   WHERE n.batch_id = b.id AND y.deleted_at IS NULL)) FROM batch_operations m JOIN operation_batches b ON b.id = m.batch_id
  WHERE m.operation_id = o.id AND b.status IN ('draft', 'ready', 'in_progress', 'blocked'))"""
_STEPS = """(SELECT json_array(count(*), coalesce(sum(s.status = 'completed'), 0)) FROM substeps s WHERE s.operation_id = o.id)"""
_SELECT = f"""
SELECT o.id, o.cell_id, c.name AS cell_name, o.operation_name AS name, o.sequence, o.status, p.id AS part_id, p.part_number,
  p.extra ->> '$.description' AS part_name, j.id AS job_id, j.job_number, j.customer, p.is_bullet_card AS rush, p.material,
  p.quantity AS planned, {DUE} AS due_date, o.planned_start, o.estimated_time * 60 AS estimated_s, o.actual_time_s AS worked_s,
  {WAITS} AS waits, {_HELD} AS held, {_COUNTED} AS counted, {_ON_IT} AS on_it, {_BATCH} AS batch, {_STEPS} AS steps,
  p.file_paths, p.image_paths, p.cnc_program_name, p.drawing_no, o.assigned_operator_id, o.started_at, o.completed_at,
  o.row_version AS version
FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id JOIN cells c ON c.id = o.cell_id
WHERE o.deleted_at IS NULL AND p.deleted_at IS NULL AND j.deleted_at IS NULL AND o.id IN ({{}})
"""  # nosec B608 # noqa: S608 -- constants only
_ORDER = f"""ORDER BY p.is_bullet_card DESC, o.planned_start IS NULL, o.planned_start, {DUE} IS NULL, {DUE}, o.sequence,
  j.job_number, p.part_number, o.id"""
# Named, because most of a cell is history: whatever SQLite thinks of the states, looking through all of it is wrong.
_OPEN = f"""SELECT x.id FROM operations x INDEXED BY operations_by_cell_status
  WHERE x.cell_id IN (SELECT value FROM json_each(:cells)) AND x.deleted_at IS NULL
  AND x.status IN ('in_progress', 'on_hold', 'not_started') ORDER BY x.cell_id, x.status LIMIT {OPEN_MAX}"""  # nosec B608 # noqa: S608 -- constants only
_ENDED = f"""SELECT x.id FROM operations x INDEXED BY operations_by_cell_completed
  WHERE x.cell_id IN (SELECT value FROM json_each(:cells)) AND x.completed_at > :ended_after AND x.deleted_at IS NULL
  AND x.status = 'completed' LIMIT {ENDED_MAX}"""  # nosec B608 # noqa: S608 -- constants only
_LIST = _SELECT.format(f"SELECT id FROM ({_OPEN}) UNION ALL SELECT id FROM ({_ENDED})") + _ORDER  # nosec B608 # noqa: S608 -- constants only
_THESE = _SELECT.format("SELECT value FROM json_each(:ids)") + _ORDER
_BESIDE = """
SELECT s.id FROM operations o JOIN operations s ON s.part_id = o.part_id
WHERE o.id IN (SELECT value FROM json_each(:ids)) AND s.deleted_at IS NULL AND s.status <> 'completed'
"""

_PDF, _CAD, _IMAGES = (
    (".pdf",),
    (".step", ".stp", ".dxf", ".dwg", ".igs", ".iges"),
    (".png", ".jpg", ".jpeg", ".webp", ".gif"),
)


def listed(connection: sqlite3.Connection, cells: Collection[str], now: datetime) -> list[Card]:
    """The open work of these cells, and what was completed there a short while ago, in the order in which it is to be done."""
    asked = {"cells": encode([*cells]), "ended_after": text(now - ENDED)}
    return [_card(row) for row in connection.execute(_LIST, asked)]


def these(connection: sqlite3.Connection, ids: Iterable[str]) -> list[Card]:
    """Those of them that are there."""
    return [_card(row) for row in connection.execute(_THESE, {"ids": encode([*ids])})]


def beside(connection: sqlite3.Connection, ids: Iterable[str]) -> list[str]:
    """The open operations of the same parts: whether they wait may hang on these."""
    return [row[0] for row in connection.execute(_BESIDE, {"ids": encode([*ids])})]


def kind_of(path: str) -> str:
    """`pdf`, `step` (anything drawn in space or for a machine), `drawing` or `file`, by how its name ends."""
    name = path.lower()
    if name.endswith(_PDF):
        return "pdf"
    if name.endswith(_CAD):
        return "step"
    return "drawing" if name.endswith(_IMAGES) else "file"


def _card(row: sqlite3.Row) -> Card:
    card: Card = dict(row)
    good, scrap, rework = json.loads(card.pop("counted"))
    files = [kind_of(path) for path in json.loads(card.pop("file_paths") or "[]")]
    images = json.loads(card.pop("image_paths") or "[]")
    steps, done = json.loads(card.pop("steps"))
    card |= {"rush": bool(card["rush"]), "waits": bool(card["waits"]), "unit": UNIT}
    card |= {"held": json.loads(card["held"]) if card["held"] else None, "on_it": json.loads(card["on_it"])}
    batch = json.loads(card["batch"]) if card["batch"] else None
    card |= {"batch": batch, "batch_id": batch and batch["id"]}
    card |= {"good": good, "scrap": scrap, "rework": rework}
    card["documents"] = {
        "drawing": len(images) + files.count("drawing"),
        "pdf": files.count("pdf"),
        "step": files.count("step"),
        "cnc": card.pop("cnc_program_name"),
        "drawing_no": card.pop("drawing_no"),
        "steps": steps,
        "steps_done": done,
    }
    return card
