"""`make screenshots`: docs/images/terminal-*.png, of the demo's factory on an afternoon."""

import asyncio
import contextlib
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from browsing import ARGUMENTS, chromium  # noqa: E402 -- lies where the line above says
from playwright.async_api import async_playwright  # noqa: E402 -- as above
from terminal_screen import Hall, serving  # noqa: E402 -- as above
from work import Desk, at_work  # noqa: E402 -- as above

from gateway.demo import factory  # noqa: E402 -- as above
from gateway.demo.factory import named  # noqa: E402 -- as above
from gateway.kernel.clock import SystemClock  # noqa: E402 -- as above
from gateway.kernel.ids import uuid7  # noqa: E402 -- as above
from gateway.outbox.event import Stamp  # noqa: E402 -- as above
from gateway.transfer.commands import bring_in, planned  # noqa: E402 -- as above

IMAGES = ROOT / "docs" / "images"
BYTES_MAX = 150 * 1024
WIDE, SMALL, WALL = {"width": 1280, "height": 800}, {"width": 800, "height": 480}, {"width": 1280, "height": 720}
OTTO, PETRA = named("profile", "Otto Operator"), named("profile", "Petra Press")
HANDOFF = "The die is set to 88.5 degrees: springback is strong with this batch."
CATEGORIES = (
    ("MAT", "Material missing", "high"),
    ("MACH", "Machine fault", "critical"),
    ("DRAW", "Drawing unclear", "medium"),
)


def bending(job: int, part: str) -> str:
    return named("operation", str(job), part, "Bending")


async def afternoon(hall: Hall) -> None:
    """Some is done, some is being worked on, something is in the way."""
    clock = SystemClock()
    now = clock.now()
    rows = factory.plan(now, jobs=5)
    for place, job in enumerate(rows["jobs"]):
        job["due_date"] = (now + timedelta(days=place - 1)).isoformat()
    rows["parts"][1]["is_bullet_card"] = True
    await hall.gateway.db.write(bring_in, Stamp(now, "gw-demo", uuid7(clock)), planned(rows))
    await hall.pins()
    for code, text, severity in CATEGORIES:
        body = {"code": code, "description": text, "severity_default": severity}
        await hall.send("POST", "/api-issue-categories", body)
    parts = [
        (1, "Beam"),
        (1, "Cross member"),
        (1, "Foot"),
        (2, "Hood"),
        (2, "Bracket"),
        (3, "Shell"),
        (3, "Flange"),
        (3, "Lid"),
    ]
    for job, part in parts:
        await hall.press(named("operation", str(job), part, "Laser cutting"), "start", "complete", operator_id=OTTO)
    await press(hall, bending(1, "Beam"), "start", OTTO, (now - timedelta(minutes=47)).isoformat())
    await press(hall, bending(1, "Foot"), "start", PETRA, (now - timedelta(minutes=12)).isoformat())
    await count(hall, bending(1, "Beam"), OTTO, good=3)
    await count(hall, bending(1, "Foot"), PETRA, good=6, scrap=1)
    held = {"title": "Scratches on the visible side", "description": "Quality looks at it", "causes_standstill": True}
    await hall.send("POST", "/api-issues", {"operation_id": bending(2, "Hood"), "severity": "high", **held})
    for place, (name, status) in enumerate((("Deburr edges", "completed"), ("Measure first part", "not_started")), 1):
        body = {"operation_id": bending(1, "Beam"), "name": name, "sequence": place, "status": status}
        await hall.send("POST", "/api-substeps", body)


async def press(hall: Hall, operation_id: str, action: str, operator_id: str, at: str) -> None:
    body = {"operation_id": operation_id, "action": action, "operator_id": operator_id, "occurred_at": at}
    assert (await hall.send("POST", "/api-operation-lifecycle", body)).status == 200


async def count(hall: Hall, operation_id: str, operator_id: str, good: int, scrap: int = 0) -> None:
    body = {"operation_id": operation_id, "recorded_by": operator_id, "quantity_good": good, "quantity_scrap": scrap}
    why = {"scrap_reason_id": named("scrap", "BURR")} if scrap else {}
    assert (await hall.send("POST", "/api-operation-quantities", {**body, **why})).status == 201


async def take(desk: Desk, name: str) -> None:
    file = IMAGES / f"terminal-{name}.png"
    await desk.page.mouse.move(0, 0)
    await desk.page.screenshot(path=file)
    size = file.stat().st_size
    assert size <= BYTES_MAX, f"{file.name} has {size} bytes, {BYTES_MAX} are allowed: show less"
    print(f"{file.relative_to(ROOT)}: {size // 1024} KB")


async def pictures(desk: Desk, wall: Desk) -> None:
    shown = bending(1, "Beam")
    await desk.tap("handoff", shown, {"text": HANDOFF})
    await desk.sent()
    await desk.page.wait_for_selector(".op-card-held")
    await take(desk, "queue")
    await desk.open(shown)
    await desk.page.wait_for_selector(".note-handoff")
    await take(desk, "operation")
    await desk.open(shown, "quantity")
    await desk.key("2")
    await desk.field("scrap")
    await desk.tap_on(".reason:has-text('Burr')")
    await take(desk, "quantity")
    await desk.page.set_viewport_size(SMALL)
    await desk.show("queue")
    await desk.arrives("queue")
    await desk.watched.context.set_offline(True)
    await desk.tap("report", shown, {"good": 1})
    await desk.state("no_gateway")
    await take(desk, "small-without-gateway")
    await desk.watched.context.set_offline(False)
    await desk.sent()
    await wall.page.goto(f"{wall.hall.url}/terminal/board")
    await wall.page.set_viewport_size(WALL)
    await wall.page.wait_for_selector("board-view .op-card-held")
    await take(wall, "board")


async def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    cell = named("cell", "Bending")
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hall = await stack.enter_async_context(serving(folder))
        await afternoon(hall)
        started = await stack.enter_async_context(async_playwright())
        browser = await started.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        stack.push_async_callback(browser.close)
        otto = {"name": "Bending 1", "cell_id": cell}
        desk = await stack.enter_async_context(at_work(browser, hall, "Otto", pairing=otto, viewport=WIDE))
        petra = {"name": "Wall", "cell_id": cell, "theme": "light"}
        wall = await stack.enter_async_context(at_work(browser, hall, "Petra", pairing=petra, viewport=WALL))
        await pictures(desk, wall)


if __name__ == "__main__":
    asyncio.run(main())
