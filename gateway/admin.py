"""What the command line can do to a gateway: the same verbs through the socket of a running one and on a stopped one's data.

The socket is `admin.sock` in the data folder, for its owner only: whoever can open it may do everything.
"""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from gateway.catalog.routes import wanted
from gateway.conflicts import store as conflicts_
from gateway.conflicts.commands import ConflictCommands
from gateway.conflicts.resources import CONFLICTS
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest, GatewayError, NotFound
from gateway.kernel.ids import NewId
from gateway.keys import store as keys_
from gateway.machines.quarantines import QuarantineCommands
from gateway.machines.registry import machines
from gateway.machines.standing import standing
from gateway.machines.targets import without_operator
from gateway.mcp_keys import store as mcp_
from gateway.mcp_keys.keys import McpKeys
from gateway.mcp_keys.model import NewMcpKey, Usage
from gateway.outbox import parked
from gateway.outbox.event import encode
from gateway.plugin_api import Api, Request
from gateway.settings import Settings
from gateway.status import Status
from gateway.transfer.commands import Imports, laid_down
from gateway.uns import store as uns_
from gateway.uns.door import Door
from gateway.web import auth
from gateway.web.auth import Keys, NewKey
from gateway.web.routes import Caller, Scope

SOCKET = "admin.sock"
PATH = "/_admin/"
OK = 200
PATH_MAX_BYTES = 100  # a socket's address holds 108
ANSWER_MAX_S = 15.0  # longer than a slow disk takes
SILENT_MAX_S = 120.0  # of an export, between two pieces
CHUNK_BYTES = 256 * 1024
CALLER = Caller("admin.sock", "admin socket", Scope.ADMIN)

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Box:
    """What the verbs work on. `api` is made when it is asked for: most verbs need no routes."""

    settings: Settings
    db: Database
    keys: Keys
    clock: Clock
    new_id: NewId
    status: Status
    door: Door
    mcp_keys: McpKeys
    api: Callable[[], Api]


# ------------------------------------------------------------------ the verbs


async def keys_create(box: Box, given: Arguments) -> dict[str, Any]:
    """name, scope, cells (names or ids, or None), operator (id, user name or employee number, or None)."""
    cells = None if given.get("cells") is None else await box.db.read(keys_.cell_ids, tuple(given["cells"]))
    operator = None if given.get("operator") is None else await box.db.read(keys_.operator_id, given["operator"])
    key_id, key = await box.keys.create(
        NewKey(given["name"], Scope[given["scope"].upper()], cells, operator, gateway_id=given.get("gateway"))
    )
    return {"id": key_id, "name": given["name"], "scope": given["scope"], "cells": cells, "key": key}


async def mcp_keys_create(box: Box, given: Arguments) -> dict[str, Any]:
    """name, tools (names or `*`; None: those that only read), rate_limit (calls a minute). Raises Invalid for a tool that there
    is not.
    """
    from gateway import plugin_host  # noqa: PLC0415 -- for the few verbs about plugins

    tools = plugin_host.allowed_tools(given["tools"])
    key_id, key = await box.mcp_keys.create(NewMcpKey(given["name"], tools, given["rate_limit"]))
    told = {"id": key_id, "name": given["name"], "allowed_tools": tools, "rate_limit": given["rate_limit"]}
    return {**told, "key": key}


async def keys_list(box: Box, _given: Arguments) -> list[dict[str, Any]]:
    """Those of the REST API, then those of agents; `kind` is `api` or `mcp`."""
    found = [{"kind": "api", **row} for row in await box.db.read(auth.listed)]
    return found + [{"kind": "mcp", **row} for row in await box.db.read(mcp_.listed)]


async def keys_revoke(box: Box, given: Arguments) -> dict[str, Any]:
    if await box.db.read(mcp_.is_mcp, given["key"]):
        await box.mcp_keys.revoke(given["key"])
    else:
        await box.keys.load()
        await box.keys.revoke(given["key"])
    return {"revoked": given["key"]}


async def keys_rotate(box: Box, given: Arguments) -> dict[str, Any]:
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


async def plugins_list(box: Box, _given: Arguments) -> list[dict[str, Any]]:
    from gateway import plugin_host  # noqa: PLC0415 -- for the few verbs about plugins

    links = (await box.status.full())["links"]
    return plugin_host.listed(box.settings.plugins, links)


async def api_call(box: Box, given: Arguments) -> dict[str, Any]:
    """The fields of a `plugin_api.Request`. What it answers, an error too, is `body`, JSON text."""
    outcome = await box.api().call(Request(**given), CALLER)
    return {"status": outcome.status, "body": outcome.body, "replayed": outcome.replayed}


async def mcp_used(box: Box, given: Arguments) -> dict[str, Any]:
    """The fields of a `plugin_api.Usage`."""
    await box.mcp_keys.used(Usage(**given))
    return {}


async def status(box: Box, _given: Arguments) -> dict[str, Any]:
    return await box.status.full()


async def queue_list(box: Box, given: Arguments) -> list[dict[str, Any]]:
    """reader: of this one only."""
    return await box.db.read(parked.listed, given.get("reader"))


async def queue_retry(box: Box, given: Arguments) -> dict[str, Any]:
    """seqs, or all."""
    return {"retried": await box.db.write(parked.retry, given["reader"], given.get("seqs"))}


async def queue_discard(box: Box, given: Arguments) -> dict[str, Any]:
    """seqs, or all. What is discarded is never sent, and counts as skipped."""
    return {"discarded": await box.db.write(parked.discard, given["reader"], given.get("seqs"))}


async def conflicts_list(box: Box, given: Arguments) -> list[dict[str, Any]]:
    """resolved_too."""
    return await box.db.read(partial(conflicts_.listed, resolved_too=given["resolved_too"]))


async def conflicts_resolve(box: Box, given: Arguments) -> dict[str, Any]:
    """id, resolution: `local` or `cloud`."""
    commands = ConflictCommands(box.db, box.clock, box.new_id, box.settings.gateway.id)
    answer = await commands.resolve(wanted(CONFLICTS, given["id"]), given["resolution"], CALLER, None)
    row: dict[str, Any] = json.loads(answer.data)["conflict"]
    return row


async def uns_check(box: Box, _given: Arguments) -> dict[str, Any]:
    places = await box.db.write(uns_.places)
    nobody = await box.db.read(partial(without_operator, devices=box.settings.uns.device))
    return box.door.resolved(places.values(), nobody)


async def devices_add(box: Box, given: Arguments) -> dict[str, Any]:
    """device. So do the next two."""
    return _admitted(box, given["device"], box.door.add(given["device"]))


async def devices_rotate(box: Box, given: Arguments) -> dict[str, Any]:
    return _admitted(box, given["device"], box.door.rotate(given["device"]))


async def devices_remove(box: Box, given: Arguments) -> dict[str, Any]:
    box.door.remove(given["device"])
    return {"removed": given["device"]}


async def devices_list(box: Box, _given: Arguments) -> list[dict[str, Any]]:
    return box.door.listed()


def _admitted(box: Box, device: str, password: str) -> dict[str, Any]:
    return {"device": device, "password": password, "notes": box.door.notes(device)}


async def machines_list(box: Box, given: Arguments) -> dict[str, Any]:
    """all: also what is acknowledged."""
    known = machines(box.settings.uns)
    commands = QuarantineCommands(box.db, box.clock, box.new_id, box.settings.gateway.id, known)
    stand = [asdict(one) for one in await box.db.read(standing, known)]
    return {"machines": stand, "quarantines": await commands.listed(CALLER, acknowledged_too=given["all"])}


async def machines_acknowledge(box: Box, given: Arguments) -> dict[str, Any]:
    """id."""
    known = machines(box.settings.uns)
    commands = QuarantineCommands(box.db, box.clock, box.new_id, box.settings.gateway.id, known)
    answer = await commands.acknowledge(given["id"], CALLER, None)
    row: dict[str, Any] = json.loads(answer.data)["quarantine"]
    return row


def importing(box: Box, path: Path, name: str, *, dry_run: bool) -> AsyncIterator[dict[str, Any]]:
    """See `Imports.run`."""
    return Imports(box.db, box.clock, box.new_id, box.settings.gateway.id).run(path, name, dry_run=dry_run)


VERBS: Mapping[str, Callable[[Box, Any], Awaitable[Any]]] = {
    "keys.create": keys_create,
    "mcp_keys.create": mcp_keys_create,
    "keys.list": keys_list,
    "keys.revoke": keys_revoke,
    "keys.rotate": keys_rotate,
    "plugins.list": plugins_list,
    "api.call": api_call,
    "mcp.used": mcp_used,
    "status": status,
    "queue.list": queue_list,
    "queue.retry": queue_retry,
    "queue.discard": queue_discard,
    "conflicts.list": conflicts_list,
    "conflicts.resolve": conflicts_resolve,
    "uns.check": uns_check,
    "uns.devices.add": devices_add,
    "uns.devices.rotate": devices_rotate,
    "uns.devices.remove": devices_remove,
    "uns.devices.list": devices_list,
    "machines.list": machines_list,
    "machines.acknowledge": machines_acknowledge,
}


# ------------------------------------------------------------------ the socket, from inside


class LocalKeys(Keys):
    """Nobody who comes through the socket needs a key."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @property
    def loaded(self) -> bool:
        return self._keys.loaded

    def identify(self, authorization: str | None) -> Caller:
        return CALLER if authorization is None else self._keys.identify(authorization)

    async def learn(self, authorization: str, source: str) -> Caller:
        return await self._keys.learn(authorization, source)


def application(app: web.Application, box: Box) -> web.Application:
    """`app` (the API without keys) and the verbs: POST /_admin/<verb> with the arguments as a JSON object.

    POST /_admin/import takes a file and answers in lines of JSON: how far it is, at the end `answer` or `error`.
    """

    async def handle(request: web.Request) -> web.Response:
        verb = VERBS.get(request.match_info["verb"])
        try:
            if verb is None:
                raise NotFound("this gateway does not know that verb: it is another version than the command")
            given = json.loads(await request.read() or b"{}")
            return web.Response(body=encode(await verb(box, given)).encode(), content_type="application/json")
        except (KeyError, TypeError, ValueError) as exc:
            raise BadRequest(f"the arguments do not fit the verb: {exc!r}") from exc

    async def import_(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        try:
            async with laid_down(request.content.iter_chunked(CHUNK_BYTES), box.settings.data_dir) as path:
                async for told in importing(box, path, request.query["name"], dry_run="dry_run" in request.query):
                    await response.write(encode(told).encode() + b"\n")
        except GatewayError as exc:
            await response.write(encode({"error": exc.message}).encode() + b"\n")
        return response

    app.router.add_post(PATH + "import", import_)
    app.router.add_post(PATH + "{verb}", handle)
    return app


async def listen(local: web.AppRunner, folder: Path) -> None:
    """Only the owner of the data folder can connect."""
    with _short(folder) as short:
        path = short / SOCKET
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            await web.UnixSite(local, path).start()
        finally:
            os.umask(before)


class NotRunning(Exception):
    """No gateway serves this data folder."""


async def ask(folder: Path, verb: str, given: Arguments) -> Any:
    """What the running gateway answers. Raises NotRunning, GatewayError."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_MAX_S)
    async with _asked(folder, "POST", PATH + verb, timeout, data=encode(given)) as answer:
        return await _told(answer)


@asynccontextmanager
async def exported(folder: Path, entities: str, format_: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """The pieces of an export. Raises NotRunning, GatewayError."""
    asked = {"entities": entities, "format": format_}
    within = aiohttp.ClientTimeout(total=None, sock_read=SILENT_MAX_S)
    async with _asked(folder, "GET", "/api-export", within, params=asked) as answer:
        if answer.status != OK:
            await _told(answer)
        yield answer.content.iter_chunked(CHUNK_BYTES)


@asynccontextmanager
async def imported(
    folder: Path, chunks: AsyncIterator[bytes], name: str, *, dry_run: bool
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """What `Imports.run` tells. Raises NotRunning before anything is taken from `chunks`, GatewayError."""
    asked = {"name": name, **({"dry_run": "true"} if dry_run else {})}
    async with _asked(
        folder, "POST", PATH + "import", aiohttp.ClientTimeout(total=None), params=asked, data=chunks
    ) as answer:
        yield _lines(answer.content)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    async for line in content:
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise GatewayError(told["error"])
        yield told


@asynccontextmanager
async def _asked(
    folder: Path, method: str, path: str, within: aiohttp.ClientTimeout, **more: Any
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Turns what goes wrong on the way into NotRunning, or GatewayError once it has begun to answer."""
    begun = False
    try:
        with _short(folder) as short:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(short / SOCKET))) as session,
                session.request(method, f"http://gateway{path}", timeout=within, **more) as answer,
            ):
                begun = True
                yield answer
    except TimeoutError as exc:
        raise NotRunning(f"it runs, and does not answer within {within.total or within.sock_read:.0f} s") from exc
    except aiohttp.ContentTypeError as exc:
        raise GatewayError("the gateway failed on that: its log says why") from exc
    except (aiohttp.ClientError, ValueError) as exc:
        if begun:
            raise GatewayError(f"the gateway broke off, its log says why ({exc})") from exc
        raise NotRunning(str(exc)) from exc
    except OSError as exc:
        if begun:  # of whoever asked: a full disk, a pipe that nobody reads
            raise
        raise NotRunning(str(exc)) from exc


async def _told(answer: aiohttp.ClientResponse) -> Any:
    told = await answer.json()
    if answer.status != OK:
        raise GatewayError(str(told["error"]["message"]))
    return told


@contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """A short way to a folder whose own path may be too long for a socket's address."""
    if len(bytes(folder / SOCKET)) <= PATH_MAX_BYTES:
        yield folder
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
