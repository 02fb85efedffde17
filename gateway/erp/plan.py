"""What a record will do: looked up and compared, nothing written."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.listed import require_own_files
from gateway.erp import mapping
from gateway.erp.model import Action, Order, Record
from gateway.erp.store import NOT_YET, Found, Known
from gateway.kernel.errors import Conflict, Invalid
from gateway.operations.resources import OPERATIONS
from gateway.web.body import detail


@dataclass(frozen=True, slots=True)
class Plan:
    """`values`: all that a new row will hold, or what is news to the row that is there (`found`, `row`). `above_id`: the row
    that it hangs on; `moves`: so far it hangs on another one.
    """

    record: Record
    action: Action
    values: Mapping[str, Any]
    above_id: str | None = None
    found: Found | None = None
    row: Mapping[str, Any] | None = None
    moves: bool = False
    below: tuple["Plan", ...] = ()

    @property
    def row_id(self) -> str:
        return self.found.id if self.found else NOT_YET

    @property
    def changes(self) -> tuple[str, ...]:
        """For a person, what stands below included; empty for what is new or unchanged."""
        if self.action is not Action.UPDATED:
            return ()
        return tuple(self._changes()) or (mapping.ONLY_THE_HASH,)

    def _changes(self) -> Iterator[str]:
        if self.row is not None:
            yield from mapping.told(self.row, self.values)
        for child in self.below:
            name = f'{child.record.entity.noun} "{child.record.external_id}"'
            if child.action is Action.CREATED:
                yield f"{name}: new"
            yield from (f"{name}: {change}" for change in child.changes)


def plan(
    connection: sqlite3.Connection, known: Known, record: Record, order: Order, nested_in: str | None = None
) -> Plan:
    """`nested_in`: the id of the row whose record it stands in. Raises Invalid, Conflict, CellNotAllowed."""
    above_id = _above(connection, known, record) if nested_in is None else nested_in
    values = _resolved(connection, known, record)
    found = known.get(record.entity.table, record.external_source, record.external_id)
    if found is None:
        if order.dry_run:
            _check(connection, known, record, values, order)
        below = tuple(plan(connection, known, child, order, NOT_YET) for child in record.below)
        return Plan(record, Action.CREATED, values, above_id, below=below)
    moves = above_id is not None and found.above_id != above_id
    if order.skip_unchanged and found.hash == record.hash and not moves:
        return Plan(record, Action.SKIPPED, {}, above_id, found)
    if found.id == NOT_YET:  # a dry run: the row will be made by a record before this one
        return Plan(record, Action.UPDATED, {}, above_id, found)
    if moves and record.entity.resource is OPERATIONS:
        raise _refused(record, "part_external_id", "it is an operation of another part, and cannot go to this one")
    row = dict(rows_.fetch(connection, record.entity.resource, found.id))
    rows_.require_cell(connection, record.entity.resource, found.id, order.caller.cells)
    fresh = mapping.news(record.entity, values, row)
    require_own_files(connection, record.entity.resource, fresh, order.caller, row)
    if moves and record.entity.above:
        fresh[record.entity.above.column] = above_id
    if order.dry_run:
        _check(connection, known, record, fresh, order, found.id)
    below = tuple(plan(connection, known, child, order, found.id) for child in record.below)
    return Plan(record, Action.UPDATED, fresh, above_id, found, row, moves, below)


def _above(connection: sqlite3.Connection, known: Known, record: Record) -> str | None:
    """The row that a record which stands alone hangs on."""
    above = record.entity.above
    if above is None:
        return None
    if record.above_id:
        rows_.check_references(connection, record.entity.resource, {above.column: record.above_id})
        return record.above_id
    found = known.get(above.table, record.external_source, record.above or "")
    if found is None:
        raise _refused(record, above.reference, f'{above.noun} with external_id "{record.above}" not found')
    return found.id


def _resolved(connection: sqlite3.Connection, known: Known, record: Record) -> Mapping[str, Any]:
    """What it says, with our id of the cell that it names."""
    if given := record.values.get("cell_id"):
        if not known.has_cell(connection, given):
            raise _refused(record, "cell_id", f"Invalid cell_id: no such row in cells ({given})")
    elif record.cell_name:
        cell_id = known.cell(connection, record.cell_name)
        if cell_id is None:
            raise _refused(record, "cell_name", f'Cell "{record.cell_name}" not found')
        return {**record.values, "cell_id": cell_id}
    return record.values


def _check(
    connection: sqlite3.Connection,
    known: Known,
    record: Record,
    values: Mapping[str, Any],
    order: Order,
    row_id: str | None = None,
) -> None:
    """What the writes would refuse, as far as it can be seen without them."""
    entity = record.entity
    references = {name: value for name, value in values.items() if value != NOT_YET}
    rows_.check_references(connection, entity.resource, references, record.path)
    if entity.resource is OPERATIONS and "cell_id" in values:
        order.caller.may_write(values["cell_id"])
    name = entity.unique
    if name and name in values and known.taken(connection, entity, values[name], row_id):
        raise Conflict(f'{entity.noun} with {name} "{values[name]}" already exists')


def _refused(record: Record, field: str, message: str) -> Invalid:
    return Invalid(message, [detail(f"{record.path}{field}", message, "FK_CONSTRAINT")])
