"""All SQL of the repairs: what the database tells about the box, and the problems that somebody knows of."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.cloud import conflicts
from gateway.cloud.budget import KEY as BUDGET
from gateway.kernel import clock as time_
from gateway.kernel import state
from gateway.kernel.db import Tx
from gateway.kernel.migrate import statements, steps

FORGOTTEN_AFTER = timedelta(hours=12)
UNUSED_AFTER = timedelta(days=30)
NAMES_MAX = 20
_UNUSED = """
SELECT name FROM api_keys WHERE active = 1 AND origin <> 'cloud' AND coalesce(last_used_at, created_at) < ?
UNION ALL SELECT name FROM mcp_authentication_keys WHERE enabled = 1 AND coalesce(last_used_at, created_at) < ?
ORDER BY 1 LIMIT ?
"""
_UNLIMITED = """
SELECT name FROM api_keys
WHERE active = 1 AND origin <> 'cloud' AND scope = 'admin' AND cells IS NULL AND gateway_id IS NULL AND last_used_at IS NOT NULL
UNION ALL
SELECT name FROM mcp_authentication_keys WHERE enabled = 1 AND EXISTS (SELECT 1 FROM json_each(allowed_tools) WHERE value = '*')
ORDER BY 1 LIMIT ?
"""
_EXPIRING = "SELECT count(*) FROM api_keys WHERE active = 1 AND origin = 'cloud' AND verified_at < ?"
_PARKED = "SELECT reader, count(*) FROM event_parked GROUP BY reader ORDER BY reader"
_PAUSES = "SELECT count(*) FROM time_entry_pauses WHERE resumed_at IS NULL AND paused_at < ?"
_SCHEMA = "SELECT type || ' ' || name, sql FROM sqlite_schema WHERE name NOT LIKE '%sqlite_%' ORDER BY 1"


@dataclass(frozen=True, slots=True)
class Rows:
    """Names are cut at NAMES_MAX. `parked`: reader -> entries; `drift`: what of the schema is not as the migrations make it;
    `cloud_says`: why the cloud was left alone when it was last asked.
    """

    schema: int
    unused_keys: tuple[str, ...] = ()
    unlimited_keys: tuple[str, ...] = ()
    keys_expiring: int = 0
    parked: Mapping[str, int] | None = None
    conflicts: int = 0
    forgotten_pauses: int = 0
    drift: tuple[str, ...] = ()
    cloud_says: str = ""


def look(connection: sqlite3.Connection, now: datetime, key_offline_s: float, wanted: Mapping[str, str]) -> Rows:
    """`wanted`: see `schema_wanted`."""
    old = time_.text(now - UNUSED_AFTER)
    # A fifth of the time is left, in which the cloud may be asked again.
    verified = time_.text(now - timedelta(seconds=0.8 * key_offline_s))
    return Rows(
        schema=int(connection.execute("PRAGMA user_version").fetchone()[0]),
        unused_keys=_names(connection, _UNUSED, old, old),
        unlimited_keys=_names(connection, _UNLIMITED),
        keys_expiring=_count(connection, _EXPIRING, verified),
        parked=dict(tuple(row) for row in connection.execute(_PARKED)),
        conflicts=conflicts.open_count(connection),
        forgotten_pauses=_count(connection, _PAUSES, time_.text(now - FORGOTTEN_AFTER)),
        drift=_drift(connection, wanted),
        cloud_says=str(json.loads(state.get(connection, BUDGET) or "{}").get("why", "")),
    )


def _names(connection: sqlite3.Connection, sql: str, *values: str) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.execute(sql, (*values, NAMES_MAX)))


def _count(connection: sqlite3.Connection, sql: str, *values: str) -> int:
    return int(connection.execute(sql, values).fetchone()[0])


# ------------------------------------------------------------------ the schema


def schema(connection: sqlite3.Connection) -> dict[str, str]:
    """`table jobs` -> how it was made."""
    return {name: str(sql) for name, sql in connection.execute(_SCHEMA)}


def schema_wanted(connection: sqlite3.Connection) -> dict[str, str]:
    """As the migrations make it, in an empty database in memory."""
    for _, script in steps().values():
        for statement in statements(script):
            connection.execute(statement)
    return schema(connection)


def _drift(connection: sqlite3.Connection, wanted: Mapping[str, str]) -> tuple[str, ...]:
    there = schema(connection)
    differing = (
        f"{name} {'is missing' if name not in there else 'is not ours' if name not in wanted else 'is another'}"
        for name in sorted(there.keys() | wanted.keys())
        if there.get(name) != wanted.get(name)
    )
    return tuple(differing)[:NAMES_MAX]


# ------------------------------------------------------------------ what somebody knows of


def ignored(connection: sqlite3.Connection, now: datetime) -> dict[str, str]:
    """Problem -> until when."""
    rows = connection.execute("SELECT problem, until FROM repairs_ignored WHERE until > ?", (time_.text(now),))
    return {row["problem"]: row["until"] for row in rows}


def ignore(tx: Tx, problem: str, until: str, by: str, now: str) -> None:
    tx.execute("DELETE FROM repairs_ignored WHERE until <= ? OR problem = ?", (now, problem))
    tx.execute("INSERT INTO repairs_ignored (problem, until, ignored_by) VALUES (?, ?, ?)", (problem, until, by))


def heed(tx: Tx, problem: str) -> None:
    tx.execute("DELETE FROM repairs_ignored WHERE problem = ?", (problem,))
