"""At most so many open connections of one key. A connection is the key's that was last used on it, for as long as it is open:
WebSockets, streams and long polls among them, and what is kept open for the next request.
"""

from collections import Counter

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.kernel.errors import Busy

PER_KEY = 100
KNOWN_MAX = 4096  # connections of which a key is known; those that are gone are forgotten then


class Crowded(Busy):
    """Too many connections of one key: this one is closed."""


class Connections:
    """Asked on every request: two look-ups, no task and no timer. Keys are counted as they are said, known or not."""

    def __init__(self, per_key: int = PER_KEY) -> None:
        self._per_key = per_key
        self._whose: dict[RequestHandler, int] = {}  # the hash of its key
        self._open: Counter[int] = Counter()

    def take(self, request: web.Request) -> None:
        """Raises Crowded."""
        said = request.headers.get("Authorization") or request.headers.get("apikey") or request.query.get("apikey")
        if not said:
            return
        connection, key = request.protocol, hash(said.removeprefix("Bearer "))
        known = self._whose.get(connection)
        if known == key:
            return
        if self._open[key] >= self._per_key or len(self._whose) >= KNOWN_MAX:
            self._forget()
        if self._open[key] >= self._per_key:
            raise Crowded(
                f"{self._per_key} connections are open with this key, more are not taken: close some, or set "
                "[limits] connections_per_key"
            )
        if known is not None:
            self._left(known)
        self._whose[connection] = key
        self._open[key] += 1

    def _forget(self) -> None:
        """Those that are gone."""
        for connection in [one for one in self._whose if one.transport is None]:
            self._left(self._whose.pop(connection))
        self._open += Counter()  # only what is above 0 stays

    def _left(self, key: int) -> None:
        self._open[key] -= 1
