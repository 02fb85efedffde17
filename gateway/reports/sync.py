"""What has gone up to the cloud, what waits, and why."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from gateway.reports.model import Asked, Report, View, rows

UP = "cloud"  # the reader, and its entry in /healthz
LISTED = 50
_WAITING = """
SELECT e.seq, e.type, e.aggregate, e.occurred_at, l.attempts, l.next_try_at, l.last_error FROM events e
LEFT JOIN event_lanes l ON l.reader = :reader AND l.lane = e.lane
WHERE e.seq > coalesce(l.position, (SELECT position FROM event_readers WHERE name = :reader), 0) AND e.origin <> 'cloud'
  AND e.seq > (SELECT position FROM event_readers WHERE name = :reader) ORDER BY e.seq LIMIT :limit
"""
_PARKED = """
SELECT p.seq, e.type, p.aggregate, p.state, p.reason, e.occurred_at, p.parked_at FROM event_parked p
JOIN events e ON e.seq = p.seq WHERE p.reader = :reader ORDER BY p.seq LIMIT :limit
"""


class Outbox(Asked):
    reader: str = UP
    limit: int = Field(LISTED, ge=1, le=1000)


def outbox(connection: sqlite3.Connection, asked: Outbox, view: View) -> dict[str, Any]:
    """The oldest entries that wait for a way out, and all that it refused. Nothing for a key that sees some cells only."""
    if view.cells is not None:
        return {"reader": asked.reader, "waiting": [], "parked": [], "note": "this key sees some cells only"}
    values = {"reader": asked.reader, "limit": asked.limit}
    return {
        "reader": asked.reader,
        "waiting": rows(connection, _WAITING, view, **values),
        "parked": rows(connection, _PARKED, view, **values),
    }


def status(report: Mapping[str, Any]) -> dict[str, Any]:
    """How the gateway is doing, as `/healthz` tells."""
    return dict(report)


def why_behind(report: Mapping[str, Any]) -> dict[str, Any]:
    """In words: is the cloud up to date, what waits since when, and what helps."""
    link = report["links"].get(UP, {"state": "off", "error": "no cloud is configured"})
    pending, parked = link.get("pending", 0), link.get("parked", 0)
    reasons = []
    if link["state"] == "off":
        resume = "`eryxon-gateway queue resume` lets it go on"
        way_out = resume if link.get("paused") else "set [cloud] url and api_key"
        reasons.append({"reason": f"Nothing is forwarded: {link['error']}", "way_out": way_out})
    elif link["state"] == "down":
        wait = "it is tried again by itself; nothing is lost meanwhile"
        reasons.append(
            {"reason": f"The cloud cannot be reached: {link['error']}", "since": link["since"], "way_out": wait}
        )
    elif link["state"] == "degraded":
        reasons.append({"reason": str(link["error"]), "since": link["since"], "way_out": "look at the link's error"})
    if parked:
        look = "list_outbox says why; `eryxon-gateway queue retry` or `queue discard` decides"
        reasons.append({"reason": f"The cloud refused {parked} entries for good", "way_out": look})
    if link.get("conflicts"):
        look = "list_conflicts shows both sides; a person decides"
        reasons.append({"reason": f"{link['conflicts']} conflicts wait for a person", "way_out": look})
    if not report["clock_trusted"]:
        reasons.append({"reason": "The clock of this machine was never set", "way_out": "set it"})
    if pending and not reasons:
        reasons.append({"reason": "It is being sent right now", "way_out": "wait"})
    facts = {name: link.get(name) for name in ("state", "since", "error", "oldest_s", "drain_s")}
    return {"behind": bool(pending), "pending": pending, "parked": parked, **facts, "reasons": reasons}


REPORTS = (Report("outbox", "What waits for the cloud, and what it refused", Outbox, outbox),)
