"""What this box has to remember of itself: one text under each name. Who owns a name says so where he uses it."""

import sqlite3

from gateway.kernel.db import Tx

_GET = "SELECT value FROM gateway_state WHERE key = ?"
_PUT = "INSERT INTO gateway_state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


def get(connection: sqlite3.Connection, key: str) -> str | None:
    found = connection.execute(_GET, (key,)).fetchone()
    return None if found is None else str(found[0])


def put(tx: Tx, key: str, value: str) -> None:
    tx.execute(_PUT, (key, value))


def forget(tx: Tx, key: str) -> None:
    tx.execute("DELETE FROM gateway_state WHERE key = ?", (key,))
