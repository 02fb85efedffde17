"""Who may come in: tenants with their plans, API keys, the daily request limit and the plan's limits."""

import math
from dataclasses import dataclass
from datetime import timedelta

from gateway.demo.cloud_values import instant_text
from gateway.kernel.clock import Clock

PLAN_REQUESTS_PER_DAY = {"free": 100, "pro": 1_000, "premium": 10_000, "enterprise": None}
WINDOW_S = 86_400.0
KEY_STARTS = ("ery_live_", "ery_test_")


@dataclass(slots=True)
class Tenant:
    """A customer. `requests_per_day` overrides the plan's number; None in a limit is no limit."""

    id: str
    plan: str = "enterprise"
    max_jobs: int | None = None
    max_parts_per_month: int | None = None
    requests_per_day: int | None = None
    max_storage_bytes: int | None = None
    jobs: int = 0  # a deleted job still counts
    parts_this_month: int = 0
    requests: int = 0
    window_ends_s: float = -math.inf  # monotonic

    def daily_limit(self, override: int | None) -> int | None:
        given = (n for n in (override, self.requests_per_day) if n is not None)
        return next(given, PLAN_REQUESTS_PER_DAY[self.plan])

    def over_limit(self, limit: int | None, now_s: float) -> float | None:
        """Counts one request; the seconds to wait when it is one too many. The window starts with its first request."""
        if now_s >= self.window_ends_s:
            self.requests, self.window_ends_s = 0, now_s + WINDOW_S
        self.requests += 1
        return self.window_ends_s - now_s if limit is not None and self.requests > limit else None


class Gate:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.tenants: dict[str, Tenant] = {}
        self._keys: dict[str, str] = {}

    def add_key(self, tenant_id: str, key: str) -> None:
        self._keys[key] = tenant_id

    def revoke(self, key: str) -> None:
        self._keys.pop(key, None)

    def admit(self, authorization: str | None) -> Tenant | str:
        """The tenant, or the words of the 401."""
        if authorization is None or not authorization.startswith("Bearer "):
            return "Missing or invalid authorization header"
        key = authorization.removeprefix("Bearer ").strip()
        if not key:
            return "Missing or invalid authorization header"
        if not key.startswith(KEY_STARTS):
            return "Invalid API key format"
        tenant_id = self._keys.get(key)
        return self.tenants[tenant_id] if tenant_id is not None else "Invalid API key"

    def reset_at(self, wait_s: float) -> str:
        return instant_text(self._clock.now() + timedelta(seconds=wait_s))
