"""What one channel asks for, and whether a change is that. Pure.

A filter never widens what the key may read: the tables that it sees stand in each binding, the cells beside them.
"""

from dataclasses import dataclass

from gateway.hub.entities import ENTITIES, Sight
from gateway.kernel.errors import Invalid
from gateway.realtime.changes import Change
from gateway.realtime.filters import Condition, compiled, holding

ANY = "*"
KINDS = (ANY, "INSERT", "UPDATE", "DELETE")
SCHEMAS = (ANY, "public")
SILENT = ("notifications", "activity_log")  # [U] published there, not kept here: joined to, they never change


@dataclass(frozen=True, slots=True)
class Asked:
    """As the client has it: what is absent is None."""

    event: str
    schema: str | None = None
    table: str | None = None
    filter: str | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    id: int
    kind: str
    tables: frozenset[str]
    conditions: tuple[Condition, ...]

    def wants(self, change: Change) -> bool:
        return (
            change.table in self.tables
            and self.kind in (ANY, change.kind)
            and holding(self.conditions, lambda: change.row)
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """All bindings of one channel. `cells`: the only ones that its key sees, None: all."""

    topic: str
    bindings: tuple[Binding, ...]
    cells: frozenset[str] | None

    @property
    def tables(self) -> frozenset[str]:
        return frozenset().union(*(binding.tables for binding in self.bindings))

    def matching(self, change: Change) -> tuple[int, ...]:
        """The ids of the bindings that want it."""
        if self.cells is not None and change.cells is not None and self.cells.isdisjoint(change.cells):
            return ()
        return tuple(binding.id for binding in self.bindings if binding.wants(change))


def bound(number: int, asked: Asked, sight: Sight) -> Binding:
    """Raises Invalid: what is said to whoever wrote the screen."""
    if asked.event not in KINDS:
        raise Invalid(f'the event "{asked.event}" is none of {", ".join(KINDS)}')
    if asked.schema is not None and asked.schema not in SCHEMAS:
        raise Invalid(f'there is no schema "{asked.schema}" here: everything is in public')
    if asked.table in (None, ANY):
        if asked.filter:
            raise Invalid(f'the filter "{asked.filter}" needs a table: the columns of all of them differ')
        return Binding(number, asked.event, frozenset(sight.resources), ())
    table = str(asked.table)
    if table not in ENTITIES and table not in SILENT:
        raise Invalid(f'there is no table "{table}": these are {", ".join(sight.resources)}')
    if table in ENTITIES and table not in sight.resources:
        raise Invalid(f"this key may not read {table}")
    return Binding(number, asked.event, frozenset((table,)), compiled(asked.filter or "", ENTITIES.get(table)))
