"""What the rules know of an operation and of the time that people spend on it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.jobs.model import Job, Part, Status


class Verb(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Operation:
    """Minutes as planned, seconds as worked. Its part and job come with it: they follow it, and its events name them."""

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

    @property
    def last_at(self) -> datetime | None:
        """When it last changed its state."""
        return max((at for at in (self.started_at, self.paused_at, self.resumed_at, self.completed_at) if at), default=None)


@dataclass(frozen=True, slots=True)
class TimeEntry:
    """One stretch of one person's work. `paused_s` is what its closed pauses add up to."""

    id: str
    operation_id: str
    operator_id: str
    start_time: datetime
    end_time: datetime | None = None
    paused_since: datetime | None = None
    paused_s: int = 0
    pause_id: str | None = None  # the open pause

    def net_s(self, until: datetime) -> int:
        """Seconds of work up to `until`, pauses taken out; never negative."""
        end = self.paused_since or until
        return max(0, round((end - self.start_time).total_seconds()) - self.paused_s)


@dataclass(frozen=True, slots=True)
class ChangeOperation:
    """A wish to move an operation. `occurred_at` is when it happened, as the sender says."""

    operation_id: str
    verb: Verb
    operator_id: str | None = None
    occurred_at: datetime | None = None
    time_type: str = "run"
    notes: str | None = None
    cause: str = "rest"
