"""Somebody who works at a screen, and the work that lies there."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from browsing import opened
from hall import LASER, SAW
from playwright.async_api import Browser, Locator
from terminal_screen import Hall, Screen

LATER = "app.tapped = null"  # people take longer from tap to tap than a tremor does


@dataclass
class Desk(Screen):
    """A screen with somebody at work. `taps` counts those that he made."""

    taps: int = 0

    async def tap_on(self, what: str | Locator) -> None:
        """One touch."""
        self.taps += 1
        await self.page.evaluate(LATER)
        await (self.page.locator(what) if isinstance(what, str) else what).click()

    async def do(self, action: str) -> None:
        """A button of the operation that is shown."""
        await self.tap_on(f"[data-action={action}]")

    async def open(self, operation_id: str, view: str = "operation", rest: str = "") -> None:
        await self.knows(operation_id)
        await self.page.evaluate("hash => app.go(hash)", f"#/{view}/{operation_id}{rest}")
        shown = "([view, id]) => document.querySelector(`${view}-view`)?.operationId === id"
        await self.page.wait_for_function(shown, arg=[view, operation_id])

    async def key(self, *keys: str) -> None:
        for key in keys:
            await self.tap_on(f".key:text-is('{key}')")

    async def field(self, name: str) -> None:
        await self.tap_on(f".count-{name}")

    async def counted(self, pieces: int, field: str = "good") -> None:
        """The keypad has come to so many."""
        await self.page.wait_for_selector(f".count-{field} .number:text-is('{pieces}')")

    async def confirm(self) -> None:
        """The big button of the view."""
        await self.tap_on("main .primary")

    async def answer(self, label: str) -> None:
        """One button of the dialog that is open."""
        await self.tap_on(f"dialog button:has-text('{label}')")

    async def told(self) -> str:
        """The dialog that is open."""
        return await self.page.locator("dialog[open]").inner_text()

    async def arrives(self, view: str) -> None:
        """Something was done, and the screen is somewhere else."""
        await self.page.locator(f"{view}-view").wait_for()

    async def settle(self) -> None:
        """No window for undo is open any more, and everything is sent."""
        await self.page.evaluate("app.outbox.release()")
        await self.sent()

    async def stands(self, operation_id: str, state: str) -> None:
        """The screen shows it so."""
        await self.page.wait_for_function(
            "([id, state]) => app.store.operation(id)?.status === state", arg=[operation_id, state]
        )


@contextlib.asynccontextmanager
async def at_work(
    browser: Browser, hall: Hall, name: str = "Anna", *, pairing: Any = None, **page: Any
) -> AsyncIterator[Desk]:
    """A paired screen in front of its queue; `pairing` as for a new terminal."""
    watched = await opened(browser, **page)
    desk = Desk(hall, watched)
    await desk.pair(**(pairing or {}))
    await desk.login(name)
    yield desk
    await watched.context.close()


async def order(
    hall: Hall, number: str, planned: int = 10, steps: tuple[str, ...] = ("Cut", "Saw"), **more: Any
) -> list[str]:
    """A job of one part, at the laser and then at the saw. Returns its operations."""
    cells = (LASER, SAW)
    operations = [
        {"operation_name": name, "sequence": 10 * place, "cell_id": cells[(place - 1) % 2], "estimated_time": 30}
        for place, name in enumerate(steps, 1)
    ]
    part = {
        "part_number": f"{number}-P1",
        "material": "Steel S235",
        "quantity": planned,
        "operations": operations,
        **more,
    }
    said = await hall.send("POST", "/api-jobs", {"job_number": number, "customer": "Veldkamp", "parts": [part]})
    return [one["id"] for one in said.data["job"]["parts"][0]["operations"]]
