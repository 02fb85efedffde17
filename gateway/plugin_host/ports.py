"""What the host gives to plugins: the REST API without HTTP, and who comes to call tools. See `plugin_api`."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import structlog

from gateway.kernel.errors import Busy, NotFound, Unauthorized
from gateway.kernel.following import current, followed, sane
from gateway.kernel.ids import NewId
from gateway.mcp_keys.keys import McpKeys
from gateway.mcp_keys.model import PREFIXES, Agent, Usage
from gateway.plugin_api import Request
from gateway.web import errors
from gateway.web.fields import Field, fields
from gateway.web.gate import Gate
from gateway.web.inside import BASE, Inner, Inside, Outcome
from gateway.web.routes import Caller, Route, Scope

log = structlog.get_logger(__name__)

SPACE = "plugin:{}"  # of the receipts: a key of one caller is none of another's


class LocalApi:
    """On the routes of this process, which are put together when they are first asked for."""

    def __init__(self, routes: Callable[[], Iterable[Route]], new_id: NewId, *, request_max_s: float) -> None:
        self._routes = routes
        self._new_id = new_id
        self._request_max_s = request_max_s

    @cached_property
    def _inside(self) -> Inside:
        return Inside(self._routes(), reads=True)

    def fields(self, method: str, path: str) -> Mapping[str, Field]:
        return fields(self._inside.route(method, path))

    async def call(self, request: Request, caller: Caller) -> Outcome:
        request_id = current() or sane(request.key) or self._new_id()
        inner = Inner(
            request.method,
            f"{request.path}?{urlencode(request.query)}" if request.query else request.path,
            request.body,
            request.key or self._new_id(),
            SPACE.format(caller.key_id),
            occurred_at=request.occurred_at,
            fresh=request.key is None,
            upload=(request.upload.content_type, request.upload.body) if request.upload else None,
        )
        held = replace(caller, scope=min(caller.scope, Scope.PLAN))
        try:
            async with asyncio.timeout(None if self._patient(request) else self._request_max_s):
                with followed(request_id):
                    outcome = await self._inside.run(inner, held, request_id)
                    say = log.debug if request.method == "GET" else log.info
                    say("api.called", by=caller.key_id, method=request.method, path=request.path, status=outcome.status)
                    return outcome
        except TimeoutError:
            late = Busy(f"no answer within {self._request_max_s:g} s; a change may still be carried out: look first")
            return Outcome(errors.status_of(late), errors.envelope(late, request_id))

    def _patient(self, request: Request) -> bool:
        """An import takes as long as it takes, as over HTTP."""
        try:
            return self._inside.route(request.method, request.path.removeprefix(BASE).rstrip("/")).patient
        except NotFound:
            return False


async def carried_out(api: LocalApi, caller: Caller, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`: the fields of a request; the answer is that of an outcome: both as they go through the admin socket."""
    return asdict(await api.call(Request(**given), caller))


class LocalAgents:
    """With the keys of this gateway."""

    def __init__(self, keys: McpKeys, gate: Gate) -> None:
        self._keys = keys
        self._gate = gate

    async def identify(self, authorization: str | None, source: str) -> Agent:
        scheme, _, key = (authorization or "").partition(" ")
        if scheme != "Bearer" or not key.strip().startswith(PREFIXES):
            return Agent(await self._gate.counted(authorization, source, {}), None)
        try:
            return self._keys.identify(key.strip())
        except Unauthorized:
            self._gate.failed(source, {})
            raise

    def take(self, agent: Agent) -> None:
        self._keys.take(agent)

    async def used(self, usage: Usage) -> None:
        await self._keys.used(usage)
