"""A backup writes much, and who books must not wait for the disk: after every few megabytes it is synced, then others have a turn.

Left to the end, all of it would go to the disk with the next fsync of a booking.
"""

import os
import time

STEP_BYTES = 4 * 1024 * 1024
PAUSE_S = 0.02


class Pace:
    """For one file that is written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._since_bytes = 0

    def wrote(self, size: int) -> None:
        self._since_bytes += size
        if self._since_bytes >= STEP_BYTES:
            self._since_bytes = 0
            os.fsync(self._descriptor)
            time.sleep(PAUSE_S)
