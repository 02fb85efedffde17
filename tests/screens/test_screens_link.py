"""Taps while there is no gateway: kept, shown, sent once and in order."""

from datetime import UTC, datetime, timedelta

import pytest_asyncio
from hall import LASER
from station import Screen

TAPS = 5
APART_MAX = timedelta(seconds=2)


async def operations(hall, number: int) -> list[str]:
    """Ids of fresh operations at the laser, each of a part of its own."""
    parts = [
        {
            "part_number": f"P{n}",
            "quantity": 10,
            "operations": [{"operation_name": f"Cut {n}", "sequence": 10, "cell_id": LASER, "estimated_time": 30}],
        }
        for n in range(number)
    ]
    said = await hall.send("POST", "/api-jobs", {"job_number": f"J-{datetime.now(UTC).timestamp()}", "parts": parts})
    return [one["operations"][0]["id"] for one in said.data["job"]["parts"]]


async def shown(screen: Screen, ids: list[str]) -> None:
    """The screen knows these operations."""
    await screen.page.wait_for_function("ids => ids.every(id => app.store.operation(id))", arg=ids)


async def tap(screen: Screen, kind: str, operation_id: str, payload=None, **options) -> str:
    """Its id, once it is safe."""
    command = {"type": kind, "operation_id": operation_id, "payload": payload or {}}
    return await screen.page.evaluate(
        "async ([command, options]) => (await app.act(command, options)).id", [command, options]
    )


async def sent(hall) -> list[str]:
    """Ids of the commands that were carried out, in order."""
    rows = await hall.rows("SELECT key FROM receipts WHERE space LIKE 'terminal:%' ORDER BY id")
    return [row["key"] for row in rows]


@pytest_asyncio.fixture(loop_scope="session")
async def screen(hall, watched):
    screen = Screen(hall, watched)
    await screen.pair()
    await screen.login()
    return screen


async def test_taps_without_a_gateway_are_shown_and_sent_once_in_order(hall, screen):
    ids = await operations(hall, TAPS)
    await shown(screen, ids)
    before = await sent(hall)
    await screen.watched.context.set_offline(True)
    taps = [await tap(screen, "start", ids[0])]
    taps += [await tap(screen, "report", ids[0], {"good": n}) for n in (1, 2, 3)]
    taps += [await tap(screen, "pause", ids[0])]
    await screen.page.wait_for_selector("[data-state=no_gateway]")
    assert await screen.badge() == "No gateway – 5 taps waiting on this screen"
    card = await screen.page.evaluate("id => app.store.operation(id)", ids[0])
    assert (card["status"], card["good"], card["waiting"]) == ("on_hold", 6, True)
    assert await sent(hall) == before
    await screen.watched.context.set_offline(False)
    await screen.page.wait_for_function("() => app.outbox.waiting.length === 0")
    assert await sent(hall) == [*before, *taps]
    await screen.page.wait_for_selector("[data-state=online]")
    rows = await hall.rows("SELECT sum(quantity_good) AS good FROM operation_quantities WHERE operation_id = ?", ids[0])
    assert rows[0]["good"] == 6
    assert screen.watched.real_complaints() == []
