"""Rows that were changed here and at the hub at once. Kept, since the answer may come in another life of this process."""

import sqlite3
from collections.abc import Collection, Sequence

from gateway.cloud import missed, store
from gateway.cloud.absent import Key
from gateway.kernel.db import Tx

FIRST: Key = ("", "")
_AFTER = (
    "SELECT table_name, row_id FROM hub_doubts WHERE (table_name, row_id) > (?, ?) ORDER BY table_name, row_id LIMIT ?"
)


def add(tx: Tx, keys: Collection[Key]) -> None:
    tx.executemany("INSERT OR IGNORE INTO hub_doubts (table_name, row_id) VALUES (?, ?)", keys)


def looked_at(tx: Tx, keys: Collection[Key]) -> None:
    tx.executemany("DELETE FROM hub_doubts WHERE table_name = ? AND row_id = ?", keys)


def count(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("SELECT count(*) FROM hub_doubts").fetchone()[0]
    return found


def after(connection: sqlite3.Connection, last: Key, limit: int) -> list[Key]:
    """The next ones, so that those whose turn is far off keep nobody waiting."""
    return [(row[0], row[1]) for row in connection.execute(_AFTER, (*last, limit)).fetchall()]


def sent(connection: sqlite3.Connection, keys: Sequence[Key]) -> list[Key]:
    """Those of which everything is answered for, with what hangs on the same job."""
    lanes = {key: missed.lane_of(connection, *key) for key in keys}
    waits = {lane for lane in set(lanes.values()) if store.lane_waits(connection, lane)}
    return [key for key, lane in lanes.items() if lane not in waits]
