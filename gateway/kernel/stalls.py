"""Notices when the event loop does not move, and who keeps it: the loop beats, a thread looks.

The thread counts its own looks, not seconds: on a machine that stands still as a whole it does not look either, and nobody is
blamed.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import structlog

BEAT_S = 0.25
LOOKS_MAX = 4  # without a beat: the loop stands still for a second

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stall:
    """`owner`: whose code was on the stack, None when it was nobody's who is known. `place`: `file:line in function`."""

    owner: str | None
    place: str
    lasted_s: float


class Stalls:
    """`whose(file)` names the owner of a source file, asked in the thread; `over` is told in the loop once that moves again."""

    def __init__(self, whose: Callable[[str], str | None], over: Callable[[Stall], None]) -> None:
        self._whose = whose
        self._over = over
        self._beats = 0
        self._found: tuple[str | None, str, float] | None = None  # owner, place, since when by the monotonic clock

    async def run(self) -> None:
        """For ever, in the loop that is watched."""
        ended = threading.Event()
        thread = threading.Thread(
            target=self._look, args=(threading.get_ident(), ended), name="loop-watch", daemon=True
        )
        thread.start()
        try:
            while True:
                self._beats += 1
                if (found := self._found) is not None:
                    self._found = None
                    owner, place, since_s = found
                    self._over(Stall(owner, place, time.monotonic() - since_s))
                await asyncio.sleep(BEAT_S)
        finally:
            ended.set()

    def _look(self, watched: int, ended: threading.Event) -> None:
        """In the thread. Tells the log at once: nobody can ask /healthz now."""
        seen, looks = -1, 0
        while not ended.wait(BEAT_S):
            if self._beats != seen:
                seen, looks = self._beats, 0
                continue
            looks += 1
            if looks == LOOKS_MAX:
                owner, place = self._at(sys._current_frames().get(watched))  # noqa: SLF001 -- the documented way to a stack
                self._found = (owner, place, time.monotonic() - LOOKS_MAX * BEAT_S)
                log.error("loop.stalled", owner=owner, at=place)

    def _at(self, frame: FrameType | None) -> tuple[str | None, str]:
        """The innermost frame of somebody who is known, else the innermost of all."""
        innermost = frame
        while frame is not None:
            owner = self._whose(frame.f_code.co_filename)
            if owner is not None:
                return owner, _place(frame)
            frame = frame.f_back
        return None, _place(innermost) if innermost is not None else "nowhere"


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
