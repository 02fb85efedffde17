"""A tap that means a whole batch: all of its operations begin, or end, with the one that was tapped.

What is in the way of any of them is in the way of all. The batch itself moves as over REST: `batches/commands.py`.
"""

import json
import sqlite3
from collections.abc import Mapping

from gateway.batches import commands as batches
from gateway.batches import store as batches_
from gateway.batches.model import Batch, ChangeBatch
from gateway.batches.rules import unfinished
from gateway.jobs.model import Status
from gateway.kernel.db import Tx
from gateway.kernel.errors import Invalid
from gateway.operations import store as operations_
from gateway.operations.model import Operation
from gateway.outbox.event import Stamp
from gateway.terminals import acts, blockers
from gateway.terminals.acts import Body, Result
from gateway.terminals.model import Act, Kind


def start(tx: Tx, stamp: Stamp, act: Act) -> Result:
    """Raises ConfirmationNeeded, OperatorBusy, InvalidTransition, Forbidden, BadRequest, Invalid ..."""
    batch, operations = _asked(tx, act)
    for one in operations:
        if one.status is Status.IN_PROGRESS:
            acts.require_joinable(tx, act, one.id)
    begun = [one for one in operations if one.status is Status.NOT_STARTED]
    blockers.require_clear_start(tx, begun, act)
    acts.leave(tx, stamp, act, [one.id for one in operations])
    told = json.loads(batches.start(tx, stamp, _wish(batch, act), act.caller).data)
    return {name: told[name] for name in ("batch_id", "operations_started", "started_at")}


def finish(tx: Tx, stamp: Stamp, act: Act) -> Result:
    """The pieces are those of the operation that was tapped. Raises ConfirmationNeeded, BadRequest, Invalid ..."""
    batch, operations = _asked(tx, act)
    blockers.require_clear_finish(tx, operations, act)
    booked = acts.book(tx, stamp, act) if blockers.pieces(act.payload) else {}
    told = json.loads(batches.stop(tx, stamp, _wish(batch, act), act.caller).data)
    names = ("batch_id", "completed_at", "total_seconds", "operations", "warnings")
    return {**booked, **{name: told[name] for name in names if name in told}}


def beside(connection: sqlite3.Connection, operation_id: str) -> list[str]:
    """Ids of the operations of its batch."""
    batch = batches_.of(connection, operation_id)
    return batches_.members(connection, batch.id) if batch else []


def _asked(tx: Tx, act: Act) -> tuple[Batch, list[Operation]]:
    """The batch, and those of its operations that are not completed. Raises NotFound, CellNotAllowed, Invalid."""
    acts.writable(tx, act)
    batch = batches_.of(tx, act.operation_id)
    if batch is None:
        message = "the operation is in no batch: start or finish it alone"
        raise Invalid(message, [{"field": "batch", "message": message, "constraint": "CHECK_CONSTRAINT"}])
    return batch, unfinished([operations_.get(tx, one) for one in batches_.members(tx, batch.id)])


def _wish(batch: Batch, act: Act) -> ChangeBatch:
    return ChangeBatch(batch.id, operator_id=act.operator_id, occurred_at=act.at)


BY_KIND: Mapping[Kind, Body] = {Kind.START: start, Kind.FINISH: finish}
