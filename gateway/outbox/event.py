"""Everything that can happen, and the shape in which it is written down."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from gateway.kernel import clock as time_
from gateway.kernel.following import current
from gateway.kernel.ids import NewId

JOB_LANE = "job:"  # how the lanes of job trees begin
IN_SECONDS = "_seconds"  # `actual_time` is in minutes as the cloud has it, `actual_time_seconds` beside it
CLOUD = "cloud"  # the origin of what came from upstream; everybody else is a gateway id

encode: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False
).encode


class EventType(StrEnum):
    """The names that people and programs subscribe to."""

    JOB_CREATED = "job.created"
    JOB_UPDATED = "job.updated"
    JOB_STARTED = "job.started"
    JOB_STOPPED = "job.stopped"
    JOB_RESUMED = "job.resumed"
    JOB_COMPLETED = "job.completed"
    PART_CREATED = "part.created"
    PART_UPDATED = "part.updated"
    PART_STARTED = "part.started"
    PART_COMPLETED = "part.completed"
    OPERATION_STARTED = "operation.started"
    OPERATION_PAUSED = "operation.paused"
    OPERATION_RESUMED = "operation.resumed"
    OPERATION_COMPLETED = "operation.completed"
    QUANTITY_REPORTED = "production.quantity_reported"
    SCRAP_RECORDED = "production.scrap_recorded"
    ISSUE_CREATED = "issue.created"
    NCR_CREATED = "ncr.created"
    NCR_VERIFIED = "ncr.verified"
    STEP_ADDED = "step.added"
    STEP_COMPLETED = "step.completed"
    BATCH_STARTED = "batch.started"
    BATCH_COMPLETED = "batch.completed"
    RESOURCE_CREATED = "resource.created"
    RESOURCE_UPDATED = "resource.updated"
    SYNC_CELLS_COMPLETED = "sync.cells.completed"
    SYNC_RESOURCES_COMPLETED = "sync.resources.completed"
    SYNC_JOBS_COMPLETED = "sync.jobs.completed"
    SYNC_PARTS_COMPLETED = "sync.parts.completed"
    SYNC_OPERATIONS_COMPLETED = "sync.operations.completed"
    SYNC_BATCH_COMPLETED = "sync.batch.completed"
    CONFLICT_FOUND = "conflict.found"
    CONFLICT_RESOLVED = "conflict.resolved"


@dataclass(frozen=True, slots=True)
class Change:
    """One row that an event touched.

    `fields`: on update the names of the columns that changed, on delete the whole old row, on insert None. `lists`: column -> the
    paths of files that were `added` to its list and are `gone` from it: several gateways may change a list without knowing
    of each other.
    """

    table: str
    id: str
    op: Literal["insert", "update", "delete"]
    version: int
    fields: tuple[str, ...] | Mapping[str, Any] | None = None
    lists: Mapping[str, Mapping[str, list[str]]] | None = None

    @property
    def written(self) -> str:
        """As JSON text, put together by hand: names and ids are ours and hold nothing to escape."""
        if isinstance(self.fields, tuple):
            fields = '["' + '","'.join(self.fields) + '"]' if self.fields else "[]"
        else:
            fields = encode(self.fields)
        lists = f',"lists":{encode(self.lists)}' if self.lists else ""
        return (
            f'{{"table":"{self.table}","id":"{self.id}","op":"{self.op}","version":{self.version},"fields":{fields}'
            f"{lists}}}"
        )


@dataclass(frozen=True, slots=True)
class Event:
    """What a rule decided. `type` and `data` are None for changes that have no name."""

    lane: str
    aggregate: str
    occurred_at: datetime
    changes: tuple[Change, ...]
    type: EventType | None = None
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it stands in the journal; `data` and `changes` are JSON text, built once; `request_id`: whose doing it was."""

    seq: int
    id: str
    type: str | None
    lane: str
    aggregate: str
    origin: str
    occurred_at: str
    recorded_at: str
    clock_trusted: int
    data: str | None
    changes: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes, when, and because of which request: made once per command, before it is queued."""

    now: datetime
    origin: str
    new_id: NewId
    text: str = field(init=False)  # `now` as it is written, made once
    request_id: str | None = field(default_factory=current)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", time_.text(self.now))


def asked(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The requests that they are from, each once, in order."""
    return tuple(dict.fromkeys(entry.request_id for entry in entries if entry.request_id is not None))


def subscribed(names: Collection[str], kind: str) -> bool:
    """Do these names ask for events of this kind? `*` is all of them, `job.*` all that begin like that."""
    if kind in names or "*" in names:
        return True
    return any(name.endswith(".*") and kind.startswith(name[:-1]) for name in names)


def in_seconds(data: Mapping[str, Any]) -> dict[str, Any]:
    """For clients written from the documentation's samples: what is in minutes is what its neighbour says in seconds."""
    return {name: data.get(name + IN_SECONDS, value) for name, value in data.items()}


def job_lane(job_id: str) -> str:
    """Everything in one job tree is sent in order."""
    return f"{JOB_LANE}{job_id}"


def row_lane(table: str, row_id: str) -> str:
    """A row outside any job tree is a lane of its own."""
    return f"{table}:{row_id}"
