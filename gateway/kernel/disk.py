"""The data folder: one process at a time, files written whole, and 64 MB kept back for the day on which the disk is full."""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.kernel.errors import StartupError

BALLAST_BYTES = 64 * 1024 * 1024
ROOM_MIN_BYTES = 1024 * 1024  # less than this on the disk is no room for a write
PID_MAX_DIGITS = 20


def write_whole(file: Path, content: bytes) -> None:
    """Whole or not at all, on the disk with its name, readable by the owner only."""
    part = file.with_name(file.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as written:
        written.write(content)
        written.flush()
        os.fsync(descriptor)
    part.replace(file)
    synced(file.parent)


def synced(place: Path) -> None:
    """What is in a file, or the names in a folder, are on the disk."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DataLock:
    """Exclusive lock on `<folder>/lock` for as long as the process lives, however it dies.

    `left_behind` tells that the last owner did not get to its orderly end; `orderly` is set by one that does. A start that
    was refused is no orderly end: the next one has to look as closely.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self.left_behind = False
        self.orderly = False

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            found = os.read(self._descriptor, PID_MAX_DIGITS).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StartupError(f"{self._path.parent} is in use by process {found}: stop that gateway first") from None
        self.left_behind = os.fstat(self._descriptor).st_size > 0
        try:
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, str(os.getpid()).encode())
        except OSError as exc:
            os.close(self._descriptor)
            raise StartupError(
                f"{self._path} cannot be written ({exc.strerror}): free some space, look at the disk"
            ) from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            if self.orderly:
                os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def owner(folder: Path) -> str | None:
    """The process that has locked this folder now; None: nobody has. Makes nothing."""
    with contextlib.suppress(OSError), (folder / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read(PID_MAX_DIGITS).strip() or "unknown"
    return None


class Ballast:
    """A file that only takes up room. Given up to the journal when the disk is full, laid down again when it is not: `room.py`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ballast"

    @property
    def held(self) -> bool:
        return self._path.exists()

    def release(self) -> bool:
        """True when there was something to give up."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def lay_down(self) -> None:
        """Whole or not at all: half a ballast would count as one. Never raises."""
        with contextlib.suppress(OSError), self._path.open("xb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
            except OSError:
                self._path.unlink()
                raise
