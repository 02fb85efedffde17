"""The terminal's own screens, in each theme and language: for gloves, for screen readers, in the sun, on a small screen."""

from browsing import SMALL, WIDE
from looks import flaws
from terminal_screen import Screen

THEMES = ("dark", "light", "sunlight")
LANGUAGES = ("en", "nl", "de")
SPEAK = """async language => {
  const { speak } = await import(document.querySelector("script[type=module]").src.replace("terminal/app.js", "shared/i18n.js"));
  await speak(language);
  app.speaks = language;
  app.requestUpdate();
  await app.updateComplete;
}"""


async def looked(screen, name: str) -> list[str]:
    """At every theme and language; the small screen in German, which has the longest words."""
    found = []
    for number, language in enumerate(LANGUAGES):
        await screen.page.evaluate(SPEAK, language)
        for theme in THEMES:
            await screen.page.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
            if language == "de" or THEMES.index(theme) == number:
                await screen.page.set_viewport_size(SMALL if language == "de" else WIDE)
                found += [f"{name} {language} {theme}: {one}" for one in await flaws(screen.page)]
    await screen.page.set_viewport_size(WIDE)
    return found


async def test_these_looks_see_a_flaw(screen):
    await screen.page.evaluate("""() => {
      const main = document.querySelector("main");
      main.append(Object.assign(document.createElement("button"), { className: "quiet" }));
      const wide = document.createElement("pre");
      wide.textContent = "wide ".repeat(500);
      main.append(wide);
      document.documentElement.style.setProperty("--text", "#777777");
    }""")
    found = " ".join(await flaws(screen.page))
    for flaw in ("button-name", "color-contrast-enhanced", '<button class="quiet">', "MAIN is"):
        assert flaw in found


async def test_pairing(hall, watched):
    screen = Screen(hall, watched)
    await watched.page.goto(f"{hall.url}/terminal/")
    await watched.page.wait_for_selector("input[name=code]")
    assert await looked(screen, "pair") == []


async def test_logging_in(screen):
    await screen.show("login")
    await screen.page.wait_for_selector(".person")
    assert await looked(screen, "login") == []
    await screen.page.click(".person:has-text('Ben')")
    await screen.page.wait_for_selector("terminal-pin")
    assert await looked(screen, "pin") == []


async def test_what_needs_attention(hall, screen):
    refused, busy = await hall.operations(2)
    await screen.knows(refused, busy)
    await screen.tap("pause", refused)
    await screen.state("attention")
    await screen.tap("start", refused)
    await screen.watched.context.set_offline(True)
    await screen.tap("start", busy)
    await screen.show("attention")
    await screen.page.wait_for_selector("[data-command]")
    assert await looked(screen, "attention") == []
    await screen.watched.context.set_offline(False)


async def test_what_one_has_done_today(hall, screen):
    [operation] = await hall.operations()
    await screen.knows(operation)
    await screen.tap("start", operation)
    await screen.tap("report", operation, {"good": 2})
    await screen.tap("issue", operation, {"title": "Burr", "severity": "low"})
    await screen.sent()
    await screen.show("activity")
    await screen.page.wait_for_selector("main li")
    shown = await screen.page.locator("main").inner_text()
    assert "2 good" in shown
    assert "Burr" in shown
    assert "running" in shown
    assert await looked(screen, "activity") == []


async def test_the_details_of_the_badge(screen):
    await screen.page.click("terminal-badge button")
    await screen.page.wait_for_selector("dialog[open]")
    assert await flaws(screen.page) == []
    await screen.page.keyboard.press("Escape")
    focused = await screen.page.evaluate("() => document.activeElement.closest('terminal-badge') !== null")
    assert focused, "the focus goes back to where it was"


async def test_at_twice_the_size_nothing_lies_beside_the_edge(screen):
    """200 % zoom is half as many pixels."""
    await screen.show("login")
    await screen.page.wait_for_selector(".person")
    for width in (1280, 800):
        await screen.page.set_viewport_size({"width": width // 2, "height": 300})
        wide = await screen.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]


async def test_everything_works_by_keyboard(screen):
    await screen.show("login")
    await screen.page.wait_for_selector(".person")
    await screen.page.focus("input[name=who]")
    await screen.page.keyboard.press("Tab")
    await screen.page.keyboard.press("Tab")
    outline = await screen.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    assert await screen.page.evaluate("() => document.activeElement.matches('.person')")
