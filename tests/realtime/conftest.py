"""The realtime endpoint over the REST API of a furnished hall: the same database, keys and limits."""

import asyncio
import base64
import contextlib
import json

import pytest
from aiohttp import web
from sockets import Plaza

from gateway.kernel.health import Health
from gateway.kernel.ids import uuid7
from gateway.realtime.hub import Hub
from gateway.realtime.routes import Realtime
from gateway.web.gate import Gate
from gateway.web.hosts import Hosts
from gateway.web.limits import Limiter, Rate
from gateway.web.server import application, runner

SOCKETS_MAX = 40


@contextlib.asynccontextmanager
async def opened(floor, **options):
    limiter = Limiter(Rate(per_minute=100_000, burst=100_000), floor.clock, request_max_s=10)
    hub = Hub(floor.db, floor.clock, Health(floor.clock).link("realtime"), SOCKETS_MAX)
    app = application([], floor.keys, limiter, uuid7(floor.clock), Hosts(origins=("http://screens.plant",)))
    Realtime(hub, Gate(floor.keys, limiter), floor.clock, **options).add_to(app)
    served = runner(app, shutdown_s=0.1)
    await served.setup()
    await web.TCPSite(served, "127.0.0.1", 0).start()
    telling = asyncio.create_task(hub.run())
    async with contextlib.AsyncExitStack() as entered:
        yield Plaza(floor, hub, f"http://127.0.0.1:{served.addresses[0][1]}", entered)
    await hub.close()
    telling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await telling
    await served.cleanup()


@pytest.fixture
async def plaza(floor):
    async with opened(floor) as plaza:
        yield plaza


@pytest.fixture
def open_plaza(floor):
    """With other limits."""
    return lambda **options: opened(floor, **options)


@pytest.fixture
def tokens():
    """A user's token that ends then, signed by nobody."""

    def made(ends_s: float) -> str:
        parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": "anna", "exp": ends_s})
        texts = (base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts)
        return ".".join((*texts, "c2lnbmF0dXJl"))

    return made
