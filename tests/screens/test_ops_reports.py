"""What people print: the shift, the scrap, the load of the cells."""

import pytest_asyncio
from browsing import opened
from ops_browser import Desk
from ops_page import serving, signed_in


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path, browser):
    """One shift with 16 good pieces, three with burrs and one scratched."""
    async with serving(tmp_path) as here:
        await signed_in(here)
        made = {}
        for code in ("BURR", "SCRATCH"):
            reason = {"code": code, "description": code.title(), "category": "process"}
            made[code] = (await here.send("POST", "/fn/api-scrap-reasons", reason)).data["scrap_reason"]["id"]
        cell = (await here.send("POST", "/fn/api-cells", {"name": "Laser"})).data["cell"]["id"]
        step = {"operation_name": "Cut", "cell_id": cell, "estimated_time": 30, "sequence": 1}
        parts = [{"part_number": "P-1", "material": "steel", "quantity": 20, "operations": [step]}]
        job = (await here.send("POST", "/fn/api-jobs", {"job_number": "J-7", "parts": parts})).data["job"]
        operation = job["parts"][0]["operations"][0]["id"]
        for good, scrap, code in ((16, 3, "BURR"), (0, 1, "SCRATCH")):
            reasons = [{"scrap_reason_id": made[code], "quantity": scrap}]
            pieces = {"quantity_good": good, "quantity_scrap": scrap, "scrap_reasons": reasons}
            said = await here.send("POST", "/fn/api-operation-quantities", {"operation_id": operation, **pieces})
            assert said.status == 201, said
        watched = await opened(browser)
        desk = Desk(here, watched)
        await desk.enter()
        await desk.go("reports")
        yield desk
        complaints = watched.complaints()
        await watched.context.close()
        assert complaints == []


def rows(desk, label: str):
    return desk.page.get_by_role("region", name=label, exact=True).first.locator("tbody tr")


async def test_a_shift_with_its_numbers_a_pareto_and_the_load(desk):
    page = desk.page
    assert await page.locator(".ops-cards .card", has_text="Good share").locator(".number").inner_text() == "80 %"
    (made,) = await rows(desk, "Work and quantities").all_inner_texts()
    assert made.split("\t")[:8] == ["Laser", "J-7", "P-1", "Cut", "20", "16", "4", "0"]
    scrap = await rows(desk, "Scrap by reason").all_inner_texts()
    assert [one.split("\t")[:3] for one in scrap] == [["BURR", "Burr", "3"], ["SCRATCH", "Scratch", "1"]]
    assert await page.locator("ops-pareto canvas").count() == 1
    drawn = await page.locator("ops-pareto [role=img]").get_attribute("aria-label")
    assert drawn is not None
    assert drawn.endswith("BURR: 3, SCRATCH: 1")
    (load,) = await rows(desk, "Load of the cells, next seven days").all_inner_texts()
    assert load.startswith("Laser\t56\t0.5")
    assert await desk.violations() == []


async def test_the_same_on_paper(desk):
    address = await desk.page.get_by_role("link", name="PDF").get_attribute("href")
    async with desk.here.session.get(f"{desk.here.url}{address}") as answer:
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        assert (await answer.read()).startswith(b"%PDF-")


async def test_another_time_is_another_shift(desk):
    await desk.page.fill("input[type=datetime-local]", "2020-01-01T14:00")
    await desk.page.locator("input[type=datetime-local]").blur()
    await rows(desk, "Work and quantities").first.wait_for(state="detached")
    await desk.page.locator(".ops-cards .card", has_text="Worked").get_by_text("0 s").wait_for()
