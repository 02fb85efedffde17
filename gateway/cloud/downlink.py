"""Plan data from the cloud into the local copy, every few minutes.

A whole consistent reading is applied in one transaction, journal entries with the origin `cloud` included. What is not sent
yet is never overwritten: `merge.py` decides field by field.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog

from gateway.catalog.resources import Resource
from gateway.cloud import adopt, mapping, store
from gateway.cloud.adopt import TABLES
from gateway.cloud.budget import Budget
from gateway.cloud.client import CloudClient
from gateway.cloud.outcome import Kind
from gateway.cloud.pull import Here, Pull, Pulled, Row
from gateway.cloud.rows import Rows
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.outbox import journal
from gateway.outbox.event import CLOUD, Change, Event, Stamp

CATALOGUE_EVERY_S = 3600.0  # resources, scrap reasons, webhooks, whole trees: they change rarely
DAY_S = 86_400.0
BUDGET_SHARE = 0.5  # of the day's requests that reading may take: work goes up first
# Not completed here, and once seen over there.
_OPEN = """
SELECT o.id, o.part_id, o.cell_id FROM operations o
JOIN cloud_rows r ON r.table_name = 'operations' AND r.id = o.id AND r.deleted = 0 AND r.base <> '{}'
WHERE o.deleted_at IS NULL AND o.status <> 'completed'
"""

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
        rows: Rows,
        db: Database,
        clock: Clock,
        new_id: NewId,
        link: Link,
        settings: DownlinkSettings,
    ) -> None:
        self._client = client
        self._budget = budget
        self._rows = rows
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._link = link
        self._settings = settings
        self._catalogue_due_s = 0.0
        self._affordable_s = 0.0  # when the day's share allows the next round
        self._gone: set[str] = set()  # operations that the cloud does not show any more, and people have been told
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
        """One round; returns what is wrong with the configured cells. Raises Unavailable; what it has cost until then has to
        be earned as well.
        """
        reading = Pull(self._client, self._settings.cells)
        try:
            return (await self._round(reading)).unknown
        finally:
            if (limit := self._budget.limit) and reading.requests:
                spent = reading.requests + 1  # the webhooks
                self._affordable_s = self._clock.monotonic() + spent * DAY_S / (limit * BUDGET_SHARE)

    async def _round(self, reading: Pull) -> Pulled:
        catalogue = self._clock.monotonic() >= self._catalogue_due_s
        started = time_.text(self._clock.now())
        if catalogue:
            self._gone.clear()
        here = await self._db.read(_here, self._cells if catalogue else None, self._gone)
        pulled = await reading.read(here, catalogue=catalogue)
        self._cells = pulled.cells
        news = await self._db.read(_news, pulled)
        stamp = Stamp(self._clock.now(), CLOUD, self._new_id)
        if news:
            counts = await self._db.write(_apply, stamp, news, pulled.cells, started)
            self._rows.forget()
            if counts:
                log.info("pull.applied", **counts)
        if pulled.gone:
            await self._db.write(_tell_gone, stamp, pulled.gone)
            self._gone |= pulled.gone
        if catalogue:
            await self._look_for_webhooks()
            self._catalogue_due_s = self._clock.monotonic() + CATALOGUE_EVERY_S
        return pulled

    async def _look_for_webhooks(self) -> None:
        outcome = await self._client.call("GET", "api-webhooks", {"active": "true"})
        listed = (outcome.data or {}).get("webhooks")
        if outcome.kind is Kind.OK and isinstance(listed, list):
            self._webhooks = any(hook.get("active", True) for hook in listed)


# ------------------------------------------------------------------ what is new


def _here(connection: sqlite3.Connection, cells: frozenset[str] | None, gone: Collection[str]) -> Here:
    """`cells`: parts with open operations in cells that are not among these are read again."""
    parts = {row[0] for row in connection.execute("SELECT id FROM parts")}
    rows = connection.execute(_OPEN).fetchall()
    foreign = {part_id for _, part_id, cell_id in rows if cells is not None and cell_id not in cells}
    known = {row_id: (part_id, cell_id) for row_id, part_id, cell_id in rows if row_id not in gone}
    return Here(parts, foreign, known)


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
        merged = adopt.merged(tx, table, ours, theirs, known, lane, owned=owned)
        for one in merged.differences:
            adopt.record(tx, stamp, table, row_id, one)
        values = adopt.stored(tx, resource, merged.adopt, found[1])
        change = adopt.update(tx, stamp, resource, theirs, values) if values else None
        if values and change is None:
            return None, lane
    known.base |= {name: value for name, value in theirs.items() if name != "id"}
    known.lane = known.lane or lane
    store.save(tx, known.packed(stamp.text))
    return change, lane


def _tell_gone(tx: Tx, stamp: Stamp, gone: Collection[str]) -> None:
    """They stay here until somebody decides: work may have been booked on them."""
    reason = "the cloud does not show this operation any more: it was deleted there, or given to another cell"
    for row_id in sorted(gone):
        told = (stamp.new_id(), "operations", row_id, "deleted_at", None, "not shown", reason, None)
        store.record_conflict(tx, told, stamp.text)


def _sent_since(tx: Tx, known: store.CloudRow, started: str) -> bool:
    return store.seen_at(tx, known.table, known.id) >= started
