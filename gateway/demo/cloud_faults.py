"""What can go wrong between a client and the cloud, and inside it."""

import dataclasses
import random
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.demo.cloud_answer import Answer, Call, Refused, broken
from gateway.demo.cloud_creates import plan_limit
from gateway.demo.cloud_gate import WINDOW_S

HOSTED_ONLY = {
    "jobs": ("started_at", "paused_at", "resumed_at", "completed_at", "actual_duration"),
    "operations": ("started_at", "paused_at", "resumed_at"),
}
MUTATING = frozenset(("POST", "PUT", "PATCH", "DELETE"))
PLAN_TEXT = (
    "Rate limit exceeded. Your {plan} plan allows {limit} requests per day. "
    "Please upgrade your plan or wait until the limit resets."
)


@dataclass(slots=True)
class Faults:
    """Probabilities between 0 and 1 unless the name or the comment says otherwise; change them at any time."""

    lose_reply: float = 0.0  # done, then the connection is reset without an answer
    late_delivery: float = 0.0  # the connection is reset at once; the request is done late_min_s to late_max_s later
    late_min_s: float = 0.05
    late_max_s: float = 2.0
    truncated_body: float = 0.0  # done, but the answer is cut in its middle
    duplicate: float = 0.0  # done twice; the client sees the first answer
    error_500: float = 0.0  # nothing done
    error_503: float = 0.0  # nothing done, and the answer is a page, not JSON
    boot_error: float = 0.0  # the function does not load
    false_429: float = 0.0  # nothing done; the tenant is taken for one on the free plan
    false_402: float = 0.0  # creates of jobs and parts: nothing done, limit 0 of 0
    slow_s: float = 0.0  # seconds between doing and answering
    bare: bool = False  # built from its migrations: without the columns that only the hosted one has
    database_away: bool = False  # 401 "Authentication failed"; nothing done
    quota: int | None = None  # requests a day, in place of the tenant's plan
    only: str = ""  # faults fall only on requests whose "METHOD /path?query" holds this text
    left: int | None = None  # how many more faults may fall; None is no end

    def change(self, **values: float | str | None) -> None:
        """Raises ValueError for a fault that there is not."""
        known = {field.name for field in dataclasses.fields(self)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"no fault is named {unknown[0]!r}; there are {', '.join(sorted(known))}")
        for name, value in values.items():
            setattr(self, name, value)

    def fall(self, rng: random.Random, method: str, target: str) -> str:
        """The fault that this request meets, by name; empty for none."""
        if self.left == 0 or self.only not in f"{method} {target}":
            return ""
        for name in self._possible(method, target):
            chance = getattr(self, name)
            if chance and rng.random() < chance:
                self.left = None if self.left is None else self.left - 1
                return name
        return ""

    @staticmethod
    def _possible(method: str, target: str) -> Iterator[str]:
        yield from ("boot_error", "error_503", "error_500", "false_429")
        if method == "POST" and target.partition("?")[0] in ("/api-jobs", "/api-parts"):
            yield "false_402"
        if method in MUTATING:
            yield from ("late_delivery", "duplicate", "lose_reply")
        yield "truncated_body"


def instead(fault: str, target: str, reset_at: str) -> Answer | None:
    """The answer that this fault gives in place of doing anything; None when the request is done after all."""
    match fault:
        case "boot_error":
            body = {"code": "BOOT_ERROR", "message": "Function failed to start (please check logs)"}
            return Answer(503, body, enveloped=False)
        case "error_503":
            page = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>"
            return Answer(503, page, {"Content-Type": "text/html"}, enveloped=False)
        case "error_500":
            return Refused(500, "INTERNAL_ERROR", "fetch failed").answer()
        case "false_429":
            return over_quota("free", 100, WINDOW_S - 1, reset_at)
        case "false_402":
            return plan_limit("job" if target.startswith("/api-jobs") else "part", 0, 0).answer()
        case _:
            return None


def lacking(call: Call) -> Refused | None:
    """What a cloud without the columns of the hosted one says; None when it does not need them."""
    table = call.function.removeprefix("api-")
    if table in ("operation-lifecycle", "job-lifecycle"):
        kind = table.partition("-")[0].capitalize()
        return Refused(404, "NOT_FOUND", f"{kind} not found")
    if call.function == "api-operations" and call.method == "GET":
        return broken(f"Failed to fetch {table}: column {table}.started_at does not exist")
    body = call.json() if call.method in ("POST", "PATCH") else {}
    missing = next((name for name in HOSTED_ONLY.get(table, ()) if name in body), None)
    verb = "create" if call.method == "POST" else "update"
    told = f"Failed to {verb} {table}: Could not find the '{missing}' column of '{table}' in the schema cache"
    return broken(told) if missing else None


def over_quota(plan: str, limit: int, wait_s: float, reset_at: str) -> Answer:
    retry_after = max(1, int(wait_s))
    info = {"remaining": 0, "resetAt": reset_at, "retryAfter": retry_after}
    refused = Refused(429, "RATE_LIMIT_EXCEEDED", PLAN_TEXT.format(plan=plan, limit=limit), rateLimitInfo=info)
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset_at, "Retry-After": str(retry_after)}
    return refused.answer(headers)
