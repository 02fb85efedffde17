"""A client of the realtime socket that speaks the protocol by hand, in both versions."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from gateway.realtime.codec import V1, V2

HEARD_MAX_S = 30.0
TOPIC = "realtime:screen"
PATH = "/realtime/v1/websocket"


@dataclass(frozen=True)
class Frame:
    join_ref: Any
    ref: Any
    topic: str
    event: str
    payload: Any

    @property
    def change(self) -> Any:
        return self.payload["data"]


@dataclass
class Client:
    """`frames` are kept until somebody asks for one like them."""

    socket: aiohttp.ClientWebSocketResponse
    version: str
    frames: list[Frame] = field(default_factory=list)
    refs: Any = field(default_factory=lambda: itertools.count(1))

    async def say(self, topic: str, event: str, payload: Any, *, join_ref: str | None = None, ref: Any = "") -> str:
        ref = str(next(self.refs)) if ref == "" else ref
        if self.version == V1:
            frame: Any = {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": join_ref}
        else:
            frame = [join_ref, ref, topic, event, payload]
        await self.socket.send_str(json.dumps(frame))
        return ref

    async def hear(self, wanted: Callable[[Frame], bool]) -> Frame:
        """The first that is wanted; those before it are kept."""
        async with asyncio.timeout(HEARD_MAX_S):
            while True:
                for frame in self.frames:
                    if wanted(frame):
                        self.frames.remove(frame)
                        return frame
                self.frames.append(await self._next())

    async def _next(self) -> Frame:
        message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, (message, self.socket.close_code)
        return read(self.version, message.data)

    async def reply(self, ref: str) -> Frame:
        return await self.hear(lambda one: one.ref == ref and one.event == "phx_reply")

    async def join(self, *bindings: dict, topic: str = TOPIC, token: str | None = None, **config: Any) -> Frame:
        """The reply, good or bad."""
        payload: dict[str, Any] = {"config": {"postgres_changes": list(bindings), **config}}
        if token is not None:
            payload["access_token"] = token
        ref = str(next(self.refs))
        await self.say(topic, "phx_join", payload, join_ref=ref, ref=ref)
        return await self.reply(ref)

    async def joined(self, *bindings: dict, topic: str = TOPIC, **more: Any) -> Frame:
        answer = await self.join(*bindings, topic=topic, **more)
        assert answer.payload["status"] == "ok", answer
        return answer

    async def refused(self, *bindings: dict, **more: Any) -> str:
        answer = await self.join(*bindings, **more)
        assert answer.payload["status"] == "error", answer
        return answer.payload["response"]["reason"]

    async def told(self) -> Frame:
        """The next change."""
        return await self.hear(lambda one: one.event == "postgres_changes")

    async def system(self) -> Any:
        return (await self.hear(lambda one: one.event == "system")).payload

    async def nothing_more(self) -> None:
        """What was sent before a heartbeat is answered has come by then."""
        ref = await self.say("phoenix", "heartbeat", {})
        await self.reply(ref)
        assert [one for one in self.frames if one.event != "system"] == []

    async def closed(self) -> int:
        """The code with which the server closed; what it said before is in `frames`."""
        async with asyncio.timeout(HEARD_MAX_S):
            while (message := await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                self.frames.append(read(self.version, message.data))
        return self.socket.close_code


def read(version: str, text: str) -> Frame:
    found = json.loads(text)
    if version == V1:
        assert found.keys() == {"topic", "event", "payload", "ref", "join_ref"}
        return Frame(found["join_ref"], found["ref"], found["topic"], found["event"], found["payload"])
    return Frame(*found)


def changes(table: str | None = "operations", event: str = "*", **more: Any) -> dict:
    """A binding, as a client asks for it."""
    named = {} if table is None else {"table": table}
    return {"event": event, "schema": "public", **named, **more}


@dataclass
class Plaza:
    """The realtime endpoint over a floor's database."""

    floor: Any
    hub: Any
    url: str
    entered: contextlib.AsyncExitStack

    async def client(self, version: str = V2, *, key: str | None = None, **more: Any) -> Client:
        query = {"apikey": key or self.floor.key, "vsn": version}
        connecting = self.floor.session.ws_connect(self.url + PATH, params=query, **more)
        return Client(await self.entered.enter_async_context(connecting), version)

    async def committed(self, done: Awaitable[Any]) -> Any:
        """After this, all that it wrote has been told to everybody."""
        result = await done
        head = await self.hub.head()
        async with asyncio.timeout(HEARD_MAX_S):
            while (self.hub._since or head) < head:
                await asyncio.sleep(0.005)
        return result
