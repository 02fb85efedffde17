"""What a screen has to keep to: no flaw that axe finds, contrast, targets for gloves, nothing beside the edge."""

from pathlib import Path
from typing import Any

from javascript import MODULES
from playwright.async_api import Page

AXE = Path(MODULES) / "axe-core" / "axe.min.js"
TARGET_MIN_PX = 56
# Every rule it has by itself, and text at 7:1.
_RUN = """async () => {
  const rules = { "color-contrast-enhanced": { enabled: true } };
  const found = await axe.run(document, { rules, resultTypes: ["violations"] });
  const told = nodes => nodes.slice(0, 3).map(node => `${node.html} ${node.failureSummary}`).join(" | ");
  return found.violations.map(one => `${one.id}: ${told(one.nodes)}`);
}"""
_SMALL = """least => [...document.querySelectorAll("button, a[href], input, select, textarea, summary, [role=button]")]
  .filter(one => one.checkVisibility({ visibilityProperty: true }) && !one.matches("label input"))
  .map(one => [one.outerHTML.slice(0, 120), one.getBoundingClientRect()])
  .filter(([, box]) => Math.min(box.width, box.height) < least - 0.5)
  .map(([text, box]) => `${Math.round(box.width)}x${Math.round(box.height)} ${text}`)"""
_BESIDE = """() => [document.documentElement, ...document.querySelectorAll("main, header, footer, dialog[open]")]
  .filter(one => one.scrollWidth > one.clientWidth + 1)
  .map(one => `${one.tagName} is ${one.scrollWidth} wide, has ${one.clientWidth}`)"""


async def flaws(page: Page) -> list[Any]:
    """All of them, in words."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    return [*await page.evaluate(_RUN), *await page.evaluate(_SMALL, TARGET_MIN_PX), *await page.evaluate(_BESIDE)]
