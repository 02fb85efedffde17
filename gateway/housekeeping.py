"""Once an hour: old journal entries, receipts and tombstones go, in slices, so that nobody waits for it."""

import sqlite3
from datetime import datetime, timedelta

import structlog

from gateway.cloud import store as cloud_
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Link
from gateway.outbox import journal, receipts, tombstones
from gateway.outbox.journal import Trimmed
from gateway.settings import Retention

EVERY_S = 3600.0
BETWEEN_SLICES_S = 0.2  # room for those who work

log = structlog.get_logger(__name__)


async def run(db: Database, clock: Clock, retention: Retention, link: Link) -> None:
    """For ever. Raises Unavailable when the disk does not take it; then somebody tries again soon."""
    while True:
        await clean(db, clock, retention)
        link.up()
        await clock.sleep(EVERY_S)


async def clean(db: Database, clock: Clock, retention: Retention) -> None:
    """One round. Nothing goes while the clock cannot be trusted: everything would look old, or nothing."""
    now = clock.now()
    if not time_.trusted(now):
        return
    await _events(db, clock, now, days=retention.journal_days)
    await _receipts(db, clock, now, days=max(retention.journal_days, receipts.KEEP_DAYS))
    await _tombstones(db, clock, now, days=max(retention.journal_days, tombstones.KEEP_DAYS))


async def _events(db: Database, clock: Clock, now: datetime, *, days: int) -> None:
    total = 0
    while (done := await db.write(_trim_events, *_limits(now, days))).rows:
        total += done.rows
        for moved in done.moved_on:
            log.warning("reader.moved_on", reader=moved.reader, after=moved.after, to=moved.to)
        await clock.sleep(BETWEEN_SLICES_S)
    if total:
        log.info("housekeeping.trimmed", what="events", rows=total)


async def _receipts(db: Database, clock: Clock, now: datetime, *, days: int) -> None:
    total = 0
    while gone := await db.write(_trim_receipts, *_limits(now, days)):
        total += gone
        await clock.sleep(BETWEEN_SLICES_S)
    if total:
        log.info("housekeeping.trimmed", what="receipts", rows=total)


async def _tombstones(db: Database, clock: Clock, now: datetime, *, days: int) -> None:
    total = 0
    while gone := await db.write(_trim_tombstones, *_limits(now, days)):
        total += gone
        await clock.sleep(BETWEEN_SLICES_S)
    if total:
        log.info("housekeeping.trimmed", what="tombstones", rows=total)


def _limits(now: datetime, days: int) -> tuple[str, str]:
    """(what was recorded before that is old, now)."""
    return time_.text(now - timedelta(days=days)), time_.text(now)


def _trim_events(tx: Tx, before: str, now: str) -> Trimmed:
    return journal.trim(tx, sent_up_to=_sent_up_to(tx), recorded_before=before, now=now)


def _trim_receipts(tx: Tx, before: str, now: str) -> int:
    return receipts.trim(tx, sent_up_to=_sent_up_to(tx), recorded_before=before, now=now)


def _trim_tombstones(tx: Tx, before: str, now: str) -> int:
    return tombstones.trim(tx, deleted_before=before, now=now)


def _sent_up_to(connection: sqlite3.Connection) -> int:
    """What the uplink has sent; everything, where there never was one."""
    found = connection.execute("SELECT position FROM event_readers WHERE name = ?", (cloud_.READER,)).fetchone()
    return int(found[0]) if found else journal.head(connection)
