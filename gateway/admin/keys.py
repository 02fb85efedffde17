"""`keys ...`: who may do what."""

from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.kernel.errors import NotFound
from gateway.keys import store
from gateway.mcp_keys import store as mcp_
from gateway.web import auth
from gateway.web.auth import NewKey
from gateway.web.routes import Scope


async def create(box: Box, given: Arguments) -> dict[str, Any]:
    """name, scope, cells (names or ids, or None), operator (id, user name or employee number, or None)."""
    cells = None if given.get("cells") is None else await box.db.read(store.cell_ids, tuple(given["cells"]))
    operator = None if given.get("operator") is None else await box.db.read(store.operator_id, given["operator"])
    key_id, key = await box.keys.create(
        NewKey(given["name"], Scope[given["scope"].upper()], cells, operator, gateway_id=given.get("gateway"))
    )
    return {"id": key_id, "name": given["name"], "scope": given["scope"], "cells": cells, "key": key}


async def listed(box: Box, _given: Arguments) -> list[dict[str, object]]:
    """Those of the REST API, then those of agents; `kind` is `api` or `mcp`."""
    found: list[dict[str, object]] = [{"kind": "api", **row} for row in await box.db.read(auth.listed)]
    return found + [{"kind": "mcp", **row} for row in await box.db.read(mcp_.listed)]


async def revoke(box: Box, given: Arguments) -> dict[str, Any]:
    if await box.db.read(mcp_.is_mcp, given["key"]):
        await box.mcp_keys.revoke(given["key"])
    else:
        await box.keys.load()
        await box.keys.revoke(given["key"])
    return {"revoked": given["key"]}


async def rotate(box: Box, given: Arguments) -> dict[str, Any]:
    """A new key with the rights of the old one, which ends."""
    wanted = given["key"]
    if await box.db.read(mcp_.is_mcp, wanted):
        before = await box.mcp_keys.revoke(wanted)
        key_id, key = await box.mcp_keys.create(before)
        return {"id": key_id, "name": before.name, "allowed_tools": before.tools, "replaces": wanted, "key": key}
    found = [key for key in await box.db.read(auth.listed) if key["active"] and wanted in (key["id"], key["name"])]
    if len(found) != 1:
        raise NotFound(f'{len(found)} active keys are called "{wanted}": `keys list` shows names and ids')
    old: Any = found[0]
    cells = None if old["cells"] is None else tuple(old["cells"])
    key_id, key = await box.keys.create(
        NewKey(old["name"], Scope[old["scope"].upper()], cells, old["operator_id"], gateway_id=old["gateway_id"])
    )
    await box.keys.revoke(old["id"])
    return {"id": key_id, "name": old["name"], "scope": old["scope"], "replaces": old["id"], "key": key}
