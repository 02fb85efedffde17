"""What is counted of each request, and its line in the log: by the route, never by the path, or each row would be a series."""

from collections import Counter
from collections.abc import Mapping

import structlog
from aiohttp import web
from aiohttp.web_urldispatcher import AbstractResource

from gateway.kernel.repeats import Repeats
from gateway.kernel.tally import Tally

BASES = ("", "/functions/v1")  # under which each function is there
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
NOWHERE = "none"  # the route of what nobody serves
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_LOOKS = frozenset(("GET", "HEAD", "OPTIONS"))

log = structlog.get_logger(__name__)


class Requests:
    """`counts`: (route, method, class of the status) -> how many; `took`: route -> how long, of those that were not streamed."""

    def __init__(self) -> None:
        self.counts = Counter[tuple[str, str, str]]()
        self.took: dict[str, Tally] = {}
        # Asked first: to call the log for a line that it leaves out costs more than all the rest.
        self._repeats = Repeats()
        self._routes: dict[AbstractResource | None, str] = {None: NOWHERE}

    def answered(self, request: web.Request, response: web.StreamResponse, took_s: float) -> None:
        """A booking is a line in the log; what only looks is one at the level debug."""
        method, status = request.method, response.status
        resource = request.match_info.route.resource
        route = self._routes.get(resource) or self._named(resource)
        self.counts[route, method if method in _METHODS else "OTHER", _CLASSES.get(status // 100, "5xx")] += 1
        if type(response) is web.Response:  # a stream lasts as long as somebody listens
            tally = self.took.get(route)
            if tally is None:
                tally = self.took[route] = Tally(BOUNDS_S)
            tally.add(took_s)
        event = "request.read" if method in _LOOKS else "request.done"
        if (left_out := self._repeats.left_out(event)) is not None:
            more = {"left_out": left_out} if left_out else {}
            say = log.debug if method in _LOOKS else log.info
            say(event, method=method, route=route, status=status, took_ms=round(took_s * 1000, 1), **more)

    def _named(self, resource: AbstractResource | None) -> str:
        """One name for a function, under whichever base and with or without a slash at the end."""
        path = "" if resource is None else resource.canonical
        name = path.removeprefix(BASES[1]).rstrip("/") or "/"
        self._routes[resource] = name
        return name


_CLASSES: Mapping[int, str] = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
