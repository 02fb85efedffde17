"""Tells systemd that we are ready, alive and stopping, when it is systemd that started us (`Type=notify`).

Alive means that the event loop and the writer thread move, never that the cloud or the broker answers. A slow disk is not
stuck: what counts is that the writer has finished anything of late, not that it was quick.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import GatewayError
from gateway.settings import supervisor

LOOK_SHARE = 1 / 6  # of the time within which systemd wants to hear from us: how often we look
STILL_SHARE = 1 / 3  # of the same (30 s -> 10 s): a writer that has finished nothing for longer is not vouched for
SAY_MAX_S = 1.0  # a systemd that does not read holds nobody up


@contextlib.asynccontextmanager
async def told(db: Database, monotonic: Callable[[], float] = time.monotonic) -> AsyncIterator[None]:
    """READY now, WATCHDOG while the event loop and the writer thread move, STOPPING at the end.

    `monotonic`: the one that the database was opened with.
    """
    async with _told("", partial(_watch, db, monotonic)):
        yield


@contextlib.asynccontextmanager
async def waiting(status: str) -> AsyncIterator[None]:
    """The same for one that serves nothing and waits for somebody to mend it: alive while the event loop moves.

    `status`: one line for `systemctl status`.
    """
    async with _told(status, _beat):
        yield


@contextlib.asynccontextmanager
async def _told(status: str, watch: Callable[[str, float], Awaitable[None]]) -> AsyncIterator[None]:
    address, watchdog_s = supervisor()
    if not address:
        yield
        return
    _say(address, f"READY=1\nSTATUS={status}" if status else "READY=1")
    watching = asyncio.ensure_future(watch(address, watchdog_s)) if watchdog_s else None
    try:
        yield
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.wait({watching})
        _say(address, "STOPPING=1")


async def _beat(address: str, watchdog_s: float) -> None:
    while True:
        _say(address, "WATCHDOG=1")
        await asyncio.sleep(watchdog_s * LOOK_SHARE)


async def _watch(db: Database, monotonic: Callable[[], float], address: str, watchdog_s: float) -> None:
    look_s, still_max_s = watchdog_s * LOOK_SHARE, watchdog_s * STILL_SHARE
    while True:
        began_s = monotonic()
        with contextlib.suppress(TimeoutError, GatewayError):  # a writer without work has nothing to finish but this
            async with asyncio.timeout(look_s):
                await db.write(_nothing)
        # A refusal proves nothing: a full queue is refused without the writer, be it stuck or busy.
        if db.read_only or monotonic() - db.written_at_s <= still_max_s:
            _say(address, "WATCHDOG=1")
        await asyncio.sleep(began_s + look_s - monotonic())


def _say(address: str, what: str) -> None:
    """An address that begins with @ is abstract: its first byte is zero."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.settimeout(SAY_MAX_S)
        line.connect("\0" + address[1:] if address.startswith("@") else address)
        line.sendall(what.encode())


def _nothing(_tx: Tx) -> None:
    """Goes through the writer's queue like any other write."""
