"""What an ERP sends is taken over: looked up, compared, written, logged, told.

Many records are written in slices, so that a Start does not wait for a thousand jobs. Each record is whole or not there, and
one that fails takes only itself back. The log, its events and the receipt are written with the last slice: who asks again with
the same key after a crash in the middle has what is there already skipped by its hash.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.erp import bodies, mapping, store
from gateway.erp.model import ENTITIES, Action, Batch, Done, Entity, Given, Item, Order, Outcome, Record
from gateway.erp.plan import plan
from gateway.erp.store import Known
from gateway.erp.upsert import Upsert, seen
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import BadRequest, GatewayError
from gateway.kernel.ids import NewId
from gateway.outbox import journal, receipts
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, EventType, Stamp, row_lane
from gateway.outbox.receipts import Answer, Running

SLICE_ROWS = 400  # that may be written in one turn of the writer; one record with more of them is a turn of its own
INLINE_RECORDS_MAX = 20  # more are checked beside the event loop

Answering = Callable[[Sequence[Done], int], str]


@dataclass(frozen=True, slots=True)
class _Run:
    """One request on its way. `answer(batches, duration_ms)` makes the data of its answer."""

    order: Order
    batches: Sequence[Batch]
    answer: Answering
    monotonic: Callable[[], float]
    began_s: float
    started_at: str

    def ms(self, since_s: float) -> int:
        return round((self.monotonic() - since_s) * 1000)


class ErpCommands(Commands):
    """`upstream`: bulk answers in the shape of today's cloud."""

    def __init__(self, db: Database, clock: Clock, new_id: NewId, origin: str, *, upstream: bool = False) -> None:
        super().__init__(db, clock, new_id, origin)
        self._upstream = upstream
        self._running = Running()

    async def upsert_one(self, table: str, given: Any, order: Order) -> Answer:
        """The row, with `action`. Raises BadRequest (no external id), Invalid, Conflict, CellNotAllowed, KeyReused."""
        if isinstance(given, dict):
            for name in ("external_id", "external_source"):
                if not given.get(name):
                    raise BadRequest(f"{name} is required for sync")
        record = bodies.checked(ENTITIES[table], given)
        return await self._once(order.receipt, _one, record, Given(given), order)

    async def upsert_many(
        self, table: str, given: Sequence[Given], order: Order, external_source: str | None = None
    ) -> Answer:
        """`{total, created, updated, skipped, errors, results, summary}`; a wrong record is an error in it.

        `external_source` is that of records without one. Raises KeyReused, StillRunning.
        """
        batch = await _checked(ENTITIES[table], given, external_source, lenient=False)

        def answer(batches: Sequence[Done], _duration_ms: int) -> str:
            return mapping.bulk(batches[0], upstream=self._upstream, dry_run=order.dry_run)

        return await self._carry_out([batch], order, answer)

    async def sync(self, records: dict[str, Sequence[Any]], order: Order) -> Answer:
        """Records of several kinds, by table. A dry run is a diff. Raises KeyReused, StillRunning."""
        batches = [
            await _checked(entity, [Given(one) for one in records[table]], None, lenient=True)
            for table, entity in ENTITIES.items()
            if table in records
        ]

        def answer(found: Sequence[Done], duration_ms: int) -> str:
            return mapping.previewed(found) if order.dry_run else mapping.synced(found, duration_ms)

        return await self._carry_out(batches, order, answer)

    async def _carry_out(self, batches: Sequence[Batch], order: Order, answer: Answering) -> Answer:
        began_s, started_at = self._clock.monotonic(), self._stamp().text
        run = _Run(order, batches, answer, self._clock.monotonic, began_s, started_at)
        if order.dry_run:
            return await self._look(run)
        with self._running.alone(order.receipt) if order.receipt else contextlib.nullcontext():
            *turns, last = _turns(batches) or [[]]
            if turns and order.receipt and (known := await self._db.read(receipts.answered, order.receipt)):
                return known
            outcomes: list[Outcome] = []
            for turn in turns:
                outcomes += await self._db.write(_slice, self._stamp(), turn, order)
            return await self._once(order.receipt, _finish, run, outcomes, last)

    async def _look(self, run: _Run) -> Answer:
        known, outcomes = Known(), []
        for turn in _turns(run.batches):
            outcomes += await self._db.read(_preview, known, turn, run.order)
        return Answer(200, run.answer(_done(run, outcomes), run.ms(run.began_s)))

    def _stamp(self) -> Stamp:
        return Stamp(self._clock.now(), self._origin, self._new_id)


async def _checked(entity: Entity, given: Sequence[Given], external_source: str | None, *, lenient: bool) -> Batch:
    def check() -> Batch:
        return Batch(entity, bodies.items(entity, given, external_source, lenient=lenient))

    if len(given) <= INLINE_RECORDS_MAX:
        return check()
    return await asyncio.get_running_loop().run_in_executor(None, check)


def _turns(batches: Sequence[Batch]) -> list[list[Item]]:
    """All records in order, in turns of at most SLICE_ROWS rows."""
    turns: list[list[Item]] = []
    room = 0
    for item in (item for batch in batches for item in batch.items):
        rows = item.record.rows if item.record else 0
        if not turns or rows > room:
            turns.append([])
            room = SLICE_ROWS
        turns[-1].append(item)
        room -= rows
    return turns


# ------------------------------------------------------------------ in the writer


def _one(tx: Tx, stamp: Stamp, record: Record, given: Given, order: Order) -> Answer:
    known = Known()
    known.learn(tx, [record])
    planned = plan(tx, known, record, order)
    upsert = Upsert(tx, stamp, order.caller)
    row_id = upsert.run(planned)
    journal.append(tx, stamp, upsert.told)
    outcome = Outcome(Item(0, given, record), planned.action, row_id)
    _log(tx, stamp, order, Done(record.entity, [outcome]), stamp.text, told=False)
    status = 201 if planned.action is Action.CREATED else 200
    return Answer(status, mapping.one(store.shown(tx, record.entity, row_id), outcome))


def _slice(tx: Tx, stamp: Stamp, items: Sequence[Item], order: Order) -> list[Outcome]:
    known = Known()
    known.learn(tx, _records(items))
    return [_write(tx, stamp, known, item, order) for item in items]


def _write(tx: Tx, stamp: Stamp, known: Known, item: Item, order: Order) -> Outcome:
    """One record, and its events; what fails is taken back."""
    if item.record is None:
        return _failed(item, item.error)
    try:
        planned = plan(tx, known, item.record, order)
    except GatewayError as exc:
        return _failed(item, exc)
    if planned.action is Action.SKIPPED:
        return Outcome(item, Action.SKIPPED, planned.row_id)
    upsert = Upsert(tx, stamp, order.caller)
    tx.execute("SAVEPOINT record")
    try:
        row_id = upsert.run(planned)
        journal.append(tx, stamp, upsert.told)
    except GatewayError as exc:
        tx.execute("ROLLBACK TO record")
        tx.execute("RELEASE record")
        return _failed(item, exc)
    tx.execute("RELEASE record")
    upsert.remember(known)
    return Outcome(item, planned.action, row_id)


def _finish(tx: Tx, stamp: Stamp, run: _Run, outcomes: Sequence[Outcome], last: Sequence[Item]) -> Answer:
    """The last slice, the log, what is told of the whole, and the answer."""
    done = _done(run, [*outcomes, *_slice(tx, stamp, last, run.order)])
    for one in done:
        _log(tx, stamp, run.order, one, run.started_at, told=True)
    duration_ms = run.ms(run.began_s)
    if len(done) > 1:
        data = mapping.all_completed(done, run.order.sender, stamp.text, duration_ms)
        lane = row_lane("sync_imports", stamp.new_id())
        journal.append(tx, stamp, [Event(lane, lane, stamp.now, (), EventType.SYNC_BATCH_COMPLETED, data)])
    return Answer(200, run.answer(done, duration_ms))


def _log(tx: Tx, stamp: Stamp, order: Order, done: Done, started_at: str, *, told: bool) -> None:
    """`told`: subscribers hear of it, if something changed."""
    metadata: dict[str, Any] = {"request_id": order.request_id}
    if order.receipt:
        metadata["idempotency_key"] = order.receipt.key
    changes: tuple[Change, ...] = ()
    if order.record_history:
        errors, source = mapping.errors(done), order.source
        changes = (store.log(tx, stamp, done, errors, source=source, started_at=started_at, metadata=metadata),)
    lane = row_lane("sync_imports", changes[0].id if changes else stamp.new_id())
    if told and done.changed:
        data = mapping.completed(done, order.sender, stamp.text)
        journal.append(tx, stamp, [Event(lane, lane, stamp.now, changes, done.entity.completed, data)])
    elif changes:
        journal.append(tx, stamp, [Event(lane, lane, stamp.now, changes)])


def _preview(connection: sqlite3.Connection, known: Known, items: Sequence[Item], order: Order) -> list[Outcome]:
    known.learn(connection, _records(items))
    return [_looked(connection, known, item, order) for item in items]


def _looked(connection: sqlite3.Connection, known: Known, item: Item, order: Order) -> Outcome:
    if item.record is None:
        return _failed(item, item.error)
    try:
        planned = plan(connection, known, item.record, order)
    except GatewayError as exc:
        return _failed(item, exc)
    seen(known, planned)
    return Outcome(item, planned.action, planned.row_id or None, changes=planned.changes)


# ------------------------------------------------------------------ outcomes


def _done(run: _Run, outcomes: Sequence[Outcome]) -> list[Done]:
    """The outcomes by batch, in request order."""
    found, first = [], 0
    duration_ms = run.ms(run.began_s)
    for batch in run.batches:
        found.append(Done(batch.entity, outcomes[first : first + len(batch.items)], duration_ms))
        first += len(batch.items)
    return found


def _failed(item: Item, error: GatewayError | None) -> Outcome:
    details = error.details if error and isinstance(error.details, list) else ()
    return Outcome(item, Action.ERROR, error=error.message if error else "", details=details)


def _records(items: Sequence[Item]) -> Iterator[Record]:
    return (item.record for item in items if item.record is not None)
