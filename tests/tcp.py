"""Ports of loopback that nobody else takes by chance, and a TCP server that leaves nothing open behind it."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)  # the kernel gives those above to whoever connects
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def free_port() -> int:
    """For a program that is started later."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


@contextlib.asynccontextmanager
async def serving(serve: Serve, port: int = 0) -> AsyncIterator[int]:
    """Yields its port. At the end every connection is cut, and each `serve` has come to its end.

    asyncio's own server forgets a connection that comes in the very moment in which it is closed.
    """
    loop = asyncio.get_running_loop()
    taken: dict[socket.socket, asyncio.Task[None]] = {}

    async def one(connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def take() -> None:
        connection, _ = listening.accept()
        connection.setblocking(False)
        taken[connection] = asyncio.create_task(one(connection))

    with contextlib.closing(socket.create_server((HOST, port))) as listening:
        listening.setblocking(False)
        loop.add_reader(listening, take)
        try:
            yield listening.getsockname()[1]
        finally:
            loop.remove_reader(listening)
            for task in taken.values():
                task.cancel()
            await asyncio.gather(*taken.values(), return_exceptions=True)
            for connection in taken:
                connection.close()
