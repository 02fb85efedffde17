"""The queue: what stands where, why there is nothing, and that only what has changed is drawn again."""

import pytest_asyncio
from hall import ANNA, BEN
from work import at_work, order

MANY = 120
DRAWN = """() => {
  window.drawn = [];
  const card = customElements.get('op-card').prototype;
  const render = card.render;
  card.render = function () { drawn.push(this.card.id); return render.call(this); };
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(browser, hall):
    async with at_work(browser, hall) as desk:
        yield desk
        assert desk.watched.complaints() == []


async def section(desk, name: str) -> str:
    return await desk.page.locator(f".queue-section:has(#queue-{name})").inner_text()


async def test_without_work_it_says_so(desk):
    await desk.page.wait_for_selector("text=No work released for Laser.")


async def test_work_stands_in_its_section_with_counts_and_the_rush_first(desk, hall):
    cut, saw = await order(hall, "Q-1")
    rush, _ = await order(hall, "Q-2", is_bullet_card=True)
    _, _, later = await order(hall, "Q-3", steps=("Cut", "Saw", "Engrave"))
    held, _ = await order(hall, "Q-4")
    issue = {"operation_id": held, "title": "No sheets", "description": "None", "causes_standstill": True}
    await hall.send("POST", "/api-issues", issue)
    await hall.press(cut, "start", operator_id=BEN)
    await desk.knows(cut, rush, later, held)
    await desk.page.wait_for_selector(".op-card-held")
    assert "Ben" in await section(desk, "process")
    following = await section(desk, "next")
    assert following.index("Q-2") < following.index("Q-3")
    assert "2\n1.0 h · 20 pieces" in following
    assert "Engrave" in await section(desk, "expected")
    assert "No sheets" in await section(desk, "held")
    assert not await desk.page.locator(f"a[href='#/operation/{saw}']").count()  # the saw's


async def test_filters_and_search_say_when_nothing_fits(desk):
    await desk.tap_on("[aria-pressed]:has-text('Rush')")
    await desk.page.wait_for_function("() => document.querySelectorAll('op-card').length === 1")
    await desk.tap_on("[aria-pressed]:has-text('Mine')")
    await desk.page.wait_for_selector("text=Nothing in Laser matches search and filters.")
    await desk.tap_on("button:has-text('Show all')")
    await desk.page.wait_for_selector(".op-card-held")


async def test_only_what_has_changed_is_drawn_again_in_a_long_list(desk, hall):
    ids = await hall.operations(MANY)
    await desk.knows(*ids)
    await desk.tap_on(".queue-more")
    first = "() => document.querySelectorAll('op-card').length"
    assert await desk.page.evaluate(first) < MANY  # those further down are drawn when somebody gets there
    await desk.page.evaluate(DRAWN)
    await hall.send(
        "POST", "/api-operation-quantities", {"operation_id": ids[3], "quantity_good": 7, "recorded_by": ANNA}
    )
    await desk.page.wait_for_selector(f"a[href='#/operation/{ids[3]}'] .number:text-is('7')")
    assert set(await desk.page.evaluate("drawn")) == {ids[3]}
    await desk.page.locator(".queue-end").scroll_into_view_if_needed()
    await desk.page.wait_for_function("many => document.querySelectorAll('op-card').length >= many", arg=MANY // 2)


async def test_another_cell_is_one_choice_away_and_remembered(desk):
    await desk.page.select_option(".cell-choice select", label="Saw")
    await desk.page.wait_for_selector("op-card:has-text('20 Saw')")
    await desk.page.reload()
    await desk.page.wait_for_selector("op-card:has-text('20 Saw')")
    assert await desk.page.locator(".cell-choice option:checked").inner_text() == "Saw"


async def test_what_one_has_done_today_and_the_way_out_are_behind_ones_name(desk):
    await desk.tap_on(".operator")
    await desk.tap_on("a:has-text('My activity')")
    await desk.page.wait_for_selector("text=Worked today:")
    await desk.tap_on(".operator")
    await desk.tap_on("button:has-text('Log out')")
    await desk.page.wait_for_function("() => app.sessions.active === null && app.route.name === 'login'")
