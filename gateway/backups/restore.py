"""A backup brought back: unpacked and proven beside what is there, given a new life, then put in its place in one step.

What was there is kept whole in `before-restore-...` in the data folder. Killed at any moment, the old or the new stands.
"""

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from gateway import identity
from gateway.backups import configured, copying
from gateway.backups.archive import Archive, free_bytes
from gateway.backups.manifest import CONFIGURATION, DATABASE, FILES, SECRETS, Contents
from gateway.backups.sealing import Kept, unsealed
from gateway.kernel import clock as time_
from gateway.kernel import state
from gateway.kernel.clock import Clock
from gateway.kernel.connection import connect
from gateway.kernel.db import Database, Tx
from gateway.kernel.disk import synced
from gateway.kernel.errors import Conflict, Invalid, StorageFull
from gateway.kernel.migrate import migrate, steps
from gateway.kernel.secrets import FILE as BOX_KEY
from gateway.kernel.secrets import KNOWN
from gateway.outbox.event import Stamp

NAME = "gateway.sqlite"
ASIDE = "before-restore-"  # the folder with what was there
ASIDE_KEPT = 3  # of each kind of them: a disk that damages the file again and again must not fill up with it
_WORK, _LOOKS = ".restoring-", ".verifying-"
LEFT_BEHIND_S = 86_400.0  # what looked at a backup for so long was killed
STATE = "restored"  # in gateway_state: the last restore, as JSON
KEPT_BACK_BYTES = 64 * 1024 * 1024  # on the disk, for the service
TOLD_FOR = timedelta(days=7)  # what a restore at the start could not bring back
_SEALED = """
SELECT EXISTS (SELECT 1 FROM webhooks WHERE secret_key IS NOT NULL)
OR EXISTS (SELECT 1 FROM mqtt_publishers WHERE password IS NOT NULL)
"""

log = structlog.get_logger(__name__)

More = Callable[[Tx], str]  # brings more along before the new life begins; returns what is missing, for people


@dataclass(frozen=True, slots=True)
class Restored:
    """`aside`: what was there, None: nothing. `pending`: entries whose outcome is unknown, the old box may have sent them.
    `sealed`: there are secrets of webhooks and publishers, and no key that opens them.
    """

    epoch: int
    journal_head: int
    pending: int
    aside: Path | None
    missing: str | None
    sealed: bool


def preview(file: Path, data: Path) -> dict[str, Any]:
    """What is in it, and what of this box would be lost; changes nothing. Raises Invalid, OSError."""
    with Archive(file) as archive:
        manifest = archive.manifest
    here = standing(data / NAME)
    told: dict[str, Any] = {"backup": manifest.told(), "here": None, "lost": None}
    if isinstance(here, str):
        told["here"] = {"error": here}
    elif here is not None:
        told["here"] = {"epoch": here.epoch, "journal_head": here.journal_head, "pending": here.pending}
        same = here.device_id == manifest.contents.device_id
        since = manifest.contents.journal_head if same else 0
        told["lost"] = {"entries": max(0, here.journal_head - since), "pending": here.pending}
    return told


def standing(database: Path) -> Contents | str | None:
    """What is there now; None: nothing; a text: why nobody can tell."""
    if not database.exists():
        return None
    try:
        with contextlib.closing(connect(database, mode="ro")) as connection:
            return copying.looked_at(connection)
    except sqlite3.Error as exc:
        return str(exc)


@contextlib.contextmanager
def unpacked(archive: Archive, beside: Path, clock: Clock) -> Iterator[Path]:
    """A folder in `beside` with its database and files, proven and brought up to this software; gone at the end.

    Raises Invalid, StorageFull, StartupError, OSError.
    """
    manifest = archive.manifest
    known = max(steps())
    if manifest.contents.schema > known:
        raise Invalid(
            f"{archive.file} was made by a newer gateway ({manifest.version}, schema {manifest.contents.schema}; this one "
            f"knows {known}): install that version, then restore"
        )
    free = free_bytes(beside)
    if free < manifest.bytes + KEPT_BACK_BYTES:
        raise StorageFull(
            f"the disk is too full: {manifest.bytes // 2**20} MiB are needed in {beside}, {free // 2**20} free"
        )
    folder = Path(tempfile.mkdtemp(dir=beside, prefix=_WORK))
    try:
        for name in manifest.members:
            if name == DATABASE or name.startswith(FILES):
                target = folder / (NAME if name == DATABASE else name)
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                archive.extract(name, target)
        with contextlib.closing(connect(folder / NAME)) as connection:
            copying.require_sound(connection, manifest.contents)
        migrate(folder / NAME, clock)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def verify(file: Path, beside: Path | None, clock: Clock, passphrase: str | None = None) -> dict[str, Any]:
    """Restores it into a folder of its own (in `beside`, or where the system has them) and looks. Raises Invalid and the like."""
    if beside is not None:
        _sweep(beside, _LOOKS, older_s=LEFT_BEHIND_S)
    with Archive(file) as archive, tempfile.TemporaryDirectory(dir=beside, prefix=_LOOKS) as folder:
        archive.check()
        if passphrase is not None:
            secrets(archive, passphrase)
        with unpacked(archive, Path(folder), clock) as found:
            _database_of(found)
        return {"file": str(file), "bytes": file.stat().st_size, **archive.manifest.told()}


def _sweep(folder: Path, prefix: str, *, older_s: float = 0.0) -> None:
    """What a killed one left behind."""
    for left in folder.glob(f"{prefix}*"):
        if time.time() - left.stat().st_mtime >= older_s:
            shutil.rmtree(left, ignore_errors=True)


def _database_of(folder: Path) -> Contents:
    """As it stands after it was brought up to date."""
    with contextlib.closing(connect(folder / NAME)) as connection:
        return copying.looked_at(connection)


def _sealed(database: Path) -> bool:
    with contextlib.closing(connect(database)) as connection:
        return bool(connection.execute(_SEALED).fetchone()[0])


def secrets(archive: Archive, passphrase: str) -> Kept:
    """Raises Invalid: it has none, or the passphrase is another."""
    if not archive.manifest.secrets:
        raise Invalid(f"{archive.file} holds no secrets: it was made without --with-secrets")
    return Kept.of(unsealed(archive.read(SECRETS), passphrase, archive.manifest.gateway))


def configuration(archive: Archive, kept: Kept | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(the settings of the box that made it, the names of the secrets that are missing in them)."""
    text = archive.read(CONFIGURATION)
    tree = configured.read(text)
    if kept is not None:
        configured.put_back(tree, kept.settings)
        return tree, ()
    return tree, configured.asked(text.decode())


async def restore(
    archive: Archive,
    data: Path,
    gateway: str,
    clock: Clock,
    stamp: Stamp,
    kept: Kept | None = None,
    more: More | None = None,
    aside: str = ASIDE,
) -> Restored:
    """Into the data folder `data`, whose lock the caller holds. Raises Conflict (of another gateway) and what `unpacked` raises."""
    manifest = archive.manifest
    if manifest.gateway != gateway:
        raise Conflict(
            f'{archive.file} is of the gateway "{manifest.gateway}", and this one is "{gateway}": '
            "set [gateway] id, or take another backup"
        )
    before = standing(data / NAME)
    above = before.epoch if isinstance(before, Contents) else 0
    _sweep(data, _WORK)
    with unpacked(archive, data, clock) as ready:
        async with Database.open(ready, prepare=_nothing, monotonic=clock.monotonic) as db:
            missing = await db.write(_begin, stamp, identity.machine(), above, manifest.made_at, more)
        found = _database_of(ready)
        there = set_aside(data, f"{aside}{stamp.now.strftime('%Y%m%dT%H%M%SZ')}") if before is not None else None
        _put_in_place(ready, data, kept)
    log.warning("gateway.restored", backup=str(archive.file), epoch=found.epoch, pending=found.pending, missing=missing)
    sealed = _sealed(data / NAME) and not any((data / one).exists() for one in (BOX_KEY, KNOWN))
    return Restored(found.epoch, found.journal_head, found.pending, there, missing, sealed)


def _begin(tx: Tx, stamp: Stamp, machine: str, above: int, made_at: str, more: More | None) -> str | None:
    brought = more(tx) if more is not None else None
    missing = (
        None if brought is None else f"the database was damaged, the backup of {made_at[:16]} took its place: {brought}"
    )
    state.put(tx, STATE, json.dumps({"at": stamp.text, "backup_of": made_at, "missing": missing}))
    identity.restored(tx, stamp, machine, above)
    return missing


def tell(tx: Tx, missing: str, at: str) -> None:
    """What could not be brought along, beside what is still told. `at`: ISO 8601."""
    told = [one for one in (lost(tx, time_.parse(at)), missing) if one]
    state.put(tx, STATE, json.dumps({"at": at, "backup_of": None, "missing": "; ".join(told)}))


def lost(connection: sqlite3.Connection, now: datetime) -> str | None:
    """What the last restore or rollback could not bring back, while it is young."""
    found = state.get(connection, STATE)
    told = json.loads(found) if found else {}
    if not told.get("missing") or now - time_.parse(told["at"]) > TOLD_FOR:
        return None
    return str(told["missing"])


# ------------------------------------------------------------------ the step


def set_aside(data: Path, name: str) -> Path:
    """Everything that a restore replaces, under a second name: costs no room."""
    aside = data / name
    aside.mkdir(mode=0o700)
    for one in (NAME, f"{NAME}-wal", BOX_KEY, KNOWN):
        if (data / one).exists():
            _second_name(str(data / one), str(aside / one))
    if (data / "files").is_dir():
        shutil.copytree(data / "files", aside / "files", copy_function=_second_name)
    synced(aside)
    _let_go(aside)
    return aside


def _let_go(made: Path) -> None:
    """The oldest of those of its kind that were set aside before, by the time in their names."""
    kind = made.name.rpartition("-")[0]
    others = sorted(one for one in made.parent.glob(f"{kind}-*") if one != made)
    for old in others[: 1 - ASIDE_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
        log.info("restore.let_go", folder=str(old))


def _second_name(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # a file system without them, or another one
        shutil.copy2(source, target)
    return target


def _put_in_place(ready: Path, data: Path, kept: Kept | None) -> None:
    """Files first: one without a row does no harm. The database last, and with it everything."""
    for file in sorted((ready / "files").glob("*/*")):
        target = data / file.relative_to(ready)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.replace(target)
    if kept is not None:
        kept.put_back(data)
    for end in ("-wal", "-shm"):  # a WAL is of one database: it would be written into the other
        (data / (NAME + end)).unlink(missing_ok=True)
    synced(data)
    (ready / NAME).replace(data / NAME)
    synced(data)


def _nothing(_path: Path) -> None:
    """It has been brought up to date already."""
