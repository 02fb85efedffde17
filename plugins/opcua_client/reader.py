"""Subscribes to the tags of each server. With each connect it begins anew: namespaces are looked up, every tag says its value.

So nothing is lost with a connection: a counter says how far it is, and what it counted meanwhile is the difference.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.subscription import DataChangeEvent, StatusChangeEvent, Subscription
from asyncua.ua.uaerrors import UaError

from gateway.plugin_api import Clock, Context, Parts, Quality, Source, Sources, Unavailable, first
from plugins.opcua_client.certificates import Own, secure
from plugins.opcua_client.settings import NO_SECURITY, Server, Settings, Tag

ALIVE_EVERY_S = 2.0  # a server that says nothing is asked for its state
QUEUE_MAX = 1_000  # changes that wait for us; the oldest go first, counters and states lose nothing by that
ITEM_QUEUE_MAX = 100  # changes of one tag that the server keeps between two publishes
DISCONNECT_MAX_S = 2.0  # less than a plugin has to end
ID_MAX = 200  # characters
COUNTER = "counter/"  # told again it counts nothing
_QUALITIES: Mapping[int, Quality] = {
    0: "good",
    1: "uncertain",
}  # the two highest bits of a status code; anything else is bad


def parts(context: Context[Settings]) -> Parts:
    # What it logs as an error is what we raise, show and try again.
    logging.getLogger("asyncua.client").setLevel(logging.CRITICAL)
    config, own = context.config, Own.of(context.folder)
    sources = Sources(context.machines, context.clock, context.link, retry_max_s=config.retry_max)
    read = {one.device: ([tag.to for tag in one.tag], partial(_read, context.clock, own, one)) for one in config.server}
    return Parts(partial(sources.run, read))


async def _read(clock: Clock, own: Own, server: Server, source: Source) -> None:
    """Never returns. Raises Unavailable."""
    client = Client(server.url, timeout=server.timeout)
    client.name = client.description = "eryxon-gateway"
    client.application_uri = own.uri
    try:
        if server.security != NO_SECURITY:
            await asyncio.to_thread(own.make)
            await secure(client, server, own)
        if server.user:
            client.set_user(server.user)
            client.set_password(server.password.get_secret_value())
        await client.connect()
        try:
            await _follow(clock, client, server, source)
        finally:
            await _leave(client)
    except (UaError, OSError, TimeoutError) as exc:
        raise Unavailable(f"{server.url}: {str(exc) or type(exc).__name__}") from exc


async def _leave(client: Client) -> None:
    with contextlib.suppress(UaError, OSError, TimeoutError):
        async with asyncio.timeout(DISCONNECT_MAX_S):
            await client.disconnect()


async def _follow(clock: Clock, client: Client, server: Server, source: Source) -> None:
    inputs, wrong = _resolved(await client.get_namespace_array(), server.tag)
    subscription = await client.create_subscription(server.publish * 1000, queue_maxsize=QUEUE_MAX)
    nodes = [client.get_node(one) for one in inputs]
    every_ms = ua.Duration(server.publish * 1000)
    made = await subscription.subscribe_data_change(nodes, queuesize=ITEM_QUEUE_MAX, sampling_interval=every_ms)
    wrong += [
        f"{node.to_string()}: {code.name}"
        for node, code in zip(inputs, made, strict=True)
        if isinstance(code, ua.StatusCode)
    ]
    if wrong:
        source.link.degraded("; ".join(wrong))
    else:
        source.link.up()
    await first(_changes(subscription, inputs, source), _alive(clock, client, source))


def _resolved(namespaces: Sequence[str], tags: Sequence[Tag]) -> tuple[dict[ua.NodeId, list[str]], list[str]]:
    """(node -> its inputs, what is wrong). Indexes of namespaces may move with each start of a server."""
    inputs: dict[ua.NodeId, list[str]] = {}
    wrong = []
    for tag in tags:
        text = tag.node
        if text.startswith("nsu="):
            address, _, identifier = text.removeprefix("nsu=").partition(";")
            if address not in namespaces:
                wrong.append(f"{text}: the server has no namespace {address}")
                continue
            text = f"ns={namespaces.index(address)};{identifier}"
        inputs.setdefault(ua.NodeId.from_string(text), []).append(tag.to)
    return inputs, wrong


async def _changes(subscription: Subscription, inputs: Mapping[ua.NodeId, Sequence[str]], source: Source) -> None:
    """Raises Unavailable when the subscription ends."""
    async for event in subscription:
        if isinstance(event, DataChangeEvent):
            value = event.data.monitored_item.Value
            for name in inputs[event.node.nodeid]:
                await _tell(source, name, value)
        elif isinstance(event, StatusChangeEvent):
            raise Unavailable(f"the server ended the subscription: {event.notification.Status.name}")
    raise Unavailable("the subscription has ended")


async def _tell(source: Source, name: str, value: ua.DataValue) -> None:
    stamp: datetime | None = value.SourceTimestamp
    at = None if stamp is None else stamp.replace(tzinfo=stamp.tzinfo or UTC)
    found: Any = None if value.Value is None else value.Value.Value
    code = 0 if value.StatusCode is None else value.StatusCode.value  # a server may leave out what is good
    quality = "bad" if found is None else _QUALITIES.get(code >> 30, "bad")
    await source.tell(name, found, at, quality, None if name.startswith(COUNTER) else _moment(at, found))


def _moment(at: datetime | None, found: Any) -> str | None:
    """With each connect the last value comes again: what counts each time is told apart by the source's own time."""
    return None if at is None else f"{at.isoformat()}={found}"[:ID_MAX]


async def _alive(clock: Clock, client: Client, source: Source) -> None:
    while True:
        await client.nodes.server_state.read_value()
        await source.reached()
        await clock.sleep(ALIVE_EVERY_S)
