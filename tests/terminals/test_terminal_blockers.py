"""What is in the way is told at Start, not at Finish: what may be confirmed, and what may not."""

import pytest
from station import ANNA, BEN, LASER, SAW


async def test_an_earlier_step_is_told_at_start_and_may_be_confirmed(hall):
    first, second = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    error = (await terminal.tap("start", second)).error
    assert (error["code"], error["statusCode"]) == ("CONFIRMATION_NEEDED", 409)
    (blocker,) = error["details"]["blockers"]
    assert (blocker["kind"], blocker["may_confirm"]) == ("earlier_open", True)
    assert [one["id"] for one in blocker["operations"]] == [first]
    assert await entries(hall) == []
    await terminal.tapped("start", second, {"confirmed": ["earlier_open"]})


async def test_what_the_site_does_not_allow_cannot_be_confirmed(halls):
    async with halls(terminal={"start_anyway": False}) as hall:
        _, second = await hall.job()
        terminal = await hall.terminal()
        await terminal.sign_in()
        error = (await terminal.tap("start", second, {"confirmed": ["earlier_open"]})).error
        assert error["details"]["blockers"][0]["may_confirm"] is False


@pytest.mark.parametrize("enforced", [0, 1])
async def test_the_next_cell_is_full(hall, enforced):
    first, second = await hall.job("J-1")
    _, busy = await hall.job("J-2")
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", busy, {"confirmed": ["earlier_open"]})
    await terminal.tapped("pause", busy)
    await terminal.tapped("resume", busy)
    await hall.do("UPDATE cells SET wip_limit = 1, enforce_wip_limit = ? WHERE id = ?", enforced, SAW)
    sent = {"pause_other": None, "confirmed": ["next_cell_full"]}
    await terminal.sign_in(BEN)
    error = (await terminal.tap("start", first)).error
    (blocker,) = error["details"]["blockers"]
    assert (blocker["kind"], blocker["may_confirm"]) == ("next_cell_full", not enforced)
    assert (blocker["cell"]["name"], blocker["cell"]["wip"], blocker["cell"]["wip_limit"]) == ("Saw", 1, 1)
    assert (await terminal.tap("start", first, sent)).status == (409 if enforced else 200)
    assert second


async def test_parts_that_it_is_assembled_of_are_open(hall):
    (welded,) = await hall.job("J-1", LASER)
    ((part_id, job_id),) = await hall.query("SELECT id, job_id FROM parts")
    child = {"job_id": job_id, "parent_part_id": part_id, "part_number": "CHILD", "material": "Steel"}
    assert (await hall.send("POST", "/api-parts", child)).status == 201
    terminal = await hall.terminal()
    await terminal.sign_in()
    (blocker,) = (await terminal.tap("start", welded)).error["details"]["blockers"]
    assert (blocker["kind"], [one["part_number"] for one in blocker["parts"]]) == ("assembly_open", ["CHILD"])
    await terminal.tapped("start", welded, {"confirmed": ["assembly_open"]})


@pytest.mark.parametrize(("good", "kind"), [(9, "under_plan"), (11, "over_plan")])
async def test_less_or_more_than_planned_is_confirmed_with_the_numbers(hall, good, kind):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    (blocker,) = (await terminal.tap("finish", first, {"good": good})).error["details"]["blockers"]
    assert (blocker["kind"], blocker["good"], blocker["planned"]) == (kind, good, 10)
    await terminal.tapped("finish", first, {"good": good, "confirmed": [kind]})


async def test_a_checklist_holds_the_finish_where_the_site_wants_that(halls):
    async with halls(terminal={"checklist_required": True}) as hall:
        first, _ = await hall.job()
        step = (await hall.send("POST", "/api-substeps", {"operation_id": first, "name": "Deburr"})).data["substep"][
            "id"
        ]
        terminal = await hall.terminal()
        await terminal.sign_in()
        await terminal.tapped("start", first)
        (blocker,) = (await terminal.tap("finish", first, {"good": 10})).error["details"]["blockers"]
        assert (blocker["kind"], blocker["substeps"][0]["name"]) == ("checklist_open", "Deburr")
        await hall.clock.advance(60)
        await terminal.tapped("check", first, {"substep_id": step, "status": "completed"}, age_ms=30_000)
        ((by, when),) = await hall.query("SELECT completed_by, completed_at FROM substeps")
        assert (by, when) == (ANNA, at(0, 30))
        await terminal.tapped("finish", first, {"good": 10})
