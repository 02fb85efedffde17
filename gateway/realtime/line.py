"""What goes out to one client: at once while he takes it, else into a bounded queue. Nobody else ever waits for him."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

QUEUE_MAX = 1_000  # frames that wait for one client
QUEUE_MAX_BYTES = 8 * 1024 * 1024
ROOM_BYTES = 64 * 1024  # in the transport; beyond it frames wait here

Code = aiohttp.WSCloseCode


class Line:
    """`drained()` returns once the transport has room again. `ended` holds the code to close with, once that is decided."""

    def __init__(self, transport: asyncio.Transport, drained: Callable[[], Awaitable[None]]) -> None:
        transport.set_write_buffer_limits(high=ROOM_BYTES)
        self.ended: asyncio.Future[Code] = asyncio.get_running_loop().create_future()
        self.drained = drained
        self._transport = transport
        self._waiting: list[bytes] = []
        self._count = 0
        self._bytes = 0
        self._behind = asyncio.Event()

    def end(self, code: Code) -> None:
        """What still waits is not sent."""
        if not self.ended.done():
            self.ended.set_result(code)
            self._waiting.clear()

    def answer(self, frame: bytes) -> None:
        """Past what waits. Whoever answers a client reads on only when `drained`."""
        if not self._transport.is_closing():
            self._transport.write(frame)

    def push(self, frames: bytes, count: int) -> None:
        """Several whole frames in one piece. Ends the line when too many wait."""
        if self.ended.done() or self._transport.is_closing():
            return
        if not self._count and self._transport.get_write_buffer_size() <= ROOM_BYTES:
            self._transport.write(frames)
            return
        self._waiting.append(frames)
        self._count += count
        self._bytes += len(frames)
        if self._count > QUEUE_MAX or self._bytes > QUEUE_MAX_BYTES:
            self.end(Code.TRY_AGAIN_LATER)
        self._behind.set()

    async def pump(self) -> None:
        """For ever: send what waits, whenever there is room."""
        while True:
            await self._behind.wait()
            await self.drained()
            frames, self._waiting = self._waiting, []
            self._count = self._bytes = 0
            self._behind.clear()
            self.answer(b"".join(frames))

    def abort(self) -> None:
        self._transport.abort()
