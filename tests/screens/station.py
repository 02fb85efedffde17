"""A gateway that serves the pages, and the people of the hall."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from browsing import Watched
from hall import LASER
from playwright.async_api import Page
from said import Said

from gateway.app import Gateway, running
from gateway.kernel.clock import SystemClock
from gateway.settings import Settings
from gateway.terminals.model import NewTerminal, Person
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

ANSWER_MAX_S = 20
PIN = "2468"
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

    async def pins(self) -> None:
        """Everybody has one."""
        pins = self.gateway._terminal_api._station.pins
        for row in await self.rows("SELECT id, full_name, role FROM profiles"):
            await pins.set(Person(row["id"], row["full_name"], None, row["role"]), PIN)

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


@dataclass
class Screen:
    """A page of the terminal, and somebody in front of it."""

    hall: Hall
    watched: Watched

    @property
    def page(self) -> Page:
        return self.watched.page

    async def pair(self, name: str = "Laser 1", cell_id: str | None = LASER, **wanted: Any) -> None:
        code, _ = await self.hall.gateway.terminals.code(NewTerminal(name, cell_id, **wanted))
        await self.page.goto(f"{self.hall.url}/terminal/")
        await self.page.fill("input[name=code]", code)
        await self.page.click("form button")
        await self.page.wait_for_selector(".person")

    async def type_pin(self, pin: str) -> None:
        for digit in pin:
            await self.page.click(f".pin-key:text-is('{digit}')")
        await self.page.click(".pin-ok")

    async def login(self, name: str = "Anna", pin: str = PIN) -> None:
        await self.page.click(f".person:has-text('{name}')")
        await self.type_pin(pin)
        await self.page.wait_for_selector(f".operator:has-text('{name}')")

    async def badge(self) -> str:
        return await self.page.locator("terminal-badge .badge-text").inner_text()
