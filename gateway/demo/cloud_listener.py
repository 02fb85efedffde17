"""A listening port that can be closed and opened again while the program goes on."""

import asyncio
import socket

from aiohttp import web

BACKLOG = 128


class Listener:
    """Away means away: new connections are refused, those that there were are reset."""

    def __init__(self, server: web.Server) -> None:
        self._web = server
        self._address: tuple[str, int] = ("", 0)
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None
        self._opening: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> int:
        self._address = (host, port)
        self._listen()
        if self._opening is not None:
            await self._opening
        return self._address[1]

    def go_away(self) -> None:
        if self._socket is None:
            return
        if self._server is not None:
            self._server.close()
        else:
            self._socket.close()
        self._server = self._socket = None
        for connection in self._web.connections:
            if connection.transport is not None:
                connection.transport.abort()

    def come_back(self) -> None:
        """From here on connections are taken; they are served as soon as the loop runs."""
        if self._socket is None:
            self._listen()

    async def close(self) -> None:
        self.go_away()
        if self._opening is not None:
            await self._opening

    def _listen(self) -> None:
        listening = socket.create_server(self._address, backlog=BACKLOG)
        self._address = listening.getsockname()[:2]
        self._socket = listening
        self._opening = asyncio.get_running_loop().create_task(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        if self._socket is not listening:
            return  # gone away again before it was open
        loop = asyncio.get_running_loop()
        # Without start_serving nothing is waited for here: go_away finds either no server or one that it can close.
        self._server = await loop.create_server(self._web, sock=listening, backlog=BACKLOG, start_serving=False)
        await self._server.start_serving()
