"""One socket: what its client says, and what it is answered. The protocol's rules stand here, the hub knows none of them."""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field

from gateway.hub.entities import sight
from gateway.kernel.clock import Clock
from gateway.kernel.errors import GatewayError, Invalid, Unauthorized, Unavailable
from gateway.realtime import codec, tokens
from gateway.realtime.bindings import SILENT, Asked, Wish, bound
from gateway.realtime.codec import CLOSED, REPLY, SYSTEM, Message, Unreadable
from gateway.realtime.hub import Hub
from gateway.realtime.line import Code
from gateway.realtime.member import Channel, Member
from gateway.realtime.rarely import Rarely
from gateway.web import body
from gateway.web.auth import PREFIXES
from gateway.web.gate import Gate
from gateway.web.routes import Caller

CHANNELS_MAX = 100  # of one socket
BINDINGS_MAX = 100  # of one channel
TOPIC_MAX_BYTES = 255  # its length is one byte
TOPIC = "realtime:"
SILENCE_MAX_S = 75.0  # a client says something every 25 s
UNREADABLE_MAX = 10  # frames within UNREADABLE_WITHIN_S
UNREADABLE_WITHIN_S = 60.0
CLOSE_MAX_S = 2.0  # in which a client may take its leave


class _Wanted(BaseModel):
    event: str
    schema_: str | None = Field(None, alias="schema")
    table: str | None = None
    filter: str | None = None


class _Broadcast(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    ack: bool = False
    self_: bool = Field(False, alias="self")


class _Presence(BaseModel):
    enabled: bool = False


class _Config(BaseModel):
    broadcast: _Broadcast = _Broadcast()
    presence: _Presence = _Presence()
    postgres_changes: list[_Wanted] | None = None


class _Join(BaseModel):
    config: _Config = _Config()
    access_token: str | None = None


class _Token(BaseModel):
    access_token: str | None = None


class _Pushed(BaseModel):
    event: str
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Credential:
    """What the socket was opened with, and from where."""

    authorization: str
    source: str
    caller: Caller


class Session:
    """`silence_s`: of a client, after which nobody is there any more."""

    def __init__(
        self,
        hub: Hub,
        member: Member,
        gate: Gate,
        credential: Credential,
        clock: Clock,
        refusals: Rarely,
        *,
        silence_s: float = SILENCE_MAX_S,
    ) -> None:
        self._hub = hub
        self._member = member
        self._gate = gate
        self._credential = credential
        self._clock = clock
        self._refusals = refusals
        self._silence_s = silence_s
        self._bindings = 0  # so many numbers have been given to bindings
        self._unreadable: deque[float] = deque(maxlen=UNREADABLE_MAX)

    async def run(self, socket: web.WebSocketResponse) -> None:
        """Until one of the two sides has had enough."""
        line = self._member.line
        self._hub.enter(self._member)
        reading, sending = asyncio.ensure_future(self._read(socket)), asyncio.ensure_future(line.pump())
        ends: list[asyncio.Future[Any]] = [reading, sending, line.ended]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            line.end(Code.INTERNAL_ERROR)  # unless it has ended, or the client has gone
            for task in (reading, sending):
                task.cancel()
            await asyncio.gather(reading, sending, return_exceptions=True)
            if line.ended.result() is Code.TRY_AGAIN_LATER:
                self._say_to_all("too slow")
            self._hub.leave(self._member)
            await self._close(socket, line.ended.result())

    async def _close(self, socket: web.WebSocketResponse, code: Code) -> None:
        try:
            async with asyncio.timeout(CLOSE_MAX_S):
                await socket.close(code=code)
        except TimeoutError:
            self._member.line.abort()

    async def _read(self, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                try:
                    heard = await socket.receive(timeout=self._silence_s)
                except TimeoutError:
                    return self._member.line.end(Code.GOING_AWAY)
                if heard.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    return None
                await self._take(heard.data)
                await self._member.line.drained()

    async def _take(self, data: str | bytes) -> None:
        version = self._member.version
        try:
            if isinstance(data, str):
                message = codec.read(version, data)
            elif version == codec.V2:
                message = codec.read_pushed(data)
            else:
                raise Unreadable("bytes, in a protocol of texts")
        except Unreadable:
            now_s = self._clock.monotonic()
            self._unreadable.append(now_s)
            if len(self._unreadable) == UNREADABLE_MAX and now_s - self._unreadable[0] <= UNREADABLE_WITHIN_S:
                self._member.line.end(Code.UNSUPPORTED_DATA)
            return
        await self._heard(message)

    # ------------------------------------------------------------------ what it says

    async def _heard(self, message: Message) -> None:
        if (message.topic, message.event) == ("phoenix", "heartbeat"):
            self._reply(message, {})
            await self._require_key()
        elif message.event == "phx_join":
            await self._join(message)
        elif (channel := self._member.channels.get(message.topic)) is None:
            self._refuse(message, "unmatched topic")
        else:
            await self._in_channel(channel, message)

    async def _in_channel(self, channel: Channel, message: Message) -> None:
        match message.event:
            case "phx_leave":
                self._reply(message, {})
                self._leave(channel)
            case "access_token":
                await self._renewed(channel, message)
            case codec.BROADCAST:
                self._broadcast(channel, message)
            case "presence":
                self._reply(message, {})
            case _:
                self._refuse(message, "unmatched event")

    async def _require_key(self) -> None:
        """One that was revoked meanwhile opens nothing any more."""
        try:
            await self._gate.known(self._credential.authorization, self._credential.source)
        except Unauthorized as exc:
            self._say_to_all(exc.message)
            self._member.line.end(Code.POLICY_VIOLATION)
        except Unavailable:
            pass  # the cloud, whose key it is, cannot be asked now

    async def _join(self, message: Message) -> None:
        """Joined again, a channel is what it is then."""
        if self._member.channels.pop(message.topic, None):
            self._hub.moved(self._member)
        try:
            asked = body.validate(_Join, message.payload)
            channel = await self._channel(message, asked)
        except GatewayError as exc:
            self._refuse(message, exc.message)
            self._refusals.happened(reason=exc.message)
            return
        wanted = asked.config.postgres_changes or []
        self._member.channels[message.topic] = channel
        self._hub.moved(self._member)
        told = [
            {"id": binding.id, **one.model_dump(by_alias=True, exclude_unset=True)}
            for binding, one in zip(channel.wish.bindings, wanted, strict=True)
        ]
        self._reply(message, {"postgres_changes": told})
        if told:
            self._say(channel, SYSTEM, _system(channel, "Subscribed to PostgreSQL", status="ok"))
        if asked.config.presence.enabled:
            self._say(channel, "presence_state", {})

    async def _channel(self, message: Message, asked: _Join) -> Channel:
        """Raises Invalid, Unauthorized, Unavailable."""
        topic, wanted = message.topic, asked.config.postgres_changes or []
        if not topic.startswith(TOPIC) or not len(TOPIC) < len(topic.encode()) <= TOPIC_MAX_BYTES:
            raise Invalid(f"a topic is {TOPIC} and a name, at most {TOPIC_MAX_BYTES} bytes")
        if len(self._member.channels) >= CHANNELS_MAX:
            raise Invalid(f"this socket has {CHANNELS_MAX} channels already: leave some")
        if len(wanted) > BINDINGS_MAX:
            raise Invalid(f"{len(wanted)} bindings are more than the {BINDINGS_MAX} that one channel may have")
        caller = await self._owner(asked.access_token)
        seen = sight(caller)
        known = [Asked(one.event, one.schema_, one.table, one.filter) for one in wanted]
        bindings = tuple(bound(self._bindings + place, one, seen) for place, one in enumerate(known, 1))
        self._bindings += len(bindings)
        config = asked.config.broadcast
        wish = Wish(topic, bindings, caller.cells)
        since = await self._hub.head() if bindings else 0
        return Channel(topic, message.join_ref, wish, since, config.self_, config.ack)

    async def _owner(self, token: str | None) -> Caller:
        """Whose rights a channel has. Raises Unauthorized, Unavailable."""
        if not token:
            return self._credential.caller
        if token.startswith(PREFIXES):
            return await self._gate.known(f"Bearer {token}", self._credential.source)
        tokens.require_valid(token, self._clock.now())
        return self._credential.caller

    async def _renewed(self, channel: Channel, message: Message) -> None:
        """A token that is good is not answered; another key than before may see less."""
        try:
            caller = await self._owner(body.validate(_Token, message.payload).access_token)
            if not channel.wish.tables <= {*sight(caller).resources, *SILENT}:
                raise Unauthorized("the key that was sent as the access token may not read what was joined")
        except GatewayError as exc:
            self._say(channel, SYSTEM, _system(channel, exc.message))
            self._leave(channel)
            return
        if caller.cells != channel.wish.cells:
            wish = replace(channel.wish, cells=caller.cells)
            self._member.channels[channel.topic] = replace(channel, wish=wish)
            self._hub.moved(self._member)

    def _broadcast(self, channel: Channel, message: Message) -> None:
        try:
            pushed = body.validate(_Pushed, message.payload)
            beside = None if channel.hears_itself else self._member
            key_id = self._credential.caller.key_id
            self._hub.broadcast(key_id, channel.topic, pushed.event, pushed.payload, beside)
        except GatewayError as exc:
            if channel.acknowledged:
                self._refuse(message, exc.message)
            else:
                self._say(channel, SYSTEM, _system(channel, exc.message, extension="broadcast"))
            return
        if channel.acknowledged:
            self._reply(message, {})

    # ------------------------------------------------------------------ what it is told

    def _reply(self, message: Message, response: Any, status: str = "ok") -> None:
        payload = {"status": status, "response": response}
        self._answer(Message(message.topic, REPLY, payload, message.ref, message.join_ref))

    def _refuse(self, message: Message, reason: str) -> None:
        """Who does not number what he says expects no answer."""
        if message.ref is not None:
            self._reply(message, {"reason": reason}, "error")

    def _leave(self, channel: Channel) -> None:
        del self._member.channels[channel.topic]
        self._hub.moved(self._member)
        self._answer(Message(channel.topic, CLOSED, {}, channel.join_ref, channel.join_ref))

    def _say(self, channel: Channel, event: str, payload: Any) -> None:
        self._answer(Message(channel.topic, event, payload, None, channel.join_ref))

    def _say_to_all(self, why: str) -> None:
        for channel in self._member.channels.values():
            self._say(channel, SYSTEM, _system(channel, why))

    def _answer(self, message: Message) -> None:
        self._member.line.answer(codec.written(self._member.version, message))


def _system(channel: Channel, message: str, *, status: str = "error", extension: str = codec.CHANGES) -> dict[str, str]:
    return {"message": message, "status": status, "extension": extension, "channel": channel.name}
