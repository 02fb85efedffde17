"""What each tap does, over HTTP: rows, time, journal."""

from station import ANNA, SAW


async def test_start_books_the_operators_time_and_tells_it_in_the_journal(hall):
    (first, _) = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await hall.clock.advance(60)
    told = await terminal.tapped("start", first, age_ms=20_000)
    (card,) = told["operations"]
    assert (card["status"], card["on_it"][0]["name"]) == ("in_progress", "Anna")
    assert told["result"]["previous_status"] == "not_started"
    (entry,) = await hall.query("SELECT operator_id, start_time, end_time FROM time_entries")
    assert entry == (ANNA, "2026-11-02T07:00:40+00:00", None)
    assert "operation.started" in await hall.events()


async def test_a_whole_order(hall):
    (first, second) = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    await hall.clock.advance(600)
    await terminal.tapped("report", first, {"good": 4})
    told = await terminal.tapped("finish", first, {"good": 6})
    (card,) = told["operations"]
    assert (card["status"], card["good"], card["worked_s"], card["on_it"]) == ("completed", 10, 600, [])
    snapshot = await terminal.get(f"/snapshot?cell={SAW}")
    (card,) = snapshot["operations"]
    assert (card["id"], card["waits"]) == (second, False)
