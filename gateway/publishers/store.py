"""All SQL of publishers: their rows, where each stands, what each was told."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.catalog import store as rows
from gateway.kernel.db import Tx
from gateway.kernel.errors import Unavailable
from gateway.kernel.ids import NewId
from gateway.outbox import journal
from gateway.outbox.event import Event, Stamp, encode, row_lane, subscribed
from gateway.outbox.journal import MovedOn
from gateway.publishers.model import READERS, Publisher
from gateway.publishers.resources import PUBLISHERS

LOG_ROWS_MAX = 50_000  # of one publisher; `[retention] log_days` ends them sooner
LOOK_BACK_ROWS = 1_000  # entries in which the one published last is looked for
MOVED_ON = "journal.moved_on"  # in the log: events that were never told, because they were too old

_PUBLISHERS = """
SELECT id, name, broker_url, port, username, password, topic_pattern, default_enterprise AS enterprise,
  default_site AS site, default_area AS area, use_tls, ca_certificate, events, active FROM mqtt_publishers
"""
_LOG = """
INSERT INTO mqtt_logs (id, mqtt_publisher_id, event_type, topic, payload, success, error_message, latency_ms, replay_id,
  created_at)
SELECT ?, id, ?, ?, ?, ?, ?, ?, ?, ? FROM mqtt_publishers WHERE id = ?
"""  # nothing for one that was deleted a moment ago
_BEYOND = """
DELETE FROM mqtt_logs WHERE mqtt_publisher_id = ?1 AND created_at < (
  SELECT created_at FROM mqtt_logs WHERE mqtt_publisher_id = ?1 ORDER BY created_at DESC LIMIT 1 OFFSET ?2)
"""
_BEFORE = "SELECT seq, type FROM events WHERE seq <= ? AND seq > ? AND type IS NOT NULL ORDER BY seq DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Told:
    """One message and what became of it."""

    event_type: str
    topic: str
    payload: str
    error: str | None
    latency_ms: int | None


def publishers(connection: sqlite3.Connection) -> list[Publisher]:
    return [_publisher(row) for row in connection.execute(_PUBLISHERS)]


def publisher(connection: sqlite3.Connection, publisher_id: str) -> Publisher:
    """Raises NotFound."""
    row = connection.execute(f"{_PUBLISHERS} WHERE id = ?", (publisher_id,)).fetchone()
    if row is None:
        raise rows.missing(PUBLISHERS, publisher_id)
    return _publisher(row)


def _publisher(row: sqlite3.Row) -> Publisher:
    flags = {name: bool(row[name]) for name in ("use_tls", "active")}
    return Publisher(**{**dict(row), **flags, "events": frozenset(json.loads(row["events"]))})


def published_before(connection: sqlite3.Connection, publisher: Publisher, position: int) -> int | None:
    """The `seq` of the last event up to `position` that this publisher was told; None when it is not known any more."""
    since = connection.execute("SELECT since FROM event_readers WHERE name = ?", (publisher.reader,)).fetchone()
    found = connection.execute(_BEFORE, (position, since[0] if since else position, LOOK_BACK_ROWS))
    return next((row["seq"] for row in found if subscribed(publisher.events, row["type"])), None)


# ------------------------------------------------------------------ writes


def place(tx: Tx, publisher: Publisher, now: str) -> int:
    """Where it stands in the journal. Raises Unavailable when it was deleted a moment ago: nothing may remember it then."""
    if tx.execute("SELECT 1 FROM mqtt_publishers WHERE id = ?", (publisher.id,)).fetchone() is None:
        raise Unavailable(f'the publisher "{publisher.name}" was deleted')
    return journal.register(tx, publisher.reader, now)


def delivered(
    tx: Tx, stamp: Stamp, publisher: Publisher, told: Sequence[Told], logged: Sequence[Told], position: int
) -> None:
    """What it was told and where it stands now, together: a message stands in the log once for each time it was acknowledged."""
    skipped = sum(one.error is not None for one in told)
    tx.execute(
        "UPDATE event_readers SET skipped = skipped + ?1, position = ?2 WHERE name = ?3 AND position < ?2",
        (skipped, position, publisher.reader),
    )
    log(tx, stamp.new_id, stamp.text, publisher.id, logged)


def replayed(tx: Tx, stamp: Stamp, publisher: Publisher, told: Sequence[Told], replay_id: str) -> None:
    """Told again: its place in the journal is where it was."""
    log(tx, stamp.new_id, stamp.text, publisher.id, told, replay_id)


def log(tx: Tx, new_id: NewId, now: str, publisher_id: str, told: Iterable[Told], replay_id: str | None = None) -> None:
    for one in told:
        made = new_id(), one.event_type, one.topic, one.payload
        tx.execute(_LOG, (*made, one.error is None, one.error, one.latency_ms, replay_id, now, publisher_id))


def cut_log(tx: Tx, publisher_id: str) -> None:
    tx.execute(_BEYOND, (publisher_id, LOG_ROWS_MAX - 1))


def moved_on(tx: Tx, new_id: NewId, now: str, moved: Iterable[MovedOn]) -> None:
    """The journal has been trimmed beyond where these readers stood: their logs say which range they never saw."""
    for one in moved:
        if one.reader.startswith(READERS):
            told = encode({"after": one.after, "to": one.to})
            error = (
                f"entries {one.after + 1} to {one.to} of the journal were too old to be kept: they were never published"
            )
            log(tx, new_id, now, one.reader.removeprefix(READERS), [Told(MOVED_ON, "", told, error, None)])


def stands(tx: Tx, stamp: Stamp, publisher_id: str, error: str | None) -> None:
    """Connected (no error), or not and why. Written when it is news: it is a change of the row like any other."""
    row = tx.execute("SELECT last_error FROM mqtt_publishers WHERE id = ?", (publisher_id,)).fetchone()
    if row is None or (error is not None and row["last_error"] == error):
        return
    values = {"last_error": error} if error is not None else {"last_error": None, "last_connected_at": stamp.text}
    lane = row_lane(PUBLISHERS.table, publisher_id)
    change = rows.update(tx, PUBLISHERS, publisher_id, values)
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, (change,))])
