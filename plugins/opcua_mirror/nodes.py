"""The address space: which nodes there are for a cell, a job and the gateway, and what stands in them. Pure; no library of OPC UA.

A node's id is a string in our namespace, made of ids that never change; names may.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from plugins.opcua_mirror.model import Cell, Job, Machine, Operation

ROOT, STATUS, CELLS, JOBS = "gw", "gw/status", "cells", "jobs"
NEXT = 5  # slots of the queue that are shown
CONTROL, RESULTS, ACTIONS = "JobOrderControl", "JobOrderResults", "actions"


class Kind(Enum):
    """Of a value. `empty` is what a variable holds that has nothing to say."""

    STRING = ("String", "")
    BOOLEAN = ("Boolean", False)
    INT32 = ("Int32", 0)
    UINT32 = ("UInt32", 0)
    DOUBLE = ("Double", 0.0)
    DATETIME = ("DateTime", None)

    @property
    def empty(self) -> Any:
        return self.value[1]


class Node(NamedTuple):
    """An object, or with a `kind` a variable. `type`: of an object, by its name in our namespace."""

    id: str
    parent: str | None
    name: str
    kind: Kind | None = None
    type: str | None = None
    notifies: bool = False  # events can be subscribed to there


class Value(NamedTuple):
    """`at`: when it became so, as ISO text; None: now. `quality`: good, uncertain, or bad when its source is away."""

    kind: Kind
    value: Any
    at: str | None = None
    quality: str = "good"


PLANNED = frozenset(("OperationName", "JobNumber", "PartNumber", "Material", "Sequence", "QuantityPlanned", "DueDate"))
Values = Mapping[str, Value]  # node id -> what stands there
_Field = tuple[str, Kind, Callable[[Operation], Any]]

_OPERATION: Sequence[_Field] = (
    ("OperationId", Kind.STRING, lambda one: one.id),
    ("OperationName", Kind.STRING, lambda one: one.operation_name),
    ("Status", Kind.STRING, lambda one: one.status),
    ("JobNumber", Kind.STRING, lambda one: one.job_number),
    ("JobId", Kind.STRING, lambda one: one.job_id),
    ("PartNumber", Kind.STRING, lambda one: one.part_number),
    ("PartId", Kind.STRING, lambda one: one.part_id),
    ("Material", Kind.STRING, lambda one: one.material),
    ("Sequence", Kind.INT32, lambda one: one.sequence),
    ("QuantityPlanned", Kind.INT32, lambda one: one.quantity),
    ("QuantityProduced", Kind.INT32, lambda one: one.produced),
    ("QuantityGood", Kind.INT32, lambda one: one.good),
    ("QuantityScrap", Kind.INT32, lambda one: one.scrap),
    ("QuantityRework", Kind.INT32, lambda one: one.rework),
)
_TIMES: Sequence[_Field] = (
    ("StartedAt", Kind.DATETIME, lambda one: one.started_at),
    ("OperatorCount", Kind.INT32, lambda one: one.operators),
)
_ACTIVE = (*_OPERATION, *_TIMES)
ELAPSED = "ElapsedSeconds"
_CELL: Sequence[tuple[str, Kind, Callable[[Cell], Any]]] = (
    ("Id", Kind.STRING, lambda cell: cell.id),
    ("Name", Kind.STRING, lambda cell: cell.name),
    ("Slug", Kind.STRING, lambda cell: cell.slug),
    ("QueueLength", Kind.INT32, lambda cell: cell.queue_length),
    ("WipCurrent", Kind.INT32, lambda cell: cell.wip_current),
    ("WipLimit", Kind.INT32, lambda cell: cell.wip_limit),
)
_JOB: Sequence[tuple[str, Kind, Callable[[Job], Any]]] = (
    ("JobNumber", Kind.STRING, lambda job: job.job_number),
    ("Status", Kind.STRING, lambda job: job.status),
    ("DueDate", Kind.DATETIME, lambda job: job.due_date),
    ("PartsTotal", Kind.INT32, lambda job: job.parts_total),
    ("PartsDone", Kind.INT32, lambda job: job.parts_done),
)
_STATUS = (
    ("Online", Kind.BOOLEAN),
    ("Version", Kind.STRING),
    ("CloudConnected", Kind.BOOLEAN),
    ("CloudBehind", Kind.UINT32),
    ("JournalBehind", Kind.BOOLEAN),
    ("LastSync", Kind.DATETIME),
    ("BrokerConnected", Kind.BOOLEAN),
)


def frame() -> Iterator[Node]:
    """What is there without any cell."""
    yield Node(ROOT, None, "Gateway")
    yield Node(STATUS, ROOT, "Status")
    yield from (Node(f"{STATUS}/{name}", STATUS, name, kind) for name, kind in _STATUS)
    yield Node(CELLS, ROOT, "Cells")
    yield Node(JOBS, ROOT, "Jobs")


def cell(cell_id: str) -> str:
    return f"cell/{cell_id}"


def job(job_id: str) -> str:
    return f"jobs/{job_id}"


def elapsed(cell_id: str) -> str:
    return f"{cell(cell_id)}/active/{ELAPSED}"


def of_cell(one: Cell) -> Iterator[Node]:
    root = cell(one.id)
    yield Node(root, CELLS, one.name or one.id, type="CellType")
    yield from (Node(f"{root}/{name}", root, name, kind) for name, kind, _ in _CELL)
    active = f"{root}/active"
    yield Node(active, root, "Active", type="OperationType")
    yield from (Node(f"{active}/{name}", active, name, kind) for name, kind, _ in _ACTIVE)
    yield Node(elapsed(one.id), active, ELAPSED, Kind.DOUBLE)
    queue = f"{root}/next"
    yield Node(queue, root, "Next")
    for place in range(NEXT):
        slot = f"{queue}/{place}"
        yield Node(slot, queue, str(place), type="OperationType")
        yield from (Node(f"{slot}/{name}", slot, name, kind) for name, kind, _ in _OPERATION)
    yield Node(f"{root}/{ACTIONS}", root, "Actions")


def values_of_cell(one: Cell, now: datetime, plan: str = "good") -> Values:
    """`plan`: the quality of what the cloud has planned."""
    root = cell(one.id)
    found = {f"{root}/{name}": Value(kind, _given(kind, get(one))) for name, kind, get in _CELL}
    found |= _of_operation(f"{root}/active", _ACTIVE, one.active, plan)
    found[elapsed(one.id)] = elapsed_of(one, now)
    queue = one.queue
    for place in range(NEXT):
        found |= _of_operation(f"{root}/next/{place}", _OPERATION, queue[place] if place < len(queue) else None, plan)
    return found


def elapsed_of(one: Cell, now: datetime) -> Value:
    """Seconds since the active operation was started, pauses included."""
    since = None if one.active is None else one.active.started_at
    passed = 0.0 if since is None else (now - datetime.fromisoformat(since)).total_seconds()
    return Value(Kind.DOUBLE, float(max(0, round(passed))))


def machines(cell_id: str) -> str:
    return f"{cell(cell_id)}/machine"


def of_machine(cell_id: str, one: Machine) -> Iterator[Node]:
    root = f"{machines(cell_id)}/{one.device}"
    yield Node(machines(cell_id), cell(cell_id), "Machine")
    yield Node(root, machines(cell_id), one.device, type="MachineType")
    yield from (Node(f"{root}/{name}", root, name, value.kind) for name, value in _machine(one).items())


def values_of_machine(cell_id: str, one: Machine) -> Values:
    return {f"{machines(cell_id)}/{one.device}/{name}": value for name, value in _machine(one).items()}


def _machine(one: Machine) -> dict[str, Value]:
    """Of one that is away, only how long and that it is stays known."""
    found = {
        "State": Value(Kind.STRING, one.state, one.since, one.quality),
        "Since": Value(Kind.DATETIME, one.since),
        "Program": Value(Kind.STRING, one.program or "", quality=one.quality),
        "Quality": Value(Kind.STRING, one.quality),
    }
    counted = ((name, value) for name, value in one.counters.items() if isinstance(value, int | float))
    return found | {f"Counter{name}": Value(Kind.DOUBLE, float(value), quality=one.quality) for name, value in counted}


def of_job(one: Job) -> Iterator[Node]:
    root = job(one.id)
    yield Node(root, JOBS, one.job_number or one.id, type="JobType")
    yield from (Node(f"{root}/{name}", root, name, kind) for name, kind, _ in _JOB)


def values_of_job(one: Job, plan: str = "good") -> Values:
    return {
        f"{job(one.id)}/{name}": Value(kind, _given(kind, get(one)), one.updated_at, _quality(name, plan))
        for name, kind, get in _JOB
    }


def values_of_status(standing: Mapping[str, Any], version: str, *, behind: bool) -> Values:
    """`standing`: what the report `sync_status` says."""
    links: Mapping[str, Mapping[str, Any]] = standing.get("links", {})
    cloud, broker = links.get("cloud", {}), links.get("broker", {})
    plans = links.get("cloud-pull", {})
    values = {
        "Online": True,
        "Version": version,
        "CloudConnected": cloud.get("state") == "up",
        "CloudBehind": int(cloud.get("behind") or 0),
        "JournalBehind": behind,
        "LastSync": plans.get("last_pull"),
        "BrokerConnected": broker.get("state") == "up",
    }
    return {f"{STATUS}/{name}": Value(kind, _given(kind, values[name])) for name, kind in _STATUS}


def _of_operation(root: str, named: Sequence[_Field], one: Operation | None, plan: str) -> dict[str, Value]:
    if one is None:
        return {f"{root}/{name}": Value(kind, kind.empty) for name, kind, _ in named}
    return {
        f"{root}/{name}": Value(kind, _given(kind, get(one)), one.updated_at, _quality(name, plan))
        for name, kind, get in named
    }


def _quality(name: str, plan: str) -> str:
    return plan if name in PLANNED else "good"


def _given(kind: Kind, value: Any) -> Any:
    return kind.empty if value is None else value
