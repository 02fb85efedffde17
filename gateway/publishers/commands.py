"""Publishers are made, changed and deleted. Their passwords are sealed before they come near the database."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.catalog import store
from gateway.catalog.resources import DELETED
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import CellNotAllowed, Conflict
from gateway.kernel.ids import NewId
from gateway.kernel.secrets import Secrets
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, Stamp, row_lane
from gateway.outbox.receipts import Answer, Receipt
from gateway.publishers import rules
from gateway.publishers.model import reader_of
from gateway.publishers.resources import HIDDEN, PUBLISHERS
from gateway.replays import store as replays
from gateway.web.routes import Caller

PUBLISHERS_MAX = 50  # each is a connection and a reader of the journal
Given = Mapping[str, Any]
_MADE: Given = {
    "port": 1883,
    "topic_pattern": rules.PATTERN,
    "default_enterprise": rules.ENTERPRISE,
    "default_site": rules.SITE,
    "default_area": rules.AREA,
    "use_tls": False,
    "active": True,
}


class PublisherCommands(Commands):
    def __init__(self, db: Database, clock: Clock, new_id: NewId, origin: str, box: Secrets) -> None:
        super().__init__(db, clock, new_id, origin)
        self._box = box

    async def create(self, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """It is told what happens from now on. Raises Invalid, Conflict, CellNotAllowed."""
        _check(given, caller)
        row_id = given.get("id") or self._new_id()
        made = {**_MADE, **await self._sealed(given, row_id), "id": row_id, "created_by": caller.operator_id}
        return await self._once(receipt, _create, made)

    async def update(self, row_id: str, given: Given, caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises NotFound, Invalid, CellNotAllowed."""
        _check(given, caller)
        return await self._once(receipt, _update, row_id, await self._sealed(given, row_id))

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """With its log and its place in the journal. Raises NotFound, CellNotAllowed."""
        _check({}, caller)
        return await self._once(receipt, _delete, row_id)

    async def _sealed(self, given: Given, row_id: str) -> dict[str, Any]:
        wanted = {name: value for name, value in given.items() if (name, value) != ("password", HIDDEN)}
        if (password := wanted.get("password")) is not None:
            wanted["password"] = await asyncio.to_thread(self._box.seal, password, about(row_id))
        return wanted


def about(row_id: str) -> str:
    """What a publisher's password is sealed for."""
    return row_lane(PUBLISHERS.table, row_id)


def _check(given: Given, caller: Caller) -> None:
    if caller.cells is not None:
        raise CellNotAllowed("a publisher is told of every cell, this key may write in some only")
    rules.check(given)


def _create(tx: Tx, stamp: Stamp, given: Given) -> Answer:
    if tx.execute("SELECT count(*) FROM mqtt_publishers").fetchone()[0] >= PUBLISHERS_MAX:
        raise Conflict(f"there are {PUBLISHERS_MAX} publishers already: delete one that is not needed any more")
    row = {"created_at": stamp.text, "updated_at": stamp.text, **store.stored(PUBLISHERS, given)}
    _record(tx, stamp, store.insert(tx, PUBLISHERS, row))
    _begin(tx, stamp, row["id"], row["active"])
    return Answer(201, PUBLISHERS.one(store.shown(tx, PUBLISHERS, row["id"])))


def _update(tx: Tx, stamp: Stamp, row_id: str, given: Given) -> Answer:
    before = store.fetch(tx, PUBLISHERS, row_id)
    values = {name: value for name, value in store.stored(PUBLISHERS, given).items() if before[name] != value}
    if values:
        _record(tx, stamp, store.update(tx, PUBLISHERS, row_id, {**values, "updated_at": stamp.text}))
        _begin(tx, stamp, row_id, values.get("active"))
    return Answer(200, PUBLISHERS.one(store.shown(tx, PUBLISHERS, row_id)))


def _begin(tx: Tx, stamp: Stamp, row_id: str, active: int | None) -> None:
    """Once it is switched on for the first time it has a place in the journal, and keeps that while it is off."""
    if active:
        journal.register(tx, reader_of(row_id), stamp.text)


def _delete(tx: Tx, stamp: Stamp, row_id: str) -> Answer:
    old = dict(store.fetch(tx, PUBLISHERS, row_id))
    del old["password"]
    _record(tx, stamp, replace(store.delete(tx, PUBLISHERS, row_id), fields=old))
    journal.unregister(tx, reader_of(row_id))
    replays.abandon(tx, reader_of(row_id), stamp.text)
    return Answer(200, DELETED)


def _record(tx: Tx, stamp: Stamp, change: Change) -> None:
    lane = row_lane(change.table, change.id)
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, (change,))])
