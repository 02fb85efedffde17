"""Work through the page: what is tapped stands in the database and in the journal, once, by the right person."""

import pytest_asyncio
from hall import ANNA, BURR
from work import at_work, order

MINUS_ONE = "\u22121"
TREMOR = """where => {
  const tap = () => new MouseEvent('click', {bubbles: true, cancelable: true, detail: 1}); // of a finger, not of a key
  const button = document.querySelector(where);
  button.dispatchEvent(tap());
  button.dispatchEvent(tap());
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(browser, hall):
    async with at_work(browser, hall) as desk:
        yield desk
        assert desk.watched.complaints() == []


async def test_an_order_is_worked_off(desk, hall):
    cut, _ = await order(hall, "W-1")
    await desk.open(cut)
    await desk.do("start")
    await desk.do("pause")
    await desk.do("resume")
    await desk.stands(cut, "in_progress")
    await desk.do("report")
    await desk.key("4")
    await desk.field("scrap")
    await desk.tap_on(".reason:has-text('Burr')")
    await desk.key("+1")
    await desk.confirm()
    await desk.do("finish")
    await desk.arrives("quantity")
    assert await desk.page.locator(".count-good .number").inner_text() == "4"  # what the plan still wants
    await desk.confirm()
    await desk.arrives("queue")
    await desk.settle()
    [operation] = await hall.rows("SELECT * FROM operations WHERE id = ?", cut)
    assert (operation["status"], operation["completed_at"] is not None) == ("completed", True)
    entries = await hall.rows("SELECT * FROM time_entries WHERE operation_id = ?", cut)
    assert [(one["operator_id"], one["end_time"] is not None) for one in entries] == [(ANNA, True)]
    pauses = await hall.rows("SELECT * FROM time_entry_pauses WHERE time_entry_id = ?", entries[0]["id"])
    assert [one["resumed_at"] is not None for one in pauses] == [True]
    quantities = await hall.rows("SELECT * FROM operation_quantities WHERE operation_id = ? ORDER BY recorded_at", cut)
    counted = [
        (one["quantity_good"], one["quantity_scrap"], one["quantity_rework"], one["recorded_by"]) for one in quantities
    ]
    assert counted == [(4, 2, 0, ANNA), (4, 0, 0, ANNA)]
    reasons = await hall.rows(
        "SELECT scrap_reason_id, quantity FROM operation_quantity_scrap_reasons WHERE operation_quantity_id = ?",
        quantities[0]["id"],
    )
    assert [tuple(one.values()) for one in reasons] == [(BURR, 2)]
    told = [
        one["type"]
        for one in await hall.rows(
            "SELECT type FROM events WHERE data LIKE ? AND type LIKE '%.%' ORDER BY seq", f"%{cut}%"
        )
    ]
    assert [one for one in told if one.startswith(("operation.", "production."))] == [
        "operation.started",
        "operation.paused",
        "operation.resumed",
        "production.quantity_reported",
        "production.scrap_recorded",
        "production.quantity_reported",
        "operation.completed",
    ]


async def test_what_stands_in_the_way_is_told_at_start(desk, hall):
    first, _, third = await order(hall, "W-2", steps=("Cut", "Saw", "Engrave"))
    await desk.open(first)
    await desk.do("start")
    await desk.stands(first, "in_progress")
    await desk.open(third)
    await desk.do("start")
    assert "An earlier step is open" in await desk.told()
    await desk.answer("Start anyway")
    assert "Cut of W-2, part W-2-P1. Pause that and start this?" in await desk.told()
    await desk.answer("Cancel")
    assert await hall.rows("SELECT status FROM operations WHERE id = ?", third) == [{"status": "not_started"}]
    await desk.do("start")
    await desk.answer("Start anyway")
    await desk.answer("Pause that")
    await desk.stands(third, "in_progress")
    await desk.settle()
    states = await hall.rows("SELECT id, status FROM operations WHERE id IN (?, ?)", first, third)
    assert {one["id"]: one["status"] for one in states} == {first: "on_hold", third: "in_progress"}
    await desk.do("pause")
    await desk.stands(third, "on_hold")
    await desk.settle()


async def test_more_than_planned_is_confirmed_with_the_numbers(desk, hall):
    cut, _ = await order(hall, "W-3", planned=3)
    await desk.open(cut, "quantity")
    await desk.key("5")
    await desk.confirm()
    assert "5 good, 3 pc planned: 2 too many" in await desk.told()
    await desk.answer("Cancel")
    await desk.key(MINUS_ONE, MINUS_ONE)
    await desk.confirm()
    await desk.arrives("operation")
    await desk.settle()
    assert await _good(hall, cut) == [3]


async def _good(hall, operation_id: str) -> list[int]:
    rows = await hall.rows(
        "SELECT quantity_good FROM operation_quantities WHERE operation_id = ? ORDER BY id", operation_id
    )
    return [one["quantity_good"] for one in rows]


async def test_less_than_planned_asks_what_becomes_of_the_rest(desk, hall):
    cut, _ = await order(hall, "W-4")
    await desk.open(cut)
    await desk.do("start")
    await desk.do("finish")
    await desk.key("4")
    await desk.confirm()
    assert "4 made, 10 pc planned: 6 missing" in await desk.told()
    await desk.answer("Keep open")
    await desk.arrives("queue")
    await desk.settle()
    assert await _good(hall, cut) == [4]
    [operation] = await hall.rows("SELECT status FROM operations WHERE id = ?", cut)
    assert operation["status"] == "on_hold"

    await desk.open(cut, "quantity", "/finish")
    await desk.key("1")
    await desk.confirm()
    await desk.answer("Report shortfall")
    await desk.arrives("issue")
    assert await desk.page.input_value("issue-view textarea") == "5 pc of 10 missing: "
    await desk.settle()

    await desk.open(cut, "quantity", "/finish")
    await desk.key("2")
    await desk.confirm()
    await desk.answer("Finish anyway")
    await desk.arrives("queue")
    await desk.settle()
    assert await _good(hall, cut) == [4, 1, 2]
    [operation] = await hall.rows("SELECT status FROM operations WHERE id = ?", cut)
    assert operation["status"] == "completed"


async def test_what_scrap_explains_is_not_asked_about(desk, hall):
    cut, _ = await order(hall, "W-5", planned=2)
    await desk.open(cut)
    await desk.do("start")
    await desk.do("finish")
    await desk.key("1")
    await desk.field("scrap")
    await desk.tap_on(".reason:has-text('Scratched')")
    await desk.confirm()
    await desk.arrives("queue")
    await desk.settle()
    [row] = await hall.rows(
        "SELECT quantity_good, quantity_scrap FROM operation_quantities WHERE operation_id = ?", cut
    )
    assert tuple(row.values()) == (1, 1)
    [operation] = await hall.rows("SELECT status FROM operations WHERE id = ?", cut)
    assert operation["status"] == "completed"


async def test_what_is_taken_back_was_never_sent(desk, hall):
    cut, _ = await order(hall, "W-6")
    await desk.open(cut, "quantity")
    await desk.key("2")
    await desk.confirm()
    await desk.tap_on(".toast button:has-text('Undo')")
    await desk.page.wait_for_function("id => app.store.operation(id).good === 0", arg=cut)
    await desk.settle()
    assert await _good(hall, cut) == []


async def test_a_second_tap_at_once_is_a_tremor(desk, hall):
    cut, _ = await order(hall, "W-7")
    await desk.open(cut)
    await desk.page.evaluate(TREMOR, "[data-action=start]")
    await desk.stands(cut, "in_progress")
    await desk.settle()
    assert await desk.page.locator("[data-action=finish]").is_visible()
    entries = await hall.rows("SELECT id FROM time_entries WHERE operation_id = ?", cut)
    assert len(entries) == 1
    await desk.do("pause")
    await desk.stands(cut, "on_hold")
    await desk.settle()


async def test_digits_may_come_quickly_also_from_a_keyboard(desk, hall):
    cut, _ = await order(hall, "W-8", planned=200)
    await desk.open(cut, "quantity")
    await desk.page.dblclick(".key:text-is('1')")
    await desk.counted(11)
    await desk.page.keyboard.press("Backspace")
    await desk.counted(1)
    await desk.page.keyboard.press("7")
    await desk.counted(17)
    await desk.tap_on(".keypad-all")
    await desk.counted(200)
    await desk.page.evaluate("app.go('#/queue')")
