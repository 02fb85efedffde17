"""What happens, told to every terminal as it happens. The journal is read once for all, touched cards are read once and written as
JSON once; each stream has a bounded queue, and who does not take what he is sent is sent away: he comes back and resumes.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Any

from gateway.kernel.clock import Clock, zulu
from gateway.kernel.db import Database
from gateway.kernel.errors import Busy, Unavailable
from gateway.kernel.health import Link
from gateway.outbox import journal
from gateway.outbox.event import encode
from gateway.outbox.reader import tail
from gateway.terminals import touched
from gateway.terminals.model import Terminal
from gateway.terminals.touched import Told

LINK = "terminals"  # in /healthz
STREAMS_SHARE = 0.2  # of all connections
STREAMS_OF_ONE_MAX = (
    4  # of one terminal: a board beside the page, and what is not known to be dead yet; the oldest gives way
)
ENTRIES_MAX = 200  # of the journal, read at once
TICK_S = 0.05  # what is committed meanwhile goes out together
QUEUE_MAX_BYTES = 1024 * 1024  # that wait for one stream
LOOK_S = 1.0  # how often the cloud's link is looked at
HEARTBEAT_S = 10.0

CLOUD = "cloud"  # its entry in /healthz
NO_CLOUD = {"state": "off", "since": None, "pending": 0, "parked": 0, "oldest_s": 0.0}
_TOLD = ("state", "since", "error", "pending", "parked", "oldest_s", "drain_s", "conflicts")

Cells = frozenset[str] | None
Full = Callable[[], Awaitable[Mapping[str, Any]]]


class Stream:
    """One connection of a terminal: what is still to be sent."""

    def __init__(self, terminal: Terminal, cells: Cells) -> None:
        self.terminal = terminal
        self.cells = cells
        self.dropped = False
        self._since: int | None = None  # everything up to there is known to it; None: it is still being read
        self._meanwhile: list[tuple[int, bytes]] = []
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._ending = False
        self._news = asyncio.Event()

    def hear(self, seq: int, piece: bytes) -> None:
        """What the journal tells up to `seq`, if that is news."""
        if self._since is None:
            self._meanwhile.append((seq, piece))
        elif seq > self._since:
            self.push(piece)

    def begun(self, head: int) -> None:
        """It knows everything up to `head`."""
        self._since = head
        for seq, piece in self._meanwhile:
            self.hear(seq, piece)
        self._meanwhile.clear()

    def push(self, piece: bytes) -> None:
        """Never waits. Who has too much before him is sent away."""
        if self._ending:
            return
        self._waiting.append(piece)
        self._bytes += len(piece)
        if self._bytes > QUEUE_MAX_BYTES:
            self.drop()
        self._news.set()

    def drop(self) -> None:
        self.dropped = True
        self._waiting.clear()
        self.end()

    def end(self) -> None:
        """After what waits."""
        self._ending = True
        self._news.set()

    async def take(self) -> bytes | None:
        """What waits, as soon as something does; None at the end."""
        await self._news.wait()
        if not self._waiting:
            return None  # only an end wakes without anything to send
        taken = b"".join(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        if not self._ending:
            self._news.clear()
        return taken


class Live:
    """Belongs to the event loop. `full` tells all of /healthz, `build` which files the page has."""

    def __init__(
        self, db: Database, clock: Clock, link: Link, full: Full, build: Callable[[], str], streams_max: int
    ) -> None:
        self._db = db
        self._clock = clock
        self._link = link
        self._full = full
        self._build = build
        self._streams_max = streams_max
        self._streams: dict[Stream, None] = {}  # in the order in which they came
        self._since: int | None = None  # how far the journal has been told; None: nobody listens
        self._wanted = asyncio.Event()
        self._closing = False
        self._dropped = 0
        self._tell_health()

    # ------------------------------------------------------------------ who listens

    @contextlib.contextmanager
    def entered(self, stream: Stream) -> Iterator[None]:
        """Raises Busy."""
        if self._closing:
            raise Busy("the gateway is stopping: connect again in a moment")
        own = [one for one in self._streams if one.terminal.id == stream.terminal.id]
        for old in own[: 1 - STREAMS_OF_ONE_MAX]:
            old.end()
        if len(self._streams) >= self._streams_max:
            raise Busy(f"{len(self._streams)} streams of terminals are open: close some")
        self._streams[stream] = None
        self._tell_health()
        try:
            yield
        finally:
            self._streams.pop(stream, None)
            self._dropped += stream.dropped
            self._tell_health()

    async def begin(self, stream: Stream, since: int | None) -> None:
        """What it missed after `since`, or word that only a snapshot tells; from then on it hears what happens."""
        missed: Told | None = None
        if since is None:
            head = await self._db.read(journal.head)
        else:
            head, missed = await self._db.read(touched.since, since)
        if since is not None and missed is None:
            stream.push(event("reset", "{}"))
        elif missed is not None and (text := missed.message(stream.cells)) is not None:
            stream.push(event("rows", text, head))
        stream.begun(head)
        stream.push(self._written(await self.standing()))
        if self._since is None:
            self._since = head
        self._wanted.set()

    def moved(self, terminal_id: str, terminal: Terminal | None) -> None:
        """As a `Watcher`."""
        for stream in self._streams:
            if stream.terminal.id == terminal_id:
                told = None if terminal is None else terminal.told
                stream.push(event("terminal", encode({"terminal": told})))
                if terminal is None or terminal.cell_id != stream.terminal.cell_id:
                    stream.end()  # it comes back, and may see other cells then

    def meant(self, terminal: Terminal) -> None:
        """As a `Watcher`."""
        for stream in self._streams:
            if stream.terminal.id == terminal.id:
                stream.push(event("terminal", encode({"terminal": terminal.told, "identify": True})))

    def close(self) -> None:
        """Everybody is sent away, nobody is let in any more."""
        self._closing = True
        for stream in self._streams:
            stream.end()

    def _tell_health(self) -> None:
        self._link.facts |= {"streams": len(self._streams), "streams_dropped": self._dropped}

    # ------------------------------------------------------------------ what happens

    async def standing(self) -> dict[str, Any]:
        """How the link to the cloud is."""
        found = (await self._full())["links"].get(CLOUD, {})
        return {**NO_CLOUD, **{name: found[name] for name in _TOLD if name in found}}

    async def run(self) -> None:
        """For ever. Raises Unavailable when the database cannot be read."""
        self._link.up()
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._follow(), name="terminals-changes")
                both.create_task(self._beat(), name="terminals-status")
        except* Unavailable as failed:
            raise Unavailable(str(failed.exceptions[0])) from failed

    async def _follow(self) -> None:
        while True:
            await self._wanted.wait()
            async for entries in tail(self._db, self._since or 0, batch_max=ENTRIES_MAX):
                if not self._streams:
                    self._since = None
                    self._wanted.clear()
                    break
                self._since = entries[-1].seq
                await self._tell_whole(touched.of(entries), entries[-1].seq)
                await asyncio.sleep(TICK_S)

    async def _tell_whole(self, what: touched.Touched, seq: int) -> None:
        """There is no second time: if this fails, everybody is sent away to come back and resume."""
        done = False
        try:
            if what:
                self._deliver(await self._db.read(touched.read, what, seq), seq)
            done = True
        finally:
            if not done:
                for stream in self._streams:
                    stream.end()

    def _deliver(self, told: Told | None, seq: int) -> None:
        pieces: dict[Cells, bytes | None] = {}
        for stream in self._streams:
            if stream.cells not in pieces:
                pieces[stream.cells] = _piece(told, stream.cells, seq)
            if (piece := pieces[stream.cells]) is not None:
                stream.hear(seq, piece)

    async def _beat(self) -> None:
        """How the links are: when that changes, and every now and then to show that somebody is here."""
        loop = asyncio.get_running_loop()
        known, told_s = None, loop.time()
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._streams:
                continue
            standing = await self.standing()
            news = {name: value for name, value in standing.items() if name != "oldest_s"}
            if news != known or loop.time() - told_s >= HEARTBEAT_S:
                known, told_s = news, loop.time()
                piece = self._written(standing)
                for stream in self._streams:
                    stream.push(piece)

    def _written(self, standing: dict[str, Any]) -> bytes:
        now = zulu(self._clock.now())
        return event("status", encode({"now": now, "link": {CLOUD: standing}, "build": self._build()}))


def event(kind: str, data: str, seq: int | None = None) -> bytes:
    """One server-sent event. `seq`: where to resume after it."""
    place = "" if seq is None else f"id: {seq}\n"
    return f"{place}event: {kind}\ndata: {data}\n\n".encode()


def _piece(told: Told | None, cells: Collection[str] | None, seq: int) -> bytes | None:
    if told is None:
        return event("reset", "{}")
    text = told.message(cells)
    return None if text is None else event("rows", text, seq)
