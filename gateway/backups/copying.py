"""The database as it stands at one moment, copied while others write, and looked at."""

import contextlib
import sqlite3
from pathlib import Path

from gateway.backups.manifest import Contents
from gateway.backups.pace import STEP_BYTES, Pace
from gateway.kernel import state
from gateway.kernel.connection import READER_PRAGMAS, connect, wal_bytes
from gateway.kernel.errors import Busy, Invalid
from gateway.outbox import journal

WAL_HELD_MAX_BYTES = (
    512 * 1024 * 1024
)  # what others may write meanwhile: the WAL cannot start over until we are through
PAGE_BYTES = 4096
UPLINK = "cloud"  # the reader that counts what the cloud does not have
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
_WAITING = """
SELECT (SELECT count(*) FROM events e WHERE e.seq > r.position AND NOT EXISTS (
  SELECT 1 FROM event_lanes l WHERE l.reader = r.name AND l.lane = e.lane AND l.position >= e.seq)
  AND NOT EXISTS (SELECT 1 FROM event_parked p WHERE p.reader = r.name AND p.seq = e.seq))
+ (SELECT count(*) FROM event_parked p WHERE p.reader = r.name) FROM event_readers r WHERE r.name = ?
"""


def copied(source: Path, target: Path) -> Contents:
    """One moment of `source`, whole in `target`, compared and checked. Blocks for as long as that takes; nobody who writes waits.

    Opened read-only: the gateway that writes may be another process, and only its writer may checkpoint, also at the end.

    Raises Busy (too much was written meanwhile), Invalid (the copy is not sound), sqlite3.Error, OSError.
    """
    with contextlib.closing(connect(source, READER_PRAGMAS, mode="ro")) as connection:
        connection.execute("BEGIN")  # and held: each step of the copy sees the same moment
        contents = looked_at(connection)
        with contextlib.closing(connect(target)) as other, target.open("rb") as file:
            other.execute("PRAGMA synchronous=OFF")  # synced step by step
            pace = Pace(file.fileno())

            def step(_status: int, _left: int, _total: int) -> None:
                if wal_bytes(source) > WAL_HELD_MAX_BYTES:
                    raise Busy("the backup was cut: too much was written meanwhile; try again at a quieter time")
                pace.wrote(STEP_BYTES)

            connection.backup(other, pages=STEP_BYTES // PAGE_BYTES, progress=step)
        connection.rollback()
    with contextlib.closing(connect(target)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        require_sound(other, contents)
    return contents


def require_sound(connection: sqlite3.Connection, contents: Contents) -> None:
    """All of it can be read, and it is what it says. Raises Invalid."""
    try:
        answer = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if answer != "ok":
            raise Invalid(f"its database is not sound ({answer})")
        orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
        if orphan is not None:
            raise Invalid(f"its database is not sound ({orphan[0]} row {orphan[1]} has no {orphan[2]})")
        found = looked_at(connection)
    except sqlite3.DatabaseError as exc:
        raise Invalid(f"its database cannot be read ({exc})") from exc
    if found != contents:
        raise Invalid(f"its database holds something else than it says: {_difference(contents, found)}")


def looked_at(connection: sqlite3.Connection) -> Contents:
    tables = [row[0] for row in connection.execute(_TABLES)]
    counts = {one: int(connection.execute(f'SELECT count(*) FROM "{one}"').fetchone()[0]) for one in tables}  # nosec B608 # noqa: S608 -- the schema's own names
    waiting = connection.execute(_WAITING, (UPLINK,)).fetchone()
    return Contents(
        int(connection.execute("PRAGMA user_version").fetchone()[0]),
        state.get(connection, "device_id") or "",
        int(state.get(connection, "epoch") or 0),
        journal.head(connection),
        int(waiting[0]) if waiting else 0,
        counts,
    )


def _difference(told: Contents, found: Contents) -> str:
    for table in sorted({*told.counts, *found.counts}):
        pair = told.counts.get(table, 0), found.counts.get(table, 0)
        if pair[0] != pair[1]:
            return f"{table} has {pair[1]} rows, not {pair[0]}"
    return f"schema {found.schema}, epoch {found.epoch}, journal {found.journal_head}"
