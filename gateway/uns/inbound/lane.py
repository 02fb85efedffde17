"""One device's messages, one after the other as they came. Another device's never wait for them.

Too fast is refused, except for what is absolute: of counters, states and the device's own status the newest waits for
its turn, and those it replaces are done with.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.kernel.clock import Clock, sleep_or_wake
from gateway.kernel.errors import GatewayError, TooFast
from gateway.uns.client import UNACKNOWLEDGED_MAX
from gateway.uns.inbound.rate import Bucket
from gateway.uns.packets import Packet

READY_MAX = 2 * UNACKNOWLEDGED_MAX  # messages of one device; more come only without acknowledgements
WAITING_MAX = 64  # topics of one device of which a newest value waits; none of them is acknowledged meanwhile


@dataclass(frozen=True, slots=True)
class Heard:
    """A packet and where it belongs. `devices`: whom it is about; mostly one, mapped topics may have more.

    `rest`: the topic below the device; None for a mapped topic. `kept`: it waited at the broker while we were away.
    `refusal`: nothing is to be done but to say so.
    """

    packet: Packet
    devices: tuple[str, ...]
    rest: str | None
    absolute: bool = False
    kept: bool = False
    refusal: GatewayError | None = None


class Lane:
    """`handle` does what a message asks for and never raises but Unavailable, when the connection is gone.

    `done` is told of what was replaced by something newer.
    """

    def __init__(
        self,
        per_s: int,
        clock: Clock,
        handle: Callable[[Heard], Awaitable[None]],
        done: Callable[[Heard], None],
    ) -> None:
        self._per_s = per_s
        self._clock = clock
        self._handle = handle
        self._done = done
        self._bucket = Bucket(per_s)
        self._ready: deque[Heard] = deque()
        self._newest: dict[str, Heard] = {}
        self._news = asyncio.Event()

    def put(self, heard: Heard) -> bool:
        """What was kept for us came as fast as it could: that is never too fast. Returns False without room."""
        if heard.packet.qos == 0 and len(self._ready) >= READY_MAX:
            return False
        if heard.refusal is not None:
            self._ready.append(heard)
        elif heard.kept or self._bucket.take(self._clock.monotonic()):
            self._ready += self._newest.values()  # they came before it
            self._newest.clear()
            self._ready.append(heard)
        elif heard.absolute and (heard.packet.topic in self._newest or len(self._newest) < WAITING_MAX):
            if replaced := self._newest.pop(heard.packet.topic, None):
                self._done(replaced)
            self._newest[heard.packet.topic] = heard
        else:
            message = f"too fast: {heard.devices[0]} may send {self._per_s} messages a second (rate_per_s)"
            self._ready.append(refused(heard, TooFast(message)))
        self._news.set()
        return True

    async def run(self) -> None:
        """Never returns."""
        while True:
            self._news.clear()
            while self._ready:
                await self._handle(self._ready.popleft())
            if self._newest:
                wait_s = self._bucket.wait_s(self._clock.monotonic())
                if not wait_s and self._bucket.take(self._clock.monotonic()):
                    self._ready.append(self._newest.pop(next(iter(self._newest))))
                    continue
                await sleep_or_wake(self._clock, wait_s, self._news)
            else:
                await self._news.wait()


def refused(heard: Heard, error: GatewayError) -> Heard:
    return Heard(heard.packet, heard.devices, heard.rest, heard.absolute, heard.kept, error)
