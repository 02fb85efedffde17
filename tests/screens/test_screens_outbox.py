"""What becomes of a tap: refused, taken back, discarded by a person, sent directly where nothing can be stored."""

import pytest
from browsing import opened
from terminal_screen import Screen

NO_DATABASE = "Object.defineProperty(window, 'indexedDB', { value: undefined })"
FULL = """
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (...given) {
  if (window.full) throw new DOMException("full", "QuotaExceededError");
  return put.apply(this, given);
};
"""
LONG_S = 600


async def test_what_is_refused_waits_for_a_person_and_holds_up_its_own_operation_only(hall, screen, capsys):
    refused, other = await hall.operations(2)
    await screen.knows(refused, other)
    before = await hall.carried_out()
    await screen.watched.context.set_offline(True)
    first = await screen.tap("pause", refused)  # it was never started
    behind = await screen.tap("start", refused)
    passes = await screen.tap("start", other)
    await screen.watched.context.set_offline(False)
    await screen.state("attention")
    await screen.page.wait_for_function("() => app.outbox.waiting.length === 1")
    assert await hall.carried_out() == [*before, passes]
    assert await screen.badge() == "1 change needs attention"
    await screen.page.click("terminal-badge button")
    await screen.page.click("dialog >> text=Needs attention")
    card = screen.page.locator(f"[data-command='{first}']")
    assert "Pause" in await card.inner_text()
    assert "Not booked:" in await card.inner_text()
    assert (
        "refused change of the same operation" in await screen.page.locator(f"[data-command='{behind}']").inner_text()
    )
    await card.locator("text=Retry").click()
    await screen.page.wait_for_function("id => app.outbox.refused.some(one => one.id === id)", arg=first)
    await card.locator("text=Discard").click()
    await screen.page.click("dialog >> text=Cancel")
    assert await card.is_visible()
    await card.locator("text=Discard").click()
    await screen.page.click("dialog .danger")
    await screen.page.wait_for_function("() => app.outbox.waiting.length === 0")
    kept = await screen.page.evaluate("() => app.db.get('kept', 'discarded')")
    assert [(one["id"], one["by"], one["reason"]["status"]) for one in kept] == [(first, "Anna", 400)]
    await screen.page.wait_for_function("async () => (await app.db.get('kept', 'discarded'))[0].told")
    logged = next(line for line in capsys.readouterr().out.splitlines() if "terminal.command_discarded" in line)
    assert first in logged
    assert "Anna" in logged
    # Anna is at work on the other one: that, too, only a person can settle.
    await screen.page.wait_for_selector(f"[data-command='{behind}'] >> text=Not booked")
    assert await hall.carried_out() == [*before, passes]


async def test_undo_within_its_window_leaves_nothing_for_the_gateway_to_see(hall, screen):
    [operation] = await hall.operations()
    await screen.knows(operation)
    before = await hall.carried_out()
    asked = len(screen.watched.asked)
    await screen.tap("report", operation, {"good": 3}, undo_s=LONG_S, done="Reported 3")
    assert (await screen.card(operation))["good"] == 3
    await screen.page.click("text=Undo")
    await screen.sent()
    assert (await screen.card(operation))["good"] == 0
    await screen.page.wait_for_selector("text=Nothing was booked")
    assert await hall.carried_out() == before
    assert [url for url in screen.watched.asked[asked:] if url.endswith("/commands")] == []


async def test_a_window_that_passes_or_the_next_tap_sends_it(hall, screen):
    [operation] = await hall.operations()
    await screen.knows(operation)
    started = await screen.tap("start", operation)
    passed = await screen.tap("report", operation, {"good": 1}, undo_s=0.2, done="Reported 1")
    await screen.sent()
    await screen.page.wait_for_selector(".toast >> text=Undo", state="detached")
    held = await screen.tap("report", operation, {"good": 2}, undo_s=LONG_S, done="Reported 2")
    assert await screen.page.evaluate("id => app.outbox.commands.find(one => one.id === id).state", held) == "held"
    following = await screen.tap("pause", operation)
    await screen.sent()
    assert (await hall.carried_out())[-4:] == [started, passed, held, following]


async def test_a_page_that_is_closed_within_the_window_sends_it_when_it_is_open_again(hall, screen):
    [operation] = await hall.operations()
    await screen.knows(operation)
    held = await screen.tap("report", operation, {"good": 5}, undo_s=LONG_S, done="Reported 5")
    await screen.page.reload()
    await screen.page.wait_for_function("() => app.outbox?.running && app.outbox.waiting.length === 0")
    assert (await hall.carried_out()).count(held) == 1


@pytest.mark.parametrize("broken", [NO_DATABASE, FULL], ids=["missing", "full"])
async def test_where_nothing_can_be_stored_the_page_says_so_and_sends_directly(hall, browser, broken):
    watched = await opened(browser)
    await watched.context.add_init_script(broken)
    screen = Screen(hall, watched)
    await screen.pair()
    await screen.login()
    [operation] = await hall.operations()
    await screen.knows(operation)
    await screen.page.evaluate("window.full = true")
    tap = await screen.tap("start", operation)
    assert (await hall.carried_out())[-1] == tap  # the answer was waited for
    await screen.page.wait_for_selector("[role=alert] >> text=This screen cannot store work")
    await watched.context.set_offline(True)
    assert await screen.tap("pause", operation) is None
    await screen.page.wait_for_selector(".toast.red")
    await watched.context.set_offline(False)
    assert (await hall.carried_out())[-1] == tap
    await watched.context.close()


async def test_a_new_build_is_offered_once_everything_is_sent(hall, screen):
    [operation] = await hall.operations()
    await screen.knows(operation)
    assets = hall.gateway._assets
    build = assets.build
    try:
        assets.build = "0123456789abcdef"
        held = await screen.tap("report", operation, {"good": 1}, undo_s=LONG_S)
        await screen.page.evaluate("() => app.reporting.tell()")
        await screen.page.wait_for_function("() => app.outdated")
        assert not await screen.page.locator("text=New version").is_visible()
        await screen.page.evaluate("() => app.outbox.release()")
        await screen.page.wait_for_selector("text=New version")
        assert (await hall.carried_out())[-1] == held
    finally:
        assets.build = build


async def test_a_second_tap_on_the_same_button_within_a_moment_does_nothing(screen):
    taps = await screen.page.evaluate("""() => {
      let taps = 0;
      const button = document.createElement("button");
      button.addEventListener("click", () => taps++);
      document.querySelector("main").prepend(button);
      for (const detail of [1, 2]) button.dispatchEvent(new MouseEvent("click", { detail, bubbles: true, cancelable: true }));
      button.remove();
      return taps;
    }""")
    assert taps == 1
