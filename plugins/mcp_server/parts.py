"""The plugin put together: `/mcp` over HTTP, and the same server on stdin and stdout."""

import asyncio
import contextlib
import socket
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from gateway.plugin_api import Agent, Context, GatewayError, Mount, Parts, TooFast, Unauthorized, Unavailable
from plugins.mcp_server.bridge import bridged
from plugins.mcp_server.catalogue import TOOLS
from plugins.mcp_server.desk import Desk, Visit
from plugins.mcp_server.server import Ctx, server

PATH = "/mcp"
SESSIONS_MAX = 200
SESSION_IDLE_S = 30 * 60
BODY_MAX_BYTES = 4 * 1024 * 1024
PROGRAM_MAX_CHARACTERS = 200
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_UNAUTHORIZED, _TOO_FAST, _FORBIDDEN, _UNAVAILABLE = -32001, -32029, -32000, -32000


def parts(context: Context[Any], hosts: tuple[str, ...], origins: tuple[str, ...]) -> Parts:
    http = Http(context, frozenset(hosts), frozenset(origins))
    return Parts(http.run, (Mount("*", PATH, http.handle, None),), http.end, http.stdio)


class Http:
    def __init__(self, context: Context[Any], hosts: frozenset[str], origins: frozenset[str]) -> None:
        self._context = context
        self._desk = Desk(TOOLS, context.api, context.agents, context.clock)
        self._hosts = LOOPBACK | hosts | {socket.gethostname().lower(), socket.getfqdn().lower()}
        self._origins = origins
        self._manager: StreamableHTTPSessionManager | None = None
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """For ever. A manager serves once."""
        own = server(self._desk, _visit, self._context.gateway_version)
        manager = StreamableHTTPSessionManager(
            own,
            json_response=True,
            session_idle_timeout=SESSION_IDLE_S,
            max_request_body_size=BODY_MAX_BYTES,
            max_sessions=SESSIONS_MAX,
        )
        try:
            async with manager.run():
                self._manager = manager
                self._context.link.up()
                await asyncio.Event().wait()
        finally:
            self._manager = None

    def end(self) -> None:
        self._ended.set()

    async def stdio(self, agent: Agent) -> None:
        """Until the program on the other side has had enough."""
        own = server(self._desk, lambda _ctx: Visit(agent, program="stdio"), self._context.gateway_version)
        async with stdio_server() as (read, write):
            await own.run(read, write, own.create_initialization_options())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Who is it, and is he one whom this machine is meant to answer? Then the library."""
        if not self._expected(request):
            return _refused(
                403, _FORBIDDEN, "this Host or Origin is not expected here: see allowed_hosts, allowed_origins"
            )
        try:
            agent = await self._context.agents.identify(request.headers.get("Authorization"), request.remote or "")
            if self._manager is None:
                raise Unavailable("the MCP server is starting: try again in a moment")
        except Unauthorized as exc:
            return _refused(401, _UNAUTHORIZED, exc.message, {"WWW-Authenticate": "Bearer"})
        except TooFast as exc:
            return _refused(429, _TOO_FAST, exc.message, {"Retry-After": str(_retry_after_s(exc))})
        except Unavailable as exc:
            return _refused(503, _UNAVAILABLE, exc.message, {"Retry-After": "2"})
        program = request.headers.get("User-Agent", "")[:PROGRAM_MAX_CHARACTERS]
        # The library lets only the user that opened a session use it.
        user = AuthenticatedUser(AccessToken(token="", client_id=agent.caller.key_id, scopes=[]))  # nosec B106 # who it is was asked before; the library wants one
        more = {"user": user, "visit": Visit(agent, request.remote, program)}
        return await bridged(self._manager.handle_request, request, more, self._ended)

    def _expected(self, request: web.Request) -> bool:
        """A page from elsewhere that has found a way to this address (DNS rebinding) is not."""
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins and _host(urlsplit(origin).netloc) != _host(request.host):
            return False
        here = request.transport.get_extra_info("sockname") if request.transport else None
        own = {str(here[0])} if isinstance(here, tuple) else set()
        return _host(request.host) in self._hosts | own or not isinstance(here, tuple)


def _visit(ctx: Ctx) -> Visit:
    """The bridge has put it there."""
    request: Any = ctx.request
    visit: Visit = request.scope["visit"]
    return visit


def _host(text: str) -> str:
    """Without its port."""
    with contextlib.suppress(ValueError):
        return (urlsplit(f"//{text}").hostname or "").lower()
    return ""


def _retry_after_s(exc: GatewayError) -> int:
    return int(exc.details["retryAfter"]) if isinstance(exc.details, dict) else 1


def _refused(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """As the protocol has it, so that clients show the reason."""
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return web.json_response(error, status=status, headers=headers)
