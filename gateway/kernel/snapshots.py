"""Long reads, for exports: a connection of their own that sees one moment of the database until the last row is out.

While one is open SQLite cannot start the WAL over: whatever is written meanwhile is added to it, and the writer loses half a
second every five once it has grown past its limit. So there is one at a time, it ends with whoever reads it, and it is cut
when it takes too long, when nobody takes what it has, or when the WAL has grown too far. `Database.read` is cut after 5 s.
"""

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from gateway.kernel.connection import READER_PRAGMAS, connect, is_cut, is_unreadable, wal_bytes
from gateway.kernel.db import Database
from gateway.kernel.errors import Busy, StorageFailed

SNAPSHOT_MAX_S = 900.0
TAKEN_MAX_S = 60.0  # in which whoever reads has to take the next chunk
WAL_HELD_MAX_BYTES = 512 * 1024 * 1024  # what all others may write meanwhile
CHUNKS_AHEAD = 4  # made and not yet taken
CHECK_OPCODES = 10_000

Produce = Callable[[sqlite3.Connection], Iterator[bytes]]


class Snapshots:
    """One at a time. Belongs to the event loop."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._open: Chunks | None = None

    def open(self, produce: Produce) -> "Chunks":
        """What `produce(connection)` makes, in one read transaction. Close it, read or not. Raises Busy."""
        if self._open is not None and self._open.reading:
            raise Busy("another export is on its way: one at a time; try again when it is through")
        self._open = Chunks(self._db.path, produce)
        return self._open


class Chunks:
    """An async iterator. `produce` runs in a thread that stays at most CHUNKS_AHEAD chunks ahead.

    Raises StorageFailed, Busy (it was cut), and whatever `produce` raises.
    """

    def __init__(self, path: Path, produce: Produce) -> None:
        self.closed = False
        self._path = path
        self._produce = produce
        self._made: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(CHUNKS_AHEAD)
        self._cut: str | None = None  # why the thread has to stop
        self._loop = asyncio.get_running_loop()
        self._running: asyncio.Future[None] | None = None
        self._first: bytes | None = None

    async def begin(self) -> None:
        """Wait for the first chunk, so that what is wrong from the beginning is raised here."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self.aclose)
            self._first = await anext(self, b"")
            stack.pop_all()

    @property
    def reading(self) -> bool:
        """Is the read transaction still to come, or open?"""
        return not self.closed and not (self._running is not None and self._running.done())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self.closed:
            raise StopAsyncIteration
        if self._running is None:
            self._running = self._loop.run_in_executor(None, self._run)
        chunk = await self._made.get()
        if chunk is not None:
            self._room.release()
            return chunk
        self.closed = True
        await self._running
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop, wherever it is. Returns once the connection is closed."""
        self._cut = self._cut or "nobody reads it any more"
        self._room.release()
        try:
            if self._running is not None and not self.closed:
                with contextlib.suppress(Busy, StorageFailed):
                    await self._running
        finally:
            self.closed = True

    # ---------------------------------------------------------------- below here: the thread

    def _run(self) -> None:
        try:
            self._read()
        except sqlite3.DatabaseError as exc:
            if is_cut(exc):
                raise Busy(f"the export was cut: {self._cut or exc}") from exc
            if is_unreadable(exc):
                raise StorageFailed(f"the export could not be finished ({exc}): try again") from exc
            raise
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is gone, and so is whoever reads
                self._loop.call_soon_threadsafe(self._made.put_nowait, None)

    def _read(self) -> None:
        ends_s = time.monotonic() + SNAPSHOT_MAX_S
        with contextlib.closing(connect(self._path, READER_PRAGMAS)) as connection:
            connection.set_progress_handler(lambda: self._must_stop(ends_s), CHECK_OPCODES)
            connection.execute("BEGIN")
            for chunk in self._produce(connection):
                if not self._room.acquire(timeout=TAKEN_MAX_S):
                    self._cut = f"nobody took the next piece within {TAKEN_MAX_S:.0f} s"
                if self._must_stop(ends_s):
                    raise Busy(f"the export was cut: {self._cut}")
                self._loop.call_soon_threadsafe(self._made.put_nowait, chunk)

    def _must_stop(self, ends_s: float) -> bool:
        if self._cut is None and time.monotonic() > ends_s:
            self._cut = f"it took longer than {SNAPSHOT_MAX_S:.0f} s; ask for fewer tables at once"
        elif self._cut is None and wal_bytes(self._path) > WAL_HELD_MAX_BYTES:
            self._cut = "too much was written meanwhile; ask for fewer tables at once, or at a quieter time"
        return self._cut is not None
