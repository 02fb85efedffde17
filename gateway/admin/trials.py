"""Does it answer? A cloud or a broker that somebody is about to configure."""

import random
import secrets
from typing import Any

from pydantic import ValidationError

from gateway.admin.box import Arguments, Box
from gateway.cloud.budget import Budget
from gateway.cloud.client import CloudClient
from gateway.cloud.functions import Functions
from gateway.cloud.outcome import Kind
from gateway.kernel.errors import Invalid, Unavailable
from gateway.kernel.secrets import is_sealed, usable
from gateway.settings import Broker, Cloud
from gateway.uns.broker import trusted
from gateway.uns.client import connected
from gateway.uns.packets import Address

CLOUD_MAX_S = 10.0
CELLS_SHOWN_MAX = 500


async def cloud(box: Box, given: Arguments) -> dict[str, Any]:
    """url, api_key (none, or one that is sealed: the one that is set). {ok, error, cells: [{id, name}], clock_offset_s}."""
    kept = box.settings.cloud.api_key.get_secret_value()
    try:
        wanted = Cloud(kind="plain", url=given["url"], api_key=_opened(given.get("api_key"), kept))
    except ValidationError as exc:
        raise Invalid(_words(exc)) from None
    # What comes of it must not count for the link that runs: a budget and functions of its own.
    budget = Budget(box.db, box.clock, random.Random(), None)  # nosec B311 # noqa: S311 -- jitter, no secret
    key = usable(wanted.api_key.get_secret_value(), "cloud.api_key")
    client = CloudClient(wanted.url, key, box.clock, budget, Functions(box.clock), timeout_s=CLOUD_MAX_S)
    async with client.connected():
        outcome = await client.cells_seen_with(key)
    if outcome.kind is not Kind.OK:
        return {"ok": False, "error": outcome.text, "status": outcome.status, "cells": []}
    found = (outcome.data or {}).get("cells") or []
    cells = [{"id": one.get("id"), "name": one.get("name")} for one in found[:CELLS_SHOWN_MAX]]
    offset = client.clock_offset
    return {"ok": True, "error": None, "cells": cells, "clock_offset_s": offset and round(offset.total_seconds(), 1)}


async def broker(box: Box, given: Arguments) -> dict[str, Any]:
    """The keys of [broker] for an external one; a password that is sealed is the one that is set. {ok, error, mqtt5}."""
    kept = box.settings.broker.password.get_secret_value()
    password = given.get("password")
    given = {**given, "password": _opened(password, kept)} if password else given
    try:
        wanted = Broker.model_validate({**given, "mode": "external"})
    except ValidationError as exc:
        raise Invalid(_words(exc)) from None
    user = wanted.username, usable(wanted.password.get_secret_value(), "broker.password")
    try:
        address = Address(wanted.host, wanted.port, *user, tls=trusted(wanted))
        async with connected(address, f"test-{secrets.token_hex(4)}") as session:
            return {"ok": True, "error": None, "mqtt5": session.mqtt5}
    except Unavailable as exc:
        return {"ok": False, "error": exc.message, "mqtt5": None}


def _opened(given: Any, kept: str) -> Any:
    """A command reads the same file, and outside the service it cannot open what is sealed there."""
    return kept if not given or is_sealed(str(given)) else given


def _words(exc: ValidationError) -> str:
    told = [(".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in exc.errors()]
    return "; ".join(f"{where}: {what}" if where else what for where, what in told)
