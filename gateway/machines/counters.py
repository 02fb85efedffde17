"""How many pieces lie between two readings of a counter: it grows, rolls over, begins anew, or jumps. Pure.

A counter is absolute, so a reading that comes twice counts nothing, and one that is lost is made up for by the next. What
cannot be told from the numbers is told by the device's own time: an older reading that is sent once more is no new beginning.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

ROLLS_FROM, ROLLS_TO = 0.9, 0.1  # of its range: from above the one to below the other is a roll-over
LATE_MAX = timedelta(minutes=10)  # further back in the device's own time, its clock was set

Why = Literal["first", "same", "grew", "rolled", "reset", "rebased", "late", "jump"]


@dataclass(frozen=True, slots=True)
class Meter:
    """What is known of a counter. `bits` 0: it never rolls over; `from_zero`: after a fall the new value counts."""

    bits: int = 32
    from_zero: bool = True
    step_max: int = 500


@dataclass(frozen=True, slots=True)
class Last:
    """The last reading. `at`: by the device's own clock; `unsure`: since then its values counted for nothing."""

    value: int
    at: datetime | None = None
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """`count` new counts. With `late` nothing of the reading is kept; with `jump` they are not to be booked."""

    count: int
    why: Why


def delta(last: Last | None, value: int, at: datetime | None, meter: Meter, *, kept: bool = False) -> Delta:
    """`kept`: somebody kept the reading for a while. What fell then is taken for an older one, unless the device's time says
    otherwise: a counter that really began anew says its next value itself, and all of that counts.
    """
    if last is None:
        return Delta(0, "first")
    if last.unsure:
        return Delta(0, "late" if kept else "rebased")
    if _late(last, value, at):
        return Delta(0, "late")
    count, why = _between(last.value, value, meter)
    if kept and why == "reset" and (at is None or last.at is None):
        return Delta(0, "late")
    return Delta(count, "jump" if count > meter.step_max else why)


def _between(last: int, value: int, meter: Meter) -> tuple[int, Why]:
    if value == last:
        return 0, "same"
    if value > last:
        return value - last, "grew"
    span = 2**meter.bits
    if meter.bits and ROLLS_FROM * span < last < span and value < ROLLS_TO * span:
        return value + span - last, "rolled"
    return (value if meter.from_zero else 0), "reset"


def _late(last: Last, value: int, at: datetime | None) -> bool:
    if at is None or last.at is None:
        return False
    back = last.at - at
    return timedelta(0) < back <= LATE_MAX or (not back and value < last.value)
