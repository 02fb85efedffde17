"""The tables that an export writes and an import reads, and how their rows look outside.

A new table of the work is one line in KEPT. Its columns are those of the database itself, so that nothing is lost when one is
added; the slice's `Resource` says what kind they are.
"""

import math
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.batches.resources import BATCHES, MEMBERS, REQUIREMENTS
from gateway.catalog.resources import TENANT, Column, Kind, Resource
from gateway.catalog.tables import (
    CELLS,
    MATERIALS,
    OPERATORS,
    PROFILES,
    RESOURCES,
    SCRAP_REASONS,
    SUBSTEP_TEMPLATES,
    SYNC_IMPORTS,
)
from gateway.issues.resources import ISSUE_CATEGORIES, ISSUES
from gateway.jobs.assignments.resources import ASSIGNMENTS
from gateway.jobs.resources import JOBS, PARTS
from gateway.operations.quantities.resources import QUANTITIES
from gateway.operations.resources import OPERATIONS
from gateway.operations.substeps.resources import SUBSTEPS
from gateway.operations.time_entries.resources import TIME_ENTRIES
from gateway.publishers.resources import LOGS as MQTT_LOGS
from gateway.publishers.resources import PUBLISHERS
from gateway.terminals.handoffs import HANDOFFS
from gateway.webhooks.resources import WEBHOOK_LOGS, WEBHOOKS

REDACTED = "[redacted]"
SECONDS = "_s"  # how a column with seconds ends: outside it is whole minutes, and `<name>_seconds` beside them
_SECRET = re.compile(r"secret|password|pin_hash|key_hash|token|verifier")
_OURS = ("id", "row_version")  # the id comes first anyway; versions count what this database did
_KINDS = {"INTEGER": Kind.INTEGER, "REAL": Kind.NUMBER, "ANY": Kind.NUMBER}  # of a column that no slice shows

# ------------------------------------------------------------------ tables that are only seen inside the rows of others

PAUSES = Resource("time_entry_pauses", "", ("time_entry_pause",), (Column("segment_id", Kind.UUID),), tenant=False)
NEEDS = Resource("operation_resources", "", ("operation_resource",), (Column("quantity", Kind.NUMBER),), tenant=False)
SPLITS = Resource("operation_quantity_scrap_reasons", "", ("scrap_reason",), (), tenant=False)
TEMPLATE_ITEMS = Resource("substep_template_items", "", ("item",), (), tenant=False)
API_KEYS = Resource(
    "api_keys",
    "",
    ("api_key",),
    (
        Column("name"),
        Column("key_prefix"),
        Column("prefix", stored="api_keys.key_prefix"),
        Column("active", Kind.BOOLEAN),
        Column("created_at", Kind.TIME),
        Column("last_used_at", Kind.TIME),
    ),
)


@dataclass(frozen=True)
class Kept:
    """`job`: SQL of the job in whose tree the row with the id `?` stands; without one the row is its own lane.

    `only_shown`: no columns but those of the resource leave the house. `comes_in`: an import can write it.
    """

    resource: Resource
    job: str | None = None
    only_shown: bool = False
    comes_in: bool = True

    @property
    def table(self) -> str:
        return self.resource.table


_OF_PART = "SELECT job_id FROM parts WHERE id = ?"
_OF_OPERATION = "SELECT p.job_id FROM operations o JOIN parts p ON p.id = o.part_id WHERE o.id = ?"
_OF_ASSIGNMENT = (
    "SELECT job_id FROM (SELECT coalesce(a.job_id, p.job_id) AS job_id FROM assignments a "
    "LEFT JOIN parts p ON p.id = a.part_id WHERE a.id = ?) WHERE job_id IS NOT NULL"
)


def _below_operation(table: str) -> str:
    return (
        f"SELECT p.job_id FROM {table} t JOIN operations o ON o.id = t.operation_id "  # nosec B608 # noqa: S608 -- declared names only
        "JOIN parts p ON p.id = o.part_id WHERE t.id = ?"
    )


# In the order in which their rows hang on each other. `files` stand for bytes on this disk: they go with those, not in here.
KEPT = (
    Kept(PROFILES),
    Kept(OPERATORS),
    Kept(CELLS),
    Kept(RESOURCES),
    Kept(MATERIALS),
    Kept(SCRAP_REASONS),
    Kept(SUBSTEP_TEMPLATES),
    Kept(TEMPLATE_ITEMS),
    Kept(JOBS, job="SELECT ?"),
    Kept(PARTS, job=_OF_PART),
    Kept(OPERATIONS, job=_OF_OPERATION),
    Kept(NEEDS),
    Kept(SUBSTEPS, job=_below_operation("substeps")),
    Kept(ASSIGNMENTS, job=_OF_ASSIGNMENT),
    Kept(TIME_ENTRIES, job=_below_operation("time_entries")),
    Kept(PAUSES),
    Kept(QUANTITIES, job=_below_operation("operation_quantities")),
    Kept(SPLITS),
    Kept(ISSUE_CATEGORIES),
    Kept(ISSUES, job=_below_operation("issues")),
    Kept(HANDOFFS, job=_below_operation("operation_handoffs")),
    Kept(BATCHES),
    Kept(MEMBERS),
    Kept(REQUIREMENTS),
    Kept(WEBHOOKS),
    Kept(WEBHOOK_LOGS),
    Kept(PUBLISHERS),
    Kept(MQTT_LOGS),
    Kept(SYNC_IMPORTS),
    Kept(API_KEYS, only_shown=True, comes_in=False),  # the key itself is nowhere: only its hash is kept
)
BY_NAME = {kept.table: kept for kept in KEPT}
IMPORTED = tuple(kept.table for kept in KEPT if kept.comes_in)
# [S] What `entities=all` is; operation_resources is [U]'s. A table of it that is not kept here is an empty list.
REFERENCE = (
    "jobs parts operations cells time_entries time_entry_pauses assignments issues substeps resources operation_resources "
    "materials profiles api_keys webhooks webhook_logs"
).split()


def chosen(entities: str) -> list[str]:
    """The tables that `entities` asks for: names, or `all` (the reference's list), or `full`. [U] Unknown ones are ignored."""
    found: dict[str, None] = {}
    for name in (one.strip().lower() for one in entities.split(",")):
        if name in ("all", "full"):
            found.update(dict.fromkeys(REFERENCE))
        if name == "full":
            found.update(dict.fromkeys(BY_NAME))
        if name in BY_NAME or name in REFERENCE:
            found[name] = None
    return list(found)


# ------------------------------------------------------------------ rows outside


@dataclass(frozen=True)
class Shape:
    """One table as it stands in the database now.

    `kinds`: name outside -> how its values are read, in the order of an exported row. `seconds`: column -> its two names
    outside. `packed`: a column with a JSON object -> the names outside that live in it. `row_json` asks for the function `exact`.
    """

    table: str
    columns: frozenset[str]
    kinds: Mapping[str, Kind]
    row_json: str
    seconds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    packed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def shape(connection: sqlite3.Connection, kept: Kept) -> Shape:
    """Raises nothing: a table that is not there has no columns."""
    resource, table = kept.resource, kept.table
    declared = {column.name: column for column in resource.columns}
    physical = {row["name"]: str(row["type"]) for row in connection.execute(f"PRAGMA table_info({table})")}
    shown: dict[str, tuple[Kind, str]] = {"id": (Kind.UUID, f"{table}.id")}
    seconds: dict[str, tuple[str, str]] = {}
    packed: dict[str, tuple[str, ...]] = {}
    if resource.tenant:
        shown["tenant_id"] = (Kind.UUID, TENANT)
    for name, kind in physical.items():
        inside = tuple(one.name for one in resource.columns if (one.stored or "").startswith(f"{table}.{name} ->> "))
        bare = name.removesuffix(SECONDS)
        if name in _OURS or (kept.only_shown and name not in declared):
            continue
        if bare != name and bare in declared:
            seconds[name] = bare, f"{bare}_seconds"
            shown[bare] = _shown(table, declared[bare])
            shown[f"{bare}_seconds"] = (Kind.INTEGER, f"{table}.{name}")
        elif inside:
            packed[name] = inside
            shown.update({one: _shown(table, declared[one]) for one in inside})
        else:
            shown[name] = _shown(table, declared.get(name) or Column(name, _KINDS.get(kind, Kind.TEXT)))
    if physical:  # what is counted or put together from others
        shown |= {name: _shown(table, column) for name, column in declared.items() if name not in shown}
    pairs = ", ".join(f"'{name}', {sql}" for name, (_, sql) in shown.items())
    kinds = {name: kind for name, (kind, _) in shown.items()}
    return Shape(table, frozenset(physical), kinds, f"json_object({pairs})", seconds, packed)


def shapes(connection: sqlite3.Connection) -> dict[str, Shape]:
    """Of every table that is kept and is there."""
    found = {kept.table: shape(connection, kept) for kept in KEPT}
    return {table: one for table, one in found.items() if one.columns}


def is_secret(column: str) -> bool:
    return _SECRET.search(column) is not None


def _shown(table: str, column: Column) -> tuple[Kind, str]:
    value = column.stored or f"{table}.{column.name}"
    if is_secret(column.name):
        return column.kind, f"CASE WHEN {value} IS NOT NULL THEN '{REDACTED}' END"
    if column.kind is Kind.NUMBER:
        return column.kind, _NUMBER.format(x=value)
    return column.kind, column.shown(table)


# SQLite writes 15 digits of a number, which loses the end of some: `exact` is what an export gives its connection instead.
_NUMBER = "json(CASE typeof({x}) WHEN 'real' THEN exact({x}) WHEN 'text' THEN json_quote({x}) ELSE {x} END)"


def exact(number: float) -> str | None:
    """The shortest digits that are this number and no other."""
    return repr(number) if math.isfinite(number) else None
