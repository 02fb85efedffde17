"""A machine asks: start, pause, resume, complete, report, issue, active, queue. The same commands as over REST, the same errors."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from gateway.catalog import models
from gateway.issues import commands as issues
from gateway.issues.resources import DESCRIPTION_MAX, SEVERITIES
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Expired, Forbidden, Invalid, UnknownVerb
from gateway.machines import store, targets
from gateway.machines.model import Quality, Request, Verb
from gateway.machines.pieces import caller
from gateway.machines.registry import Machine
from gateway.machines.states import timed
from gateway.machines.store import MachineRow
from gateway.operations import commands as operations
from gateway.operations.model import ChangeOperation
from gateway.operations.model import Verb as Move
from gateway.operations.quantities import commands as quantities
from gateway.operations.quantities.resources import COUNT_MAX
from gateway.outbox.event import Stamp, encode
from gateway.outbox.receipts import Answer, Receipt, request_hash
from gateway.web import body
from gateway.web.routes import Caller

NUMBER_MAX = 255  # characters
_REASON = "SELECT id FROM scrap_reasons WHERE code = ? AND active = 1"
_SEVERITY: Any = Literal[SEVERITIES]
_Text = Annotated[str, Field(min_length=1, max_length=NUMBER_MAX)]
_Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]


class Operator(BaseModel):
    """Who did it, one of these."""

    model_config = ConfigDict(extra="forbid")

    badge: Annotated[_Text | None, Field(repr=False)] = None
    id: _Text | None = None


class Wish(BaseModel):
    """The body of a request, whatever the verb. Numbers may come as 1, 1.0 or "1"."""

    model_config = ConfigDict(extra="forbid")

    verb: Annotated[Verb, Field(exclude=True)]
    operation_id: _Text | None = None
    job_number: _Text | None = None
    part_number: _Text | None = None
    sequence: Annotated[int, Field(ge=0, le=COUNT_MAX)] | None = None
    operation_name: _Text | None = None
    operator: Operator | None = None
    expires_at: models.Instant | None = None
    ts: models.Instant | None = None
    notes: Annotated[str, Field(max_length=DESCRIPTION_MAX)] | None = None
    good: _Count = 0
    scrap: _Count = 0
    rework: _Count = 0
    scrap_reason: _Text | None = None
    description: Annotated[str, Field(max_length=DESCRIPTION_MAX)] | None = None
    title: _Text | None = None
    severity: _SEVERITY | None = None
    causes_standstill: StrictBool | None = None
    limit: Annotated[int, Field(ge=1, le=targets.QUEUE_MAX)] = targets.QUEUE_MAX


def checked(machine: Machine, request: Request) -> Wish:
    """Raises UnknownVerb, Forbidden, Invalid."""
    if request.verb not in list(Verb):
        raise UnknownVerb(f'there is no verb "{request.verb[:NUMBER_MAX]}": {", ".join(Verb)}')
    if request.verb not in machine.device.commands:
        raise Forbidden(f'"{machine.id}" may not {request.verb}: its commands are {list(machine.device.commands)}')
    return body.validate(Wish, {**request.body, "verb": request.verb})


def require_in_time(machine: Machine, request: Request, wish: Wish, now: datetime) -> None:
    """Raises Expired."""
    if request.queued and wish.expires_at is None and not machine.device.execute_queued:
        raise Expired("it waited while the gateway was away, and nobody said for how long it counts (execute_queued)")
    if wish.expires_at is not None and time_.trusted(now) and wish.expires_at < now:
        raise Expired(f"it counted until {time_.zulu(wish.expires_at)}: it was not carried out")


def receipt(machine: Machine, request: Request, wish: Wish, now: datetime) -> Receipt | None:
    """None for one without an id. What was carried out before is answered again, also when it has expired since."""
    if request.request_id is None:
        return None

    def in_time(_tx: Tx) -> None:
        require_in_time(machine, request, wish, now)

    same = {name: value for name, value in request.body.items() if name != "expires_at"}
    canonical = json.dumps(same, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Receipt(machine.cause, request.request_id, request_hash("cmd", request.verb, canonical), guard=in_time)


# ------------------------------------------------------------------ verbs that only look


def looked(connection: sqlite3.Connection, machine: Machine, wish: Wish) -> Answer:
    """What the device makes now, or what comes next in its cells."""
    if wish.verb is Verb.QUEUE:
        return Answer(200, encode({"queue": targets.queue(connection, machine, wish.limit)}))
    row = store.get(connection, machine.id)
    running = targets.cells_of(connection, machine)
    found = targets.current(connection, running, row.started_operation_id)
    described = targets.described(connection, found)
    return Answer(200, encode({"operation": described[0] if len(found) == 1 else None, "active": described}))


# ------------------------------------------------------------------ verbs that change something


def carry_out(tx: Tx, stamp: Stamp, machine: Machine, wish: Wish) -> Answer:
    """In the transaction of its receipt. Raises what the same command raises over REST."""
    row = store.get(tx, machine.id)
    badge = wish.operator.badge if wish.operator else None
    by = targets.operator(tx, machine, stamp.now, badge)
    if wish.operator is not None and wish.operator.id is not None:
        by = _named(tx, wish.operator.id)
    if by is None and not machine.device.allow_no_operator:
        raise _wrong("operator", "nobody is logged on at this device, and it needs an operator (allow_no_operator)")
    named = wish.model_dump(include={"operation_id", "job_number", "part_number", "sequence", "operation_name"})
    operation_id = targets.target(tx, machine, row, wish.verb, named)
    who = caller(machine, targets.cells_of(tx, machine), by)
    return _DOES[wish.verb](tx, stamp, wish, operation_id, who)


def move(tx: Tx, stamp: Stamp, machine: Machine, row: MachineRow, verb: Verb) -> str:
    """A state or an edge moves what the device means. The operation's id. Raises as `carry_out`, before any write."""
    by = targets.operator(tx, machine, stamp.now)
    operation_id = targets.target(tx, machine, row, verb, {})
    who = caller(machine, targets.cells_of(tx, machine), by)
    wish = ChangeOperation(operation_id, Move(verb), by, cause=machine.cause)
    operations.change(tx, stamp, wish, who)
    return operation_id


def _change(tx: Tx, stamp: Stamp, wish: Wish, operation_id: str, who: Caller) -> Answer:
    moved = ChangeOperation(
        operation_id, Move(wish.verb), who.operator_id, _happened(wish, stamp), notes=wish.notes, cause=who.key_id
    )
    answer = json.loads(operations.change(tx, stamp, moved, who).data)
    if wish.verb in (Verb.START, Verb.RESUME):
        store.started(tx, who.name, operation_id)
    told = {name: answer[name] for name in ("previous_status", "time_entry_id")}
    return Answer(200, encode({**_described(tx, operation_id), **told}))


def _report(tx: Tx, stamp: Stamp, wish: Wish, operation_id: str, who: Caller) -> Answer:
    if not wish.good + wish.scrap + wish.rework:
        raise _wrong("good", "nothing to report: good, scrap or rework is more than 0")
    reason = None
    if wish.scrap_reason is not None:
        reason = tx.execute(_REASON, (wish.scrap_reason,)).fetchone()
        if reason is None:
            raise _wrong("scrap_reason", "no active scrap reason has that code")
    counts = {"quantity_good": wish.good, "quantity_scrap": wish.scrap, "quantity_rework": wish.rework}
    given = {"operation_id": operation_id, **counts, "metadata": {"cause": who.key_id}}
    if reason is not None:
        given["scrap_reason_id"] = reason[0]
    if wish.notes is not None:
        given["notes"] = wish.notes
    if (at := _happened(wish, stamp)) is not None:
        given["recorded_at"] = time_.text(at)
    row = json.loads(quantities.create(tx, stamp, given, who, who.key_id).data)["operation_quantity"]
    return Answer(201, encode({"quantity_id": row["id"], **counts, **_described(tx, operation_id)}))


def _issue(tx: Tx, stamp: Stamp, wish: Wish, operation_id: str, who: Caller) -> Answer:
    if not wish.description:
        raise _wrong("description", "description is missing: what is wrong?")
    given: dict[str, Any] = {"operation_id": operation_id, "description": wish.description}
    more = wish.model_dump(include={"title", "severity", "causes_standstill"}, exclude_none=True)
    row = json.loads(issues.create(tx, stamp, given | more, who).data)["issue"]
    return Answer(201, encode({"issue_id": row["id"], "severity": row["severity"], **_described(tx, operation_id)}))


def _described(tx: Tx, operation_id: str) -> dict[str, Any]:
    return targets.described(tx, [operation_id])[0]


def _happened(wish: Wish, stamp: Stamp) -> datetime | None:
    """By the device's clock where it agrees with ours."""
    return wish.ts if wish.ts is not None and timed(wish.ts, stamp.now).quality is Quality.GOOD else None


def _named(tx: Tx, wanted: str) -> str:
    found = targets.person(tx, wanted)
    if found is None:
        raise _wrong("operator.id", "nobody at work here has that id, user name or employee number")
    return found


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, [{"field": field, "message": message, "constraint": "CHECK_CONSTRAINT"}])


_DOES: Mapping[Verb, Callable[[Tx, Stamp, Wish, str, Caller], Answer]] = {
    **dict.fromkeys((Verb.START, Verb.PAUSE, Verb.RESUME, Verb.COMPLETE), _change),
    Verb.REPORT: _report,
    Verb.ISSUE: _issue,
}
LOOKING = frozenset((Verb.ACTIVE, Verb.QUEUE))
