"""A gateway that serves the pages, and the people of the hall."""

import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
from browsing import LAN, Watched
from hall import ANNA, BEN, LASER, SAW
from playwright.async_api import Page
from said import Said

from gateway.app import Gateway, running
from gateway.kernel.clock import SystemClock
from gateway.settings import Settings
from gateway.terminals.model import NewTerminal
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

ANSWER_MAX_S = 20
PIN = "2468"
NUMBERS = itertools.count(1_001)  # of jobs
REQUESTS = 100_000  # a minute: tests are quicker than people


@dataclass
class Hall:
    """A gateway that runs, and somebody with an admin key."""

    LASER: ClassVar = LASER
    SAW: ClassVar = SAW
    ANNA: ClassVar = ANNA
    BEN: ClassVar = BEN

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
        for row in await self.rows("SELECT id FROM profiles"):
            said = await self.send("PUT", "/api-terminals/pins", {"operator_id": row["id"], "pin": PIN})
            assert said.status == 200, said.text

    async def operations(self, number: int = 1, cell_id: str = LASER) -> list[str]:
        """Ids of fresh ones, each of a part of its own; nobody is at work on anything else."""
        for row in await self.rows("SELECT DISTINCT operation_id FROM time_entries WHERE end_time IS NULL"):
            body = {"operation_id": row["operation_id"], "action": "complete"}
            await self.send("POST", "/api-operation-lifecycle", body)
        job = f"J-{next(NUMBERS)}"
        operation = {"sequence": 10, "cell_id": cell_id, "estimated_time": 30}
        parts = [
            {"part_number": f"{job}-P{n}", "quantity": 10, "operations": [{**operation, "operation_name": f"Cut {n}"}]}
            for n in range(number)
        ]
        said = await self.send("POST", "/api-jobs", {"job_number": job, "parts": parts})
        return [one["operations"][0]["id"] for one in said.data["job"]["parts"]]

    async def press(self, operation_id: str, *verbs: str, operator_id: str = ANNA) -> None:
        """By somebody elsewhere."""
        for verb in verbs:
            body = {"operation_id": operation_id, "action": verb, "operator_id": operator_id}
            said = await self.send("POST", "/api-operation-lifecycle", body)
            assert said.status == 200, said.text

    async def employee(self, operator_id: str, number: str) -> None:
        """It is what his badge says."""
        statement = "UPDATE profiles SET employee_id = ? WHERE id = ?"
        await self.gateway.db.write(lambda tx: tx.execute(statement, (number, operator_id)) and None)

    async def carried_out(self) -> list[str]:
        """Ids of the commands of all terminals, in the order in which they were."""
        rows = await self.rows("SELECT key FROM receipts WHERE space LIKE 'terminal:%' ORDER BY id")
        return [row["key"] for row in rows]

    async def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """What stands in the database."""
        return await self.gateway.db.read(lambda connection: [dict(row) for row in connection.execute(sql, values)])


@contextlib.asynccontextmanager
async def serving(folder: Path, port: int = 0, **sections: Any) -> AsyncIterator[Hall]:
    given: dict[str, Any] = {
        "gateway": {"id": "gw-test", "data_dir": folder},
        "http": {"port": port, "hosts": [LAN]},
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
    url: str = ""  # the hall's own

    @property
    def page(self) -> Page:
        return self.watched.page

    async def pair(self, name: str = "Laser 1", cell_id: str | None = LASER, **wanted: Any) -> None:
        code, _ = await self.hall.gateway.terminals.code(NewTerminal(name, cell_id, **wanted))
        await self.page.goto(f"{self.url or self.hall.url}/terminal/")
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
        await self.complete()

    async def knows(self, *ids: str) -> None:
        """It shows these operations."""
        await self.page.wait_for_function("ids => ids.every(id => app.store?.operation(id))", arg=[*ids])

    async def tap(self, kind: str, operation_id: str, payload: Any = None, **options: Any) -> str | None:
        """What a button does. Its command's id once it is safe; None when it was not done."""
        command = {"type": kind, "operation_id": operation_id, "payload": payload or {}}
        acted = "async ([command, options]) => (await app.act(command, options)).id ?? null"
        return await self.page.evaluate(acted, [command, options])

    async def complete(self) -> None:
        """It has everything that may be wanted while there is no gateway."""
        await self.page.wait_for_function("() => app.complete")

    async def scan(self, text: str, *, apart_ms: float = 5, end: str = "Enter") -> None:
        """As a scanner types it. The keys carry their own times: how quick this machine is does not matter."""
        devtools = await self.watched.context.new_cdp_session(self.page)
        at_s = time.time()
        for key in [*text, end]:
            at_s += apart_ms / 1000
            shown = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
            for kind in ("keyDown", "keyUp"):
                named = {"type": kind, "key": key, "timestamp": at_s, **(shown if kind == "keyDown" else {})}
                await devtools.send("Input.dispatchKeyEvent", named)
        await devtools.detach()

    async def card(self, operation_id: str) -> Any:
        """As it is shown."""
        return await self.page.evaluate("id => app.store.operation(id)", operation_id)

    async def sent(self) -> None:
        """Nothing waits here any more."""
        await self.page.wait_for_function("() => app.outbox.idle")

    async def show(self, view: str) -> None:
        await self.page.evaluate("hash => app.go(hash)", f"#/{view}")

    async def state(self, name: str) -> None:
        """The badge says so: online, no_gateway, attention ..."""
        await self.page.wait_for_selector(f"terminal-badge [data-state={name}]")

    async def badge(self) -> str:
        return await self.page.locator("terminal-badge .badge-text").inner_text()
