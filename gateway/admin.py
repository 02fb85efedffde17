"""What the command line can do to a gateway: the same verbs through the socket of a running one and on a stopped one's data.

The socket is `admin.sock` in the data folder, for its owner only: whoever can open it may do everything.
"""

import json
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest, GatewayError, NotFound
from gateway.kernel.ids import NewId, is_uuid
from gateway.outbox import parked
from gateway.outbox.event import Stamp, encode
from gateway.settings import Settings
from gateway.status import Status
from gateway.transfer import commands as transfer
from gateway.web import auth
from gateway.web.auth import Keys, NewKey
from gateway.web.routes import Caller, Scope

SOCKET = "admin.sock"
PATH = "/_admin/"
OK = 200
PATH_MAX_BYTES = 100  # a socket's address holds 108
ANSWER_MAX_S = 15.0  # longer than a slow disk takes
IMPORT_MAX_S = 1800.0
IMPORT_MAX_BYTES = 1024 * 1024 * 1024
CALLER = Caller("admin.sock", "admin socket", Scope.ADMIN)

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Box:
    """What the verbs work on."""

    settings: Settings
    db: Database
    keys: Keys
    clock: Clock
    new_id: NewId
    status: Status


# ------------------------------------------------------------------ the verbs


async def keys_create(box: Box, given: Arguments) -> dict[str, Any]:
    """name, scope, cells (names or ids, or None), operator (id, user name or employee number, or None)."""
    cells = None if given.get("cells") is None else await box.db.read(_cell_ids, tuple(given["cells"]))
    operator = None if given.get("operator") is None else await box.db.read(_operator_id, given["operator"])
    key_id, key = await box.keys.create(NewKey(given["name"], Scope[given["scope"].upper()], cells, operator))
    return {"id": key_id, "name": given["name"], "scope": given["scope"], "cells": cells, "key": key}


async def keys_list(box: Box, _given: Arguments) -> list[dict[str, object]]:
    return await box.db.read(auth.listed)


async def keys_revoke(box: Box, given: Arguments) -> dict[str, Any]:
    await box.keys.load()
    await box.keys.revoke(given["key"])
    return {"revoked": given["key"]}


async def keys_rotate(box: Box, given: Arguments) -> dict[str, Any]:
    """A new key with the rights of the old one, which ends."""
    wanted = given["key"]
    found = [key for key in await box.db.read(auth.listed) if key["active"] and wanted in (key["id"], key["name"])]
    if len(found) != 1:
        raise NotFound(f'{len(found)} active keys are called "{wanted}": `keys list` shows names and ids')
    old: Any = found[0]
    cells = None if old["cells"] is None else tuple(old["cells"])
    key_id, key = await box.keys.create(NewKey(old["name"], Scope[old["scope"].upper()], cells, old["operator_id"]))
    await box.keys.revoke(old["id"])
    return {"id": key_id, "name": old["name"], "scope": old["scope"], "replaces": old["id"], "key": key}


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


async def import_(box: Box, given: Arguments) -> dict[str, Any]:
    """tables: `{"cells": [...], ...}`."""
    stamp = Stamp(box.clock.now(), box.settings.gateway.id, box.new_id)
    return await box.db.write(transfer.bring_in, stamp, transfer.planned(given["tables"]))


VERBS: Mapping[str, Callable[[Box, Any], Awaitable[Any]]] = {
    "keys.create": keys_create,
    "keys.list": keys_list,
    "keys.revoke": keys_revoke,
    "keys.rotate": keys_rotate,
    "status": status,
    "queue.list": queue_list,
    "queue.retry": queue_retry,
    "queue.discard": queue_discard,
    "import": import_,
}


def _cell_ids(connection: Any, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Raises NotFound for a name that no cell has. An id may belong to a cell that is still to come."""
    found = []
    for cell in wanted:
        row = connection.execute("SELECT id FROM cells WHERE id = ?1 OR name = ?1", (cell,)).fetchone()
        if row is None and not is_uuid(cell):
            raise NotFound(f'no cell is called "{cell}": give its id, or import or pull the cells first')
        found.append(row[0] if row else cell.lower())
    return tuple(found)


def _operator_id(connection: Any, wanted: str) -> str:
    row = connection.execute(
        "SELECT id FROM profiles WHERE id = ?1 OR username = ?1 OR employee_id = ?1", (wanted,)
    ).fetchone()
    if row is None:
        raise NotFound(f'no profile has the id, user name or employee number "{wanted}": import the profiles first')
    return str(row[0])


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


def application(app: web.Application, box: Box) -> web.Application:
    """`app` (the API without keys) and the verbs: POST /_admin/<verb> with the arguments as a JSON object."""
    app._client_max_size = IMPORT_MAX_BYTES  # noqa: SLF001 -- aiohttp takes it only when the application is made

    async def handle(request: web.Request) -> web.Response:
        verb = VERBS.get(request.match_info["verb"])
        try:
            if verb is None:
                raise NotFound("this gateway does not know that verb: it is another version than the command")
            given = json.loads(await request.read() or b"{}")
            return web.Response(body=encode(await verb(box, given)).encode(), content_type="application/json")
        except (KeyError, TypeError, ValueError) as exc:
            raise BadRequest(f"the arguments do not fit the verb: {exc!r}") from exc

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
    answers_s = IMPORT_MAX_S if verb == "import" else ANSWER_MAX_S
    try:
        with _short(folder) as short:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(short / SOCKET))) as session,
                session.post(f"http://gateway{PATH}{verb}", data=encode(given), timeout=_within(answers_s)) as answer,
            ):
                told = await answer.json()
    except TimeoutError as exc:
        raise NotRunning(f"it runs, and does not answer within {answers_s:.0f} s") from exc
    except aiohttp.ContentTypeError as exc:
        raise GatewayError("the gateway failed on that: its log says why") from exc
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        raise NotRunning(str(exc)) from exc
    if answer.status != OK:
        raise GatewayError(str(told["error"]["message"]))
    return told


def _within(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds)


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
