"""The journal as an audit trail: each entry has a hash over itself and the hash of the entry before it.

Whoever changes, removes or inserts an entry afterwards has to write every later hash anew, and then the hash of the newest one
is not the one that somebody has written down. `docs/decisions/032-the-journal-is-chained.md`: what that proves, and what not.
"""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from gateway.kernel.db import Tx
from gateway.outbox.event import encode

HASH_BYTES = 32
GENESIS = bytes(HASH_BYTES)  # what the first entry builds on
PAGE_MAX = 2_000  # entries that are verified at once

# What is hashed beside `seq`, in this order. Not `request_id`: it only says where else to look.
CONTENT = "id, type, lane, aggregate, origin, occurred_at, recorded_at, clock_trusted, data, changes"
_CHAINED_AFTER = "SELECT value FROM gateway_state WHERE key = 'journal.chained_after'"
_COUNTED = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
_HASH = "SELECT hash FROM events WHERE seq = ?"
_ANCHOR = "SELECT hash FROM event_anchors WHERE seq = ?"
_PAGE = f"SELECT seq, hash, {CONTENT} FROM events WHERE seq > ? ORDER BY seq LIMIT ?"  # nosec B608 # noqa: S608 -- constants only
_STRETCH = f"SELECT seq, {CONTENT} FROM events WHERE seq > ? AND seq <= ? ORDER BY seq"  # nosec B608 # noqa: S608 -- constants only
_KEEP = """
INSERT OR REPLACE INTO event_anchors SELECT seq, hash FROM events
WHERE seq = ?1 AND hash IS NOT NULL AND (seq = ?2 OR EXISTS (SELECT 1 FROM events WHERE seq = ?1 + 1))
"""
_NEEDLESS = "DELETE FROM event_anchors WHERE seq + 1 IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Link:
    """An entry and its hash; None for one from before the chain."""

    seq: int
    hash: bytes | None


Deed = Literal["changed", "removed", "inserted"]


@dataclass(frozen=True, slots=True)
class Break:
    """The first place at which the journal is not what was written."""

    seq: int
    what: Deed
    told: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A stretch of the journal. `at`: up to where; `through`: there is no more. `unchained`: entries from before the chain."""

    checked: int
    unchained: int
    at: Link
    through: bool
    broken: Break | None = None


def linked(before: bytes, seq: int, content: Sequence[Any]) -> bytes:
    """The hash of an entry: BLAKE2b-256 over the hash before it and eleven lines, in UTF-8, no newline at the end.

    The first is `seq` and how many characters lane, aggregate and data have (-1: there is none), so that no line can be taken for
    two; the others are the columns of CONTENT. By hand, as each write waits for it: as JSON it would take twice as long.
    """
    id_, type_, lane, aggregate, origin, occurred_at, recorded_at, trusted, data, changes = content
    return blake2b(
        before
        + f"{seq} {len(lane)} {len(aggregate)} {-1 if data is None else len(data)}\n{id_}\n{type_}\n{lane}\n{aggregate}\n"
        f"{origin}\n{occurred_at}\n{recorded_at}\n{trusted}\n{data}\n{changes}".encode(),
        digest_size=HASH_BYTES,
    ).digest()


def counted(connection: sqlite3.Connection) -> int:
    """The highest seq ever given out, trimmed ones included."""
    row = connection.execute(_COUNTED).fetchone()
    return int(row[0]) if row else 0


def head(connection: sqlite3.Connection) -> Link:
    """What the next entry builds on."""
    seq = counted(connection)
    return Link(seq, _hash(connection, seq) or GENESIS)


def anew(tx: Tx, after: int, upto: int) -> Link:
    """Chain this stretch to what stands before it."""
    before = _hash(tx, after) or GENESIS
    for seq, *content in tx.execute(_STRETCH, (after, upto)).fetchall():
        before = linked(before, seq, content)
        tx.execute("UPDATE events SET hash = ? WHERE seq = ?", (before, seq))
    return Link(upto, before)


def forget(tx: Tx, seqs: Collection[int]) -> None:
    """Before these are trimmed: keep what the entries behind them build on, drop what they themselves did."""
    newest = counted(tx)
    ends = [(seq, newest) for seq in seqs if seq + 1 not in seqs]
    tx.executemany(_KEEP, ends)
    tx.execute(_NEEDLESS, (encode([*seqs]),))


# ------------------------------------------------------------------ looking


def at(connection: sqlite3.Connection, seq: int) -> Link:
    """The last entry up to there that is still in the journal; 0 and no hash: none is."""
    row = connection.execute("SELECT seq, hash FROM events WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (seq,)).fetchone()
    return Link(*row) if row else Link(0, None)


def verified(connection: sqlite3.Connection, last: Link, limit: int = PAGE_MAX) -> Verified:
    """The entries after `last`, which is believed, up to the first that is not what was written."""
    begins = int(connection.execute(_CHAINED_AFTER).fetchone()[0])
    checked = unchained = 0
    rows = connection.execute(_PAGE, (last.seq, limit)).fetchall()
    for seq, stored, *content in rows:
        if broken := _broken(connection, begins, last, Link(seq, stored), content):
            return Verified(checked, unchained, last, through=True, broken=broken)
        last = Link(seq, stored)
        checked += stored is not None
        unchained += stored is None
    through = len(rows) < limit
    return Verified(checked, unchained, last, through, _end(connection, begins, last) if through else None)


def _broken(
    connection: sqlite3.Connection, begins: int, last: Link, entry: Link, content: Sequence[Any]
) -> Break | None:
    seq = entry.seq
    if seq <= begins:
        if entry.hash is None:
            return None
        return Break(
            seq, "changed", f"entry {seq} is from before the chain, which begins after {begins}, and has a hash"
        )
    if entry.hash is None:
        return Break(seq, "inserted", f"entry {seq} has no hash: this gateway has not written it")
    before = last.hash if last.seq == seq - 1 else None
    before = before or (GENESIS if seq - 1 == begins else _anchor(connection, seq - 1))
    if before is None:
        return _gap(connection, last, seq)
    if linked(before, seq, content) != entry.hash:
        told = f"entry {seq} is not what was written"
        near = f", or entry {last.seq} before it was changed together with its hash" if last.seq == seq - 1 else ""
        return Break(seq, "changed", told + near)
    return None


def _gap(connection: sqlite3.Connection, last: Link, seq: int) -> Break:
    """Entries are missing in front of this one, and nobody trimmed them; or it stands where all had been trimmed."""
    if connection.execute("SELECT 1 FROM event_anchors WHERE seq >= ?", (seq,)).fetchone():
        return Break(seq, "inserted", f"entry {seq} stands among entries that were trimmed")
    missing = f"entry {seq - 1}" if last.seq + 2 == seq else f"entries {last.seq + 1} to {seq - 1}"
    return Break(last.seq + 1, "removed", f"{missing} had not been trimmed and cannot be found")


def _end(connection: sqlite3.Connection, begins: int, last: Link) -> Break | None:
    newest = counted(connection)
    if last.seq > newest:
        return Break(last.seq, "inserted", f"entry {last.seq} is newer than the newest that was written, {newest}")
    if last.seq == newest or newest <= begins or _anchor(connection, newest) is not None:
        return None
    missing = f"entry {newest}" if last.seq + 1 == newest else f"entries {last.seq + 1} to {newest}"
    return Break(last.seq + 1, "removed", f"{missing}, the newest, had not been trimmed and cannot be found")


def _hash(connection: sqlite3.Connection, seq: int) -> bytes | None:
    row = connection.execute(_HASH, (seq,)).fetchone()
    return _anchor(connection, seq) if row is None else row[0]


def _anchor(connection: sqlite3.Connection, seq: int) -> bytes | None:
    row = connection.execute(_ANCHOR, (seq,)).fetchone()
    return None if row is None else bytes(row[0])
