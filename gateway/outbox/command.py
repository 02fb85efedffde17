"""What every slice's commands have in common: one stamp, one receipt, one transaction."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.ids import NewId
from gateway.outbox import receipts
from gateway.outbox.event import Stamp
from gateway.outbox.receipts import Answer, Receipt

P = ParamSpec("P")


class Commands:
    """`origin` is the gateway's id: it stands in the journal beside everything that was done here."""

    def __init__(self, db: Database, clock: Clock, new_id: NewId, origin: str) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._origin = origin

    async def _once(
        self,
        receipt: Receipt | None,
        body: Callable[Concatenate[Tx, Stamp, P], Answer],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Answer:
        """Run `body(tx, stamp, *args)` in one transaction with its receipt. Raises KeyReused, and whatever `body` raises."""
        origin = receipt.origin if receipt and receipt.origin else self._origin
        stamp = Stamp(self._clock.now(), origin, self._new_id)
        if receipt and receipt.queued:
            receipt.queued()  # whoever is woken by this comes after the write, which stands in the queue before anybody else runs
        return await self._db.write(_run, receipt, stamp, body, args, kwargs)


def _run(
    tx: Tx,
    receipt: Receipt | None,
    stamp: Stamp,
    body: Callable[..., Answer],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Answer:
    return receipts.once(tx, receipt, stamp, body, *args, **kwargs)
