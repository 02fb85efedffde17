"""All SQL of the operations page."""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from gateway.kernel import trail
from gateway.kernel.db import Tx
from gateway.outbox import journal

KEEP_MINUTES = 7 * 24 * 60
POINTS_MAX = 360
ROW_EVENTS_MAX = 20

_SAMPLE = """
INSERT INTO ops_history (minute, head, pending, parked, sent, oldest_s) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (minute) DO NOTHING
"""
_POINTS = """
SELECT minute / :step * :step AS minute, max(head) AS head, max(pending) AS pending, max(parked) AS parked,
  max(sent) AS sent, max(oldest_s) AS oldest_s
FROM ops_history WHERE minute >= :since GROUP BY minute / :step ORDER BY 1
"""
# Since nothing waited for the last time.
_PEAK = """
SELECT max(pending) FROM ops_history
WHERE minute > coalesce((SELECT max(minute) FROM ops_history WHERE pending = 0), 0)
"""
_WAITING = """
SELECT e.seq, e.type, e.lane, e.aggregate, e.occurred_at, e.recorded_at, e.data, e.changes,
  coalesce(l.attempts, 0) AS attempts, l.next_try_at, l.last_error
FROM events e LEFT JOIN event_lanes l ON l.reader = :reader AND l.lane = e.lane
WHERE e.seq > (SELECT position FROM event_readers WHERE name = :reader)
  AND e.seq > coalesce(l.position, 0) AND e.seq > :after AND e.origin <> 'cloud'
  AND NOT EXISTS (SELECT 1 FROM event_parked p WHERE p.reader = :reader AND p.seq = e.seq)
ORDER BY e.seq LIMIT :limit
"""
_TABLES = """
SELECT table_name AS "table", count(*) AS rows, max(seen_at) AS seen_at, count(unsettled_until) AS unsettled
FROM cloud_rows WHERE deleted = 0 GROUP BY table_name ORDER BY table_name
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """How it stood in one minute. `sent`: of all that ever were."""

    head: int
    pending: int
    parked: int
    sent: int
    oldest_s: int


def sample(tx: Tx, minute: int, taken: Sample) -> None:
    """The first of a minute counts; what is older than a week goes."""
    tx.execute(_SAMPLE, (minute, taken.head, taken.pending, taken.parked, taken.sent, taken.oldest_s))
    tx.execute("DELETE FROM ops_history WHERE minute < ? OR minute > ?", (minute - KEEP_MINUTES, minute))


def points(connection: sqlite3.Connection, since: int, step: int) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(_POINTS, {"since": since, "step": step})]


def peak(connection: sqlite3.Connection) -> int:
    """The most that ever waited since nothing did."""
    return int(connection.execute(_PEAK).fetchone()[0] or 0)


def actions(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """The newest first."""
    return [dict(row) | {"detail": json.loads(row["detail"])} for row in trail.newest(connection)]


def waiting(connection: sqlite3.Connection, reader: str, after: int, limit: int) -> list[dict[str, Any]]:
    """What is still to be sent, the oldest first."""
    asked = {"reader": reader, "after": after, "limit": limit}
    return [_shown(row) for row in connection.execute(_WAITING, asked)]


def cloud_tables(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """What is known of the cloud's rows. `unsettled`: what became of a request is not known yet."""
    return [dict(row) for row in connection.execute(_TABLES)]


def entry(connection: sqlite3.Connection, seq: int) -> dict[str, Any] | None:
    found = connection.execute("SELECT * FROM events WHERE seq = ?", (seq,)).fetchone()
    if found is None:
        return None
    return _shown(found) | {"hash": found["hash"] and found["hash"].hex()}


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    data = None if row["data"] is None else json.loads(row["data"])
    return dict(row) | {"data": data, "changes": json.loads(row["changes"])}


def counts(connection: sqlite3.Connection, tables: tuple[str, ...]) -> dict[str, int]:
    """`tables`: of transfer/tables.py."""
    return {one: int(connection.execute(f"SELECT count(*) FROM {one}").fetchone()[0]) for one in tables}  # nosec B608 # noqa: S608 -- declared names


def events_of(connection: sqlite3.Connection, table: str, row_id: str) -> list[dict[str, Any]]:
    """The newest entries of the journal that touched that row; the last ones of the journal are looked through."""
    found = connection.execute(
        "SELECT seq, type, origin, occurred_at, recorded_at, changes FROM (SELECT * FROM events ORDER BY seq DESC LIMIT ?) "
        "WHERE instr(changes, ?) ORDER BY seq DESC LIMIT ?",
        (journal.LOOK_BACK_MAX, f'"table":"{table}","id":"{row_id}"', ROW_EVENTS_MAX),
    )
    return [dict(row) | {"changes": json.loads(row["changes"])} for row in found]
