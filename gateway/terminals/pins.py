"""PINs of people, checked here and known nowhere else: not in the cloud, not in an export, not in a backup.

Four to six digits are guessed in seconds by whoever has what they are compared with. So a verifier is made of the PIN *and* of a
key of this box, which no copy of the database holds; and an attempt counts before it is looked at, so that neither many at once nor
a restart gives more of them.
"""

import asyncio
import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime

import structlog

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import PinLocked, PinNotSet, PinWrong
from gateway.kernel.secrets import Secrets
from gateway.terminals import rules, store
from gateway.terminals.model import Person, Pin
from gateway.web.limits import Buckets, Rate

# About 50 ms and 16 MiB on a small box.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
SCRYPT_MAX_BYTES = 64 * 1024 * 1024
SALT_BYTES = 16
VERIFIER_BYTES = 32
AT_ONCE_MAX = 2  # scrypts: others want the processor, too
ATTEMPTS = Rate(per_minute=30, burst=10)  # of one terminal, whoever is meant
log = structlog.get_logger(__name__)
_PURPOSE, _NAME = "terminal-pins", "terminal-pins-box"


@dataclass(frozen=True, slots=True)
class _Kept:
    salt: bytes
    verifier: bytes
    attempts_left: int


class Pins:
    def __init__(self, db: Database, clock: Clock, box: Secrets) -> None:
        self._db = db
        self._clock = clock
        self._box = box
        self._few = asyncio.Semaphore(AT_ONCE_MAX)
        self._attempts = Buckets(ATTEMPTS, clock)

    async def check(self, person: Person, pin: Pin, terminal_id: str) -> None:
        """Raises PinNotSet, PinLocked, PinWrong, TooFast."""
        self._attempts.take(terminal_id)
        box = await self.box()
        kept = await self._db.write(_attempt, person, box, self._clock.now())
        if not hmac.compare_digest(await self._verifier(pin, kept.salt), kept.verifier):
            if not kept.attempts_left:
                log.warning("terminal.pin_locked", operator_id=person.id, terminal_id=terminal_id)
                raise _locked(person, rules.LOCKED.total_seconds())
            raise PinWrong(f"wrong PIN, {kept.attempts_left} left", {"attempts_left": kept.attempts_left})
        await self._db.write(store.count_attempt, person.id, 0, None)

    async def set(self, person: Person, pin: Pin) -> None:
        """Raises Invalid."""
        rules.check_pin(pin)
        salt = secrets.token_bytes(SALT_BYTES)
        verifier = await self._verifier(pin, salt)
        now = time_.text(self._clock.now())
        await self._db.write(store.keep_pin, person.id, await self.box(), salt, verifier, now)

    async def box(self) -> str:
        """The name of this box, as it stands beside its PINs."""
        return (await asyncio.to_thread(self._box.derived, _NAME)).hex()

    async def _verifier(self, pin: Pin, salt: bytes) -> bytes:
        async with self._few:
            return await asyncio.to_thread(self._made, pin, salt)

    def _made(self, pin: Pin, salt: bytes) -> bytes:
        secret = hmac.digest(self._box.derived(_PURPOSE), pin.digits.encode(errors="replace"), "sha256")
        cost = {"n": SCRYPT_N, "r": SCRYPT_R, "p": SCRYPT_P, "maxmem": SCRYPT_MAX_BYTES}
        return hashlib.scrypt(secret, salt=salt, dklen=VERIFIER_BYTES, **cost)


def _attempt(tx: Tx, person: Person, box: str, now: datetime) -> _Kept:
    """One more of those that are left. Raises PinNotSet, PinLocked."""
    row = store.pin(tx, person.id)
    if row is None or row["box"] != box:
        raise PinNotSet(f"{person.name} has no PIN on this gateway yet: a supervisor sets one")
    until = time_.parse(row["locked_until"]) if row["locked_until"] else None
    if left_s := rules.locked_for_s(until, now):
        raise _locked(person, left_s)
    wrong = (row["wrong"] if until is None else 0) + 1  # after a lock they are counted anew
    lock = time_.text(now + rules.LOCKED) if wrong >= rules.WRONG_MAX else None
    store.count_attempt(tx, person.id, wrong, lock)
    return _Kept(row["salt"], row["verifier"], rules.WRONG_MAX - wrong)


def _locked(person: Person, left_s: float) -> PinLocked:
    minutes = max(1, round(left_s / 60))
    return PinLocked(f"too many wrong PINs: {person.name} is locked for {minutes} min", {"locked_for_s": round(left_s)})


def set_here(connection: sqlite3.Connection, box: str) -> frozenset[str]:
    """The people who have a PIN on this box."""
    return frozenset(
        row[0] for row in connection.execute("SELECT operator_id FROM terminal_pins WHERE box = ?", (box,))
    )
