"""The pages about the gateway itself: `/livez /readyz /healthz /metrics /openapi.json /asyncapi.json /ca.crt /docs`."""

import asyncio
import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import GatewayError, Unavailable
from gateway.web.auth import Keys
from gateway.web.routes import Scope

READY_MAX_S = 2.0  # in which the writer has to prove that it writes
_DOCS = """<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>eryxon-gateway API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"><div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></html>
"""
_START = 'SwaggerUIBundle({ url: "/openapi.json", dom_id: "#ui", deepLinking: true });\n'
_DOCS_FILES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
# Nothing from outside, nothing inline but the style attributes that Swagger UI sets.
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_NO_DOCS = "The API is described in /openapi.json; the page that shows it here is not part of this build.\n"


Scrape = Callable[[str], Awaitable[tuple[bytes, str]]]
Documents = Mapping[str, Callable[[], Mapping[str, Any]]]


class Report(Protocol):
    """How the whole is doing: see gateway/status.py."""

    def brief(self) -> str: ...

    async def full(self) -> dict[str, Any]: ...


class Pages:
    """`documents`: path -> what makes the document when it is first asked for; `vendor` is the folder of the browser files; `ca`
    the certificate that clients on the LAN trust, once it is there; `scrape(accept)` makes what /metrics answers.
    """

    def __init__(
        self, db: Database, keys: Keys, report: Report, scrape: Scrape, documents: Documents, vendor: Path, ca: Path
    ) -> None:
        self._db = db
        self._keys = keys
        self._report = report
        self._scrape = scrape
        self._documents = documents
        self._vendor = vendor
        self._ca = ca
        self._described: dict[str, bytes] = {}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/metrics", self._metrics)
        for path in self._documents:
            app.router.add_get(path, self._document)
        app.router.add_get("/ca.crt", self._certificate)
        app.router.add_get("/docs", self._docs)
        app.router.add_get("/docs/", self._docs)
        app.router.add_get("/docs/{file}", self._docs_file)

    async def _live(self, _request: web.Request) -> web.Response:
        return web.Response(text="live")

    async def _ready(self, _request: web.Request) -> web.Response:
        """Ready means that a durable write is possible now."""
        why = None if self._keys.loaded else "starting"
        return _word(why or await writable(self._db))

    async def _health(self, request: web.Request) -> web.Response:
        if not self._may_read(request):
            return web.json_response({"status": self._report.brief()})
        return web.json_response(await self._report.full(), dumps=_compact)

    async def _metrics(self, request: web.Request) -> web.Response:
        if not self._may_read(request) and not _local(request.remote):
            return web.Response(status=401, text="a key with the scope read is needed from outside this machine\n")
        text, content_type = await self._scrape(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    async def _document(self, request: web.Request) -> web.Response:
        path = request.path
        if path not in self._described:
            self._described[path] = _compact(self._documents[path]()).encode()
        return web.Response(body=self._described[path], content_type="application/json")

    async def _certificate(self, _request: web.Request) -> web.StreamResponse:
        if not self._ca.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(self._ca, headers={"Content-Type": "application/x-x509-ca-cert"})

    async def _docs(self, _request: web.Request) -> web.Response:
        if not all((self._vendor / "swagger-ui" / file).is_file() for file in _DOCS_FILES):
            return web.Response(text=_NO_DOCS)
        return web.Response(text=_DOCS, content_type="text/html", headers=_POLICY)

    async def _docs_file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"]
        if name == "start.js":
            return web.Response(text=_START, content_type="text/javascript")
        file = self._vendor / "swagger-ui" / name
        if name not in _DOCS_FILES or not file.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(file, headers={"Content-Type": _DOCS_FILES[name]})

    def _may_read(self, request: web.Request) -> bool:
        try:
            return self._keys.identify(request.headers.get("Authorization")).scope >= Scope.READ
        except GatewayError:
            return False


async def writable(db: Database) -> str | None:
    """None when a write would be durable now, else one word that says why not."""
    if db.read_only:
        return "read-only"
    if not db.room.has_room:
        return "full"
    try:
        await asyncio.wait_for(db.write(_nothing), READY_MAX_S)
    except TimeoutError:
        return "slow"
    except (Unavailable, GatewayError):
        return "unavailable"
    return None


def _nothing(_tx: Tx) -> None:
    """Goes through the writer's queue and a transaction like any other write."""


def _local(remote: str | None) -> bool:
    """From this machine: loopback, or the socket in the data folder."""
    if not remote:
        return True
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _word(why: str | None) -> web.Response:
    return web.Response(text=why or "ready", status=503 if why else 200, headers={"Cache-Control": "no-store"})


_compact: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
