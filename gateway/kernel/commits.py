"""How those who read the journal learn that there is something new."""

import asyncio

from gateway.kernel.tally import Tally

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Commits:
    """How many groups have changed the file. A counter, because an event that several wait for loses wake-ups.

    `took`: how long each group took in the writer, whose thread alone adds to it.
    """

    def __init__(self) -> None:
        self.count = 0
        self.took = Tally(BOUNDS_S)
        self._waiting: set[asyncio.Future[None]] = set()

    async def beyond(self, seen: int) -> None:
        """Return once a group after `seen` has been committed."""
        while self.count <= seen:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)

    def happened(self) -> None:
        self.count += 1
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
