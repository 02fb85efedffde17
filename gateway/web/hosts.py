"""Which names this gateway answers to, and pages of which sites may call it.

A page of anybody's can give its own name the address of this box (DNS rebinding), and a browser on the LAN then lets it speak to
us as if it were ours. It cannot change the name that the browser says, and it needs one that anybody can have on the internet.
So an address is always good, and a name without a dot (`localhost`, `gw-a1`, a container's); any other has to be known.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from aiohttp import web

from gateway.kernel.errors import Forbidden, Misdirected

ANY = "*"
REMEMBERED_MAX = 256  # names that were looked at
SHOWN_MAX_CHARACTERS = 100
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_][a-z0-9._-]*)(?::\d+)?")


class Hosts:
    """`names` of this gateway, `*.plant.example` for all one level below, `*` for any; `origins` of the pages that may call it
    beside its own; `apart`: paths whose handlers have lists of their own.
    """

    def __init__(self, names: Iterable[str] = (ANY,), origins: Iterable[str] = (), apart: Collection[str] = ()) -> None:
        self._names = frozenset(name.lower() for name in names)
        self.origins = frozenset(origins)
        self._apart = frozenset(apart)
        self._ours = lru_cache(REMEMBERED_MAX)(self._is_ours)

    def require(self, request: web.Request) -> None:
        """Raises Misdirected, Forbidden. Programs that say no Host or no Origin are no browsers."""
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        if host is not None and not self._ours(host) and request.path not in self._apart:
            raise Misdirected(
                f'"{host[:SHOWN_MAX_CHARACTERS]}" is no name of this gateway: use one of its addresses, or add the name to '
                "[http] hosts"
            )
        if origin is None or origin in self.origins or request.method == "OPTIONS" or request.path in self._apart:
            return
        if origin.partition("://")[2] != (host or "").lower():
            raise Forbidden(
                f"pages of {origin[:SHOWN_MAX_CHARACTERS]} may not call this gateway: add it to [http] cors_origins"
            )

    def _is_ours(self, host: str) -> bool:
        if ANY in self._names:
            return True
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return False
        name = found[1].strip("[]").removesuffix(".")
        below = name.partition(".")[2]
        return not below or name in self._names or f"{ANY}.{below}" in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
