"""What stands in the messages that are published: `payloads.py` builds exactly these, and `/asyncapi.json` shows them.

A `...Reading` is how something stands, a `...State` the same with the moment at which that was read.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import WithJsonSchema
from typing_extensions import TypedDict  # pydantic reads those of `typing` from Python 3.12 on only

from gateway.machines.model import Quality, State

At = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
SparkplugB = Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]


class EventMessage(TypedDict):
    """Something happened. `id` against repeats; `seq` and `prev`, the `seq` of the event published before, to find gaps.

    `replay`: it is told once more, because somebody asked for it, and has no `prev`.
    """

    event: str
    timestamp: At
    tenant_id: Id
    data: dict[str, Any]
    id: Id
    seq: int
    prev: int | None
    epoch: int | str
    source: str
    schema: Literal["uns/event/1"]
    replay: NotRequired[Id]
    truncated: NotRequired[bool]


class CellNamed(TypedDict):
    id: str
    name: str
    slug: str


class Quantity(TypedDict):
    planned: int
    produced: int
    good: int
    scrap: int
    rework: int


class Work(TypedDict):
    """An operation that somebody works on or could. `operators`: how many do now."""

    operation_id: str
    operation_name: str
    status: str
    job_number: str
    part_number: str
    quantity: Quantity
    started_at: At | None
    operators: int


class Wip(TypedDict):
    current: int
    limit: int | None


class CellReading(TypedDict):
    """How a cell stands. `machine`: device -> state."""

    schema: Literal["uns/cell/1"]
    quality: Literal["good"]
    gateway: str
    cell: CellNamed
    active: list[Work]
    queue_length: int
    held: int
    machine: dict[str, str]
    wip: Wip


class CellState(CellReading):
    timestamp: At


class OperationReading(Work):
    """How a live operation stands."""

    schema: Literal["uns/operation/1"]
    quality: Literal["good"]
    gateway: str
    cell: CellNamed
    sequence: int
    part_id: str
    job_id: str
    due_date: At | None
    planned_start: At | None
    planned_end: At | None
    completed_at: At | None


class OperationState(OperationReading):
    timestamp: At


class Share(TypedDict):
    done: int
    total: int


class JobReading(TypedDict):
    """How a job stands."""

    schema: Literal["uns/job/1"]
    quality: Literal["good"]
    gateway: str
    job_id: str
    job_number: str
    customer: str | None
    status: str
    due_date: At | None
    started_at: At | None
    completed_at: At | None
    parts: Share
    operations: Share


class JobState(JobReading):
    timestamp: At


class MachineReading(TypedDict):
    """How a machine stands. `raw`: what it said itself."""

    schema: Literal["uns/machine/1"]
    source_timestamp: At | None
    quality: Quality
    gateway: str
    device: str
    state: State
    raw: Any
    since: At | None
    program: str | None
    counters: dict[str, Any]


class MachineState(MachineReading):
    timestamp: At


class DeviceJobReading(TypedDict):
    """What a device makes now, flat, every key always there: blocks of a PLC cannot walk lists."""

    schema: Literal["uns/devjob/1"]
    op: str | None
    job: str | None
    part: str | None
    name: str | None
    status: str | None
    planned: int | None
    good: int | None
    scrap: int | None
    program: str | None


class DeviceJobState(DeviceJobReading):
    ts: At


class Birth(TypedDict):
    """The gateway is there. `cells`: the levels under which they stand."""

    schema: Literal["uns/status/1"]
    online: Literal[True]
    version: str
    gateway: str
    epoch: int | str
    broker: str | None
    since: At
    cells: list[str]


class Death(TypedDict):
    """The gateway has stopped, or its connection is gone: all of its state is old until the next birth."""

    schema: Literal["uns/status/1"]
    online: Literal[False]
    reason: str
    gateway: str
    timestamp: At


class Health(TypedDict):
    """How the gateway is doing. `..._behind`: journal entries that wait."""

    schema: Literal["uns/health/1"]
    ok: bool
    uptime_s: int
    journal_behind: int
    inbound_rejected: int
    cloud: str
    cloud_behind: int
    broker: dict[str, Any]
    disk_free_mb: int


class Rejection(TypedDict):
    """Messages of a device that were not taken. `payload_sha256`: of the last of `count`; what was sent is never repeated."""

    schema: Literal["uns/error/1"]
    timestamp: At
    topic: str
    code: str
    message: str
    payload_sha256: str
    count: int


class Done(TypedDict):
    """The answer to a command that was carried out: it is committed here, and perhaps not yet at the cloud."""

    schema: Literal["uns/rsp/1"]
    request_id: str | None
    verb: str
    ok: Literal[True]
    status: int
    data: dict[str, Any]
    replayed: bool
    timestamp: At
    warning: NotRequired[str]


class Refusal(TypedDict):
    code: str
    message: str
    details: dict[str, Any]


class Refused(TypedDict):
    """The answer to a command that was not carried out. `retryable`: the same may be sent again."""

    schema: Literal["uns/rsp/1"]
    request_id: str | None
    verb: str
    ok: Literal[False]
    status: int
    error: Refusal
    retryable: bool
    timestamp: At
