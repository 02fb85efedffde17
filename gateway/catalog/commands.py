"""Plain rows are made, changed and deleted: read, check, save, record, in one transaction."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from gateway.catalog import store
from gateway.catalog.resources import Resource
from gateway.catalog.tables import CELLS, RESOURCES
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.ids import NewId
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, EventType, Stamp, row_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

NO_MARKS: Mapping[str, Any] = MappingProxyType({})
_CREATED = {"resources": EventType.RESOURCE_CREATED}
_UPDATED = {"resources": EventType.RESOURCE_UPDATED}
_NEXT_SEQUENCE = "SELECT coalesce(max(sequence), 0) + 1 FROM cells"


class RowCommands(Commands):
    """The commands of one plain table."""

    def __init__(self, resource: Resource, db: Database, clock: Clock, new_id: NewId, origin: str) -> None:
        super().__init__(db, clock, new_id, origin)
        self._resource = resource

    async def create(self, given: Mapping[str, Any], caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid, Conflict, CellNotAllowed."""
        return await self._once(receipt, _create, self._resource, given, caller)

    async def update(self, row_id: str, given: Mapping[str, Any], caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, Conflict, CellNotAllowed."""
        return await self._once(receipt, _update, self._resource, row_id, given, caller)

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Conflict, CellNotAllowed."""
        return await self._once(receipt, _delete, self._resource, row_id, caller)


def _create(tx: Tx, stamp: Stamp, resource: Resource, given: Mapping[str, Any], caller: Caller) -> Answer:
    row_id, event = insert(tx, stamp, resource, given, caller)
    journal.append(tx, stamp, [event])
    return Answer(201, resource.one(store.shown(tx, resource, row_id)))


def insert(tx: Tx, stamp: Stamp, resource: Resource, given: Mapping[str, Any], caller: Caller) -> tuple[str, Event]:
    """A new row: its id, and the event that tells of it. Raises Invalid, Conflict, CellNotAllowed."""
    row = {"id": stamp.new_id(), "created_at": stamp.text, "updated_at": stamp.text, **store.stored(resource, given)}
    if resource is CELLS:
        caller.may_write(row["id"])
        row.setdefault("sequence", tx.execute(_NEXT_SEQUENCE).fetchone()[0])
    store.check_references(tx, resource, row)
    change = store.insert(tx, resource, row)
    return row["id"], _event(stamp, resource, row, change, _CREATED.get(resource.table))


def _update(tx: Tx, stamp: Stamp, resource: Resource, row_id: str, given: Mapping[str, Any], caller: Caller) -> Answer:
    before = dict(store.fetch(tx, resource, row_id))
    store.require_cell(tx, resource, row_id, caller.cells)
    wanted = store.stored(resource, given)
    values = {name: value for name, value in wanted.items() if before[name] != value}
    if values:
        journal.append(tx, stamp, [revise(tx, stamp, resource, before, values)])
    return Answer(200, resource.one(store.shown(tx, resource, row_id)))


def revise(
    tx: Tx,
    stamp: Stamp,
    resource: Resource,
    before: Mapping[str, Any],
    values: Mapping[str, Any],
    marks: Mapping[str, Any] = NO_MARKS,
) -> Event:
    """Set columns that differ; `marks` are set along and are no news. Raises Invalid, Conflict."""
    store.check_references(tx, resource, values)
    change = store.update(tx, resource, before["id"], {**values, **marks, "updated_at": stamp.text})
    kind = _UPDATED.get(resource.table) if values else None
    return _event(stamp, resource, {**before, **values}, change, kind, values)


def _delete(tx: Tx, stamp: Stamp, resource: Resource, row_id: str, caller: Caller) -> Answer:
    before = dict(store.fetch(tx, resource, row_id))
    store.require_cell(tx, resource, row_id, caller.cells)
    if resource is RESOURCES:
        store.require_unneeded(tx, row_id)
    if resource.soft_delete:
        change = store.update(tx, resource, row_id, {"deleted_at": stamp.text, "updated_at": stamp.text})
        change = Change(change.table, change.id, "delete", change.version, before)
    else:
        change = store.delete(tx, resource, row_id)
    journal.append(tx, stamp, [_event(stamp, resource, before, change, None)])
    return Answer(200, resource.gone)


def _event(
    stamp: Stamp,
    resource: Resource,
    row: Mapping[str, Any],
    change: Change,
    kind: EventType | None,
    values: Iterable[str] = (),
) -> Event:
    lane = row_lane(resource.table, change.id)
    data = None
    if kind is not None:
        data = {f"{resource.singular[-1]}_id": change.id, "name": row.get("name"), "type": row.get("type")}
        data |= {"status": row.get("status"), "timestamp": stamp.text}
        if change.op == "update":
            data["changes"] = [*values, "updated_at"]
    return Event(lane, lane, stamp.now, (change,), kind, data)
