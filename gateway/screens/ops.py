"""The operations page as a whole: what it calls, what it sees live, and the samples that its plots are made of."""

from collections.abc import Callable, Iterable

from aiohttp import web

from gateway.admin.box import Box
from gateway.ops import history
from gateway.ops.access import Access
from gateway.ops.namespace import Namespace
from gateway.screens.ops_api import Ops
from gateway.screens.ops_streams import Streams
from gateway.web.routes import Route


class OperationsPage:
    """`routes` gives the table of the API when it is first asked for."""

    def __init__(self, box: Box, routes: Callable[[], Iterable[Route]]) -> None:
        self._box = box
        self._ops = Ops(box, Access(box.db, box.clock, box.keys), routes)
        self._streams = Streams(self._ops, Namespace(box.settings))

    def add_to(self, app: web.Application) -> None:
        self._streams.add_to(app)
        self._ops.add_to(app)

    def end(self) -> None:
        """The gateway stops: whoever looks is sent home."""
        self._streams.end()

    async def run(self) -> None:
        """For ever. Raises Unavailable."""
        await history.run(self._box.db, self._box.clock, self._box.status)
