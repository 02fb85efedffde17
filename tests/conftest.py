"""The whole REST API of a furnished hall, on loopback over a real database."""

import asyncio
import shutil

import aiohttp
import pytest
from aiohttp import web
from hall import Floor, furnish
from hypothesis import settings

from gateway.api import api_routes
from gateway.hub.stream import Feed
from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.outbox.event import Stamp
from gateway.sections import Settings
from gateway.web.auth import Keys, NewKey
from gateway.web.limits import Limiter, Rate
from gateway.web.routes import Scope
from gateway.web.server import application, runner

ANSWER_MAX_S = 10

# `pytest --hypothesis-profile=long`: for a night. On a busy machine one example may take any time.
settings.register_profile("default", deadline=None)
settings.register_profile("long", deadline=None, max_examples=3_000)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory):
    """A database file of a furnished hall, made once: every test starts with a copy."""
    folder, clock = tmp_path_factory.mktemp("furnished"), ManualClock()

    async def make() -> None:
        async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
            await db.write(furnish, Stamp(clock.now(), "gw-test", uuid7(clock)))

    asyncio.run(make())
    return folder / "gateway.sqlite"


@pytest.fixture
async def floor(tmp_path, furnished):
    clock = ManualClock()
    new_id = uuid7(clock)
    shutil.copy(furnished, tmp_path)
    async with Database.open(tmp_path, prepare=lambda path: migrate(path, clock)) as db:
        keys = Keys(db, clock, new_id)
        settings = Settings(gateway={"id": "gw-test", "data_dir": tmp_path})
        limiter = Limiter(Rate(per_minute=100_000, burst=100_000), clock, request_max_s=ANSWER_MAX_S)
        routes = api_routes(settings, db, keys, clock, new_id, Feed(db))
        served = runner(application(routes, keys, limiter, new_id), shutdown_s=0.1)
        await served.setup()
        await web.TCPSite(served, "127.0.0.1", 0).start()
        await keys.load()
        _, key = await keys.create(NewKey("admin", Scope.ADMIN))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_MAX_S)) as session:
            yield Floor(db, clock, keys, f"http://127.0.0.1:{served.addresses[0][1]}", session, key)
        await served.cleanup()
