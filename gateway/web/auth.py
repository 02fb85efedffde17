"""API keys: who is asking. All keys are held in memory, so that no request waits for the database to learn that.

A key that nobody here knows may be one that the cloud made: `learn` asks there, once, and then it is known here, too.
"""

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import sqlite3
from collections import defaultdict
from dataclasses import dataclass

import structlog

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import Conflict, NotFound, Unauthorized, Unavailable
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.web.learning import Learning
from gateway.web.routes import Caller, Scope

PREFIXES = ("ery_live_", "ery_test_")
PREFIX_CHARACTERS = 12
SECRET_BYTES = 16
USED_EVERY_S = 60.0  # `last_used_at` is for people: written at most this often per key
UNKNOWN = "Invalid API key"

_FORM = re.compile(r"[\x21-\x7e]{1,200}")  # what may be a key of the cloud's: it is asked about in a header

log = structlog.get_logger(__name__)


class UnknownKey(Unauthorized):
    """In the right form, and nobody here knows it, or not any more: the cloud may."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is asked for. `cells` holds cell ids, None means all; `created_by` is the profile of who asks."""

    name: str
    scope: Scope
    cells: tuple[str, ...] | None = None
    operator_id: str | None = None
    created_by: str | None = None
    gateway_id: str | None = None


class Keys:
    """Without `learning` only the keys that are here count."""

    def __init__(self, db: Database, clock: Clock, new_id: NewId, learning: Learning | None = None) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._learning = learning
        self._by_prefix: dict[str, list[tuple[str, Caller]]] | None = None  # not read yet
        self._confirmed_s: dict[str, float] = {}  # of keys that the cloud made: when it last took them
        self._ended: frozenset[str] = (
            frozenset()
        )  # hashes of keys that a person ended: the cloud is not asked about them
        self._used_s: dict[str, float] = {}
        self._loading = asyncio.Lock()

    @property
    def loaded(self) -> bool:
        return self._by_prefix is not None

    async def load(self) -> None:
        """Read the active keys; call it after any change to them."""
        async with self._loading:  # who reads last has read last
            await self._load()

    async def _load(self) -> None:
        found: defaultdict[str, list[tuple[str, Caller]]] = defaultdict(list)
        confirmed_s, ended = {}, set()
        for row in await self._db.read(_all):
            if not row["active"]:
                if row["refused_at"] is None:
                    ended.add(row["key_hash"])
                continue
            if row["verified_at"] is not None:
                confirmed_s[row["id"]] = self._clock.monotonic() - self._age_s(row["verified_at"])
            cells = None if row["cells"] is None else frozenset(json.loads(row["cells"]))
            scope = Scope[row["scope"].upper()]
            caller = Caller(row["id"], row["name"], scope, cells, row["operator_id"], row["gateway_id"])
            found[row["key_prefix"]].append((row["key_hash"], caller))
        self._by_prefix, self._confirmed_s, self._ended = dict(found), confirmed_s, frozenset(ended)

    def _age_s(self, stamp: str) -> float:
        """Nothing ends by a clock that cannot be trusted."""
        now = self._clock.now()
        return max(0.0, (now - time_.parse(stamp)).total_seconds()) if time_.trusted(now) else 0.0

    def identify(self, authorization: str | None) -> Caller:
        """Raises Unauthorized, which says no more than the cloud's does; UnknownKey, then `learn` may know more; Unavailable
        before the keys have been read.
        """
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
            known_bad = self._learning is None or hashed in self._ended or _FORM.fullmatch(key) is None
            raise Unauthorized(UNKNOWN) if known_bad else UnknownKey(UNKNOWN)
        if caller.key_id in self._confirmed_s and not self._still_good(caller.key_id, key):
            raise UnknownKey(UNKNOWN)
        now_s = self._clock.monotonic()
        if now_s - self._used_s.get(caller.key_id, -USED_EVERY_S) >= USED_EVERY_S:
            self._used_s[caller.key_id] = now_s
            self._db.write_soon(f"key:{caller.key_id}", _used, caller.key_id, text(self._clock.now()))
        return caller

    def _still_good(self, key_id: str, key: str) -> bool:
        return self._learning is not None and self._learning.used(key_id, key, self._confirmed_s[key_id])

    async def learn(self, authorization: str, source: str) -> Caller:
        """Who a key is that `identify` does not know; `source` is the address that it came from.

        Raises Unauthorized when the cloud does not take it either, Unavailable when that cannot be found out.
        """
        key = authorization[7:].strip()
        hashed = digest(key)
        if self._learning is None:
            raise Unauthorized(UNKNOWN)
        if not await self._learning.asked(key, hashed, source):
            await self._refused(hashed)
            raise Unauthorized(UNKNOWN)
        now = text(self._clock.now())
        await self._db.write(_learn, self._new_id(), key, now)
        await self.load()
        caller = self.identify(authorization)
        log.info("key.learnt", key_id=caller.key_id, key_prefix=key[:PREFIX_CHARACTERS])
        return caller

    async def run(self, link: Link) -> None:
        """For ever: ask the cloud again about its keys that are in use. Raises Unavailable when it cannot be asked."""
        link.up()
        while self._learning is not None:
            key_id, taken = await self._learning.due()
            link.up()
            if taken:
                await self._db.write(_confirm, key_id, text(self._clock.now()))
                await self.load()
            else:
                await self._refused(await self._db.read(_hash_of, key_id))

    async def _refused(self, hashed: str) -> None:
        """The cloud does not take it any more, if it is one of the cloud's."""
        key_id = await self._db.write(_refuse, hashed, text(self._clock.now()))
        if key_id is not None:
            log.warning("key.refused_by_cloud", key_id=key_id)
            await self.load()

    async def create(self, wanted: NewKey) -> tuple[str, str]:
        """(id, the key itself: shown once, only its hash is kept)."""
        key, key_id = fresh(), self._new_id()
        await self._db.write(insert, key_id, wanted, key, text(self._clock.now()))
        await self.load()
        return key_id, key

    async def adopt(self, key: str, wanted: NewKey) -> str:
        """Accept a key that somebody else made (the demo's, a test's). Known already: nothing happens."""
        key_id = self._new_id()
        await self._db.write(insert, key_id, wanted, key, text(self._clock.now()))
        await self.load()
        return key_id

    async def revoke(self, name_or_id: str) -> None:
        """Raises NotFound; Conflict when several active keys have that name."""
        await self._db.write(_revoke, name_or_id)
        await self.load()


def fresh() -> str:
    """A new key, of which only the hash is ever kept."""
    return PREFIXES[0] + secrets.token_hex(SECRET_BYTES)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


def listed(connection: sqlite3.Connection) -> list[dict[str, object]]:
    """Every key without its hash, newest first."""
    rows = connection.execute(
        "SELECT id, name, key_prefix, scope, cells, operator_id, gateway_id, active, origin, created_at, last_used_at, verified_at "
        "FROM api_keys ORDER BY created_at DESC, id DESC"
    )
    return [
        dict(row) | {"cells": None if row["cells"] is None else json.loads(row["cells"]), "active": bool(row["active"])}
        for row in rows
    ]


def _all(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT id, name, key_hash, key_prefix, scope, cells, operator_id, gateway_id, active, verified_at, refused_at "
        "FROM api_keys"
    ).fetchall()


def insert(tx: Tx, key_id: str, wanted: NewKey, key: str, now: str) -> None:
    """Call `Keys.load` afterwards. A key that is there already stays as it is."""
    cells = None if wanted.cells is None else json.dumps(wanted.cells)
    tx.execute(
        "INSERT INTO api_keys (id, name, key_hash, key_prefix, scope, cells, operator_id, created_by, created_at, gateway_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key_hash) DO NOTHING",
        (
            key_id,
            wanted.name,
            digest(key),
            key[:PREFIX_CHARACTERS],
            wanted.scope.name.lower(),
            cells,
            wanted.operator_id,
            wanted.created_by,
            now,
            wanted.gateway_id,
        ),
    )


def _learn(tx: Tx, key_id: str, key: str, now: str) -> None:
    """One that a person has ended here stays so, whatever the cloud says."""
    prefix = key[:PREFIX_CHARACTERS]
    tx.execute(
        "INSERT INTO api_keys (id, name, key_hash, key_prefix, scope, origin, created_at, verified_at) "
        "VALUES (?1, ?2, ?3, ?4, 'admin', 'cloud', ?5, ?5) ON CONFLICT (key_hash) DO UPDATE SET active = 1, "
        "verified_at = ?5, refused_at = NULL WHERE origin = 'cloud' AND (active = 1 OR refused_at IS NOT NULL)",
        (key_id, f"cloud key {prefix}", digest(key), prefix, now),
    )


def _confirm(tx: Tx, key_id: str, now: str) -> None:
    tx.execute("UPDATE api_keys SET verified_at = ? WHERE id = ? AND active = 1", (now, key_id))


def _refuse(tx: Tx, hashed: str, now: str) -> str | None:
    """The id of the key that ended by this."""
    ended = tx.execute(
        "UPDATE api_keys SET active = 0, refused_at = ? WHERE key_hash = ? AND origin = 'cloud' AND active = 1 RETURNING id",
        (now, hashed),
    ).fetchone()
    return None if ended is None else str(ended[0])


def _hash_of(connection: sqlite3.Connection, key_id: str) -> str:
    return str(connection.execute("SELECT key_hash FROM api_keys WHERE id = ?", (key_id,)).fetchone()[0])


def _revoke(tx: Tx, name_or_id: str) -> None:
    found = tx.execute("SELECT id FROM api_keys WHERE active = 1 AND (id = ?1 OR name = ?1)", (name_or_id,)).fetchall()
    if not found:
        raise NotFound(f'no active key has the name or id "{name_or_id}": `keys list` shows them')
    if len(found) > 1:
        raise Conflict(f'{len(found)} active keys are called "{name_or_id}": give the id instead')
    tx.execute("UPDATE api_keys SET active = 0 WHERE id = ?", (found[0]["id"],))


def _used(tx: Tx, key_id: str, now: str) -> None:
    tx.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", (now, key_id))
