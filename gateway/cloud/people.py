"""Profiles and operators of the cloud into our tables. They are never changed here, so theirs always counts.

Who is not there any more is switched off: what he booked keeps his name. Whom the cloud has never shown stays as he is.
"""

import sqlite3
from collections.abc import Mapping, Sequence

from gateway.catalog.resources import Resource
from gateway.catalog.tables import OPERATORS, PROFILES
from gateway.cloud import adopt, conflicts, mapping, store
from gateway.cloud.pull import Row
from gateway.kernel.db import Tx
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, row_lane

TABLES: Mapping[str, Resource] = {one.table: one for one in (PROFILES, OPERATORS)}
_SHOWN = "SELECT id FROM cloud_rows WHERE table_name = ? AND base <> '{}' AND deleted = 0"

People = Mapping[str, Sequence[Row]]


def news(connection: sqlite3.Connection, told: People) -> dict[str, list[Row]]:
    """Whole tables as the cloud has them -> the rows that differ from what it showed last time; only what differs."""
    found: dict[str, list[Row]] = {}
    for table, resource in TABLES.items():
        there = {row["id"]: adopt.named(resource, row) for row in told[table]}
        shown = connection.execute(_SHOWN, (table,)) if there else ()  # none at all: hidden, rather than gone
        gone = [row[0] for row in shown if row[0] not in there]
        for row_id, theirs in [*there.items(), *((row_id, {"active": False}) for row_id in gone)]:
            base = store.row(connection, table, row_id).base
            if not base or any(not mapping.same(value, base.get(name)) for name, value in theirs.items()):
                found.setdefault(table, []).append({"id": row_id, **theirs})
    return found


def take(tx: Tx, stamp: Stamp, news: People) -> int:
    """How many changed here."""
    changes: list[Change] = []
    for table, rows in news.items():
        for theirs in rows:
            change, kept = _one(tx, stamp, TABLES[table], theirs)
            if kept:
                known = store.row(tx, table, theirs["id"])
                known.base |= {name: value for name, value in theirs.items() if name != "id"}
                store.save(tx, known.packed(stamp.text))
                conflicts.settle(tx, stamp, table, known.id, conflicts.NOT_KEPT, "cloud")
            if change is not None:
                changes.append(change)
    lanes = [(row_lane(change.table, change.id), change) for change in changes]
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, (change,)) for lane, change in lanes])
    return len(changes)


def _one(tx: Tx, stamp: Stamp, resource: Resource, theirs: Row) -> tuple[Change | None, bool]:
    """(what changed here, False: it does not fit in here)."""
    found = store.local(tx, resource.table, theirs["id"])
    if found is None:
        change = adopt.insert(tx, stamp, resource, theirs)
        return change, change is not None
    told = adopt.stored(tx, resource, theirs)
    values = {name: value for name, value in told.items() if found[0][name] != value}
    if not values:
        return None, True
    change = adopt.update(tx, stamp, resource, theirs, values)
    return change, change is not None
