"""Who is asking, and whether he may."""

import contextlib

from aiohttp import web

from gateway.kernel.errors import Forbidden, Unauthorized, Unavailable
from gateway.web.auth import Keys, UnknownKey
from gateway.web.limits import Limiter
from gateway.web.routes import NOBODY, Caller, Route, Scope


class Gate:
    """Every request is counted against somebody, also one that is refused: `left` is filled with the headers that tell what is
    left to him.
    """

    def __init__(self, keys: Keys, limiter: Limiter) -> None:
        self._keys = keys
        self._limiter = limiter

    async def caller(self, request: web.Request, left: dict[str, str]) -> Caller:
        """Raises Unauthorized, TooFast; Unavailable when that cannot be found out."""
        return await self.counted(request.headers.get("Authorization"), request.remote or "", left)

    async def counted(self, authorization: str | None, source: str, left: dict[str, str]) -> Caller:
        """The same for a key that came otherwise than in that header; `source` is the address that it came from."""
        try:
            caller = self._keys.identify(authorization)
        except UnknownKey:
            self.failed(source, left)
            caller = await self._keys.learn(authorization or "", source)
        except Unauthorized:
            self.failed(source, left)
            raise
        left.update(self._limiter.take(caller.key_id, caller.gateway_id))
        return caller

    def failed(self, source: str, left: dict[str, str]) -> None:
        """An attempt without a good key. Raises TooFast."""
        left.update(self._limiter.failed(source))

    async def known(self, authorization: str, source: str) -> Caller:
        """Of somebody who is here already: counted against nobody. Raises Unauthorized, Unavailable."""
        try:
            return self._keys.identify(authorization)
        except UnknownKey:
            return await self._keys.learn(authorization, source)

    async def admit(self, request: web.Request, route: Route, left: dict[str, str]) -> Caller:
        if route.scope is Scope.NONE:
            left.update(self._limiter.unkeyed(request.remote or ""))
            return NOBODY
        try:
            caller = await self.caller(request, left)
            caller.require(route.scope, route.forbidden)
        except (Unauthorized, Forbidden):
            if route.denied:
                raise Unauthorized(route.denied) from None
            raise
        return caller

    async def count(self, request: web.Request, left: dict[str, str]) -> None:
        """A request that gets no further, as one for a function that is not there. Raises TooFast."""
        with contextlib.suppress(Unauthorized, Unavailable):
            await self.caller(request, left)
