"""A machine's controller as it is on a floor: a counter that rolls over, a clock, reboots that forget both counter and mind."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.kernel.clock import Clock

ROLLS_FROM = 0.9  # of its range


@dataclass(frozen=True, slots=True)
class Sent:
    """One value of a counter, as it goes out."""

    value: int
    at: datetime

    @property
    def payload(self) -> dict[str, Any]:
        return {"v": self.value, "ts": self.at.isoformat()}


class Counter:
    """`made` is the truth that nobody outside can see; `value` is what the controller shows of it."""

    def __init__(self, clock: Clock, bits: int = 32, value: int = 0) -> None:
        self._clock = clock
        self._span: int = 2**bits
        self.value = value
        self.made = 0

    @property
    def near_its_end(self) -> bool:
        """To begin anew there would look like a roll-over, to anybody."""
        return self.value >= ROLLS_FROM * self._span

    def make(self, pieces: int) -> Sent:
        self.made += pieces
        self.value = (self.value + pieces) % self._span
        return self.now()

    def reboot(self) -> Sent:
        self.value = 0
        return self.now()

    def now(self) -> Sent:
        return Sent(self.value, self._clock.now())
