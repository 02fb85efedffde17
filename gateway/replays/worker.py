"""The replays of one way out, run by that way out beside its stream: what happens now does not wait for what is told again."""

from collections.abc import Awaitable, Callable, Sequence

from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database
from gateway.kernel.errors import Refused
from gateway.outbox import journal
from gateway.outbox.event import Entry
from gateway.replays import store
from gateway.replays.model import Replay, Went

PAGE = 50  # entries: what is sent again, at the most, when it breaks off
LOOK_EVERY_S = 5.0  # for a new one: nobody is in a hurry

Send = Callable[[Replay, Sequence[Entry]], Awaitable[Went]]


async def work_off(db: Database, clock: Clock, out: str, send: Send) -> None:
    """For ever: one after the other, in pages of named events. Where each stands is kept, so that a restart goes on there.

    `send` raises Refused when it gives the replay up; with anything else, Unavailable for one, it stays where it is.
    """
    while True:
        replay = await db.read(store.following, out)
        if replay is None:
            await clock.sleep(LOOK_EVERY_S)
            continue
        page = await db.read(journal.after, replay.position, PAGE)
        entries = [entry for entry in page if entry.seq <= replay.to_seq]
        position = entries[-1].seq if entries and len(entries) == PAGE else replay.to_seq
        try:
            went = await send(replay, [entry for entry in entries if entry.type is not None])
        except Refused as exc:
            await db.write(store.failed, replay.id, exc.message, text(clock.now()))
        else:
            await db.write(store.went_on, replay.id, position, went, text(clock.now()))
