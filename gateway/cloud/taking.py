"""What was read from the cloud into the local copy: one transaction, journal entries with the origin `cloud` included.

What is not sent yet is never overwritten: `merge.py` decides field by field. What was deleted over there: `deletions.py`.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from gateway.catalog.resources import Resource
from gateway.cloud import adopt, agreeing, conflicts, mapping, missed, store
from gateway.cloud.absent import Key
from gateway.cloud.adopt import TABLES
from gateway.cloud.deletions import follow
from gateway.cloud.pull import Pulled, Row
from gateway.cloud.rows import Rows
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.ids import NewId
from gateway.operations import store as operations_
from gateway.outbox import journal
from gateway.outbox.event import CLOUD, Change, Event, Stamp

_BASES = "SELECT id, base FROM cloud_rows WHERE table_name = ? AND id IN (SELECT value FROM json_each(?))"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Taken:
    """What changed here, by table. `later`: rows that could not be taken over now; `saved`: what is known now of the others."""

    counts: Counter[str] = field(default_factory=Counter)
    later: list[Key] = field(default_factory=list)
    saved: list[store.CloudRow] = field(default_factory=list)


class Taking:
    """`started` is when the reading began, before its first request."""

    def __init__(self, rows: Rows, db: Database, clock: Clock, new_id: NewId) -> None:
        self._rows = rows
        self._db = db
        self._clock = clock
        self._new_id = new_id

    def stamp(self) -> Stamp:
        return Stamp(self._clock.now(), CLOUD, self._new_id)

    async def take(self, pulled: Pulled, started: str) -> list[Key]:
        """Returns the rows that have to be looked at again."""
        news = await self._db.read(_news, pulled)
        if not news:
            return []
        before = self._rows.learnt
        taken = await self._db.write(_apply, self.stamp(), news, pulled.cells, started)
        self._rows.refresh(taken.saved, before)
        if taken.counts:
            log.info("pull.applied", **taken.counts)
        return taken.later

    async def agree(self) -> None:
        """Conflicts in which nobody has to decide any more."""
        await agreeing.follow(self._db, self.stamp())

    async def follow(self, gone: Mapping[Key, int], started: str) -> str:
        """Deletions. Returns what waits for a person."""
        if not gone and not await self._db.read(missed.anything):
            return ""
        before = self._rows.learnt
        followed = await self._db.write(follow, self.stamp(), gone, started)
        if followed.keys:
            self._rows.refresh((store.CloudRow(*key, deleted=True) for key in followed.keys), before)
            log.info("pull.deleted", **followed.counts)
        return followed.waits


# ------------------------------------------------------------------ what is new


def _news(connection: sqlite3.Connection, pulled: Pulled) -> dict[str, list[Row]]:
    """The rows that differ from what the cloud showed last time, ours by name."""
    news: dict[str, list[Row]] = {}
    for table, resource in TABLES.items():
        shown = pulled.of(table)
        bases = dict(connection.execute(_BASES, (table, json.dumps([*shown]))).fetchall())
        for row_id, row in shown.items():
            theirs = adopt.named(resource, row)
            base = json.loads(bases[row_id]) if row_id in bases else {}
            if not base or any(not mapping.same(value, base.get(name)) for name, value in theirs.items()):
                news.setdefault(table, []).append({"id": row_id, **theirs})
    return news


# ------------------------------------------------------------------ applied in one transaction


def _apply(tx: Tx, stamp: Stamp, news: Mapping[str, list[Row]], cells: frozenset[str] | None, started: str) -> Taken:
    """Insert and update. What was sent after the reading began is left: the reading may be older."""
    changes: dict[str, list[Change]] = {}
    taken = Taken()
    for table in TABLES:
        for theirs in news.get(table, ()):
            known = store.row(tx, table, theirs["id"])
            if known.deleted:
                continue
            if known.attempted is not None or known.unsettled_until or _sent_since(tx, known, started):
                taken.later.append((table, known.id))
                continue
            change, lane, kept = _take(tx, stamp, TABLES[table], theirs, known, cells)
            if kept:
                taken.saved.append(known)
            else:
                taken.later.append((table, known.id))
            if change is not None:
                changes.setdefault(lane, []).append(change)
                taken.counts[table] += 1
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, tuple(touched)) for lane, touched in changes.items()])
    return taken


def _take(
    tx: Tx, stamp: Stamp, resource: Resource, theirs: Row, known: store.CloudRow, cells: frozenset[str] | None
) -> tuple[Change | None, str, bool]:
    """(what changed here, in which lane, False: it could not be taken over)."""
    table, row_id = resource.table, theirs["id"]
    found = store.local(tx, table, row_id)
    lane = adopt.lane_of(tx, table, theirs if found is None else found[0])
    if found is None:
        if store.unsent(tx, lane, table, row_id).fields is None:
            return None, lane, False  # deleted here for good, and the cloud does not know yet
        change = adopt.insert(tx, stamp, resource, theirs)
        if change is None:
            return None, lane, False
    else:
        if found[0].get("deleted_at"):
            return None, lane, True
        ours = mapping.wanted(table, *found)[0].values
        owned = cells is None or ours.get("cell_id") in cells
        held = table == "operations" and operations_.get(tx, row_id, deleted_too=True).held
        theirs = adopt.certain(tx, table, theirs, lane)
        merged = adopt.merged(tx, table, ours, theirs, known, lane, owned=owned, held=held)
        for one in merged.differences:
            conflicts.record(tx, stamp, table, row_id, one)
        values = adopt.stored(tx, resource, merged.adopt, found[1])
        change = adopt.update(tx, stamp, resource, theirs, values) if values else None
        if values and change is None:
            return None, lane, False
    known.base |= {name: value for name, value in theirs.items() if name != "id"}
    known.lane = known.lane or lane
    store.save(tx, known.packed(stamp.text))
    conflicts.settle(tx, stamp, table, row_id, conflicts.NOT_KEPT, "cloud")
    return change, lane, True


def _sent_since(tx: Tx, known: store.CloudRow, started: str) -> bool:
    return store.seen_at(tx, known.table, known.id) >= started
