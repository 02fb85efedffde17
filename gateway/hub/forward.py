"""/api-forward: what another gateway has done, many at a time, once each, in the order of each job tree.

As calls of the REST API, each with its own receipt; or, between gateways, as the entries of its journal.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, ClassVar

from pydantic import Field, StrictInt, StrictStr

from gateway.catalog.models import Body, Uuid
from gateway.files.blobs import Blobs
from gateway.hub import gateways
from gateway.hub.entries import Happened, Sender, settle
from gateway.hub.items import Item, Items, require_order
from gateway.hub.journals import Journals
from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import BadRequest
from gateway.kernel.ids import NewId
from gateway.outbox.receipts import Answer
from gateway.web.inside import Inside
from gateway.web.routes import Call, Cells, Route, Scope

ITEMS_MAX = 500
BODY_MAX_BYTES = 20 * 1024 * 1024
CELLS_MAX = 1_000
EPOCH_MAX = 2**62
_SELF = "/api-forward"


class Forwarded(Body):
    """What another gateway has done."""

    entity: ClassVar[str] = "forward"

    gateway_id: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    epoch: Annotated[StrictInt, Field(ge=0, le=EPOCH_MAX)]
    cells: Annotated[list[Uuid], Field(max_length=CELLS_MAX)] | None = Field(
        None, description="The cells that are its own, all of them; those of the key without."
    )
    items: Annotated[list[Item], Field(max_length=ITEMS_MAX)] = Field(default=[])
    entries: Annotated[list[Happened], Field(max_length=ITEMS_MAX)] = Field(
        default=[], description="Entries of its journal, with the rows as they stand there; taken before the items."
    )
    settled: Annotated[StrictInt, Field(ge=0)] = Field(
        0, description="Everything in its journal up to here has been answered for."
    )


def route(db: Database, inside: Inside, clock: Clock, new_id: NewId, own_id: str, blobs: Blobs) -> Route:
    journals = Journals(db, clock, new_id, own_id, blobs)

    async def forward(call: Call) -> Answer:
        sent: Forwarded | None = call.body
        if sent is None:
            raise BadRequest("a body is needed: {gateway_id, epoch, items or entries}")
        gateways.speaks_for(call.caller, sent.gateway_id)
        if sent.entries:
            gateways.require_rows(call.caller)
        require_order(sent.items)
        cells = sent.cells if sent.cells is not None else sorted(call.caller.cells or ())
        for cell in cells:
            call.caller.may_write(cell)
        sender = Sender(sent.gateway_id, sent.epoch, call.caller.cells, sent.settled)
        settled = await db.write(_admit, sender, cells, text(clock.now()))
        entries = await journals.take(sender, sent.entries, settled, call.request_id)
        guard = partial(gateways.require_epoch, gateway_id=sent.gateway_id, epoch=sent.epoch)
        results = ",".join(await Items(db, inside, call, sent.gateway_id, guard).results(sent.items))
        return Answer(200, f'{{"results":[{results}],"entries":{entries}}}')

    result = {"key": {"type": "string"}, "status": {"type": "integer"}, "body": {"type": "object"}}
    results = {"type": "object", "properties": {**result, "replayed": {"type": "boolean"}}}
    refused = {"type": "array", "items": {"type": "object", "properties": result}}
    numbers = {name: {"type": "integer"} for name in ("taken", "replayed", "settled", "epoch")}
    seqs = {"type": "array", "items": {"type": "integer"}, "description": "Of each entry here, 0 if not taken now."}
    follows = {"type": "boolean", "description": "An entry may have a `request_id`."}
    entries = {"type": "object", "properties": {**numbers, "seqs": seqs, "refused": refused, "follows": follows}}
    return Route(
        "POST",
        _SELF,
        forward,
        Scope.OPERATE,
        Cells.CHECKED,
        "Carry out what another gateway has done, call by call",
        Forwarded,
        answers={"results": {"type": "array", "items": results}, "entries": entries},
        body_max_bytes=BODY_MAX_BYTES,
        patient=True,
        strict_method=True,
    )


def _admit(tx: Tx, sender: Sender, cells: Sequence[str], now: str) -> int:
    gateways.admit(tx, sender.gateway_id, sender.epoch, cells, now)
    return settle(tx, sender)
