"""What can be chosen, what is limited, and what only time changes; one gateway with everything otherwise than usual."""

import asyncio
import contextlib
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from hall import LASER, SAW
from opcua_hall import CLIENT_TIMEOUT_S, NAMESPACE, Session, opened, until_async
from waiting import until

from gateway.machines.model import Quality, Reading
from plugins.opcua_mirror import mirror, server
from plugins.opcua_mirror.methods import DONE

pytestmark = pytest.mark.asyncio(loop_scope="module")
CONTROL = f"cell/{LASER}/JobOrderControl"
STATES = {"device": "saw-1", "input": "state", "rule": "state_map", "map": {"4": "running"}}
UNS = {"device": [{"id": "saw-1", "cells": ["Saw"]}], "mapping": [STATES]}
CONNECTIONS, SUBSCRIPTIONS = 4, 2
CHOSEN = {"sign": True, "stop_means": "pause", "start_head": True, "job_list_max": 2, "locale": "de"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def floor(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror, "TICK_S", 0.2)
        patch.setattr(mirror, "ENDED_S", 1)
        patch.setattr(mirror, "WARN_DAYS", 6 * 365)
        patch.setattr(mirror, "BEHIND_S", 0.05)
        patch.setattr(mirror, "LOOK_S", 0.05)
        patch.setattr(server, "CONNECTIONS_MAX", CONNECTIONS)
        patch.setattr(server, "SUBSCRIPTIONS_MAX", SUBSCRIPTIONS)
        async with opened(tmp_path_factory.mktemp("opcua"), UNS, **CHOSEN) as floor:
            await floor.listening()
            floor.trust()
            floor.user("olga")
            yield floor


def text(value: str) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.String)


async def test_a_certificate_that_ends_soon_is_told(floor):
    assert "the certificate ends in 18" in floor.link.error  # days
    assert "opcua certs --renew" in floor.link.error


async def test_only_so_many_come_in(floor):
    """Who looks for endpoints first counts twice for a moment."""
    inside = 0
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS + 2):
            with contextlib.suppress(OSError, TimeoutError, ua.UaError):
                await stack.enter_async_context(floor.session())
                inside += 1
        assert CONNECTIONS - 1 <= inside <= CONNECTIONS
    await until(lambda: floor.link.facts.get("sessions") == 0, "that all have gone")


async def test_only_so_many_are_told_of_changes(floor):
    async with floor.session() as session:
        first, _ = [await session.client.create_subscription(50, None) for _ in range(SUBSCRIPTIONS)]
        with pytest.raises(ua.uaerrors.BadTooManySubscriptions):
            await session.client.create_subscription(50, None)
        await first.delete()
        await session.client.create_subscription(50, None)
    await until(lambda: floor.link.facts["subscriptions"] == 0, "that nothing is left")


async def test_signed_only_when_it_is_allowed(floor):
    client = Client(floor.url, timeout=CLIENT_TIMEOUT_S)
    client.application_uri = floor.client.own(floor.gateway._clock.now()).uri
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        floor.client.certificate,
        floor.client.key,
        mode=ua.MessageSecurityMode.Sign,
    )
    client.set_user("olga")
    client.set_password(floor.passwords["olga"])
    async with client:
        session = Session(client, await client.get_namespace_index(NAMESPACE))
        assert await session.value(f"cell/{LASER}/Name") == "Laser"


async def test_the_list_ends_where_it_should_and_stop_pauses(floor):
    orders = [(await floor.plan(f"J-{number}", (LASER,)))[0] for number in range(3)]
    async with floor.session() as session:
        await session.client.load_data_type_definitions()
        await session.becomes(f"cell/{LASER}/QueueLength", 3)

        async def listed() -> list[str]:
            return [one.JobOrder.JobOrderID for one in await session.value(f"{CONTROL}/JobOrderList")]

        await until_async(lambda: _is(listed, orders[:2]), "the first two")
        (first, _) = await session.value(f"{CONTROL}/JobOrderList")
        assert (first.State[0].StateText.Locale, first.JobOrder.Description[0].Locale) == ("de", "de")
        started = await session.call(f"cell/{LASER}/actions", "Start", text(""), text(""))
        assert started.OutputArguments[0].Value is True  # the head of the queue
        comment = ua.Variant([], ua.VariantType.LocalizedText, is_array=True)
        stopped = await session.call(CONTROL, "Stop", text(orders[0]), comment)
        assert stopped.OutputArguments[0].Value == DONE
        assert (await floor.ask("GET", f"/api-operations?id={orders[0]}"))["operation"]["status"] == "on_hold"
        await floor.press("resume", orders[0])
        elapsed = f"cell/{LASER}/active/ElapsedSeconds"
        await until_async(lambda: _more(session, elapsed, 0.0), "that time passes")
        await floor.press("complete", orders[0])
        await until_async(lambda: _is(listed, orders[1:]), "that what has ended goes, and the next comes")


async def test_who_looks_is_told_that_the_picture_is_old(floor):
    """Here after a twentieth of a second, so with every change until it is shown."""
    heard: list = []

    class Ear:
        def datachange_notification(self, _node, value, _data):
            heard.append(value)

    async with floor.session() as session:
        subscription = await session.client.create_subscription(50, Ear())
        await subscription.subscribe_data_change(session.node("gw/status/JournalBehind"), queuesize=10)
        await floor.plan("J-9", (SAW,))
        await until(lambda: heard[-2:] == [True, False], "that it was old, and is not any more")


async def test_no_text_is_ever_null(floor):
    async with floor.session() as session:
        texts = [node for path in ("gw", "cells", "jobs") for node in await _texts(session.node(path))]
        values = [await node.read_data_value(raise_on_bad_status=False) for node in texts]
        known = [one.Value.Value for one in values if not one.StatusCode.is_bad()]  # a machine that is away has none
        assert len(known) > 40
        assert None not in known


async def test_a_machine_of_which_little_is_known_is_uncertain(floor):
    async with floor.session() as session:
        await floor.gateway.machines.online("saw-1", online=True)
        await floor.gateway.machines.take(Reading("saw-1", "state", "4", quality=Quality.UNCERTAIN))
        state = f"cell/{SAW}/machine/saw-1/State"

        async def code() -> int | None:
            try:
                return (await session.node(state).read_data_value(raise_on_bad_status=False)).StatusCode.value
            except ua.uaerrors.BadNodeIdUnknown:
                return None

        await until_async(lambda: _is(code, ua.StatusCodes.UncertainLastUsableValue), "that it is uncertain")


async def test_a_batch_of_nodes_is_told_once(floor):
    heard: list = []

    class Ear:
        def event_notification(self, event):
            heard.append([(one.Affected.Identifier, one.Verb) for one in event.Changes])

    async with floor.session() as session:
        subscription = await session.client.create_subscription(50, Ear())
        kind = ua.NodeId(ua.ObjectIds.GeneralModelChangeEventType)
        await subscription.subscribe_events(evtypes=[kind])
        made = await asyncio.gather(
            *(floor.ask("POST", "/api-cells", {"name": name, "sequence": 9}) for name in ("Paint", "Pack"))
        )
        nodes = {f"cell/{one['cell']['id']}" for one in made}
        for verb in (1, 2):  # they come, they go
            told = lambda of=verb: [node for batch in heard for node, how in batch if how == of and node in nodes]  # noqa: E731 -- as short as it gets
            await until(lambda told=told: len(told()) == len(nodes), f"{nodes} to be told")
            assert set(told()) == nodes
            if verb == 1:
                for one in made:
                    await floor.ask("DELETE", f"/api-cells?id={one['cell']['id']}")


async def _texts(node) -> list:
    found = []
    for child in await node.get_children(refs=ua.ObjectIds.HierarchicalReferences):
        if await child.read_node_class() is ua.NodeClass.Variable:
            if await child.read_data_type() == ua.NodeId(ua.ObjectIds.String):
                found.append(child)
        elif "JobOrder" not in (await child.read_browse_name()).Name:
            found += await _texts(child)
    return found


async def _is(ask, wanted) -> bool:
    return await ask() == wanted


async def _more(session, path: str, than: float) -> bool:
    return await session.value(path) > than
