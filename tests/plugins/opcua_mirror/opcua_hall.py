"""A gateway with the OPC UA mirror switched on, a hall with work in it, and clients who come with certificate and password."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from hall import HALL, LASER, SAW
from waiting import WAIT_MAX_S, until

from gateway.app import Gateway, running
from gateway.outbox.event import Stamp
from gateway.plugin_api import Request
from gateway.settings import Settings
from gateway.transfer.commands import bring_in, planned
from gateway.web.routes import Caller, Scope
from plugins.opcua_mirror.pki import Pki
from plugins.opcua_mirror.users import Users

CLIENT_TIMEOUT_S = 30
NAMESPACE = "http://eryxon.dev/UA/gateway/"
JOB_CONTROL = "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/"


@dataclass
class Floor:
    gateway: Gateway
    folder: Path  # of the plugin
    client: Pki  # whose certificate the clients use
    passwords: dict[str, str] = field(default_factory=dict)

    @property
    def link(self):
        return self.gateway.health.link("plugin:opcua_mirror")

    @property
    def url(self) -> str:
        return self.link.facts["url"]

    async def listening(self) -> None:
        """Not before its own report: on a slow machine it is degraded while it starts, as it keeps others waiting."""
        await until(lambda: "url" in self.link.facts and self.link.state in ("up", "degraded"), "the mirror")

    def user(
        self, name: str, role: str = "operator", cells: tuple[str, ...] = (), operator_id: str | None = None
    ) -> None:
        self.passwords[name] = Users(self.folder).add(name, role, cells, operator_id)

    def trust(self) -> None:
        """The clients' certificate."""
        self.client.own(datetime.now(UTC))
        Pki(self.folder).trust(str(self.client.certificate))

    @contextlib.asynccontextmanager
    async def session(self, name: str | None = "olga", password: str | None = None) -> AsyncIterator["Session"]:
        own = self.client.own(datetime.now(UTC))
        client = Client(self.url, timeout=CLIENT_TIMEOUT_S)
        client.application_uri = own.uri
        await client.set_security(SecurityPolicyBasic256Sha256, self.client.certificate, self.client.key)
        if name is not None:
            client.set_user(name)
            client.set_password(password or self.passwords.get(name, ""))
        async with client:
            index = await client.get_namespace_index(NAMESPACE)
            yield Session(client, index)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        outcome = await self.gateway._api.call(Request(method, path, body=body), Caller("test", "test", Scope.ADMIN))
        assert outcome.good, outcome.body
        return json.loads(outcome.body)["data"]

    async def plan(self, number: str = "J-1", cells: tuple[str, ...] = (LASER, SAW), **more: Any) -> list[str]:
        """A job with one part and an operation in each cell; the ids of the operations."""
        steps = [
            {"operation_name": f"Op {n}", "sequence": n, "cell_id": cell, "estimated_time": 30}
            for n, cell in enumerate(cells, 1)
        ]
        part = {"part_number": f"{number}-P", "material": "Steel", "quantity": 5, "cnc_program_name": "NEST_0042"}
        made = await self.ask(
            "POST", "/api-jobs", {"job_number": number, "parts": [{**part, "operations": steps}], **more}
        )
        return [one["id"] for one in made["job"]["parts"][0]["operations"]]

    async def press(self, verb: str, operation_id: str) -> None:
        await self.ask("POST", "/api-operation-lifecycle", {"operation_id": operation_id, "action": verb})


@dataclass
class Session:
    client: Client
    index: int

    def node(self, path: str):
        return self.client.get_node(ua.NodeId(path, self.index))

    async def value(self, path: str) -> Any:
        return await self.node(path).read_value()

    async def becomes(self, path: str, wanted: Any) -> None:
        seen: list[Any] = []

        async def look() -> bool:
            seen.append(await self.value(path))
            return seen[-1] == wanted

        await until_async(look, f"{path} = {wanted!r}")

    async def becomes_there(self, path: str, wanted: Any) -> None:
        """Of a node that may not be there yet."""
        await until_async(lambda: self._is(path, wanted), f"{path} = {wanted!r}")

    async def is_gone(self, path: str) -> None:
        await until_async(lambda: self._is(path, ua.uaerrors.BadNodeIdUnknown), f"the end of {path}")

    async def _is(self, path: str, wanted: Any) -> bool:
        try:
            return await self.value(path) == wanted
        except ua.UaStatusCodeError as exc:
            return wanted is type(exc)

    async def call(self, object_path: str, method: Any, *arguments: ua.Variant) -> ua.CallMethodResult:
        """The whole result; `method`: a NodeId, or a name below the object."""
        wanted = method if isinstance(method, ua.NodeId) else ua.NodeId(f"{object_path}/{method}", self.index)
        request = ua.CallMethodRequest(
            ObjectId=ua.NodeId(object_path, self.index), MethodId=wanted, InputArguments=[*arguments]
        )
        return (await self.client.uaclient.call([request]))[0]


async def until_async(fact, what: str) -> None:
    """Like `until`, for a fact that has to be asked for."""
    try:
        async with asyncio.timeout(WAIT_MAX_S):
            while not await fact():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


@contextlib.asynccontextmanager
async def opened(folder: Path, uns: Any = None, **given: Any) -> AsyncIterator[Floor]:
    """`given`: keys of [plugins.opcua_mirror]."""
    data = folder / "data"
    settings = Settings.model_validate(
        {
            "gateway": {"id": "gw-test", "data_dir": data},
            "http": {"port": 0},
            "broker": {"mode": "off"},
            "uns": uns or {},
            "plugins": {"opcua_mirror": {"enabled": True, "port": 0, **given}},
        }
    )
    own = data / "plugins" / "opcua_mirror"
    async with running(settings) as gateway:
        stamp = Stamp(gateway._clock.now(), "gw-test", gateway._new_id)
        await gateway.db.write(bring_in, stamp, planned(HALL))
        yield Floor(gateway, own, Pki(folder / "client"))
