"""How many requests a day the cloud grants, and when we may knock again. Survives a restart."""

import json
import random
from dataclasses import asdict, dataclass, fields
from datetime import timedelta

from gateway.cloud.outcome import Kind, Outcome
from gateway.kernel import clock as time_
from gateway.kernel import state
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.supervise import backoff_s

WINDOW = timedelta(hours=24)
BACKOFF_BASE_S = 1.0
UNREACHABLE_CAP_S = 30.0  # a connection that fails at once costs nobody anything, and service is back within a minute
REFUSING_CAP_S = 300.0
KEY_PAUSE_S = 60.0
# [U] counters live in memory over there: even a plausible "come back tomorrow" is worth a look each hour.
PROBE_S = 3600.0
FALSE_PROBES_S = (60.0, 300.0, 900.0)
SICK_S = 300.0  # so long after its database was away, a 429 of the cloud says nothing about our plan
IMPLAUSIBLE = 2  # more than so many times the named limit answered in one window: it cannot be our plan
SILENT_MAX = 3  # unanswered requests in a row before the line counts as down
FAILURES_MAX = 9  # they grow no pause any more, and a few successes are enough to forget them
KEY = "cloud.budget"  # its own words, under this name in gateway_state
KEY_REFUSED = "the cloud does not accept the API key"


@dataclass(slots=True)
class _Kept:
    """What is stored; instants as text. `learnt`: the limit that the cloud named; `answered`: in this window."""

    opened_at: str | None = None
    used: int = 0
    answered: int = 0
    learnt: int | None = None
    closed_until: str | None = None
    why: str = ""


class Budget:
    """The client asks `wait_s` before each request, tells `count` that it goes out and `note` what came of it."""

    def __init__(self, db: Database, clock: Clock, rng: random.Random, requests_per_day: int | None) -> None:
        self._db = db
        self._clock = clock
        self._rng = rng
        self._configured = requests_per_day
        self._kept = _Kept()
        self._open_s = clock.monotonic()  # when we may knock again
        self._knock_s = 0.0  # one knock each so many seconds, until somebody opens
        self._failures = 0
        self._false = 0
        self._silent = 0
        self._sick_until_s = clock.monotonic()
        self.made = 0  # requests since the start

    async def load(self) -> None:
        """Pauses are kept over a restart, but never longer than a probe: the wall clock may have been set meanwhile."""
        found = await self._db.read(state.get, KEY)
        if not found:
            return
        known = json.loads(found)
        self._kept = _Kept(**{one.name: known[one.name] for one in fields(_Kept) if one.name in known})
        if self._kept.closed_until:
            left_s = (time_.parse(self._kept.closed_until) - self._clock.now()).total_seconds()
            self._open_s = self._clock.monotonic() + min(max(0.0, left_s), PROBE_S)

    @property
    def used(self) -> int:
        return self._kept.used

    @property
    def limit(self) -> int | None:
        return self._configured or self._kept.learnt

    def told(self) -> dict[str, int | None]:
        """For `/healthz`."""
        return {"requests": self.made, "requests_today": self.used, "requests_per_day": self.limit}

    @property
    def why(self) -> str:
        """Why we are waiting, for a person."""
        return self._kept.why

    @property
    def failing(self) -> bool:
        """The last thing we know is that the cloud is away: one request at a time, as a probe."""
        return self._failures > 0 or self._silent >= SILENT_MAX

    def wait_s(self) -> float:
        """Seconds until the next request may be made; 0 when it may be now."""
        return max(0.0, self._open_s - self._clock.monotonic())

    def window_left_s(self) -> float:
        """Until the day's requests are given out anew."""
        self._roll()
        if self._kept.opened_at is None:
            return WINDOW.total_seconds()
        return (time_.parse(self._kept.opened_at) + WINDOW - self._clock.now()).total_seconds()

    def short(self) -> bool:
        """True when the day's requests run out faster than the day."""
        self._roll()
        if self.limit is None or self._kept.opened_at is None:
            return False
        passed = (self._clock.now() - time_.parse(self._kept.opened_at)) / WINDOW
        return self._kept.used / self.limit > max(passed, 0.5)

    def count(self) -> None:
        """One request goes out. While we only knock, or with the day's last one, the next has to wait."""
        self._roll()
        self._kept.opened_at = self._kept.opened_at or time_.text(self._clock.now())
        self._kept.used += 1
        self.made += 1
        if self._knock_s:
            self._close(self._knock_s, self._kept.why)
        elif self._used_up():
            over_s = (time_.parse(self._kept.opened_at) + WINDOW - self._clock.now()).total_seconds()
            self._close(min(PROBE_S, over_s), f"the day's {self.limit} requests are used up")
        self._save()

    def note(self, outcome: Outcome) -> None:
        """What a request came to. A single lost answer says nothing about the line, several in a row do."""
        if not outcome.counted:
            self._kept.used = max(0, self._kept.used - 1)
        if outcome.database_away:
            self._sick_until_s = self._clock.monotonic() + SICK_S
        match outcome.kind:
            case Kind.QUOTA:
                self._refused(outcome)
            case Kind.KEY:
                self._knock(KEY_PAUSE_S, f"{KEY_REFUSED}: {outcome.text}")
            case Kind.OUTAGE if not outcome.said:
                self._unreachable(outcome)
            case Kind.UNKNOWN | Kind.OUTAGE:
                self._silent += 1
                if (self._silent >= SILENT_MAX and not outcome.said) or outcome.retry_after_s:
                    self._unreachable(outcome)
            case _:
                self._answered()

    def knock_now(self) -> None:
        """A person says that it is worth a try: the pause after a failure is over, the day's limit stays."""
        if not self._used_up():
            self._open_s = self._clock.monotonic()
            self._kept.closed_until = None
            self._save()

    def _answered(self) -> None:
        """The line stands. After a long failure trust comes back in steps."""
        self._kept.answered += 1
        self._failures //= 2
        self._false = self._silent = 0
        if not self._configured and self.limit is not None and self._kept.used > self.limit:
            self._kept.learnt = None  # it answered beyond it: that was not our plan
            self._open_s = self._clock.monotonic()
        if self._knock_s:
            self._knock_s, self._open_s = 0.0, self._clock.monotonic()
        if self._kept.why and not self.wait_s():
            self._kept.why, self._kept.closed_until = "", None
            self._save()

    def _unreachable(self, outcome: Outcome) -> None:
        pause_s = self._backoff_s(UNREACHABLE_CAP_S)
        self._close(max(pause_s, min(outcome.retry_after_s or 0.0, PROBE_S)), outcome.text)

    def _refused(self, outcome: Outcome) -> None:
        """429. One that cannot be about our plan means that the cloud cannot read its own tenant: an outage."""
        if outcome.plan and self._implausible(outcome.plan[1]):
            pause_s = FALSE_PROBES_S[min(self._false, len(FALSE_PROBES_S) - 1)]
            self._false += 1
            self._knock(
                pause_s, f"the cloud takes us for a smaller plan ({outcome.plan[0]}): it cannot read its own data"
            )
            return
        if outcome.plan:
            self._kept.learnt = outcome.plan[1]
        jitter_s = self._backoff_s(REFUSING_CAP_S)
        self._knock(min(PROBE_S, max(jitter_s, outcome.retry_after_s or 0.0)), outcome.text)

    def _implausible(self, named: int) -> bool:
        known = self.limit
        return (
            (known is not None and named < known)
            or self._kept.answered > IMPLAUSIBLE * named
            or self._clock.monotonic() < self._sick_until_s
        )

    def _used_up(self) -> bool:
        return self.limit is not None and self._kept.used >= self.limit

    def _backoff_s(self, cap_s: float) -> float:
        self._failures = min(self._failures + 1, FAILURES_MAX)
        return backoff_s(self._failures, self._rng, base_s=BACKOFF_BASE_S, cap_s=cap_s)

    def _knock(self, every_s: float, why: str) -> None:
        self._knock_s = every_s
        self._shut(every_s, why)

    def _close(self, seconds: float, why: str) -> None:
        """Never shorter than it is closed already: several requests may come back from the same trouble."""
        if seconds > self.wait_s():
            self._shut(seconds, why)

    def _shut(self, seconds: float, why: str) -> None:
        self._open_s = self._clock.monotonic() + seconds
        self._kept.closed_until = time_.text(self._clock.now() + timedelta(seconds=seconds))
        self._kept.why = why
        self._save()

    def _roll(self) -> None:
        """A new window; also when the clock was set to before this one."""
        opened = self._kept.opened_at
        if opened and not timedelta() <= self._clock.now() - time_.parse(opened) < WINDOW:
            self._kept.opened_at, self._kept.used, self._kept.answered = None, 0, 0

    def _save(self) -> None:
        self._db.write_soon(KEY, state.put, KEY, json.dumps(asdict(self._kept)))
