"""Webhooks are made, changed and deleted. Their secrets are sealed before they come near the database."""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.catalog import store
from gateway.catalog.resources import DELETED
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import CellNotAllowed, Conflict
from gateway.kernel.ids import NewId
from gateway.kernel.secrets import Secrets
from gateway.outbox import journal, parked
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, Stamp, encode, row_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.replays import store as replays
from gateway.web.routes import Caller
from gateway.webhooks import store as deliveries
from gateway.webhooks.model import reader_of
from gateway.webhooks.resources import HIDDEN, WEBHOOKS
from gateway.webhooks.rules import Targets, check_url

SECRET_BYTES = 32
WEBHOOKS_MAX = 100  # each is a reader of the journal, and has connections
Given = Mapping[str, Any]


class WebhookCommands(Commands):
    def __init__(self, db: Database, clock: Clock, new_id: NewId, origin: str, box: Secrets, targets: Targets) -> None:
        super().__init__(db, clock, new_id, origin)
        self._box = box
        self._targets = targets

    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """It is told what happens from now on. The answer shows the secret, also when the same request is sent again under its key.
        Raises Invalid, Conflict, CellNotAllowed.
        """
        _check(given, caller, self._targets)
        row_id = given.get("id") or self._new_id()
        secret = given.get("secret_key")
        if secret is None or secret == HIDDEN:
            secret = secrets.token_hex(SECRET_BYTES)
        sealed = await self._sealed(secret, row_id)
        answer = await self._once(receipt, _create, {**given, "id": row_id, "secret_key": sealed})
        return await asyncio.to_thread(_shown, self._box, answer)

    async def update(self, row_id: str, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, CellNotAllowed."""
        _check(given, caller, self._targets)
        wanted = {name: value for name, value in given.items() if (name, value) != ("secret_key", HIDDEN)}
        if (secret := wanted.get("secret_key")) is not None:
            wanted["secret_key"] = await self._sealed(secret, row_id)
        return await self._once(receipt, _update, row_id, wanted)

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """With its log, its place in the journal and what it could not be told. Raises NotFound, CellNotAllowed."""
        _check({}, caller, self._targets)
        return await self._once(receipt, _delete, row_id)

    async def retry(self, row_id: str, seqs: Sequence[int] | None, caller: Caller, receipt: Receipt | None) -> Answer:
        """What it could not be told is told again, these or all. Raises NotFound, CellNotAllowed."""
        _check({}, caller, self._targets)
        return await self._once(receipt, _retry, row_id, seqs)

    async def _sealed(self, secret: str, row_id: str) -> str:
        return await asyncio.to_thread(self._box.seal, secret, about(row_id))


def about(row_id: str) -> str:
    """What a webhook's secret is sealed for."""
    return row_lane(WEBHOOKS.table, row_id)


def _check(given: Given, caller: Caller, targets: Targets) -> None:
    if caller.cells is not None:
        raise CellNotAllowed("a webhook is told of every cell, this key may write in some only")
    if "url" in given:
        check_url(given["url"], targets)


def _create(tx: Tx, stamp: Stamp, given: Given) -> Answer:
    if tx.execute("SELECT count(*) FROM webhooks").fetchone()[0] >= WEBHOOKS_MAX:
        raise Conflict(f"there are {WEBHOOKS_MAX} webhooks already: delete one that is not needed any more")
    row = {"created_at": stamp.text, "updated_at": stamp.text, **store.stored(WEBHOOKS, given)}
    _record(tx, stamp, store.insert(tx, WEBHOOKS, row))
    if row.get("active", 1):
        deliveries.begin(tx, row["id"], stamp.text)
    # What is kept with the receipt is sealed; the caller is shown what is inside.
    data = json.loads(store.shown(tx, WEBHOOKS, row["id"]))
    return Answer(201, WEBHOOKS.one(encode({**data, "secret_key": row["secret_key"]})))


def _shown(box: Secrets, answer: Answer) -> Answer:
    row = json.loads(answer.data)[WEBHOOKS.singular[0]]
    secret = box.open(row["secret_key"], about(row["id"]))
    return replace(answer, data=WEBHOOKS.one(encode({**row, "secret_key": secret or HIDDEN})))


def _update(tx: Tx, stamp: Stamp, row_id: str, given: Given) -> Answer:
    before = store.fetch(tx, WEBHOOKS, row_id)
    values = {name: value for name, value in store.stored(WEBHOOKS, given).items() if before[name] != value}
    if values:
        _record(tx, stamp, store.update(tx, WEBHOOKS, row_id, {**values, "updated_at": stamp.text}))
        if values.get("active", before["active"]):
            deliveries.begin(tx, row_id, stamp.text)
    return Answer(200, WEBHOOKS.one(store.shown(tx, WEBHOOKS, row_id)))


def _delete(tx: Tx, stamp: Stamp, row_id: str) -> Answer:
    old = dict(store.fetch(tx, WEBHOOKS, row_id))
    del old["secret_key"]
    _record(tx, stamp, replace(store.delete(tx, WEBHOOKS, row_id), fields=old))
    journal.unregister(tx, reader_of(row_id))
    replays.abandon(tx, reader_of(row_id), stamp.text)
    return Answer(200, DELETED)


def _retry(tx: Tx, _stamp: Stamp, row_id: str, seqs: Sequence[int] | None) -> Answer:
    store.fetch(tx, WEBHOOKS, row_id)
    return Answer(200, encode({"retried": parked.retry(tx, reader_of(row_id), seqs)}))


def _record(tx: Tx, stamp: Stamp, change: Change) -> None:
    lane = row_lane(change.table, change.id)
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, (change,))])
