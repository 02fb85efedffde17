"""Work while there is no gateway: kept, shown, sent once, in order and with its true times, over a reload as well."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import tcp
from browsing import LAN, opened
from terminal_screen import Screen, serving
from waiting import until

from gateway.kernel.clock import parse

APART_MAX = timedelta(seconds=2)
TWO_HOURS_LATE = """
const Real = Date;
window.Date = class extends Real {
  constructor(...given) { if (given.length) super(...given); else super(Real.now() + 7_200_000); }
  static now() { return Real.now() + 7_200_000; }
};
"""

KEPT = "async id => (await app.db.get('kept', `snapshot:${app.store.cell}`)).operations.some(one => one.id === id)"


async def test_taps_without_a_gateway_are_shown_and_sent_once_in_order(hall, screen):
    [operation] = await hall.operations()
    await screen.knows(operation)
    before = await hall.carried_out()
    await screen.watched.context.set_offline(True)
    taps = [await screen.tap("start", operation)]
    taps += [await screen.tap("report", operation, {"good": n}) for n in (1, 2, 3)]
    taps += [await screen.tap("pause", operation)]
    await screen.state("no_gateway")
    assert await screen.badge() == "No gateway \u2013 5 taps waiting on this screen"
    card = await screen.card(operation)
    assert (card["status"], card["good"], card["waiting"]) == ("on_hold", 6, True)
    assert await hall.carried_out() == before
    await screen.watched.context.set_offline(False)
    await screen.sent()
    assert await hall.carried_out() == [*before, *taps]
    await screen.state("online")
    [row] = await hall.rows(
        "SELECT sum(quantity_good) AS good FROM operation_quantities WHERE operation_id = ?", operation
    )
    assert row["good"] == 6


async def test_a_reload_without_a_gateway_opens_the_page_and_keeps_what_waits(hall, protected):
    """On this machine, where a service worker keeps the page."""
    screen = protected
    [operation] = await hall.operations()
    await screen.knows(operation)
    await screen.watched.context.set_offline(True)
    before = datetime.now(UTC)
    tap = await screen.tap("start", operation)
    after = datetime.now(UTC)
    await screen.page.wait_for_function(KEPT, arg=operation)
    await screen.page.reload()
    await screen.state("no_gateway")
    await screen.page.wait_for_function("() => app.outbox.waiting.length === 1")
    assert (await screen.card(operation))["status"] == "in_progress"
    await screen.page.wait_for_selector(".operator:has-text('Anna')")
    await screen.watched.context.set_offline(False)
    await screen.sent()
    assert (await hall.carried_out())[-1] == tap
    assert before - APART_MAX <= await started(hall, operation) <= after + APART_MAX


async def test_on_a_plain_lan_address_it_works_and_says_that_a_reload_needs_the_gateway(hall, browser):
    watched = await opened(browser)
    lan = Screen(hall, watched, hall.url.replace("127.0.0.1", LAN))
    await lan.pair()
    assert await watched.page.evaluate(
        "[isSecureContext, crypto.randomUUID, navigator.locks, navigator.serviceWorker]"
    ) == [
        False,
        None,
        None,
        None,
    ]
    await lan.login()
    [operation] = await hall.operations()
    await lan.knows(operation)
    await watched.context.set_offline(True)
    tap = await lan.tap("start", operation)
    await lan.state("no_gateway")
    await watched.page.click("terminal-badge button")
    await watched.page.wait_for_selector("dialog >> text=reload protection is off")
    await watched.page.keyboard.press("Escape")
    await watched.context.set_offline(False)
    await lan.sent()
    assert (await hall.carried_out())[-1] == tap
    assert watched.complaints() == []
    await watched.context.close()


async def test_before_it_is_paired_a_plain_lan_address_says_so_too(hall, browser):
    watched = await opened(browser)
    await watched.page.goto(f"{hall.url.replace('127.0.0.1', LAN)}/terminal/")
    await watched.page.wait_for_selector("[data-said=no-reload]")
    await watched.context.close()


async def test_a_wrong_clock_of_the_tablet_books_right_times(hall, browser):
    watched = await opened(browser, service_workers="allow")
    await watched.context.add_init_script(TWO_HOURS_LATE)
    screen = Screen(hall, watched)
    await screen.pair()
    await screen.login()
    now, later = await hall.operations(2)
    await screen.knows(now, later)
    assert "Clock differs 2 h 00 min" in await screen.badge()
    await watched.page.wait_for_function("() => app.protected")
    await watched.page.wait_for_function("async () => (await caches.keys()).length === 1")
    await watched.page.wait_for_function("async () => (await app.db.get('kept', 'offset_ms')) !== undefined")
    times = []
    await watched.context.set_offline(True)
    for operation in (now, later):
        before = datetime.now(UTC)
        await screen.tap("start", operation)
        times.append((operation, before, datetime.now(UTC)))
        await screen.tap("pause", operation)
        if operation == now:
            await watched.context.set_offline(False)
            await screen.sent()
            await watched.context.set_offline(True)
    await watched.page.reload()
    await watched.page.wait_for_function("() => app.outbox?.waiting.length === 2")
    await watched.context.set_offline(False)
    await screen.sent()
    for operation, before, after in times:
        assert before - APART_MAX <= await started(hall, operation) <= after + APART_MAX
    await watched.context.close()


async def started(hall, operation: str) -> datetime:
    [row] = await hall.rows("SELECT start_time FROM time_entries WHERE operation_id = ?", operation)
    return parse(row["start_time"])


# ------------------------------------------------------------------ a gateway that goes, an answer that is lost


async def test_a_gateway_that_was_killed_and_is_back_gets_each_tap_once(browser, tmp_path, furnished):
    shutil.copy(furnished, tmp_path)
    port = tcp.free_port()
    watched = await opened(browser)
    async with serving(tmp_path, port) as hall:
        await hall.pins()
        screen = Screen(hall, watched)
        await screen.pair()
        await screen.login()
        [operation] = await hall.operations()
        await screen.knows(operation)
        first = await screen.tap("start", operation)
        await screen.sent()
    await screen.state("no_gateway_idle")
    taps = [await screen.tap("report", operation, {"good": n}) for n in (1, 2)]
    await screen.state("no_gateway")
    async with serving(tmp_path, port) as again:
        await screen.sent()
        assert await again.carried_out() == [first, *taps]
        [row] = await again.rows("SELECT count(*) AS n, sum(quantity_good) AS good FROM operation_quantities")
        assert (row["n"], row["good"]) == (2, 3)
        assert (await screen.card(operation))["good"] == 3
        await watched.context.close()


class Cutting:
    """Stands before a gateway; when `armed`, it cuts the connection instead of passing on the answer to a command."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.armed = False
        self.cut = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(tcp.HOST, self.port)
        commanded = asyncio.Event()

        async def up() -> None:
            while piece := await reader.read(65_536):
                if b"POST /terminal/api/commands" in piece:
                    commanded.set()
                back.write(piece)
                await back.drain()

        async def down() -> None:
            while piece := await there.read(65_536):
                if self.armed and commanded.is_set() and piece.startswith(b"HTTP/1.1 200"):
                    self.armed = False
                    self.cut += 1
                    return
                writer.write(piece)
                await writer.drain()

        ways = [asyncio.create_task(up()), asyncio.create_task(down())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.close()
            with contextlib.suppress(OSError):
                await back.wait_closed()


@contextlib.asynccontextmanager
async def cutting(hall) -> AsyncIterator[tuple[Cutting, str]]:
    proxy = Cutting(int(hall.gateway.addresses[0].rpartition(":")[2]))
    async with tcp.serving(proxy.serve) as port:
        yield proxy, f"http://{tcp.HOST}:{port}"


async def test_an_answer_that_is_lost_books_once(hall, browser):
    watched = await opened(browser)
    async with cutting(hall) as (proxy, url):
        screen = Screen(hall, watched, url)
        await screen.pair()
        await screen.login()
        [operation] = await hall.operations()
        await screen.knows(operation)
        await screen.tap("start", operation)
        await screen.sent()
        proxy.armed = True
        tap = await screen.tap("report", operation, {"good": 4})
        await until(lambda: proxy.cut == 1, "an answer that is cut")
        await screen.sent()
        assert (await hall.carried_out()).count(tap) == 1
        rows = await hall.rows("SELECT quantity_good FROM operation_quantities WHERE operation_id = ?", operation)
        assert [row["quantity_good"] for row in rows] == [4]
        assert (await screen.card(operation))["good"] == 4
        await watched.context.close()


@pytest.mark.parametrize("left", ["tab", "page"])
async def test_only_one_tab_works(hall, screen, left):
    """The other one takes over when it is closed, or goes elsewhere."""
    other = await screen.watched.context.new_page()
    await other.goto(f"{hall.url}/terminal/")
    await other.wait_for_selector("text=Terminal is open in another tab")
    [operation] = await hall.operations()
    await screen.knows(operation)
    if left == "tab":
        await screen.page.close()
    else:
        await screen.page.goto("about:blank")
    await other.wait_for_selector(".operator:has-text('Anna')")
    second = Screen(hall, screen.watched)
    second.watched.page = other
    await second.knows(operation)
    tap = await second.tap("start", operation)
    await second.sent()
    assert (await hall.carried_out())[-1] == tap
