"""Open conflicts about a state in which both sides have come to be at one by themselves: nobody has to decide them any more.

Whoever came to the other: it is seen in what the cloud showed or confirmed last, so a reading of it is the time to look.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from gateway.cloud import conflicts, mapping, store
from gateway.cloud.adopt import lane_of
from gateway.cloud.merge import EXECUTION
from gateway.kernel.db import Database, Tx
from gateway.outbox import journal
from gateway.outbox.event import EventType, Stamp

# Only those with the same status on both sides; that the times agree as well is seen below.
_OPEN = " UNION ALL ".join(
    f"""
SELECT c.id, c.table_name, c.row_id, c.field, c.local, t.status, r.base FROM cloud_conflicts c JOIN {table} t ON t.id = c.row_id
JOIN cloud_rows r ON r.table_name = c.table_name AND r.id = c.row_id
WHERE c.resolution IS NULL AND c.table_name = '{table}' AND t.deleted_at IS NULL AND json_extract(r.base, '$.status') = t.status
  AND r.attempted IS NULL AND r.unsettled_until IS NULL
"""  # nosec B608 # noqa: S608 -- these three
    for table in EXECUTION
)


async def follow(db: Database, stamp: Stamp) -> None:
    """Close them."""
    if await db.read(_over):
        await db.write(_close, stamp)


def _over(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """(conflict, whose value it was at first, the status that both have)."""
    found = []
    for conflict_id, table, row_id, field, local, status, base in connection.execute(_OPEN).fetchall():
        if field not in EXECUTION[table]:
            continue
        state = _agreed(connection, table, row_id, json.loads(base))
        if field in state:
            came = "local" if mapping.same(json.loads(local or "null"), state[field]) else "cloud"
            found.append((conflict_id, came, status))
    return found


def _agreed(connection: sqlite3.Connection, table: str, row_id: str, base: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state that both sides have; empty while they have not."""
    found = store.local(connection, table, row_id)
    if found is None:
        return {}
    ours = mapping.wanted(table, *found)[0].values
    names = EXECUTION[table] & ours.keys() & base.keys()
    if any(not mapping.same(ours[name], base[name]) for name in names):
        return {}
    waiting = store.unsent(connection, lane_of(connection, table, found[0]), table, row_id).fields
    return {} if waiting is None or waiting & names else {name: ours[name] for name in names}


def _close(tx: Tx, stamp: Stamp) -> None:
    for conflict_id, resolution, status in _over(tx):
        why = f"since then both sides have come to the same state by themselves: {status}"
        change = conflicts.close(tx, stamp, conflict_id, resolution, conflicts.RULE, why)
        journal.append(tx, stamp, [conflicts.told_alone(tx, stamp, change, EventType.CONFLICT_RESOLVED)])
