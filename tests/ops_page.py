"""Somebody at the operations page, without a browser: cookies, the token, and a gateway of his own."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
from said import Said

from gateway.app import Gateway, running
from gateway.kernel.clock import SystemClock
from gateway.kernel.logs import Tail
from gateway.ops import access
from gateway.settings import Settings
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

PASSWORD = "a good long password"
WAIT_MAX_S = 30


@dataclass
class Visitor:
    gateway: Gateway
    session: aiohttp.ClientSession
    csrf: str = ""

    @property
    def url(self) -> str:
        return self.gateway.urls[0]

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        data = None if body is None else json.dumps(body).encode()
        sent = ({"X-CSRF-Token": self.csrf} if self.csrf else {}) | headers
        async with self.session.request(method, f"{self.url}/ops/api{path}", data=data, headers=sent) as answer:
            return Said(answer.status, answer.headers, await answer.text())

    async def enter(self, **given: str) -> Said:
        said = await self.send("POST", "/session", given)
        if said.status == 200:
            self.csrf = said.data["csrf"]
        return said

    async def verb(self, name: str, /, **given: Any) -> Any:
        return (await self.send("POST", f"/verbs/{name}", given)).data


def visitor(gateway: Gateway) -> Visitor:
    """Cookies are kept for an address, too."""
    jar = aiohttp.CookieJar(unsafe=True)
    timeout = aiohttp.ClientTimeout(total=WAIT_MAX_S)
    return Visitor(gateway, aiohttp.ClientSession(cookie_jar=jar, timeout=timeout))


@contextlib.asynccontextmanager
async def serving(folder, clock=None, source=None, **sections: Any) -> AsyncIterator[Visitor]:
    """A gateway, and somebody who has not signed in."""
    given: dict[str, Any] = {
        "gateway": {"id": "gw-test", "data_dir": folder},
        "http": {"port": 0},
        "broker": {"mode": "off"},
    }
    settings = Settings.model_validate({**given, **sections})
    async with running(settings, clock=clock or SystemClock(), source=source, tail=Tail()) as gateway:
        here = visitor(gateway)
        async with here.session:
            yield here


async def admin_key(gateway: Gateway) -> str:
    _, key = await gateway.keys.create(NewKey("test", Scope.ADMIN))
    return key


async def signed_in(here: Visitor) -> Visitor:
    """With the password, which the code of the first run has set."""
    code = await access.make_code(here.gateway.db)
    said = await here.send("POST", "/setup", {"code": code, "password": PASSWORD})
    here.csrf = said.data["csrf"]
    return here
