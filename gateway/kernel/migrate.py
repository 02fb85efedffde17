"""Brings a database up to this software: numbered SQL files in one transaction, a verified copy first.

One for all that is pending, not one each: whatever fails or is killed in the middle, the old version runs on the old data.
`user_version` is the number of the last step done, so an up-to-date file costs one PRAGMA at start.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.kernel.clock import Clock
from gateway.kernel.connection import connect, offline
from gateway.kernel.disk import synced
from gateway.kernel.errors import StartupError

if TYPE_CHECKING:
    import sqlite_utils

SET = "gateway"

log = structlog.get_logger(__name__)


def steps() -> dict[int, tuple[str, str]]:
    """number -> (name, SQL) of every migration file, in order."""
    files = sorted(
        (f for f in resources.files("gateway.migrations").iterdir() if f.name.endswith(".sql")), key=lambda f: f.name
    )
    return {int(file.name[:4]): (file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in files}


def migrate(path: Path, clock: Clock) -> None:
    """Run what is pending. Raises StartupError when the file is newer than this software or a step fails.

    The old file is copied to `backups/` and the copy checked before anything is changed.
    """
    try:
        with offline(path) as connection:
            _bring_up(connection, path, clock)
    except sqlite3.Error as exc:
        raise StartupError(f"{path} cannot be opened ({exc}): free some space, look at the disk") from exc


def _bring_up(connection: sqlite3.Connection, path: Path, clock: Clock) -> None:
    wanted = steps()
    have, last = int(connection.execute("PRAGMA user_version").fetchone()[0]), max(wanted)
    if have > last:
        raise StartupError(
            f"{path} was written by a newer gateway (schema {have}, this one knows {last}): "
            "install that version again, or go back to this one with `eryxon-gateway update rollback`, which brings along what was "
            "booked since"
        )
    if have == last:
        return
    try:
        if have:
            stamp = clock.now().strftime("%Y%m%dT%H%M%SZ")
            copy(connection, path.parent / "backups" / f"before-schema-{last}-{stamp}.sqlite")
        _run(connection, {number: step for number, step in wanted.items() if number > have})
    except (sqlite3.Error, OSError) as exc:
        raise StartupError(f"{path} could not be brought to schema {last} ({exc}): it is as it was before") from exc
    log.info("database.migrated", before=have, now=last)


def copy(connection: sqlite3.Connection, target: Path) -> None:
    """A consistent copy under its final name, or none: written beside it, checked, synced, renamed."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with contextlib.closing(connect(part)) as other:
            connection.backup(other)
            other.execute("PRAGMA journal_mode=DELETE")
            answer = other.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if answer != "ok":
            raise StartupError(f"the copy {part} is not sound ({answer}): nothing was changed; check the disk")
        synced(part)
        part.rename(target)
        synced(target.parent)
    finally:
        part.unlink(missing_ok=True)


def statements(script: str) -> Iterator[str]:
    """One statement at a time: `executescript` would commit behind our back."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def _run(connection: sqlite3.Connection, pending: dict[int, tuple[str, str]]) -> None:
    from sqlite_utils import Database, Migrations  # noqa: PLC0415 -- a third of a second, paid only when a step is pending

    def step(number: int, script: str) -> Callable[["sqlite_utils.Database"], None]:
        def run(db: "sqlite_utils.Database") -> None:
            for statement in statements(script):
                db.conn.execute(statement)
            db.conn.execute(f"PRAGMA user_version={number}")

        return run

    chosen = Migrations(SET)
    for number, (name, script) in pending.items():
        chosen(name=name)(step(number, script))
    connection.execute("PRAGMA foreign_keys=OFF")  # a step that makes a table anew may drop the old one
    connection.execute("BEGIN IMMEDIATE")
    try:
        chosen.apply(Database(connection))
        orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
        if orphan is not None:
            raise sqlite3.IntegrityError(f"{orphan[0]} row {orphan[1]} would have no {orphan[2]}")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
