"""Somebody asks for a replay: a row, which the way out works off."""

from gateway.catalog import store as rows
from gateway.kernel.db import Tx
from gateway.kernel.errors import CellNotAllowed, Conflict, Invalid
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Stamp
from gateway.outbox.receipts import Answer, Receipt
from gateway.replays import store
from gateway.replays.resources import REPLAYS
from gateway.web.routes import Caller

UNFINISHED_MAX = 100


class ReplayCommands(Commands):
    async def ask(self, out: str, from_seq: int, to_seq: int, caller: Caller, receipt: Receipt | None) -> Answer:
        """The named events of the journal from `from_seq` to `to_seq`, both included, to `out` once more. A webhook or a publisher
        is told what it subscribes to. Raises Invalid, Conflict, CellNotAllowed.
        """
        if caller.cells is not None:
            raise CellNotAllowed("a way out is told of every cell, this key may write in some only")
        return await self._once(receipt, _ask, out, from_seq, to_seq, caller.name)


def _ask(tx: Tx, stamp: Stamp, out: str, from_seq: int, to_seq: int, by: str) -> Answer:
    if not store.is_way_out(tx, out):
        raise _wrong("out", out, "no way out is called so: `uns`, webhook:<id> or mqtt:<id> of one that there is")
    head, oldest = journal.head(tx), store.oldest_kept(tx)
    if oldest is None:
        raise _wrong("from_seq", from_seq, "the journal is empty")
    if from_seq < oldest:
        raise _wrong("from_seq", from_seq, f"the journal begins at {oldest}: what was before is not kept any more")
    if not from_seq <= to_seq <= head:
        raise _wrong("to_seq", to_seq, f"it must be {from_seq} (from_seq) to {head}, the end of the journal")
    if store.unfinished(tx) >= UNFINISHED_MAX:
        raise Conflict(f"{UNFINISHED_MAX} replays wait already: let them finish first")
    replay_id = stamp.new_id()
    store.ask(tx, replay_id, out, from_seq, to_seq, by, stamp.text)
    return Answer(201, REPLAYS.one(rows.shown(tx, REPLAYS, replay_id)))


def _wrong(field: str, value: str | int, why: str) -> Invalid:
    detail = {"field": field, "message": f"{field}: {why}", "constraint": "CHECK_CONSTRAINT", "value": value}
    return Invalid(f"{field} is {value}: {why}", [detail])
