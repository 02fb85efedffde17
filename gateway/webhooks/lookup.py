"""Names are looked up in threads of their own. Without a name server each lookup hangs for half a minute: neither the cloud's link
nor the end of the process may wait for that.
"""

import asyncio
import contextlib
import socket
import threading
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

LOOKUPS_MAX = 32  # at once; the others wait, as long as their try lasts
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Lookup(AbstractResolver):
    def __init__(self) -> None:
        self._free = asyncio.Semaphore(LOOKUPS_MAX)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError."""
        await self._free.acquire()  # given back when the thread has ended, not when nobody waits for it any more
        found: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        threading.Thread(target=self._look, args=(ask, found), name="lookup", daemon=True).start()
        return [
            ResolveResult(hostname=host, host=address[0], port=port, family=kind, proto=protocol, flags=_NUMERIC)
            for kind, _, protocol, _, address in await found
        ]

    def _look(self, ask: "partial[list[Any]]", found: "asyncio.Future[list[Any]]") -> None:
        """In the thread."""
        answer: list[Any] | OSError
        try:
            answer = ask()
        except (OSError, UnicodeError) as exc:  # a label that is too long is the second
            answer = exc if isinstance(exc, OSError) else OSError(str(exc))
        with contextlib.suppress(RuntimeError):  # the loop is gone: so is everybody who waited
            found.get_loop().call_soon_threadsafe(self._found, found, answer)

    def _found(self, found: "asyncio.Future[list[Any]]", answer: "list[Any] | OSError") -> None:
        self._free.release()
        if found.done():
            return
        if isinstance(answer, OSError):
            found.set_exception(answer)
        else:
            found.set_result(answer)

    async def close(self) -> None:
        """Whoever still looks is left to it."""
