"""How many requests a day the cloud grants, and when we may knock again. Survives a restart."""

import json
import random
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.cloud.outcome import Kind, Outcome
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.supervise import backoff_s

WINDOW = timedelta(hours=24)
RETRY_AFTER_MAX_S = 24 * 3600.0
BACKOFF_BASE_S = 1.0
UNREACHABLE_CAP_S = 30.0  # a connection that fails at once costs nobody anything, and service is back within a minute
REFUSING_CAP_S = 300.0
KEY_PAUSE_S = 60.0
PROBE_S = (
    3600.0  # [U] counters live in memory over there: even a plausible "come back tomorrow" is worth a look each hour
)
FALSE_PROBES_S = (60.0, 300.0, 900.0)
SILENT_MAX = 3  # unanswered requests in a row before the line counts as down
_KEY = "cloud.budget"


@dataclass(slots=True)
class _Kept:
    """What is stored; instants as text."""

    opened_at: str | None = None
    used: int = 0
    limit: int | None = None
    closed_until: str | None = None
    why: str = ""


class Budget:
    """The client asks `wait_s` before each request and tells `note` what came of it."""

    def __init__(self, db: Database, clock: Clock, rng: random.Random, requests_per_day: int | None) -> None:
        self._db = db
        self._clock = clock
        self._rng = rng
        self._configured = requests_per_day
        self._kept = _Kept(limit=requests_per_day)
        self._failures = 0
        self._false = 0
        self._silent = 0

    async def load(self) -> None:
        found = await self._db.read(_load)
        if found:
            self._kept = _Kept(**json.loads(found))
            self._kept.limit = self._configured or self._kept.limit

    @property
    def used(self) -> int:
        return self._kept.used

    @property
    def limit(self) -> int | None:
        return self._kept.limit

    @property
    def why(self) -> str:
        """Why we are waiting, for a person."""
        return self._kept.why

    def wait_s(self) -> float:
        """Seconds until the next request may be made; 0 when it may be now."""
        now = self._clock.now()
        self._roll(now)
        closed_s = _until(self._kept.closed_until, now)
        if self._kept.limit is not None and self._kept.used >= self._kept.limit and self._kept.opened_at:
            self._kept.why = f"the day's {self._kept.limit} requests are used up"
            return max(closed_s, min(PROBE_S, (time_.parse(self._kept.opened_at) + WINDOW - now).total_seconds()))
        return closed_s

    def short(self) -> bool:
        """True when the day's requests run out faster than the day."""
        if self._kept.limit is None or self._kept.opened_at is None:
            return False
        passed = (self._clock.now() - time_.parse(self._kept.opened_at)) / WINDOW
        return self._kept.used / self._kept.limit > max(passed, 0.5)

    def count(self) -> None:
        """One request goes out."""
        now = self._clock.now()
        self._roll(now)
        self._kept.opened_at = self._kept.opened_at or time_.text(now)
        self._kept.used += 1
        self._save()

    @property
    def failing(self) -> bool:
        """The last thing we know is that the cloud is away: one request at a time, as a probe."""
        return self._failures > 0

    def note(self, outcome: Outcome) -> None:
        """What a request came to. A single lost answer says nothing about the line, several in a row do."""
        if outcome.kind is Kind.QUOTA:
            self._refused(outcome)
        elif outcome.kind is Kind.KEY:
            self._close(KEY_PAUSE_S, f"the cloud does not accept the API key: {outcome.text}")
        elif outcome.kind is Kind.OUTAGE:
            self._unreachable(outcome.text)
        elif outcome.kind is Kind.UNKNOWN:
            self._silent += 1
            if self._silent >= SILENT_MAX and not outcome.said:
                self._unreachable(outcome.text)
        else:
            self._failures = self._false = self._silent = 0
            self._kept.why = ""

    def _unreachable(self, why: str) -> None:
        self._failures += 1
        self._close(backoff_s(self._failures, self._rng, base_s=BACKOFF_BASE_S, cap_s=UNREACHABLE_CAP_S), why)

    def _refused(self, outcome: Outcome) -> None:
        """429. A plan smaller than the known one means that the cloud cannot read its own tenant: an outage."""
        known = self._kept.limit
        if outcome.plan and known and outcome.plan[1] < known:
            pause_s = FALSE_PROBES_S[min(self._false, len(FALSE_PROBES_S) - 1)]
            self._false += 1
            self._close(
                pause_s, f"the cloud takes us for a smaller plan ({outcome.plan[0]}): it cannot read its own data"
            )
            return
        if outcome.plan:
            self._kept.limit = self._kept.limit or outcome.plan[1]
        self._failures += 1
        jitter_s = backoff_s(self._failures, self._rng, base_s=BACKOFF_BASE_S, cap_s=REFUSING_CAP_S)
        wanted_s = min(outcome.retry_after_s or 0.0, RETRY_AFTER_MAX_S)
        self._close(max(jitter_s, min(wanted_s, PROBE_S)), outcome.text)

    def _close(self, seconds: float, why: str) -> None:
        self._kept.closed_until = time_.text(self._clock.now() + timedelta(seconds=seconds))
        self._kept.why = why
        self._save()

    def _roll(self, now: datetime) -> None:
        if self._kept.opened_at and now - time_.parse(self._kept.opened_at) >= WINDOW:
            self._kept.opened_at, self._kept.used = None, 0

    def _save(self) -> None:
        kept = self._kept
        packed = json.dumps(
            {
                "opened_at": kept.opened_at,
                "used": kept.used,
                "limit": kept.limit,
                "closed_until": kept.closed_until,
                "why": kept.why,
            }
        )
        self._db.write_soon(_KEY, _store, packed)


def _until(written: str | None, now: datetime) -> float:
    return max(0.0, (time_.parse(written) - now).total_seconds()) if written else 0.0


def _load(connection: sqlite3.Connection) -> str | None:
    row = connection.execute("SELECT value FROM gateway_state WHERE key = ?", (_KEY,)).fetchone()
    return row[0] if row else None


def _store(tx: Tx, value: str) -> None:
    tx.execute(
        "INSERT INTO gateway_state (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        (_KEY, value),
    )
