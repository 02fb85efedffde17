"""Who may still write when the disk fills up: uploads are refused first, then telemetry, then plans; bookings never by rule, and
for them 64 MB are kept back (`disk.py`).

What is free counts without those 64 MB: once they are given up, only bookings live on them.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import structlog

from gateway.kernel.disk import BALLAST_BYTES, ROOM_MIN_BYTES, Ballast
from gateway.kernel.errors import RoomKept

MIB = 1024 * 1024
UPLOADS_LEAVE_BYTES = 512 * MIB
UPLOADS_LEAVE_SHARE = 8  # at most this part of a disk: an SD card is small
AGAIN_NUMERATOR, AGAIN_DENOMINATOR = 5, 4  # refused until so much more is free than where refusing began: no flapping
FILES_LEAVE = 1_000  # that can still be made
FILES_LEAVE_SHARE = 8
LOOK_AGAIN_S = 5.0  # between two tries to lay the ballast down
PROBE_BYTES = 64 * 1024
NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT))

log = structlog.get_logger(__name__)


class Use(IntEnum):
    """What room on the disk is wanted for, in the order in which it is refused."""

    UPLOAD = 0
    TELEMETRY = 1
    PLAN = 2
    BOOKING = 3

    @property
    def shown(self) -> str:
        return _SHOWN[self]


_SHOWN = {
    Use.UPLOAD: "uploads and backups",
    Use.TELEMETRY: "machine values and logs",
    Use.PLAN: "plans and master data",
    Use.BOOKING: "bookings",
}


def leaves_bytes(use: Use, total_bytes: int, reserve_bytes: int | None) -> int:
    """What this class leaves free on a disk: each half of the one before it, bookings nothing. `reserve_bytes`: what uploads leave,
    None: as this disk asks for.
    """
    if use is Use.BOOKING:
        return 0
    reserve = min(UPLOADS_LEAVE_BYTES, total_bytes // UPLOADS_LEAVE_SHARE) if reserve_bytes is None else reserve_bytes
    return reserve >> use


@dataclass(frozen=True, slots=True)
class Space:
    """Of the disk under the data folder. `free_bytes`: for everybody, without the ballast; `files`: that can be made, and in all;
    None: it does not count them.
    """

    free_bytes: int
    total_bytes: int
    files: tuple[int, int] | None


class Room:
    """Looks at the disk each time it is asked: that costs microseconds, and another program may fill it in a second."""

    def __init__(self, folder: Path, reserve_bytes: int | None = None) -> None:
        self.ballast = Ballast(folder)
        self.folder = folder
        self._reserve_bytes = reserve_bytes
        self._refused: frozenset[Use] = frozenset()
        self._tried_at_s = -LOOK_AGAIN_S

    # ------------------------------------------------------------------ who may

    def require(self, use: Use, size_bytes: int = 0) -> None:
        """Room for so much more. Raises RoomKept."""
        space = self.space()
        refused = self._look(space)
        leaves = self.leaves(use, space)
        if use not in refused and space.free_bytes - size_bytes >= leaves:
            return
        if use is Use.UPLOAD and _files_short(space, 1, 1) and space.files:
            found = f"{space.files[0]} more files fit on the disk"
        else:
            more = f" and {_mib(size_bytes)} are wanted" if size_bytes >= MIB else ""
            found = f"{_mib(space.free_bytes)} are free{more}, and {_mib(leaves)} are kept for the work"
        raise RoomKept(
            f"the disk is nearly full, {use.shown} are refused: {found}. Free some space (docs/disk-full.md), then send it again",
            {"class": use.name.lower(), "free_bytes": space.free_bytes, "kept_bytes": leaves},
        )

    def admits(self, use: Use) -> bool:
        return use not in self._look(self.space())

    @property
    def has_room(self) -> bool:
        """True while a booking finds space: on the disk, or in the ballast."""
        return self.ballast.held or self._on_disk() >= ROOM_MIN_BYTES

    def lacks(self) -> bool:
        """Whether an error of the disk is only want of space: SQLite does not tell a quota that is used up from a broken disk."""
        probe = self.folder / "probe"
        try:
            descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(descriptor, bytes(PROBE_BYTES), 0)
            finally:
                os.close(descriptor)
                probe.unlink()
        except OSError as exc:
            return exc.errno in NO_ROOM
        return False

    def restore(self, now_s: float) -> None:
        """Lay the ballast down again once plans have room beside it. Never raises: it is only ballast."""
        if now_s - self._tried_at_s < LOOK_AGAIN_S:
            return
        self._tried_at_s = now_s
        with contextlib.suppress(OSError):
            if not self.ballast.held and (space := self.space()).free_bytes >= self.leaves(Use.PLAN, space):
                self.ballast.lay_down()

    # ------------------------------------------------------------------ how it stands

    def space(self) -> Space:
        """Raises OSError when the folder is gone."""
        told = os.statvfs(self.folder)
        free = told.f_bavail * told.f_frsize - (0 if self.ballast.held else BALLAST_BYTES)
        files = (told.f_favail, told.f_files) if told.f_files else None
        return Space(max(0, free), told.f_blocks * told.f_frsize, files)

    def leaves(self, use: Use, space: Space) -> int:
        return leaves_bytes(use, space.total_bytes, self._reserve_bytes)

    def problem(self) -> str | None:
        """For people: who is refused, and that the ballast is in use."""
        space = self.space()
        refused = self._look(space)
        told = f"the disk is nearly full ({_mib(space.free_bytes)} are free): {listed(refused)} are refused"
        if not refused:
            return None
        return told if self.ballast.held else f"{told}, bookings live on the {_mib(BALLAST_BYTES)} kept back for them"

    def told(self) -> Mapping[str, Any]:
        """For health: `disk_free_bytes`, `disk_total_bytes`, `disk_files_free`, `ballast`, `refused`."""
        space = self.space()
        return {
            "disk_free_bytes": space.free_bytes,
            "disk_total_bytes": space.total_bytes,
            "disk_files_free": None if space.files is None else space.files[0],
            "ballast": self.ballast.held,
            "refused": [use.name.lower() for use in sorted(self._look(space))],
        }

    def _look(self, space: Space) -> frozenset[Use]:
        """Who is refused now. Several threads may look at once: each comes to the same."""
        before = self._refused
        refused = frozenset(use for use in Use if self._is_refused(use, space, again=use in before))
        self._refused = refused
        if refused - before:
            log.warning("disk.refusing", what=listed(refused), free_mib=space.free_bytes // MIB)
        elif before - refused:
            log.info("disk.room_again", what=listed(before - refused), free_mib=space.free_bytes // MIB)
        return refused

    def _is_refused(self, use: Use, space: Space, *, again: bool) -> bool:
        if use is Use.BOOKING:
            return False
        numerator, denominator = (AGAIN_NUMERATOR, AGAIN_DENOMINATOR) if again else (1, 1)
        if use is Use.UPLOAD and _files_short(space, numerator, denominator):
            return True
        return space.free_bytes * denominator < self.leaves(use, space) * numerator

    def _on_disk(self) -> int:
        told = os.statvfs(self.folder)
        return told.f_bavail * told.f_frsize


def listed(uses: Iterable[Use]) -> str:
    """As people read it, those that are refused first in front."""
    return ", ".join(use.shown for use in sorted(uses))


def _files_short(space: Space, numerator: int, denominator: int) -> bool:
    if space.files is None:
        return False
    left, all_ = space.files
    return left * denominator < min(FILES_LEAVE, all_ // FILES_LEAVE_SHARE) * numerator


def _mib(size: int) -> str:
    return f"{size // MIB} MiB"
