"""Plan data from the cloud into the local copy, every few minutes.

A whole consistent reading is applied in one transaction, journal entries with the origin `cloud` included. What is not sent
yet is never overwritten: `merge.py` decides field by field. What was deleted over there: `deletions.py`.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import structlog

from gateway.catalog.resources import Resource
from gateway.cloud import adopt, conflicts, mapping, missed, store
from gateway.cloud.adopt import TABLES
from gateway.cloud.budget import Budget
from gateway.cloud.client import CloudClient
from gateway.cloud.deletions import follow
from gateway.cloud.here import here
from gateway.cloud.outcome import Kind
from gateway.cloud.probes import Probes
from gateway.cloud.pull import PAGES_MAX, Pull, Pulled, Row
from gateway.cloud.rows import Rows
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.operations import store as operations_
from gateway.outbox import journal
from gateway.outbox.event import CLOUD, Change, Event, Stamp

CATALOGUE_EVERY_S = 3600.0  # resources, scrap reasons, webhooks, whole trees: they change rarely
DAY_S = 86_400.0
BUDGET_SHARE = 0.5  # of the day's requests that reading may take: work goes up first
SCAN_SHARE = 0.1  # of the day's requests for reading everything, completed work too; what takes more is not read whole
SCAN_PAGES_MAX = 3 * PAGES_MAX

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DownlinkSettings:
    every_s: float
    cells: tuple[str, ...] = ("*",)


class Downlink:
    """`subscribed` tells the uplink whether the cloud has webhooks that a lifecycle call would fire."""

    def __init__(
        self,
        client: CloudClient,
        budget: Budget,
        probes: Probes,
        rows: Rows,
        db: Database,
        clock: Clock,
        new_id: NewId,
        link: Link,
        settings: DownlinkSettings,
    ) -> None:
        self._client = client
        self._budget = budget
        self._probes = probes
        self._rows = rows
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._link = link
        self._settings = settings
        self._catalogue_due_s = 0.0
        self._affordable_s = 0.0  # when the day's share allows the next round
        self._scan_due_s = 0.0
        self._hooks = 0  # requests about webhooks in this round
        self._webhooks: bool | None = None
        self._cells: frozenset[str] | None = None  # the ids of ours, once the cloud has told them

    def subscribed(self) -> bool:
        """As long as we do not know, somebody may be listening."""
        return self._webhooks is not False

    async def run(self) -> None:
        """Pull for ever. Raises Unavailable when the cloud does not answer."""
        while True:
            await self._clock.sleep(max(0.0, self._affordable_s - self._clock.monotonic()))
            unknown = await self.pull()
            if self._link.degraded(unknown) if unknown else self._link.up():
                log.info("link.up", link=self._link.name, but=unknown or None)
            await self._clock.sleep(self._settings.every_s)

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
        if scan_max:
            self._scan_due_s = now_s + self._scan_every_s(pulled.scan_pages)
        stamp = Stamp(self._clock.now(), CLOUD, self._new_id)
        if news := await self._db.read(_news, pulled):
            counts = await self._db.write(_apply, stamp, news, pulled.cells, started)
            self._rows.forget()
            if counts:
                log.info("pull.applied", **counts)
        waits = await self._follow_deletions(stamp, pulled, started)
        if catalogue:
            await self._look_for_webhooks()
            self._catalogue_due_s = self._clock.monotonic() + CATALOGUE_EVERY_S
        return "; ".join(told for told in (pulled.unknown, unreadable, waits) if told)

    async def _follow_deletions(self, stamp: Stamp, pulled: Pulled, started: str) -> str:
        """Returns what waits for a person."""
        if not pulled.missed and not await self._db.read(missed.anything):
            return ""
        followed = await self._db.write(follow, stamp, pulled.missed, started)
        if followed.counts:
            self._rows.forget()
            log.info("pull.deleted", **followed.counts)
        return followed.waits

    def _scan_max(self) -> int:
        """So many pages a scan of everything may take."""
        return SCAN_PAGES_MAX if self._budget.limit is None else int(self._budget.limit * SCAN_SHARE)

    def _scan_every_s(self, pages: int) -> float:
        """All the scans of a day together take no more than their share of its requests."""
        limit = self._budget.limit
        return max(CATALOGUE_EVERY_S, pages * DAY_S / (limit * SCAN_SHARE) if limit else 0.0)

    async def _look_for_webhooks(self) -> None:
        self._hooks += 1
        outcome = await self._client.call("GET", "api-webhooks", {"active": "true"})
        listed = (outcome.data or {}).get("webhooks")
        if outcome.kind is Kind.OK and isinstance(listed, list):
            self._webhooks = any(hook.get("active", True) for hook in listed)


# ------------------------------------------------------------------ what is new


def _news(connection: sqlite3.Connection, pulled: Pulled) -> dict[str, list[Row]]:
    """The rows that differ from what the cloud showed last time, ours by name."""
    news: dict[str, list[Row]] = {}
    for table, resource in TABLES.items():
        bases = dict(connection.execute("SELECT id, base FROM cloud_rows WHERE table_name = ?", (table,)).fetchall())
        for row_id, row in pulled.of(table).items():
            theirs = adopt.named(resource, row)
            base = json.loads(bases[row_id]) if row_id in bases else {}
            if not base or any(not mapping.same(value, base.get(name)) for name, value in theirs.items()):
                news.setdefault(table, []).append({"id": row_id, **theirs})
    return news


# ------------------------------------------------------------------ applied in one transaction


def _apply(
    tx: Tx, stamp: Stamp, news: Mapping[str, list[Row]], cells: frozenset[str] | None, started: str
) -> dict[str, int]:
    """Insert and update. What was sent after the reading began is left: the reading may be older."""
    changes: dict[str, list[Change]] = {}
    counts: dict[str, int] = {}
    for table in TABLES:
        for theirs in news.get(table, ()):
            known = store.row(tx, table, theirs["id"])
            if known.deleted or known.attempted is not None or known.unsettled_until or _sent_since(tx, known, started):
                continue
            change, lane = _take(tx, stamp, TABLES[table], theirs, known, cells)
            if change is not None:
                changes.setdefault(lane, []).append(change)
                counts[table] = counts.get(table, 0) + 1
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, tuple(touched)) for lane, touched in changes.items()])
    return counts


def _take(
    tx: Tx, stamp: Stamp, resource: Resource, theirs: Row, known: store.CloudRow, cells: frozenset[str] | None
) -> tuple[Change | None, str]:
    table, row_id = resource.table, theirs["id"]
    found = store.local(tx, table, row_id)
    lane = adopt.lane_of(tx, table, theirs if found is None else found[0])
    if found is None:
        change = adopt.insert(tx, stamp, resource, theirs)
        if change is None:
            return None, lane
    else:
        if found[0].get("deleted_at"):
            return None, lane
        ours = mapping.wanted(table, *found)[0].values
        owned = cells is None or ours.get("cell_id") in cells
        held = table == "operations" and operations_.get(tx, row_id, deleted_too=True).held
        merged = adopt.merged(tx, table, ours, theirs, known, lane, owned=owned, held=held)
        for one in merged.differences:
            conflicts.record(tx, stamp, table, row_id, one)
        values = adopt.stored(tx, resource, merged.adopt, found[1])
        change = adopt.update(tx, stamp, resource, theirs, values) if values else None
        if values and change is None:
            return None, lane
    known.base |= {name: value for name, value in theirs.items() if name != "id"}
    known.lane = known.lane or lane
    store.save(tx, known.packed(stamp.text))
    conflicts.settle(tx, stamp, table, row_id, conflicts.NOT_KEPT, "cloud")
    return change, lane


def _sent_since(tx: Tx, known: store.CloudRow, started: str) -> bool:
    return store.seen_at(tx, known.table, known.id) >= started
