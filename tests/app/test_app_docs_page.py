"""`/docs` in a real browser: it shows the API, asks nobody outside, and breaks none of its own rules."""

import shutil

import pytest
from playwright.async_api import async_playwright

SHOWN_MAX_MS = 30_000
SCROLLS_MAX, SCROLL_PX, SCROLL_MS = 200, 400, 60
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
async def page():
    assert CHROMIUM, "no Chromium: `make setup-tests` brings one"
    async with async_playwright() as started:
        browser = await started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        yield page
        await browser.close()


async def functions(page) -> set[str]:
    """The page is long: it shows what is in sight, so somebody scrolls through it."""
    found: set[str] = set()
    for _ in range(SCROLLS_MAX):
        found |= set(await page.evaluate("[...document.querySelectorAll('.opblock')].map(one => one.id)"))
        place = await page.evaluate("scrollY")
        await page.mouse.wheel(0, SCROLL_PX)
        await page.wait_for_timeout(SCROLL_MS)
        if await page.evaluate("scrollY") == place:
            return found
    raise AssertionError(f"no end after {SCROLLS_MAX} times {SCROLL_PX} px")


async def test_the_page_shows_every_function_and_asks_nobody_outside(box, page):
    asked, complained = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complained.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complained.append(str(error)))
    url = box.gateway.urls[0]
    answer = await page.goto(f"{url}/docs")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    await page.wait_for_selector("#operations-api-cells-get_api_cells", timeout=SHOWN_MAX_MS)
    shown = await functions(page)
    assert "operations-api-jobs-post_api_jobs" in shown
    assert len(shown) == len(box.gateway.routes)
    assert [one for one in asked if not one.startswith((url, "data:"))] == []
    assert complained == []


async def test_a_function_is_tried_from_the_page(box, page):
    await page.goto(f"{box.gateway.urls[0]}/docs")
    await page.wait_for_selector("#operations-api-cells-get_api_cells", timeout=SHOWN_MAX_MS)
    await page.click(".authorize")
    await page.fill(".auth-container input", box.key)
    await page.click(".auth-btn-wrapper .authorize")
    await page.click(".auth-btn-wrapper .btn-done")
    operation = page.locator("#operations-api-cells-get_api_cells")
    await operation.locator(".opblock-summary-control").click()
    await operation.locator(".try-out__btn").click()
    await operation.locator(".execute").click()
    shown = operation.locator(".live-responses-table .response-col_status")
    await shown.first.wait_for(timeout=SHOWN_MAX_MS)
    assert "200" in await operation.locator(".live-responses-table tbody .response-col_status").first.inner_text()
