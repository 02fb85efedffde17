"""A real Chromium, and what its pages ask for and complain of."""

import os
import shutil
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, BrowserContext, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHOWN_MAX_MS = 30_000
LAN = "gateway.lan"  # another name of this machine, which Chromium does not take for safe
ARGUMENTS = ["--no-sandbox", f"--host-resolver-rules=MAP {LAN} 127.0.0.1"]
WIDE = {"width": 1280, "height": 800}
# What a test looks at: `app` in the page's console.
APP = "Object.defineProperty(window, 'app', { get: () => document.querySelector('terminal-app') })"
SMALL = {"width": 800, "height": 480}


def chromium() -> str:
    """Its path. Continuous integration never goes without it."""
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("no Chromium here: `make setup-tests` brings one; the pages are not tested")
    assert CHROMIUM, "no Chromium: `make setup-tests` brings one"
    return CHROMIUM


@dataclass
class Watched:
    """One page; `complained` is what its console and its content policy said."""

    page: Page
    context: BrowserContext
    asked: list[str] = field(default_factory=list)
    complained: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: message.type == "error" and self.complained.append(message.text))
        self.page.on("pageerror", lambda error: self.complained.append(str(error)))

    def complaints(self) -> list[str]:
        """Without what Chromium itself says of a request that got no answer, or a no."""
        return [one for one in self.complained if "Failed to load resource" not in one]


async def opened(browser: Browser, **options) -> Watched:
    """A context of its own: nothing of another test's is kept in it. A service worker, which fetches every file, is not let in
    unless `service_workers` is "allow".
    """
    usual = {"viewport": WIDE, "locale": "en-GB", "service_workers": "block"}
    context = await browser.new_context(**{**usual, **options})
    context.set_default_timeout(SHOWN_MAX_MS)
    await context.add_init_script(APP)
    return Watched(await context.new_page(), context)
