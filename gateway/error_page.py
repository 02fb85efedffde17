"""What a gateway shows that does not get up: a plain page with the reason, 503 on every path, until somebody mends it.

It needs nothing that may be broken: no database, no settings, no assets.
"""

import asyncio
import contextlib
import html
import signal
import socket
import time
from collections.abc import Callable
from enum import Enum, auto

import structlog
from aiohttp import web

from gateway import systemd
from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import StartupError, Unavailable
from gateway.kernel.ids import uuid7
from gateway.listening import listen
from gateway.settings import Http
from gateway.web.errors import envelope
from gateway.web.server import runner

LOOK_EVERY_S = 1.0  # at the configuration
SHUTDOWN_S = 1.0
CONNECTIONS_MAX = 100
RETRY_AFTER_S = 30
_UNAVAILABLE = 503
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>The gateway does not start</title>
<h1>The gateway does not start</h1>
<p>On {host}. The reason:</p>
<pre>{why}</pre>
<p>Nothing that was booked is lost. Stations keep what is tapped until the gateway is back.</p>
<p>What to do, on that machine: <code>eryxon-gateway doctor</code> and <code>eryxon-gateway config check</code> say more,
<code>journalctl -u eryxon-gateway</code> has the log. {again}</p></html>
"""
_CHANGE = "It is tried again as soon as the configuration file is changed."
_SOON = "It is tried again every minute, and as soon as the configuration file is changed."

log = structlog.get_logger(__name__)


class End(Enum):
    """Why the page is over."""

    STOPPED = auto()
    CHANGED = auto()
    RETRY = auto()


async def shown(http: Http, why: str, changed: Callable[[], bool], last_s: float | None) -> End:
    """Until SIGTERM or SIGINT, until `changed()`, or for `last_s` seconds: None, only a change can help.

    `why` is told to whoever asks: it holds no secret. A port that is taken does not end it.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    served = runner(_application(why, last_s), shutdown_s=SHUTDOWN_S, connections=CONNECTIONS_MAX)
    await served.setup()
    try:
        try:
            await listen(served, http.host, http.port, None)
            log.error("gateway.not_started", why=why, page=f"http://{http.host}:{http.port}/")
        except StartupError as exc:
            log.error("gateway.not_started", why=why, page=exc.message)  # noqa: TRY400 -- a reason, no traceback
        async with systemd.waiting(f"does not start: {' '.join(why.split())}"):
            return await _end(stopped, changed, last_s)
    finally:
        await served.cleanup()


async def _end(stopped: asyncio.Event, changed: Callable[[], bool], last_s: float | None) -> End:
    began_s = time.monotonic()
    while not stopped.is_set():
        if await asyncio.to_thread(changed):
            return End.CHANGED
        if last_s is not None and time.monotonic() - began_s >= last_s:
            return End.RETRY
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), LOOK_EVERY_S)
    return End.STOPPED


def _application(why: str, last_s: float | None) -> web.Application:
    told = {"host": socket.gethostname(), "why": why, "again": _CHANGE if last_s is None else _SOON}
    page = _PAGE.format(**{name: html.escape(text) for name, text in told.items()})
    new_id = uuid7(SystemClock())

    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="live")

    async def ready(_request: web.Request) -> web.Response:
        return web.Response(text="stopped", status=_UNAVAILABLE, headers=_HEADERS)

    async def anything(request: web.Request) -> web.Response:
        headers = _HEADERS | {"Retry-After": str(RETRY_AFTER_S)}
        if "text/html" in request.headers.get("Accept", ""):
            return web.Response(text=page, content_type="text/html", status=_UNAVAILABLE, headers=headers)
        body = envelope(Unavailable(f"the gateway does not start: {why}"), new_id())
        return web.Response(text=body, content_type="application/json", status=_UNAVAILABLE, headers=headers)

    app = web.Application()
    app.router.add_get("/livez", live)
    app.router.add_get("/readyz", ready)
    app.router.add_route("*", "/{path:.*}", anything)
    return app
