"""Everything about one operation; what a scan means; what somebody has done today."""

import json
import sqlite3
from datetime import datetime
from typing import Any

from gateway.files import store as files_
from gateway.files.model import File
from gateway.kernel.clock import text
from gateway.kernel.errors import NotFound
from gateway.terminals import blockers, cards, handoffs

BOOKED_MAX = 200  # rows of time, of pieces, of issues

_ABOUT = """
SELECT o.notes, p.notes AS part_notes, j.notes AS job_notes, p.id AS part_id, j.id AS job_id, o.cell_id, p.file_paths,
  p.image_paths, p.cnc_program_name AS cnc, p.drawing_no
FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id WHERE o.id = ?
"""
_ROUTING = """
SELECT o.id, o.sequence, o.operation_name AS name, c.id AS cell_id, c.name AS cell_name, o.status FROM operations o
JOIN cells c ON c.id = o.cell_id WHERE o.part_id = :part_id AND o.deleted_at IS NULL ORDER BY o.sequence, o.id
"""
_STEPS = """
SELECT s.id, s.name, s.sequence, s.status, s.notes, f.full_name AS done_by, s.completed_at AS done_at FROM substeps s
LEFT JOIN profiles f ON f.id = s.completed_by WHERE s.operation_id = :operation_id ORDER BY s.sequence, s.id
"""
_TIME = f"""
SELECT t.id, t.operator_id, f.full_name AS operator_name, t.time_type, t.start_time, t.end_time, t.duration_s, t.is_paused
FROM time_entries t JOIN profiles f ON f.id = t.operator_id WHERE t.operation_id = :operation_id
ORDER BY t.start_time DESC, t.id LIMIT {BOOKED_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
_PIECES = f"""
SELECT q.id, q.recorded_by AS operator_id, f.full_name AS operator_name, q.recorded_at, q.quantity_good AS good,
  q.quantity_scrap AS scrap, q.quantity_rework AS rework FROM operation_quantities q
LEFT JOIN profiles f ON f.id = q.recorded_by WHERE q.operation_id = :operation_id
ORDER BY q.recorded_at DESC, q.id LIMIT {BOOKED_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
_ISSUES = f"""
SELECT i.id, i.title, i.description, i.severity, i.status, i.issue_type, i.causes_standstill AS stops_work, i.created_at
FROM issues i WHERE i.operation_id = :operation_id AND i.status = 'pending' ORDER BY i.created_at DESC, i.id LIMIT {BOOKED_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
_BATCH = """
SELECT b.id, b.batch_number, b.batch_type, b.status, (SELECT count(*) FROM batch_operations x WHERE x.batch_id = b.id)
  AS operations FROM batch_operations m JOIN operation_batches b ON b.id = m.batch_id WHERE m.operation_id = :operation_id
"""
_NEEDS = """
SELECT r.id, r.name, r.type, r.location, n.quantity, n.notes FROM operation_resources n JOIN resources r ON r.id = n.resource_id
WHERE n.operation_id = :operation_id ORDER BY r.name, r.id
"""


def told(connection: sqlite3.Connection, operation_id: str, *, checklist_required: bool) -> dict[str, Any]:
    """Raises NotFound."""
    shown = cards.these(connection, (operation_id,))
    if not shown:
        raise NotFound("Operation not found")
    about = connection.execute(_ABOUT, (operation_id,)).fetchone()
    ids = {"operation_id": operation_id, "part_id": about["part_id"], "job_id": about["job_id"]}

    def rows(sql: str) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(sql, ids)]

    return {
        "card": shown[0],
        "notes": "\n".join(note for note in (about["notes"], about["part_notes"], about["job_notes"]) if note) or None,
        "routing": rows(_ROUTING),
        "next_cell": blockers.next_cell(connection, ids),
        "substeps": [{**row, "required": checklist_required} for row in rows(_STEPS)],
        "documents": [
            *(_document(path, file, operation_id) for path, file in papers(connection, operation_id)),
            *_program(about["cnc"], operation_id),
        ],
        "cnc": about["cnc"],
        "drawing_no": about["drawing_no"],
        "time": rows(_TIME),
        "quantities": rows(_PIECES),
        "issues": [{**row, "stops_work": bool(row["stops_work"])} for row in rows(_ISSUES)],
        "batch": next(iter(rows(_BATCH)), None),
        "assembly": blockers.children(connection, ids),
        "tools": rows(_NEEDS),
        "handoff": handoffs.last(connection, operation_id),
    }


def papers(connection: sqlite3.Connection, operation_id: str) -> list[tuple[str, File | None]]:
    """The files that its part lists, drawings first; None for one that is not stored here. Raises NotFound."""
    about = connection.execute(_ABOUT, (operation_id,)).fetchone()
    if about is None:
        raise NotFound("Operation not found")
    paths = [path for name in ("image_paths", "file_paths") for path in json.loads(about[name] or "[]")]
    known = files_.at_paths(connection, paths)
    return [(path, known.get(path)) for path in dict.fromkeys(paths)]


def _document(path: str, file: File | None, operation_id: str) -> dict[str, Any]:
    """`url` has a place for the number of the page; null: not on this gateway yet. `pages`: null when only the file can be had."""
    kind, name = cards.kind_of(path), path.rpartition("/")[2]
    if file is None:
        return {"id": path, "kind": kind, "name": name, "pages": None, "size_bytes": None, "url": None}
    url = f"/operations/{operation_id}/documents/{file.id}"
    pages = 1 if kind == "drawing" else None
    return {"id": file.id, "kind": kind, "name": name, "pages": pages, "size_bytes": file.size_bytes, "url": url}


def _program(name: str | None, operation_id: str) -> list[dict[str, Any]]:
    """What a machine calls it, to be scanned there."""
    url = f"/operations/{operation_id}/cnc"
    shown = {"id": "cnc", "kind": "cnc", "name": name, "pages": 1, "size_bytes": None, "url": url}
    return [shown] if name else []


def program(connection: sqlite3.Connection, operation_id: str) -> str:
    """The name of the CNC program. Raises NotFound."""
    about = connection.execute(_ABOUT, (operation_id,)).fetchone()
    if about is None or not about["cnc"]:
        raise NotFound("the operation has no CNC program")
    return str(about["cnc"])


def cell_of(connection: sqlite3.Connection, operation_id: str) -> str:
    """Raises NotFound."""
    row = connection.execute(
        "SELECT cell_id FROM operations WHERE id = ? AND deleted_at IS NULL", (operation_id,)
    ).fetchone()
    if row is None:
        raise NotFound("Operation not found")
    return str(row[0])


# ------------------------------------------------------------------ what somebody has done today

_OF = """j.job_number, p.part_number, o.operation_name, o.id AS operation_id, c.name AS cell_name"""
_ABOVE = """JOIN operations o ON o.id = {}.operation_id JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id
  JOIN cells c ON c.id = o.cell_id"""
_MY_TIME = f"""
SELECT t.id, t.start_time, t.end_time, t.duration_s, t.is_paused, t.time_type, {_OF},
  (SELECT coalesce(sum(x.duration), 0) FROM time_entry_pauses x WHERE x.time_entry_id = t.id) AS paused_s,
  (SELECT max(x.paused_at) FROM time_entry_pauses x WHERE x.time_entry_id = t.id AND x.resumed_at IS NULL) AS paused_at
FROM time_entries t {_ABOVE.format("t")}
WHERE t.operator_id = :who AND (t.start_time >= :since OR t.end_time IS NULL OR t.end_time >= :since)
  AND t.start_time >= :before ORDER BY t.start_time DESC, t.id LIMIT {BOOKED_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
_MY_PIECES = f"""
SELECT q.id, q.recorded_at, q.quantity_good AS good, q.quantity_scrap AS scrap, q.quantity_rework AS rework, {_OF}
FROM operation_quantities q {_ABOVE.format("q")}
WHERE q.recorded_by = :who AND q.recorded_at >= :since ORDER BY q.recorded_at DESC, q.id LIMIT {BOOKED_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
_MY_ISSUES = f"""
SELECT i.id, i.title, i.severity, i.status, i.created_at, {_OF} FROM issues i {_ABOVE.format("i")}
WHERE i.created_at >= :since AND i.created_by = :who ORDER BY i.created_at DESC, i.id LIMIT {BOOKED_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
LONGEST_S = 7 * 86_400  # an entry that began earlier is not looked for: it was forgotten


def activity(connection: sqlite3.Connection, operator_id: str, since: datetime, now: datetime) -> dict[str, Any]:
    """Of one person since an instant: entries, quantities, issues, and `worked_s` in all of that time."""
    before = datetime.fromtimestamp(since.timestamp() - LONGEST_S, tz=since.tzinfo)
    asked = {"who": operator_id, "since": text(since), "before": text(before)}
    entries = [dict(row) for row in connection.execute(_MY_TIME, asked)]
    return {
        "entries": entries,
        "quantities": [dict(row) for row in connection.execute(_MY_PIECES, asked)],
        "issues": [dict(row) for row in connection.execute(_MY_ISSUES, asked)],
        "worked_s": sum(_worked_s(one, since, now) for one in entries),
    }


def _worked_s(entry: dict[str, Any], since: datetime, now: datetime) -> int:
    """What an entry counts of the time after `since`; its pauses are taken to lie there."""
    began = datetime.fromisoformat(entry["start_time"])
    ended = entry["end_time"] or entry["paused_at"]
    end = datetime.fromisoformat(ended) if ended else now
    paused_s: int = entry["paused_s"]
    if began >= since and entry["duration_s"] is not None:
        return int(entry["duration_s"])
    return max(0, round((end - max(began, since)).total_seconds()) - paused_s)
