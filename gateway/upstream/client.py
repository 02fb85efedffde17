"""HTTP to a hub: one method for each of its functions. Never repeats anything by itself."""

import contextlib
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from gateway.kernel.clock import Clock
from gateway.kernel.errors import (
    BadRequest,
    Conflict,
    CursorExpired,
    EpochFenced,
    GatewayError,
    Invalid,
    NotFound,
    StorageFull,
    TooLarge,
    Unavailable,
)
from gateway.kernel.following import HEADER, current
from gateway.kernel.secrets import kept_back

CONNECTIONS_MAX = 8
ANSWER_MAX_BYTES = 64 * 1024 * 1024
LINE_MAX_BYTES = 16 * 1024 * 1024  # one row of a snapshot
POLL_S = 25  # how long a hub may keep us waiting for a change
SLOWEST_BYTES_PER_S = 32 * 1024  # a line on which a file is still waited for
Chunks = AsyncIterator[bytes]
# What the caller decides about: of any request, and of one about a file.
_EXPECTED = (CursorExpired, EpochFenced, NotFound)
FILE_REFUSALS = (BadRequest, Conflict, Invalid, NotFound, StorageFull, TooLarge)
_FILES = "api-forward/files"


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that goes out piece by piece."""

    size_bytes: int
    chunks: Chunks


class HubClient:
    """Open it with `async with client.connected():`. `clock_offset` is the hub's clock minus ours."""

    def __init__(self, url: str, api_key: str, clock: Clock, *, timeout_s: float) -> None:
        self._base = URL(url.rstrip("/") + "/")
        self._api_key = api_key
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._clock = clock
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self.clock_offset: timedelta | None = None

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator["HubClient"]:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
        session = aiohttp.ClientSession(
            connector=connector, headers=self._headers, trust_env=False, read_bufsize=LINE_MAX_BYTES
        )
        async with session:
            self._session = session
            try:
                yield self
            finally:
                self._session = None

    async def forward(self, body: str) -> dict[str, Any]:
        """What became of the entries. Raises EpochFenced, Unavailable: then nobody knows what was taken."""
        found = await self._ask("POST", "api-forward", body=body)
        entries = found.get("entries")
        if not isinstance(entries, dict):
            raise Unavailable("the hub takes no journals: it is older than this gateway")
        return entries

    async def changes(self, since: int, epoch: int, limit: int, entities: str) -> dict[str, Any]:
        """Its next page, or an empty one after POLL_S. Raises CursorExpired, Unavailable."""
        query = {"since": str(since), "epoch": str(epoch), "limit": str(limit), "wait": str(POLL_S)}
        query["entities"] = entities
        return await self._ask("GET", "api-changes", query, timeout_s=POLL_S + self._timeout_s)

    async def capabilities(self) -> dict[str, Any]:
        """Raises Unavailable, NotFound: no hub."""
        return await self._ask("GET", "api-capabilities")

    async def row(self, function: str, row_id: str) -> dict[str, Any] | None:
        """None: it is not there. Raises Unavailable."""
        try:
            found = await self._ask("GET", function, {"id": row_id})
        except NotFound:
            return None
        return next((value for value in found.values() if isinstance(value, dict) and "id" in value), None)

    async def below(self, function: str, table: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """The rows of a short list. Raises Unavailable."""
        rows = (await self._ask("GET", function, {**query, "limit": "1000"})).get(table)
        return rows if isinstance(rows, list) else []

    async def has_file(self, file_id: str, about: Mapping[str, str]) -> bool:
        """Are its bytes there? `about`: as /api-forward/files wants it. Raises FILE_REFUSALS, Unavailable."""
        return bool((await self._ask("GET", f"{_FILES}/{file_id}", about, expected=FILE_REFUSALS))["here"])

    async def send_file(self, file_id: str, about: Mapping[str, str], size_bytes: int, chunks: Chunks) -> None:
        """Raises FILE_REFUSALS, Unavailable: then nobody knows whether it was taken."""
        timeout_s = self._timeout_s + size_bytes / SLOWEST_BYTES_PER_S
        upload = Upload(size_bytes, chunks)
        await self._ask("PUT", f"{_FILES}/{file_id}", about, body=upload, timeout_s=timeout_s, expected=FILE_REFUSALS)

    def snapshot(self, entities: str) -> AsyncIterator[bytes]:
        """Its lines: a row to a line. Raises Unavailable, also in the middle."""
        return self._lines("api-snapshot", {"entities": entities})

    def returned(self, gateway_id: str, epoch: int, cells: Collection[str] | None) -> AsyncIterator[bytes]:
        """The lines of our own work, in these cells, None: in all. Raises NotFound (an older hub), EpochFenced, Unavailable, also
        in the middle.
        """
        query = {"gateway_id": gateway_id, "epoch": str(epoch)}
        return self._lines("api-forward/rows", query if cells is None else {**query, "cells": ",".join(sorted(cells))})

    async def _lines(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        try:
            async with self._request("GET", path, query, None, None) as answer:
                if answer.status != HTTPStatus.OK:
                    raise _refusal(answer.status, self._kept_back(await _whole(answer)), _EXPECTED)
                async for line in answer.content:
                    yield line
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as exc:
            raise _away(exc) from exc

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: str | Upload | None = None,
        timeout_s: float | None = None,
        expected: Sequence[type[GatewayError]] = _EXPECTED,
    ) -> dict[str, Any]:
        try:
            async with self._request(method, path, query, body, timeout_s or self._timeout_s) as answer:
                raw = await _whole(answer)
                self._set_clock(answer.headers.get("Date"))
                if answer.status != HTTPStatus.OK:
                    raise _refusal(answer.status, self._kept_back(raw), expected)
                found = json.loads(raw)
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as exc:
            raise _away(exc) from exc
        data = found.get("data", found) if isinstance(found, dict) else None
        if not isinstance(data, dict):
            raise Unavailable(f"{path}: not the answer of a hub")
        return data

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: str | Upload | None,
        timeout_s: float | None,
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        assert self._session is not None, "use it inside `async with client.connected()`"  # nosec B101 # noqa: S101 -- a bug of ours
        headers = {HEADER: asked} if (asked := current()) else {}
        sent: dict[str, Any] = {"headers": headers}
        if isinstance(body, Upload):
            headers |= {"Content-Length": str(body.size_bytes), "Content-Type": "application/octet-stream"}
            sent["data"] = body.chunks
        elif body is not None:
            headers["Content-Type"] = "application/json"
            sent["data"] = body.encode()
        return self._session.request(
            method,
            self._base / path,
            params=query,
            **sent,
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_read=timeout_s or self._timeout_s),
            allow_redirects=False,
        )

    def _kept_back(self, raw: bytes) -> bytes:
        """A refusal may be an echo of what was sent, and is kept with what is parked."""
        return kept_back(raw.decode(errors="replace"), (self._api_key,)).encode()

    def _set_clock(self, date: str | None) -> None:
        if date is None:
            return
        with contextlib.suppress(ValueError):
            self.clock_offset = parsedate_to_datetime(date).astimezone(UTC) - self._clock.now()


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    """Raises ValueError."""
    raw = bytearray()
    async for chunk in answer.content.iter_any():
        raw += chunk
        if len(raw) > ANSWER_MAX_BYTES:
            raise ValueError(f"an answer of more than {ANSWER_MAX_BYTES} bytes")
    return bytes(raw)


def _refusal(status: int, raw: bytes, expected: Sequence[type[GatewayError]]) -> GatewayError:
    try:
        error = json.loads(raw)["error"]
        code, message, details = str(error["code"]), str(error["message"]), error.get("details")
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"the hub answered {status} without an envelope: is it one?")
    for known in expected:
        if known.code == code:
            return known(message, details)
    return Unavailable(f"the hub refuses with {status} {code}: {message}")


def _away(exc: BaseException) -> Unavailable:
    if isinstance(exc, aiohttp.ClientConnectorError):
        return Unavailable(f"cannot connect: {exc.os_error}")
    return Unavailable(f"{type(exc).__name__}: {exc}".rstrip(": "))
