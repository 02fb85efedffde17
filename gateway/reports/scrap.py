"""Pieces: how many were good, how many scrap, and why."""

import sqlite3
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from gateway.catalog.models import Instant, Uuid
from gateway.kernel.clock import text
from gateway.reports.model import ALIVE, WORK, Asked, Days, Report, View, one, percent, rows

RELATED_MAX = 5
PERIOD_DAYS = 30

_QUANTITIES = f"""operation_quantities q JOIN {WORK.replace("operations o", "operations o ON o.id = q.operation_id", 1)}
  WHERE {ALIVE} AND q.recorded_at >= :since AND q.recorded_at <= :until"""
# A quantity with several reasons counts for each of them with its own number, one with none or one as a whole.
SCRAPPED = f"""SELECT q.id, q.recorded_at, o.operation_name, c.name AS cell, p.material, p.part_number,
    coalesce(r.quantity, q.quantity_scrap) AS scrap, coalesce(s.code, 'UNKNOWN') AS code,
    coalesce(s.description, 'No reason given') AS description
  FROM operation_quantities q JOIN {WORK.replace("operations o", "operations o ON o.id = q.operation_id", 1)}
  LEFT JOIN operation_quantity_scrap_reasons r ON r.operation_quantity_id = q.id
  LEFT JOIN scrap_reasons s ON s.id = coalesce(r.scrap_reason_id, q.scrap_reason_id)
  WHERE {ALIVE} AND q.quantity_scrap > 0 AND q.recorded_at >= :since"""  # nosec B608 # noqa: S608 -- constants only
_SCRAP = f"({SCRAPPED} AND q.recorded_at <= :until)"
_GROUPS = {"reason": "description", "cell": "cell", "operation": "operation_name", "material": "material"}
_SUMS = """coalesce(sum(q.quantity_produced), 0) AS produced, coalesce(sum(q.quantity_good), 0) AS good,
  coalesce(sum(q.quantity_scrap), 0) AS scrap, coalesce(sum(q.quantity_rework), 0) AS rework"""
_PERIODS = {"daily": "date(q.recorded_at)", "weekly": "date(q.recorded_at, 'weekday 0', '-6 days')"}


class Analytics(Asked):
    days: Days = 30
    group_by: Literal["reason", "cell", "operation", "material"] = "reason"


class Trends(Asked):
    days: Days = 30
    interval: Literal["daily", "weekly"] = "daily"


class Yields(Asked):
    days: Days = 30
    cell_id: Uuid | None = None


class Pareto(Asked):
    days: Days = 30
    top_n: int = Field(10, ge=1, le=50)


class Period(Asked):
    start_date: Instant | None = None
    end_date: Instant | None = None


def analytics(connection: sqlite3.Connection, asked: Analytics, view: View) -> dict[str, Any]:
    related = "part_number" if asked.group_by == "reason" else "description"
    sql = f"""SELECT {_GROUPS[asked.group_by]} AS name, sum(scrap) AS total_scrap, count(*) AS occurrence_count,
      group_concat(DISTINCT replace({related}, ',', ' ')) AS related FROM {_SCRAP} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 100"""  # nosec B608 # noqa: S608 -- constants only
    found = rows(connection, sql, view, **_window(view, asked.days))
    data = [{**row, "related_items": sorted(row.pop("related").split(","))[:RELATED_MAX]} for row in found]
    total = sum(row["occurrence_count"] for row in data)
    return {"group_by": asked.group_by, "period_days": asked.days, "total_records": total, "data": data}


def trends(connection: sqlite3.Connection, asked: Trends, view: View) -> dict[str, Any]:
    sql = f"SELECT {_PERIODS[asked.interval]} AS date, {_SUMS} FROM {_QUANTITIES} GROUP BY 1 ORDER BY 1"  # nosec B608 # noqa: S608 -- constants only
    data = [
        {**row, "scrap_rate": percent(row["scrap"], row["produced"], empty=0.0)}
        for row in rows(connection, sql, view, **_window(view, asked.days))
    ]
    return {"interval": asked.interval, "period_days": asked.days, "data": data}


def yields(connection: sqlite3.Connection, asked: Yields, view: View) -> dict[str, Any]:
    where = f"{_QUANTITIES} AND (:cell_id IS NULL OR o.cell_id = :cell_id)"
    values = {**_window(view, asked.days), "cell_id": asked.cell_id}
    overall = one(connection, f"SELECT {_SUMS} FROM {where}", view, **values)  # nosec B608 # noqa: S608 -- constants only
    sql = f"SELECT c.id AS cell_id, c.name AS cell_name, {_SUMS} FROM {where} GROUP BY c.id ORDER BY c.name"  # nosec B608 # noqa: S608 -- constants only
    by_cell = [
        {"cell_id": row["cell_id"], "cell_name": row["cell_name"], **_rates(row)}
        for row in rows(connection, sql, view, **values)
    ]
    return {"period_days": asked.days, "overall": _rates(overall), "by_cell": by_cell}


def _rates(sums: dict[str, Any]) -> dict[str, Any]:
    produced = sums["produced"]
    return {
        "total_produced": produced,
        "total_good": sums["good"],
        "total_scrap": sums["scrap"],
        "total_rework": sums["rework"],
        "first_pass_yield": percent(sums["good"], produced),
        "scrap_rate": percent(sums["scrap"], produced, empty=0.0),
        "rework_rate": percent(sums["rework"], produced, empty=0.0),
    }


def pareto(connection: sqlite3.Connection, asked: Pareto, view: View) -> dict[str, Any]:
    found = by_reason(connection, _SCRAP, view, **_window(view, asked.days))
    total = sum(row["quantity"] for row in found)
    return {"period_days": asked.days, "total_scrap": total, "data": found[: asked.top_n]}


def by_reason(connection: sqlite3.Connection, scrapped: str, view: View, **values: Any) -> list[dict[str, Any]]:
    """Most first: each reason's share, and that of all up to it. `scrapped`: what SCRAPPED selects, in brackets."""
    sql = f"SELECT code, description, sum(scrap) AS quantity FROM {scrapped} GROUP BY 1, 2 ORDER BY 3 DESC, 1"  # nosec B608 # noqa: S608 -- constants only
    found = rows(connection, sql, view, **values)
    total, so_far = sum(row["quantity"] for row in found), 0
    for row in found:
        so_far += row["quantity"]
        row["percentage"] = percent(row["quantity"], total)
        row["cumulative_percentage"] = percent(so_far, total)
    return found


def production(connection: sqlite3.Connection, asked: Period, view: View) -> dict[str, Any]:
    since = _stamp(asked.start_date) or view.ago(PERIOD_DAYS)
    window = {"since": since, "until": _stamp(asked.end_date) or text(view.now)}
    done = f"""SELECT count(DISTINCT o.id) AS operations FROM {WORK} WHERE {ALIVE} AND o.completed_at >= :since
      AND o.completed_at <= :until"""  # nosec B608 # noqa: S608 -- constants only
    jobs = f"""SELECT count(DISTINCT j.id) AS jobs FROM {WORK} WHERE {ALIVE} AND j.completed_at >= :since
      AND j.completed_at <= :until AND j.status = 'completed'"""  # nosec B608 # noqa: S608 -- constants only
    sums = one(connection, f"SELECT {_SUMS} FROM {_QUANTITIES}", view, **window)  # nosec B608 # noqa: S608 -- constants only
    return {
        "period": {"start": window["since"], "end": window["until"]},
        "jobs": {"completed": one(connection, jobs, view, **window)["jobs"]},
        "operations": {"completed": one(connection, done, view, **window)["operations"]},
        "quality": {
            "good_quantity": sums["good"],
            "scrap_quantity": sums["scrap"],
            "yield_rate_percent": percent(sums["good"], sums["good"] + sums["scrap"]),
        },
    }


def _window(view: View, days: int) -> dict[str, str]:
    return {"since": view.ago(days), "until": text(view.now)}


def _stamp(given: datetime | None) -> str | None:
    return None if given is None else text(given)


REPORTS = (
    Report("scrap_analytics", "Scrap by reason, cell, operation or material", Analytics, analytics),
    Report("scrap_trends", "Good pieces and scrap by day or week", Trends, trends),
    Report("scrap_pareto", "The reasons that make most of the scrap", Pareto, pareto),
    Report("yields", "First-pass yield, scrap and rework, by cell", Yields, yields),
    Report("production", "What was completed in a period", Period, production),
)
