"""What a machine's value says of its state, what its time is worth, and what a change asks for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.machines.model import Quality, State
from gateway.machines.values import word

CLOCKS_APART_MAX = timedelta(minutes=5)  # further off, the device's time counts for nothing


@dataclass(frozen=True, slots=True)
class Timed:
    """When something was so, and how far that can be believed."""

    at: datetime
    quality: Quality


def timed(claimed: datetime | None, now: datetime) -> Timed:
    """By the device's clock if it agrees with ours; without one, now."""
    if claimed is None:
        return Timed(now, Quality.GOOD)
    if abs(claimed - now) <= CLOCKS_APART_MAX:
        return Timed(claimed, Quality.GOOD)
    return Timed(now, Quality.UNCERTAIN)


def quality(timed_: Quality, *, online: bool | None, silent: bool) -> Quality:
    """`online`: what the device last said of itself, None: nothing yet."""
    return Quality.BAD if online is False or silent else timed_


def mapped(value: Any, names: Mapping[str, State] | None) -> State:
    """By the map, or the word itself; what is in neither is `unknown`."""
    text = word(value)
    if names is not None and text in names:
        return names[text]
    return State(text) if names is None and text in list(State) else State.UNKNOWN


@dataclass(frozen=True, slots=True)
class Candidate:
    """A state that has to last until `due` before it counts."""

    state: State
    since: datetime
    due: datetime


def follow(
    current: State, candidate: Candidate | None, seen: State, at: datetime, now: datetime, debounce_s: float
) -> tuple[State, Candidate | None]:
    """(the state now, what is waiting to become it)."""
    if seen is current:
        return current, None
    if not debounce_s:
        return seen, None
    if candidate is not None and candidate.state is seen:
        return current, candidate
    return current, Candidate(seen, at, now + timedelta(seconds=debounce_s))
