"""Which rows somebody may be told of: those that he could read over REST, and for a key that may do everything the others too."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.catalog.resources import Resource
from gateway.kernel import state
from gateway.outbox.event import encode
from gateway.transfer.tables import KEPT
from gateway.web.listing import wrong
from gateway.web.routes import Caller, Scope

# Rows that stand below others and have no cell of their own: a key that is held to cells sees them with those they belong to.
_BELOW = frozenset(
    (
        "operation_resources",
        "time_entry_pauses",
        "operation_quantity_scrap_reasons",
        "batch_operations",
        "batch_requirements",
    )
)
# Logs have no versions and stand in no journal; keys are nobody else's.
ENTITIES = {kept.table: kept.resource for kept in KEPT if kept.resource.journaled and kept.table != "api_keys"}
GONE = "deleted_at"


@dataclass(frozen=True, slots=True)
class Sight:
    """What one caller sees: the tables, and the only cells, None: all of them."""

    resources: Mapping[str, Resource]
    cells: frozenset[str] | None

    def condition(self, resource: Resource) -> str:
        """SQL that holds for the rows that are seen; it may ask for `:cells`."""
        return "1" if self.cells is None else resource.in_cells or "1"

    @property
    def values(self) -> dict[str, str]:
        return {} if self.cells is None else {"cells": encode(sorted(self.cells))}


def sight(caller: Caller, entities: str = "", cell_id: str | None = None) -> Sight:
    """`entities`: names with commas between, empty for all. Raises Invalid for a name that there is not."""
    cells = caller.cells
    if cell_id is not None:
        cells = frozenset((cell_id,)) if cells is None else cells & {cell_id}
    names = [one.strip() for one in entities.split(",") if one.strip()] or [*ENTITIES]
    for name in names:
        if name not in ENTITIES:
            raise wrong("entities", f'"{name}" is not one of {", ".join(ENTITIES)}', "ENUM_CONSTRAINT", name)
    return Sight({name: ENTITIES[name] for name in ENTITIES if name in names and _open(caller, name, cells)}, cells)


def _open(caller: Caller, name: str, cells: frozenset[str] | None) -> bool:
    """What no function of the API shows needs a key that may do everything."""
    if name in _BELOW and cells is not None:
        return False
    return bool(ENTITIES[name].path) or caller.scope >= Scope.ADMIN


def has_gone(resource: Resource) -> bool:
    """Do its rows stay when they are deleted, marked as gone?"""
    return any(column.name == GONE for column in resource.columns)


def epoch(connection: sqlite3.Connection) -> int:
    """Of this box; 0 before its first start."""
    return int(state.get(connection, "epoch") or 0)
