"""Two screens in one cell: each sees what the other does, and nothing is booked twice."""

import contextlib

import pytest_asyncio
from hall import ANNA, BEN
from work import at_work, order


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desks(browser, hall):
    async with contextlib.AsyncExitStack() as both:
        yield [
            await both.enter_async_context(at_work(browser, hall, name, pairing={"name": f"Laser of {name}"}))
            for name in ("Anna", "Ben")
        ]


async def test_what_one_does_the_other_sees(desks, hall):
    anna, ben = desks
    cut, _ = await order(hall, "D-1")
    await anna.open(cut)
    await ben.knows(cut)
    await ben.page.evaluate("app.go('#/queue')")
    await anna.do("start")
    await ben.page.wait_for_selector(".op-card-running:has-text('D-1'):has-text('Anna')")
    await anna.do("pause")
    await ben.page.wait_for_selector(".op-card-paused:has-text('D-1')")
    await anna.settle()


async def test_who_starts_what_another_has_started_is_told_who(desks, hall):
    """Both tap before either knows of the other: one works, the other reads the name, and joins."""
    anna, ben = desks
    cut, _ = await order(hall, "D-2")
    await anna.open(cut)
    await ben.open(cut)
    await ben.watched.context.set_offline(True)
    await ben.do("start")
    await ben.stands(cut, "in_progress")
    await anna.do("start")
    await anna.settle()
    await ben.watched.context.set_offline(False)
    await ben.state("attention")
    entries = await hall.rows("SELECT operator_id FROM time_entries WHERE operation_id = ?", cut)
    assert [one["operator_id"] for one in entries] == [ANNA]
    await ben.page.wait_for_selector(".people:has-text('Anna')")
    await ben.page.evaluate("app.outbox.discard(app.outbox.refused[0].id, 'Ben')")
    await ben.do("join")
    await ben.settle()
    entries = await hall.rows(
        "SELECT operator_id, end_time FROM time_entries WHERE operation_id = ? ORDER BY start_time", cut
    )
    assert [tuple(one.values()) for one in entries] == [(ANNA, None), (BEN, None)]
    for desk in desks:
        await desk.do("pause")
        await desk.settle()
