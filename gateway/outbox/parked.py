"""What a way out could not deliver and somebody has to decide on: all SQL for that."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from gateway.kernel.db import Tx
from gateway.outbox import journal
from gateway.outbox.event import Entry

LISTED_MAX = 10_000
_LIST = """
SELECT p.reader, p.seq, e.type, p.lane, p.aggregate, p.state, p.reason, p.request, p.tries, e.occurred_at, p.parked_at
FROM event_parked p JOIN events e ON e.seq = p.seq
WHERE p.reader = coalesce(?, p.reader) ORDER BY p.reader, p.seq LIMIT ?
"""

_OLDEST = """
DELETE FROM event_parked WHERE reader = ?1 AND seq IN (
  SELECT seq FROM event_parked WHERE reader = ?1 ORDER BY seq DESC LIMIT -1 OFFSET ?2)
"""
_RETRY = "SELECT seq FROM event_parked WHERE reader = ? AND state = 'retry' ORDER BY seq LIMIT ?"


def listed(connection: sqlite3.Connection, reader: str | None = None) -> list[dict[str, Any]]:
    """In the order in which it happened."""
    return [dict(row) for row in connection.execute(_LIST, (reader, LISTED_MAX))]


def retry(tx: Tx, reader: str, seqs: Sequence[int] | None = None) -> int:
    """Ask to send these again, or all. Returns how many there were."""
    return _each(tx, "UPDATE event_parked SET state = 'retry', tries = 0 WHERE reader = ?", reader, seqs)


def discard(tx: Tx, reader: str, seqs: Sequence[int] | None = None) -> int:
    """Give these up, or all: they are never sent and count as skipped. Returns how many there were."""
    gone = _each(tx, "DELETE FROM event_parked WHERE reader = ?", reader, seqs)
    tx.execute("UPDATE event_readers SET skipped = skipped + ? WHERE name = ?", (gone, reader))
    return gone


def set_aside(tx: Tx, reader: str, refused: Sequence[tuple[Entry, str]], now: str, parked_max: int) -> None:
    """Each with its reason, for a person to decide on. Beyond `parked_max` the oldest are given up, and count as skipped."""
    for entry, reason in refused:
        journal.park(tx, reader, [entry], reason, now, state="parked")
    gone = tx.execute(_OLDEST, (reader, parked_max)).rowcount
    if gone:
        tx.execute("UPDATE event_readers SET skipped = skipped + ? WHERE name = ?", (gone, reader))


def to_retry(connection: sqlite3.Connection, reader: str, limit: int) -> list[Entry]:
    """Those that somebody has asked for once more, in the order in which they happened."""
    return journal.these(connection, [row[0] for row in connection.execute(_RETRY, (reader, limit))])


def settle(tx: Tx, reader: str, seq: int) -> None:
    """It has gone out after all."""
    tx.execute("DELETE FROM event_parked WHERE reader = ? AND seq = ?", (reader, seq))


def _each(tx: Tx, statement: str, reader: str, seqs: Sequence[int] | None) -> int:
    if seqs is None:
        return tx.execute(statement, (reader,)).rowcount
    return sum(tx.execute(f"{statement} AND seq = ?", (reader, seq)).rowcount for seq in seqs)
