"""What the rules know of jobs and parts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """The states of jobs, parts and operations alike."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    job_number: str
    customer: str | None
    status: Status
    current_cell_id: str | None
    started_at: datetime | None


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
class Work:
    """One operation as a roll-up sees it."""

    status: Status
    started: bool
    cell_id: str
    cell_sequence: int
