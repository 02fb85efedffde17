"""What the write path is compared with: a commit for each request, as it is usually written.

The connection lives on a thread of its own and every statement is a hop to it, as the asynchronous wrappers of SQLite do it;
a lock keeps the requests apart. Rules, statements and what is stored are the product's own.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway.kernel.connection import connect

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL")


class Rows:
    """What a statement gave, fetched where it ran."""

    def __init__(self, rows: list[sqlite3.Row], changed: int) -> None:
        self._rows = rows
        self.rowcount = changed

    def fetchone(self) -> sqlite3.Row | None:
        return self._rows.pop(0) if self._rows else None

    def fetchall(self) -> list[sqlite3.Row]:
        return self._rows

    def __iter__(self):
        return iter(self._rows)


class Hopping:
    """A connection each of whose statements runs on the connection's thread, while the caller waits."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, "connection")
        self._connection = self._thread.submit(connect, path, PRAGMAS).result()

    def execute(self, statement: str, values: Any = ()) -> Rows:
        return self._thread.submit(self._run, self._connection.execute, statement, values).result()

    def executemany(self, statement: str, values: Sequence[Any]) -> Rows:
        return self._thread.submit(self._run, self._connection.executemany, statement, values).result()

    @staticmethod
    def _run(execute: Callable[..., sqlite3.Cursor], statement: str, values: Any) -> Rows:
        cursor = execute(statement, values)
        return Rows(cursor.fetchall(), cursor.rowcount)


class Naive:
    """In the place of the product's database: `write` is BEGIN, the body, COMMIT."""

    def __init__(self, path: Path) -> None:
        self._connection = Hopping(path)
        self._one_at_a_time = asyncio.Lock()
        self._handlers = ThreadPoolExecutor(1, "handler")

    async def write(self, body: Callable[..., Any], *args: Any) -> Any:
        async with self._one_at_a_time:
            return await asyncio.get_running_loop().run_in_executor(self._handlers, self._transaction, body, args)

    def _transaction(self, body: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = body(self._connection, *args)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return result
