"""What the rules know of jobs and parts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MINUTE_S = 60


class Status(StrEnum):
    """The states of jobs, parts and operations alike."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    COMPLETED = "completed"


# [U] Lists that are sorted by the state have it in this order: that of the enumeration in the cloud's database.
RANKED = (Status.NOT_STARTED, Status.IN_PROGRESS, Status.COMPLETED, Status.ON_HOLD)


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    job_number: str
    customer: str | None
    status: Status
    current_cell_id: str | None
    started_at: datetime | None = None
    paused_at: datetime | None = None
    resumed_at: datetime | None = None
    completed_at: datetime | None = None
    actual_duration_s: int | None = None
    moved_at: datetime | None = None

    @property
    def last_at(self) -> datetime | None:
        """When it last changed its state."""
        return latest(self.moved_at, self.started_at, self.paused_at, self.resumed_at, self.completed_at)


@dataclass(frozen=True, slots=True)
class Part:
    id: str
    job_id: str
    part_number: str
    material: str
    quantity: int
    status: Status
    current_cell_id: str | None


@dataclass(frozen=True, slots=True)
class Below:
    """What a part knows of its live operations, and a job of its live parts, whichever gateway's cells they stand in.

    `begun`: at least one has been started. `running_in`: the first cell, in routing order, in which somebody works on it.
    """

    count: int
    completed: int
    begun: bool
    running_in: str | None = None


def latest(*instants: datetime | None) -> datetime | None:
    return max((instant for instant in instants if instant), default=None)


def minutes(seconds: int) -> int:
    """Halves go up, as the cloud's rounding does."""
    return (seconds + MINUTE_S // 2) // MINUTE_S
