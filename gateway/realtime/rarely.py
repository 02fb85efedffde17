"""What a client does again and again for ever, as connecting with a wrong key, stands in the log once a minute."""

import structlog

from gateway.kernel.clock import Clock

EVERY_S = 60.0

log = structlog.get_logger(__name__)


class Rarely:
    """`name` is the line's."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._told_s = -EVERY_S
        self._untold = 0

    def happened(self, **about: str) -> None:
        """`times`: since the last line."""
        self._untold += 1
        now_s = self._clock.monotonic()
        if now_s - self._told_s >= EVERY_S:
            log.warning(self._name, times=self._untold, **about)
            self._told_s, self._untold = now_s, 0
