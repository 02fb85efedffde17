"""Once an hour: old journal entries and receipts go, in slices, so that nobody waits for it."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta

import structlog

from gateway.cloud import store as cloud_
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Link
from gateway.outbox import journal, receipts
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
    for what, trim, days in (
        ("events", _events, retention.journal_days),
        ("receipts", _receipts, max(retention.journal_days, receipts.KEEP_DAYS)),
    ):
        gone = await _all(db, clock, trim, time_.text(now - timedelta(days=days)))
        if gone:
            log.info("housekeeping.trimmed", what=what, rows=gone)


async def _all(db: Database, clock: Clock, trim: Callable[[Tx, str], int], before: str) -> int:
    total = 0
    while gone := await db.write(trim, before):
        total += gone
        await clock.sleep(BETWEEN_SLICES_S)
    return total


def _events(tx: Tx, before: str) -> int:
    return journal.trim(tx, sent_up_to=_sent_up_to(tx), recorded_before=before)


def _receipts(tx: Tx, before: str) -> int:
    return receipts.trim(tx, sent_up_to=_sent_up_to(tx), recorded_before=before)


def _sent_up_to(connection: sqlite3.Connection) -> int:
    """What the uplink has sent; everything, where there never was one."""
    found = connection.execute("SELECT position FROM event_readers WHERE name = ?", (cloud_.READER,)).fetchone()
    return int(found[0]) if found else journal.head(connection)
