"""What each kind of tap does: the slices' own transactions, put together so that a tap is done whole or not at all."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gateway.issues import commands as issues
from gateway.issues.rules import Status as IssueStatus
from gateway.jobs.model import Status
from gateway.jobs.rules import require
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Forbidden, Invalid, InvalidTransition, OperatorBusy
from gateway.operations import commands as operations
from gateway.operations import store as operations_
from gateway.operations import together
from gateway.operations.model import ChangeOperation, Operation, Verb
from gateway.operations.quantities import commands as quantities
from gateway.operations.rules import VERBS, require_free_of_standstill
from gateway.operations.substeps import commands as substeps
from gateway.operations.time_entries import store as entries_
from gateway.outbox.event import Stamp
from gateway.terminals import blockers, corrections, handoffs
from gateway.terminals.model import Act, Kind

Result = Mapping[str, Any]
Body = Callable[[Tx, Stamp, Act], Result]


def start(tx: Tx, stamp: Stamp, act: Act) -> Result:
    """Raises ConfirmationNeeded, OperatorBusy, InvalidTransition, Forbidden, Invalid ..."""
    operation = writable(tx, act)
    left = _left(tx, act, [operation.id])
    if operation.status is Status.IN_PROGRESS:
        require_joinable(tx, act, operation.id)
    elif operation.status is Status.NOT_STARTED:
        blockers.require_clear_start(tx, [operation], act)
    _pause_all(tx, stamp, act, left)
    if operation.status is Status.IN_PROGRESS:
        return {"time_entry_id": together.come(tx, stamp, _wish(act, Verb.START), operation)}
    return _move(tx, stamp, act, Verb.START)


def leave(tx: Tx, stamp: Stamp, act: Act, for_ids: Sequence[str]) -> None:
    """The operator's time runs nowhere but on these afterwards. Raises OperatorBusy when he did not say so."""
    _pause_all(tx, stamp, act, _left(tx, act, for_ids))


def _left(tx: Tx, act: Act, for_ids: Sequence[str]) -> list[Operation]:
    """What the operator leaves for these: with one operation of a batch that runs, all of them. Raises OperatorBusy."""
    busy = blockers.running_elsewhere(tx, act.operator_id, for_ids)
    if not busy or act.payload.get("pause_other") in busy:
        return [operations_.get(tx, one) for one in busy]
    first, called = next(iter(busy.items()))
    details = {"operation_id": first, "operation_name": called, **blockers.named(tx, first)}
    name = act.session.person.name
    raise OperatorBusy(f'{name} is still working on "{called}": pause that and start this?', details)


def require_joinable(tx: Tx, act: Act, operation_id: str) -> None:
    """Others are on it, or it runs without anybody: a machine began it. Raises InvalidTransition, Forbidden."""
    others = [one for one in entries_.open_on(tx, operation_id) if one.operator_id != act.operator_id]
    if others and not act.payload.get("join"):
        names = [operations_.profile_name(tx, one.operator_id) or "" for one in others]
        raise InvalidTransition(
            f"{' and '.join(names)} works on it already: join, or take another one",
            {
                "current_status": Status.IN_PROGRESS,
                "requested": Verb.START,
                "allowed_from": [Status.NOT_STARTED, Status.ON_HOLD],
                "on_it": names,
                "may_join": act.policy.join,
            },
        )
    if others and not act.policy.join:
        raise Forbidden("only one person works on an operation here ([terminal] join)")


def pause(tx: Tx, stamp: Stamp, act: Act) -> Result:
    """Raises InvalidTransition."""
    return _pause(tx, stamp, act, writable(tx, act))


def _pause_all(tx: Tx, stamp: Stamp, act: Act, operations: Iterable[Operation]) -> None:
    for one in operations:
        _pause(tx, stamp, act, one)


def _pause(tx: Tx, stamp: Stamp, act: Act, operation: Operation) -> Result:
    """Of several who work on it only the one who says so; with the last of them the operation stands."""
    act.caller.may_write(operation.cell_id)
    entries = entries_.open_on(tx, operation.id)
    own = together.mine(entries, act.operator_id)
    others = [one for one in entries if one is not own and not one.paused]
    if operation.status is not Status.IN_PROGRESS or not others:
        return _move(tx, stamp, act, Verb.PAUSE, operation.id)
    if own is None or own.paused:
        raise InvalidTransition(
            f"{act.session.person.name} is not clocked on here: others are",
            {"current_status": operation.status, "requested": Verb.PAUSE, "allowed_from": [Status.IN_PROGRESS]},
        )
    together.stop(tx, stamp, _wish(act, Verb.PAUSE, operation.id), operation, own)
    return {"time_entry_id": own.id}


def resume(tx: Tx, stamp: Stamp, act: Act) -> Result:
    """With a reason also what an issue holds: that is closed with it. Raises InvalidTransition, OperatorBusy ..."""
    operation = writable(tx, act)
    leave(tx, stamp, act, [operation.id])
    if operation.held and (reason := act.payload.get("reason")):
        for issue_id in blockers.standstills(tx, operation.id):
            closed = {"status": IssueStatus.CLOSED, "resolution_notes": reason, "resolved_by_id": act.operator_id}
            issues.update(tx, stamp, issue_id, closed, act.caller)
        operation = operations_.get(tx, operation.id)
    if operation.status is Status.IN_PROGRESS:
        return _back(tx, stamp, act, operation)
    # What was held before anybody had begun begins now.
    begins = operation.status is Status.NOT_STARTED and act.payload.get("reason")
    return _move(tx, stamp, act, Verb.START if begins else Verb.RESUME)


def _back(tx: Tx, stamp: Stamp, act: Act, operation: Operation) -> Result:
    """It runs already: what was held while his own time ran on, or what others kept going while he was away."""
    own = together.mine(entries_.open_on(tx, operation.id), act.operator_id)
    if own is not None and not own.paused and act.payload.get("reason"):
        return {"time_entry_id": own.id}
    return {"time_entry_id": together.come(tx, stamp, _wish(act, Verb.RESUME), operation)}


def finish(tx: Tx, stamp: Stamp, act: Act) -> Result:
    """The last pieces, the time and the state. Raises ConfirmationNeeded, InvalidTransition, Invalid ..."""
    operation = writable(tx, act)
    if operation.status is not Status.ON_HOLD:
        require("operation", Verb.COMPLETE, operation.status, VERBS[Verb.COMPLETE][0])
    require_free_of_standstill(operation, Verb.COMPLETE)
    blockers.require_clear_finish(tx, [operation], act)
    if operation.status is Status.ON_HOLD:  # paused: everybody's pause ends where his time does
        operations.change(tx, stamp, _wish(act, Verb.RESUME, alone=True, nobody=True), act.caller)
    told = book(tx, stamp, act) if blockers.pieces(act.payload) else {}
    return {**told, **_move(tx, stamp, act, Verb.COMPLETE)}


def report(tx: Tx, stamp: Stamp, act: Act) -> Result:
    """Raises Invalid."""
    writable(tx, act)
    if not blockers.pieces(act.payload):
        message = "nothing to report: good, scrap or rework is more than 0"
        raise Invalid(message, [{"field": "good", "message": message, "constraint": "CHECK_CONSTRAINT"}])
    return book(tx, stamp, act)


def book(tx: Tx, stamp: Stamp, act: Act) -> Result:
    scrap = act.payload.get("scrap") or ()
    given: dict[str, Any] = {
        "operation_id": act.operation_id,
        "quantity_good": act.payload.get("good", 0),
        "quantity_scrap": sum(one["quantity"] for one in scrap),
        "quantity_rework": act.payload.get("rework", 0),
        "recorded_by": act.operator_id,
        "recorded_at": time_.text(act.at),
        "metadata": {"cause": act.terminal.space},
    }
    if scrap:
        given["scrap_reasons"] = [{"scrap_reason_id": one["reason_id"], "quantity": one["quantity"]} for one in scrap]
    row = json.loads(quantities.create(tx, stamp, given, act.caller, act.terminal.space).data)
    return {"quantity_id": row["operation_quantity"]["id"]}


def issue(tx: Tx, stamp: Stamp, act: Act) -> Result:
    """Raises Invalid."""
    writable(tx, act)
    asked = act.payload
    category = blockers.category(tx, asked.get("category_id"))
    description = asked.get("description") or asked.get("title") or (category or {}).get("description") or ""
    given: dict[str, Any] = {
        "operation_id": act.operation_id,
        "title": asked.get("title") or (category or {}).get("description") or None,
        "description": description,
        "severity": asked.get("severity") or (category or {}).get("severity_default") or "medium",
        "causes_standstill": bool(asked.get("stops_work")),
        "created_by": act.operator_id,
        "reported_by_id": act.operator_id,
        "created_at": time_.text(act.at),
    }
    if asked.get("ncr_type"):
        given |= {"issue_type": "ncr", "ncr_category": asked["ncr_type"]}
        given["affected_quantity"] = asked.get("affected_quantity")
    row = json.loads(issues.create(tx, stamp, given, act.caller).data)["issue"]
    return {"issue_id": row["id"], "severity": row["severity"], "photos": asked.get("photos", 0)}


def check(tx: Tx, stamp: Stamp, act: Act) -> Result:
    """Raises NotFound, Invalid."""
    writable(tx, act)
    status = act.payload["status"]
    given: dict[str, Any] = {"status": status}
    if status == "completed":
        given |= {"completed_by": act.operator_id, "completed_at": time_.text(act.at)}
    if act.payload.get("notes") is not None:
        given["notes"] = act.payload["notes"]
    blockers.require_step(tx, act.payload["substep_id"], act.operation_id)
    substeps.update(tx, stamp, act.payload["substep_id"], given, act.caller)
    return {"substep_id": act.payload["substep_id"], "status": status}


def handoff(tx: Tx, stamp: Stamp, act: Act) -> Result:
    text = act.payload["text"].strip()
    handoffs.leave(tx, stamp, writable(tx, act), text, act.operator_id, act.at)
    return {"text": text}


# ------------------------------------------------------------------ shared by them


def writable(tx: sqlite3.Connection, act: Act) -> Operation:
    """Raises NotFound, CellNotAllowed."""
    operation = operations_.get(tx, act.operation_id)
    act.caller.may_write(operation.cell_id)
    return operation


def _move(tx: Tx, stamp: Stamp, act: Act, verb: Verb, operation_id: str | None = None) -> Result:
    wish = _wish(act, verb, operation_id, alone=True)
    told = json.loads(operations.change(tx, stamp, wish, act.caller).data)
    return {name: told[name] for name in ("previous_status", "new_status", "time_entry_id")}


def _wish(
    act: Act, verb: Verb, operation_id: str | None = None, *, alone: bool = False, nobody: bool = False
) -> ChangeOperation:
    """`nobody`: nobody's time begins."""
    return ChangeOperation(
        operation_id or act.operation_id,
        verb,
        None if nobody else act.operator_id,
        act.at,
        time_type="setup" if act.payload.get("setup") else "run",
        cause=act.terminal.space,
        alone=alone,
    )


BY_KIND: Mapping[Kind, Body] = {
    Kind.START: start,
    Kind.PAUSE: pause,
    Kind.RESUME: resume,
    Kind.FINISH: finish,
    Kind.REPORT: report,
    Kind.ISSUE: issue,
    Kind.CHECK: check,
    Kind.HANDOFF: handoff,
    Kind.CORRECT: corrections.correct,
}
