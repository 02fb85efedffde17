"""What the rules know of an operation and of the time that people spend on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gateway.jobs.model import Job, Part, Status, latest

STANDSTILL = "standstill"  # the cause of a hold that an issue brought about


class Verb(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Operation:
    """Minutes as planned, seconds as worked. Its part and job come with it: they follow it, and its events name them.

    `held`: an issue that causes a standstill is pending on it. `status_before_hold` is what it goes back to afterwards.
    """

    id: str
    part: Part
    job: Job
    cell_id: str
    cell_name: str
    operation_name: str
    status: Status
    estimated_time: int
    actual_time_s: int
    completion_percentage: int
    started_at: datetime | None
    paused_at: datetime | None
    resumed_at: datetime | None
    completed_at: datetime | None
    status_before_hold: Status | None = None
    moved_at: datetime | None = None
    held: bool = False

    @property
    def last_at(self) -> datetime | None:
        """When it last changed its state."""
        return latest(self.moved_at, self.started_at, self.paused_at, self.resumed_at, self.completed_at)


@dataclass(frozen=True, slots=True)
class Pause:
    id: str
    paused_at: datetime
    resumed_at: datetime | None = None
    duration_s: int = 0


@dataclass(frozen=True, slots=True)
class TimeEntry:
    """One stretch of one person's work, with its pauses in order of time; at most the last of them is open.

    `elsewhere`: this person's time runs on another operation by now, one that is not of the same running batch.
    """

    id: str
    operation_id: str
    operator_id: str
    start_time: datetime
    end_time: datetime | None = None
    duration_s: int | None = None
    pauses: tuple[Pause, ...] = ()
    elsewhere: bool = False

    @property
    def paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1].resumed_at is None

    @property
    def counted_s(self) -> int:
        """What it adds to the operation's actual time: once closed its duration, before that its finished stretches."""
        if self.end_time is not None:
            return self.duration_s or 0
        return seconds(self.start_time, self.pauses[-1].paused_at, self.pauses[:-1]) if self.pauses else 0


def seconds(since: datetime, until: datetime, pauses: tuple[Pause, ...] = ()) -> int:
    """From one instant to another without the pauses; never negative."""
    return max(0, round((until - since).total_seconds()) - sum(pause.duration_s for pause in pauses))


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in whole pieces by weight: largest remainder, the first of equals first. Never negative, adds up exactly,
    and who weighs more never gets less. Without any weight the first takes it all.
    """
    whole = sum(weights)
    if not whole:
        return [total, *[0] * (len(weights) - 1)][: len(weights)]
    parts = [divmod(total * weight, whole) for weight in weights]
    found = [part for part, _ in parts]
    by_rest = sorted(range(len(parts)), key=lambda place: -parts[place][1])
    for place in by_rest[: total - sum(found)]:
        found[place] += 1
    return found


@dataclass(frozen=True, slots=True)
class ChangeOperation:
    """A wish to move an operation. `occurred_at` is when it happened, as the sender says.

    `worked_s`: entry id -> the seconds that it counts once closed, where those are not what the clock says. `alone`: who resumes
    comes back alone; the others whose time is paused do that themselves.
    """

    operation_id: str
    verb: Verb
    operator_id: str | None = None
    occurred_at: datetime | None = None
    time_type: str = "run"
    notes: str | None = None
    cause: str = "rest"
    worked_s: Mapping[str, int] = field(default_factory=dict)
    alone: bool = False
