"""A TCP server on loopback that leaves nothing open behind it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

HOST = "127.0.0.1"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(serve: Serve, port: int = 0) -> AsyncIterator[int]:
    """Yields its port. At the end every connection is cut, and each `serve` has come to its end."""
    under_way: set[asyncio.Task] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        this = asyncio.current_task()
        under_way.add(this)
        try:
            await serve(reader, writer)
        finally:
            under_way.discard(this)
            writer.close()

    server = await asyncio.start_server(one, HOST, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        for task in (last := [*under_way]):
            task.cancel()
        await asyncio.gather(*last, return_exceptions=True)
        await asyncio.sleep(0)  # a transport's socket goes in the next round of the loop
