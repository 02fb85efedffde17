"""HTTP to the cloud: sends one request, says what came of it. Never repeats anything by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from yarl import URL

from gateway.cloud.budget import Budget
from gateway.cloud.functions import Functions
from gateway.cloud.outcome import Kind, Outcome, classify, stored, unanswered, unreached
from gateway.kernel.clock import Clock
from gateway.kernel.errors import Unavailable
from gateway.kernel.following import HEADER, current
from gateway.kernel.secrets import kept_back

ANSWER_MAX_BYTES = 32 * 1024 * 1024
LIFECYCLE_TIMEOUT_S = 45.0  # the cloud waits for its webhooks before it answers
PAGE_MAX = 1000
CONNECTIONS_MAX = 8
KEY_TIMEOUT_S = 5.0  # somebody waits for it
FRAME_MAX_BYTES = 4 * 1024 * 1024  # of a socket: a change with both images of its row
SOCKET_CLOSE_S = 2.0  # nobody waits longer for the other side's goodbye
SLOWEST_BYTES_PER_S = 32 * 1024  # of a line on which an upload is given the time that it takes

ENDPOINTS = {
    "jobs": "api-jobs",
    "parts": "api-parts",
    "operations": "api-operations",
    "cells": "api-cells",
    "resources": "api-resources",
    "scrap_reasons": "api-scrap-reasons",
    "time_entries": "api-time-entries",
    "operation_quantities": "api-operation-quantities",
    "issues": "api-issues",
    "substeps": "api-substeps",
    "assignments": "api-assignments",
    "substep_templates": "api-templates",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes for the cloud; each call of `chunks` reads them from the beginning, and so may whoever sends them."""

    content_type: str
    size_bytes: int
    chunks: Callable[[], AsyncIterator[bytes]]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.chunks()


Body = Mapping[str, Any] | Upload | None
_BEARER = "Bearer "
_SECRET_HEADERS, _SECRET_FIELDS = ("Authorization", "apikey"), ("password", "refresh_token", "secret_key")


class CloudClient:
    """Open it with `async with client.connected():`. `clock_offset` is the cloud's clock minus ours.

    Nothing is sent while the budget says to wait: the answer is an OUTAGE then, at no cost. Nor to a function that does not
    load: the answer is DOWN then.
    """

    def __init__(
        self, url: str, api_key: str, clock: Clock, budget: Budget, functions: Functions, *, timeout_s: float
    ) -> None:
        self._base = URL(url.rstrip("/") + "/")
        self._headers = {"Authorization": _BEARER + api_key}
        self._clock = clock
        self._budget = budget
        self.functions = functions
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self.clock_offset: timedelta | None = None

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator["CloudClient"]:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
        async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
            self._session = session
            try:
                yield self
            finally:
                self._session = None

    async def create(self, table: str, body: Mapping[str, Any]) -> Outcome:
        return await self._send("POST", ENDPOINTS[table], body=body)

    async def change(self, table: str, row_id: str, body: Mapping[str, Any]) -> Outcome:
        return await self._send("PATCH", ENDPOINTS[table], {"id": row_id}, body)

    async def remove(self, table: str, row_id: str) -> Outcome:
        return await self._send("DELETE", ENDPOINTS[table], {"id": row_id})

    async def lifecycle(self, verb: str, operation_id: str) -> Outcome:
        """Without a user: the cloud would try to write an entry and fail in silence."""
        return await self._send(
            "POST", f"api-operation-lifecycle/{verb}", {"id": operation_id}, timeout_s=LIFECYCLE_TIMEOUT_S
        )

    async def get(self, table: str, row_id: str) -> Outcome:
        return await self._send("GET", ENDPOINTS[table], {"id": row_id})

    async def page(self, table: str, query: Mapping[str, str]) -> Outcome:
        return await self._send("GET", ENDPOINTS[table], query)

    async def call(self, method: str, path: str, query: Mapping[str, str] | None = None, body: Body = None) -> Outcome:
        return await self._send(method, path, query, body)

    async def put(self, address: str, upload: Upload) -> Outcome:
        """To an address that is its own permission: the key stays here."""
        url = URL(address, encoded=True)
        if url.scheme != self._base.scheme:
            return Outcome(Kind.REFUSED, f"it gives out an address for files that is not {self._base.scheme}")
        if self._budget.wait_s() > 0:
            return unreached(self._budget.why)
        self._budget.count()
        outcome = await self._exchange("PUT", url, None, upload, self._timeout_s, {}, stored)
        self._budget.note(outcome)
        return outcome

    async def probe(self, name: str) -> Outcome:
        """Asks a function for one row, also one that is not asked for anything else now."""
        return await self._send("GET", name, {"limit": "1"}, probing=True)

    async def beside(
        self,
        method: str,
        url: URL,
        query: Mapping[str, str],
        body: Body,
        headers: Mapping[str, str],
        understood: Callable[[int, bytes], Outcome],
    ) -> Outcome:
        """Past the functions and without the key: it is not counted over there, and says nothing about key, plan or functions."""
        return await self._exchange(method, url, query, body, self._timeout_s, headers, understood)

    @contextlib.asynccontextmanager
    async def socket(self, url: URL, query: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket, past the functions and without the key as well. Raises Unavailable."""
        if self._session is None:
            raise Unavailable("there is no connection yet")
        timeout = aiohttp.ClientWSTimeout(ws_close=SOCKET_CLOSE_S)
        try:
            async with asyncio.timeout(self._timeout_s):
                socket = await self._session.ws_connect(
                    url, params=query, max_msg_size=FRAME_MAX_BYTES, timeout=timeout
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            told = f"{exc.status} {exc.message}" if isinstance(exc, aiohttp.WSServerHandshakeError) else str(exc)
            raise Unavailable(f"the cloud has no socket for us: {told or type(exc).__name__}") from exc
        try:
            yield socket
        finally:
            await socket.close()

    async def cells_seen_with(self, key: str) -> Outcome:
        """The cells that somebody else's key shows. What comes of it says nothing about our own key or plan."""
        if self._session is None:
            return unreached("there is no connection yet")
        if self._budget.wait_s() > 0:
            return unreached(self._budget.why)
        query = {"limit": str(PAGE_MAX)}
        headers = {"Authorization": _BEARER + key}
        return await self._exchange("GET", self._base / ENDPOINTS["cells"], query, None, KEY_TIMEOUT_S, headers)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Body = None,
        *,
        timeout_s: float | None = None,
        probing: bool = False,
    ) -> Outcome:
        name = path.partition("/")[0]
        if self._budget.wait_s() > 0:
            return unreached(self._budget.why)
        if not probing and (refusal := self.functions.refusal(name)):
            return refusal
        self._budget.count()
        timeout_s = timeout_s or self._timeout_s
        headers = {**self._headers, HEADER: asked} if (asked := current()) else self._headers
        outcome = await self._exchange(method, self._base / path, query, body, timeout_s, headers)
        self._budget.note(outcome)
        self.functions.note(method, name, outcome)
        return outcome

    async def _exchange(
        self,
        method: str,
        url: URL,
        query: Mapping[str, str] | None,
        body: Body,
        timeout_s: float,
        headers: Mapping[str, str],
        understood: Callable[[int, bytes], Outcome] | None = None,
    ) -> Outcome:
        """`understood`: what an answer means that is none of a function's. Its text may be an echo of what was sent: it is kept
        with what is parked, and shown.
        """
        outcome = await self._exchanged(method, url, query, body, timeout_s, headers, understood)
        told = [one.removeprefix(_BEARER) for name, one in headers.items() if name in _SECRET_HEADERS]
        if isinstance(body, Mapping):
            told += [str(body[name]) for name in _SECRET_FIELDS if name in body]
        return replace(outcome, text=kept_back(outcome.text, told))

    async def _exchanged(
        self,
        method: str,
        url: URL,
        query: Mapping[str, str] | None,
        body: Body,
        timeout_s: float,
        headers: Mapping[str, str],
        understood: Callable[[int, bytes], Outcome] | None,
    ) -> Outcome:
        assert self._session is not None, "use it inside `async with client.connected()`"  # nosec B101 # noqa: S101 -- a bug of ours
        sent: dict[str, Any] = {"json": body}
        if isinstance(body, Upload):
            sent = {"data": body}
            timeout_s += body.size_bytes / SLOWEST_BYTES_PER_S
            headers = {**headers, "Content-Type": body.content_type, "Content-Length": str(body.size_bytes)}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.request(
                method,
                url,
                params=query,
                **sent,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                raw = bytearray()
                async for chunk in answer.content.iter_any():
                    raw += chunk
                    if len(raw) > ANSWER_MAX_BYTES:
                        return unanswered(f"an answer of more than {ANSWER_MAX_BYTES} bytes")
                self._set_clock(answer.headers.get("Date"))
                if understood is not None:
                    return understood(answer.status, bytes(raw))
                outcome = classify(method, answer.status, bytes(raw), answer.headers.get("Retry-After"))
                return replace(outcome, status=answer.status)
        except aiohttp.ClientConnectorError as exc:
            return unreached(f"cannot connect: {exc.os_error}")
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as exc:
            return unanswered(f"{type(exc).__name__}: {exc}".rstrip(": "))

    def _set_clock(self, date: str | None) -> None:
        """[U] a Date header has whole seconds: good enough to notice a clock that is off."""
        if date is None:
            return
        with contextlib.suppress(ValueError):
            self.clock_offset = parsedate_to_datetime(date).astimezone(UTC) - self._clock.now()
