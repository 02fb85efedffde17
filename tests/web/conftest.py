"""The whole API on loopback over a real database, two probes beside it, and a key of each scope."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import aiohttp
import pytest
from aiohttp import web
from said import Said

from gateway.api import api_routes
from gateway.catalog.models import Body
from gateway.hub.stream import Feed
from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.errors import StorageFailed
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.outbox.receipts import Answer
from gateway.sections import Settings
from gateway.web.auth import Keys, NewKey
from gateway.web.limits import Limiter, Rate
from gateway.web.routes import Call, Cells, Raw, Route, Scope
from gateway.web.server import application, runner

WAIT_MAX_S = 30  # a machine that stands still for seconds is not a defect of ours
SMALL_BYTES = 100


@dataclass
class Api:
    """One gateway's REST API and somebody with an admin key who calls it."""

    LASER: ClassVar = "00000000-0000-4000-8000-00000000ce01"
    SAW: ClassVar = "00000000-0000-4000-8000-00000000ce02"
    NOWHERE: ClassVar = "11111111-2222-4333-8444-555555555555"

    db: Database
    clock: ManualClock
    keys: Keys
    port: int
    session: aiohttp.ClientSession
    key: str

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Said:
        sent = {"Authorization": f"Bearer {key or self.key}", **(headers or {})}
        data = raw if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, data=data, headers=sent) as answer:
            return Said(answer.status, answer.headers, await answer.text())

    async def bare(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Said:
        """Without a key."""
        async with self.session.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers) as answer:
            return Said(answer.status, answer.headers, await answer.text())

    async def wire(self, request: bytes) -> bytes:
        """The first line that comes back for these bytes."""
        async with asyncio.timeout(WAIT_MAX_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(request)
                return await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    async def new_key(self, scope: Scope, cells: tuple[str, ...] | None = None) -> str:
        return (await self.keys.create(NewKey(scope.name.lower(), scope, cells)))[1]

    async def count(self, table: str) -> int:
        return await self.db.read(lambda connection: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def probes() -> list[Route]:
    async def take(call: Call) -> Answer:
        return Answer(200, json.dumps({"given": None if call.body is None else call.body.given()}))

    async def weigh(call: Call) -> Answer:
        return Answer(200, json.dumps({"bytes": sum([len(chunk) async for chunk in call.incoming.chunks()])}))

    async def unfold(call: Call) -> Answer:
        form = await call.incoming.file("file")
        size = sum([len(chunk) async for chunk in form.chunks])
        return Answer(200, json.dumps({"name": form.filename, "kind": form.content_type, "bytes": size}))

    async def pour(call: Call) -> Raw:
        async def chunks():
            yield b"half, "
            if "broken" in call.query:
                raise StorageFailed("the disk gave an error")
            yield b"and half"

        return Raw("text/plain", chunks(), headers={"Content-Disposition": "attachment"})

    async def break_down(_call: Call) -> Answer:
        raise RuntimeError("the secret recipe is 42")

    return [
        Route("POST", "/probe-small", take, Scope.READ, Cells.NONE, "Small", Body, body_max_bytes=SMALL_BYTES),
        Route(
            "PUT",
            "/probe-text",
            weigh,
            Scope.NONE,
            Cells.NONE,
            "Weigh",
            takes=("text/plain",),
            body_max_bytes=SMALL_BYTES,
        ),
        Route(
            "POST", "/probe-form", unfold, Scope.READ, Cells.NONE, "Form", takes=("multipart/form-data",), patient=True
        ),
        Route("GET", "/probe-stream", pour, Scope.READ, Cells.NONE, "Stream", gives="text/plain"),
        Route("GET", "/probe-broken", break_down, Scope.READ, Cells.NONE, "Breaks down"),
    ]


@pytest.fixture
async def db(tmp_path):
    clock = ManualClock()
    async with Database.open(tmp_path, prepare=lambda path: migrate(path, clock)) as db:
        yield db


@pytest.fixture
async def api(db):
    clock = ManualClock()
    new_id = uuid7(clock)
    keys = Keys(db, clock, new_id)
    settings = Settings(gateway={"id": "gw-test", "data_dir": db.path.parent})
    limiter = Limiter(Rate(per_minute=6000, burst=100_000), clock, request_max_s=WAIT_MAX_S)
    served = runner(
        application([*api_routes(settings, db, keys, clock, new_id, Feed(db)), *probes()], keys, limiter, new_id),
        shutdown_s=0.1,
    )
    await served.setup()
    site = web.TCPSite(served, "127.0.0.1", 0)
    await site.start()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_MAX_S)) as session:
        await keys.load()
        _, key = await keys.create(NewKey("admin", Scope.ADMIN))
        yield Api(db, clock, keys, served.addresses[0][1], session, key)
    await served.cleanup()


@pytest.fixture
async def cells(api: Api) -> Api:
    """The same with two cells."""
    for row_id, name in ((Api.LASER, "Laser"), (Api.SAW, "Saw")):
        assert (await api.send("POST", "/api-cells", {"id": row_id, "name": name})).status == 201
    return api
