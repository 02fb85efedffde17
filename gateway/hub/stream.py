"""Waiting for changes: a long poll, and a stream of server-sent events. Nothing is queued for anybody: each reads the
journal from his own position, and who does not take what he is sent is cut off by the server.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace

from gateway.hub import changes
from gateway.hub.changes import Asked, Page
from gateway.hub.entities import Sight
from gateway.kernel.db import Database
from gateway.kernel.errors import Busy, CursorExpired

WAIT_MAX_S = 30
WAITING_MAX = 100  # long polls and streams of one key
WAITING_ALL_MAX = 500  # and of all keys: connections are left for those who do not wait
HEARTBEAT_S = 15.0
STREAM_MAX_S = 600.0  # then the client comes back, and its key is looked at again
PAGE_MAX = 500  # journal entries
PIECE_CHANGES_MAX = 100  # at once in a stream: hundreds that catch up hold one piece each until it is taken


class Feed:
    """Who waits, and on what. Belongs to the event loop."""

    def __init__(self, db: Database, *, heartbeat_s: float = HEARTBEAT_S, stream_max_s: float = STREAM_MAX_S) -> None:
        self._db = db
        self._heartbeat_s = heartbeat_s
        self._stream_max_s = stream_max_s
        self._waiting: Counter[str] = Counter()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """The gateway stops: nobody waits any longer."""
        self._ending.set()

    async def page(self, asked: Asked, sight: Sight) -> Page:
        """Raises CursorExpired."""
        return await self._db.read(changes.page, asked, sight)

    async def poll(self, asked: Asked, sight: Sight, key_id: str, wait_s: float) -> Page:
        """The next page that has something in it, or after `wait_s` one that has nothing. Raises CursorExpired, Busy."""
        ends_s = asyncio.get_running_loop().time() + wait_s
        with self._place(key_id):
            while True:
                seen = self._db.commits.count
                found = await self.page(asked, sight)
                asked = replace(asked, since=found.next, epoch=found.epoch)
                if found.changes or asyncio.get_running_loop().time() >= ends_s:
                    return found
                if not found.more and not await self._commit_after(seen, ends_s):
                    return found

    async def stream(self, asked: Asked, sight: Sight, key_id: str) -> "Stream":
        """Server-sent events for ten minutes: `id` is the seq that everything is known up to. Close it.

        Raises CursorExpired, Busy: before anything is answered.
        """
        await self.page(asked, sight)
        leave = contextlib.ExitStack()
        leave.enter_context(self._place(key_id))
        return Stream(self._told(asked, sight), leave)

    async def _told(self, asked: Asked, sight: Sight) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + self._stream_max_s
        told = asked.since
        asked = replace(asked, changes_max=PIECE_CHANGES_MAX)
        yield b"retry: 1000\n\n"
        while loop.time() < ends_s and not self._ending.is_set():
            seen = self._db.commits.count
            try:
                found = await self.page(asked, sight)
            except CursorExpired as exc:
                yield _event("error", f'{{"code":"{exc.code}"}}')
                return
            piece, more, told = _events(found, told), found.more, found.next
            asked = replace(asked, since=told, epoch=found.epoch)
            del found  # while the piece is on its way, and while nothing happens, nobody holds the page
            if piece:
                yield piece
            del piece
            beat_s = min(ends_s, loop.time() + self._heartbeat_s)
            if not more and not await self._commit_after(seen, beat_s):
                yield b": still here\n\n"

    async def _commit_after(self, seen: int, until_s: float) -> bool:
        """Has something been committed meanwhile? Nobody's thread is held by the waiting."""
        committed = asyncio.ensure_future(self._db.commits.beyond(seen))
        ending = asyncio.ensure_future(self._ending.wait())
        pause_s = until_s - asyncio.get_running_loop().time()
        try:
            await asyncio.wait((committed, ending), timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            return committed.done()
        finally:
            committed.cancel()
            ending.cancel()

    @contextlib.contextmanager
    def _place(self, key_id: str) -> Iterator[None]:
        if self._waiting[key_id] >= WAITING_MAX:
            raise Busy(f"{WAITING_MAX} requests with this key wait for changes already: end some")
        if self._waiting.total() >= WAITING_ALL_MAX:
            raise Busy(
                f"{WAITING_ALL_MAX} requests wait for changes already: try again in a moment, or ask without `wait`"
            )
        self._waiting[key_id] += 1
        try:
            yield
        finally:
            self._waiting[key_id] -= 1
            if not self._waiting[key_id]:
                del self._waiting[key_id]


class Stream:
    """Its place among those who wait is held until it is closed, read or not."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], leave: contextlib.ExitStack) -> None:
        self._pieces = pieces
        self._leave = leave

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        try:
            await self._pieces.aclose()
        finally:
            self._leave.close()


def _event(kind: str, data: str) -> bytes:
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _events(found: Page, told: int) -> bytes:
    """An id only where a journal entry is through, and those before it: who resumes there has missed nothing."""
    text = "".join(
        f"id: {change.seq}\nevent: change\ndata: {change.text}\n\n"
        if change.last
        else f"event: change\ndata: {change.text}\n\n"
        for change in found.changes
    )
    reached = found.changes[-1].seq if found.changes else told
    return (text if found.next == reached else f"{text}id: {found.next}\n\n").encode()
