"""One reader of the journal for all sockets. Clients that ask for the same get the same bytes: a row is read once, a frame is
written once, and what one tick brings goes out to each client in one piece.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.errors import Busy, Invalid
from gateway.kernel.health import Link
from gateway.outbox import journal
from gateway.outbox.event import Entry
from gateway.outbox.reader import tail
from gateway.realtime import changes, codec
from gateway.realtime.bindings import Wish
from gateway.realtime.changes import Change
from gateway.realtime.line import Code
from gateway.realtime.member import Member
from gateway.web.limits import Buckets, Rate

LINK = "realtime"  # in /healthz
SOCKETS_SHARE = 0.6  # of all connections: some are left for requests
EVENT_MAX_BYTES = 255  # its length is one byte
ENTRIES_MAX = 200  # of the journal, read at once
CHANGES_MAX = 100  # told at once: the many of an import let others in between, and give clients time to take them
TICK_S = 0.03  # from one such piece to the next; what is committed meanwhile goes out together
PAUSE_PER_S = (
    2.0  # a piece that is not full is followed by a pause of this times what it took: few clients are told at once
)
SENT_AT_ONCE = 50  # clients between which others get a turn
CLOSED_MAX_S = 3.0  # in which all have to be gone when we stop
BROADCASTS = Rate(per_minute=6_000, burst=600)  # of one key: each goes to many

# Those who are told the same: the version of the protocol, and what they ask for.
_Audience = tuple[str, tuple[Wish, ...]]


class Hub:
    """Who is there, and who is told what. Belongs to the event loop."""

    def __init__(self, db: Database, clock: Clock, link: Link, sockets_max: int) -> None:
        self._db = db
        self._link = link
        self._sockets_max = sockets_max
        self._members: dict[Member, _Audience] = {}
        self._audiences: defaultdict[_Audience, set[Member]] = defaultdict(set)
        self._topics: defaultdict[str, set[Member]] = defaultdict(set)
        self._joined: dict[Member, frozenset[str]] = {}
        self._wanted = asyncio.Event()  # somebody asks for changes
        self._since: int | None = None  # how far the journal has been told; None: nobody asks
        self._broadcasts = Buckets(BROADCASTS, clock)
        self._closing = False
        self._dropped = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._tell_health()

    # ------------------------------------------------------------------ who is there

    def require_room(self) -> None:
        """Raises Busy."""
        if self._closing:
            raise Busy("the gateway is stopping: connect again in a moment")
        if len(self._members) >= self._sockets_max:
            raise Busy(f"{self._sockets_max} realtime sockets are open: close some")

    def enter(self, member: Member) -> None:
        if self._closing:
            member.line.end(Code.SERVICE_RESTART)
        self._members[member] = (member.version, ())
        self._joined[member] = frozenset()
        self._empty.clear()
        self._tell_health()

    def leave(self, member: Member) -> None:
        if member.line.ended.done() and member.line.ended.result() is Code.TRY_AGAIN_LATER:
            self._dropped += 1
        member.channels.clear()
        self.moved(member)
        del self._members[member], self._joined[member]
        if not self._members:
            self._empty.set()
        self._tell_health()

    def moved(self, member: Member) -> None:
        """It has joined or left a channel."""
        _take_out(self._audiences, self._members[member], member)
        for topic in self._joined[member]:
            _take_out(self._topics, topic, member)
        self._members[member] = audience = (member.version, member.wishes)
        self._joined[member] = frozenset(member.channels)
        for topic in member.channels:
            self._topics[topic].add(member)
        if audience[1]:
            self._audiences[audience].add(member)
            if self._since is None:
                self._since = member.since
            self._wanted.set()
        self._tell_health()

    async def head(self) -> int:
        """The end of the journal: whoever joins now is told what comes after it."""
        return await self._db.read(journal.head)

    async def close(self) -> None:
        """Everybody is sent away with 1012, which makes clients come back; nobody is let in any more."""
        self._closing = True
        self._cut(Code.SERVICE_RESTART)
        try:
            async with asyncio.timeout(CLOSED_MAX_S):
                await self._empty.wait()
        except TimeoutError:
            for member in self._members:
                member.line.abort()

    def _cut(self, code: Code) -> None:
        for member in self._members:
            member.line.end(code)

    def _tell_health(self) -> None:
        channels = sum(map(len, self._joined.values()))
        self._link.facts |= {"sockets": len(self._members), "channels": channels, "sockets_dropped": self._dropped}

    # ------------------------------------------------------------------ broadcasts

    def broadcast(self, key_id: str, topic: str, event: str, payload: Any, beside: Member | None = None) -> None:
        """To everybody in that topic but `beside`. Kept nowhere. Raises TooFast, Invalid."""
        if len(event.encode()) > EVENT_MAX_BYTES:
            raise Invalid(f"the event has more than {EVENT_MAX_BYTES} bytes")
        self._broadcasts.take(key_id)
        members = self._topics.get(topic, ())
        frames = {
            version: codec.written_broadcast(version, topic, event, payload)
            for version in {member.version for member in members}
        }
        for member in members:
            frame = frames[member.version]
            if member is not beside and frame is not None:
                member.line.push(frame, 1)

    # ------------------------------------------------------------------ changes

    async def run(self) -> None:
        """For ever: what is committed is told to whoever asks for it, in that order."""
        self._link.up()
        while True:
            await self._wanted.wait()
            async for entries in tail(self._db, self._since or 0, batch_max=ENTRIES_MAX):
                if not self._audiences:
                    self._since = None
                    self._wanted.clear()
                    break
                self._since = entries[-1].seq
                await self._tell_whole(entries)

    async def _tell_whole(self, entries: Sequence[Entry]) -> None:
        """There is no second time: if this fails, everybody is sent away to come back and read again."""
        told = False
        try:
            await self._tell(entries)
            told = True
        finally:
            if not told:
                self._cut(Code.INTERNAL_ERROR)

    async def _tell(self, entries: Sequence[Entry]) -> None:
        tables = frozenset[str]().union(*(wish.tables for _, wishes in self._audiences for wish in wishes))
        some = changes.touched(entries, tables)
        loop = asyncio.get_running_loop()
        for first in range(0, len(some), CHANGES_MAX):
            began_s, piece = loop.time(), some[first : first + CHANGES_MAX]
            await self._deliver(await self._db.read(changes.told, piece))
            took_s = loop.time() - began_s
            full = len(piece) == CHANGES_MAX
            await asyncio.sleep(max(0.0, TICK_S - took_s) if full else min(TICK_S, PAUSE_PER_S * took_s))

    async def _deliver(self, found: Sequence[Change]) -> None:
        """To those who are there now: what a channel that is joined meanwhile asks for comes after these changes."""
        turns = 0
        for (version, wishes), members in [(one, [*members]) for one, members in self._audiences.items()]:
            frames = [
                (change.seq, wish.topic, codec.written_change(version, wish.topic, ids, change.data))
                for change in found
                for wish in wishes
                if (ids := wish.matching(change))
            ]
            whole = b"".join(frame for _, _, frame in frames)
            for member in members if frames else ():
                if member.since < found[0].seq:
                    member.line.push(whole, len(frames))
                elif own := [frame for seq, topic, frame in frames if seq > member.told_up_to(topic)]:
                    member.line.push(b"".join(own), len(own))
                if (turns := turns + 1) % SENT_AT_ONCE == 0:
                    await asyncio.sleep(0)
            if (turns := turns + 1) % SENT_AT_ONCE == 0:
                await asyncio.sleep(0)


def _take_out(sets: defaultdict[Any, set[Member]], name: Any, member: Member) -> None:
    """A set with nobody in it is not kept."""
    if name in sets:
        sets[name].discard(member)
        if not sets[name]:
            del sets[name]
