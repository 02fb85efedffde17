"""begin, confirm, rollback: each whole or not at all. Killed at any moment, the old or the new stands, and it can be done again."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway import __version__
from gateway.backups import copying
from gateway.backups.archive import free_bytes
from gateway.backups.manifest import Contents
from gateway.backups.restore import KEPT_BACK_BYTES, NAME, set_aside, tell
from gateway.kernel import clock as time_
from gateway.kernel import state
from gateway.kernel.clock import Clock
from gateway.kernel.connection import check, connect, lacks_space, offline, wal_bytes
from gateway.kernel.db import Tx
from gateway.kernel.disk import DataLock, synced
from gateway.kernel.errors import Conflict, Invalid, NotFound, StartupError, StorageFull
from gateway.kernel.room import NO_ROOM
from gateway.updates import note as notes
from gateway.updates.note import BEGUN, CONFIRMED, ROLLED_BACK, Note
from gateway.updates.pour import Poured, poured

COPIES, COPY, OF_MIGRATIONS = "backups", "before-update-", "before-schema-"
COPIES_KEPT = 2  # of each kind, once an update is confirmed
ASIDE = "before-rollback-"  # the folder with what the newer version left
_WORK = ".rolling-back-"
_STAMP = "%Y%m%dT%H%M%SZ"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RolledBack:
    """`schema_from`, `schema_to`: the same when the newer version had not changed the database, which then simply stays.
    `aside`: what the newer version left, None: it stays. `poured`: what of it is here now.
    """

    schema_from: int | None
    schema_to: int | None
    aside: Path | None = None
    poured: Poured | None = None


def begin(data: Path, clock: Clock) -> Note:
    """Notes what stands here and makes the copy to go back to; the gateway is stopped.

    Raises StartupError (it runs), Conflict (one was begun and has changed the database), Invalid (it is not sound), StorageFull.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(data), _storage_errors(data):
        open_ = _begun(data)
        if open_ is not None and open_.schema != schema(data):
            raise Conflict(
                f"an update was begun at {open_.at} and is neither confirmed nor rolled back: `update confirm` when the new "
                "version works, else `update rollback`"
            )
        now = clock.now()
        note = Note(BEGUN, None, __version__, None, None, time_.text(now), None)
        if (data / NAME).exists():
            kept, found, ran = _copied(data, f"{COPY}{now.strftime(_STAMP)}.sqlite")
            to = None if ran == __version__ else __version__
            note = Note(BEGUN, ran, to, found.schema, found.journal_head, note.at, kept)
        notes.put(data, note)
        if open_ is not None and open_.copy is not None and open_.copy != note.copy:
            (data / open_.copy).unlink(missing_ok=True)
    log.info("update.begun", version=note.from_, schema=note.schema, head=note.head)
    return note


def confirm(data: Path, clock: Clock) -> Note:
    """The new version works, whether it runs or not. Old copies make room. Raises NotFound: nothing was begun."""
    open_ = _begun(data)
    if open_ is None:
        raise NotFound("no update is open: `update status` shows the last one")
    note = open_.ended(CONFIRMED, __version__, clock.now())
    notes.put(data, note)
    for kind in (COPY, OF_MIGRATIONS):
        kept = sorted((data / COPIES).glob(f"{kind}*.sqlite"), key=lambda file: file.stat().st_mtime)
        for file in kept[:-COPIES_KEPT]:
            if str(file.relative_to(data)) != note.copy:
                file.unlink(missing_ok=True)
    log.info("update.confirmed", version=note.to, schema=schema(data))
    return note


def rollback(data: Path, clock: Clock) -> RolledBack:
    """The schema from before the last update, and everything that was booked since; the gateway is stopped. Also long after
    `confirm`, and by either version.

    Raises StartupError (it runs, or it is damaged), NotFound (no update), Invalid (no copy), StorageFull. Then nothing has changed.
    """
    note = notes.last(data)
    if note is None or note.state == ROLLED_BACK:
        when = "" if note is None else f": the last one was rolled back at {note.ended_at}"
        raise NotFound(f"there is no update to roll back{when}")
    with _alone(data), _storage_errors(data):
        for left in data.glob(f"{_WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        found = schema(data)
        done = RolledBack(found, note.schema)
        if found != note.schema:
            done = _carried_back(data, note, found, clock)
        notes.put(data, note.ended(ROLLED_BACK, __version__, clock.now()))
    log.warning("update.rolled_back", schema=done.schema_to, missing=done.poured and done.poured.missing())
    return done


def schema(data: Path) -> int | None:
    """Of the database that is there; None: there is none. Raises StartupError (it cannot be read), StorageFull."""
    if not (data / NAME).exists():
        return None
    try:
        with contextlib.closing(connect(data / NAME, mode="ro")) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as exc:
        if lacks_space(exc):  # the index of its WAL is a file too
            raise _full(data) from exc
        raise StartupError(f"{data / NAME} cannot be read ({exc})") from exc


def require_room(folder: Path, needed: int) -> None:
    """Raises StorageFull."""
    free = free_bytes(folder)
    if free < needed + KEPT_BACK_BYTES:
        raise StorageFull(
            f"the disk is too full: {-(-needed // 2**20)} MiB and {KEPT_BACK_BYTES // 2**20} for the work are needed in {folder}, "
            f"{free // 2**20} free. Nothing was changed: free some space, then do it again"
        )


def size(data: Path) -> int:
    """Bytes of the database with its WAL."""
    file = data / NAME
    return (file.stat().st_size if file.exists() else 0) + wal_bytes(file)


def _begun(data: Path) -> Note | None:
    found = notes.last(data)
    return found if found is not None and found.begun else None


# ------------------------------------------------------------------ copy


def _copied(data: Path, name: str) -> tuple[str, Contents, str | None]:
    """(its place below the data folder, what is in it, the version that it was last opened with)."""
    folder = data / COPIES
    folder.mkdir(mode=0o700, exist_ok=True)
    require_room(folder, size(data))
    for left in folder.glob(f"{COPY}*.part"):
        left.unlink()
    target, part = folder / name, folder / f"{name}.part"
    try:
        part.touch(0o600)
        found = copying.copied(data / NAME, part)
        with contextlib.closing(connect(part, mode="ro")) as connection:
            ran = state.get(connection, "version")
        synced(part)
        part.replace(target)
        synced(folder)
    finally:
        part.unlink(missing_ok=True)
    return str(target.relative_to(data)), found, ran


# ------------------------------------------------------------------ the way back


def _carried_back(data: Path, note: Note, found: int | None, clock: Clock) -> RolledBack:
    older = None if note.copy is None else data / note.copy
    if older is None or found is None or not older.exists():
        raise Invalid(
            f"what the update began with ({note.copy or 'no database'}) or what it made ({NAME}) is not in {data}: there is "
            "nothing to go back to. Start the version that is installed, or `restore` a backup"
        )
    check(data / NAME, after_unclean_stop=True)
    require_room(data, size(data))
    with offline(data / NAME) as connection:  # only we have it: all of it into one file
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    at = time_.text(clock.now())
    work = Path(tempfile.mkdtemp(dir=data, prefix=_WORK))
    try:
        told = poured(older, data / NAME, work / NAME, at)
        _say(work / NAME, told, at)
        aside = set_aside(data, _free_name(data, f"{ASIDE}{clock.now().strftime(_STAMP)}"))
        for end in ("-wal", "-shm"):  # empty, and of the one that goes
            (data / (NAME + end)).unlink(missing_ok=True)
        synced(data)
        (work / NAME).replace(data / NAME)  # the step
        synced(data)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return RolledBack(found, note.schema, aside, told)


def _say(database: Path, told: Poured, at: str) -> None:
    """What is missing stands in health for a week, whichever version reads it."""
    missing = told.missing()
    if missing is None:
        return
    with contextlib.closing(connect(database)) as connection:
        connection.execute("BEGIN")
        tell(Tx(connection), f"the update was rolled back: {missing}", at)
        connection.execute("COMMIT")
    synced(database)


def _free_name(data: Path, name: str) -> str:
    """A rollback that was killed and is repeated within the second has left one."""
    tried, number = name, 1
    while (data / tried).exists():
        number += 1
        tried = f"{name}-{number}"
    return tried


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Nobody has the database; whether its last owner ended in order is the next start's business."""
    with DataLock(data) as lock:
        yield
        lock.orderly = not lock.left_behind


@contextlib.contextmanager
def _storage_errors(data: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in NO_ROOM:
            raise _full(data) from exc
        raise StartupError(f"{data} could not be written ({exc.strerror or exc}): nothing was changed") from exc
    except sqlite3.Error as exc:
        if lacks_space(exc):
            raise _full(data) from exc
        raise StartupError(f"the database could not be read or copied ({exc}): nothing was changed") from exc


def _full(data: Path) -> StorageFull:
    return StorageFull(f"the disk is full: nothing was changed in {data}. Free some space, then do it again")
