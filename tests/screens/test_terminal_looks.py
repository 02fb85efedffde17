"""How the pages look: nothing that axe objects to, nothing too small to touch, nothing beside the screen."""

import pytest
import pytest_asyncio
from hall import ANNA, CEM
from javascript import MODULES
from station import NUMBERS
from work import at_work, order

AXE = MODULES / "axe-core" / "axe.min.js"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CONTRAST = {"color-contrast-enhanced": {"enabled": True}}  # 7:1
ALL = {"runOnly": LEVELS, "rules": CONTRAST, "resultTypes": ["violations"]}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", *CONTRAST]}, "resultTypes": ["violations"]}
TARGET_PX, PRIMARY_PX, TEXT_PX, EDGE_PX = 56, 72, 18, 8
SIZES = [(800, 480), (1024, 600), (1280, 800), (1920, 1080), (800, 1280)]
LANGUAGES = ["en", "nl", "de"]
VIEWS = ["queue", "operation", "quantity", "issue", "checklist", "documents", "activity", "attention", "login"]

CHECKED = """async (options) => {
  const {violations} = await axe.run(document, options);
  return violations.map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 200) + ' ' + node.any.map(x => x.message)).join(' | ')}`);
}"""
# Everything that can be tapped, as far as it can be seen; a field is as large as its label.
SMALL = """([least, primary, letter]) => {
  const found = [];
  const seen = one => one.checkVisibility({visibilityProperty: true}) && !one.closest('.hidden-visually, .hidden-visually *');
  for (const one of document.querySelectorAll('a, button, input, select, textarea, [role=button], [role=checkbox]')) {
    if (!seen(one) || one.classList.contains('hidden-visually')) continue;
    const box = (one.closest('label') ?? one).getBoundingClientRect();
    const wanted = one.classList.contains('primary') ? primary : least;
    if (box.width < least - 0.5 || box.height < wanted - 0.5) found.push(`${one.outerHTML.slice(0, 120)} ${box.width}x${box.height}`);
  }
  for (const one of document.querySelectorAll('body *')) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (own && seen(one) && !['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(one.tagName) && parseFloat(getComputedStyle(one).fontSize) < letter)
      found.push(`${one.outerHTML.slice(0, 120)} ${getComputedStyle(one).fontSize}`);
  }
  return found;
}"""
OVER = """() => {
  const found = [];
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide) found.push(`page ${document.documentElement.scrollWidth} of ${wide}`);
  for (const one of document.querySelectorAll('main, header, footer, main a, main button, header *, footer *')) {
    if (!one.checkVisibility() || one.closest('.paper, .hidden-visually')) continue;
    const box = one.getBoundingClientRect();
    if (box.width && (box.left < -0.5 || box.right > wide + 0.5)) found.push(`${one.outerHTML.slice(0, 120)} ${box.left}-${box.right}`);
  }
  return found;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def work(hall):
    """Operations in every state. Returns the one that is shown."""
    number = next(NUMBERS)
    shown, _ = await order(hall, f"L-{number}-1", planned=1200, notes="First part to the office.")
    await order(hall, f"L-{number}-2", steps=("Cut with a very long name that nobody would choose", "Saw", "Engrave"))
    held, _ = await order(hall, f"L-{number}-3")
    issue = {"operation_id": held, "title": "Scratches on the visible side", "description": "Ask", "causes_standstill": True}
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


async def show(desk, view: str, operation_id: str) -> None:
    part = view not in ("queue", "activity", "attention", "login")
    await desk.page.evaluate("hash => app.go(hash)", f"#/{view}/{operation_id}" if part else f"#/{view}")
    await desk.page.wait_for_function("view => app.route.name === view && app.current && document.querySelector('main > *')", arg=view)
    if part:
        await desk.page.wait_for_selector(f"{view}-view > *")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_no_screen_has_anything_that_axe_objects_to(browser, hall, work, language):
    async with at_work(browser, hall, pairing={"language": language, "name": f"Laser {language}"}) as desk:
        await desk.page.evaluate(AXE.read_text())
        objected = {}
        await desk.knows(work)
        for view in VIEWS:
            await show(desk, view, work)
            for theme, options in (("dark", ALL), ("light", COLOURS)):  # all else is the same in both
                await desk.page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
                if found := await desk.page.evaluate(CHECKED, options):
                    objected[view, theme] = found
        assert objected == {}


async def test_everything_can_be_touched_with_gloves_and_read_from_a_metre(browser, hall, work):
    async with at_work(browser, hall, pairing={"language": "de", "name": "Laser klein"}) as desk:
        wrong = {}
        await desk.knows(work)
        for width, height in SIZES:
            await desk.page.set_viewport_size({"width": width, "height": height})
            for view in VIEWS:
                await show(desk, view, work)
                if found := await desk.page.evaluate(SMALL, [TARGET_PX, PRIMARY_PX, TEXT_PX]):
                    wrong[view, width, height, "small"] = found
                if found := await desk.page.evaluate(OVER):
                    wrong[view, width, height, "over"] = found
        assert wrong == {}
