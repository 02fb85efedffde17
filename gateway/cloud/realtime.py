"""The cloud's realtime socket, as the service user hears it: its activity log has grown, so read that now.

It wakes and does nothing else: nothing that it says is believed, what it misses is found by the next reading, and without it
everything comes a few seconds later. The protocol is Phoenix's, version 1.0.0: a JSON object for each frame.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import structlog

from gateway.cloud.client import CloudClient
from gateway.cloud.feed import LOG, TABLES
from gateway.cloud.functions import DOWN, REALTIME, UP, Functions
from gateway.cloud.session import Session
from gateway.kernel.clock import Clock
from gateway.kernel.errors import Unavailable
from gateway.kernel.health import Link

HEARTBEAT_S = 25.0  # and so long for an answer to the last one
NEWS_EVERY_S = 1.0  # our own work makes entries as well: while there are more and more of them
NEWS_EVERY_MAX_S = 10.0  # we are woken less and less often
TOPIC = "realtime:gateway"
PATH = "realtime/v1/websocket"
JOIN, BEAT = "1", "2"  # the refs of what we ask
_WANTED = {"event": "INSERT", "schema": "public", "table": LOG}

log = structlog.get_logger(__name__)


class Realtime:
    """`news()` is called when the log has grown. The verdict is told as that of a function is."""

    def __init__(
        self,
        client: CloudClient,
        session: Session,
        functions: Functions,
        clock: Clock,
        link: Link,
        news: Callable[[], None],
    ) -> None:
        self._client = client
        self._session = session
        self._functions = functions
        self._clock = clock
        self._link = link
        self._news = news
        self._grown = asyncio.Event()
        self._owed = ""  # what has to be answered before the next heartbeat

    async def run(self) -> None:
        """Listen for ever. Raises Unavailable when there is no socket, or no more."""
        try:
            await self._connected()
        except Unavailable as exc:
            self._functions.judge(REALTIME, DOWN, exc.message)
            raise

    async def _connected(self) -> None:
        token = await self._session.token()
        address = self._session.project / PATH
        query = {"apikey": self._session.anon_key, "vsn": "1.0.0"}
        async with self._client.socket(address, query) as socket:
            await self._join(socket, token)
            doing = [
                asyncio.ensure_future(one) for one in (self._listen(socket), self._beat(socket, token), self._pass_on())
            ]
            try:
                done, _ = await asyncio.wait(doing, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()  # they only end by raising
            finally:
                for one in doing:
                    one.cancel()
                await asyncio.gather(*doing, return_exceptions=True)

    async def _join(self, socket: aiohttp.ClientWebSocketResponse, token: str) -> None:
        config = {
            "broadcast": {"ack": False, "self": False},
            "presence": {"key": "", "enabled": False},
            "private": False,
            "postgres_changes": [_WANTED],
        }
        self._owed = JOIN
        await _send(socket, TOPIC, "phx_join", {"config": config, "access_token": token}, JOIN)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._heard(message.data)
        raise Unavailable("the cloud has closed the realtime socket")

    def _heard(self, text: str) -> None:
        """Raises Unavailable: we are not listened to any more."""
        frame = _read(text)
        event, payload = frame.get("event"), frame.get("payload")
        payload = payload if isinstance(payload, dict) else {}
        match event:
            case "phx_reply" if frame.get("ref") == self._owed:
                self._answered(payload)
            case "postgres_changes":
                if _about_what_we_read(payload):
                    self._grown.set()
            case "system" if payload.get("status") == "error":
                self._refused(str(payload.get("message")))
            case "phx_close" | "phx_error":
                self._refused("the channel was closed")

    def _answered(self, payload: dict[str, Any]) -> None:
        if payload.get("status") != "ok":
            self._refused(str(payload.get("response")))
        if self._owed == JOIN:
            self._functions.judge(REALTIME, UP)
            if self._link.up():
                log.info("link.up", link=self._link.name)
            self._grown.set()  # what came since the last reading was told to nobody
        self._owed = ""

    def _refused(self, why: str) -> None:
        """It may be the token: the next one is new. Raises Unavailable."""
        self._session.forget()
        raise Unavailable(f"the cloud's realtime does not tell us of its activity log: {why}")

    async def _beat(self, socket: aiohttp.ClientWebSocketResponse, token: str) -> None:
        """Raises Unavailable: it is open, and nobody is there."""
        while True:
            await self._clock.sleep(HEARTBEAT_S)
            if self._owed:
                raise Unavailable("the cloud's realtime does not answer")
            if (renewed := await self._session.token()) != token:
                token = renewed
                await _send(socket, TOPIC, "access_token", {"access_token": token}, None)
            self._owed = BEAT
            await _send(socket, "phoenix", "heartbeat", {}, BEAT)

    async def _pass_on(self) -> None:
        pause_s = NEWS_EVERY_S
        while True:
            await self._grown.wait()
            self._grown.clear()
            self._news()
            await self._clock.sleep(pause_s)
            pause_s = min(NEWS_EVERY_MAX_S, 2 * pause_s) if self._grown.is_set() else NEWS_EVERY_S


async def _send(
    socket: aiohttp.ClientWebSocketResponse, topic: str, event: str, payload: dict[str, Any], ref: str | None
) -> None:
    frame = {"topic": topic, "event": event, "payload": payload, "ref": ref}
    frame["join_ref"] = JOIN if topic == TOPIC else None
    try:
        await socket.send_json(frame)
    except (ConnectionError, aiohttp.ClientError) as exc:
        raise Unavailable(f"the realtime socket broke: {exc}") from exc


def _read(text: str) -> dict[str, Any]:
    """One frame; one that cannot be read says nothing."""
    try:
        frame = json.loads(text)
    except ValueError:
        return {}
    return frame if isinstance(frame, dict) else {}


def _about_what_we_read(payload: dict[str, Any]) -> bool:
    """[U] each request of a key makes an entry of its own, about the company: noise. A record that was too large is cut."""
    data = payload.get("data")
    record = data.get("record") if isinstance(data, dict) else None
    kind = record.get("entity_type") if isinstance(record, dict) else None
    return not isinstance(kind, str) or kind in TABLES
