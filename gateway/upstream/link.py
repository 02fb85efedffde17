"""The link to a hub as a whole: one client, the uplink and the downlink beside each other."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.cloud.link import DOWN, UP
from gateway.files.blobs import Blobs
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.health import Health
from gateway.kernel.ids import NewId
from gateway.kernel.supervise import keep_running
from gateway.upstream.adopting import TABLES
from gateway.upstream.client import HubClient
from gateway.upstream.downlink import HubDownlink
from gateway.upstream.echo import Echo
from gateway.upstream.files import HubFiles
from gateway.upstream.uplink import HubUplink, Own

BACKOFF_CAP_S = 10.0  # a hub is on the LAN, and nobody counts requests


@dataclass(frozen=True, slots=True)
class HubSettings:
    """`cells`: names or ids of those that are ours, `*` for all."""

    url: str
    api_key: str
    cells: Sequence[str]
    timeout_s: float


class HubLink:
    """`run` never returns; it opens the connection and keeps both directions going."""

    def __init__(
        self,
        settings: HubSettings,
        own: Own,
        db: Database,
        clock: Clock,
        new_id: NewId,
        rng: random.Random,
        health: Health,
        blobs: Blobs,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._up = health.link(UP)
        self._down = health.link(DOWN)
        self._client = HubClient(settings.url, settings.api_key, clock, timeout_s=settings.timeout_s)
        echo = Echo(TABLES)
        files = HubFiles(self._client, db, blobs, own.gateway_id)
        self._uplink = HubUplink(self._client, db, clock, new_id, rng, self._up, own, echo, self._own_cells, files)
        up = self._uplink
        self._downlink = HubDownlink(
            self._client, db, clock, new_id, self._down, own.gateway_id, echo, settings.cells, up.met, up.heard
        )

    def _own_cells(self) -> Sequence[str]:
        return self._downlink.cells()

    def drain_s(self, pending: int) -> float | None:
        """In how many seconds so many entries will be through; None: nobody can tell yet."""
        return self._uplink.drain_s(pending)

    async def run(self) -> None:
        async with self._client.connected(), asyncio.TaskGroup() as both:
            ways = (
                (self._up, self._uplink.run),
                (self._down, self._downlink.run),
                (self._down, self._downlink.look_again),
            )
            for link, run in ways:
                supervised = keep_running(run, link, clock=self._clock, rng=self._rng, cap_s=BACKOFF_CAP_S)
                both.create_task(supervised, name=link.name)
