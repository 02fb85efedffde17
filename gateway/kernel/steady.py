"""A wall clock that is not set under the feet of those who measure with it.

A box without a battery starts in 1970 and is told the time minutes later; somebody sets the clock by an hour. Between two
looks the wall clock should grow as much as the monotonic one: when it does not, it was set. Then `now` goes on as if nothing
had happened until somebody has put right what was written before, and calls `adopt`.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gateway.kernel.clock import Clock

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
STEP_MIN = timedelta(seconds=2)  # what is less is the network's small corrections: they are followed at once


@dataclass(frozen=True, slots=True)
class Step:
    """The clock was set by `by`. `began`: when the machine was started, `ended`: now, both as the old clock had it."""

    began: datetime
    ended: datetime
    by: timedelta


class SteadyClock:
    """`under` is the machine's own: its monotonic time counts from when the machine was started."""

    def __init__(self, under: Clock) -> None:
        self._under = under
        self._seen = (under.now(), under.monotonic())  # replaced as a whole: several threads read the time

    def now(self) -> datetime:
        wall, elapsed_s = self._under.now(), self._under.monotonic()
        seen_wall, seen_s = self._seen
        steady = seen_wall + timedelta(seconds=elapsed_s - seen_s)
        if abs(wall - steady) >= STEP_MIN:
            return steady
        self._seen = (wall, elapsed_s)
        return wall

    def monotonic(self) -> float:
        return self._under.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await self._under.sleep(delay_s)

    @property
    def offset_s(self) -> float:
        """The time at which the machine was started, as epoch: the same for as long as nobody sets the clock."""
        return self.now().timestamp() - self.monotonic()

    def step(self) -> Step | None:
        """What has to be put right before the new time can be adopted."""
        ended = self.now()
        by = self._under.now() - ended
        return Step(ended - timedelta(seconds=self.monotonic()), ended, by) if abs(by) >= STEP_MIN else None

    def adopt(self, step: Step) -> None:
        """From here on `now` is the new time."""
        self._seen = (self._seen[0] + step.by, self._seen[1])

    def refuse(self, step: Step) -> None:
        """It could not be put right: as before."""
        self._seen = (self._seen[0] - step.by, self._seen[1])


def boot(file: Path = BOOT_ID) -> str:
    """Another one with each start of the machine; empty where nobody tells."""
    with contextlib.suppress(OSError):
        return file.read_text().strip()
    return ""
