"""Issues and non-conformances: how many, of which kind, why, and what to do first."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from gateway.reports.model import ALIVE, Asked, Days, Report, View, one, percent, rows

SAMPLES_MAX = 3
CAUSES_MAX = 50
SLOW_DAYS = 7.0  # an issue that waits longer is one to look at
GOOD, MODERATE = 80.0, 60.0
_SEVERITY = {"low": 0, "medium": 1, "high": 2, "critical": 3}

_ISSUES = f"""issues i JOIN operations o ON o.id = i.operation_id JOIN cells c ON c.id = o.cell_id
  WHERE {ALIVE} AND i.created_at >= :since"""
_TOOK = "avg(CASE WHEN i.status <> 'pending' THEN julianday(i.reviewed_at) - julianday(i.created_at) END)"
_GROUPS = {
    "severity": "i.severity",
    "status": "i.status",
    "ncr_category": "coalesce(i.ncr_category, 'none')",
    "cell": "c.name",
    "operation": "o.operation_name",
}
_PERIODS = {"daily": "date(i.created_at)", "weekly": "date(i.created_at, 'weekday 0', '-6 days')"}


class Analytics(Asked):
    days: Days = 30
    group_by: Literal["severity", "status", "ncr_category", "cell", "operation"] = "severity"


class Trends(Asked):
    days: Days = 30
    interval: Literal["daily", "weekly"] = "daily"


class Causes(Asked):
    days: Days = 90
    min_occurrences: int = Field(2, ge=1, le=1000)


class Focus(Asked):
    focus_area: Literal["recurring_issues", "high_severity", "slow_resolution", "cell_problems"] | None = None
    days: Days = 90


class Score(Asked):
    days: Days = 30


def analytics(connection: sqlite3.Connection, asked: Analytics, view: View) -> dict[str, Any]:
    since = view.ago(asked.days)
    total = one(connection, f"SELECT count(*) AS total, {_TOOK} AS took FROM {_ISSUES}", view, since=since)  # nosec B608 # noqa: S608 -- constants only
    sql = f"SELECT {_GROUPS[asked.group_by]} AS name, count(*) AS count FROM {_ISSUES} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100"  # nosec B608 # noqa: S608 -- constants only
    grouped = {row["name"]: row["count"] for row in rows(connection, sql, view, since=since)}
    return {
        "total_issues": total["total"],
        "group_by": asked.group_by,
        "grouped_data": grouped,
        "avg_resolution_days": _rounded(total["took"]),
        "period_days": asked.days,
    }


def trends(connection: sqlite3.Connection, asked: Trends, view: View) -> dict[str, Any]:
    sql = f"SELECT {_PERIODS[asked.interval]} AS date, i.severity, count(*) AS count FROM {_ISSUES} GROUP BY 1, 2 ORDER BY 1, 2"  # nosec B608 # noqa: S608 -- constants only
    data: dict[str, dict[str, Any]] = {}
    for row in rows(connection, sql, view, since=view.ago(asked.days)):
        point = data.setdefault(row["date"], {"date": row["date"], "total": 0, "by_severity": {}})
        point["total"] += row["count"]
        point["by_severity"][row["severity"]] = row["count"]
    return {"interval": asked.interval, "period_days": asked.days, "data": [*data.values()]}


def root_causes(connection: sqlite3.Connection, asked: Causes, view: View) -> dict[str, Any]:
    found = _causes(connection, asked.days, view)
    return {
        "period_days": asked.days,
        "min_occurrences": asked.min_occurrences,
        "total_with_root_cause": sum(cause["occurrence_count"] for cause in found),
        "common_root_causes": [c for c in found if c["occurrence_count"] >= asked.min_occurrences][:CAUSES_MAX],
    }


def _causes(connection: sqlite3.Connection, days: int, view: View) -> list[dict[str, Any]]:
    sql = f"""SELECT min(trim(i.root_cause)) AS root_cause, count(*) AS occurrence_count,
      json_group_array(i.severity) AS severities,
      json_group_array(DISTINCT c.name) AS cells, json_group_array(DISTINCT i.corrective_action) AS actions
      FROM {_ISSUES} AND trim(coalesce(i.root_cause, '')) <> '' GROUP BY lower(trim(i.root_cause)) ORDER BY 2 DESC, 1"""  # nosec B608 # noqa: S608 -- constants only
    return [
        {
            "root_cause": row["root_cause"],
            "occurrence_count": row["occurrence_count"],
            "most_common_severity": _most(_list(row["severities"])),
            "affected_cells": sorted(_list(row["cells"])),
            "sample_corrective_actions": [one for one in _list(row["actions"]) if one][:SAMPLES_MAX],
        }
        for row in rows(connection, sql, view, since=view.ago(days))
    ]


def suggestions(connection: sqlite3.Connection, asked: Focus, view: View) -> dict[str, Any]:
    """What stands out, the most urgent first. Rules of thumb over counts, no more."""
    since = view.ago(asked.days)
    total = one(connection, f"SELECT count(*) AS total FROM {_ISSUES}", view, since=since)["total"]  # nosec B608 # noqa: S608 -- constants only
    found: list[dict[str, Any]] = []
    if asked.focus_area in (None, "recurring_issues"):
        again = [one for one in _causes(connection, asked.days, view) if one["occurrence_count"] > 1]
        found += [_told("recurring_issues", "high", f'Remove the cause "{one["root_cause"]}"', one) for one in again]
    if asked.focus_area in (None, "high_severity"):
        found += _severe(connection, view, since)
    if asked.focus_area in (None, "slow_resolution"):
        found += _slow(connection, view, since)
    if asked.focus_area in (None, "cell_problems"):
        found += _cells(connection, view, since, total)
    ranked = sorted(found, key=lambda suggestion: ("high", "medium").index(suggestion["priority"]))
    return {"focus_area": asked.focus_area, "total_issues_analyzed": total, "suggestions": ranked[:CAUSES_MAX]}


def _severe(connection: sqlite3.Connection, view: View, since: str) -> Iterable[dict[str, Any]]:
    sql = f"""SELECT i.id, i.title, i.severity, c.name AS cell FROM {_ISSUES} AND i.status = 'pending'
      AND i.severity IN ('high', 'critical') ORDER BY i.severity, i.created_at LIMIT {CAUSES_MAX}"""  # nosec B608 # noqa: S608 -- constants only
    open_ = rows(connection, sql, view, since=since)
    return (
        [_told("high_severity", "high", "Settle the open issues of high severity", {"issues": open_})] if open_ else []
    )


def _slow(connection: sqlite3.Connection, view: View, since: str) -> Iterable[dict[str, Any]]:
    sql = f"""SELECT i.id, i.title, round(julianday(:now) - julianday(i.created_at), 1) AS days_open FROM {_ISSUES}
      AND i.status = 'pending' AND julianday(:now) - julianday(i.created_at) > {SLOW_DAYS} ORDER BY 3 DESC LIMIT {CAUSES_MAX}"""  # nosec B608 # noqa: S608 -- constants only
    waiting = rows(connection, sql, view, since=since)
    what = f"Decide on issues that have waited for more than {SLOW_DAYS:.0f} days"
    return [_told("slow_resolution", "medium", what, {"issues": waiting})] if waiting else []


def _cells(connection: sqlite3.Connection, view: View, since: str, total: int) -> Iterable[dict[str, Any]]:
    sql = f"SELECT c.name AS cell, count(*) AS issues FROM {_ISSUES} GROUP BY c.id HAVING count(*) > 1 ORDER BY 2 DESC LIMIT 3"  # nosec B608 # noqa: S608 -- constants only
    worst = rows(connection, sql, view, since=since)
    return [
        _told(
            "cell_problems",
            "medium",
            f'Look at the cell "{one["cell"]}"',
            {**one, "share": percent(one["issues"], total)},
        )
        for one in worst
    ]


def _told(kind: str, priority: str, suggestion: str, evidence: Any) -> dict[str, Any]:
    return {"type": kind, "priority": priority, "suggestion": suggestion, "evidence": evidence}


def score(connection: sqlite3.Connection, asked: Score, view: View) -> dict[str, Any]:
    """0 to 100: half yield, three tenths few issues, two tenths issues settled."""
    since = view.ago(asked.days)
    made = one(
        connection,
        f"""SELECT coalesce(sum(q.quantity_produced), 0) AS produced, coalesce(sum(q.quantity_good), 0) AS good
          FROM operation_quantities q JOIN operations o ON o.id = q.operation_id WHERE {ALIVE} AND q.recorded_at >= :since""",  # nosec B608 # noqa: S608 -- constants only
        view,
        since=since,
    )
    issues = one(
        connection,
        f"""SELECT count(*) AS total, coalesce(sum(i.status <> 'pending'), 0) AS settled,
          coalesce(sum(CASE i.severity WHEN 'critical' THEN 10 WHEN 'high' THEN 5 WHEN 'medium' THEN 2 ELSE 1 END), 0) AS weight
          FROM {_ISSUES}""",  # nosec B608 # noqa: S608 -- constants only
        view,
        since=since,
    )
    parts = {
        "yield_score": percent(made["good"], made["produced"]),
        "issue_score": max(0.0, 100.0 - issues["weight"]),
        "resolution_score": percent(issues["settled"], issues["total"]),
    }
    overall = round(0.5 * parts["yield_score"] + 0.3 * parts["issue_score"] + 0.2 * parts["resolution_score"], 1)
    trend = "good" if overall >= GOOD else "moderate" if overall >= MODERATE else "needs_attention"
    metrics = {**made, "issues": issues["total"], "issues_settled": issues["settled"]}
    return {"overall_score": overall, "trend": trend, "breakdown": parts, "metrics": metrics, "period_days": asked.days}


def _list(text: str) -> list[Any]:
    found: list[Any] = json.loads(text)
    return found


def _most(severities: list[str]) -> str:
    """The commonest; of equally many the worst."""
    return max(set(severities), key=lambda one: (severities.count(one), _SEVERITY[one]))


def _rounded(days: float | None) -> float | None:
    return None if days is None else round(days, 1)


REPORTS = (
    Report("issue_analytics", "Issues by severity, status, category, cell or operation", Analytics, analytics),
    Report("issue_trends", "Issues by day or week", Trends, trends),
    Report("root_causes", "Root causes that come again", Causes, root_causes),
    Report("quality_suggestions", "What to do first about quality", Focus, suggestions),
    Report("quality_score", "Quality as one number", Score, score),
)
