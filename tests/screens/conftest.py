"""One Chromium for all tests of the pages; a gateway of its own for each file, in the same loop."""

import contextlib
import shutil
from pathlib import Path

import pytest
import pytest_asyncio
from browsing import ARGUMENTS, chromium, opened
from playwright.async_api import async_playwright
from terminal_screen import Screen, serving

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """A browser belongs to one loop: all that use it run there."""
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    path = chromium()
    async with async_playwright() as started:
        browser = await started.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hall(tmp_path_factory, furnished):
    """A gateway with a furnished hall."""
    folder = tmp_path_factory.mktemp("hall")
    shutil.copy(furnished, folder)
    async with serving(folder) as hall:
        await hall.pins()
        yield hall


@pytest.fixture
def page_options():
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def watched(browser, page_options):
    watched = await opened(browser, **page_options)
    yield watched
    await watched.context.close()
    assert watched.complaints() == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kept(browser, hall):
    """What is stored on a terminal at the laser, paired by its code, with Anna at work."""
    watched = await opened(browser)
    screen = Screen(hall, watched)
    await screen.pair()
    await screen.login()
    await screen.page.wait_for_function("async () => Boolean((await app.db.get('kept', 'sessions'))?.active_id)")
    yield await watched.context.storage_state(indexed_db=True)
    await watched.context.close()


@contextlib.asynccontextmanager
async def switched_on(hall, browser, kept, **options):
    """That terminal, switched on again."""
    watched = await opened(browser, storage_state=kept, **options)
    screen = Screen(hall, watched)
    await screen.page.goto(f"{hall.url}/terminal/")
    await screen.state("online")
    await screen.complete()
    yield screen
    await watched.context.close()
    assert watched.complaints() == []


@pytest_asyncio.fixture(loop_scope="session")
async def screen(hall, browser, kept):
    async with switched_on(hall, browser, kept) as screen:
        yield screen


@pytest_asyncio.fixture(loop_scope="session")
async def protected(hall, browser, kept):
    """The same; its page opens without a gateway."""
    async with switched_on(hall, browser, kept, service_workers="allow") as screen:
        await screen.page.wait_for_function("() => app.protected")
        await screen.page.wait_for_function("async () => (await caches.keys()).length === 1")
        yield screen
