"""A scanner that types, anywhere on the page: its text never stays in a field, and every scan has an answer."""

import pytest_asyncio

FIELD = "input[name=probe]"
WITH_FIELD = """() => {
  const field = document.createElement("input");
  field.name = "probe";
  document.body.append(field);
  window.heard = [];
  app.scanner.addEventListener("scan", ({ detail }) => heard.push(detail.text));
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def probed(screen):
    """With a field that somebody types into."""
    await screen.page.evaluate(WITH_FIELD)
    return screen


async def test_a_scan_into_a_field_leaves_the_field_as_it_was_and_opens_the_operation(hall, probed):
    [operation] = await hall.operations()
    await probed.knows(operation)
    card = await probed.card(operation)
    await probed.page.fill(FIELD, "turn")
    await probed.page.evaluate(f"() => document.querySelector('{FIELD}').setSelectionRange(2, 2)")
    await probed.scan(f"{card['job_number']}:{card['part_number']}:{card['sequence']}".lower())
    await probed.page.wait_for_function("id => location.hash === `#/operation/${id}`", arg=operation)
    assert await probed.page.input_value(FIELD) == "turn"
    assert await probed.page.evaluate(f"() => document.querySelector('{FIELD}').selectionStart") == 2


async def test_typing_stays_typing_and_a_scan_is_read_as_labels_are(probed):
    await probed.page.focus(FIELD)
    await probed.scan("ABC123", apart_ms=120)  # slowly
    await probed.scan("XYZ")  # three letters
    assert await probed.page.input_value(FIELD) == "ABC123XYZ"
    assert await probed.page.evaluate("() => heard") == []
    await probed.scan("ab c-12", end="Tab")
    await probed.page.wait_for_selector("text=Not found: ABC-12")
    assert await probed.page.evaluate("() => heard") == ["ABC-12"]
    assert await probed.page.input_value(FIELD) == "ABC123XYZ"


async def test_what_is_finished_or_somebody_elses_is_said(hall, probed):
    finished, busy = await hall.operations(2)
    await hall.press(finished, "start", "complete")
    await hall.press(busy, "start", operator_id=hall.BEN)
    await probed.page.wait_for_function("id => app.store.operation(id)?.on_it.length > 0", arg=busy)
    await probed.scan(finished)
    await probed.page.wait_for_selector("text=Already finished")
    await probed.scan(busy)
    await probed.page.wait_for_selector("text=Ben is working on it")


async def test_a_scan_switches_to_the_cell_of_what_it_finds(hall, probed):
    [operation] = await hall.operations(cell_id=hall.SAW)
    await probed.scan(operation)
    await probed.page.wait_for_function("id => location.hash === `#/operation/${id}`", arg=operation)
    await probed.knows(operation)
    assert await probed.page.evaluate("() => app.store.cell") == hall.SAW


async def test_without_a_gateway_it_finds_what_is_on_the_screen(hall, probed):
    [operation] = await hall.operations()
    await probed.knows(operation)
    card = await probed.card(operation)
    await probed.watched.context.set_offline(True)
    await probed.scan(card["part_number"])
    await probed.page.wait_for_function("id => location.hash === `#/operation/${id}`", arg=operation)
    await probed.watched.context.set_offline(False)


async def test_a_badge_leads_to_its_owners_pin_and_is_no_part_of_it(hall, probed):
    await hall.employee(hall.BEN, "774411")
    await probed.page.evaluate("() => { app.store.stale = true; app.store.stream.restart(); }")
    await probed.page.wait_for_function("() => app.store.operators.some(one => one.employee_id === '774411')")
    await probed.page.goto(probed.page.url.split("#")[0] + "#/login")
    await probed.page.click(".person:has-text('Cem')")
    await probed.scan("774411")
    await probed.page.wait_for_selector("h2:has-text('Ben')")
    assert await probed.page.locator(".pin-dot.full").count() == 0
