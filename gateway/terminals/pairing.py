"""The terminals that may connect. Their keys are held in memory as hashes, as the API keys are; a code makes one."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database
from gateway.kernel.errors import NotFound, TerminalUnknown, Unavailable
from gateway.kernel.ids import NewId
from gateway.terminals import store
from gateway.terminals.model import NewTerminal, Terminal
from gateway.web.limits import Buckets, Rate

CODE_CHARACTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without those that look like others: 0O1IL
CODE_LENGTH = 6
CODE_LASTS = timedelta(minutes=15)
KEY_PREFIX = "ery_term_"
KEY_BYTES = 32
TRIES = Rate(per_minute=20, burst=30)  # of one address, right codes and wrong ones
BEARER = "Bearer "


log = structlog.get_logger(__name__)


class Watcher(Protocol):
    """Who is told of what becomes of terminals."""

    def moved(self, terminal_id: str, terminal: Terminal | None) -> None:
        """It has another name or cell; None: it may not connect any more."""

    def meant(self, terminal: Terminal) -> None:
        """Its screen is to show that it is the one."""


class Terminals:
    def __init__(self, db: Database, clock: Clock, new_id: NewId) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._known: dict[str, tuple[str, Terminal]] | None = None  # id -> (hash of its key, it); not read yet
        self._tries = Buckets(TRIES, clock)
        self._watchers: list[Watcher] = []
        self._loading = asyncio.Lock()

    def watch(self, told: Watcher) -> None:
        self._watchers.append(told)

    async def load(self) -> None:
        """Read those that may connect; call it after any change to them."""
        async with self._loading:
            before = self._known or {}
            found = await self._db.read(store.paired)
            self._known = {one.id: (hashed, one) for hashed, one in found}
            for one_id, (_, old) in before.items():
                now = self._known.get(one_id)
                if now is None or now[1] != old:
                    for told in self._watchers:
                        told.moved(one_id, now[1] if now else None)

    def identify(self, authorization: str | None) -> Terminal:
        """Raises TerminalUnknown; Unavailable before they have been read."""
        if self._known is None:
            raise Unavailable("the gateway is starting: try again in a moment")
        key = (authorization or "").removeprefix(BEARER).strip()
        hashed = _digest(key)
        found = None
        for known, terminal in self._known.values():  # all of them, whichever it is: how long it takes tells nothing
            if hmac.compare_digest(known, hashed):
                found = terminal
        if found is None:
            raise TerminalUnknown("this terminal is not paired with the gateway, or not any more: pair it")
        return found

    async def code(self, wanted: NewTerminal) -> tuple[str, datetime]:
        """(a fresh code, until when it is good): only its hash is kept. Raises Invalid, Conflict."""
        code = "".join(secrets.choice(CODE_CHARACTERS) for _ in range(CODE_LENGTH))
        now = self._clock.now()
        expires_at = now + CODE_LASTS
        await self._db.write(store.keep_code, _digest(code), wanted, text(expires_at), text(now))
        log.info("terminal.code_made", name=wanted.name, cell_id=wanted.cell_id)
        return code, expires_at

    async def pair(self, code: str, about: Mapping[str, Any], source: str) -> tuple[str, Terminal]:
        """(its key: told once, only its hash is kept; the terminal). Raises NotFound, TooFast."""
        self._tries.take(source)
        key, terminal_id = KEY_PREFIX + secrets.token_hex(KEY_BYTES), self._new_id()
        plain = "".join(code.split()).upper()
        now = text(self._clock.now())
        await self._db.write(store.use_code, _digest(plain), terminal_id, _digest(key), about, now)
        await self.load()
        terminal = self.identify(BEARER + key)
        log.info("terminal.paired", terminal_id=terminal.id, name=terminal.name, source=source)
        return key, terminal

    async def change(self, terminal_id: str, values: Mapping[str, Any]) -> None:
        """name, cell_id, language, theme. Raises NotFound, Invalid."""
        await self._db.write(store.change, terminal_id, values)
        await self.load()

    async def revoke(self, terminal_id: str) -> None:
        """It may not connect any more, nor may its streams go on. Raises NotFound."""
        await self._db.write(store.revoke, terminal_id, text(self._clock.now()))
        await self.load()
        log.info("terminal.revoked", terminal_id=terminal_id)

    def of(self, terminal_id: str) -> Terminal:
        """Raises NotFound."""
        if self._known is None or terminal_id not in self._known:
            raise NotFound(f'no terminal that may connect has the id "{terminal_id}"')
        return self._known[terminal_id][1]

    def mean(self, terminal_id: str) -> None:
        """Its screen shows that it is the one, if it is there. Raises NotFound."""
        terminal = self.of(terminal_id)
        for told in self._watchers:
            told.meant(terminal)

    def seen(self, terminal: Terminal, told: Mapping[str, Any]) -> None:
        """How it says that it stands: for people, so written when there is time."""
        self._db.write_soon(f"terminal:{terminal.id}", store.seen, terminal.id, told, text(self._clock.now()))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()
