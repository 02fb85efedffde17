"""How quickly a station terminal answers a tap, and what it keeps: 500 operations in the list, 20 of them changing every second.

From the event of the tap until what it changed has been painted, in Chromium; and the heap after a collection, at the end
against the beginning. The gateway runs beside it, on the same processors.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "screens")]

from browsing import ARGUMENTS, chromium  # noqa: E402 -- lies where the line above says
from hall import ANNA, HALL, LASER  # noqa: E402 -- as above
from playwright.async_api import CDPSession, async_playwright  # noqa: E402 -- as above
from terminal_screen import Hall, serving  # noqa: E402 -- as above
from work import Desk, at_work  # noqa: E402 -- as above

from gateway.kernel.clock import SystemClock  # noqa: E402 -- as above
from gateway.kernel.ids import uuid7  # noqa: E402 -- as above
from gateway.outbox.event import Stamp  # noqa: E402 -- as above
from gateway.transfer.commands import bring_in, planned  # noqa: E402 -- as above

OPERATIONS, CHANGES_PER_S = 500, 20
OF_A_JOB = 100
WARM_S = 5.0
PAINTED_P95_MAX_MS, GROWTH_MAX_MB = 100.0, 20.0
MB = 1024 * 1024
# What is painted after the frame that the tap was drawn in has been handed over.
MEASURED = """() => {
  window.painted_ms = [];
  addEventListener('click', event => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => painted_ms.push(performance.now() - event.timeStamp);
    channel.port2.postMessage(0);
  }), {capture: true});
}"""


async def furnished(hall: Hall) -> list[str]:
    """The ids of the operations."""
    clock = SystemClock()
    await hall.gateway.db.write(bring_in, Stamp(clock.now(), "gw-test", uuid7(clock)), planned(HALL))
    await hall.pins()
    ids = []
    for job in range(OPERATIONS // OF_A_JOB):
        operation = {"operation_name": "Cut", "sequence": 10, "cell_id": LASER, "estimated_time": 30}
        parts = [
            {"part_number": f"B{job}-{n}", "quantity": 10_000, "material": "Steel S235", "operations": [operation]}
            for n in range(OF_A_JOB)
        ]
        said = await hall.send("POST", "/api-jobs", {"job_number": f"B-{job}", "customer": "Veldkamp", "parts": parts})
        ids += [part["operations"][0]["id"] for part in said.data["job"]["parts"]]
    return ids


async def changing(hall: Hall, ids: list[str], done: list[float]) -> None:
    """A piece more of one of them, so often a second, for ever."""
    rng = random.Random(7)
    began_s = time.perf_counter()
    for number in itertools.count():
        await asyncio.sleep(max(0.0, began_s + number / CHANGES_PER_S - time.perf_counter()))
        body = {"operation_id": rng.choice(ids), "quantity_good": 1, "recorded_by": ANNA}
        assert (await hall.send("POST", "/api-operation-quantities", body)).status == 201
        done.append(time.perf_counter())


async def taps(desk: Desk, until_s: float) -> None:
    """Into an operation, on to its pieces, a key, and back; a filter on and off: what people do all day."""
    page = desk.page
    while time.perf_counter() < until_s:
        await page.evaluate("app.go('#/queue')")
        await desk.tap_on("[aria-pressed]:has-text('Rush')")
        await page.locator("[aria-pressed=true]").wait_for()  # a selector that is waited for would hold its element
        await desk.tap_on("[aria-pressed]:has-text('Rush')")
        await page.locator("op-card").first.wait_for()
        await desk.tap_on("op-card a >> nth=0")
        await desk.arrives("operation")
        await desk.tap_on("[data-action=issue]")
        await desk.arrives("issue")
        await desk.tap_on(".severity-high")
        await desk.tap_on(".header a")
        await desk.arrives("operation")


async def heap_mb(devtools: CDPSession) -> float:
    await devtools.send("HeapProfiler.collectGarbage")
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "JSHeapUsedSize")) / MB


async def measured(for_s: float) -> tuple[list[float], float, float]:
    """(taps until paint in milliseconds, growth of the heap in MB, changes a second)."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hall = await stack.enter_async_context(serving(folder))
        ids = await furnished(hall)
        started = await stack.enter_async_context(async_playwright())
        browser = await started.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        stack.push_async_callback(browser.close)
        desk = await stack.enter_async_context(at_work(browser, hall))
        await desk.knows(*ids)
        await desk.tap_on(".queue-more")  # all of them are in the list
        devtools = await desk.watched.context.new_cdp_session(desk.page)
        await devtools.send("Performance.enable")
        changes: list[float] = []
        async with asyncio.TaskGroup() as running:
            load = running.create_task(changing(hall, ids, changes))
            await taps(desk, time.perf_counter() + WARM_S)
            await desk.page.evaluate("app.go('#/queue')")
            await desk.page.evaluate(MEASURED)
            before_mb, began_s, first = await heap_mb(devtools), time.perf_counter(), len(changes)
            await taps(desk, began_s + for_s)
            rate = (len(changes) - first) / (time.perf_counter() - began_s)
            load.cancel()
        await desk.page.evaluate("app.go('#/queue')")
        return await desk.page.evaluate("painted_ms"), await heap_mb(devtools) - before_mb, rate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    painted_ms, growth_mb, rate = asyncio.run(measured(parser.parse_args().minutes * 60))
    p95_ms = statistics.quantiles(painted_ms, n=20)[-1]
    median_ms, longest_ms = statistics.median(painted_ms), max(painted_ms)
    print(
        f"{OPERATIONS} operations, {rate:.1f} changes/s: {len(painted_ms)} taps, painted after {median_ms:.0f} ms (median), "
        f"{p95_ms:.0f} ms (p95, at most {PAINTED_P95_MAX_MS:.0f}), {longest_ms:.0f} ms (longest); "
        f"heap {growth_mb:+.1f} MB (at most {GROWTH_MAX_MB:.0f})"
    )
    return 0 if p95_ms <= PAINTED_P95_MAX_MS and growth_mb < GROWTH_MAX_MB else 1


if __name__ == "__main__":
    raise SystemExit(main())
