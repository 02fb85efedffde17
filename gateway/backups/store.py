"""The folder with the backups of this box: making one, proving it, and which of them stay."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from gateway import __version__
from gateway.backups import configured, copying, manifest, sealing
from gateway.backups.archive import Archive, Writing, free_bytes
from gateway.backups.manifest import CONFIGURATION, DATABASE, FILES, SECRETS, Manifest
from gateway.backups.rotation import AHEAD_MAX, Kept, superfluous
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.connection import READER_PRAGMAS, connect, lacks_space, wal_bytes
from gateway.kernel.disk import synced, write_whole
from gateway.kernel.errors import Busy, GatewayError, NotFound, StorageFailed, StorageFull
from gateway.kernel.room import NO_ROOM, Use, leaves_bytes
from gateway.settings import Settings

FOLDER, OUTGOING, LAST = "backups", "outgoing", "last"
OLD = timedelta(days=7)  # beyond it people are told that there is no new one
LEFT_BEHIND = timedelta(days=1)  # an outgoing one that nobody has fetched
SMALL_BYTES = 1024 * 1024  # manifest, configuration, secrets
_FILES = "SELECT bucket, id, size_bytes, sha256 FROM files ORDER BY bucket, id"
_WORK = ".work-"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Made:
    """Whole and proven, under its name."""

    file: Path
    manifest: Manifest

    def told(self) -> dict[str, Any]:
        return {"file": str(self.file), "bytes": self.file.stat().st_size, **self.manifest.told()}


class Backups:
    """Its methods block: call them beside the event loop."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.folder = settings.backup.folder or settings.data_dir / FOLDER
        self._settings = settings
        self._clock = clock
        self._last = _marker(settings)

    @property
    def beside_the_data(self) -> bool:
        """The folder is on the disk that the work is on."""
        nearest = next(one for one in (self.folder, *self.folder.parents) if one.exists())
        return nearest.stat().st_dev == self._settings.data_dir.stat().st_dev

    # ------------------------------------------------------------------ making one

    def create(self, database: Path, passphrase: str | None = None, *, kept: bool = True) -> Made:
        """Everything that this box knows, from one moment; with a passphrase its secrets too. Not `kept`: somebody is about to
        fetch it, and `drop` ends it.

        Raises Busy, Invalid (passphrase), StorageFull, StorageFailed. Then nothing of it is left.
        """
        if passphrase is not None:
            sealing.require_strong(passphrase)
            if locked := next(iter(self._settings.locked.items()), None):
                raise StorageFailed(
                    f"a backup with secrets needs them open, and {locked[0]} does not open: {locked[1]}"
                )
        with _storage_errors(self.folder), self._alone():
            at = self._clock.now()
            target = (self.folder if kept else self._outgoing()) / manifest.name(self._settings.gateway.id, at)
            if target.exists():
                raise Busy(f"{target.name} is there already: one a second")
            work = Path(tempfile.mkdtemp(dir=self.folder, prefix=_WORK))
            try:
                part, made = self._written(work, database, passphrase)
                part.rename(target)
                synced(target.parent)
            finally:
                shutil.rmtree(work, ignore_errors=True)
            self._last.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._last, time_.text(at).encode())
            gone = self._rotate(target.name) if kept else []
        log.info("backup.made", file=str(target), bytes=target.stat().st_size, gone=gone)
        return Made(target, made)

    def _written(self, work: Path, database: Path, passphrase: str | None) -> tuple[Path, Manifest]:
        copy, part, gateway = work / DATABASE, work / "part", self._settings.gateway.id
        self._require_room(database)
        contents = copying.copied(database, copy)
        kept, secrets = configured.split(self._settings)
        about = configured.text(gateway, kept, secrets)
        with Writing(part) as writing:
            with copy.open("rb") as file:
                writing.add(DATABASE, file, packed=True)
            missing = self._add_files(writing, copy)
            copy.unlink()
            _add(work, writing, CONFIGURATION, about.encode())
            if passphrase is not None:
                text = sealing.Kept(
                    secrets, sealing.holding(self._settings.data_dir, self._settings.credentials)
                ).text()
                _add(work, writing, SECRETS, sealing.sealed(text, passphrase, gateway))
            at = time_.text(self._clock.now())
            made = Manifest(at, __version__, gateway, contents, writing.members, missing)
            writing.finish(made)
        with Archive(part) as archive:
            archive.check()
        return part, made

    def _add_files(self, writing: Writing, copy: Path) -> tuple[str, ...]:
        """Those that the copy lists; returns the others, whose bytes are gone or damaged."""
        missing = []
        for bucket, file_id, size, sha256 in _listed(copy):
            name = f"{FILES}{bucket}/{file_id}"
            try:
                with (self._settings.data_dir / name).open("rb") as file:
                    member = writing.add(name, file, packed=False)
            except FileNotFoundError:
                missing.append(f"{bucket}/{file_id}")
                continue
            if (member.bytes, member.sha256) != (size, sha256):
                writing.forget(name)
                missing.append(f"{bucket}/{file_id}")
        return tuple(missing)

    def _require_room(self, database: Path) -> None:
        """For the copy and the archive beside each other. Raises StorageFull."""
        rows = database.stat().st_size + wal_bytes(database)
        needed = 2 * rows + sum(size for _, _, size, _ in _listed(database)) + SMALL_BYTES
        free, total = free_bytes(self.folder), shutil.disk_usage(self.folder).total
        reserve = leaves_bytes(Use.UPLOAD, total, self._settings.limits.upload_reserve_bytes)
        if free - needed < reserve:
            raise StorageFull(
                f"the disk is too full for a backup: it may take {_mib(needed)} in {self.folder}, {_mib(free)} are free, and "
                f"{_mib(reserve)} of them are kept for the work. Free some space, or name another disk with [backup] folder"
            )

    # ------------------------------------------------------------------ those that are there

    def listed(self) -> list[dict[str, Any]]:
        """Newest first; one that cannot be read says why in `error`."""
        return [
            self._told(self.folder / one.name) for one in sorted(self._kept(), key=lambda one: one.at, reverse=True)
        ]

    def files(self) -> list[Path]:
        """Newest first."""
        return [self.folder / one.name for one in sorted(self._kept(), key=lambda one: one.at, reverse=True)]

    def find(self, name: str) -> Path:
        """By the name in `listed`, or of one that was made to be fetched. Raises NotFound."""
        places = (self.folder / name, self.folder / OUTGOING / name)
        found = next((file for file in places if manifest.named_at(name) is not None and file.is_file()), None)
        if found is None:
            raise NotFound(f'there is no backup "{name}" in {self.folder}: `backup list` shows them')
        return found

    def drop(self, name: str) -> None:
        """One that was made to be fetched, and was."""
        if manifest.named_at(name) is not None:
            (self.folder / OUTGOING / name).unlink(missing_ok=True)

    def problem(self) -> str | None:
        """For people: once one was made, no new one for long is a problem."""
        return overdue(newest(self._settings), self._clock.now())

    def _told(self, file: Path) -> dict[str, Any]:
        told: dict[str, Any] = {"name": file.name, "bytes": file.stat().st_size}
        try:
            with Archive(file) as archive:
                return {**told, **archive.manifest.told(), "error": None}
        except (GatewayError, OSError) as exc:
            return {**told, "error": exc.message if isinstance(exc, GatewayError) else str(exc)}

    def _kept(self) -> list[Kept]:
        if not self.folder.is_dir():
            return []
        named = ((file, manifest.named_at(file.name)) for file in self.folder.iterdir() if file.is_file())
        return [Kept(file.name, at, file.stat().st_size) for file, at in named if at is not None]

    def _rotate(self, name: str) -> list[str]:
        """Of this gateway: a disk may hold those of others too. `name`: of the one that was made now."""
        own = [one for one in self._kept() if manifest.of_gateway(one.name) == self._settings.gateway.id]
        made = next(one for one in own if one.name == name)
        keep = self._settings.backup
        gone = superfluous(
            own, made=made, keep_daily=keep.keep_daily, keep_weekly=keep.keep_weekly, max_bytes=keep.max_bytes
        )
        for old in gone:
            (self.folder / old).unlink(missing_ok=True)
        return gone

    # ------------------------------------------------------------------ the folder

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time, whoever makes it. What a killed one left behind goes."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in self.folder.glob(f"{_WORK}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield
        except BlockingIOError:
            raise Busy("another backup is on its way: one at a time; try again when it is through") from None
        finally:
            os.close(descriptor)

    def _outgoing(self) -> Path:
        folder = self.folder / OUTGOING
        folder.mkdir(mode=0o700, exist_ok=True)
        for left in folder.iterdir():
            at = manifest.named_at(left.name)
            if at is None or abs(self._clock.now() - at) > LEFT_BEHIND:  # dated by a clock that was wrong, perhaps
                left.unlink()
        return folder


def newest(settings: Settings) -> datetime | None:
    """When the last one was made on this box, wherever it went; None: never."""
    try:
        return time_.parse(_marker(settings).read_text())
    except (OSError, ValueError):
        return None


def overdue(last: datetime | None, now: datetime) -> str | None:
    """For people: that there is no new one."""
    if last is None or not time_.trusted(now) or -AHEAD_MAX <= now - last <= OLD:
        return None
    if last > now:
        return f"the last backup was dated {last:%Y-%m-%d} by a clock that was wrong: `backup create` makes another"
    return f"no backup for {(now - last).days} days: `backup create`, and look at eryxon-gateway-backup.timer"


def _marker(settings: Settings) -> Path:
    return settings.data_dir / FOLDER / LAST


def _listed(database: Path) -> list[tuple[str, str, int, str]]:
    with contextlib.closing(connect(database, READER_PRAGMAS)) as connection:
        return [tuple(row) for row in connection.execute(_FILES)]


def _add(work: Path, writing: Writing, name: str, content: bytes) -> None:
    file = work / name
    write_whole(file, content)
    with file.open("rb") as source:
        writing.add(name, source, packed=True)


@contextlib.contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in NO_ROOM:
            raise _full(folder) from exc
        raise StorageFailed(f"the backup could not be made in {folder} ({exc.strerror or exc})") from exc
    except sqlite3.Error as exc:
        if lacks_space(exc):
            raise _full(folder) from exc
        raise StorageFailed(f"the backup could not be made ({exc}): nothing of it is left") from exc


def _full(folder: Path) -> StorageFull:
    return StorageFull(
        f"the disk is full: nothing of the backup is left in {folder}. Free some space, then make it again"
    )


def _mib(size: int) -> str:
    return f"{size // 2**20} MiB"
