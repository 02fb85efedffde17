"""What a shift report says: hours cut at the ends of the shift, pieces, reasons, stops."""

import contextlib
from datetime import UTC, datetime, timedelta

import pypdfium2
import pytest
from hall import LASER, SAW

from gateway.kernel.clock import text
from gateway.kernel.errors import Invalid
from gateway.reports import printed
from gateway.reports.model import View
from gateway.reports.shifts import ShiftAsked, shift_report, worked_s

TITLES = {"en": "Shift report", "nl": "Ploegrapport", "de": "Schichtbericht"}


def read(paper: bytes) -> str:
    with contextlib.closing(pypdfium2.PdfDocument(paper)) as document:
        (page,) = document
        return page.get_textpage().get_text_bounded()


async def told(floor, cells=None, **asked) -> dict:
    return await floor.db.read(shift_report, ShiftAsked(**asked), View(floor.clock.now(), cells))


async def test_hours_are_cut_at_the_ends_of_the_shift_and_pauses_are_no_work(floor):
    job = await floor.job()
    cut, saw = (one["id"] for one in job["parts"][0]["operations"])
    begun = floor.clock.now()
    await floor.pressed(
        ("start", cut, floor.ANNA, 600), ("pause", cut, floor.ANNA, 300), ("resume", cut, floor.ANNA, 1200)
    )
    await floor.pressed(("complete", cut, floor.ANNA), ("start", saw, floor.BEN, 60))
    whole = await told(floor)
    people = {one["operator"]: one for one in whole["people"]}
    assert len(people) == 2
    assert sorted(one["worked_s"] for one in whole["people"]) == [60, 1800]
    assert [one["running"] for one in whole["people"]] == [False, True]
    assert whole["worked_s"] == 1860
    assert (whole["operations"]["completed"], whole["operations"]["running"]) == (1, 1)
    # From 300 s after the begin to 1,000 s after it: 300 s before the pause, 100 s after it.
    part = await told(floor, since=text(begun + timedelta(seconds=300)), until=text(begun + timedelta(seconds=1000)))
    assert [one["worked_s"] for one in part["people"]] == [400]
    assert {one["operation_id"]: one["worked_s"] for one in part["made"]} == {cut: 400}
    assert (await told(floor, cell_id=SAW))["worked_s"] == 60


async def test_pieces_reasons_and_stops(floor):
    job = await floor.job()
    cut, _ = (one["id"] for one in job["parts"][0]["operations"])
    await floor.pressed(("start", cut, floor.ANNA))
    reasons = [{"scrap_reason_id": floor.BURR, "quantity": 3}]
    await floor.make(
        "/api-operation-quantities",
        {"operation_id": cut, "quantity_good": 16, "quantity_scrap": 3, "scrap_reasons": reasons},
    )
    await floor.make("/api-operation-quantities", {"operation_id": cut, "quantity_scrap": 1})
    issue = {"operation_id": cut, "title": "Lens", "description": "cracked", "causes_standstill": True}
    await floor.make("/api-issues", issue)
    await floor.clock.advance(120)
    found = await told(floor)
    assert found["pieces"] == {"good": 16, "scrap": 4, "rework": 0, "yield_percent": 80.0}
    (made,) = found["made"]
    assert (made["operation_id"], made["good"], made["scrap"]) == (cut, 16, 4)
    assert [(one["code"], one["quantity"], one["cumulative_percentage"]) for one in found["scrap"]] == [
        ("BURR", 3, 75.0),
        ("UNKNOWN", 1, 100.0),
    ]
    (stop,) = found["stops"]
    assert (stop["title"], stop["until"], stop["lasted_s"]) == ("Lens", None, 120)
    assert (await told(floor, cells=f'["{SAW}"]'))["made"] == []
    assert (await told(floor, cells=f'["{LASER}"]'))["made"] == found["made"]


async def test_a_shift_must_have_a_length(floor):
    now = floor.clock.now()
    for since in (now, now - timedelta(days=8)):
        with pytest.raises(Invalid, match=r"since = .* must lie before until = .* by 7 days at most"):
            await told(floor, since=text(since))


def test_an_entry_with_pauses_before_in_and_after_the_shift():
    start = datetime(2026, 11, 30, 6, tzinfo=UTC)

    def at(minute: int):
        return start + timedelta(minutes=minute)

    pauses = [(at(5), at(8)), (at(18), at(25)), (at(50), at(70))]
    assert worked_s((at(0), at(100)), pauses, (at(20), at(60))) == (40 - 5 - 10) * 60
    assert worked_s((at(0), at(10)), pauses, (at(20), at(60))) == 0


async def test_on_paper_in_every_language(floor):
    job = await floor.job()
    cut, _ = (one["id"] for one in job["parts"][0]["operations"])
    await floor.pressed(("start", cut, floor.ANNA, 300), ("complete", cut, floor.ANNA))
    found = await told(floor)
    for language in printed.LANGUAGES:
        text = read(printed.pdf({**found, "cell": "Łaźnia <1> & 2"}, language))
        assert f"{TITLES[language]} - Łaźnia <1> & 2" in text
        assert "Anna" in text
        assert "0 h 05 min" in text
    with pytest.raises(Invalid, match='language is "fr": one of en, nl, de'):
        printed.pdf(found, "fr")


async def test_over_the_api(floor):
    job = await floor.job()
    cut, _ = (one["id"] for one in job["parts"][0]["operations"])
    await floor.pressed(("start", cut, floor.ANNA, 300))
    found = (await floor.get(f"/api-reports/shift?cell_id={LASER}"))["shift"]
    assert found == await told(floor, cell_id=LASER)
    assert (await floor.get("/api-reports/scrap?days=7"))["scrap"]["total_scrap"] == 0
    assert [one["cell_name"] for one in (await floor.get("/api-reports/load"))["load"]["cells"]] == ["Laser", "Saw"]
    wrong = await floor.send("GET", "/api-reports/shift?sinse=2026-11-30T06:00:00Z")
    assert (wrong.status, wrong.error["code"]) == (422, "VALIDATION_ERROR")
    url, headers = f"{floor.url}/api-reports/shift.pdf?language=nl", {"Authorization": f"Bearer {floor.key}"}
    async with floor.session.get(url, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        assert (await answer.read()).startswith(b"%PDF-")
