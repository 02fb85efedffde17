"""What happens when Start is pressed: read, decide, save, record, in one transaction. The only place that orders the steps."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from gateway.jobs.model import Status
from gateway.jobs.rollup import roll_up
from gateway.kernel.db import Tx
from gateway.kernel.errors import NotFound, OperatorBusy
from gateway.operations import rules, store
from gateway.operations.model import STANDSTILL, ChangeOperation, Operation, Verb
from gateway.operations.quantities import gathered
from gateway.operations.time_entries import store as entries_
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Event, Stamp, job_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller


class OperationCommands(Commands):
    async def change(self, wish: ChangeOperation, caller: Caller, receipt: Receipt | None) -> Answer:
        """Start, pause, resume or complete. Raises NotFound, CellNotAllowed, InvalidTransition, Invalid, OperatorBusy."""
        return await self._once(receipt, change, wish, caller)


def change(tx: Tx, stamp: Stamp, wish: ChangeOperation, caller: Caller) -> Answer:
    operation = store.get(tx, wish.operation_id)
    caller.may_write(operation.cell_id)
    operator_name = _operator(tx, wish)
    decision, row = carry_out(tx, stamp, wish, operation, operator_name)
    return Answer(200, _answer(decision, row))


def carry_out(
    tx: Tx,
    stamp: Stamp,
    wish: ChangeOperation,
    operation: Operation,
    operator_name: str | None,
    told: Mapping[str, Any] | None = None,
) -> tuple[rules.Decision, str]:
    """(what was decided, the row as clients see it). `told`: more for the event. Raises InvalidTransition."""
    entries = entries_.open_on(tx, operation.id)
    closed_s = entries_.closed_s(tx, operation.id) if entries else 0
    decision = rules.decide(wish, operation, entries, closed_s, now=stamp.now, new_id=stamp.new_id)

    happened, row = _save(tx, stamp, decision, wish, operator_name, told)
    journal.append(tx, stamp, happened)
    return decision, row


def hold(tx: Tx, stamp: Stamp, operation_id: str, by: str | None, occurred_at: datetime) -> list[Event]:
    """A standstill issue is pending: its operation is parked. What is to be told, none when nothing moved."""
    wish = ChangeOperation(operation_id, Verb.PAUSE, by, occurred_at, cause=STANDSTILL)
    return _settle(tx, stamp, wish, rules.hold)


def release(tx: Tx, stamp: Stamp, operation_id: str, by: str | None, occurred_at: datetime) -> list[Event]:
    """A standstill issue is pending no longer: its operation goes on, unless another one holds it."""
    wish = ChangeOperation(operation_id, Verb.RESUME, by, occurred_at, cause=STANDSTILL)
    return _settle(tx, stamp, wish, rules.release)


def _settle(tx: Tx, stamp: Stamp, wish: ChangeOperation, rule: Callable[..., rules.Decision | None]) -> list[Event]:
    try:
        operation = store.get(tx, wish.operation_id)
    except NotFound:  # deleted since: nobody works on it any more
        return []
    decision = rule(wish, operation, now=stamp.now)
    if decision is None:
        return []
    return _save(tx, stamp, decision, wish, store.profile_name(tx, wish.operator_id))[0]


def _save(
    tx: Tx,
    stamp: Stamp,
    decision: rules.Decision,
    wish: ChangeOperation,
    operator_name: str | None,
    told: Mapping[str, Any] | None = None,
) -> tuple[list[Event], str]:
    """What is to be told, the part and the job included; the row as clients see it."""
    operation = decision.before
    gathered.before_a_move(tx, stamp, operation.cell_id)
    saved, row = store.save(tx, decision, stamp.text)
    changes = (saved, *entries_.save(tx, decision.time, wish, stamp))
    data = {**rules.event_data(decision, wish, operator_name), **(told or {})}
    event = Event(
        job_lane(operation.job.id), f"operation:{operation.id}", decision.at, changes, rules.EVENTS[wish.verb], data
    )
    follows = roll_up(tx, stamp, operation.part, operation.job, decision.at) if _moves_above(decision) else ()
    if decision.after.status is Status.IN_PROGRESS:
        gathered.after_a_start(tx, stamp, operation.id, operation.cell_id)
    return [event, *follows], row


def _moves_above(decision: rules.Decision) -> bool:
    """A pause and what follows it say nothing new about the part and the job; the first start and the end do."""
    return decision.verb not in (Verb.PAUSE, Verb.RESUME) or decision.before.part.status is Status.NOT_STARTED


def _operator(tx: Tx, wish: ChangeOperation) -> str | None:
    """The operator's name. Nobody works in two places at once; who only pauses or completes need not be free."""
    if wish.operator_id is None:
        return None
    name = store.operator_name(tx, wish.operator_id)
    if wish.verb in (Verb.START, Verb.RESUME):
        require_free(tx, wish.operator_id, name, wish.operation_id)
    return name


def require_free(tx: Tx, operator_id: str, name: str, operation_id: str) -> None:
    """Raises OperatorBusy while this person's time runs on another operation."""
    if other := store.busy_elsewhere(tx, operator_id, operation_id):
        details = {"operation_id": other[0], "operation_name": other[1]}
        raise OperatorBusy(
            f'{name} is still working on "{other[1]}": pause or complete that, or end the time entry', details
        )


def _answer(decision: rules.Decision, row: str) -> str:
    """[U] `time_entry_created` and `_ended` name the kind of action; `time_entry_id` tells what really happened."""
    created = str(decision.verb in (Verb.START, Verb.RESUME)).lower()
    ended = str(decision.verb in (Verb.PAUSE, Verb.COMPLETE)).lower()
    entry = f'"{decision.time_entry_id}"' if decision.time_entry_id else "null"
    return (
        f'{{"operation":{row},"operation_type":"{decision.verb}","previous_status":"{decision.before.status}",'
        f'"new_status":"{decision.after.status}","time_entry_created":{created},"time_entry_ended":{ended},"time_entry_id":{entry}}}'
    )
