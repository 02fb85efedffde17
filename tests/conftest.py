"""The whole REST API of a furnished hall, on loopback over a real database."""

import asyncio

import pytest
import structlog
from hall import floored, furnish
from hypothesis import settings

from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.outbox.event import Stamp

# `pytest --hypothesis-profile=long`: for a night. On a busy machine one example may take any time.
settings.register_profile("default", deadline=None)
settings.register_profile("long", deadline=None, max_examples=3_000)


@pytest.fixture(autouse=True)
def unconfigured():
    """A command that ran in this process has said how it logs: the next test finds it as it was before."""
    before = structlog.get_config() if structlog.is_configured() else None
    yield
    if before is None:
        structlog.reset_defaults()
    else:
        structlog.configure(**before)


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
    async with floored(tmp_path, furnished) as made:
        yield made
