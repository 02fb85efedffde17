"""What an ERP can send, and what becomes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.catalog.resources import Resource
from gateway.catalog.tables import CELLS, RESOURCES
from gateway.jobs.resources import JOBS, PARTS
from gateway.kernel.errors import GatewayError
from gateway.operations.resources import OPERATIONS
from gateway.outbox.event import EventType
from gateway.outbox.receipts import Receipt
from gateway.web.routes import Caller


@dataclass(frozen=True, slots=True)
class Above:
    """The row that a record hangs on: `column` holds our id, `reference` is the name under which the ERP gives its own."""

    table: str
    column: str
    reference: str
    noun: str


@dataclass(frozen=True, slots=True)
class Entity:
    """`unique`: the column that no two live rows share. `kept`: columns that a record sets in a new row only."""

    resource: Resource
    required: tuple[str, ...]
    completed: EventType
    unique: str | None = None
    above: Above | None = None
    below: str | None = None
    kept: frozenset[str] = frozenset()

    @property
    def table(self) -> str:
        return self.resource.table

    @property
    def noun(self) -> str:
        return self.resource.singular[-1]


_MADE = frozenset(("id", "created_at", "updated_at"))
_STATE = _MADE | {"status", "current_cell_id", "started_at", "paused_at", "resumed_at", "completed_at"}

# In the order in which they are taken over: what is referred to comes before what refers to it.
ENTITIES = {
    entity.table: entity
    for entity in (
        Entity(CELLS, ("name",), EventType.SYNC_CELLS_COMPLETED, kept=_MADE),
        Entity(RESOURCES, ("name", "type"), EventType.SYNC_RESOURCES_COMPLETED, "name", kept=_MADE),
        Entity(JOBS, ("job_number",), EventType.SYNC_JOBS_COMPLETED, "job_number", None, "parts", _STATE),
        Entity(
            PARTS,
            ("part_number",),
            EventType.SYNC_PARTS_COMPLETED,
            "part_number",
            Above("jobs", "job_id", "job_external_id", "Job"),
            "operations",
            _STATE,
        ),
        Entity(
            OPERATIONS,
            ("operation_name",),
            EventType.SYNC_OPERATIONS_COMPLETED,
            above=Above("parts", "part_id", "part_external_id", "Part"),
            kept=_STATE,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Given:
    """One record as it came in. `line`: where it stood in a file."""

    record: Any
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record that is right in itself. `values`: what it says, by column; `above`, `above_id`: what it hangs on, by its
    external id and by ours.
    """

    entity: Entity
    external_id: str
    external_source: str
    values: Mapping[str, Any]
    hash: str
    above: str | None = None
    above_id: str | None = None
    cell_name: str | None = None
    below: tuple["Record", ...] = ()
    path: str = ""  # where it stands in the record that it came in: `parts[0].`

    @property
    def rows(self) -> int:
        """How many rows it may become."""
        return 1 + sum(child.rows for child in self.below)


@dataclass(frozen=True, slots=True)
class Item:
    """A record at its place in the request, or why it is none."""

    index: int
    given: Given
    record: Record | None = None
    error: GatewayError | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """All records of one kind in a request."""

    entity: Entity
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Order:
    """Who sends it, and how it is carried out and logged.

    `source`: `api`, `csv`, `api_erp_sync`. `sender`: what events call the ERP. `dry_run`: look, and write nothing.
    """

    source: str
    caller: Caller
    request_id: str
    receipt: Receipt | None
    dry_run: bool = False
    sender: str | None = None
    skip_unchanged: bool = True
    record_history: bool = True


class Action(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    SKIPPED = "skipped"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record. `changes`: for a person, in a dry run."""

    item: Item
    action: Action
    id: str | None = None
    error: str | None = None
    details: Sequence[Mapping[str, Any]] = ()
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a batch."""

    entity: Entity
    outcomes: Sequence[Outcome]
    duration_ms: int = 0
    count: Mapping[Action, int] = field(init=False)

    def __post_init__(self) -> None:
        found = dict.fromkeys(Action, 0)
        for outcome in self.outcomes:
            found[outcome.action] += 1
        object.__setattr__(self, "count", found)

    @property
    def changed(self) -> int:
        return self.count[Action.CREATED] + self.count[Action.UPDATED]

    @property
    def status(self) -> str:
        """As the log of imports says it."""
        return "failed" if self.count[Action.ERROR] and not self.changed else "completed"
