"""Puts together what /metrics answers: counters that only grow here, everything else looked up when somebody asks."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from copy import copy
from typing import Any

from gateway.kernel.db import Database
from gateway.kernel.tally import Tally
from gateway.metrics import box, links
from gateway.metrics.box import Counted
from gateway.settings import Settings
from gateway.web.pages import writable
from gateway.web.requests import Requests

LAG_EVERY_S = 0.5
LAG_BOUNDS_S = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0)


class Metrics:
    """`report` tells what `/healthz` does. `requests` is filled by the HTTP server."""

    def __init__(self, settings: Settings, db: Database, report: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        self.requests = Requests()
        self._settings = settings
        self._db = db
        self._report = report
        self._lag = Tally(LAG_BOUNDS_S)

    async def run(self) -> None:
        """Measures for ever how late the event loop is, by its own time."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self._lag.add(max(0.0, loop.time() - due_s))

    async def text(self, accept: str = "") -> tuple[bytes, str]:
        """(what to answer, its content type): Prometheus' text, or OpenMetrics when that is asked for."""
        report, ready = await self._report(), await writable(self._db)
        counted = self._counted()

        def made() -> Iterator[Any]:
            yield from box.told(report, ready)
            yield from links.families(report["links"])
            yield from links.below(report.get("gateways", {}))
            yield from box.counted(counted)
            yield from box.on_disk(self._settings, self._db.path, self._db.room)

        return await asyncio.to_thread(lambda: _encoded(made(), accept))

    def _counted(self) -> Counted:
        """Copies: what they are made of goes on growing while the text is written elsewhere."""
        took = [((route,), _still(tally)) for route, tally in self.requests.took.items()]
        commits = self._db.commits
        counts = [(labels, float(count)) for labels, count in self.requests.counts.items()]
        return Counted(counts, took, commits.count, _still(commits.took), self._db.waiting, _still(self._lag))


class _Families:
    """What a registry asks."""

    def __init__(self, families: Iterable[Any]) -> None:
        self._families = [*families]

    def collect(self) -> list[Any]:
        return self._families

    describe = collect  # asked when it is registered: two of one name are refused


def _encoded(families: Iterable[Any], accept: str) -> tuple[bytes, str]:
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 -- paid by who scrapes
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 -- paid by who scrapes
    from prometheus_client.process_collector import ProcessCollector  # noqa: PLC0415 -- paid by who scrapes

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Families(families))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _still(tally: Tally) -> Tally:
    found = copy(tally)
    found.counts = [*tally.counts]
    return found
