"""Tells systemd that we are ready, alive and stopping, when it is systemd that started us (`Type=notify`)."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import GatewayError
from gateway.settings import supervisor


@contextlib.asynccontextmanager
async def told(db: Database) -> AsyncIterator[None]:
    """READY now, WATCHDOG while the event loop and the writer thread move, STOPPING at the end."""
    address, watchdog_s = supervisor()
    if not address:
        yield
        return
    _say(address, "READY=1")
    watching = asyncio.create_task(_watch(address, db, watchdog_s)) if watchdog_s else None
    try:
        yield
    finally:
        if watching is not None:
            watching.cancel()
        _say(address, "STOPPING=1")


async def _watch(address: str, db: Database, watchdog_s: float) -> None:
    while True:
        with contextlib.suppress(GatewayError):  # it answered, whatever it said: it moves
            await db.write(_nothing)
        _say(address, "WATCHDOG=1")
        await asyncio.sleep(watchdog_s / 3)


def _say(address: str, what: str) -> None:
    """An address that begins with @ is abstract: its first byte is zero."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.connect("\0" + address[1:] if address.startswith("@") else address)
        line.sendall(what.encode())


def _nothing(_tx: Tx) -> None:
    """Goes through the writer's queue like any other write."""
