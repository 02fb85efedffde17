"""A hall with two cells and three people, and somebody who calls its REST API."""

import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
from aiohttp import web

from gateway.api import api_routes
from gateway.hub.stream import Feed
from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database, Tx
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.outbox.event import Stamp
from gateway.sections import Settings
from gateway.transfer.commands import bring_in, planned
from gateway.web.auth import Keys, NewKey
from gateway.web.limits import Limiter, Rate
from gateway.web.routes import Scope
from gateway.web.server import application, runner

ANSWER_MAX_S = 10
NOWHERE = "11111111-2222-4333-8444-555555555555"


def _id(kind: str, number: int) -> str:
    return f"00000000-0000-4000-8000-0000000{kind}{number:03}"


LASER, SAW = _id("ce", 1), _id("ce", 2)
ANNA, BEN, CEM = _id("be", 1), _id("be", 2), _id("be", 3)
BURR, SCRATCH = _id("5c", 1), _id("5c", 2)
JIG = _id("7e", 1)

HALL: dict[str, list[dict[str, Any]]] = {
    "cells": [
        {"id": LASER, "name": "Laser", "sequence": 1},
        {"id": SAW, "name": "Saw", "sequence": 2},
    ],
    "profiles": [
        {"id": one, "username": name.lower(), "full_name": name, "role": "operator"}
        for one, name in ((ANNA, "Anna"), (BEN, "Ben"), (CEM, "Cem"))
    ],
    "scrap_reasons": [
        {"id": BURR, "code": "BURR", "description": "Burr on the edge", "category": "process"},
        {"id": SCRATCH, "code": "SCR", "description": "Scratched", "category": "material"},
    ],
    "resources": [{"id": JIG, "name": "Jig 7", "type": "fixture"}],
    "materials": [{"id": _id("3a", 1), "name": "Steel S235"}],
}


def furnish(tx: Tx, stamp: Stamp) -> None:
    """The hall's own rows."""
    tx.execute("INSERT INTO gateway_state (key, value) VALUES ('tenant_id', ?)", (_id("ff", 1),))
    bring_in(tx, stamp, planned(HALL))


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def data(self) -> Any:
        assert self.body["success"] is True, self.body
        return self.body["data"]

    @property
    def error(self) -> Any:
        assert self.body["success"] is False, self.body
        assert self.body["error"]["statusCode"] == self.status
        return self.body["error"]


@dataclass
class Floor:
    """One gateway's REST API, and somebody with an admin key who calls it."""

    LASER: ClassVar = LASER
    SAW: ClassVar = SAW
    ANNA: ClassVar = ANNA
    BEN: ClassVar = BEN
    CEM: ClassVar = CEM
    BURR: ClassVar = BURR
    SCRATCH: ClassVar = SCRATCH
    JIG: ClassVar = JIG
    NOWHERE: ClassVar = NOWHERE

    db: Database
    clock: ManualClock
    keys: Keys
    url: str
    session: aiohttp.ClientSession
    key: str
    told: dict[tuple[str, str, str], str] = field(default_factory=dict)  # (path, key, ETag) -> what it stood for

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        sent = {"Authorization": f"Bearer {key or self.key}", **(headers or {})}
        data = None if body is None else json.dumps(body)
        async with self.session.request(method, self.url + path, data=data, headers=sent) as answer:
            text = await answer.text()
            if method == "GET" and answer.status == 200 and "ETag" in answer.headers:  # a stream has none
                tag = (path, sent["Authorization"], answer.headers["ETag"])
                assert self.told.setdefault(tag, text) == text, f"the ETag {tag[2]} of {path} stood for something else"
            return Reply(answer.status, answer.headers, json.loads(text) if text else None)

    async def get(self, path: str, **more) -> Any:
        """The `data` of a GET that has to succeed."""
        reply = await self.send("GET", path, **more)
        assert reply.status == 200, reply.body
        return reply.data

    async def make(self, path: str, body: Any, **more) -> Any:
        """The `data` of a POST that has to make something."""
        reply = await self.send("POST", path, body, **more)
        assert reply.status == 201, reply.body
        return reply.data

    async def job(self, number: str = "J-1", *parts: tuple[str, ...], **more) -> Any:
        """A job whose parts have one operation in each of the cells named; one part at the laser and the saw if none is."""
        shapes = parts or ((LASER, SAW),)
        body = [
            {
                "part_number": f"{number}-P{place}",
                "material": "Steel",
                "quantity": 10,
                "operations": [
                    {"operation_name": f"Op {n}", "sequence": n, "cell_id": cell, "estimated_time": 30}
                    for n, cell in enumerate(cells, 1)
                ],
            }
            for place, cells in enumerate(shapes, 1)
        ]
        return (await self.make("/api-jobs", {"job_number": number, "parts": body, **more}))["job"]

    async def press(self, verb: str, operation_id: str, operator_id: str | None = None, **more) -> Reply:
        """Start, pause, resume or complete, in the published reference's words."""
        body = {"operation_id": operation_id, "action": verb, **more}
        if operator_id:
            body["operator_id"] = operator_id
        return await self.send("POST", "/api-operation-lifecycle", body)

    async def pressed(self, *steps: tuple) -> Any:
        """(verb, operation, operator?, seconds later?) one after another; the last answer's data."""
        data = None
        for verb, operation_id, *rest in steps:
            operator_id = rest[0] if rest else None
            reply = await self.press(verb, operation_id, operator_id)
            assert reply.status == 200, reply.body
            data = reply.data
            await self.clock.advance(rest[1] if len(rest) > 1 else 0)
        return data

    async def operation(self, operation_id: str) -> Any:
        return (await self.get(f"/api-operations?id={operation_id}"))["operation"]

    async def part(self, part_id: str) -> Any:
        return (await self.get(f"/api-parts?id={part_id}"))["part"]

    async def entries(self, operation_id: str) -> list[Any]:
        return (await self.get(f"/api-time-entries?operation_id={operation_id}&sort=start_time&order=asc"))[
            "time_entries"
        ]

    async def events(self, *types: str) -> list[Any]:
        """What stands in the journal under these names, all of it without one: (type, data, changes, occurred_at)."""

        def read(connection):
            rows = connection.execute("SELECT * FROM events ORDER BY seq").fetchall()
            return [
                {**dict(row), "data": json.loads(row["data"] or "null"), "changes": json.loads(row["changes"])}
                for row in rows
                if not types or row["type"] in types
            ]

        return await self.db.read(read)

    async def query(self, sql: str, *values) -> list[tuple]:
        return await self.db.read(lambda connection: [tuple(row) for row in connection.execute(sql, values)])

    async def do(self, sql: str, *values) -> None:
        """A change that no route makes, and no journal tells of."""
        await self.db.write(lambda tx: tx.execute(sql, values) and None)
        self.told.clear()

    async def new_key(self, scope: Scope, *cells: str, operator_id: str | None = None) -> str:
        wanted = NewKey(f"{scope.name.lower()} key", scope, cells or None, operator_id)
        return (await self.keys.create(wanted))[1]


@asynccontextmanager
async def floored(folder: Path, furnished: Path, **given: Any) -> AsyncIterator[Floor]:
    """In `folder`, with a copy of the database `furnished`. `given`: more sections of the settings."""
    clock = ManualClock()
    new_id = uuid7(clock)
    shutil.copy(furnished, folder)
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
        keys = Keys(db, clock, new_id)
        settings = Settings.model_validate({"gateway": {"id": "gw-test", "data_dir": folder}, **given})
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
