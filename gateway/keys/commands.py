"""Keys are made and ended. The key itself is in one answer only: neither the database nor the receipt has it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from gateway.kernel import trail
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import Invalid, NotFound
from gateway.kernel.ids import NewId
from gateway.kernel.trail import Act
from gateway.keys import store
from gateway.outbox.command import Commands
from gateway.outbox.event import Stamp, encode
from gateway.outbox.receipts import Answer, Receipt
from gateway.web import auth
from gateway.web.auth import Keys, NewKey
from gateway.web.routes import Caller, Scope

HIDDEN = "[redacted]"
SHOWN_ONCE = "Save this API key now: it is not shown again."
SHOWN_BEFORE = (
    "This key was shown in the first answer to this request. When that is lost, end the key and make another."
)
SOURCE = "api"  # on the trail
ENDED = '{"message":"API key deactivated"}'

log = structlog.get_logger(__name__)


class KeyCommands(Commands):
    def __init__(self, keys: Keys, db: Database, clock: Clock, new_id: NewId, origin: str) -> None:
        super().__init__(db, clock, new_id, origin)
        self._keys = keys

    async def create(self, given: Mapping[str, Any], caller: Caller, receipt: Receipt | None) -> Answer:
        """Raises Invalid for a cell or a person that is not there."""
        cells = None if given.get("cells") is None else tuple(given["cells"])
        scope = Scope[given.get("scope", "admin").upper()]  # [U] there a key may do everything
        wanted = NewKey(given["name"], scope, cells, given.get("operator_id"), caller.operator_id)
        key = auth.fresh()
        answer = await self._once(receipt, _create, wanted, key, caller.name)
        await self._keys.load()
        if answer.replayed:
            return answer
        made = {**json.loads(answer.data), "api_key": key, "warning": SHOWN_ONCE}
        log.info("key.created", key_id=made["id"], scope=made["scope"], by=caller.key_id)
        return replace(answer, data=encode(made))

    async def end(self, key_id: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """Also for a key that is not there."""
        answer = await self._once(receipt, _end, key_id, caller.name)
        await self._keys.load()
        log.info("key.ended", key_id=key_id, by=caller.key_id)
        return answer


def _create(tx: Tx, stamp: Stamp, wanted: NewKey, key: str, who: str) -> Answer:
    wanted = replace(wanted, cells=_cells(tx, wanted.cells), operator_id=_operator(tx, wanted.operator_id))
    row_id = stamp.new_id()
    auth.insert(tx, row_id, wanted, key, stamp.text)
    prefix = key[: auth.PREFIX_CHARACTERS]
    told: dict[str, Any] = {
        "id": row_id,
        "name": wanted.name,
        "api_key": HIDDEN,
        "key_prefix": prefix,
        "prefix": prefix,
    }
    told |= {"scope": wanted.scope.name.lower(), "cells": wanted.cells, "operator_id": wanted.operator_id}
    _kept(
        tx,
        stamp,
        Act(who, SOURCE, "keys.create", encode({"id": row_id, "name": wanted.name, "scope": told["scope"]}), 201),
    )
    return Answer(201, encode({**told, "created_at": stamp.text, "warning": SHOWN_BEFORE}))


def _end(tx: Tx, stamp: Stamp, key_id: str, who: str) -> Answer:
    store.end(tx, key_id)
    _kept(tx, stamp, Act(who, SOURCE, "keys.revoke", encode({"which": key_id})))
    return Answer(200, ENDED)


def _kept(tx: Tx, stamp: Stamp, act: Act) -> None:
    """On the trail of the box, in the same transaction."""
    trail.add(tx, stamp.new_id(), stamp.text, act)


def _cells(tx: Tx, wanted: tuple[str, ...] | None) -> tuple[str, ...] | None:
    try:
        return None if wanted is None else store.cell_ids(tx, wanted)
    except NotFound as exc:
        raise _invalid("cells", exc) from exc


def _operator(tx: Tx, wanted: str | None) -> str | None:
    try:
        return None if wanted is None else store.operator_id(tx, wanted)
    except NotFound as exc:
        raise _invalid("operator_id", exc) from exc


def _invalid(field: str, exc: NotFound) -> Invalid:
    detail = {"field": field, "message": exc.message, "constraint": "FK_CONSTRAINT"}
    return Invalid(f"1 validation error(s) in api_key: {exc.message}", [detail])
