"""/api-forward: what another gateway has done, many at a time, once each, in the order of each job tree.

As calls of the REST API, each with its own receipt; or, between gateways, as the entries of its journal.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qs

from pydantic import Field, StrictInt, StrictStr

from gateway.catalog.models import Body, Instant, Uuid
from gateway.files.blobs import Blobs
from gateway.hub import gateways
from gateway.hub.entries import Happened, Sender, settle
from gateway.hub.journals import Journals
from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import BadRequest, Invalid, NotRun
from gateway.kernel.ids import NewId
from gateway.outbox.event import encode
from gateway.outbox.receipts import Answer
from gateway.web import errors
from gateway.web.body import detail
from gateway.web.inside import BASE, Inner, Inside, Outcome
from gateway.web.routes import Call, Cells, Route, Scope

ITEMS_MAX = 500
BODY_MAX_BYTES = 20 * 1024 * 1024
CELLS_MAX = 1_000
EPOCH_MAX = 2**62
_PARENTS = ("operation_id", "part_id", "job_id")
_SELF = "/api-forward"


class Item(Body):
    """One call of the REST API."""

    key: Annotated[StrictStr, Field(pattern=r"^[\x21-\x7e][\x20-\x7e]{0,199}$")] = Field(
        description="Its Idempotency-Key, in the gateway's own space."
    )
    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[StrictStr, Field(pattern=r"^/[\x21-\x7e]{0,2000}$")] = Field(description="With its query.")
    body: dict[str, Any] | None = None
    occurred_at: Instant | None = Field(None, description="For a body that takes it and does not say.")
    depends_on: StrictStr | None = Field(None, description="The key of an item before it.")


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


@dataclass(frozen=True, slots=True)
class _Placed:
    item: Item
    lane: str


def route(db: Database, inside: Inside, clock: Clock, new_id: NewId, own_id: str, blobs: Blobs) -> Route:
    journals = Journals(db, clock, new_id, own_id, blobs)

    async def forward(call: Call) -> Answer:
        sent: Forwarded | None = call.body
        if sent is None:
            raise BadRequest("a body is needed: {gateway_id, epoch, items or entries}")
        gateways.speaks_for(call.caller, sent.gateway_id)
        if sent.entries:
            gateways.require_rows(call.caller)
        _ordered(sent.items)
        cells = sent.cells if sent.cells is not None else sorted(call.caller.cells or ())
        for cell in cells:
            call.caller.may_write(cell)
        sender = Sender(sent.gateway_id, sent.epoch, call.caller.cells, sent.settled)
        settled = await db.write(_admit, sender, cells, text(clock.now()))
        entries = await journals.take(sender, sent.entries, settled, call.request_id)
        placed = await db.read(_placed, sent.items)
        results = ",".join(await _results(call, sent, placed, inside))
        return Answer(200, f'{{"results":[{results}],"entries":{entries}}}')

    result = {"key": {"type": "string"}, "status": {"type": "integer"}, "body": {"type": "object"}}
    results = {"type": "object", "properties": {**result, "replayed": {"type": "boolean"}}}
    refused = {"type": "array", "items": {"type": "object", "properties": result}}
    numbers = {name: {"type": "integer"} for name in ("taken", "replayed", "settled", "epoch")}
    seqs = {"type": "array", "items": {"type": "integer"}, "description": "Of each entry here, 0 if not taken now."}
    entries = {"type": "object", "properties": {**numbers, "seqs": seqs, "refused": refused}}
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


def _ordered(items: Sequence[Item]) -> None:
    """Raises Invalid: a key twice, or a dependency that does not stand before."""
    known: set[str] = set()
    for place, item in enumerate(items):
        if item.key in known:
            wrong = detail(f"items[{place}].key", f'the key "{item.key}" stands there twice', "UNIQUE")
        elif item.depends_on is not None and item.depends_on not in known:
            wrong = detail(f"items[{place}].depends_on", "no item before it has that key", "FK_CONSTRAINT")
        else:
            known.add(item.key)
            continue
        raise Invalid(f"1 validation error(s) in forward: {wrong['message']}", [wrong])


def _placed(connection: sqlite3.Connection, items: Sequence[Item]) -> list[_Placed]:
    """Each with its job tree; what is made further up in the same request is known by its id."""
    lanes: dict[str, str] = {}
    placed = []
    for item in items:
        lane = _lane(connection, item, lanes)
        made = (item.body or {}).get("id")
        if isinstance(made, str):
            lanes[made.lower()] = lane
        placed.append(_Placed(item, lane))
    return placed


def _lane(connection: sqlite3.Connection, item: Item, lanes: Mapping[str, str]) -> str:
    path, _, query = item.path.partition("?")
    function = "/" + path.removeprefix(BASE).lstrip("/").partition("/")[0].replace("-lifecycle", "s")
    values = {name: found[0] for name, found in parse_qs(query).items()}
    values |= {name: value for name, value in (item.body or {}).items() if isinstance(value, str)}
    asked = [(gateways.parent_function(name), values[name].lower()) for name in _PARENTS if name in values]
    if "id" in values:
        asked.insert(0, (function, values["id"].lower()))
    for of, row_id in asked:
        if lane := lanes.get(row_id) or gateways.job_of(connection, of, row_id):
            return lane
    return asked[0][1] if asked else item.key


async def _results(call: Call, sent: Forwarded, placed: Sequence[_Placed], inside: Inside) -> list[str]:
    """In their order: an item is through before the next one begins."""
    stopped: dict[str, str] = {}  # job tree -> the key of what was refused in it
    failed: set[str] = set()
    told = []
    guard = partial(gateways.require_epoch, gateway_id=sent.gateway_id, epoch=sent.epoch)
    for one in placed:
        item = one.item
        before = item.depends_on if item.depends_on in failed else stopped.get(one.lane)
        if before is not None:
            refusal = NotRun(f'not carried out: "{before}" before it was refused', {"refused": before})
            outcome = Outcome(errors.status_of(refusal), errors.envelope(refusal, call.request_id))
        else:
            when = None if item.occurred_at is None else str(item.occurred_at)
            space = f"hub:{sent.gateway_id}"
            inner = Inner(item.method, item.path, item.body, item.key, space, sent.gateway_id, guard, when)
            outcome = await inside.run(inner, call.caller, call.request_id)
        if not outcome.good:
            failed.add(item.key)
            stopped.setdefault(one.lane, item.key)
        replayed = "true" if outcome.replayed else "false"
        head = f'"key":{encode(item.key)},"status":{outcome.status}'
        told.append(f'{{{head},"body":{outcome.body},"replayed":{replayed}}}')
    return told
