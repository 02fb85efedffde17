"""All SQL of deliveries: where each webhook stands, what it was told, what it could not be told.

What it could not be told is parked like anything else: `retry` is tried again by itself, `parked` is a dead letter.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.catalog import store as rows
from gateway.kernel.db import Tx
from gateway.kernel.errors import Unavailable
from gateway.kernel.ids import NewId
from gateway.outbox import journal
from gateway.outbox.event import Entry, Event, Stamp, encode, row_lane
from gateway.outbox.journal import MovedOn
from gateway.webhooks.model import READERS, Webhook, reader_of
from gateway.webhooks.resources import WEBHOOKS

LOG_ROWS_MAX = 50_000  # of one webhook; `[retention] log_days` ends them sooner
RETRIES_MAX = 1_000  # on the list of one webhook; what more fails is a dead letter at once
PARKED_MAX = 10_000  # retries and dead letters of one webhook: the oldest give way
TRIM_SLICE = 1_000
# In the log, beside events:
MOVED_ON = "journal.moved_on"  # events that were never told, because they were too old
DEACTIVATED = "webhook.deactivated"
RETRY, DEAD = "retry", "parked"  # states

_WEBHOOKS = "SELECT id, url, events, secret_key AS secret, active FROM webhooks"
_LOG = """
INSERT INTO webhook_logs (id, webhook_id, event_type, payload, status_code, error_message, replay_id, created_at)
SELECT :id, id, :event, :payload, :status, :error, :replay_id, :now FROM webhooks WHERE id = :webhook_id
ON CONFLICT (id) DO UPDATE SET status_code = excluded.status_code, error_message = excluded.error_message
"""  # nothing for one that was deleted a moment ago
_BEYOND = """
DELETE FROM webhook_logs WHERE webhook_id = ?1 AND created_at < (
  SELECT created_at FROM webhook_logs WHERE webhook_id = ?1 ORDER BY created_at DESC LIMIT 1 OFFSET ?2)
"""
_PARK = """
INSERT OR REPLACE INTO event_parked (reader, seq, lane, aggregate, state, reason, tries, parked_at)
SELECT :reader, :seq, :lane, :aggregate, :state, :reason, :tries, :now FROM webhooks WHERE id = :webhook_id
"""
_OLDEST = """
DELETE FROM event_parked WHERE reader = ?1 AND seq IN (
  SELECT seq FROM event_parked WHERE reader = ?1 ORDER BY seq LIMIT ?2)
"""
_LETTERS = """
SELECT p.seq, e.id AS event_id, e.type AS event_type, p.state, p.reason, p.tries, e.occurred_at, p.parked_at
FROM event_parked p JOIN events e ON e.seq = p.seq WHERE p.reader = ? ORDER BY p.seq LIMIT ? OFFSET ?
"""
_OLD = """
SELECT reader, seq FROM event_parked WHERE parked_at < ? AND reader GLOB 'webhook:*' ORDER BY reader, seq LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery and what came of it so far. `park`: the state in which it is set aside."""

    entry: Entry
    body: str
    status: int | None
    error: str | None
    replay_id: str | None = None
    park: str | None = None
    tries: int = 0


def webhooks(connection: sqlite3.Connection) -> list[Webhook]:
    return [_webhook(row) for row in connection.execute(_WEBHOOKS)]


def webhook(connection: sqlite3.Connection, webhook_id: str) -> Webhook:
    """Raises NotFound."""
    row = connection.execute(f"{_WEBHOOKS} WHERE id = ?", (webhook_id,)).fetchone()
    if row is None:
        raise rows.missing(WEBHOOKS, webhook_id)
    return _webhook(row)


def _webhook(row: sqlite3.Row) -> Webhook:
    events = frozenset(json.loads(row["events"]))
    return Webhook(row["id"], row["url"], events, row["secret"], bool(row["active"]))


def parked(connection: sqlite3.Connection, webhook: Webhook) -> tuple[dict[int, int], int]:
    """(`seq` -> rounds that failed, of those to be tried again; how many dead letters there are)."""
    found = connection.execute(
        "SELECT seq, tries, state FROM event_parked WHERE reader = ?", (webhook.reader,)
    ).fetchall()
    retries = {row["seq"]: row["tries"] for row in found if row["state"] == RETRY}
    return retries, len(found) - len(retries)


def letters(
    connection: sqlite3.Connection, webhook_id: str, limit: int, offset: int
) -> tuple[list[dict[str, object]], int]:
    """(what it could not be told, the oldest first; how many there are). Raises NotFound."""
    reader = webhook(connection, webhook_id).reader
    total = connection.execute("SELECT count(*) FROM event_parked WHERE reader = ?", (reader,)).fetchone()[0]
    return [dict(row) for row in connection.execute(_LETTERS, (reader, limit, offset))], total


# ------------------------------------------------------------------ writes


def begin(tx: Tx, webhook_id: str, now: str) -> None:
    """It is on, and tried as if for the first time. Its place is the end of the journal, unless it has one from before."""
    journal.register(tx, reader_of(webhook_id), now)
    _count(tx, webhook_id, 0)


def place(tx: Tx, webhook: Webhook, now: str) -> tuple[int, int]:
    """(where it stands in the journal, rounds in a row in which nobody was reached). Raises Unavailable when it was deleted a
    moment ago: nothing may remember it then.
    """
    if not _is_there(tx, webhook):
        raise Unavailable(f"the webhook {webhook.id} was deleted")
    position = journal.register(tx, webhook.reader, now)
    found = tx.execute("SELECT failures FROM event_readers WHERE name = ?", (webhook.reader,))
    return position, int(found.fetchone()[0])


def delivered(
    tx: Tx, stamp: Stamp, webhook: Webhook, told: Sequence[Told], logged: Sequence[Told], position: int
) -> None:
    """What it was told, what has to be set aside, and where it stands now: together."""
    if _is_there(tx, webhook):
        log(tx, stamp.text, webhook.id, logged)
        for one in told:
            _park(tx, stamp.text, webhook, one)
        journal.advance(tx, webhook.reader, position)
        _count(tx, webhook.id, 0)


def not_reached(tx: Tx, stamp: Stamp, webhook: Webhook, told: Told, failures: int) -> None:
    """Its place stays."""
    log(tx, stamp.text, webhook.id, [told])
    _count(tx, webhook.id, failures)


def told_again(tx: Tx, stamp: Stamp, webhook: Webhook, told: Told) -> None:
    """What came of something that was set aside."""
    log(tx, stamp.text, webhook.id, [told])
    if told.park is None:
        tx.execute("DELETE FROM event_parked WHERE reader = ? AND seq = ?", (webhook.reader, told.entry.seq))
    else:
        _park(tx, stamp.text, webhook, told)


def replayed(tx: Tx, stamp: Stamp, webhook: Webhook, told: Sequence[Told]) -> None:
    log(tx, stamp.text, webhook.id, told)


def deactivate(tx: Tx, stamp: Stamp, webhook: Webhook, error: str) -> None:
    """Nobody was there for 72 h. It keeps its place, and tries anew when it is switched on."""
    row = tx.execute("SELECT active FROM webhooks WHERE id = ?", (webhook.id,)).fetchone()
    if row is None or not row["active"]:
        return
    change = rows.update(tx, WEBHOOKS, webhook.id, {"active": 0, "updated_at": stamp.text})
    lane = row_lane(WEBHOOKS.table, webhook.id)
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, (change,))])
    said = {"event": DEACTIVATED, "timestamp": stamp.text, "data": {"webhook_id": webhook.id}}
    noted(tx, stamp.text, webhook.id, stamp.new_id(), DEACTIVATED, encode(said), error)


def cut_log(tx: Tx, webhook_id: str) -> None:
    tx.execute(_BEYOND, (webhook_id, LOG_ROWS_MAX - 1))


def moved_on(tx: Tx, new_id: NewId, now: str, moved: Iterable[MovedOn]) -> None:
    """The journal has been trimmed beyond where these readers stood: their logs say which range they never saw."""
    for one in moved:
        if one.reader.startswith(READERS):
            error = (
                f"entries {one.after + 1} to {one.to} of the journal were too old to be kept: they were never delivered"
            )
            said = {"event": MOVED_ON, "timestamp": now, "data": {"after": one.after, "to": one.to}}
            noted(tx, now, one.reader.removeprefix(READERS), new_id(), MOVED_ON, encode(said), error)


def trim(tx: Tx, before: str) -> int:
    """One slice of what was set aside long ago is given up, and counts as skipped. Returns how many."""
    old = tx.execute(_OLD, (before, TRIM_SLICE)).fetchall()
    for row in old:
        tx.execute("DELETE FROM event_parked WHERE reader = ? AND seq = ?", (row["reader"], row["seq"]))
        tx.execute("UPDATE event_readers SET skipped = skipped + 1 WHERE name = ?", (row["reader"],))
    return len(old)


def log(tx: Tx, now: str, webhook_id: str, told: Iterable[Told]) -> None:
    """One row for a delivery, however often it is tried: the same event of the same webhook has the same id."""
    for one in told:
        log_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{webhook_id}/{one.entry.id}/{one.replay_id or ''}"))
        kind = str(one.entry.type)
        noted(tx, now, webhook_id, log_id, kind, one.body, one.error, one.status, one.replay_id)


def noted(
    tx: Tx,
    now: str,
    webhook_id: str,
    log_id: str,
    event: str,
    payload: str,
    error: str | None,
    status: int | None = None,
    replay_id: str | None = None,
) -> None:
    """A row of the log."""
    given = {"id": log_id, "webhook_id": webhook_id, "event": event, "payload": payload, "now": now}
    tx.execute(_LOG, {**given, "status": status, "error": error, "replay_id": replay_id})


def _park(tx: Tx, now: str, webhook: Webhook, one: Told) -> None:
    if one.park is None:
        return
    entry, reader = one.entry, webhook.reader
    count, retries = tx.execute(
        "SELECT count(*), coalesce(sum(state = 'retry'), 0) FROM event_parked WHERE reader = ? AND seq <> ?",
        (reader, entry.seq),
    ).fetchone()
    state = DEAD if retries >= RETRIES_MAX else one.park
    if count >= PARKED_MAX:
        gone = tx.execute(_OLDEST, (reader, count - PARKED_MAX + 1)).rowcount
        tx.execute("UPDATE event_readers SET skipped = skipped + ? WHERE name = ?", (gone, reader))
    about = {"reader": reader, "seq": entry.seq, "lane": entry.lane, "aggregate": entry.aggregate, "state": state}
    tx.execute(_PARK, {**about, "reason": one.error, "tries": one.tries, "now": now, "webhook_id": webhook.id})


def _count(tx: Tx, webhook_id: str, failures: int) -> None:
    """Nothing changes when it is so already: that would be a write."""
    tx.execute(
        "UPDATE event_readers SET failures = ?1 WHERE name = ?2 AND failures <> ?1", (failures, reader_of(webhook_id))
    )


def _is_there(tx: Tx, webhook: Webhook) -> bool:
    return tx.execute("SELECT 1 FROM webhooks WHERE id = ?", (webhook.id,)).fetchone() is not None
