"""Keys that the cloud made: asked about once, then taken without it for as long as it cannot be asked.

Nothing here keeps a key itself: only who asks with one brings it, and for as long as his request, or the look at a key whose
last one was long ago, needs it.
"""

import asyncio
from typing import Protocol

import structlog

from gateway.kernel.clock import Clock
from gateway.kernel.errors import Busy, TooFast, Unavailable
from gateway.web.limits import Buckets, Rate

AGAIN_S = 6 * 3600.0  # a key in use is asked about again this often: how long the end of one may take to get here
ASKED_PER_MINUTE = Rate(per_minute=20, burst=20)  # keys that nobody here knows, of all clients together
ASKED_PER_SOURCE = Rate(per_minute=5, burst=5)  # and of one address, so that it cannot take all of them
REFUSED_S = 60.0  # for so long a no of the cloud is not asked for again
REFUSED_MAX = 1_000
WAITING_MAX = 20  # requests that wait for the cloud's word at once

log = structlog.get_logger(__name__)


class Upstream(Protocol):
    async def takes(self, key: str) -> bool:
        """Does the cloud take this key, as one of this gateway's own company? Raises Unavailable when it cannot say."""


class Learning:
    """`offline_s`: how long a key is taken after the cloud's last word about it."""

    def __init__(self, upstream: Upstream, clock: Clock, offline_s: float) -> None:
        self._upstream = upstream
        self._clock = clock
        self._offline_s = offline_s
        self._asked = Buckets(ASKED_PER_MINUTE, clock)
        self._by_source = Buckets(ASKED_PER_SOURCE, clock)
        self._refused_s: dict[str, float] = {}
        self._waiting = 0
        self._one = asyncio.Lock()
        self._due: dict[str, str] = {}
        self._more = asyncio.Event()

    async def asked(self, key: str, hashed: str, source: str) -> bool:
        """The cloud's word about a key that is not known here. Raises Unavailable, also when too many are asked about."""
        if self._clock.monotonic() < self._refused_s.get(hashed, 0.0):
            return False
        if self._waiting >= WAITING_MAX:
            raise _too_many()
        self._waiting += 1
        try:
            async with self._one:
                return await self._ask(key, hashed, source)
        finally:
            self._waiting -= 1

    async def _ask(self, key: str, hashed: str, source: str) -> bool:
        now_s = self._clock.monotonic()
        if now_s < self._refused_s.get(hashed, 0.0):  # while this one waited
            return False
        try:
            self._by_source.take(source)
            self._asked.take("")
        except TooFast:
            raise _too_many() from None
        if await self._upstream.takes(key):
            return True
        if len(self._refused_s) >= REFUSED_MAX:
            self._refused_s.clear()
        self._refused_s[hashed] = now_s + REFUSED_S
        return False

    def used(self, key_id: str, key: str, confirmed_s: float) -> bool:
        """A key that was learnt is used: may it be, without a new word of the cloud? Asks for one when it is time."""
        age_s = self._clock.monotonic() - confirmed_s
        if age_s > self._offline_s:
            return False
        if age_s > AGAIN_S:
            self._due[key_id] = key
            self._more.set()
        return True

    async def due(self) -> tuple[str, bool]:
        """The next key in use that was long not asked about, and the cloud's word. Raises Unavailable; then it stays due."""
        while not self._due:
            self._more.clear()
            await self._more.wait()
        key_id, key = next(iter(self._due.items()))
        taken = await self._upstream.takes(key)
        del self._due[key_id]
        return key_id, taken


def _too_many() -> Unavailable:
    return Busy("more keys are used that are not known here than can be asked about: try again in a minute")
