"""The log of a day has to fit on an SD card: what says the same again and again is cut off, and the next line says how often."""

import logging
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

LINES_MAX = 120  # of one event
WINDOW_S = 60.0
EVENTS_MAX = 512  # that are counted; there are fewer in the code, but messages of other people's loggers are any text


class Repeats:
    """Called from any thread. Two that count at the same moment may let one line too many through."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since_s = monotonic()
        self._lines: dict[str, int] = {}
        self._cut: dict[str, int] = {}

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A processor of structlog."""
        left_out = self.left_out(str(event.get("event", "")))
        if left_out is None:
            raise structlog.DropEvent
        if left_out:
            event["left_out"] = left_out
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """A filter of the standard library's handlers."""
        return self.left_out(f"{record.name}:{record.msg}") is not None

    def left_out(self, event: str) -> int | None:
        """How many lines were left out before this one; None: so is this one."""
        now_s = self._monotonic()
        if now_s - self._since_s >= WINDOW_S:
            self._since_s = now_s
            self._cut = {name: lines - LINES_MAX for name, lines in self._lines.items() if lines > LINES_MAX}
            self._lines = {}
        if event not in self._lines and len(self._lines) >= EVENTS_MAX:
            return None
        lines = self._lines[event] = self._lines.get(event, 0) + 1
        return None if lines > LINES_MAX else self._cut.pop(event, 0)
