"""How the queue stood: a sample a minute, a week of them."""

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.room import Use
from gateway.ops import store
from gateway.ops.store import Sample

UP = "cloud"  # whose queue
EVERY_S = 60.0
# Hours -> minutes that are one point of a plot.
STEPS = {1: 1, 24: 5, 168: 30}

Status = Callable[[], Awaitable[dict[str, Any]]]


async def run(db: Database, clock: Clock, status: Status) -> None:
    """For ever. Raises Unavailable when the disk does not take it."""
    while True:
        await take(db, clock, status)
        await clock.sleep(EVERY_S)


async def take(db: Database, clock: Clock, status: Status) -> None:
    """Not while the clock was never set: nobody could say when it was. Nor while the disk has no room for it."""
    now = clock.now()
    if not time_.trusted(now) or not db.room.admits(Use.TELEMETRY):
        return
    told = await status()
    queue = told["links"].get(UP, {})
    numbers = (int(queue.get(name) or 0) for name in ("pending", "parked", "sent", "oldest_s"))
    await db.write(store.sample, _minute(clock), Sample(told["journal_head"], *numbers))


async def shown(db: Database, clock: Clock, hours: int) -> dict[str, Any]:
    """`points`: {at, pending, parked, oldest_s, recorded, sent}; the last two are entries since the point before."""
    step = STEPS[hours]
    found = await db.read(store.points, _minute(clock) - hours * 60, step)
    points = [
        {
            "at": one["minute"] * 60,
            **{name: one[name] for name in ("pending", "parked", "oldest_s")},
            "recorded": max(0, one["head"] - before["head"]),
            "sent": max(0, one["sent"] - before["sent"]),
        }
        for before, one in zip([*found[:1], *found], found, strict=False)
    ]
    return {"hours": hours, "step_s": step * 60, "points": points}


def _minute(clock: Clock) -> int:
    return int(clock.now().timestamp() // 60)
