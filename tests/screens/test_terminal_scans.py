"""A scan anywhere: told apart from typing, and each answer that it can have."""

import pytest_asyncio
from hall import BEN, BURR
from work import at_work, order

APART_MS = 5  # characters of a scanner
# Its keys with the times that they were pressed at: how busy the page is does not change those of a real one.
TYPED = """([text, apart_ms]) => {
  let pressed = performance.now();
  for (const key of [...text, 'Enter']) {
    const field = document.activeElement;
    const event = new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true});
    Object.defineProperty(event, 'timeStamp', {value: pressed += apart_ms});
    if (field.dispatchEvent(event) && key.length === 1 && field instanceof HTMLInputElement) {
      field.value += key;
      field.dispatchEvent(new InputEvent('input', {bubbles: true}));
    }
  }
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(browser, hall):
    async with at_work(browser, hall) as desk:
        yield desk
        assert desk.watched.complaints() == []


async def scan(desk, text: str, apart_ms: int = APART_MS) -> None:
    await desk.page.evaluate(TYPED, [text, apart_ms])


async def hears(desk, text: str) -> None:
    await desk.page.wait_for_selector(f".toast:has-text('{text}')")


async def test_a_scan_into_a_field_opens_the_operation_and_leaves_the_field_as_it_was(desk, hall):
    cut, _ = await order(hall, "S-1")
    await desk.knows(cut)
    await desk.page.fill(".queue-search", "plate")
    await desk.page.focus(".queue-search")
    await desk.page.evaluate("() => { window.said = []; document.querySelector('.queue-search').addEventListener('input', e => said.push(e.target.value)); }")
    await scan(desk, cut)
    await desk.arrives("operation")
    assert (await desk.page.evaluate("said"))[-1] == "plate"


async def test_slow_typing_stays_typing(desk):
    await desk.page.evaluate("app.go('#/queue')")
    await desk.page.fill(".queue-search", "")
    await desk.page.focus(".queue-search")
    await desk.page.locator(".queue-search").press_sequentially("S-17", delay=60)
    await desk.page.keyboard.press("Enter")
    assert await desk.page.input_value(".queue-search") == "S-17"
    assert await desk.page.evaluate("app.route.name") == "queue"


async def test_a_number_of_one_part_opens_it_and_of_several_asks_which(desk, hall):
    cut, _ = await order(hall, "SEVERAL")
    await desk.knows(cut)
    await scan(desk, "several")
    assert "2 matches" in await desk.told()
    await desk.tap_on("dialog .tile:has-text('Saw')")
    await desk.page.wait_for_selector(".header-title:has-text('20 Saw')")
    assert await desk.page.evaluate("app.store.cell") != "all"  # the cell has changed with it
    await scan(desk, "SEVERAL:SEVERAL-P1:10")
    await desk.page.wait_for_selector(".header-title:has-text('10 Cut')")


async def test_what_nobody_knows_is_said(desk):
    await scan(desk, "NOBODY-KNOWS-4711")
    await hears(desk, "NOBODY-KNOWS-4711")


async def test_what_is_finished_is_said_and_shown(desk, hall):
    cut, _ = await order(hall, "S-3")
    for action in ("start", "complete"):
        body = {"operation_id": cut, "action": action, "operator_id": BEN}
        assert (await hall.send("POST", "/api-operation-lifecycle", body)).status == 200
    await scan(desk, cut)
    await hears(desk, "Already finished")
    await desk.page.wait_for_selector(".header-title:has-text('S-3')")


async def test_who_works_on_it_is_said(desk, hall):
    cut, _ = await order(hall, "S-4")
    body = {"operation_id": cut, "action": "start", "operator_id": BEN}
    assert (await hall.send("POST", "/api-operation-lifecycle", body)).status == 200
    await scan(desk, cut)
    await hears(desk, "Ben is working on it")
    await desk.page.wait_for_selector("[data-action=join]")


async def test_a_reason_counts_a_piece_where_pieces_are_counted(desk, hall):
    cut, _ = await order(hall, "S-5")
    await desk.open(cut, "quantity")
    await scan(desk, "BURR")
    await desk.counted(1, "scrap")
    scrap = await desk.page.evaluate("document.querySelector('quantity-view').counted.scrap")
    assert scrap == {BURR: 1}
    assert await desk.page.locator(".count-good .number").inner_text() == "0"  # no character of it reached the keypad


async def test_a_badge_leads_to_its_owners_pin(desk, hall):
    await hall.gateway.db.write(_number, BEN, "E-0043")
    await scan(desk, "E-0043")
    await desk.page.wait_for_selector(".login-pin:has-text('Ben')")


def _number(tx, operator_id: str, employee_id: str) -> None:
    tx.execute("UPDATE profiles SET employee_id = ? WHERE id = ?", (employee_id, operator_id))
