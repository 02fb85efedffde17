"""A gateway that reads a machine by way of a plugin: in this process, or as a program that can be killed."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hall import HALL, LASER
from program import Program
from waiting import until

from gateway.app import Gateway, running
from gateway.machines import standing
from gateway.outbox.event import Stamp
from gateway.plugin_api import Request
from gateway.settings import Settings
from gateway.transfer.commands import bring_in, planned
from gateway.web.routes import Caller, Scope

GOOD = {
    "device": "laser-1",
    "input": "counter/good",
    "rule": "counter_delta",
    "report": "quantity_good",
    "flush": "50ms",
}
STATES = {
    "device": "laser-1",
    "input": "state",
    "rule": "state_map",
    "map": {"0": "off", "1": "idle", "4": "running", "active": "running", "ready": "idle"},
}
LAST = "SELECT CAST(value AS INTEGER) FROM machine_values WHERE device = 'laser-1' AND input = 'counter/good'"
PIECES = "SELECT coalesce(sum(quantity_good), 0) FROM operation_quantities"
ENDS_MAX_S = 30


def sections(
    folder: Path, plugin: dict[str, Any], mappings: tuple[dict[str, Any], ...] = (GOOD, STATES)
) -> dict[str, Any]:
    """Settings; `plugin` is {name: its keys}."""
    device = {"id": "laser-1", "cells": ["Laser"], "commands": ["start"]}
    return {
        "gateway": {"id": "gw-test", "data_dir": str(folder)},
        "broker": {"mode": "off"},
        "uns": {"device": [device], "mapping": list(mappings)},
        "plugins": {name: {"enabled": True, "retry_max": "50ms", **keys} for name, keys in plugin.items()},
    }


@dataclass
class Works:
    gateway: Gateway

    async def pieces(self) -> int:
        return (await self.query(PIECES))[0][0]

    async def counted(self, expected: int) -> None:
        """Wait until so many good pieces are booked, and no more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDS_MAX_S):
                while await self.pieces() < expected:
                    await asyncio.sleep(0.01)
        assert await self.pieces() == expected

    async def last(self, input_: str = "counter/good") -> Any:
        """The last value of an input that counted."""
        rows = await self.query("SELECT value FROM machine_values WHERE device = 'laser-1' AND input = ?", input_)
        return json.loads(rows[0][0]) if rows else None

    async def seen(self, value: Any, input_: str = "counter/good") -> None:
        await becomes(lambda: self.last(input_), value)

    async def stands(self):
        (found,) = await self.gateway.db.read(standing.standing, self.gateway.machines.machines, ("laser-1",))
        return found

    async def stood(self, state: str) -> None:
        async def state_now() -> str:
            return (await self.stands()).state

        await becomes(state_now, state)

    async def query(self, sql: str, *values: Any) -> list[Any]:
        return await self.gateway.db.read(lambda connection: [tuple(row) for row in connection.execute(sql, values)])

    def link(self, plugin: str):
        return self.gateway.health.link(f"plugin:{plugin}")

    def machine(self, plugin: str) -> dict[str, Any]:
        """What stands about the machine in the health entry of the plugin."""
        return self.link(plugin).facts.get("devices", {}).get("laser-1", {})

    async def says(self, plugin: str, words: str, state: str = "down") -> None:
        """Wait until these words say why it is down, or degraded."""
        await until(lambda: words in (self.machine(plugin).get("error") or ""), words)
        assert self.machine(plugin)["state"] == state

    async def reads(self, plugin: str, state: str = "up") -> None:
        await until(lambda: self.machine(plugin).get("state") == state, f"{plugin} to be {state}")


async def becomes(ask, wanted: Any) -> None:
    found = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ENDS_MAX_S):
            while (found := await ask()) != wanted:
                await asyncio.sleep(0.01)
    assert found == wanted


@contextlib.asynccontextmanager
async def open_works(
    folder: Path, plugin: dict[str, Any], mappings: tuple[dict[str, Any], ...] = (GOOD, STATES)
) -> AsyncIterator[Works]:
    """The first time with an operation in progress at the laser."""
    settings = Settings.model_validate({**sections(folder, plugin, mappings), "http": {"port": 0}})
    fresh = not folder.exists()
    async with running(settings) as gateway:
        if fresh:
            stamp = Stamp(gateway._clock.now(), "gw-test", gateway._new_id)
            await gateway.db.write(bring_in, stamp, planned(HALL))
            steps = [{"operation_name": "Cut", "cell_id": LASER, "estimated_time": 30}]
            parts = [{"part_number": "P-1", "material": "Steel", "quantity": 5, "operations": steps}]
            made = await ask(gateway, "POST", "/api-jobs", {"job_number": "J-1", "parts": parts})
            operation = made["job"]["parts"][0]["operations"][0]["id"]
            await ask(gateway, "POST", "/api-operation-lifecycle/start", {}, id=operation)
        yield Works(gateway)


async def ask(gateway: Gateway, method: str, path: str, body: Any, **query: str) -> Any:
    caller = Caller("test", "test", Scope.ADMIN)
    outcome = await gateway._api.call(Request(method, path, query, body), caller)
    assert outcome.good, outcome.body
    return json.loads(outcome.body)["data"]


# ------------------------------------------------------------------ as a program


async def furnished(folder: Path, plugin: dict[str, Any]) -> Program:
    """A program whose data folder has an operation in progress at the laser."""
    program = Program.at(folder)
    async with open_works(program.data, {}) as _:
        pass
    given = sections(program.data, plugin)
    text = "".join(_table(name, given[name]) for name in ("broker",))
    text += "".join(_array(f"uns.{name}", rows) for name, rows in given["uns"].items())
    text += "".join(_table(f"plugins.{name}", keys) for name, keys in given["plugins"].items())
    program.configure(text)
    return program


def found_in(program: Program, sql: str) -> Any:
    """In the database of a program, whether it runs or not."""
    with contextlib.closing(sqlite3.connect(program.data / "gateway.sqlite")) as connection:
        row = connection.execute(sql).fetchone()
        return row and row[0]


async def counted_in(program: Program, expected: int, sql: str = PIECES) -> None:
    async def now() -> Any:
        return await asyncio.to_thread(found_in, program, sql)

    await becomes(now, expected)


async def killed_meanwhile(program: Program, count: Callable[[int], Awaitable[None]], *, begins: int = 10) -> None:
    """The gateway is killed while the machine counts, with pieces that are gathered and not booked."""
    made = begins
    await count(made)
    with program.serving() as process:
        await counted_in(program, begins, LAST)
        await count(made := made + 10)
        await counted_in(program, made, LAST)
        process.kill()
        process.wait()
    await count(made := made + 10)  # while nobody looks
    with program.serving() as process:
        await counted_in(program, made - begins)
        await count(made := made + 1)  # a sign that all before it has come
        await counted_in(program, made - begins)
        process.kill()  # its machine, which is us, could not say goodbye


def _table(name: str, keys: dict[str, Any]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {_written(value)}\n" for key, value in keys.items())


def _array(name: str, rows: list[dict[str, Any]]) -> str:
    return "".join(f"[{_table(name, row)}".replace("]\n", "]]\n", 1) for row in rows)


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {_written(one)}' for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_written(one) for one in value) + "]"
    return json.dumps(value)
