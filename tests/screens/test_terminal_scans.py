"""What a scan means to the views of work; how it is told from typing, and its other answers: `test_screens_scanner.py`."""

import pytest_asyncio
from hall import BURR
from work import at_work, order

HEARD = """() => {
  window.heard = [];
  document.querySelector('.queue-search').addEventListener('input', event => heard.push(event.target.value));
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(browser, hall):
    async with at_work(browser, hall) as desk:
        yield desk
        assert desk.watched.complaints() == []


async def test_a_scan_into_a_field_opens_the_operation_and_leaves_the_field_as_it_was(desk, hall):
    cut, _ = await order(hall, "S-1")
    await desk.knows(cut)
    await desk.page.fill(".queue-search", "plate")
    await desk.page.focus(".queue-search")
    await desk.page.evaluate(HEARD)
    await desk.scan(cut)
    await desk.arrives("operation")
    assert (await desk.page.evaluate("heard"))[-1] == "plate"


async def test_a_number_of_one_part_opens_it_and_of_several_asks_which(desk, hall):
    cut, _ = await order(hall, "SEVERAL")
    await desk.knows(cut)
    await desk.scan("several")
    assert "2 matches" in await desk.told()
    await desk.tap_on("dialog .tile:has-text('Saw')")
    await desk.page.wait_for_selector(".header-title:has-text('20 Saw')")
    assert await desk.page.evaluate("app.store.cell") != "all"  # the cell has changed with it
    await desk.scan("SEVERAL:SEVERAL-P1:10")
    await desk.page.wait_for_selector(".header-title:has-text('10 Cut')")


async def test_a_reason_counts_a_piece_where_pieces_are_counted(desk, hall):
    cut, _ = await order(hall, "S-5")
    await desk.open(cut, "quantity")
    await desk.scan("BURR")
    await desk.counted(1, "scrap")
    scrap = await desk.page.evaluate("document.querySelector('quantity-view').counted.scrap")
    assert scrap == {BURR: 1}
    assert await desk.page.locator(".count-good .number").inner_text() == "0"  # no character of it reached the keypad
