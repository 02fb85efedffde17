"""From aiohttp to the library's HTTP transport, which is an ASGI application: one request in, one answer or stream out."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from aiohttp import web

CHUNK_BYTES = 64 * 1024
LOOK_EVERY_S = 0.5  # aiohttp does not tell a handler that its client has gone
LEAVE_MAX_S = 5.0  # in which a stream whose client has gone, or that is ended, lets go

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


async def bridged(
    application: Application, request: web.Request, more: dict[str, Any], ended: asyncio.Event
) -> web.StreamResponse:
    """`more` goes into the scope. When `ended` is set, or the client is gone, the application is told so."""
    exchange = _Exchange(request)
    scope = {**_scope(request), **more}
    task = asyncio.create_task(_run(application, scope, exchange))
    watching = asyncio.create_task(exchange.watch(ended))
    try:
        await asyncio.wait({task, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=LEAVE_MAX_S)
        if task.done():
            await task
    finally:
        for one in (task, watching):
            one.cancel()
        await asyncio.wait({task, watching})
    return await exchange.answer()


async def _run(application: Application, scope: Scope, exchange: "_Exchange") -> None:
    with contextlib.suppress(ConnectionError):  # nobody is there any more
        await application(scope, exchange.receive, exchange.send)


class _Exchange:
    """What the application hears and says."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._heard = False
        self._gone = asyncio.Event()
        self._response: web.StreamResponse | None = None

    async def receive(self) -> Message:
        """The body in pieces, then nothing until the client has gone."""
        if not self._heard:
            chunk = await self._request.content.read(CHUNK_BYTES)
            self._heard = self._request.content.at_eof()
            return {"type": "http.request", "body": chunk, "more_body": not self._heard}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            self._response = web.StreamResponse(status=message["status"])
            for name, value in headers:
                self._response.headers.add(name, value)
            await self._response.prepare(self._request)
        elif self._response is not None:
            if body := message.get("body"):
                await self._response.write(body)
            if not message.get("more_body"):
                await self._response.write_eof()

    async def watch(self, ended: asyncio.Event) -> None:
        """Until the client has gone, or everything ends."""
        while not ended.is_set():
            transport = self._request.transport
            if transport is None or transport.is_closing():
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await ended.wait()
        self._gone.set()

    async def answer(self) -> web.StreamResponse:
        if self._response is None:
            return web.Response(status=503, text="the gateway is stopping\n")
        return self._response


def _scope(request: web.Request) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": f"{request.version.major}.{request.version.minor}",
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path,
        "raw_path": request.rel_url.raw_path.encode(),
        "query_string": request.query_string.encode(),
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": (request.remote or "", 0),
        "server": None,
    }
