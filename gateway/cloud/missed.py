"""All SQL about rows that the cloud does not show any more (`absent.py`), and about what people decide of them."""

import sqlite3
from collections.abc import Mapping, Sequence

from gateway.catalog.resources import Resource
from gateway.catalog.tables import (
    CELLS,
    MATERIALS,
    OPERATORS,
    PROFILES,
    RESOURCES,
    SCRAP_REASONS,
    SUBSTEP_TEMPLATES,
)
from gateway.cloud import store
from gateway.cloud.absent import WORK, Key
from gateway.jobs.resources import JOBS, PARTS
from gateway.kernel.db import Tx
from gateway.operations.resources import OPERATIONS
from gateway.outbox.event import job_lane, row_lane

# What lies above comes first. The last four are told by a hub only.
TABLES: Mapping[str, Resource] = {
    one.table: one
    for one in (
        JOBS,
        PARTS,
        OPERATIONS,
        CELLS,
        RESOURCES,
        SCRAP_REASONS,
        OPERATORS,
        PROFILES,
        MATERIALS,
        SUBSTEP_TEMPLATES,
    )
}
TOGETHER = "set:"  # how the row id of a conflict begins that is about many rows

_LIVE = {table: "t.deleted_at IS NULL" if resource.soft_delete else "1" for table, resource in TABLES.items()}
# A row that a person chose to keep stays.
_MISSED = """
SELECT t.id, r.missed FROM cloud_rows r JOIN {table} t ON t.id = r.id
WHERE r.table_name = '{table}' AND r.missed > 0 AND {live}
  AND NOT EXISTS (SELECT 1 FROM cloud_conflicts c
    WHERE c.table_name = r.table_name AND c.row_id = r.id AND c.field = 'deleted_at' AND c.resolution = 'local')
ORDER BY t.id
"""
_FORGET = """
UPDATE cloud_rows SET missed = 0 WHERE table_name = '{table}' AND missed > 0 AND id NOT IN (SELECT id FROM {table} t WHERE {live})
"""
_COUNT = "SELECT count(*) FROM {table} t WHERE {live}"
_PARTS_OF = "SELECT id FROM parts WHERE job_id = ? AND deleted_at IS NULL ORDER BY rowid"
_OPERATIONS_OF = "SELECT id FROM operations WHERE part_id = ? AND deleted_at IS NULL ORDER BY sequence, id"
_JOB_OF = {
    "jobs": "SELECT ?",
    "parts": "SELECT job_id FROM parts WHERE id = ?",
    "operations": "SELECT p.job_id FROM operations o JOIN parts p ON p.id = o.part_id WHERE o.id = ?",
}
_WORKED_ON = "SELECT 1 FROM time_entries WHERE operation_id = ? AND end_time IS NULL"
_UNSETTLED = "SELECT 1 FROM cloud_rows WHERE unsettled_until IS NOT NULL AND lane = ?"
_SAVE = "UPDATE cloud_rows SET missed = ? WHERE table_name = ? AND id = ? AND seen_at < ?"
_GONE = "UPDATE cloud_rows SET deleted = 1, missed = 0, seen_at = ? WHERE table_name = ? AND id = ?"
_ASKED = (
    "SELECT 1 FROM cloud_conflicts WHERE table_name = ? AND row_id = ? AND field = 'deleted_at' "
    "AND (resolution IS NULL OR resolution = 'cloud')"
)
_OTHER_SETS = (
    "SELECT table_name, row_id FROM cloud_conflicts WHERE resolution IS NULL AND row_id LIKE ? || '%' AND row_id <> ?"
)


def anything(connection: sqlite3.Connection) -> bool:
    """Is there a row that the cloud does not show?"""
    return connection.execute("SELECT 1 FROM cloud_rows WHERE missed > 0 LIMIT 1").fetchone() is not None


def save(tx: Tx, missed: Mapping[Key, int], started: str) -> None:
    """What a round that began at `started` has found out: a row that was sent since may be newer than its lists."""
    tx.executemany(_SAVE, [(times, table, row_id, started) for (table, row_id), times in missed.items()])


def tell(tx: Tx, key: Key, missed: int, now: str) -> None:
    """Somebody who knows says that a row is gone (GONE), or there again (0)."""
    store.save(tx, store.row(tx, *key).packed(now))
    tx.execute("UPDATE cloud_rows SET missed = ? WHERE table_name = ? AND id = ?", (missed, *key))


def forget_gone(tx: Tx) -> None:
    """What has gone here by itself is not missing any more."""
    for table in TABLES:
        tx.execute(_FORGET.format(table=table, live=_LIVE[table]))


def rows(tx: Tx, table: str) -> list[tuple[str, int]]:
    """(id, missed) of the live rows of a table that are missing."""
    found = tx.execute(_MISSED.format(table=table, live=_LIVE[table])).fetchall()
    return [(row_id, missed) for row_id, missed in found]


def count(tx: Tx, table: str) -> int:
    found: int = tx.execute(_COUNT.format(table=table, live=_LIVE[table])).fetchone()[0]
    return found


def below(tx: Tx, table: str, row_id: str) -> list[Key]:
    """What lies below a row, nearest first."""
    parts = [row[0] for row in tx.execute(_PARTS_OF, (row_id,))] if table == "jobs" else []
    above = {"jobs": parts, "parts": [row_id]}.get(table, [])
    operations = [row[0] for part_id in above for row in tx.execute(_OPERATIONS_OF, (part_id,))]
    return [*(("parts", one) for one in parts), *(("operations", one) for one in operations)]


def job_of(connection: sqlite3.Connection, table: str, row_id: str) -> str | None:
    """The job that a row of the work belongs to."""
    found = connection.execute(_JOB_OF[table], (row_id,)).fetchone() if table in WORK else None
    return str(found[0]) if found else None


def lane_of(connection: sqlite3.Connection, table: str, row_id: str) -> str:
    job_id = job_of(connection, table, row_id)
    return row_lane(table, row_id) if job_id is None else job_lane(job_id)


def waits(connection: sqlite3.Connection, lane: str) -> str:
    """Why nobody can say yet how a lane stands over there; empty when everything of it is answered for."""
    if store.lane_waits(connection, lane):
        return "something of it is not sent yet"
    if connection.execute(_UNSETTLED, (lane,)).fetchone():
        return "a request about it was not answered and may still run"
    return ""


def worked_on(tx: Tx, keys: Sequence[Key]) -> bool:
    """Is anybody booked on one of these?"""
    return any(table == "operations" and tx.execute(_WORKED_ON, (row_id,)).fetchone() for table, row_id in keys)


def mark_gone(tx: Tx, keys: Sequence[Key], now: str) -> None:
    tx.executemany(_GONE, [(now, table, row_id) for table, row_id in keys])


# ------------------------------------------------------------------ what people are asked


def asked(tx: Tx, key: Key) -> bool:
    """Do people know of this row's deletion already, or has somebody decided that it goes?"""
    return tx.execute(_ASKED, key).fetchone() is not None


def other_sets(tx: Tx, row_id: str) -> list[Key]:
    """Sets of rows, other than this one, that nobody needs to decide about any more."""
    return [(table, other) for table, other in tx.execute(_OTHER_SETS, (TOGETHER, row_id)).fetchall()]


def decision(tx: Tx, row_id: str) -> str | None:
    """What a person said about this set of rows; empty: nothing yet; None: nobody was asked."""
    found = tx.execute(
        "SELECT coalesce(max(resolution), '') FROM cloud_conflicts WHERE row_id = ? HAVING count(*)", (row_id,)
    )
    row = found.fetchone()
    return row[0] if row else None
