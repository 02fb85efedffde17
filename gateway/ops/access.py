"""Who comes in at the operations page: with its password, with an admin key, or the first time with a code. Sessions live in
memory: a restart ends them.
"""

import asyncio
import hashlib
import ipaddress
import secrets
import sqlite3
from collections import deque
from dataclasses import dataclass, field

import structlog

from gateway.kernel import state
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import Forbidden, Invalid, Unauthorized
from gateway.ops import passwords
from gateway.web.auth import Keys
from gateway.web.limits import Exceeded
from gateway.web.routes import Caller, Scope

PASSWORD_KEY, CODE_KEY = "ops.password", "ops.code"  # in gateway_state, both hashed
SESSIONS_MAX = 50  # the one that was not used for longest gives way
IDLE_MAX_S = 3_600.0
SESSION_MAX_S = 12 * 3_600.0
WRONG_MAX = 5  # tries from one address
WRONG_WITHIN_S = 900.0
SOURCES_MAX = 1_000
WITH_PASSWORD = Caller("ops", "operations page", Scope.ADMIN)
NOT_IN = "sign in first: the session has ended, or there never was one"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Session:
    """`csrf` has to come with every change. `key`: what it was opened with, asked about again on every request."""

    who: Caller
    csrf: str
    source: str
    opened_s: float
    used_s: float
    key: str | None = field(default=None, repr=False)


class Access:
    def __init__(self, db: Database, clock: Clock, keys: Keys) -> None:
        self._db = db
        self._clock = clock
        self._keys = keys
        self._sessions: dict[str, Session] = {}  # by the hash of its token
        self._wrong = Wrong(clock)
        self._hashing = asyncio.Lock()  # one at a time: each takes 16 MiB

    async def ready(self) -> dict[str, bool]:
        """`password`: one is set. `code`: a first run is waited for."""
        password, code = await self._db.read(_kept)
        return {"password": password is not None, "code": code is not None}

    async def enter(self, source: str, *, password: str | None = None, key: str | None = None) -> tuple[str, Session]:
        """(token, session). Raises Unauthorized, Forbidden, Exceeded."""
        self._wrong.require(source)
        if key is not None:
            return self._open(self._admin(key, source), source, key)
        kept, _ = await self._db.read(_kept)
        if kept is None:
            raise Unauthorized("no password is set yet: sign in with an admin key, or use the code that `init` printed")
        if not await self._matches(password or "", kept):
            raise self._refused(source, "the password is wrong")
        self._wrong.forget(source)
        return self._open(WITH_PASSWORD, source)

    async def redeem(self, source: str, code: str, password: str) -> tuple[str, Session]:
        """The code of the first run sets the password and opens a session; it is used up. Raises as `enter`, and Invalid."""
        self._wrong.require(source)
        fit(password)
        _, kept = await self._db.read(_kept)
        if kept is None:
            raise Unauthorized("no code is waited for: `eryxon-gateway ops code` prints one")
        if not await self._matches(passwords.plain(code), kept):
            raise self._refused(source, "the code is wrong: `eryxon-gateway ops code` prints another")
        await self._set(password, used=kept)
        log.info("ops.password_set", by="code", source=source)
        return self._open(WITH_PASSWORD, source)

    async def set_password(self, password: str) -> None:
        """Ends every session that was opened with the old one. Raises Invalid."""
        fit(password)
        await self._set(password, used=None)
        self._sessions = {token: one for token, one in self._sessions.items() if one.key is not None}
        log.info("ops.password_set", by="admin")

    def session(self, token: str) -> Session:
        """Raises Unauthorized."""
        hashed = _digest(token)
        found = self._sessions.get(hashed)
        now_s = self._clock.monotonic()
        if found is None or now_s - found.used_s > IDLE_MAX_S or now_s - found.opened_s > SESSION_MAX_S:
            self._sessions.pop(hashed, None)
            raise Unauthorized(NOT_IN)
        if found.key is not None:
            self._keys.identify(f"Bearer {found.key}")  # it may have been revoked meanwhile
        found.used_s = now_s
        return found

    def leave(self, token: str) -> None:
        self._sessions.pop(_digest(token), None)

    def _admin(self, key: str, source: str) -> Caller:
        try:
            caller = self._keys.identify(f"Bearer {key.strip()}")
        except Unauthorized:
            raise self._refused(source, "this key is not known here") from None
        if caller.scope is not Scope.ADMIN or caller.cells is not None:
            raise Forbidden("the operations page needs a key with the scope admin, for all cells")
        return caller

    def _open(self, who: Caller, source: str, key: str | None = None) -> tuple[str, Session]:
        while len(self._sessions) >= SESSIONS_MAX:
            del self._sessions[min(self._sessions, key=lambda one: self._sessions[one].used_s)]
        token, now_s = secrets.token_urlsafe(32), self._clock.monotonic()
        session = Session(who, secrets.token_urlsafe(32), source, now_s, now_s, key and key.strip())
        self._sessions[_digest(token)] = session
        log.info("ops.signed_in", who=who.name, source=source)
        return token, session

    def _refused(self, source: str, what: str) -> Unauthorized:
        self._wrong.note(source)
        log.warning("ops.refused", source=source, what=what)
        return Unauthorized(what)

    async def _matches(self, secret: str, kept: str) -> bool:
        async with self._hashing:
            return await asyncio.to_thread(passwords.matches, secret, kept)

    async def _set(self, password: str, used: str | None) -> None:
        """`used`: the hash of the code that it costs. Raises Unauthorized when that is gone meanwhile."""
        async with self._hashing:
            hashed = await asyncio.to_thread(passwords.hashed, password)
        await self._db.write(_put_password, hashed, used)


class Wrong:
    """Wrong tries, by address. Whoever sits at the box itself is never shut out: he could read the database anyway."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: dict[str, deque[float]] = {}

    def require(self, source: str) -> None:
        """Raises Exceeded."""
        tries, now_s = self._tries.get(source, deque()), self._clock.monotonic()
        while tries and now_s - tries[0] > WRONG_WITHIN_S:
            tries.popleft()
        if len(tries) < WRONG_MAX or _loopback(source):
            return
        wait_s = int(WRONG_WITHIN_S - (now_s - tries[0])) + 1
        raise Exceeded(
            f"{WRONG_MAX} wrong tries from {source}: locked for {wait_s} s, or sign in on the gateway itself",
            {"limit": WRONG_MAX, "remaining": 0, "retryAfter": wait_s},
            {"Retry-After": str(wait_s)},
        )

    def note(self, source: str) -> None:
        if source not in self._tries and len(self._tries) >= SOURCES_MAX:
            del self._tries[next(iter(self._tries))]
        self._tries.setdefault(source, deque(maxlen=WRONG_MAX)).append(self._clock.monotonic())

    def forget(self, source: str) -> None:
        self._tries.pop(source, None)


async def make_code(db: Database) -> str:
    """A new code for `/ops/setup`; one that was there before is worth nothing any more."""
    code = passwords.new_code()
    await db.write(state.put, CODE_KEY, await asyncio.to_thread(passwords.hashed, passwords.plain(code)))
    return code


def fit(password: str) -> None:
    """Raises Invalid."""
    if not passwords.PASSWORD_MIN <= len(password) <= passwords.PASSWORD_MAX:
        told = (
            f"a password has {passwords.PASSWORD_MIN} to {passwords.PASSWORD_MAX} characters, this one {len(password)}"
        )
        raise Invalid(told, [{"field": "password", "message": told, "constraint": "MIN_LENGTH"}])


def _kept(connection: sqlite3.Connection) -> tuple[str | None, str | None]:
    return state.get(connection, PASSWORD_KEY), state.get(connection, CODE_KEY)


def _put_password(tx: Tx, hashed: str, used: str | None) -> None:
    if used is not None and state.get(tx, CODE_KEY) != used:
        raise Unauthorized("this code was used a moment ago")
    state.put(tx, PASSWORD_KEY, hashed)
    state.forget(tx, CODE_KEY)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def _loopback(source: str) -> bool:
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return not source  # the socket in the data folder
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
