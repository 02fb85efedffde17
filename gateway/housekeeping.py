"""Once an hour: old journal entries, receipts, tombstones and rows of logs go, in slices, so that nobody waits for it."""

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from gateway.cloud import store as cloud_
from gateway.kernel import clock as time_
from gateway.kernel import state
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.outbox import journal, receipts, tombstones
from gateway.outbox.journal import Trimmed
from gateway.publishers import store as publishers
from gateway.settings import Retention
from gateway.webhooks import store as webhooks

EVERY_S = 3600.0
BETWEEN_SLICES_S = 0.2  # room for those who work
LEAP_MAX = timedelta(days=7)  # a clock that shows so much more than at the last round may have been set wrongly
PUT_OFF_S = 86_400.0  # then nothing goes for so long: somebody may set it right
_ROUND = "housekeeping"  # when the last round was, in what the box remembers of itself
LOG_SLICE = 1_000  # rows
LOG_ROWS_MAX = 100_000  # of one log that nobody cuts by the way in; `[retention] log_days` ends them sooner
# What ways out were told, agents called and people did on the operations page; each has an index on `created_at`.
LOGS = ("webhook_logs", "mqtt_logs", "mcp_key_usage_logs", "replays", "ops_actions")

UNCUT = ("mcp_key_usage_logs", "ops_actions")

_Trim = Callable[[Tx, str, str], int]  # (transaction, what was before that is old, now) -> rows gone

log = structlog.get_logger(__name__)


async def run(db: Database, clock: Clock, new_id: NewId, retention: Retention, link: Link) -> None:
    """For ever. Raises Unavailable when the disk does not take it; then somebody tries again soon."""
    leapt_s: float | None = None  # since when the clock shows much more than at the last round
    while True:
        if not await _leapt(db, clock):
            leapt_s = None
        elif leapt_s is None:
            leapt_s = clock.monotonic()
            log.warning("housekeeping.put_off", hours=PUT_OFF_S / 3600, why="the clock is far beyond the last round")
        if leapt_s is None or clock.monotonic() - leapt_s >= PUT_OFF_S:
            await clean(db, clock, new_id, retention)
        link.up()
        await clock.sleep(EVERY_S)


async def _leapt(db: Database, clock: Clock) -> bool:
    last = await db.read(state.get, _ROUND)
    return last is not None and clock.now() - time_.parse(last) > LEAP_MAX


async def clean(db: Database, clock: Clock, new_id: NewId, retention: Retention) -> None:
    """One round. Nothing goes while the clock cannot be trusted: everything would look old, or nothing."""
    now = clock.now()
    if not time_.trusted(now):
        return
    # Before the journal: what is set aside keeps its entry.
    await _slices(db, clock, "dead letters", _trim_letters, *_limits(now, retention.log_days))
    await _events(db, clock, new_id, now, days=retention.journal_days)
    kept = max(retention.journal_days, receipts.KEEP_DAYS)
    await _slices(db, clock, "receipts", _trim_receipts, *_limits(now, kept))
    kept = max(retention.journal_days, tombstones.KEEP_DAYS)
    await _slices(db, clock, "tombstones", _trim_tombstones, *_limits(now, kept))
    for table in LOGS:
        await _slices(db, clock, table, partial(_trim_log, table=table), *_limits(now, retention.log_days))
    for table in UNCUT:
        await _slices(db, clock, table, partial(_cut_log, table=table), *_limits(now, retention.log_days))
    await db.write(state.put, _ROUND, time_.text(now))


async def _events(db: Database, clock: Clock, new_id: NewId, now: datetime, *, days: int) -> None:
    total = 0
    while (done := await db.write(_trim_events, new_id, *_limits(now, days))).rows:
        total += done.rows
        for moved in done.moved_on:
            log.warning("reader.moved_on", reader=moved.reader, after=moved.after, to=moved.to)
        await clock.sleep(BETWEEN_SLICES_S)
    if total:
        log.info("housekeeping.trimmed", what="events", rows=total)


async def _slices(
    db: Database, clock: Clock, what: str, trim: Callable[[Tx, str, str], int], before: str, now: str
) -> None:
    total = 0
    while gone := await db.write(trim, before, now):
        total += gone
        await clock.sleep(BETWEEN_SLICES_S)
    if total:
        log.info("housekeeping.trimmed", what=what, rows=total)


def _limits(now: datetime, days: int) -> tuple[str, str]:
    """(what was recorded before that is old, now)."""
    return time_.text(now - timedelta(days=days)), time_.text(now)


def _trim_events(tx: Tx, new_id: NewId, before: str, now: str) -> Trimmed:
    done = journal.trim(tx, sent_up_to=_sent_up_to(tx), recorded_before=before, now=now)
    publishers.moved_on(tx, new_id, now, done.moved_on)
    webhooks.moved_on(tx, new_id, now, done.moved_on)
    return done


def _trim_log(tx: Tx, before: str, _now: str, *, table: str) -> int:
    oldest = f"SELECT rowid FROM {table} WHERE created_at < ? ORDER BY created_at LIMIT ?"  # nosec B608 # noqa: S608 -- one of LOGS
    return tx.execute(f"DELETE FROM {table} WHERE rowid IN ({oldest})", (before, LOG_SLICE)).rowcount  # nosec B608 # noqa: S608 -- one of LOGS


def _cut_log(tx: Tx, _before: str, _now: str, *, table: str) -> int:
    over = tx.execute(f"SELECT count(*) FROM {table}").fetchone()[0] - LOG_ROWS_MAX  # nosec B608 # noqa: S608 -- one of UNCUT
    if over <= 0:
        return 0
    oldest = f"SELECT rowid FROM {table} ORDER BY created_at LIMIT ?"  # nosec B608 # noqa: S608 -- one of UNCUT
    return tx.execute(f"DELETE FROM {table} WHERE rowid IN ({oldest})", (min(over, LOG_SLICE),)).rowcount  # nosec B608 # noqa: S608 -- one of UNCUT


def _trim_letters(tx: Tx, before: str, _now: str) -> int:
    return webhooks.trim(tx, before)


def _trim_receipts(tx: Tx, before: str, now: str) -> int:
    return receipts.trim(tx, sent_up_to=_sent_up_to(tx), recorded_before=before, now=now)


def _trim_tombstones(tx: Tx, before: str, now: str) -> int:
    return tombstones.trim(tx, deleted_before=before, now=now)


def _sent_up_to(connection: sqlite3.Connection) -> int:
    """What the uplink has sent; everything, where there never was one."""
    found = connection.execute("SELECT position FROM event_readers WHERE name = ?", (cloud_.READER,)).fetchone()
    return int(found[0]) if found else journal.head(connection)
