"""What the rules know of a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.jobs.model import latest


class BatchStatus(StrEnum):
    DRAFT = "draft"
    READY = "ready"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"


class Type(StrEnum):
    LASER_NESTING = "laser_nesting"
    TUBE_BATCH = "tube_batch"
    SAW_BATCH = "saw_batch"
    FINISHING_BATCH = "finishing_batch"
    GENERAL = "general"


class Mode(StrEnum):
    MANUAL = "manual"
    AUTOMATED = "automated"


@dataclass(frozen=True, slots=True)
class Batch:
    """`started_by`: whose time runs on its operations; None while a machine is watched."""

    id: str
    batch_number: str
    batch_type: Type
    production_mode: Mode
    status: BatchStatus
    cell_id: str
    cell_name: str
    started_by: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def last_at(self) -> datetime | None:
        return latest(self.started_at, self.completed_at)

    @property
    def automated(self) -> bool:
        """A nest that the machine cuts by itself: nobody's time need run."""
        return self.production_mode is Mode.AUTOMATED and self.batch_type is Type.LASER_NESTING


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """A wish to start or stop a batch. `occurred_at` is when it happened, as the sender says.

    `operator_id`: whom the request names; `key_operator_id`: whom its key stands for.
    """

    batch_id: str
    operator_id: str | None = None
    key_operator_id: str | None = None
    occurred_at: datetime | None = None

    @property
    def by(self) -> str | None:
        return self.operator_id or self.key_operator_id


@dataclass(frozen=True, slots=True)
class Share:
    """What one operation gets of the time of its batch. `seconds` rounds to `minutes`."""

    seconds: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """How the time of a batch was shared out: operation id -> share. The shares add up to the totals exactly."""

    method: str  # weighted | equal | none
    total_s: int
    total_minutes: int
    shares: Mapping[str, Share]

    def told(self, operation_ids: Sequence[str]) -> list[dict[str, Any]]:
        """For answers and events, in the batch's order; who had no part in it got nothing."""
        nothing = Share(0, 0)
        found = [(one, self.shares.get(one, nothing)) for one in operation_ids]
        return [{"id": one, "minutes": share.minutes, "seconds": share.seconds} for one, share in found]
