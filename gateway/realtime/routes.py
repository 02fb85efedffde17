"""Where clients connect, and where they broadcast without a socket: the paths that Supabase's clients append to its address."""

import asyncio
import socket as sockets
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from gateway.kernel.clock import Clock
from gateway.kernel.errors import BadRequest, GatewayError
from gateway.realtime.codec import V1, VERSIONS
from gateway.realtime.hub import Hub
from gateway.realtime.line import Line
from gateway.realtime.member import Member
from gateway.realtime.rarely import Rarely
from gateway.realtime.session import CLOSE_MAX_S, SILENCE_MAX_S, TOPIC, Credential, Session
from gateway.web import body
from gateway.web.gate import Gate
from gateway.web.incoming import Incoming
from gateway.web.routes import Caller

WEBSOCKET = "/realtime/v1/websocket"
BROADCAST = "/realtime/v1/api/broadcast"
MESSAGE_MAX_BYTES = 1024 * 1024
MESSAGES_MAX = 100  # in one request
SEND_BUFFER_BYTES = 128 * 1024  # that the kernel may hold for one client
BYTES = "application/octet-stream"


class _One(BaseModel):
    topic: str = Field(min_length=1, max_length=200)
    event: str = Field(min_length=1, max_length=200)
    payload: Any = None


class _Several(BaseModel):
    messages: list[_One] = Field(min_length=1, max_length=MESSAGES_MAX)


class Realtime:
    def __init__(self, hub: Hub, gate: Gate, clock: Clock, *, silence_s: float = SILENCE_MAX_S) -> None:
        self._hub = hub
        self._gate = gate
        self._clock = clock
        self._silence_s = silence_s
        self._refused = Rarely("realtime.refused", clock)
        self._not_joined = Rarely("realtime.not_joined", clock)

    def add_to(self, app: web.Application) -> None:
        app.router.add_get(WEBSOCKET, self._connect)
        app.router.add_post(BROADCAST, self._broadcast)
        app.router.add_post(f"{BROADCAST}/{{topic}}/events/{{event}}", self._broadcast_one)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        """Whoever is refused is told so before the upgrade: his client tries again for ever."""
        try:
            credential = await self._credential(request, request.query.get("apikey"))
            version = request.query.get("vsn") or V1
            if version not in VERSIONS:
                raise BadRequest(f'vsn is "{version}": the versions {" and ".join(VERSIONS)} are spoken here')
            self._hub.require_room()
        except GatewayError as exc:
            self._refused.happened(reason=exc.message, address=request.remote or "")
            raise
        socket = web.WebSocketResponse(
            timeout=CLOSE_MAX_S, max_msg_size=MESSAGE_MAX_BYTES, compress=False, autoclose=True
        )
        if not socket.can_prepare(request):
            raise BadRequest("a WebSocket is spoken here: connect with one")
        await socket.prepare(request)
        member = Member(version, Line(_transport(request), request.writer.drain))
        made = (self._hub, member, self._gate, credential, self._clock, self._not_joined)
        await Session(*made, silence_s=self._silence_s).run(socket)
        return socket

    async def _credential(self, request: web.Request, key: str | None) -> Credential:
        """Raises Unauthorized, TooFast, Unavailable."""
        authorization, source = f"Bearer {key or ''}", request.remote or ""
        caller = await self._gate.counted(authorization if key else None, source, {})
        return Credential(authorization, source, caller)

    # ------------------------------------------------------------------ over HTTP

    async def _broadcast(self, request: web.Request) -> web.Response:
        caller = await self._sender(request)
        sent = body.validate(_Several, body.parse(await Incoming(request, MESSAGE_MAX_BYTES).whole()))
        for one in sent.messages:
            self._hub.broadcast(caller.key_id, TOPIC + one.topic, one.event, one.payload)
        return web.Response(status=202)

    async def _broadcast_one(self, request: web.Request) -> web.Response:
        """The body is the payload: JSON, or bytes."""
        caller = await self._sender(request)
        raw = await Incoming(request, MESSAGE_MAX_BYTES).whole()
        payload = raw if request.content_type == BYTES else body.parse(raw)
        topic, event = (request.match_info[name] for name in ("topic", "event"))
        self._hub.broadcast(caller.key_id, TOPIC + topic, event, payload)
        return web.Response(status=202)

    async def _sender(self, request: web.Request) -> Caller:
        """Beside the key clients send the token of a user in the usual header. Raises as `_credential`."""
        if key := request.headers.get("apikey"):
            return (await self._credential(request, key)).caller
        return await self._gate.caller(request, {})


def _transport(request: web.Request) -> asyncio.Transport:
    """Of the connection, which holds back little in the kernel: a client that does not read is noticed soon."""
    transport = request.transport
    assert transport is not None  # nosec B101 # noqa: S101 -- it has just been written to
    if (own := transport.get_extra_info("socket")) is not None:
        own.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, SEND_BUFFER_BYTES)
    return transport
