"""Plan data from the cloud into the local copy: with a user's session every few seconds (mode B, `direct.py`), or else with the API
key every few minutes, within the day's requests (mode A).

Mode A reads whole lists. What is not sent yet is never overwritten: `taking.py`, `merge.py`.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

import structlog

from gateway.cloud import own_cells
from gateway.cloud.budget import Budget
from gateway.cloud.client import CloudClient
from gateway.cloud.direct import Direct
from gateway.cloud.here import here
from gateway.cloud.outcome import Kind
from gateway.cloud.probes import Probes
from gateway.cloud.pull import PAGES_MAX, Pull
from gateway.cloud.taking import Taking
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock, sleep_or_wake
from gateway.kernel.db import Database
from gateway.kernel.errors import Unavailable
from gateway.kernel.health import Link
from gateway.kernel.room import Use

CATALOGUE_EVERY_S = 3600.0  # resources, scrap reasons, webhooks, whole trees: they change rarely
DAY_S = 86_400.0
BUDGET_SHARE = 0.5  # of the day's requests that reading may take: work goes up first
SCAN_SHARE = 0.1  # of the day's requests for reading everything, completed work too; what takes more is not read whole
SCAN_PAGES_MAX = 3 * PAGES_MAX
AGAIN_FACTOR = 2.0
AGAIN_CAP_S = 900.0
FAILURES_MAX = 30  # more grow no pause
SWARM_S = 0.5  # webhooks come in swarms: one round for all of them

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DownlinkSettings:
    """`feed_every_s`: of mode B, which is tried again after `again_s` when it failed, and then less and less often."""

    every_s: float
    cells: tuple[str, ...] = ("*",)
    feed_every_s: float = 10.0
    again_s: float = 60.0


class Downlink:
    """`subscribed` tells the uplink whether the cloud has webhooks that a lifecycle call would fire; `ring`: there is news over
    there. Without `direct` there is only mode A.
    """

    def __init__(
        self,
        client: CloudClient,
        budget: Budget,
        probes: Probes,
        taking: Taking,
        direct: Direct | None,
        db: Database,
        clock: Clock,
        link: Link,
        settings: DownlinkSettings,
    ) -> None:
        self._client = client
        self._budget = budget
        self._probes = probes
        self._taking = taking
        self._direct = direct
        self._db = db
        self._clock = clock
        self._link = link
        self._settings = settings
        self._rung = asyncio.Event()
        self._direct_due_s = 0.0
        self._failures = 0  # of mode B in a row
        self._why = ""  # it is not mode B
        self._away = False  # mode A did not get through either
        self._pull_due_s = 0.0
        self._hooks_due_s = 0.0
        self._catalogue_due_s = 0.0
        self._affordable_s = 0.0  # when the day's share allows the next round
        self._scan_due_s = 0.0
        self._hooks = 0  # requests about webhooks in this round
        self._webhooks: bool | None = None
        self._cells: frozenset[str] | None = None  # the ids of ours, once the cloud has told them

    def subscribed(self) -> bool:
        """As long as we do not know, somebody may be listening."""
        return self._webhooks is not False

    def ring(self) -> None:
        """Read now, as far as the day's requests allow."""
        self._rung.set()

    def news(self) -> None:
        """The activity log has grown: who reads it does so now. The lists are not read for it: that costs the day's requests, and
        our own work makes entries as well.
        """
        if not self._why:
            self._rung.set()

    async def run(self) -> None:
        """Pull for ever. Raises Unavailable when the cloud does not answer, or the disk has no room for plans."""
        while True:
            rung = self._rung.is_set()
            if rung:
                await self._clock.sleep(SWARM_S)
            self._rung.clear()
            self._db.room.require(Use.PLAN)
            if not await self._directly():
                await self._by_key(rung=rung)
            await sleep_or_wake(self._clock, max(0.0, self._due_s() - self._clock.monotonic()), self._rung)

    def _due_s(self) -> float:
        if self._direct is None:
            return max(self._pull_due_s, self._affordable_s)
        return min(self._direct_due_s, max(self._pull_due_s, self._affordable_s)) if self._why else self._direct_due_s

    async def _directly(self) -> bool:
        """A round of mode B; False: it is not possible now."""
        now_s = self._clock.monotonic()
        if self._direct is None or (self._why and now_s < self._direct_due_s):
            return False
        try:
            told = await self._direct.round()
        except Unavailable as exc:
            self._failed(exc.message)
            return False
        except (LookupError, TypeError, ValueError) as exc:  # [U] another build of the cloud may have other columns
            log.exception("pull.failed", mode="B")
            self._failed(f"the cloud's tables are not as we know them: {type(exc).__name__}: {exc}")
            return False
        if self._why or not self._link.facts.get("mode"):
            log.info("pull.mode", mode="B")
        self._failures, self._why = 0, ""
        self._direct_due_s = now_s + self._settings.feed_every_s
        self._tell("B", told)
        if now_s >= self._hooks_due_s:
            await self._look_for_webhooks()
        return True

    def _failed(self, why: str) -> None:
        self._failures += 1
        pause_s = min(AGAIN_CAP_S, self._settings.again_s * AGAIN_FACTOR ** min(self._failures - 1, FAILURES_MAX))
        self._direct_due_s = self._clock.monotonic() + pause_s
        if not self._why:
            log.warning("pull.mode", mode="A", why=why)
        self._why = why

    async def _by_key(self, *, rung: bool) -> None:
        """A round of mode A, when it is due, or somebody rang, and the day's requests allow it. Raises Unavailable."""
        if rung:
            self._pull_due_s = 0.0
        if self._clock.monotonic() < max(self._pull_due_s, self._affordable_s):
            return
        try:
            told = await self.pull()
        except Unavailable:
            self._link.facts |= {"mode": "A", "why": self._why}
            self._away = True
            raise
        self._pull_due_s = self._clock.monotonic() + self._settings.every_s
        if self._away:  # what kept mode B away may have been the same
            self._away, self._direct_due_s = False, 0.0
        self._tell("A", "; ".join(one for one in (told, self._why and f"read with the API key: {self._why}") if one))

    def _tell(self, mode: str, told: str) -> None:
        self._link.facts |= {"mode": mode, "why": self._why, "last_pull": time_.zulu(self._clock.now())}
        if self._link.degraded(told) if told else self._link.up():
            log.info("link.up", link=self._link.name, but=told or None)

    async def pull(self) -> str:
        """One round; returns what people should look at. Raises Unavailable; what it has cost until then has to be earned as
        well.
        """
        reading = Pull(self._client, self._settings.cells)
        try:
            return await self._round(reading)
        finally:
            spent = reading.requests + self._hooks + self._probes.spent()
            self._hooks = 0
            if (limit := self._budget.limit) and spent:
                self._affordable_s = self._clock.monotonic() + spent * DAY_S / (limit * BUDGET_SHARE)

    async def _round(self, reading: Pull) -> str:
        now_s = self._clock.monotonic()
        catalogue = now_s >= self._catalogue_due_s
        scan_max = self._scan_max() if now_s >= self._scan_due_s else 0
        started = time_.text(self._clock.now())
        here_ = await self._db.read(partial(here, everything=scan_max > 0), self._cells if catalogue else None)
        unreadable = self._client.functions.unreadable()
        pulled = await reading.read(here_, catalogue=catalogue, work=not unreadable, scan_max=scan_max)
        self._cells = pulled.cells
        if pulled.own != here_.own:
            await self._db.write(own_cells.remember, pulled.own)
        if scan_max:
            self._scan_due_s = now_s + self._scan_every_s(pulled.scan_pages)
        await self._taking.take(pulled, started)
        waits = await self._taking.follow(pulled.missed, started)
        await self._taking.agree()
        if catalogue:
            await self._look_for_webhooks()
            self._catalogue_due_s = self._clock.monotonic() + CATALOGUE_EVERY_S
        return "; ".join(told for told in (pulled.unknown, unreadable, waits) if told)

    def _scan_max(self) -> int:
        """So many pages a scan of everything may take."""
        return SCAN_PAGES_MAX if self._budget.limit is None else int(self._budget.limit * SCAN_SHARE)

    def _scan_every_s(self, pages: int) -> float:
        """All the scans of a day together take no more than their share of its requests."""
        limit = self._budget.limit
        return max(CATALOGUE_EVERY_S, pages * DAY_S / (limit * SCAN_SHARE) if limit else 0.0)

    async def _look_for_webhooks(self) -> None:
        self._hooks += 1
        self._hooks_due_s = self._clock.monotonic() + CATALOGUE_EVERY_S
        outcome = await self._client.call("GET", "api-webhooks", {"active": "true"})
        listed = (outcome.data or {}).get("webhooks")
        if outcome.kind is Kind.OK and isinstance(listed, list):
            self._webhooks = any(hook.get("active", True) for hook in listed)
