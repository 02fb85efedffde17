"""All SQL about replays."""

import sqlite3

from gateway.kernel.db import Tx
from gateway.replays.model import Replay, Went

UNS = "uns"
# What a way out is called -> where it is looked up.
_KINDS = {
    "webhook:": "SELECT 1 FROM webhooks WHERE id = ?",
    "mqtt:": "SELECT 1 FROM mqtt_publishers WHERE id = ?",
}
_NEXT = """
SELECT id, out, to_seq, position FROM replays WHERE out = ? AND finished_at IS NULL ORDER BY created_at LIMIT 1
"""
_ASK = """
INSERT INTO replays (id, out, from_seq, to_seq, position, requested_by, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_WENT_ON = """
UPDATE replays SET position = :position, sent = sent + :sent, refused = refused + :refused,
  state = CASE WHEN :position >= to_seq THEN 'done' ELSE 'running' END,
  finished_at = CASE WHEN :position >= to_seq THEN :now END
WHERE id = :id AND finished_at IS NULL
"""
_FAILED = "UPDATE replays SET state = 'failed', error_message = ?, finished_at = ? WHERE finished_at IS NULL AND "


def is_way_out(connection: sqlite3.Connection, out: str) -> bool:
    if out == UNS:
        return True
    for kind, sql in _KINDS.items():
        if out.startswith(kind):
            return connection.execute(sql, (out.removeprefix(kind),)).fetchone() is not None
    return False


def oldest_kept(connection: sqlite3.Connection) -> int | None:
    """The first `seq` that the journal still has."""
    found: int | None = connection.execute("SELECT min(seq) FROM events").fetchone()[0]
    return found


def unfinished(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("SELECT count(*) FROM replays WHERE finished_at IS NULL").fetchone()[0]
    return found


def following(connection: sqlite3.Connection, out: str) -> Replay | None:
    """The one that is due for this way out."""
    found = connection.execute(_NEXT, (out,)).fetchone()
    return Replay(**dict(found)) if found else None


# ------------------------------------------------------------------ writes


def ask(tx: Tx, replay_id: str, out: str, from_seq: int, to_seq: int, by: str, now: str) -> None:
    tx.execute(_ASK, (replay_id, out, from_seq, to_seq, from_seq - 1, by, now))


def went_on(tx: Tx, replay_id: str, position: int, went: Went, now: str) -> None:
    """It is done once its position is at its end."""
    given = {"id": replay_id, "position": position, "sent": went.sent, "refused": went.refused, "now": now}
    tx.execute(_WENT_ON, given)


def failed(tx: Tx, replay_id: str, error: str, now: str) -> None:
    tx.execute(f"{_FAILED}id = ?", (error, now, replay_id))


def abandon(tx: Tx, out: str, now: str) -> None:
    """The way out is gone for good."""
    tx.execute(f"{_FAILED}out = ?", ("the way out was deleted", now, out))
