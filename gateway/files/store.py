"""All SQL about files and the addresses given out for uploads that is not a declaration."""

import json
import sqlite3
from collections.abc import Iterable

from gateway.files.model import File
from gateway.kernel.db import Tx
from gateway.kernel.errors import Busy, Conflict, Forbidden
from gateway.outbox.event import encode

OFFERS_MAX = 10_000  # addresses that are held open at once
FORGET_SLICE = 500

_FILE = "SELECT id, bucket, path, content_type, size_bytes, sha256, created_at FROM files"
_AT_PATHS = _FILE + " WHERE path IN (SELECT value FROM json_each(?))"  # nosec B608 # noqa: S608 -- constants only
_EXPECT = """
INSERT INTO files_to_come (path, table_name, row_id, gateway_id, sha256, told_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (path, table_name, row_id) DO NOTHING
"""
_TAKEN = "SELECT 1 FROM files WHERE path = ?1 UNION ALL SELECT 1 FROM file_offers WHERE path = ?1 LIMIT 1"
_FORGET = """
DELETE FROM file_offers WHERE nonce IN (SELECT nonce FROM file_offers WHERE expires_at < ? ORDER BY expires_at LIMIT ?)
"""
_REVOKED = "SELECT 1 FROM api_keys WHERE id = ? AND active = 0"


def tenant_id(connection: sqlite3.Connection) -> str:
    found = connection.execute("SELECT value FROM gateway_state WHERE key = 'tenant_id'").fetchone()
    return str(found[0])


def at_path(connection: sqlite3.Connection, path: str) -> File | None:
    return at_paths(connection, (path,)).get(path)


def at_paths(connection: sqlite3.Connection, paths: Iterable[str]) -> dict[str, File]:
    """Those of them that are stored here."""
    return {row["path"]: File(*row) for row in connection.execute(_AT_PATHS, (encode([*paths]),))}


def by_id(connection: sqlite3.Connection, file_id: str) -> File | None:
    found = connection.execute(_FILE + " WHERE id = ?", (file_id,)).fetchone()
    return File(*found) if found else None


def kept(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """(bucket, id) of every file."""
    return {(row[0], row[1]) for row in connection.execute("SELECT bucket, id FROM files")}


def image_paths(row: sqlite3.Row) -> list[str]:
    """Of a row of parts."""
    found: list[str] = json.loads(row["image_paths"])
    return found


# ------------------------------------------------------------------ addresses for uploads


def is_taken(connection: sqlite3.Connection, path: str) -> bool:
    """By a file, or by somebody who was given the address for it."""
    return connection.execute(_TAKEN, (path,)).fetchone() is not None


def require_room_for_offer(connection: sqlite3.Connection, over: str) -> None:
    """Raises Busy. `over`: what expired before is not counted."""
    count = connection.execute("SELECT count(*) FROM file_offers WHERE expires_at >= ?", (over,)).fetchone()[0]
    if count >= OFFERS_MAX:
        raise Busy(f"{count} addresses for uploads are open: use them, or wait until they expire")


def offer(tx: Tx, nonce: str, path: str, expires_at: str) -> None:
    tx.execute("INSERT INTO file_offers (nonce, path, expires_at) VALUES (?, ?, ?)", (nonce, path, expires_at))


def forget_offers(tx: Tx, over: str) -> None:
    """A slice of those that expired before `over`."""
    tx.execute(_FORGET, (over, FORGET_SLICE))


def require_unused(connection: sqlite3.Connection, nonce: str) -> None:
    """Raises Conflict: used; Forbidden: never given out, or long over."""
    found = connection.execute("SELECT used_at FROM file_offers WHERE nonce = ?", (nonce,)).fetchone()
    if found is None:
        raise not_allowed()
    if found["used_at"] is not None:
        raise Conflict("something was uploaded to this address already: ask for a new one for another file")


def use(tx: Tx, nonce: str, now: str) -> None:
    tx.execute("UPDATE file_offers SET used_at = ? WHERE nonce = ?", (now, nonce))


def require_key(connection: sqlite3.Connection, key_id: str) -> None:
    """Raises Forbidden: the key in whose name an address was signed has been revoked since."""
    if connection.execute(_REVOKED, (key_id,)).fetchone() is not None:
        raise not_allowed()


def not_allowed() -> Forbidden:
    """One text, whatever is wrong with a signed address."""
    return Forbidden("this address is not valid, or not any more: ask for a new one")


# ------------------------------------------------------------------ files of gateways below


def digest_at(connection: sqlite3.Connection, path: str) -> str | None:
    """Of the file that is stored at a path, or is to come there."""
    sql = "SELECT sha256 FROM files WHERE path = ?1 UNION ALL SELECT sha256 FROM files_to_come WHERE path = ?1 LIMIT 1"
    found = connection.execute(sql, (path,)).fetchone()
    return found[0] if found else None


def expect(tx: Tx, path: str, sha256: str, row: tuple[str, str], gateway_id: str, now: str) -> None:
    """A row, (table, id), lists a file whose bytes the gateway still has to bring."""
    tx.execute(_EXPECT, (path, *row, gateway_id, sha256, now))


def expect_no_more(tx: Tx, path: str, row: tuple[str, str]) -> None:
    """A row does not list it any more."""
    tx.execute("DELETE FROM files_to_come WHERE path = ? AND table_name = ? AND row_id = ?", (path, *row))


def to_come(connection: sqlite3.Connection, paths: Iterable[str]) -> set[str]:
    """Those of them whose bytes a gateway below still has to bring."""
    sql = "SELECT path FROM files_to_come WHERE path IN (SELECT value FROM json_each(?))"
    return {row[0] for row in connection.execute(sql, (encode([*paths]),))}


def came(tx: Tx, path: str) -> list[tuple[str, str]]:
    """Nobody waits for it any more. The rows that did, as (table, id)."""
    rows = tx.execute("DELETE FROM files_to_come WHERE path = ? RETURNING table_name, row_id", (path,)).fetchall()
    return sorted((row[0], row[1]) for row in rows)
