"""What the write path is compared with: a commit for each request, as it is usually written with aiosqlite.

Rules, statements and what is stored are the product's own. They are plain functions, so each runs in a greenlet that hands
every statement to aiosqlite and goes on when it has been awaited, as SQLAlchemy's asynchronous engine does it.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiosqlite
from greenlet import getcurrent, greenlet

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")


class Rows:
    """What a statement gave."""

    def __init__(self, rows: list[sqlite3.Row]) -> None:
        self._rows = rows

    def fetchone(self) -> sqlite3.Row | None:
        return self._rows.pop(0) if self._rows else None

    def fetchall(self) -> list[sqlite3.Row]:
        return self._rows

    def __iter__(self):
        return iter(self._rows)


class Awaiting:
    """A connection as the product's functions know it, for use inside `run`."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Any = ()) -> Rows:
        return getcurrent().parent.switch(self._run(statement, values))

    async def _run(self, statement: str, values: Any) -> Rows:
        async with self._connection.execute(statement, values) as cursor:
            return Rows(list(await cursor.fetchall()))


async def run(body: Callable[..., Any], *args: Any) -> Any:
    """The result of a plain function that waits inside."""
    running = greenlet(body)
    step: Any = running.switch(*args)
    while not running.dead:
        waiting: Awaitable[Rows] = step
        step = running.switch(await waiting)
    return step


class Naive:
    """In the place of the product's database: `write` is BEGIN, the body, COMMIT; a lock keeps the requests apart."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> "Naive":
        connection = await aiosqlite.connect(path, isolation_level=None)
        connection.row_factory = sqlite3.Row
        for pragma in PRAGMAS:
            await connection.execute(f"PRAGMA {pragma}")
        return cls(connection)

    async def write(self, body: Callable[..., Any], *args: Any) -> Any:
        async with self._one_at_a_time:
            await self._connection.execute("BEGIN IMMEDIATE")
            result = await run(body, Awaiting(self._connection), *args)
            await self._connection.commit()
            return result
