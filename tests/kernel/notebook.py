"""What the tests of the kernel write down: notes, which may be about another note. No table of the product."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.kernel.connection import offline
from gateway.kernel.db import Database

WAIT_MAX_S = 10


def prepare(path: Path) -> None:
    with offline(path) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, "
            "about INTEGER REFERENCES notes (id)) STRICT"
        )


def add(tx, text: str, about: int | None = None) -> int:
    return tx.execute("INSERT INTO notes (text, about) VALUES (?, ?)", (text, about)).lastrowid


def texts(connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY id")]


def on_disk(folder: Path) -> list[str]:
    """What somebody else would find now."""
    with offline(folder / "gateway.sqlite") as connection:
        return texts(connection)


@contextlib.asynccontextmanager
async def gathering(db: Database) -> AsyncIterator[None]:
    """The writer is held up inside; what is asked for meanwhile waits together."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(_tx) -> None:
        begun.set()
        go_on.wait(WAIT_MAX_S)

    held = asyncio.create_task(db.write(hold))
    await asyncio.to_thread(begun.wait, WAIT_MAX_S)
    try:
        yield
        await asyncio.sleep(0)  # let those who were just created ask
    finally:
        go_on.set()
        await held
