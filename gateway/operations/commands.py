"""What happens when Start is pressed: read, decide, save, record, in one transaction. The only place that orders the steps."""

from gateway.jobs.rollup import roll_up
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import OperatorBusy
from gateway.kernel.ids import NewId
from gateway.operations import rules, store
from gateway.operations.model import ChangeOperation, Verb
from gateway.outbox import journal, receipts
from gateway.outbox.event import Event, Stamp, job_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.web.routes import Caller


class OperationCommands:
    """`origin` is the gateway's id: it stands in the journal beside everything that was done here."""

    def __init__(self, db: Database, clock: Clock, new_id: NewId, origin: str) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._origin = origin

    async def change(self, wish: ChangeOperation, caller: Caller, receipt: Receipt | None) -> Answer:
        """Start, pause, resume or complete. Raises NotFound, CellNotAllowed, InvalidTransition, Invalid, OperatorBusy."""
        stamp = Stamp(self._clock.now(), self._origin, self._new_id)
        return await self._db.write(receipts.once, receipt, stamp, _change, wish, caller)


def _change(tx: Tx, stamp: Stamp, wish: ChangeOperation, caller: Caller) -> Answer:
    operation = store.get(tx, wish.operation_id)
    caller.may_write(operation.cell_id)
    operator_name = _operator(tx, wish)
    entries = store.open_entries(tx, operation.id)
    closed_s = store.closed_s(tx, operation.id) if entries else 0
    decision = rules.decide(wish, operation, entries, closed_s, now=stamp.now, new_id=stamp.new_id)
    _, _, event_type = rules.VERBS[wish.verb]

    saved, row = store.save(tx, decision, stamp.text)
    changes = (saved, *store.save_entries(tx, decision, wish, stamp))
    data = rules.event_data(decision, wish, operator_name)
    event = Event(job_lane(operation.job.id), f"operation:{operation.id}", decision.at, changes, event_type, data)
    journal.append(tx, stamp, [event, *roll_up(tx, stamp, operation.part, operation.job, decision.at)])
    return Answer(200, _answer(decision, row))


def _operator(tx: Tx, wish: ChangeOperation) -> str | None:
    """The operator's name. Nobody works in two places at once; who only pauses or completes need not be free."""
    if wish.operator_id is None:
        return None
    name = store.operator_name(tx, wish.operator_id)
    if wish.verb in (Verb.START, Verb.RESUME) and (other := store.busy_elsewhere(tx, wish.operator_id, wish.operation_id)):
        details = {"operation_id": other[0], "operation_name": other[1]}
        raise OperatorBusy(f'{name} is still working on "{other[1]}": pause or complete that first', details)
    return name


def _answer(decision: rules.Decision, row: str) -> str:
    """[U] `time_entry_created` and `_ended` name the kind of action; `time_entry_id` tells what really happened."""
    created = str(decision.verb in (Verb.START, Verb.RESUME)).lower()
    ended = str(decision.verb in (Verb.PAUSE, Verb.COMPLETE)).lower()
    entry = f'"{decision.time_entry_id}"' if decision.time_entry_id else "null"
    return (
        f'{{"operation":{row},"operation_type":"{decision.verb}","previous_status":"{decision.before.status}",'
        f'"new_status":"{decision.after.status}","time_entry_created":{created},"time_entry_ended":{ended},"time_entry_id":{entry}}}'
    )
