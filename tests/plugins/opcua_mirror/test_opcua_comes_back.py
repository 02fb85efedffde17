"""The gateway is restarted, and killed: clients who come back by themselves hear what is new again, and old sessions are over."""

import asyncio
import itertools
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial

import aiohttp
import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from hall import LASER
from opcua_hall import CLIENT_TIMEOUT_S, NAMESPACE, opened, until_async
from program import Program
from scada import scada
from waiting import until

STATUS = f"cell/{LASER}/active/Status"
ANSWER_MAX_S = 30
LIVES = (("start", "in_progress"), ("pause", ""), ("resume", "in_progress"))


class Gateway:
    """A program with the mirror, on the same port in each of its lives."""

    def __init__(self, program: Program) -> None:
        self.program = program
        port = Program.free_port()
        self.url = f"opc.tcp://127.0.0.1:{port}/eryxon"
        program.configure(f'[broker]\nmode = "off"\n[plugins.opcua_mirror]\nenabled = true\nport = {port}\n')
        self._key = program.key()

    async def press(self, verb: str, operation_id: str) -> None:
        headers = {"Authorization": f"Bearer {self._key}"}
        body = {"operation_id": operation_id, "action": verb}
        async with (
            aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(ANSWER_MAX_S)) as session,
            session.post(f"{self.program.url}/api-operation-lifecycle", json=body) as answer,
        ):
            assert answer.status == 200

    async def mirrors(self) -> None:
        async def up() -> bool:
            _, told = await asyncio.to_thread(self.program.get, "/healthz", self._key)
            return json.loads(told)["links"]["plugin:opcua_mirror"]["state"] == "up"

        await until_async(up, "the mirror")


class Ear:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def datachange_notification(self, _node, value, _data):
        self.heard.append(value)


@pytest.fixture
async def floor(tmp_path):
    """Its data folder; the gateway in this process is over."""
    async with opened(tmp_path, enabled=False) as floor:
        floor.trust()
        floor.user("olga")
        floor.operation, _ = await floor.plan()
    return floor


async def test_clients_come_back_after_a_restart_and_after_a_kill(floor, tmp_path):
    gateway, ear = Gateway(Program.at(tmp_path)), Ear()
    ears, tokens = {}, []
    async with AsyncExitStack() as clients:
        for life, (verb, _) in enumerate(LIVES):
            with gateway.program.serving() as process:
                await gateway.mirrors()
                if life == 0:
                    client = await _client(floor, gateway.url, auto_reconnect=True, reconnect_max_delay=0.5)
                    await clients.enter_async_context(client)
                    node = client.get_node(ua.NodeId(STATUS, await client.get_namespace_index(NAMESPACE)))
                    await (await client.create_subscription(50, ear)).subscribe_data_change(node)
                    line = await clients.enter_async_context(scada(floor, tmp_path, url=gateway.url, patient=True))
                    assert "error" not in await line.does("subscribe", path=STATUS)
                    ears = {"asyncua": partial(getattr, ear, "heard"), "node-opcua": partial(getattr, line, "changed")}
                    await _heard(ears, "")
                for token in tokens:
                    await _refused(floor, gateway.url, token)
                await gateway.press(verb, floor.operation)
                await _heard(ears, "", *(value for _, value in LIVES[: life + 1]))
                tokens.append(client.uaclient.protocol.authentication_token)
                if life + 1 < len(LIVES):
                    (process.terminate, process.kill)[life]()
                    await asyncio.to_thread(process.wait)
                else:
                    await clients.aclose()
    assert len(set(tokens)) == len(LIVES)


async def _heard(ears, *wanted: str) -> None:
    """Whoever comes back is told again what stands there: that is no change."""
    for name, heard in ears.items():
        await until(lambda heard=heard: _changes(heard()) == [*wanted], f"{name} to hear {wanted}")


def _changes(values: list[str]) -> list[str]:
    return [value for value, _ in itertools.groupby(values)]


async def _refused(floor, url: str, token: ua.NodeId) -> None:
    """A session of an earlier life is nobody's, also for who knows the password."""
    client = await _client(floor, url)
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        client.uaclient.protocol.authentication_token = token
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await client.nodes.server_state.read_value()
        with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
            await client.activate_session(username="olga", password=floor.passwords["olga"])
    finally:
        client.disconnect_socket()


async def _client(floor, url: str, **more) -> Client:
    own = floor.client.own(datetime.now(UTC))
    client = Client(url, timeout=CLIENT_TIMEOUT_S, **more)
    client.application_uri = own.uri
    await client.set_security(SecurityPolicyBasic256Sha256, floor.client.certificate, floor.client.key)
    client.set_user("olga")
    client.set_password(floor.passwords["olga"])
    return client
