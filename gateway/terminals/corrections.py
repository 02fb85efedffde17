"""What was booked is put right by a supervisor, with a reason. Numbers here cannot be negative, so a counter-booking cannot be one:
the booking gets its right numbers, and keeps beside them what it was, who said so, when and why.
"""

import json
from collections.abc import Mapping
from typing import Any

from gateway.catalog import store as rows_
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Invalid, NotFound
from gateway.operations.quantities import commands as quantities
from gateway.operations.quantities.resources import QUANTITIES
from gateway.operations.quantities.rules import COUNTS
from gateway.operations.time_entries import commands as entries
from gateway.operations.time_entries.resources import TIME_ENTRIES
from gateway.outbox.event import Stamp
from gateway.terminals.model import Act, Person
from gateway.terminals.sessions import supervisor

CORRECTIONS = "corrections"  # in a quantity's metadata
_TIMES = ("start_time", "end_time")


def correct(tx: Tx, stamp: Stamp, act: Act) -> Mapping[str, Any]:
    """Raises Forbidden, SessionEnded, NotFound, Invalid."""
    by = supervisor(tx, act.terminal, act.payload["supervisor_session"], stamp.now)
    if quantity_id := act.payload.get("quantity_id"):
        return _quantity(tx, stamp, act, quantity_id, by)
    if entry_id := act.payload.get("entry_id"):
        return _entry(tx, stamp, act, entry_id, by)
    message = "quantity_id or entry_id says what is to be corrected"
    raise Invalid(message, [{"field": "quantity_id", "message": message, "constraint": "NOT_NULL"}])


def _quantity(tx: Tx, stamp: Stamp, act: Act, row_id: str, by: Person) -> Mapping[str, Any]:
    before = dict(rows_.fetch(tx, QUANTITIES, row_id))
    _require_of(before, act)
    metadata = json.loads(before["metadata"])
    was = {name: before[name] for name in COUNTS}
    note = {"at": time_.text(act.at), "by": by.id, "by_name": by.name, "reason": act.payload["reason"], "was": was}
    given: dict[str, Any] = {"metadata": {**metadata, CORRECTIONS: [*metadata.get(CORRECTIONS, ()), note]}}
    for short, name in (("good", "quantity_good"), ("rework", "quantity_rework")):
        if act.payload.get(short) is not None:
            given[name] = act.payload[short]
    if (scrap := act.payload.get("scrap")) is not None:
        given["quantity_scrap"] = sum(one["quantity"] for one in scrap)
        given["scrap_reasons"] = [{"scrap_reason_id": one["reason_id"], "quantity": one["quantity"]} for one in scrap]
    quantities.update(tx, stamp, row_id, given, act.caller)
    return {"quantity_id": row_id, "was": was}


def _entry(tx: Tx, stamp: Stamp, act: Act, row_id: str, by: Person) -> Mapping[str, Any]:
    before = dict(rows_.fetch(tx, TIME_ENTRIES, row_id))
    _require_of(before, act)
    given: dict[str, Any] = {
        name: time_.text(time_.parse(act.payload[name])) for name in _TIMES if act.payload.get(name) is not None
    }
    if act.payload.get("duration") is not None:
        given["duration"] = act.payload["duration"]
    was = {name: before[name] for name in (*_TIMES, "duration_s")}
    told = f"corrected by {by.name}: {act.payload['reason']} (was {was['start_time']} to {was['end_time'] or 'now'})"
    # What stands there already may mean something to others: it stays as it is.
    given["notes"] = f"{before['notes']}\n{told}" if before["notes"] else told
    entries.update(tx, stamp, row_id, given, act.caller)
    return {"entry_id": row_id, "was": was}


def _require_of(row: Mapping[str, Any], act: Act) -> None:
    """Raises NotFound."""
    if row["operation_id"] != act.operation_id:
        raise NotFound("the operation has no such booking")
