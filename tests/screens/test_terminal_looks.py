"""How the views of work look: in each theme and language, for gloves, from a metre away, on every size of screen.

The terminal's other screens: `test_screens_looks.py`.
"""

import pytest
import pytest_asyncio
from browsing import SMALL, WIDE
from hall import ANNA, CEM
from looks import flaws
from terminal_screen import NUMBERS
from test_screens_looks import LANGUAGES, SPEAK
from work import at_work, order

PRIMARY_PX, TEXT_PX, NUMBER_PX = 72, 18, 32
THEMES = ("dark", "light")
SIZES = [(800, 480), (1024, 600), (1280, 800), (1920, 1080), (800, 1280), (640, 400)]  # the last: 1280 at 200 %
VIEWS = ("queue", "operation", "quantity", "issue", "checklist", "documents")

SMALL_THINGS = """([primary, letter, number]) => {
  const found = [];
  const seen = one => one.checkVisibility({visibilityProperty: true}) && !one.closest('.hidden-visually');
  const size = one => parseFloat(getComputedStyle(one).fontSize);
  for (const one of document.querySelectorAll('main .primary'))
    if (one.getBoundingClientRect().height < primary - 0.5) found.push(`low: ${one.outerHTML.slice(0, 120)}`);
  for (const one of document.querySelectorAll('.number'))
    if (seen(one) && size(one) < number) found.push(`small number: ${one.outerHTML.slice(0, 120)}`);
  for (const one of document.querySelectorAll('header *, main *, footer *')) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (own && seen(one) && size(one) < letter) found.push(`small: ${one.outerHTML.slice(0, 120)}`);
  }
  const wide = document.documentElement.clientWidth;
  for (const one of document.querySelectorAll('header *, main *, footer *')) {
    if (!seen(one) || one.closest('.paper, svg')) continue;
    const box = one.getBoundingClientRect();
    if (box.width && (box.left < -0.5 || box.right > wide + 0.5)) found.push(`beside: ${one.outerHTML.slice(0, 120)}`);
  }
  return found;
}"""
SHOWS = """([view, id]) => {
  const shown = document.querySelector(`${view}-view`);
  return shown && (shown.operationId ?? id) === id && shown.firstElementChild;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def work(hall):
    """Operations in every state. Returns the one that is shown."""
    number = next(NUMBERS)
    shown, _ = await order(hall, f"L-{number}-1", planned=1200, notes="First part to the office.")
    await order(hall, f"L-{number}-2", steps=("Cut with a very long name that nobody would choose", "Saw", "Engrave"))
    held, _ = await order(hall, f"L-{number}-3")
    issue = {
        "operation_id": held,
        "title": "Scratches on the visible side",
        "description": "Ask",
        "causes_standstill": True,
    }
    assert (await hall.send("POST", "/api-issues", {**issue, "severity": "high"})).status == 201
    busy, _ = await order(hall, f"L-{number}-4")
    await change(hall, busy, "start", CEM)
    await change(hall, shown, "start", ANNA)
    for place, name in enumerate(("Deburr", "Measure"), 1):
        await hall.send("POST", "/api-substeps", {"operation_id": shown, "name": name, "sequence": place})
    category = {"code": f"MAT{number}", "description": "Material missing", "severity_default": "high"}
    await hall.send("POST", "/api-issue-categories", category)
    yield shown
    await change(hall, busy, "complete", CEM)
    await change(hall, shown, "complete", ANNA)


async def change(hall, operation_id: str, action: str, operator_id: str) -> None:
    body = {"operation_id": operation_id, "action": action, "operator_id": operator_id}
    assert (await hall.send("POST", "/api-operation-lifecycle", body)).status == 200


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(browser, hall):
    async with at_work(browser, hall) as desk:
        yield desk
        assert desk.watched.complaints() == []


async def show(desk, view: str, operation_id: str) -> None:
    await desk.page.evaluate("hash => app.go(hash)", f"#/{view}" if view == "queue" else f"#/{view}/{operation_id}")
    await desk.page.wait_for_function(SHOWS, arg=[view, operation_id])


@pytest.mark.parametrize("language", LANGUAGES)
async def test_no_view_has_a_flaw(desk, work, language):
    """Axe and text at 7:1; German on the small screen, because its words are the longest."""
    await desk.knows(work)
    await desk.page.set_viewport_size(SMALL if language == "de" else WIDE)
    await desk.page.evaluate(SPEAK, language)
    found = {}
    for view in VIEWS:
        await show(desk, view, work)
        for theme in THEMES:
            await desk.page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            found[view, theme] = await flaws(desk.page)
    assert {name: flaw for name, flaw in found.items() if flaw} == {}


async def test_what_is_asked_has_no_flaw_and_gives_the_focus_back(desk, work):
    await desk.page.evaluate(SPEAK, "en")
    await desk.page.set_viewport_size(SMALL)
    await desk.open(work, "quantity", "/finish")
    await desk.field("scrap")
    assert await flaws(desk.page) == []
    await desk.field("good")
    await desk.key("1")
    await desk.page.focus("main .primary")
    await desk.page.keyboard.press("Enter")
    assert "missing" in await desk.told()
    assert await flaws(desk.page) == []
    assert await desk.page.evaluate("() => document.activeElement.closest('dialog') !== null")
    await desk.page.keyboard.press("Escape")
    await desk.page.wait_for_function("() => document.activeElement.matches('main .primary')")


async def test_everything_can_be_read_and_touched_on_every_screen(desk, work):
    await desk.page.evaluate(SPEAK, "de")
    found = {}
    for width, height in SIZES:
        await desk.page.set_viewport_size({"width": width, "height": height})
        for view in VIEWS:
            await show(desk, view, work)
            found[view, width, height] = await desk.page.evaluate(SMALL_THINGS, [PRIMARY_PX, TEXT_PX, NUMBER_PX])
    await desk.page.set_viewport_size(WIDE)
    assert {name: small for name, small in found.items() if small} == {}


async def test_a_board_on_the_wall_shows_the_work_and_asks_nobody_to_log_in(desk, work):
    wall = await desk.watched.context.new_page()
    await wall.goto(f"{desk.hall.url}/terminal/board")
    await wall.wait_for_selector("board-view .op-card-running:has-text('Anna')")
    assert await wall.locator("board-view a, board-view button").count() == 0
    assert await flaws(wall) == []
    await wall.close()
