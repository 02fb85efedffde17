"""Somebody decides: our side goes up, or the cloud's is taken over, in the transaction that closes the conflict."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from gateway.catalog import store as rows_
from gateway.cloud import conflicts as conflicts_
from gateway.cloud import mapping
from gateway.cloud import store as cloud_
from gateway.cloud.adopt import TABLES, lane_of, stored
from gateway.conflicts import rules
from gateway.conflicts.resources import CONFLICTS
from gateway.conflicts.rules import Sides
from gateway.jobs.rollup import roll_up
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict
from gateway.operations import planning
from gateway.operations import store as operations_
from gateway.operations.time_entries import store as entries_
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import CLOUD, Change, Event, EventType, Stamp
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller

OPERATIONS = "operations"

Row = Mapping[str, Any]
Side = Literal["local", "cloud"]


class ConflictCommands(Commands):
    async def resolve(self, row_id: str, side: Side, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, CellNotAllowed, InvalidTransition, Conflict (resolved already; or that cannot be done now)."""
        return await self._once(receipt, _resolve, row_id, side, caller)


def _resolve(tx: Tx, stamp: Stamp, conflict_id: str, side: Side, caller: Caller) -> Answer:
    conflict = dict(rows_.fetch(tx, CONFLICTS, conflict_id))
    rows_.require_cell(tx, CONFLICTS, conflict_id, caller.cells)
    if conflict["resolution"] is not None:
        raise Conflict(
            f"this conflict is resolved already: {conflict['resolution']}, by {conflict['resolved_by']} "
            f"at {conflict['resolved_at']}",
            {name: conflict[name] for name in ("resolution", "resolved_by", "resolved_at")},
        )
    table, row_id = conflict["table_name"], conflict["row_id"]
    found = cloud_.local(tx, table, row_id) if table in TABLES else None
    ours = found[0] if found and not found[0].get("deleted_at") else None
    sent: tuple[Change, ...] = ()
    if side == "cloud":
        _take(tx, stamp, conflict, ours)
    elif ours is not None:
        sent = (_touched(tx, stamp, conflict, ours),)
    closed = conflicts_.close(tx, stamp, conflict_id, side, caller.name)
    event = conflicts_.told_alone(tx, stamp, closed, EventType.CONFLICT_RESOLVED)
    if ours is not None and sent:  # it goes up with what else happens to the row, in order
        lane, aggregate = lane_of(tx, table, ours), cloud_.aggregate(table, row_id)
        event = replace(event, lane=lane, aggregate=aggregate, changes=(*sent, closed))
    journal.append(tx, stamp, [event])
    return Answer(200, CONFLICTS.one(rows_.shown(tx, CONFLICTS, conflict_id)))


def _touched(tx: Tx, stamp: Stamp, conflict: Row, ours: Row) -> Change:
    """Our row as it is, with the columns that the uplink has to send whatever it believes to stand there."""
    names = rules.to_send(_sides(tx, conflict, ours))
    change = rows_.update(tx, TABLES[conflict["table_name"]], ours["id"], {"updated_at": stamp.text})
    return replace(change, fields=(*sorted(names), "updated_at"))


def _take(tx: Tx, stamp: Stamp, conflict: Row, ours: Row | None) -> None:
    """The cloud's value, written as what it is: the cloud's doing, which is not sent back to it."""
    table, row_id = conflict["table_name"], conflict["row_id"]
    if conflict["field"] == conflicts_.NOT_KEPT:
        raise Conflict(
            f"{conflict['reason']}: change what is in its way here, and it is taken over by the next pull; or keep ours"
        )
    if conflict["field"] == conflicts_.NOT_SHOWN and (table != OPERATIONS or ours is None):
        return  # the next pull deletes it, once everything of it is sent
    if ours is None:
        raise Conflict("the row is not here any more: only our side can be kept")
    sides = _sides(tx, conflict, ours)
    if conflict["field"] == conflicts_.NOT_SHOWN:
        rules.require_sent(sides)
        change = planning.gone(tx, stamp, row_id)
    elif values := rules.to_take(sides):
        changed = {**stored(tx, TABLES[table], values), "updated_at": stamp.text}
        change = rows_.update(tx, TABLES[table], row_id, changed)
    else:
        return
    theirs = Stamp(stamp.now, CLOUD, stamp.new_id)
    event = Event(lane_of(tx, table, ours), cloud_.aggregate(table, row_id), stamp.now, (change,))
    journal.append(tx, theirs, [event])
    if table == OPERATIONS:
        operation = operations_.get(tx, row_id, deleted_too=True)
        journal.append(tx, stamp, roll_up(tx, stamp, operation.part, operation.job, stamp.now))


def _sides(tx: Tx, conflict: Row, ours: Row) -> Sides:
    table, row_id = conflict["table_name"], conflict["row_id"]
    return Sides(
        table,
        conflict["field"],
        mapping.wanted(table, ours)[0].values,
        cloud_.row(tx, table, row_id).base,
        cloud_.unsent(tx, lane_of(tx, table, ours), table, row_id).fields,
        worked_on=table == OPERATIONS and bool(entries_.open_on(tx, row_id)),
    )
