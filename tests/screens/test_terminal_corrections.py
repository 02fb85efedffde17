"""What was booked, pieces and times, is put right by a supervisor, with a reason; others cannot."""

import json
from datetime import datetime, timedelta

import pytest_asyncio
from hall import ANNA, BURR, CEM
from looks import flaws
from work import at_work, order


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(browser, hall):
    await hall.gateway.db.write(
        lambda tx: tx.execute("UPDATE profiles SET role = 'admin' WHERE id = ?", (CEM,)) and None
    )
    async with at_work(browser, hall, "Cem") as desk:
        yield desk
        assert desk.watched.complaints() == []


async def booked(hall, operation_id: str) -> dict:
    [row] = await hall.rows("SELECT * FROM operation_quantities WHERE operation_id = ?", operation_id)
    return row


async def completed(hall, number: str) -> str:
    """By Anna: eight good pieces, two for scrap."""
    cut, _ = await order(hall, number)
    await hall.press(cut, "start")
    scrap = {"quantity_scrap": 2, "scrap_reason_id": BURR}
    body = {"operation_id": cut, "quantity_good": 8, "recorded_by": ANNA, **scrap}
    assert (await hall.send("POST", "/api-operation-quantities", body)).status == 201
    await hall.press(cut, "complete")
    return cut


async def test_a_supervisor_puts_pieces_right_and_says_why(desk, hall):
    cut = await completed(hall, "K-1")
    await desk.open(cut)
    await desk.tap_on("a:has-text('Correct')")
    await desk.counted(8)
    await desk.counted(2, "scrap")
    await desk.key("7")
    await desk.confirm()
    await desk.page.fill("dialog textarea", "One was counted twice")
    await desk.answer("Correct")
    await desk.arrives("operation")
    await desk.settle()
    row = await booked(hall, cut)
    assert (row["quantity_good"], row["quantity_scrap"], row["recorded_by"]) == (7, 2, ANNA)
    [note] = json.loads(row["metadata"])["corrections"]
    assert (note["by"], note["reason"], note["was"]["quantity_good"]) == (CEM, "One was counted twice", 8)


async def test_scrap_that_is_put_right_has_its_reason_anew(desk, hall):
    cut = await completed(hall, "K-2")
    await desk.open(cut)
    await desk.tap_on("a:has-text('Correct')")
    await desk.field("scrap")
    await desk.tap_on(".reason:has-text('Scratched')")
    await desk.counted(1, "scrap")
    await desk.confirm()
    await desk.page.fill("dialog textarea", "The other one was good")
    await desk.answer("Correct")
    await desk.arrives("operation")
    await desk.settle()
    assert (await booked(hall, cut))["quantity_scrap"] == 1


async def test_others_read_who_does_it(browser, hall):
    cut = await completed(hall, "K-3")
    async with at_work(browser, hall, "Anna", pairing={"name": "Other"}) as desk:
        await desk.open(cut)
        await desk.page.wait_for_selector("text=Corrections are made by a supervisor.")
        await desk.page.wait_for_selector(".booked-part")
        assert await desk.page.locator("main :is(a, button):has-text('Correct')").count() == 0


async def test_a_supervisor_puts_times_right_and_says_why(desk, hall):
    cut = await completed(hall, "K-4")
    [before] = await hall.rows("SELECT id, start_time, end_time FROM time_entries WHERE operation_id = ?", cut)
    began = datetime.fromisoformat(before["start_time"]).replace(second=0, microsecond=0) - timedelta(minutes=30)
    await desk.open(cut)
    await desk.tap_on(".booked-part button:has-text('Correct')")
    await desk.page.wait_for_selector("dialog[open] textarea")
    assert await flaws(desk.page) == []
    await desk.page.fill("dialog textarea", "Came earlier")
    shown = "at => new Date(at - new Date(at).getTimezoneOffset() * 60000).toISOString().slice(0, 16)"
    later = began + timedelta(hours=10)
    await desk.page.fill("dialog [name=start]", await desk.page.evaluate(shown, later.timestamp() * 1000))
    await desk.answer("Correct")
    assert await desk.page.evaluate("document.querySelector('dialog [name=end]').validationMessage")
    await desk.page.fill("dialog [name=start]", await desk.page.evaluate(shown, began.timestamp() * 1000))
    await desk.answer("Correct")
    await desk.page.wait_for_selector("dialog", state="detached")
    await desk.settle()
    [after] = await hall.rows("SELECT start_time, end_time, notes FROM time_entries WHERE id = ?", before["id"])
    assert datetime.fromisoformat(after["start_time"]) == began
    assert after["end_time"] == before["end_time"]
    assert after["notes"].startswith("corrected by Cem: Came earlier")
    [row] = await hall.rows("SELECT actual_time_s FROM operations WHERE id = ?", cut)
    assert row["actual_time_s"] >= timedelta(minutes=30).total_seconds()
