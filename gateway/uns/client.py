"""The one place that speaks MQTT: a connection that counts its PUBACKs. Everybody else knows `Session` and `Message`."""

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import Any, NamedTuple

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.kernel.errors import Unavailable
from gateway.uns.packets import QOS, REFUSED_FROM, Acknowledged, Address, Message, Packet, Will

IN_FLIGHT_MAX = 20  # Mosquitto's own limit for one client
ACK_MAX_S = 10.0
CONNECT_MAX_S = 5.0
KEEPALIVE_S = 20
GOODBYE_MAX_S = 1.0
UNSUPPORTED_VERSION = (0x84, 1)  # MQTT 5's word for it, and 3.1.1's
QUOTA_EXCEEDED = 0x97
UNASKED = (0, "sent without asking for an answer")
TOO_LARGE = 0x95
PACKET_HEAD_BYTES_MAX = 2048  # of a publish, beside its topic and payload: the fixed header and our properties
PROPERTIES_KEPT = 256
UNACKNOWLEDGED_MAX = 256  # messages that a broker may give us before we acknowledge; 3.1.1 has its own number

_quiet = logging.getLogger("gateway.uns.mqtt")  # aiomqtt's own words; what matters is told as Unavailable
_quiet.setLevel(logging.CRITICAL)


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
        return [
            Acknowledged(message, code, reason, came_s - sent_s) for message, sent_s, (code, reason, came_s) in answers
        ]

    async def subscribe(self, topic: str) -> None:
        with _told():
            await self._client.subscribe(topic, qos=QOS)

    async def subscribe_to_others(self, topic: str) -> None:
        """Without what we say ourselves there, and with the flag of what is retained; 3.1.1 can do neither.

        Raises Unavailable, also when the broker refuses.
        """
        options = SubscribeOptions(QOS, noLocal=True, retainAsPublished=True)
        with _told():
            answers = await self._client.subscribe(topic, **({"options": options} if self.mqtt5 else {"qos": QOS}))
        if any(getattr(code, "value", code) >= REFUSED_FROM for code in answers):
            raise Unavailable(f"the broker does not let us subscribe to {topic}: see its ACL (docs/mqtt.md)")

    async def packets(self) -> AsyncGenerator[Packet, None]:
        """Everything that was subscribed to, each to be given to `acknowledge` once it is done: a connection `by_hand`."""
        with _told():
            async for message in self._client.messages:
                yield _packet(message)

    @property
    def dropped(self) -> int:
        """Messages that could not even be taken: a flood without acknowledgements, a topic that is none."""
        return self._client.dropped

    def acknowledge(self, packet: Packet) -> None:
        """The broker forgets it; what was never acknowledged comes again with the next connection."""
        self._client.acknowledge(packet.mid, packet.qos)

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

    def __init__(self, *args: Any, by_hand: bool, allowed: Callable[[str], bool] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._client.manual_ack_set(by_hand)  # here, because queued messages come with the CONNACK
        self.dropped = 0
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
            given = (message.topic, message.payload, message.qos, message.retain)
            info = self._client.publish(*given, _properties(message) if mqtt5 else None)  # type: ignore[arg-type] # see _Packed
        if info.rc:
            slots.release()
            raise ConnectionAbortedError
        if not message.qos:
            slots.release()
            acknowledged.set_result((*UNASKED, self._loop.time()))
            return acknowledged
        self._acks[info.mid] = acknowledged, slots
        return acknowledged

    def acknowledge(self, mid: int, qos: int) -> None:
        """Not in the order in which they came, unlike MQTT wants it: a slow sender holds up nobody else. Brokers take it."""
        self._client.ack(mid, qos)

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        """Called by the library for every message. With QoS 0 nothing slows a sender down: what is too much is dropped."""
        if message.qos == 0 and self._queue.qsize() >= UNACKNOWLEDGED_MAX:
            self.dropped += 1
            return
        try:
            super()._on_message(client, userdata, message)
        except (
            ValueError
        ):  # a topic that no broker should let through; raised it would end the connection, and come again
            self.dropped += 1
            self.acknowledge(message.mid, message.qos)

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
            sock.shutdown(
                socket.SHUT_RDWR
            )  # not closed: the library still says goodbye to it, which must not arrive either
            raise PermissionError(f"{found} is not an allowed target")
        super()._on_socket_open(client, userdata, sock)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self._packet_bytes_max = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, *args: Any) -> None:
        """Whoever waits for a PUBACK now learns that there will be none."""
        super()._on_disconnect(*args)
        if self._disconnected.done():
            self._disconnected.exception()  # nobody may be waiting for this one: then it would be told as a bug
        for acknowledged, slots in self._acks.values():
            slots.release()
            if not acknowledged.done():
                acknowledged.set_exception(ConnectionAbortedError())
                acknowledged.exception()  # nobody may be waiting any more
        self._acks.clear()

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected()

    def abandon(self) -> None:
        """Close what a failed connection has left open."""
        self._client.disconnect()
        self._client._sock_close()  # type: ignore[no-untyped-call,unused-ignore] # noqa: SLF001 -- the library leaves the socket of a connection that nobody answered


@contextlib.asynccontextmanager
async def connected(
    address: Address, identifier: str, *, will: Will | None = None, session_expiry_s: int = 0, by_hand: bool = False
) -> AsyncIterator[Session]:
    """Connect with MQTT 5, with 3.1.1 if the broker knows no better. Raises Unavailable with the broker's reason.

    `by_hand`: what comes is acknowledged by whoever takes it.
    """
    client, mqtt5 = await _connect(address, identifier, will, session_expiry_s, by_hand=by_hand)
    try:
        yield Session(client, mqtt5=mqtt5)
    finally:
        try:
            await client.__aexit__(None, None, None)
        except (aiomqtt.MqttError, OSError):
            client.abandon()


async def _connect(
    address: Address, identifier: str, will: Will | None, expiry_s: int, *, by_hand: bool
) -> tuple[_Client, bool]:
    versions = (True, False) if address.mqtt5 else (False,)
    for mqtt5 in versions:
        client = _client(address, identifier, will, expiry_s, mqtt5=mqtt5, by_hand=by_hand)
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
        if not client.is_connected:  # the library forgets an end that came together with the CONNACK
            client.abandon()
            raise Unavailable(f"the broker at {address.host}:{address.port} ended the connection at once")
        return client, mqtt5
    raise Unavailable(f"the broker at {address.host}:{address.port} speaks neither MQTT 5 nor 3.1.1")


def _client(
    address: Address, identifier: str, will: Will | None, expiry_s: int, *, mqtt5: bool, by_hand: bool
) -> _Client:
    connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # the library has no types here
    connect.SessionExpiryInterval = expiry_s
    connect.ReceiveMaximum = UNACKNOWLEDGED_MAX
    if address.tls is not None:
        address.tls.sslsocket_class = _Closing
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
        by_hand=by_hand,
        **({"clean_start": not expiry_s, "properties": connect} if mqtt5 else {"clean_session": not expiry_s}),
    )


class _Closing(ssl.SSLSocket):
    """The library forgets the socket of a handshake that failed."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 -- as its base has it
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _bytes_of(message: Message) -> int:
    return len(message.topic.encode()) + message.payload_bytes + PACKET_HEAD_BYTES_MAX


class _Packed(NamedTuple):
    """Properties as they go over the line: the library asks for that of them, and for nothing else."""

    wire: bytes

    def pack(self) -> bytes:
        return self.wire


def _properties(message: Message) -> _Packed:
    content = "application/json" if message.payload and isinstance(message.payload, str) else None
    return _made(content, message.expires_s, message.properties, message.correlation)


@functools.lru_cache(PROPERTIES_KEPT)
def _made(
    content: str | None, expires_s: int | None, given: tuple[tuple[str, str], ...], correlation: bytes | None
) -> _Packed:
    """Kept, because the library takes longer to make them than to send the message, and most messages have the same."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # the library has no types here
    if content:
        properties.ContentType = content
    if expires_s is not None:
        properties.MessageExpiryInterval = expires_s
    if given:
        properties.UserProperty = list(given)
    if correlation is not None:
        properties.CorrelationData = correlation
    return _Packed(properties.pack())  # type: ignore[no-untyped-call] # as above


def _packet(message: aiomqtt.Message) -> Packet:
    given = message.properties
    return Packet(
        str(message.topic),
        message.payload,
        message.retain,
        message.qos,
        message.mid,
        getattr(given, "ResponseTopic", None),
        getattr(given, "CorrelationData", None),
        hasattr(given, "MessageExpiryInterval"),
    )


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
