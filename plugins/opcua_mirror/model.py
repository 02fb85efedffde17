"""What the mirror knows of cells, operations and jobs, and which state of ISA-95 Job Control an operation is in. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

NOT_STARTED, IN_PROGRESS, ON_HOLD, COMPLETED = "not_started", "in_progress", "on_hold", "completed"
PLAN_STALE_S = 300.0  # after so long without the cloud its plans may be others by now
STANDSTILL = "standstill"  # why an issue has put it on hold


class State(NamedTuple):
    """Of OPC 10031-4, with the nodeset's numbers; `sub` is (number, name) of the state within it."""

    number: int
    name: str
    sub: tuple[int, str] | None = None


WAITING = State(1, "NotAllowedToStart", (1, "Waiting"))
READY = State(2, "AllowedToStart", (2, "Ready"))
RUNNING = State(3, "Running")
SUSPENDED = State(4, "Interrupted", (2, "Suspended"))
HELD = State(4, "Interrupted", (1, "Held"))
ENDED = State(5, "Ended", (1, "Completed"))
CLOSED = State(5, "Ended", (2, "Closed"))  # and the cloud knows it
ABORTED = State(6, "Aborted")


@dataclass(frozen=True, slots=True)
class Operation:
    """As the report `boards` has it: instants are ISO text, durations minutes or, with `_s`, seconds.

    `waits`: for an earlier one of its part; `held`: by an open issue; `confirmed`: the cloud has that it is completed.
    """

    id: str
    operation_name: str
    status: str
    sequence: int
    part_id: str
    part_number: str
    material: str | None
    quantity: int
    job_id: str
    job_number: str
    job_status: str
    priority: int | None
    due_date: str | None
    planned_start: str | None
    planned_end: str | None
    estimated_time: int
    started_at: str | None
    completed_at: str | None
    actual_time_s: int
    completion_percentage: int | None
    updated_at: str
    program: str | None
    waits: bool
    held: bool
    confirmed: bool
    operators: int
    produced: int
    good: int
    scrap: int
    rework: int

    @property
    def state(self) -> State:
        if self.status == NOT_STARTED:
            return WAITING if self.waits or self.job_status == ON_HOLD else READY
        if self.status == ON_HOLD:
            return HELD if self.held else SUSPENDED
        if self.status == IN_PROGRESS:
            return RUNNING
        return CLOSED if self.confirmed else ENDED

    @property
    def begun(self) -> bool:
        return self.status != NOT_STARTED

    @property
    def open(self) -> bool:
        return self.status != COMPLETED

    @property
    def title(self) -> str:
        """For people, as `J-1042 / P-7 / Laser`."""
        return f"{self.job_number} / {self.part_number} / {self.operation_name}"


@dataclass(frozen=True, slots=True)
class Cell:
    """`operations`: those that are open, and those that have just ended, in the order in which they are to be done."""

    id: str
    name: str
    slug: str
    wip_limit: int | None
    queue_length: int
    wip_current: int
    operations: tuple[Operation, ...]

    @property
    def active(self) -> Operation | None:
        """The only one in progress, else the one that was started last."""
        running = [one for one in self.operations if one.status == IN_PROGRESS]
        return max(running, key=lambda one: one.started_at or "", default=None)

    @property
    def queue(self) -> tuple[Operation, ...]:
        return tuple(one for one in self.operations if one.status == NOT_STARTED)

    def operation(self, operation_id: str) -> Operation | None:
        return next((one for one in self.operations if one.id == operation_id), None)


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    job_number: str
    status: str
    due_date: str | None
    updated_at: str
    parts_total: int
    parts_done: int


@dataclass(frozen=True, slots=True)
class Machine:
    """As `/api-machines` shows it. `quality`: good, uncertain, or bad when it is away."""

    device: str
    state: str
    since: str | None
    quality: str
    program: str | None
    counters: Mapping[str, Any]


_OPERATION = tuple(one.name for one in fields(Operation))


def cell_of(row: Mapping[str, Any]) -> Cell:
    """`row`: a cell of the report `boards`."""
    operations = tuple(Operation(*(one[name] for name in _OPERATION)) for one in row["operations"])
    names = ("id", "name", "slug", "wip_limit", "queue_length", "wip_current")
    return Cell(**{name: row[name] for name in names}, operations=operations)


def job_of(row: Mapping[str, Any]) -> Job:
    return Job(*(row[one.name] for one in fields(Job)))


def machine_of(row: Mapping[str, Any]) -> Machine:
    return Machine(*(row[one.name] for one in fields(Machine)))


def plan_quality(links: Mapping[str, Mapping[str, Any]], now: datetime) -> str:
    """Of what the cloud has planned: uncertain when it has been away for long; there may be no cloud."""
    pull = links.get("cloud-pull", {})
    away = pull.get("state") == "down" and pull.get("since")
    stale = away and (now - datetime.fromisoformat(away)).total_seconds() > PLAN_STALE_S
    return "uncertain" if stale else "good"


def moved(kind: str | None, data: Mapping[str, Any] | None) -> tuple[str, State] | None:
    """The operation that an entry of the journal is about and the state that it is in since; None: about something else."""
    if kind is None or not kind.startswith("operation.") or data is None:
        return None
    operation_id, status = data.get("operation_id"), data.get("new_status")
    held = HELD if data.get("cause") == STANDSTILL else SUSPENDED
    states = {IN_PROGRESS: RUNNING, ON_HOLD: held, COMPLETED: ENDED}
    return (operation_id, states[status]) if isinstance(operation_id, str) and status in states else None


def steps(
    before: Mapping[str, State], told: Sequence[tuple[str, State]], now: Mapping[str, State]
) -> list[tuple[str, State]]:
    """What to tell: every state that somebody heard of, in order, then what else has changed meanwhile."""
    known = dict(before)
    found = []
    for operation_id, state in (*told, *now.items()):
        if known.get(operation_id) != state:
            found.append((operation_id, state))
            known[operation_id] = state
    return found
