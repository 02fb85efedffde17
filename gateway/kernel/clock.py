"""Time as an argument: the product reads `SystemClock`, tests turn the hands of `ManualClock`.

Instants are text inside the database and in answers: ISO 8601, UTC, `+00:00`, microseconds only when there are any.
Written like that they sort as text in the order in which they happened.
"""

import asyncio
import functools
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

TEXTS_KEPT = 1024  # written instants
# A clock that shows a time before this was never set: the battery is dead, or the network has not told it yet.
BUILD_DATE = datetime(2026, 11, 1, tzinfo=UTC)


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock, aware, UTC. Data, never a reason for order or expiry."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow; for durations and expiry within one run."""
        ...

    async def sleep(self, delay_s: float) -> None: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class ManualClock:
    """Stands still until `advance` is called; sleepers wake in the order of their deadlines."""

    def __init__(self, start: datetime = datetime(2026, 11, 2, 7, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    async def sleep(self, delay_s: float) -> None:
        wakes = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_s + delay_s, next(self._order), wakes))
        await wakes

    async def advance(self, seconds: float) -> None:
        """Move on, letting everybody who wakes on the way run before the next one does."""
        target = self._elapsed_s + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            self._elapsed_s, _, wakes = heapq.heappop(self._sleepers)
            if not wakes.done():
                wakes.set_result(None)
            await asyncio.sleep(0)
        self._elapsed_s = target
        await asyncio.sleep(0)

    def step(self, seconds: float) -> None:
        """The wall clock jumps (somebody set it); nobody wakes."""
        self._start += timedelta(seconds=seconds)


async def sleep_or_wake(clock: Clock, delay_s: float, wake: asyncio.Event) -> None:
    """Until the delay is over or `wake` is set, whichever comes first."""
    waiting = [asyncio.ensure_future(one) for one in (clock.sleep(delay_s), wake.wait())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


def trusted(now: datetime) -> bool:
    """False while the wall clock shows a time at which this software did not exist yet."""
    return now >= BUILD_DATE


@functools.lru_cache(TEXTS_KEPT)
def text(instant: datetime) -> str:
    """The one written form of an instant. One command writes the same few again and again."""
    return (instant if instant.tzinfo is UTC else instant.astimezone(UTC)).isoformat()


@functools.lru_cache(TEXTS_KEPT)
def zulu(instant: datetime) -> str:
    """The form of event payloads: milliseconds and `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def parse(written: str) -> datetime:
    """Any ISO 8601 instant, or a bare date (midnight UTC). Raises ValueError for anything else."""
    instant = datetime.fromisoformat(written)
    if instant.tzinfo is UTC:
        return instant
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
