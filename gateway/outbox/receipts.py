"""Idempotency: a key and the answer that was given for it, stored in the command's own transaction.

The same key with the same request gets the first answer again; with another request it is refused. Only what was done is
kept: a refusal is judged anew.
"""

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Concatenate, ParamSpec

from gateway.kernel.db import Tx
from gateway.kernel.errors import KeyReused, StillRunning
from gateway.outbox.event import Stamp, encode

KEEP_DAYS = 30
TRIM_SLICE = 1_000

P = ParamSpec("P")

_KNOWN = "SELECT request_hash, status, answer FROM receipts WHERE space = ? AND key = ?"
_KEYS = "SELECT key FROM receipts WHERE space = ? AND key IN (SELECT value FROM json_each(?))"
_KEEP = """
INSERT INTO receipts (space, key, request_hash, status, answer, head, recorded_at)
VALUES (?, ?, ?, ?, ?, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0), ?)
"""

# As in the journal: old ones stand at the beginning, looking stops at the first that is neither old nor of the future.
_FIRST_YOUNG = "SELECT id FROM receipts WHERE recorded_at >= ? AND recorded_at <= ? ORDER BY id LIMIT 1"
_FORGET = """
DELETE FROM receipts WHERE id IN (
  SELECT id FROM receipts WHERE id < ? AND head <= ? AND recorded_at < ? ORDER BY id LIMIT ?)
"""
_NO_END = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request of one sender. `space` keeps senders apart: `rest:<key id>`, `mqtt:<device>` ...

    `fresh`: the key was made just now, nobody can have used it before. `guard` raises when the request is not meant for what
    is there now; a request that was carried out before is past that. `origin`: the gateway that did it, if not this one.
    `queued` is called when it is its turn at the writer: what is asked for from then on is carried out after it.
    """

    space: str
    key: str
    request_hash: bytes
    fresh: bool = False
    guard: Callable[[Tx], None] | None = None
    origin: str | None = None
    queued: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a way in gives back. `data` is finished JSON text, so that it is built once and kept as it is.

    `etag`: of what was read, with its quotes.
    """

    status: int
    data: str
    replayed: bool = False
    etag: str = ""


class Running:
    """Requests that take long, while they do: only one of each key. What is quick meets in the writer's one thread."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()

    @contextlib.contextmanager
    def alone(self, receipt: Receipt) -> Iterator[None]:
        """Raises StillRunning."""
        key = (receipt.space, receipt.key)
        if key in self._keys:
            raise StillRunning(f'a request with the Idempotency-Key "{receipt.key}" is still running: ask again later')
        self._keys.add(key)
        try:
            yield
        finally:
            self._keys.discard(key)


def request_hash(*parts: str | bytes) -> bytes:
    """What makes a request the same request: method, path, query and body, or topic and payload."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()


def once(
    tx: Tx,
    receipt: Receipt | None,
    stamp: Stamp,
    body: Callable[Concatenate[Tx, Stamp, P], Answer],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Answer:
    """Run `body(tx, stamp, *args)` unless this receipt has been answered before.

    Raises KeyReused when the key belongs to another request, and whatever its guard and `body` raise.
    """
    if receipt is None:
        return body(tx, stamp, *args, **kwargs)
    if known := answered(tx, receipt):
        return known
    if receipt.guard is not None:
        receipt.guard(tx)
    answer = body(tx, stamp, *args, **kwargs)
    tx.execute(_KEEP, (receipt.space, receipt.key, receipt.request_hash, answer.status, answer.data, stamp.text))
    return answer


def answered(connection: sqlite3.Connection, receipt: Receipt) -> Answer | None:
    """The answer that was given before. Raises KeyReused."""
    if receipt.fresh:
        return None
    known = connection.execute(_KNOWN, (receipt.space, receipt.key)).fetchone()
    if known is None:
        return None
    if known[0] != receipt.request_hash:
        raise KeyReused(f'Idempotency-Key "{receipt.key}" was used for another request: take a fresh key')
    return Answer(known[1], known[2], replayed=True)


def known(connection: sqlite3.Connection, space: str, keys: Collection[str]) -> frozenset[str]:
    """Those of the keys under which something was carried out."""
    found = connection.execute(_KEYS, (space, encode([*keys])))
    return frozenset(row[0] for row in found)


def trim(tx: Tx, *, sent_up_to: int, recorded_before: str, now: str) -> int:
    """Delete one slice of receipts that are old and whose events the uplink has sent. Returns how many went."""
    young = tx.execute(_FIRST_YOUNG, (recorded_before, now)).fetchone()
    end = young[0] if young else _NO_END
    return tx.execute(_FORGET, (end, sent_up_to, recorded_before, TRIM_SLICE)).rowcount
