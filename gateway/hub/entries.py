"""Another gateway's journal, entry by entry: its rows as they stand there, and what happened to them. One transaction.

The rules were asked where it happened; here only whose work it is, and whether everything it hangs on is there. An entry is
taken whole or not at all; after one that was not, the rest of its job tree waits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, StrictBool, StrictInt, StrictStr

from gateway.catalog.models import Body, Instant, Uuid
from gateway.files.resources import FILES
from gateway.hub import arrivals
from gateway.hub.raw import Raw
from gateway.hub.received import Positions
from gateway.hub.together import corrected, judge, roll_up, told_as_kept, told_here
from gateway.hub.written import CHANGES_MAX, SEQ_MAX, Made, Written, delete, put
from gateway.kernel.clock import text
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict, GatewayError, Invalid, NotRun
from gateway.kernel.following import PATTERN
from gateway.outbox import journal, tombstones
from gateway.outbox.event import Change, Entry, EventType, Stamp, encode
from gateway.outbox.receipts import Answer, Receipt, answered, once

_NAMES = frozenset(EventType)
_COMPLETED = (EventType.PART_COMPLETED, EventType.JOB_COMPLETED)
_OF_OPERATION = frozenset("time_entries operation_quantities issues substeps operation_handoffs".split())
_EXECUTION = frozenset(
    "status started_at paused_at resumed_at completed_at actual_time_s completion_percentage".split()
)
_CELL = "SELECT o.cell_id, h.gateway_id FROM operations o LEFT JOIN hub_cells h ON h.cell_id = o.cell_id WHERE o.id = ?"


class Happened(Body):
    """One entry of the sender's journal. `epoch`: the one it was written in."""

    key: Uuid = Field(description="The id of the event.")
    seq: Annotated[StrictInt, Field(ge=1, le=SEQ_MAX)]
    epoch: Annotated[StrictInt, Field(ge=0, le=SEQ_MAX)]
    lane: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    aggregate: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    origin: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    occurred_at: Instant
    clock_trusted: StrictBool = True
    type: StrictStr | None = None
    data: dict[str, Any] | None = None
    changes: Annotated[list[Written], Field(max_length=CHANGES_MAX)]
    request_id: Annotated[StrictStr, Field(pattern=f"^{PATTERN}$")] | None = Field(
        None, description="Of the request that it comes from, as its answer had it."
    )
    again: StrictBool = Field(False, description="It was refused before, and somebody asked to try once more.")


@dataclass(slots=True)
class Taken:
    """What became of the entries. `stopped`: lane -> what was refused in it; `seqs`: by key, where those that were taken now
    stand in our journal; `dropped`: bucket and id of files that nobody needs any more.
    """

    seqs: dict[str, int] = field(default_factory=dict)
    replayed: int = 0
    refused: list[tuple[str, GatewayError]] = field(default_factory=list)
    stopped: dict[str, str] = field(default_factory=dict)
    dropped: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sender:
    """`cells`: those that its key may write, None for all. `settled`: it has an answer for everything up to here."""

    gateway_id: str
    epoch: int
    cells: frozenset[str] | None
    settled: int


def take(
    tx: Tx, stamp: Stamp, sender: Sender, entries: Sequence[Happened], tables: Mapping[str, Raw], later: Made
) -> Taken:
    """Part of a transaction that has admitted the sender. Refusals are results. `later`: rows that the request makes."""
    positions = Positions(tx, sender.gateway_id)
    said, stopped = Taken(), dict[str, str]()
    moved = set[str]()
    for entry in entries:
        if _known(tx, positions, sender, entry):
            said.replayed += 1
            continue
        try:
            require_going(stopped, entry)
            said.seqs[entry.key], changes = _take(tx, stamp, sender, entry, tables, later)
            said.dropped += [place for change in changes if (place := arrivals.place_of(change)) is not None]
        except GatewayError as refusal:
            said.refused.append((entry.key, refusal))
            stopped.setdefault(entry.lane, entry.key)
            continue
        moved |= {one.id for one in entry.changes if one.table == "operations"}
        if entry.again:
            once(tx, _receipt(sender, entry), stamp, lambda _tx, _stamp: Answer(200, ""))
        else:
            positions.move(entry.epoch, entry.lane, entry.seq)
    roll_up(tx, stamp, sender.gateway_id, moved)
    positions.save()
    said.stopped = stopped
    return said


def settle(tx: Tx, sender: Sender) -> int:
    """The sender has an answer for everything up to what it says; how far that is by now."""
    positions = Positions(tx, sender.gateway_id)
    positions.settle(sender.epoch, sender.settled)
    positions.save()
    return positions.settled(sender.epoch)


def require_going(stopped: Mapping[str, str], entry: Happened) -> None:
    """Raises NotRun: something of its lane was refused."""
    if before := stopped.get(entry.lane):
        raise NotRun(f'not taken: "{before}" before it was refused', {"refused": before})


def _known(tx: Tx, positions: Positions, sender: Sender, entry: Happened) -> bool:
    if entry.again:
        return answered(tx, _receipt(sender, entry)) is not None
    return entry.seq <= positions.of(entry.epoch, entry.lane)


def _receipt(sender: Sender, entry: Happened) -> Receipt:
    """An entry that was refused and comes again stands before its lane's position."""
    return Receipt(f"hub:{sender.gateway_id}", entry.key, b"entry")


def _take(
    tx: Tx,
    stamp: Stamp,
    sender: Sender,
    entry: Happened,
    tables: Mapping[str, Raw],
    later: Made,
) -> tuple[int, list[Change]]:
    """Its seq here, and what it changed. Raises Conflict, Invalid, NotFound; nothing of the entry stays then."""
    if entry.type is not None and entry.type not in _NAMES:
        raise Invalid(f'the event "{entry.type}" is not known here: this hub is older than the gateway')
    tx.execute("SAVEPOINT entry")
    try:
        kind, at, data = entry.type, entry.occurred_at, entry.data
        wrong, changes = list[Change](), list[Change]()
        for one in entry.changes:
            for file in one.files:
                arrivals.expect(tx, file.path, file.sha256, (one.table, one.id), sender.gateway_id, stamp.text)
            judged = judge(tx, one.table, one.id, one.values or {}, entry.data or {})
            kind = None if judged.refused else kind
            if judged.ended_at is not None:
                at = judged.ended_at
                data = told_as_kept(data or {}, judged, at, entry.occurred_at)
            change = _write(tx, sender, one, judged.values, tables, later)
            changes += [change] if change is not None else []
            wrong += [change] if change is not None and (judged.refused or judged.ended_at) else []
        if kind in _COMPLETED and told_here(tx, stamp.origin, entry.lane, entry.aggregate, kind):
            kind = None
        copied = Entry(
            0,
            entry.key,
            kind,
            entry.lane,
            entry.aggregate,
            entry.origin,
            text(at),
            stamp.text,
            int(entry.clock_trusted),
            None if data is None or kind != entry.type else encode(data),
            "[" + ",".join([change.written for change in changes]) + "]",
            entry.request_id,
        )
        seq = journal.copy(tx, copied)
        tombstones.remember(tx, changes, stamp.text)
        for change in wrong:
            corrected(tx, stamp, entry.lane, entry.aggregate, change)
    except GatewayError:
        tx.execute("ROLLBACK TO entry")
        raise
    else:
        return seq, changes
    finally:
        tx.execute("RELEASE entry")


# ------------------------------------------------------------------ one row


def _write(
    tx: Tx,
    sender: Sender,
    one: Written,
    values: Mapping[str, Any],
    tables: Mapping[str, Raw],
    later: Made,
) -> Change | None:
    if one.table == FILES.table:
        return arrivals.told(tx, one.id, one.op)
    table = tables.get(one.table)
    if table is None:
        raise Invalid(f'the table "{one.table}" is not known here: this hub is older than the gateway')
    if unknown := values.keys() - {*table.columns}:
        raise Invalid(
            f"{one.table} has no column {', '.join(sorted(unknown))} here: this hub is older than the gateway"
        )
    _allowed(tx, sender, one, values)
    if one.op == "delete":
        return delete(tx, table, one.id, values)
    return put(tx, tables, one, arrivals.together(tx, table.name, one.id, values, one.moves), later)


def _allowed(tx: Tx, sender: Sender, one: Written, values: Mapping[str, Any]) -> None:
    """Raises Conflict: what is done at an operation is told by the gateway of its cell."""
    if one.table == "operations":
        if one.op == "update" and not values.keys() & _EXECUTION:
            return
        operation_id = one.id
    elif one.table in _OF_OPERATION:
        operation_id = values.get("operation_id") or ""
    else:
        return
    found = tx.execute(_CELL, (operation_id,)).fetchone()
    if found is None:
        return
    cell, owner = found
    if owner not in (None, sender.gateway_id):
        raise Conflict(f"the cell {cell} belongs to the gateway {owner}", {"cell_id": cell, "gateway_id": owner})
    if sender.cells is not None and cell not in sender.cells:
        raise Conflict(f"the key of {sender.gateway_id} is not for the cell {cell}", {"cell_id": cell})
