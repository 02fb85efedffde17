"""The shift report: who worked how long, what was made, what became scrap and why, what stood still."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from gateway.catalog.models import Instant, Uuid
from gateway.kernel.clock import parse, text
from gateway.kernel.errors import Invalid
from gateway.outbox.event import encode
from gateway.reports.model import ALIVE, ROWS_MAX, WORK, Asked, Report, View, one, percent, rows
from gateway.reports.scrap import SCRAPPED, by_reason

SHIFT = timedelta(hours=8)
SHIFT_MAX = timedelta(days=7)

_HERE = f"{ALIVE} AND (:cell_id IS NULL OR o.cell_id = :cell_id)"
# Entries of a shift begin in it, or before it and are open or ended in it: the second is what the index cannot tell.
_ENTRIES = f"""SELECT t.id, t.operator_id, f.full_name AS operator, t.time_type, t.start_time, t.end_time, o.id AS operation_id
  FROM time_entries t JOIN profiles f ON f.id = t.operator_id
  JOIN {WORK.replace("operations o", "operations o ON o.id = t.operation_id", 1)}
  WHERE {_HERE} AND t.start_time < :until AND t.start_time >= :begun_since AND (t.end_time IS NULL OR t.end_time > :since)
  ORDER BY t.start_time"""  # nosec B608 # noqa: S608 -- constants only
_PAUSES = """SELECT p.time_entry_id, p.paused_at, p.resumed_at
  FROM time_entry_pauses p JOIN time_entries t ON t.id = p.time_entry_id
  WHERE t.start_time < :until AND t.start_time >= :begun_since AND (t.end_time IS NULL OR t.end_time > :since)"""
_MADE = f"""SELECT o.id AS operation_id, o.operation_name, o.status, c.name AS cell, p.part_number, p.quantity AS planned,
    j.job_number,
    coalesce(sum(q.quantity_good), 0) AS good, coalesce(sum(q.quantity_scrap), 0) AS scrap,
    coalesce(sum(q.quantity_rework), 0) AS rework
  FROM {WORK} LEFT JOIN operation_quantities q ON q.operation_id = o.id AND q.recorded_at >= :since AND q.recorded_at < :until
  WHERE {_HERE} AND o.id IN (SELECT operation_id FROM operation_quantities WHERE recorded_at >= :since AND recorded_at < :until
      UNION SELECT value FROM json_each(:worked))
  GROUP BY o.id ORDER BY c.sequence, j.job_number, p.part_number, o.sequence LIMIT {ROWS_MAX}"""  # nosec B608 # noqa: S608 -- constants only
# To the end of the shift and not with it: a piece is in one shift only.
_SCRAP = f"({SCRAPPED} AND q.recorded_at < :until AND (:cell_id IS NULL OR o.cell_id = :cell_id))"
_STOPS = f"""SELECT i.id, coalesce(i.title, i.description) AS title, i.severity, i.status, i.created_at AS since,
    CASE WHEN i.status <> 'pending' THEN coalesce(i.reviewed_at, i.updated_at) END AS until,
    o.operation_name, c.name AS cell, j.job_number, p.part_number
  FROM issues i JOIN {WORK.replace("operations o", "operations o ON o.id = i.operation_id", 1)}
  WHERE {_HERE} AND i.causes_standstill = 1 AND i.created_at < :until
    AND (i.status = 'pending' OR coalesce(i.reviewed_at, i.updated_at) > :since) ORDER BY i.created_at LIMIT {ROWS_MAX}"""  # nosec B608 # noqa: S608 -- constants only
_DONE = f"""SELECT count(*) AS completed FROM {WORK} WHERE {_HERE} AND o.completed_at >= :since AND o.completed_at < :until"""  # nosec B608 # noqa: S608 -- constants only
_RUNNING = f"SELECT count(*) AS running FROM {WORK} WHERE {_HERE} AND o.status = 'in_progress'"  # nosec B608 # noqa: S608 -- constants only
_CELL = "SELECT name FROM cells c WHERE c.id = :cell_id AND (:cells IS NULL OR c.id IN (SELECT value FROM json_each(:cells)))"
_SITTING_MAX = timedelta(days=3)  # an entry that was begun longer before the shift is a forgotten one

Span = tuple[datetime, datetime]


class ShiftAsked(Asked):
    """`until` defaults to now, `since` to eight hours before it."""

    since: Instant | None = None
    until: Instant | None = None
    cell_id: Uuid | None = None


def shift_report(connection: sqlite3.Connection, asked: ShiftAsked, view: View) -> dict[str, Any]:
    """Durations in seconds. Times are cut at the ends of the shift, pauses are no work. Raises Invalid."""
    since, until = _period(asked, view.now)
    values = {
        "since": text(since),
        "until": text(until),
        "begun_since": text(since - _SITTING_MAX),
        "cell_id": asked.cell_id,
    }
    pauses: defaultdict[str, list[Span]] = defaultdict(list)
    for pause in rows(connection, _PAUSES, view, **values):
        pauses[pause["time_entry_id"]].append(_span(pause["paused_at"], pause["resumed_at"], until))
    entries = rows(connection, _ENTRIES, view, **values)
    for entry in entries:
        span = _span(entry["start_time"], entry["end_time"], until)
        entry["worked_s"] = worked_s(span, pauses[entry["id"]], (since, until))
    worked: defaultdict[str, int] = defaultdict(int)
    for entry in entries:
        worked[entry["operation_id"]] += entry["worked_s"]
    made = rows(connection, _MADE, view, **values, worked=encode([*worked]))
    for row in made:
        row["worked_s"] = worked[row["operation_id"]]
    sums = {name: sum(row[name] for row in made) for name in ("good", "scrap", "rework")}
    cell = rows(connection, _CELL, view, cell_id=asked.cell_id)
    return {
        "since": values["since"],
        "until": values["until"],
        "cell": cell[0]["name"] if cell else None,
        "people": _people(entries),
        "worked_s": sum(worked.values()),
        "pieces": {**sums, "yield_percent": percent(sums["good"], sum(sums.values()))},
        "operations": {
            **one(connection, _DONE, view, **values),
            **one(connection, _RUNNING, view, cell_id=asked.cell_id),
        },
        "made": made,
        "scrap": by_reason(connection, _SCRAP, view, **values),
        "stops": [_stop(row, since, until) for row in rows(connection, _STOPS, view, **values)],
    }


def worked_s(entry: Span, pauses: Iterable[Span], shift: Span) -> int:
    """What of an entry lies in the shift, less its pauses in there."""
    whole = _overlap_s(entry, shift)
    return max(0, round(whole - sum(_overlap_s(pause, shift) for pause in pauses)))


def _overlap_s(one_: Span, other: Span) -> float:
    return max(0.0, (min(one_[1], other[1]) - max(one_[0], other[0])).total_seconds())


def _span(begun: str, ended: str | None, until: datetime) -> Span:
    return parse(begun), parse(ended) if ended else until


def _period(asked: ShiftAsked, now: datetime) -> Span:
    until = min(asked.until or now, now)
    since = asked.since or until - SHIFT
    if not until - SHIFT_MAX <= since < until:
        message = f"since = {text(since)} must lie before until = {text(until)}, by {SHIFT_MAX.days} days at most"
        raise Invalid(message, [{"field": "since", "message": message, "constraint": "CHECK_CONSTRAINT"}])
    return since, until


def _people(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        name = entry["operator"]
        row = found.setdefault(
            entry["operator_id"], {"operator": name, "worked_s": 0, "setup_s": 0, "seen": set(), "running": False}
        )
        row["worked_s"] += entry["worked_s"]
        row["setup_s"] += entry["worked_s"] if entry["time_type"] == "setup" else 0
        row["seen"].add(entry["operation_id"])
        row["running"] |= entry["end_time"] is None
    for row in found.values():
        row["operations"] = len(row.pop("seen"))
    return sorted(found.values(), key=lambda row: (-row["worked_s"], row["operator"]))


def _stop(row: dict[str, Any], since: datetime, until: datetime) -> dict[str, Any]:
    """`lasted_s`: within the shift. `until` is null while it stands."""
    return {**row, "lasted_s": round(_overlap_s(_span(row["since"], row["until"], until), (since, until)))}


REPORTS = (Report("shift", "Hours, pieces, scrap by reason and stops of a shift", ShiftAsked, shift_report),)
