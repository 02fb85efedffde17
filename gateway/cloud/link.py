"""The cloud link as a whole: one client and one budget, the uplink and the downlink beside each other."""

import asyncio
import random
from dataclasses import dataclass

from gateway.cloud.budget import Budget
from gateway.cloud.client import CloudClient
from gateway.cloud.direct import Direct
from gateway.cloud.downlink import Downlink, DownlinkSettings
from gateway.cloud.files import Files
from gateway.cloud.functions import Functions
from gateway.cloud.keys import CloudKeys
from gateway.cloud.probes import Probes
from gateway.cloud.realtime import Realtime
from gateway.cloud.rows import Rows
from gateway.cloud.rows import Settings as RowSettings
from gateway.cloud.sender import Sender
from gateway.cloud.session import ServiceUser, Session
from gateway.cloud.taking import Taking
from gateway.cloud.uplink import POLL_S, Uplink, UplinkSettings
from gateway.files.blobs import Blobs
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.health import Health, Link
from gateway.kernel.ids import NewId
from gateway.kernel.supervise import keep_running

UP, DOWN = "cloud", "cloud-pull"  # their names in /healthz
REALTIME_AGAIN_MAX_S = 60.0  # it may be that this cloud has none


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """`settle_after_s`: how long a request that nobody answered may still run over there. `service`: whose session plans are read
    with; `feed_every_s`, `again_s` as in `DownlinkSettings`.
    """

    url: str
    api_key: str
    cells: tuple[str, ...]
    pull_every_s: float
    timeout_s: float
    settle_after_s: float
    requests_per_day: int | None = None
    service: ServiceUser | None = None
    poll_s: float = POLL_S
    feed_every_s: float = 10.0
    again_s: float = 60.0


class CloudLink:
    """`run` never returns; it opens the connection and keeps both directions going."""

    def __init__(
        self,
        settings: CloudSettings,
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
        self.budget = Budget(db, clock, rng, settings.requests_per_day)
        functions = Functions(clock)
        self.client = CloudClient(
            settings.url, settings.api_key, clock, self.budget, functions, timeout_s=settings.timeout_s
        )
        self.probes = Probes(self.client, functions, self.budget, db, clock, self._up)
        self.keys = CloudKeys(self.client, db)
        rows = Rows(self.client, db, clock, new_id, RowSettings(settings.settle_after_s))
        taking = Taking(rows, db, clock, new_id)
        session = Session(self.client, clock, settings.service) if settings.service else None
        direct = Direct(self.client, session, taking, db, clock, settings.cells) if session else None
        pull = DownlinkSettings(settings.pull_every_s, settings.cells, settings.feed_every_s, settings.again_s)
        self.downlink = Downlink(self.client, self.budget, self.probes, taking, direct, db, clock, self._down, pull)
        self._heard = Link("cloud-realtime", clock)  # not in /healthz: without it nothing is wrong
        news = self.downlink.news
        self._realtime = Realtime(self.client, session, functions, clock, self._heard, news) if session else None
        push = UplinkSettings(settings.settle_after_s, poll_s=settings.poll_s)
        sender = Sender(rows, Files(rows, db, blobs), db, clock)
        self.uplink = Uplink(sender, self.budget, db, clock, rng, self._up, push, self.downlink.subscribed)

    def drain_s(self, pending: int) -> float | None:
        """In how many seconds so many entries will be through; None: nobody can tell yet."""
        return self.uplink.drain_s(pending)

    async def run(self) -> None:
        await self.budget.load()
        await self.probes.load()
        async with self.client.connected(), asyncio.TaskGroup() as both:
            await self.probes.first()
            both.create_task(self.probes.run(), name="cloud-probes")
            for link, run in ((self._up, self.uplink.run), (self._down, self.downlink.run)):
                supervised = keep_running(run, link, clock=self._clock, rng=self._rng)
                both.create_task(supervised, name=link.name)
            if self._realtime is not None:
                listening = keep_running(
                    self._realtime.run, self._heard, clock=self._clock, rng=self._rng, cap_s=REALTIME_AGAIN_MAX_S
                )
                both.create_task(listening, name=self._heard.name)
