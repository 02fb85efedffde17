"""Whole gateways above each other in this process: cells, a site that is their hub, and a stand-in cloud above it."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from hall import HALL
from said import Said
from tcp import serving

from gateway.app import Gateway, running
from gateway.hub.raw import TABLES
from gateway.kernel.clock import SystemClock
from gateway.kernel.db import Database, Tx
from gateway.kernel.ids import uuid7
from gateway.outbox.event import Stamp
from gateway.settings import Settings
from gateway.transfer.commands import bring_in, planned
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

WAIT_MAX_S = 30
# Seen by nobody else: versions count what one database did, and these times are of each box.
OWN = ("row_version", "updated_at")


@dataclass
class Level:
    """A gateway that runs, and somebody with an admin key."""

    gateway: Gateway
    session: aiohttp.ClientSession
    key: str
    folder: Path

    @property
    def url(self) -> str:
        return f"http://{self.gateway.addresses[0]}"

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        data = None if body is None else json.dumps(body).encode()
        async with self.session.request(method, self.url + path, data=data, headers=sent) as answer:
            return Said(answer.status, answer.headers, await answer.text())

    async def done(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        said = await self.send(method, path, body, **headers)
        assert said.status < 300, said.text
        return said.data

    @property
    def db(self) -> Database:
        return self.gateway.db

    clock = SystemClock()
    new_id = staticmethod(uuid7(clock))

    async def ask(self, sql: str, *values: Any) -> list[tuple]:
        return [tuple(row) for row in await self.gateway.db.read(lambda c: c.execute(sql, values).fetchall())]

    async def link(self) -> Any:
        return (await self.send("GET", "/healthz")).body["links"]["cloud"]

    async def key_for(self, gateway_id: str) -> str:
        _, key = await self.gateway.keys.create(NewKey(gateway_id, Scope.ADMIN, gateway_id=gateway_id))
        return key

    async def rows(self, *tables: str) -> dict[str, list[dict[str, Any]]]:
        return await self.gateway.db.read(everything, tables or TABLES)

    async def knows(self, table: str, row_id: str) -> bool:
        return bool(await self.ask(f"SELECT 1 FROM {table} WHERE id = ?", row_id))

    async def says(self, sql: str, row_id: str, value: Any) -> bool:
        return await self.ask(sql, row_id) == [(value,)]

    async def doubts(self) -> int:
        """The rows that it will look at again."""
        found: int = (await self.send("GET", "/healthz")).body["links"]["cloud-pull"].get("doubtful", 0)
        return found

    async def sure(self) -> bool:
        return not await self.doubts()

    async def drained(self) -> bool:
        """Everything is up, and nothing was refused."""
        link = await self.link()
        return link["state"] == "up" and link["pending"] == 0 and link["parked"] == 0

    async def holds(self, table: str, count: int) -> bool:
        return (await self.ask(f"SELECT count(*) FROM {table}"))[0][0] >= count

    async def has_own_plan(self, cell: str) -> bool:
        sql = "SELECT 1 FROM operations o JOIN cells c ON c.id = o.cell_id WHERE c.name = ? LIMIT 1"
        return bool(await self.ask(sql, cell))

    async def people(self, people: list[dict[str, Any]]) -> None:
        rows = [{name: value for name, value in one.items() if name != "is_machine"} for one in people]
        stamp = Stamp(self.clock.now(), self.gateway.settings.gateway.id, self.new_id)
        await self.gateway.db.write(_bring_in, stamp, {"profiles": rows})

    async def furnished(self) -> None:
        """A hall's cells, people and reasons."""
        stamp = Stamp(self.clock.now(), self.gateway.settings.gateway.id, self.new_id)
        await self.gateway.db.write(_bring_in, stamp, HALL)

    async def job(self, number: str, *cells: str, quantity: int = 10) -> Any:
        """A job with one part, with an operation in each of the cells."""
        operations = [
            {"operation_name": f"op {place}", "sequence": place, "cell_id": cell, "estimated_time": 5}
            for place, cell in enumerate(cells, 1)
        ]
        part = {"part_number": f"P-{number}", "material": "S235", "quantity": quantity, "operations": operations}
        return (await self.done("POST", "/api-jobs", {"job_number": number, "customer": "ACME", "parts": [part]}))[
            "job"
        ]


def _bring_in(tx: Tx, stamp: Stamp, rows: dict[str, Any]) -> None:
    bring_in(tx, stamp, planned(rows))


async def until(
    fact: Callable[[], Awaitable[Any]], what: str, stand: Callable[[], Awaitable[Any]] | None = None
) -> None:
    """Wait for a fact. `stand`: how everything stands, when it does not come."""
    try:
        async with asyncio.timeout(WAIT_MAX_S):
            while not await fact():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain for: {what}; {await stand() if stand else ''}") from None


def everything(connection: sqlite3.Connection, tables: Any) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for table in tables:
        rows = connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
        found[table] = [{name: value for name, value in dict(row).items() if name not in OWN} for row in rows]
    return found


class Line:
    """A line on loopback that can be cut, and mended again."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._ways: set[asyncio.Task[None]] = set()
        self.port = 0
        self.whole = True

    def cut(self) -> None:
        self.whole = False
        for way in self._ways:
            way.cancel()

    def mend(self) -> None:
        self.whole = True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        self._ways.add(this)
        there = to = None
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if self.whole:
                there, to = await asyncio.open_connection(*self._to)
                ways = [asyncio.ensure_future(_pour(*way)) for way in ((reader, to), (there, writer))]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
        self._ways.discard(this)
        for end in (to, writer):
            if end is not None:
                end.transport.abort()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)


@contextlib.asynccontextmanager
async def line_to(url: str) -> AsyncIterator[Line]:
    """`url` of loopback, with a port."""
    host, _, port = url.removeprefix("http://").partition("/")[0].rpartition(":")
    line = Line(host, int(port))
    async with serving(line.carry) as line.port:
        try:
            yield line
        finally:
            line.cut()


@contextlib.asynccontextmanager
async def deaf_line(site: Level) -> AsyncIterator[tuple[int, dict[str, int]]]:
    """A line that hangs up instead of answering, as often as `left` says, once the other side has spoken."""
    left = {"left": 0}
    host, _, port = site.gateway.addresses[0].rpartition(":")

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection(host, int(port))
        forwards = {"now": False}

        async def up() -> None:
            while data := await reader.read(65536):
                forwards["now"] = data.startswith(b"POST /api-forward") or forwards["now"]
                to.write(data)

        async def down() -> None:
            while data := await there.read(65536):
                if forwards["now"] and left["left"]:
                    left["left"] -= 1
                    break
                forwards["now"] = False
                writer.write(data)

        ways = [asyncio.ensure_future(way) for way in (up(), down())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (to, writer):
                end.close()

    async with serving(carry) as own:
        yield own, left


@contextlib.asynccontextmanager
async def level(
    folder: Path, name: str, *, above: Level | None = None, cells: tuple[str, ...] = ("*",), **sections: Any
) -> AsyncIterator[Level]:
    """`above`: the hub that it forwards to. Opened again with the same folder it is the same gateway."""
    given: dict[str, Any] = {
        "gateway": {"id": name, "data_dir": folder},
        "http": {"port": 0},
        "broker": {"mode": "off"},
        "limits": {"requests_per_minute": 600_000, "burst": 100_000},
    }
    if above is not None:
        key = await above.key_for(name)
        given["cloud"] = {"kind": "hub", "url": above.url, "api_key": key, "cells": list(cells), "timeout": "5s"}
    settings = Settings.model_validate({**given, **sections})
    async with (
        running(settings) as gateway,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_MAX_S)) as session,
    ):
        _, key = await gateway.keys.create(NewKey("test", Scope.ADMIN))
        yield Level(gateway, session, key, folder)
