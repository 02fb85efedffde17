"""The broker for machines without Mosquitto: amqtt, in our own process. MQTT 3.1.1, no message expiry."""

import asyncio
import contextlib
import logging
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import structlog

from gateway.kernel.errors import Unavailable
from gateway.uns.door import Door

CONNECTIONS_MAX = 100
LEAVE_MAX_S = 1.0
END_MAX_S = 2.0
_PLUGINS = "gateway.uns.embedded_door."

log = structlog.get_logger(__name__)


class _Connections:
    """Knows who is connected: at its end amqtt forgets connections that are just coming or going."""

    def __init__(self, serve: Callable[..., Awaitable[None]]) -> None:
        self._serve = serve
        self._inside: dict[asyncio.Task[Any] | None, asyncio.StreamWriter] = {}

    async def enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str) -> None:
        me = asyncio.current_task()
        self._inside[me] = writer
        try:
            await self._serve(reader, writer, listener_name)
        finally:
            writer.close()
            del self._inside[me]

    def cut(self, peer: tuple[str, int] | None) -> None:
        for writer in self._inside.values():
            if writer.get_extra_info("peername") == peer:
                writer.transport.abort()

    async def clear(self) -> None:
        left = [task for task in self._inside if task]
        for writer in self._inside.values():
            writer.transport.abort()
        if left:
            await asyncio.wait(left, timeout=LEAVE_MAX_S)


class _Steady(dict[str, list[Any]]):
    """Subscriptions that may change while somebody goes through them: else that message would reach nobody more."""

    def __iter__(self) -> Iterator[str]:
        return iter([*super().keys()])

    def items(self) -> Any:
        return [(topic, [*subscribers]) for topic, subscribers in super().items()]


def _only_what_was_asked_for(broker: Any) -> None:
    """At a connect amqtt sends what is retained for the subscriptions of all others as well, whoever may read it."""
    send = broker._publish_retained_messages_for_subscription  # noqa: SLF001 -- there is no other place to stop it

    async def send_to_subscribers(subscription: tuple[str, int], session: Any) -> None:
        subscribed = broker._subscriptions.get(subscription[0], ())  # noqa: SLF001 -- as above
        if any(one.client_id == session.client_id for one, _ in subscribed):
            await send(subscription, session)

    broker._publish_retained_messages_for_subscription = send_to_subscribers  # noqa: SLF001 -- as above


@contextlib.asynccontextmanager
async def embedded(door: Door, host: str, port: int) -> AsyncIterator[Callable[[], None]]:
    """Serves while this lasts. Yields what throws out whoever gets in no more.

    Raises Unavailable when the package is missing or the port is taken.
    """
    try:
        from amqtt.broker import Broker  # noqa: PLC0415 -- an extra, and only for this mode
        from amqtt.errors import AMQTTError, BrokerError, MQTTError, ProtocolHandlerError  # noqa: PLC0415 -- an extra, and only for this mode
        from transitions import MachineError  # noqa: PLC0415 -- an extra, and only for this mode; what its states are made with
    except ImportError:
        raise Unavailable(
            'there is no embedded broker in this installation: pip install "eryxon-gateway[all]"'
        ) from None
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)  # it tells of every client that goes
    logging.getLogger("transitions").setLevel(logging.WARNING)
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}", "max_connections": CONNECTIONS_MAX}},
        "plugins": {f"{_PLUGINS}Passwords": {"door": door}, f"{_PLUGINS}Permissions": {"door": door}},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its own words about its own options
        broker = Broker(config)
        inside = _Connections(broker.stream_connected)
        broker.stream_connected = inside.enter
        broker._subscriptions = _Steady()  # noqa: SLF001 -- its own is walked through while others subscribe
        try:
            _only_what_was_asked_for(broker)
            await broker.start()
        except (BrokerError, OSError) as exc:
            raise Unavailable(f"the embedded broker does not start on port {port}: {exc}") from exc

    def throw_out() -> None:
        for session, handler in list(broker.sessions.values()):
            if handler.writer is not None and not door.lets_in(session.username or "", session.password or ""):
                inside.cut(handler.writer.get_peer_info())

    try:
        yield throw_out
    finally:
        try:
            async with asyncio.timeout(END_MAX_S):
                await broker.shutdown()
        except (AMQTTError, BrokerError, MQTTError, ProtocolHandlerError, MachineError, OSError, RuntimeError) as exc:
            # Raised it would take the place of a cancellation, and a broker that was told to end would start again.
            log.warning("broker.end_failed", error=f"{type(exc).__name__}: {exc}")
        finally:
            for listener in broker._servers.values():  # noqa: SLF001 -- or the port would stay taken
                if listener.instance is not None:
                    listener.instance.close()
            await inside.clear()
