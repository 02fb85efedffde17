"""A gateway that serves the pages, and the people of the hall."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from said import Said

from gateway.app import Gateway, running
from gateway.kernel.clock import SystemClock
from gateway.settings import Settings
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

ANSWER_MAX_S = 20
REQUESTS = 100_000  # a minute: tests are quicker than people


@dataclass
class Hall:
    """A gateway that runs, and somebody with an admin key."""

    gateway: Gateway
    session: aiohttp.ClientSession
    key: str

    @property
    def url(self) -> str:
        return self.gateway.urls[0]

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        data = None if body is None else json.dumps(body)
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        async with self.session.request(method, self.url + path, data=data, headers=sent) as answer:
            return Said(answer.status, answer.headers, await answer.text())

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """What stands in the database."""
        return await self.gateway.db.read(lambda connection: [dict(row) for row in connection.execute(sql, values)])


@contextlib.asynccontextmanager
async def serving(folder: Path, port: int = 0, **sections: Any) -> AsyncIterator[Hall]:
    given: dict[str, Any] = {
        "gateway": {"id": "gw-test", "data_dir": folder},
        "http": {"port": port},
        "broker": {"mode": "off"},
        "limits": {"requests_per_minute": REQUESTS, "burst": REQUESTS},
    }
    settings = Settings.model_validate({**given, **sections})
    async with (
        running(settings, clock=SystemClock()) as gateway,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_MAX_S)) as session,
    ):
        _, key = await gateway.keys.create(NewKey("test", Scope.ADMIN))
        yield Hall(gateway, session, key)
