"""A whole gateway in this process, on loopback, over a real database; no broker, no cloud unless a test sets one."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from said import Said

from gateway.app import Gateway, running
from gateway.kernel.clock import ManualClock, SystemClock
from gateway.settings import Settings
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

WAIT_MAX_S = 20


@dataclass
class Box:
    """A gateway that runs, and somebody with an admin key."""

    gateway: Gateway
    session: aiohttp.ClientSession
    key: str

    async def send(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Said:
        sent = {"Authorization": f"Bearer {self.key if key is None else key}", **headers}
        data = None if body is None else json.dumps(body).encode()
        url = f"http://{self.gateway.addresses[0]}{path}"
        async with self.session.request(method, url, data=data, headers=sent) as answer:
            return Said(answer.status, answer.headers, await answer.text())

    async def bare(self, path: str, host: str | None = None) -> Said:
        """Without a key."""
        async with self.session.get(f"http://{host or self.gateway.addresses[0]}{path}") as answer:
            return Said(answer.status, answer.headers, await answer.text())

    async def health(self) -> Any:
        return (await self.send("GET", "/healthz")).body


@contextlib.asynccontextmanager
async def serving(folder, clock=None, **sections: Any) -> AsyncIterator[Box]:
    given: dict[str, Any] = {
        "gateway": {"id": "gw-test", "data_dir": folder},
        "http": {"port": 0},
        "broker": {"mode": "off"},
    }
    settings = Settings.model_validate({**given, **sections})
    async with (
        running(settings, clock=clock or SystemClock()) as gateway,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_MAX_S)) as session,
    ):
        _, key = await gateway.keys.create(NewKey("test", Scope.ADMIN))
        yield Box(gateway, session, key)


@pytest.fixture
async def box(tmp_path) -> AsyncIterator[Box]:
    async with serving(tmp_path) as box:
        yield box


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def served(tmp_path):
    """`served(clock, limits={...})`: a gateway with other settings."""

    def make(clock=None, **sections: Any):
        return serving(tmp_path, clock, **sections)

    return make
