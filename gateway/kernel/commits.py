"""How those who read the journal learn that there is something new."""

import asyncio


class Commits:
    """How many groups have changed the file. A counter, because an event that several wait for loses wake-ups."""

    def __init__(self) -> None:
        self.count = 0
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
