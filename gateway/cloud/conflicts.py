"""What the cloud and we saw differently: a row each, told in the journal by the transaction that finds or settles it.

Of one field of one row no more than one conflict is open: what is found later renews it.
"""

import json
import sqlite3
from typing import Any

from gateway.cloud import store
from gateway.cloud.merge import Difference
from gateway.kernel.db import Tx
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, EventType, Stamp, encode, row_lane

TABLE = "cloud_conflicts"
KEPT_MAX = 10_000  # rows; open ones stay beyond it
RULE = "rule"  # who has resolved what nobody was asked about
NOT_KEPT = "id"  # the field of a conflict about a row as a whole: the cloud's does not fit in here
NOT_SHOWN = "deleted_at"  # that of a row which the cloud does not show any more

_LAST = """
SELECT id, local, cloud, resolution FROM cloud_conflicts WHERE table_name = ? AND row_id = ? AND field = ?
ORDER BY rowid DESC LIMIT 1
"""
_INSERT = """
INSERT INTO cloud_conflicts
  (id, table_name, row_id, field, local, cloud, reason, resolution, resolved_by, found_at, resolved_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_RENEW = """
UPDATE cloud_conflicts SET local = ?, cloud = ?, reason = ?, resolution = ?, resolved_by = ?, resolved_at = ?,
  row_version = row_version + 1 WHERE id = ? RETURNING row_version
"""
_FORGET = """
DELETE FROM cloud_conflicts WHERE resolution IS NOT NULL AND rowid <= (SELECT max(rowid) FROM cloud_conflicts) - ?
"""
_CLOSE = """
UPDATE cloud_conflicts SET resolution = ?, resolved_by = ?, resolved_at = ?, reason = reason || ?, row_version = row_version + 1
WHERE id = ? RETURNING row_version
"""
_OPEN = "SELECT id FROM cloud_conflicts WHERE table_name = ? AND row_id = ? AND field = ? AND resolution IS NULL"
_TOLD = """
SELECT id AS conflict_id, table_name AS entity, row_id, field, local, cloud, reason, resolution, resolved_by
FROM cloud_conflicts WHERE id = ?
"""
_CELL = "SELECT cell_id FROM operations WHERE id = ?"


def record(tx: Tx, stamp: Stamp, table: str, row_id: str, found: Difference) -> None:
    """Both sides are kept, whoever won. What was told last already is not told again."""
    ours, theirs = encode(found.ours), encode(found.theirs)
    last = tx.execute(_LAST, (table, row_id, found.field)).fetchone()
    is_open = last is not None and last["resolution"] is None
    if last and (last["local"], last["cloud"]) == (ours, theirs) and not (is_open and found.resolution):
        return
    told = (ours, theirs, found.reason, found.resolution, RULE if found.resolution else None)
    resolved_at = stamp.text if found.resolution else None
    if is_open:
        version = tx.execute(_RENEW, (*told, resolved_at, last["id"])).fetchone()[0]
        names = ("local", "cloud", "reason", *(("resolution",) if found.resolution else ()))
        change = Change(TABLE, last["id"], "update", version, names)
    else:
        change = Change(TABLE, stamp.new_id(), "insert", 1)
        tx.execute(_INSERT, (change.id, table, row_id, found.field, *told, stamp.text, resolved_at))
        tx.execute(_FORGET, (KEPT_MAX,))
    kind = EventType.CONFLICT_RESOLVED if is_open and found.resolution else EventType.CONFLICT_FOUND
    journal.append(tx, stamp, [told_alone(tx, stamp, change, kind)])


def settle(tx: Tx, stamp: Stamp, table: str, row_id: str, field: str, resolution: str) -> bool:
    """What was open has come right by itself; False: nothing was."""
    found = tx.execute(_OPEN, (table, row_id, field)).fetchall()
    for (conflict_id,) in found:
        change = close(tx, stamp, conflict_id, resolution, RULE)
        journal.append(tx, stamp, [told_alone(tx, stamp, change, EventType.CONFLICT_RESOLVED)])
    return bool(found)


def close(tx: Tx, stamp: Stamp, conflict_id: str, resolution: str, by: str, why: str = "") -> Change:
    """`why`: what is to be said besides the reason for which it was found."""
    added = f"; {why}" if why else ""
    version = tx.execute(_CLOSE, (resolution, by, stamp.text, added, conflict_id)).fetchone()[0]
    names = ("resolution", "resolved_by", "resolved_at", *(("reason",) if why else ()))
    return Change(TABLE, conflict_id, "update", version, names)


def told_alone(connection: sqlite3.Connection, stamp: Stamp, change: Change, kind: EventType) -> Event:
    """In a lane of its own: whatever else of that row waits or is parked, this has nothing to send."""
    lane = row_lane(TABLE, change.id)
    return Event(lane, lane, stamp.now, (change,), kind, data(connection, stamp, change.id))


def data(connection: sqlite3.Connection, stamp: Stamp, conflict_id: str) -> dict[str, Any]:
    """Payload of conflict.found, conflict.resolved."""
    told = dict(connection.execute(_TOLD, (conflict_id,)).fetchone())
    told |= {side: json.loads(told[side] or "null") for side in ("local", "cloud")}
    return told | {"cell_id": _cell(connection, told["entity"], told["row_id"]), "timestamp": stamp.text}


def _cell(connection: sqlite3.Connection, table: str, row_id: str) -> str | None:
    """Of the operation that the row is, or hangs on."""
    own = store.aggregate(table, row_id)
    for kind, _, one in (name.partition(":") for name in (own, *store.above(connection, own))):
        if kind == "operation" and (found := connection.execute(_CELL, (one,)).fetchone()):
            return str(found[0])
    return None


def open_count(connection: sqlite3.Connection) -> int:
    """How many wait for a person."""
    found: int = connection.execute("SELECT count(*) FROM cloud_conflicts WHERE resolution IS NULL").fetchone()[0]
    return found
