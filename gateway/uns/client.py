"""The one place that speaks MQTT: a connection that counts its PUBACKs. Everybody else knows `Session` and `Message`."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.kernel.errors import Unavailable

QOS = 1
IN_FLIGHT_MAX = 20  # Mosquitto's own limit for one client
ACK_MAX_S = 10.0
CONNECT_MAX_S = 5.0
KEEPALIVE_S = 20
GOODBYE_MAX_S = 1.0
REFUSED_FROM = 0x80  # reason codes from here on are failures
UNSUPPORTED_VERSION = (0x84, 1)  # MQTT 5's word for it, and 3.1.1's
QUOTA_EXCEEDED = 0x97
TOO_LARGE = 0x95
PACKET_HEAD_BYTES_MAX = 2048  # of a publish, beside its topic and payload: the fixed header and our properties

_quiet = logging.getLogger("gateway.uns.mqtt")  # aiomqtt's own words; what matters is told as Unavailable
_quiet.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is and as whom to speak to it. `mqtt5` False: it is known to speak 3.1.1 only.

    `allowed` is asked for the address that the connection really leads to, before a word of MQTT is said.
    `credentials`: where people set user and password.
    """

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    mqtt5: bool = True
    tls: ssl.SSLContext | None = None
    allowed: Callable[[str], bool] | None = None
    credentials: str = "see [broker] username and password"


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: str
    retain: bool = False
    expires_s: int | None = None
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says when we are gone without a word."""

    message: Message
    delay_s: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The broker's answer to one message, and how long it took."""

    message: Message
    code: int
    reason: str
    latency_s: float

    @property
    def refused(self) -> bool:
        """The broker took it and threw it away."""
        return self.code >= REFUSED_FROM


_Reply = tuple[int, str, float]  # reason code, in words, when it came


class Cut(Unavailable):
    """The connection went; `unanswered` is the first that the broker had not acknowledged."""

    def __init__(self, unanswered: Message) -> None:
        super().__init__("the connection to the broker is gone")
        self.unanswered = unanswered


class Session:
    """One connection, from CONNACK to its end. Methods raise Unavailable when it is over."""

    def __init__(self, client: "_Client", *, mqtt5: bool) -> None:
        self._client = client
        self.mqtt5 = mqtt5
        self._slots = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def publish(self, messages: Iterable[Message]) -> list[Acknowledged]:
        """Send in order and wait for every PUBACK. Returns what was refused. Raises Cut, Unavailable."""
        return [one for one in await self.acknowledged(messages) if one.refused]

    async def acknowledged(self, messages: Iterable[Message]) -> list[Acknowledged]:
        """The same, IN_FLIGHT_MAX at a time, with the answer to each."""
        loop = asyncio.get_running_loop()
        waiting: list[tuple[Message, float, asyncio.Future[_Reply]]] = []
        try:
            async with asyncio.timeout(None) as limit:
                for message in messages:
                    limit.reschedule(loop.time() + ACK_MAX_S)
                    await self._slots.acquire()
                    waiting.append((message, loop.time(), self._send(message)))
                limit.reschedule(loop.time() + ACK_MAX_S)
                answers = [(message, sent_s, await answer) for message, sent_s, answer in waiting]
        except ConnectionAbortedError:
            lost = (message for message, _, answer in waiting if answer.done() and answer.exception())
            if first_lost := next(lost, None):
                raise Cut(first_lost) from None
            raise Unavailable("the connection to the broker is gone") from None
        except TimeoutError:
            raise Unavailable(f"the broker acknowledged nothing for {ACK_MAX_S:.0f} s: is it overloaded?") from None
        return [Acknowledged(message, code, reason, came_s - sent_s) for message, sent_s, (code, reason, came_s) in answers]

    async def subscribe(self, topic: str) -> None:
        with _told():
            await self._client.subscribe(topic, qos=QOS)

    async def received(self) -> AsyncGenerator[tuple[str, bytes], None]:
        """Topic and payload of what was subscribed to."""
        with _told():
            async for message in self._client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else str(message.payload).encode()
                yield str(message.topic), payload

    async def lost(self) -> None:
        """Returns never; raises Unavailable when the connection is gone."""
        async with contextlib.aclosing(self.received()) as words:
            async for _ in words:
                pass

    def _send(self, message: Message) -> asyncio.Future[_Reply]:
        return self._client.send(message, self._slots, mqtt5=self.mqtt5)


class _Client(aiomqtt.Client):
    """aiomqtt forgets the PUBACK's reason code: a publish that was denied would look like one that arrived."""

    def __init__(self, *args: Any, allowed: Callable[[str], bool] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._allowed = allowed
        self._acks: dict[int, tuple[asyncio.Future[_Reply], asyncio.Semaphore]] = {}
        self._packet_bytes_max: int | None = None  # what the broker takes; a longer packet would end the connection

    def send(self, message: Message, slots: asyncio.Semaphore, *, mqtt5: bool) -> asyncio.Future[_Reply]:
        acknowledged: asyncio.Future[_Reply] = self._loop.create_future()
        if self._packet_bytes_max is not None and _bytes_of(message) > self._packet_bytes_max:
            slots.release()
            told = f"the broker takes {self._packet_bytes_max} bytes at the most"
            acknowledged.set_result((TOO_LARGE, told, self._loop.time()))
            return acknowledged
        with _told():
            info = self._client.publish(
                message.topic, message.payload, QOS, message.retain, _properties(message) if mqtt5 else None
            )
        if info.rc:
            slots.release()
            raise ConnectionAbortedError
        self._acks[info.mid] = acknowledged, slots
        return acknowledged

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        """Called by the library for every PUBACK."""
        if mid in self._acks:
            acknowledged, slots = self._acks.pop(mid)
            slots.release()
            if not acknowledged.done():
                acknowledged.set_result((reason_code.value, str(reason_code), self._loop.time()))
        else:
            super()._on_publish(client, userdata, mid, reason_code, properties)

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        """Called by the library between connecting and the first packet, where a name has led somewhere."""
        if self._allowed is not None and not self._allowed(found := sock.getpeername()[0]):
            sock.close()
            raise PermissionError(f"{found} is not an allowed target")
        super()._on_socket_open(client, userdata, sock)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self._packet_bytes_max = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, *args: Any) -> None:
        """Whoever waits for a PUBACK now learns that there will be none."""
        super()._on_disconnect(*args)
        for acknowledged, slots in self._acks.values():
            slots.release()
            if not acknowledged.done():
                acknowledged.set_exception(ConnectionAbortedError())
                acknowledged.exception()  # nobody may be waiting any more
        self._acks.clear()

    def abandon(self) -> None:
        """Close what a failed connection has left open."""
        self._client.disconnect()
        self._client._sock_close()  # type: ignore[no-untyped-call,unused-ignore] # noqa: SLF001 -- the library leaves the socket of a connection that nobody answered


@contextlib.asynccontextmanager
async def connected(
    address: Address, identifier: str, *, will: Will | None = None, session_expiry_s: int = 0
) -> AsyncIterator[Session]:
    """Connect with MQTT 5, with 3.1.1 if the broker knows no better. Raises Unavailable with the broker's reason."""
    client, mqtt5 = await _connect(address, identifier, will, session_expiry_s)
    try:
        yield Session(client, mqtt5=mqtt5)
    finally:
        try:
            await client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, OSError):
            client.abandon()


async def _connect(address: Address, identifier: str, will: Will | None, expiry_s: int) -> tuple[_Client, bool]:
    versions = (True, False) if address.mqtt5 else (False,)
    for mqtt5 in versions:
        client = _client(address, identifier, will, expiry_s, mqtt5=mqtt5)
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as exc:
            client.abandon()
            if mqtt5 and _code(exc) in UNSUPPORTED_VERSION:
                continue
            raise Unavailable(_refused(address, exc)) from exc
        except asyncio.CancelledError:
            client.abandon()
            raise
        return client, mqtt5
    raise Unavailable(f"the broker at {address.host}:{address.port} speaks neither MQTT 5 nor 3.1.1")


def _client(address: Address, identifier: str, will: Will | None, expiry_s: int, *, mqtt5: bool) -> _Client:
    connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # the library has no types here
    connect.SessionExpiryInterval = expiry_s
    last = None
    if will:
        message = will.message
        last_properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call] # as above
        last_properties.WillDelayInterval = will.delay_s
        last = aiomqtt.Will(message.topic, message.payload, QOS, message.retain, last_properties if mqtt5 else None)
    return _Client(
        address.host,
        address.port,
        username=address.username or None,
        password=address.password or None,
        identifier=identifier,
        protocol=aiomqtt.ProtocolVersion.V5 if mqtt5 else aiomqtt.ProtocolVersion.V311,
        will=last,
        keepalive=KEEPALIVE_S,
        timeout=CONNECT_MAX_S,
        logger=_quiet,
        tls_context=address.tls,
        allowed=address.allowed,
        **({"clean_start": not expiry_s, "properties": connect} if mqtt5 else {"clean_session": not expiry_s}),
    )


def _bytes_of(message: Message) -> int:
    return len(message.topic.encode()) + len(message.payload.encode()) + PACKET_HEAD_BYTES_MAX


def _properties(message: Message) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # the library has no types here
    if message.payload:
        properties.ContentType = "application/json"
    if message.expires_s is not None:
        properties.MessageExpiryInterval = message.expires_s
    if message.properties:
        properties.UserProperty = list(message.properties)
    return properties


def _code(exc: aiomqtt.MqttError) -> int | None:
    code = getattr(exc, "rc", None)
    value = getattr(code, "value", code)
    return value if isinstance(value, int) else None


def _refused(address: Address, exc: aiomqtt.MqttError) -> str:
    where = f"{address.host}:{address.port}"
    if _code(exc) in (0x86, 0x87, 4, 5):
        return f'the broker at {where} does not let "{address.username}" in ({exc}): {address.credentials}'
    return f"the broker at {where} cannot be reached ({exc})"


@contextlib.contextmanager
def _told() -> Any:
    try:
        yield
    except (aiomqtt.MqttError, OSError) as exc:
        raise Unavailable(f"the connection to the broker is gone ({exc})") from exc


async def first(*runs: Awaitable[None]) -> None:
    """Run side by side until one ends, take the others back, and end as it did."""
    tasks: Sequence[asyncio.Future[None]] = [asyncio.ensure_future(run) for run in runs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
