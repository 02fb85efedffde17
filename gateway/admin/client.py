"""The socket, from outside: what the command line asks of a running gateway."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from gateway.admin.box import Arguments
from gateway.admin.socket import CHUNK_BYTES, PATH, SOCKET, NotRunning, short
from gateway.kernel.errors import GatewayError
from gateway.outbox.event import encode

OK = 200
ANSWER_MAX_S = 15.0  # longer than a slow disk takes
# Verbs that read or write everything.
PATIENCE_S = {"backups.create": 7200.0, "backups.verify": 7200.0, "backups.list": 120.0}
SILENT_MAX_S = 120.0  # of an export, between two pieces


async def ask(folder: Path, verb: str, given: Arguments) -> Any:
    """What the running gateway answers. Raises NotRunning, GatewayError."""
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S.get(verb, ANSWER_MAX_S))
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
async def downloaded(folder: Path, name: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """The pieces of a backup. Raises NotRunning, GatewayError."""
    within = aiohttp.ClientTimeout(total=None, sock_read=SILENT_MAX_S)
    async with _asked(folder, "GET", f"{PATH}backups/{name}", within) as answer:
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
        with short(folder) as near:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(near / SOCKET))) as session,
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
