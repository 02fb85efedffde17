"""A small disk for one program: a tmpfs in a mount namespace of its own, so that nothing stays mounted however the program ends."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

INSIDE = "ERYXON_SMALL_DISK"  # set once the program is in its namespace
WAYS = (("--mount",), ("--map-root-user", "--mount"))  # as root; as a user whom the kernel lets be root in a namespace
LEVEL_ERROR_BYTES = 256 * 1024  # the gateway writes meanwhile
MIB = 1024 * 1024


def in_own_namespace() -> None:
    """Start this program again where it may mount, unless it is there. Raises SystemExit when the machine does not allow it."""
    if os.environ.get(INSIDE):
        return
    for way in WAYS:
        if subprocess.run(
            ["unshare", *way, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True
        ).returncode:
            continue
        os.execvpe("unshare", ["unshare", *way, sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})  # noqa: S606
    raise SystemExit("no tmpfs can be mounted here, not even in a namespace: this wants root, or user namespaces")


class SmallDisk:
    """`leave` fills it with a file of its own until only so much is free."""

    def __init__(self, folder: Path, size_mib: int, files: int) -> None:
        folder.mkdir()
        self.folder = folder
        self._filler = folder / "filler"
        self._crowd = folder / "crowd"
        options = f"size={size_mib}m,nr_inodes={files},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small-disk", str(folder)], check=True)

    @property
    def free_bytes(self) -> int:
        told = os.statvfs(self.folder)
        return told.f_bavail * told.f_frsize

    def leave(self, free_bytes: int) -> None:
        """By making the file larger or smaller."""
        descriptor = os.open(self._filler, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while abs(more := self.free_bytes - free_bytes) > LEVEL_ERROR_BYTES:
                size = os.fstat(descriptor).st_size
                if more < 0:
                    os.ftruncate(descriptor, max(0, size + more))
                    if not size:
                        return
                else:
                    with contextlib.suppress(OSError):  # somebody was quicker
                        os.posix_fallocate(descriptor, size, more)
        finally:
            os.close(descriptor)

    def fill(self) -> None:
        """To the last block."""
        with self._filler.open("ab") as file, contextlib.suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(64 * 1024))

    def crowd(self) -> None:
        """To the last file that it can name."""
        self._crowd.mkdir()
        with contextlib.suppress(OSError):
            for number in range(1_000_000):
                (self._crowd / str(number)).touch()

    def clear(self) -> float:
        """Room again; when, by the monotonic clock."""
        self._filler.unlink(missing_ok=True)
        if self._crowd.is_dir():
            for file in self._crowd.iterdir():
                file.unlink()
            self._crowd.rmdir()
        return time.monotonic()


@contextlib.contextmanager
def small_disk(folder: Path, size_mib: int, files: int) -> Iterator[SmallDisk]:
    disk = SmallDisk(folder, size_mib, files)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
