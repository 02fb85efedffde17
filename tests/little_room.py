"""A disk that seems to have only so much room, for every gateway in this process."""

import pytest

from gateway.kernel.room import MIB, Room, Space

TOTAL_BYTES = 64 * 1024 * MIB


def leave(monkeypatch: pytest.MonkeyPatch, free_mib: int, *, files: tuple[int, int] | None = None) -> None:
    monkeypatch.setattr(Room, "space", lambda _room: Space(free_mib * MIB, TOTAL_BYTES, files))
