"""Who starts an operation of a batch says whether he means all of it; the screen shows that it runs as one."""

import pytest_asyncio
from hall import ANNA, LASER
from looks import flaws
from work import at_work, order

SMALL = {"width": 800, "height": 480}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(browser, hall):
    async with at_work(browser, hall) as desk:
        yield desk
        assert desk.watched.complaints() == []


async def planned(hall, batch: str, *numbers: str) -> list[str]:
    """Operations at the laser, in one batch."""
    ids = [(await order(hall, number, steps=("Cut",)))[0] for number in numbers]
    body = {"batch_number": batch, "batch_type": "general", "cell_id": LASER, "operation_ids": ids}
    assert (await hall.send("POST", "/api-batches", body)).status == 201
    return ids


async def test_a_batch_is_started_and_finished_at_one_of_its_operations(desk, hall):
    cut, beside = await planned(hall, "B-12", "N-1", "N-2")
    await desk.open(cut)
    await desk.page.wait_for_function("id => app.store.operation(id)?.batch", arg=cut)
    await desk.do("start")
    assert "Batch B-12: 2 operations" in await desk.told()
    await desk.answer("Batch")
    await desk.stands(beside, "in_progress")
    await desk.page.wait_for_selector("text=Runs as batch B-12: 2 operations")
    await desk.settle()
    rows = await hall.rows("SELECT operation_id FROM time_entries WHERE operator_id = ? AND end_time IS NULL", ANNA)
    assert {row["operation_id"] for row in rows} == {cut, beside}

    await desk.do("finish")
    await desk.confirm()
    await desk.answer("Batch")
    assert "N-2, part N-2-P1: 0 good of 10" in await desk.told()
    await desk.answer("Finish anyway")
    await desk.arrives("queue")
    await desk.settle()
    [batch] = await hall.rows("SELECT status FROM operation_batches")
    assert batch["status"] == "completed"
    rows = await hall.rows("SELECT operation_id, quantity_good FROM operation_quantities")
    assert [tuple(row.values()) for row in rows] == [(cut, 10)]


async def test_it_fits_the_smallest_screen_in_german(browser, hall):
    cut, beside = await planned(hall, "LOS-2026-0815", "N-5", "N-6")
    async with at_work(browser, hall, "Ben", viewport=SMALL, pairing={"name": "Small", "language": "de"}) as desk:
        await desk.open(cut)
        await desk.page.wait_for_function("id => app.store.operation(id)?.batch", arg=cut)
        await desk.do("start")
        await desk.page.wait_for_selector("dialog[open] .tile")
        assert await flaws(desk.page) == []
        await desk.answer("Los")
        await desk.page.wait_for_selector("dialog", state="detached")
        await desk.stands(beside, "in_progress")
        await desk.page.wait_for_selector(".tag-batch")
        assert await flaws(desk.page) == []
        inside = "() => { const one = document.querySelector('.operation-what'); return one.scrollWidth <= one.clientWidth; }"
        assert await desk.page.evaluate(inside)
        await desk.settle()


async def test_one_of_a_batch_is_started_alone(desk, hall):
    cut, beside = await planned(hall, "B-13", "N-3", "N-4")
    await desk.open(cut)
    await desk.page.wait_for_function("id => app.store.operation(id)?.batch", arg=cut)
    await desk.do("start")
    await desk.answer("Single")
    await desk.stands(cut, "in_progress")
    await desk.settle()
    [other] = await hall.rows("SELECT status FROM operations WHERE id = ?", beside)
    assert other["status"] == "not_started"
    await desk.do("pause")
    await desk.settle()


async def test_a_batch_that_waits_to_be_sent_is_shown_on_all_of_its_operations(desk):
    replayed = """async () => {
      const module = document.querySelector("script[type=module]").src;
      const { replay } = await import(new URL("core/reducer.js", module));
      const card = { status: "not_started", batch_id: "b", batch: { status: "ready" }, good: 0, scrap: 0, rework: 0, on_it: [] };
      const cards = [{ ...card, id: "a" }, { ...card, id: "c" }, { ...card, id: "d", batch_id: null, batch: null }];
      const tap = (type, payload) => ({ type, operation_id: "a", payload: { batch: true, ...payload }, session: "s" });
      const told = (taps) => replay(cards, taps).map((one) => `${one.status} ${one.batch?.status} ${one.good}`);
      const begun = tap("start", {});
      return [told([begun]), told([begun, tap("finish", { good: 5 })])];
    }"""
    running, completed = await desk.page.evaluate(replayed)
    assert running == ["in_progress in_progress 0", "in_progress in_progress 0", "not_started undefined 0"]
    assert completed == ["completed in_progress 5", "completed in_progress 0", "not_started undefined 0"]
