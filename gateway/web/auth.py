"""API keys: who is asking. All keys are held in memory, so that no request waits for the database to learn that."""

import hashlib
import hmac
import json
import secrets
import sqlite3
from collections import defaultdict
from dataclasses import dataclass

from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import Conflict, NotFound, Unauthorized, Unavailable
from gateway.kernel.ids import NewId
from gateway.web.routes import Caller, Scope

PREFIXES = ("ery_live_", "ery_test_")
PREFIX_CHARACTERS = 12
SECRET_BYTES = 16
USED_EVERY_S = 60.0  # `last_used_at` is for people: written at most this often per key


@dataclass(frozen=True, slots=True)
class NewKey:
    """What `keys create` asks for. `cells` holds cell ids, None means all."""

    name: str
    scope: Scope
    cells: tuple[str, ...] | None = None
    operator_id: str | None = None


class Keys:
    def __init__(self, db: Database, clock: Clock, new_id: NewId) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._by_prefix: dict[str, list[tuple[str, Caller]]] | None = None  # not read yet
        self._used_s: dict[str, float] = {}

    @property
    def loaded(self) -> bool:
        return self._by_prefix is not None

    async def load(self) -> None:
        """Read the active keys; call it after any change to them."""
        found: defaultdict[str, list[tuple[str, Caller]]] = defaultdict(list)
        for row in await self._db.read(_active):
            cells = None if row["cells"] is None else frozenset(json.loads(row["cells"]))
            caller = Caller(row["id"], row["name"], Scope[row["scope"].upper()], cells, row["operator_id"])
            found[row["key_prefix"]].append((row["key_hash"], caller))
        self._by_prefix = dict(found)

    def identify(self, authorization: str | None) -> Caller:
        """Raises Unauthorized, which says no more than the cloud's does; Unavailable before the keys have been read."""
        if self._by_prefix is None:
            raise Unavailable("the gateway is starting: try again in a moment")
        if authorization is None or not authorization.startswith("Bearer ") or not (key := authorization[7:].strip()):
            raise Unauthorized("Missing or invalid authorization header")
        if not key.startswith(PREFIXES):
            raise Unauthorized("Invalid API key format")
        hashed = digest(key)
        caller = None
        for candidate, owner in self._by_prefix.get(key[:PREFIX_CHARACTERS], ()):
            if hmac.compare_digest(candidate, hashed):
                caller = owner
        if caller is None:
            raise Unauthorized("Invalid API key")
        now_s = self._clock.monotonic()
        if now_s - self._used_s.get(caller.key_id, -USED_EVERY_S) >= USED_EVERY_S:
            self._used_s[caller.key_id] = now_s
            self._db.write_soon(f"key:{caller.key_id}", _used, caller.key_id, text(self._clock.now()))
        return caller

    async def create(self, wanted: NewKey) -> tuple[str, str]:
        """(id, the key itself: shown once, only its hash is kept)."""
        key = PREFIXES[0] + secrets.token_hex(SECRET_BYTES)
        key_id = self._new_id()
        await self._db.write(_insert, key_id, wanted, key, text(self._clock.now()))
        await self.load()
        return key_id, key

    async def adopt(self, key: str, wanted: NewKey) -> str:
        """Accept a key that somebody else made (the demo's, a test's). Known already: nothing happens."""
        key_id = self._new_id()
        await self._db.write(_insert, key_id, wanted, key, text(self._clock.now()))
        await self.load()
        return key_id

    async def revoke(self, name_or_id: str) -> None:
        """Raises NotFound; Conflict when several active keys have that name."""
        await self._db.write(_revoke, name_or_id)
        await self.load()


def digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


def listed(connection: sqlite3.Connection) -> list[dict[str, object]]:
    """Every key without its hash, newest first."""
    rows = connection.execute(
        "SELECT id, name, key_prefix, scope, cells, operator_id, active, created_at, last_used_at "
        "FROM api_keys ORDER BY created_at DESC, id DESC"
    )
    return [
        dict(row) | {"cells": None if row["cells"] is None else json.loads(row["cells"]), "active": bool(row["active"])}
        for row in rows
    ]


def _active(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT id, name, key_hash, key_prefix, scope, cells, operator_id FROM api_keys WHERE active = 1"
    ).fetchall()


def _insert(tx: Tx, key_id: str, wanted: NewKey, key: str, now: str) -> None:
    cells = None if wanted.cells is None else json.dumps(wanted.cells)
    tx.execute(
        "INSERT INTO api_keys (id, name, key_hash, key_prefix, scope, cells, operator_id, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key_hash) DO NOTHING",
        (
            key_id,
            wanted.name,
            digest(key),
            key[:PREFIX_CHARACTERS],
            wanted.scope.name.lower(),
            cells,
            wanted.operator_id,
            now,
        ),
    )


def _revoke(tx: Tx, name_or_id: str) -> None:
    found = tx.execute("SELECT id FROM api_keys WHERE active = 1 AND (id = ?1 OR name = ?1)", (name_or_id,)).fetchall()
    if not found:
        raise NotFound(f'no active key has the name or id "{name_or_id}": `keys list` shows them')
    if len(found) > 1:
        raise Conflict(f'{len(found)} active keys are called "{name_or_id}": give the id instead')
    tx.execute("UPDATE api_keys SET active = 0 WHERE id = ?", (found[0]["id"],))


def _used(tx: Tx, key_id: str, now: str) -> None:
    tx.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", (now, key_id))
