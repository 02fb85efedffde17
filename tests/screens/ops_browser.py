"""Somebody at the operations page with a browser."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browsing import SHOWN_MAX_MS, Watched
from ops_page import PASSWORD, Visitor
from playwright.async_api import Locator, Page

from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp

AXE = Path(__file__).parents[2] / ".cache" / "npm-tests" / "node_modules" / "axe-core" / "axe.min.js"
MENU = "overview sync letters terminals keys uns data backups reports logs config repairs support about".split()
TARGET_PX = 44
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIOLATIONS = """async (rules) => (await axe.run({ runOnly: rules })).violations.map(
  one => one.id + ': ' + one.nodes.map(node => node.html).join(' '))"""
SMALL = """(least) => [...document.querySelectorAll('button, a.button, .ops-side a, input, select, textarea')].filter(one => {
  const { width, height } = (one.closest('label.check') ?? one).getBoundingClientRect();
  return height > 0 && (height < least - 0.5 || width < least - 0.5);
}).map(one => one.outerHTML)"""
WIDER = "document.documentElement.scrollWidth > innerWidth"


@dataclass
class Desk:
    here: Visitor
    watched: Watched

    @property
    def page(self) -> Page:
        return self.watched.page

    async def enter(self) -> None:
        await self.page.goto(f"{self.here.url}/ops/")
        await self.page.fill("input[name=password]", PASSWORD)
        await self.page.click("button.primary")
        await self.page.wait_for_selector("#truth")

    async def go(self, name: str) -> None:
        """Until it shows what it has read."""
        await self.page.evaluate("name => (location.hash = `#/${name}`)", name)
        await self.page.wait_for_function(
            "name => { const app = document.querySelector('ops-app'); return app.name === name && app.view?.ready; }",
            arg=name,
        )

    async def says(self, text: str) -> None:
        await self.page.get_by_text(text).first.wait_for(timeout=SHOWN_MAX_MS)

    def dialog(self) -> Locator:
        return self.page.locator("dialog[open]")

    async def violations(self) -> list[str]:
        if not await self.page.evaluate("typeof axe === 'object'"):
            await self.page.evaluate(AXE.read_text())
        found: list[str] = await self.page.evaluate(VIOLATIONS, RULES)
        return found

    async def too_small(self) -> list[str]:
        found: list[str] = await self.page.evaluate(SMALL, TARGET_PX)
        return found

    async def too_wide(self) -> bool:
        return bool(await self.page.evaluate(WIDER))


async def park(here: Visitor, reason: str, *rows: str) -> None:
    """What the uplink does with what the cloud refuses."""
    db, new_id = here.gateway.db, here.gateway._new_id

    def write(tx: Any) -> None:
        now = here.gateway._clock.now()
        stamp = Stamp(now, "gw-test", new_id)
        journal.register(tx, "cloud", stamp.text, 0)
        before = journal.head(tx)
        for one in rows:
            change = Change("cells", one, "update", 2, ("name",))
            journal.append(tx, stamp, [Event(f"cells:{one}", f"cell:{one}", now, (change,))])
        journal.park(tx, "cloud", journal.after(tx, before), reason, stamp.text, state="parked")
        journal.advance(tx, "cloud", journal.head(tx))

    await db.write(write)


async def parked(here: Visitor) -> list[dict[str, Any]]:
    return await here.gateway.db.read(
        lambda connection: [
            dict(row) for row in connection.execute("SELECT seq, state, reason FROM event_parked ORDER BY seq")
        ]
    )
