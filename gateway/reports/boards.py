"""Cells as their boards show them, and jobs beside them: for a live view that reads again what the journal says was touched."""

import json
import sqlite3
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pydantic import Field

from gateway.kernel.clock import text
from gateway.reports.model import WORK, Asked, Ids, Report, View, rows
from gateway.reports.work import DUE, Nothing

ENDED_S_MAX = 86_400
OPERATIONS_MAX = 500  # of one cell
_SEEN = "(:cells IS NULL OR c.id IN (SELECT value FROM json_each(:cells)))"
_CELLS = f"""SELECT c.id, c.name, coalesce(u.slug, '') AS slug, c.wip_limit FROM cells c
  LEFT JOIN uns_cells u ON u.cell_id = c.id WHERE c.deleted_at IS NULL AND c.active AND {_SEEN}"""  # nosec B608 # noqa: S608 -- constants only
_ALL_CELLS = f"{_CELLS} ORDER BY c.sequence, c.name, c.id"
_SOME_CELLS = f"""{_CELLS} AND (c.id IN (SELECT value FROM json_each(:wanted)) OR c.id IN (SELECT o.cell_id FROM parts p
  JOIN operations o ON o.part_id = p.id WHERE p.job_id IN (SELECT value FROM json_each(:jobs))))
  ORDER BY c.sequence, c.name, c.id"""  # nosec B608 # noqa: S608 -- constants only
# An earlier operation of its part is not completed.
_WAITS = """EXISTS (SELECT 1 FROM operations e WHERE e.part_id = o.part_id AND e.deleted_at IS NULL AND e.sequence < o.sequence
  AND e.status <> 'completed')"""
_HELD = (
    "EXISTS (SELECT 1 FROM issues i WHERE i.operation_id = o.id AND i.status = 'pending' AND i.causes_standstill = 1)"
)
# The cloud has its completion: sent, not parked, and no request about it may still run.
_CONFIRMED = """o.status = 'completed' AND EXISTS (SELECT 1 FROM event_readers r WHERE r.name = 'cloud'
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.lane = 'job:' || j.id AND e.aggregate = 'operation:' || o.id
    AND e.origin <> 'cloud' AND e.seq > max(r.position,
      coalesce((SELECT l.position FROM event_lanes l WHERE l.reader = r.name AND l.lane = e.lane), 0)))
  AND NOT EXISTS (SELECT 1 FROM event_parked k WHERE k.reader = r.name AND k.lane = 'job:' || j.id
    AND k.aggregate = 'operation:' || o.id)
  AND NOT EXISTS (SELECT 1 FROM cloud_rows t WHERE t.table_name = 'operations' AND t.id = o.id
    AND t.unsettled_until IS NOT NULL))"""
_COUNTED = """(SELECT json_array(coalesce(sum(q.quantity_produced), 0), coalesce(sum(q.quantity_good), 0),
  coalesce(sum(q.quantity_scrap), 0), coalesce(sum(q.quantity_rework), 0))
  FROM operation_quantities q WHERE q.operation_id = o.id)"""
# Named, because most of a cell is history: whatever SQLite thinks of the states, looking through all of it is wrong.
_OPEN = """SELECT x.id FROM operations x INDEXED BY operations_by_cell_status WHERE x.cell_id = :cell_id AND x.deleted_at IS NULL
  AND x.status IN ('not_started', 'in_progress', 'on_hold')"""
_SHOWN = f"""{_OPEN} UNION ALL SELECT x.id FROM operations x INDEXED BY operations_by_cell_completed WHERE x.cell_id = :cell_id
  AND x.deleted_at IS NULL AND x.status = 'completed' AND x.completed_at > :ended_after"""  # nosec B608 # noqa: S608 -- constants only
_OPERATIONS = f"""SELECT o.id, o.operation_name, o.status, o.sequence, p.id AS part_id, p.part_number, p.material, p.quantity,
  j.id AS job_id, j.job_number, j.status AS job_status, j.priority, {DUE} AS due_date, o.planned_start, o.planned_end,
  o.estimated_time, o.started_at, o.completed_at, o.actual_time_s, o.completion_percentage, o.updated_at,
  p.cnc_program_name AS program, {_WAITS} AS waits, {_HELD} AS held, {_CONFIRMED} AS confirmed, {_COUNTED} AS counted,
  (SELECT count(*) FROM time_entries t WHERE t.operation_id = o.id AND t.end_time IS NULL) AS operators
  FROM {WORK} WHERE o.id IN ({_SHOWN})
  ORDER BY o.sequence, {DUE} IS NULL, {DUE}, j.job_number, p.part_number, o.id LIMIT {OPERATIONS_MAX}"""  # nosec B608 # noqa: S608 -- constants only
_QUEUE = f"""SELECT coalesce(sum(o.status = 'not_started'), 0) AS queue_length, coalesce(sum(o.status = 'in_progress'), 0)
  AS wip_current FROM {WORK} WHERE o.id IN ({_OPEN})"""  # nosec B608 # noqa: S608 -- constants only
_JOBS = f"""SELECT j.id, j.job_number, j.status, {DUE} AS due_date, j.updated_at,
  (SELECT count(*) FROM parts p WHERE p.job_id = j.id AND p.deleted_at IS NULL) AS parts_total,
  (SELECT count(*) FROM parts p WHERE p.job_id = j.id AND p.deleted_at IS NULL AND p.status = 'completed') AS parts_done
  FROM jobs j WHERE j.deleted_at IS NULL AND j.status <> 'completed' AND :cells IS NULL"""  # nosec B608 # noqa: S608 -- constants only
_FIRST_JOBS = f"{_JOBS} ORDER BY {DUE} IS NULL, {DUE}, j.job_number LIMIT :limit"
_COUNTS = ("produced", "good", "scrap", "rework")
_FLAGS = ("waits", "held", "confirmed")


class Boards(Asked):
    """`jobs`: also the cells in which they have operations. `ended_s`: what was completed within so many seconds is still there."""

    cell_ids: Ids = None
    jobs: Ids = None
    ended_s: int = Field(600, ge=0, le=ENDED_S_MAX)


class Open(Asked):
    limit: int = Field(200, ge=1, le=1000)


def boards(connection: sqlite3.Connection, asked: Boards, view: View) -> dict[str, Any]:
    """Neither cells nor jobs named: every cell. An operation `waits` for an earlier one of its part, or is `held` by an issue;
    the cloud has `confirmed` that it is completed.
    """
    if asked.cell_ids is None and asked.jobs is None:
        cells = rows(connection, _ALL_CELLS, view)
    else:
        cells = rows(connection, _SOME_CELLS, view, wanted=_json(asked.cell_ids), jobs=_json(asked.jobs))
    ended_after = text(view.now - timedelta(seconds=asked.ended_s))
    for cell in cells:
        cell.update(rows(connection, _QUEUE, view, cell_id=cell["id"])[0])
        found = rows(connection, _OPERATIONS, view, cell_id=cell["id"], ended_after=ended_after)
        cell["operations"] = [_operation(row) for row in found]
    return {"cells": cells}


def cell_ids(connection: sqlite3.Connection, _asked: Nothing, view: View) -> dict[str, Any]:
    return {"cells": [cell["id"] for cell in rows(connection, _ALL_CELLS, view)]}


def open_jobs(connection: sqlite3.Connection, asked: Open, view: View) -> dict[str, Any]:
    """Those that are due first."""
    return {"jobs": rows(connection, _FIRST_JOBS, view, limit=asked.limit)}


def _operation(row: dict[str, Any]) -> dict[str, Any]:
    counted = dict(zip(_COUNTS, json.loads(row.pop("counted")), strict=True))
    return {**row, **counted, **{name: bool(row[name]) for name in _FLAGS}}


def _json(ids: Iterable[str] | None) -> str:
    return json.dumps([*(ids or ())])


REPORTS = (
    Report("boards", "Cells with their live operations, in the order in which they are to be done", Boards, boards),
    Report("cell_ids", "Every cell that is switched on", Nothing, cell_ids),
    Report("open_jobs", "Jobs that are not completed", Open, open_jobs),
)
