"""Who works at a terminal: PINs, lockout, several at once, a screen that was left alone, one that is revoked."""

import shutil

import pytest_asyncio
from browsing import opened
from hall import ANNA, CEM
from terminal_screen import PIN, Screen, serving

SAID = "p[role=alert]"


@pytest_asyncio.fixture(loop_scope="session")
async def paired(hall, watched):
    screen = Screen(hall, watched)
    await screen.pair()
    return screen


async def test_a_code_works_once_and_a_wrong_one_is_said(hall, watched):
    screen = Screen(hall, watched)
    await watched.page.goto(f"{hall.url}/terminal/")
    await watched.page.fill("input[name=code]", "OOO")
    await watched.page.click("form button")
    await watched.page.wait_for_selector(f"{SAID}:has-text('6 letters and digits')")
    await watched.page.fill("input[name=code]", "ABCDEF")
    await watched.page.press("input[name=code]", "Enter")
    await watched.page.wait_for_selector(f"{SAID}:not(:empty):not(:has-text('6 letters'))")
    await screen.pair("Saw 1", None)
    assert await watched.page.title() == "Saw 1"


async def test_the_first_pin_is_chosen_twice_just_after_pairing(hall, paired):
    await hall.gateway.db.write(
        lambda tx: tx.execute("DELETE FROM terminal_pins WHERE operator_id = ?", (CEM,)) and None
    )
    await paired.page.reload()
    await paired.page.click(".person:has-text('Cem')")
    await paired.page.wait_for_selector("text=Choose a PIN")
    await paired.type_pin("1111")
    await paired.page.wait_for_selector("text=once more")
    await paired.type_pin("2222")
    await paired.page.wait_for_selector(f"{SAID}:has-text('differ')")
    await paired.type_pin(PIN)
    await paired.type_pin(PIN)
    await paired.page.wait_for_selector(".operator:has-text('Cem')")


async def test_the_digits_of_a_keyboard_work_and_never_stand_in_the_page(paired):
    await paired.page.click(".person:has-text('Anna')")
    await paired.scan(PIN, apart_ms=150, end="Shift")
    await paired.page.wait_for_function("n => document.querySelectorAll('.pin-dot.full').length === n", arg=len(PIN))
    assert PIN not in await paired.page.content()
    await paired.page.keyboard.press("Enter")
    await paired.page.wait_for_selector(".operator:has-text('Anna')")


async def test_five_wrong_pins_lock_for_as_long_as_it_says(hall, paired):
    await paired.page.click(".person:has-text('Ben')")
    for left in (4, 3, 2, 1):
        await paired.type_pin("9999")
        word = "attempt" if left == 1 else "attempts"
        await paired.page.wait_for_selector(f"{SAID}:has-text('{left} {word} left')")
    await paired.type_pin("9999")
    await paired.page.wait_for_selector(f"{SAID}:has-text('Locked')")
    assert "min" in await paired.page.locator("[data-locked]").inner_text()
    assert not await paired.page.locator("terminal-pin").is_visible()
    await hall.pins()
    await paired.page.click("text=Someone else")
    await paired.page.click(".person:has-text('Ben')")
    await paired.type_pin(PIN)
    await paired.page.wait_for_selector(".operator:has-text('Ben')")


async def test_several_work_at_one_terminal_and_change_over_by_tile_and_pin(paired):
    for name in ("Anna", "Ben"):
        await paired.page.goto(paired.page.url.split("#")[0] + "#/login")
        await paired.login(name)
    assert await paired.page.evaluate("() => app.sessions.list.map(one => [one.name, one.locked])") == [
        ["Anna", True],
        ["Ben", False],
    ]
    await paired.page.click(".operator")
    await paired.page.wait_for_selector(".person:has-text('Ben') >> text=Works here now")
    await paired.page.click(".person:has-text('Anna')")
    await paired.page.wait_for_selector("text=Continue as Anna")
    await paired.type_pin(PIN)
    await paired.page.wait_for_selector(".operator:has-text('Anna')")


async def test_a_screen_that_is_left_alone_locks_and_the_timer_runs_on(hall, paired):
    await paired.login()
    [operation] = await hall.operations()
    await paired.knows(operation)
    await paired.tap("start", operation)
    await paired.sent()
    await paired.page.evaluate("() => (app.sessions.lock_s = 0.1)")
    await paired.page.wait_for_selector("text=Continue as Anna")
    await paired.page.evaluate("() => (app.sessions.lock_s = 300)")
    [row] = await hall.rows("SELECT end_time, is_paused FROM time_entries WHERE operation_id = ?", operation)
    assert (row["end_time"], row["is_paused"]) == (None, 0)
    await paired.type_pin(PIN)
    await paired.page.wait_for_selector(".operator:has-text('Anna')")


async def test_without_a_gateway_nobody_is_locked_out_and_after_half_an_hour_the_screen_only_shows(hall, paired):
    await paired.login()
    [operation] = await hall.operations()
    await paired.knows(operation)
    await paired.watched.context.set_offline(True)
    await paired.tap("start", operation)
    await paired.state("no_gateway")
    await paired.page.evaluate("() => { app.sessions.lock_s = 0.1; app.sessions.touched.steady -= 10_000; }")
    await paired.page.wait_for_function("() => app.clock.age_ms(app.sessions.touched) > 11_500")
    assert await paired.page.evaluate("() => app.sessions.active.name") == "Anna"
    await paired.page.evaluate("() => (app.sessions.touched.steady -= 1_800_000)")
    await paired.page.wait_for_selector("text=it only shows")
    assert await paired.tap("pause", operation) is None
    await paired.page.evaluate("() => { app.sessions.lock_s = 300; app.sessions.touch(); }")
    await paired.watched.context.set_offline(False)
    await paired.sent()
    await paired.page.wait_for_selector("text=it only shows", state="detached")


async def test_a_session_that_the_gateway_lost_is_asked_for_and_what_waits_goes_with_the_new_one(hall, paired):
    await paired.login()
    [operation] = await hall.operations()
    await paired.knows(operation)
    await paired.page.evaluate("""() => {
      app.sessions.list = app.sessions.list.map(one => ({ ...one, id: "00000000-0000-4000-8000-000000000999" }));
      app.sessions.active_id = "00000000-0000-4000-8000-000000000999";
    }""")
    tap = await paired.tap("start", operation)
    await paired.state("attention")
    await paired.page.goto(paired.page.url.split("#")[0] + "#/attention")
    await paired.page.wait_for_selector(f"[data-command='{tap}'] >> text=Log in as Anna")
    await paired.page.evaluate(f"() => app.sessions.login({{ operator_id: '{ANNA}' }}, '{PIN}')")
    await paired.sent()
    assert (await hall.carried_out())[-1] == tap


async def test_a_revoked_terminal_can_do_nothing_and_keeps_what_waits(hall, paired):
    await paired.login()
    [operation] = await hall.operations()
    await paired.knows(operation)
    await paired.watched.context.set_offline(True)
    tap = await paired.tap("start", operation)
    await paired.state("no_gateway")
    terminal = await paired.page.evaluate("() => app.identity.terminal.id")
    await hall.gateway.terminals.revoke(terminal)
    await paired.watched.context.set_offline(False)
    await paired.page.wait_for_selector("input[name=code]")
    await paired.page.wait_for_selector("text=1 tap of before is kept")
    assert await paired.page.evaluate("() => app.db.get('kept', 'identity')") is None
    await paired.pair("Laser again")
    await paired.login()
    await paired.sent()
    assert (await hall.carried_out())[-1] == tap


async def test_a_terminal_that_is_revoked_while_it_is_watched_goes_at_once(hall, paired):
    await paired.state("online")
    await hall.gateway.terminals.revoke(await paired.page.evaluate("() => app.identity.terminal.id"))
    await paired.page.wait_for_selector("input[name=code]")


async def test_a_badge_alone_is_enough_where_the_site_says_so_and_a_pedal_presses_the_main_button(
    browser, tmp_path, furnished
):
    shutil.copy(furnished, tmp_path)
    async with serving(tmp_path, terminal={"badge_only": True, "pedal_key": "F9"}) as hall:
        await hall.employee(hall.BEN, "E7701")
        watched = await opened(browser)
        screen = Screen(hall, watched)
        await screen.pair()
        await screen.scan("E7701")
        await watched.page.wait_for_selector(".operator:has-text('Ben')")
        [operation] = await hall.operations()
        await screen.knows(operation)
        await screen.show(f"operation/{operation}")
        await watched.page.wait_for_selector("[data-action=start]")
        await watched.page.keyboard.press("F9")
        await watched.page.wait_for_selector("[data-action=finish]")
        await screen.sent()
        [row] = await hall.rows("SELECT operator_id FROM time_entries WHERE operation_id = ?", operation)
        assert row["operator_id"] == hall.BEN
        await watched.context.close()
