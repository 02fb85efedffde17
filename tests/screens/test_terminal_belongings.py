"""What belongs to an operation besides time and pieces: issues with photos, checks, remarks, papers."""

import io
import zlib

import aiohttp
import pytest_asyncio
from hall import ANNA
from work import at_work, order

WIDE_PX, HIGH_PX, SIDE_MAX_PX = 3200, 1200, 1600


def picture(wide: int, high: int) -> bytes:
    """A grey PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = wide.to_bytes(4, "big") + high.to_bytes(4, "big") + bytes((8, 0, 0, 0, 0))
    rows = zlib.compress((b"\0" + b"\x80" * wide) * high, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(browser, hall):
    async with at_work(browser, hall) as desk:
        yield desk
        assert desk.watched.complaints() == []


async def test_an_issue_stops_work_until_somebody_says_why_it_goes_on(desk, hall):
    await hall.send(
        "POST", "/api-issue-categories", {"code": "MAT", "description": "Material missing", "severity_default": "high"}
    )
    cut, _ = await order(hall, "B-1")
    await desk.open(cut)
    await desk.do("start")
    await desk.stands(cut, "in_progress")
    await desk.do("issue")
    await desk.page.fill("issue-view textarea", "No sheets left")
    photo = {"name": "gap.png", "mimeType": "image/png", "buffer": picture(WIDE_PX, HIGH_PX)}
    await desk.page.set_input_files("issue-view input[type=file]", photo)
    await desk.page.wait_for_selector(".photo img")
    await desk.tap_on("issue-view .check")
    await desk.tap_on(".severity-high")
    await desk.confirm()
    await desk.arrives("operation")
    await desk.settle()
    await desk.page.wait_for_selector(".state-held")
    [issue] = await hall.rows("SELECT * FROM issues WHERE operation_id = ?", cut)
    assert (issue["description"], issue["severity"], issue["reported_by_id"]) == ("No sheets left", "high", ANNA)
    assert issue["causes_standstill"] == 1

    async def photos() -> list:
        rows = await hall.rows("SELECT image_paths FROM issues WHERE id = ?", issue["id"])
        return rows[0]["image_paths"]

    await desk.page.wait_for_function("() => app.photos.waiting.length === 0")
    assert await photos()

    await desk.do("unhold")
    await desk.page.fill("dialog textarea", "Sheets have come")
    await desk.answer("Resume")
    await desk.stands(cut, "in_progress")
    await desk.settle()
    [issue] = await hall.rows("SELECT status, resolution_notes FROM issues WHERE id = ?", issue["id"])
    assert tuple(issue.values()) == ("closed", "Sheets have come")
    await desk.do("pause")
    await desk.stands(cut, "on_hold")
    await desk.settle()


async def test_a_photo_is_made_small_before_it_is_kept(desk, hall):
    cut, _ = await order(hall, "B-2")
    await desk.open(cut, "issue")
    photo = {"name": "wide.png", "mimeType": "image/png", "buffer": picture(WIDE_PX, HIGH_PX)}
    await desk.page.set_input_files("issue-view input[type=file]", photo)
    await desk.page.wait_for_selector(".photo img")
    size = """async () => {
      const [photo] = document.querySelector("issue-view").photos;
      const { width, height } = await createImageBitmap(photo.blob);
      return [photo.blob.type, width, height];
    }"""
    assert await desk.page.evaluate(size) == ["image/jpeg", SIDE_MAX_PX, HIGH_PX * SIDE_MAX_PX // WIDE_PX]


async def test_a_check_is_done_and_blocked_with_a_reason(desk, hall):
    cut, _ = await order(hall, "B-3")
    for place, name in enumerate(("Deburr", "Measure"), 1):
        await hall.send("POST", "/api-substeps", {"operation_id": cut, "name": name, "sequence": place})
    await desk.open(cut, "checklist")
    await desk.tap_on(".check-row:has-text('Deburr') .check-main")
    await desk.page.wait_for_selector(".check-row:has-text('Deburr') [aria-checked=true]")
    await desk.tap_on(".check-row:has-text('Measure') .button")
    await desk.page.fill("dialog textarea", "Gauge is away")
    await desk.answer("Blocked")
    await desk.page.wait_for_selector(".check-blocked:has-text('Gauge is away')")
    await desk.settle()
    steps = await hall.rows(
        "SELECT status, completed_by, notes FROM substeps WHERE operation_id = ? ORDER BY sequence", cut
    )
    assert [tuple(one.values()) for one in steps] == [("completed", ANNA, None), ("blocked", None, "Gauge is away")]


async def test_a_remark_waits_for_the_next_shift(desk, hall):
    cut, _ = await order(hall, "B-4")
    await desk.open(cut)
    await desk.tap_on(".to-handoff")
    await desk.page.fill("dialog textarea", "Nozzle 2 is worn")
    await desk.answer("Leave remark")
    await desk.page.wait_for_selector(".note-handoff:has-text('Nozzle 2 is worn')")
    assert "Anna" in await desk.page.locator(".note-handoff").inner_text()


async def test_a_drawing_is_shown_and_made_bigger(desk, hall):
    cut, _ = await order(hall, "B-5")
    [part] = await hall.rows("SELECT part_id FROM operations WHERE id = ?", cut)
    await upload(hall, part["part_id"], picture(40, 30))
    await desk.open(cut)
    await desk.tap_on(".documents-part a")
    await desk.page.wait_for_selector("img.page.zoom-1")
    assert await desk.page.evaluate("document.querySelector('img.page').naturalWidth") == 40
    await desk.tap_on("[aria-label='Bigger']")
    await desk.page.wait_for_selector("img.page.zoom-2")
    await desk.tap_on(".header a:has-text('Back')")
    await desk.arrives("operation")


async def test_a_program_is_a_code_for_the_machines_scanner(desk, hall):
    cut, _ = await order(hall, "B-8", cnc_program_name="O4711")
    await desk.open(cut)
    await desk.tap_on(".documents-part a:has-text('O4711')")
    await desk.page.wait_for_selector("img.page-cnc")


async def test_a_paper_that_is_not_here_says_so(desk, hall):
    cut, _ = await order(hall, "B-6", file_paths=["parts/drawing-4711.pdf"])
    await desk.open(cut, "documents")
    await desk.page.wait_for_selector("text=Not on this gateway yet.")


async def upload(hall, part_id: str, content: bytes) -> None:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(content), filename="drawing.png", content_type="image/png")
    url, headers = f"{hall.url}/api-parts-images/{part_id}/upload", {"Authorization": f"Bearer {hall.key}"}
    async with hall.session.post(url, data=form, headers=headers) as answer:
        assert answer.status == 201, await answer.text()


async def test_what_the_next_operations_need_is_there_without_a_gateway(desk, hall):
    """Nobody has opened it before: the queue has read it ahead."""
    cut, _ = await order(hall, "B-7", notes="Clamp it twice")
    [part] = await hall.rows("SELECT part_id FROM operations WHERE id = ?", cut)
    await upload(hall, part["part_id"], picture(44, 33))
    await desk.knows(cut)
    page = f"/terminal/api/operations/{cut}/documents/"
    async with desk.page.expect_response(lambda answer: page in answer.url) as read:
        await desk.show("queue")
    await (await read.value).finished()
    await desk.watched.context.set_offline(True)
    await desk.open(cut)
    await desk.page.wait_for_selector(".note:has-text('Clamp it twice')")
    await desk.tap_on(".documents-part a")
    await desk.page.wait_for_selector("img.page")
    await desk.watched.context.set_offline(False)
