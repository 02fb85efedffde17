"""How much one client may take: requests a minute and a day for each key, time for each request, connections in all and
of each key. A gateway below this one has a quota of its own, whatever key it comes with.

A token bucket for each key: it holds `burst` requests and fills up again with `per_minute` in a minute. Kept as one number,
the moment at which the bucket would be full again. Days are counted as the cloud does: 24 h that begin with the first request.
"""

import asyncio
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from aiohttp import web

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.errors import Busy, TooFast
from gateway.web import errors
from gateway.web.connections import PER_KEY, Connections

CONNECTIONS_MAX = 1000
SENDERS_MAX = 10_000  # buckets that are remembered; a full one is forgotten without loss
KEEPALIVE_S = 75.0  # a connection on which no whole header came for so long is closed
LINGER_MAX_S = 1.0  # in which a connection too many may say something and so hear why it is refused
# Wrong or missing keys from one address. A right key is served all the same: behind one address may stand a whole hall,
# and 128 random bits are not guessed.
FAILED_PER_MINUTE = 300
FAILED_BURST = 300
DAY_S = 86_400.0


class Exceeded(TooFast):
    """`headers` tell the same as `details`."""

    def __init__(self, message: str, details: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(message, details)
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_day` None: as many as one likes."""

    per_minute: int
    burst: int
    per_day: int | None = None


class Limiter:
    """Asked on every request: a look-up and some arithmetic, no task and no timer. `gateways`: of each gateway below; as that of a
    key when it is not given. `connections`: open of each key.
    """

    def __init__(
        self,
        rate: Rate,
        clock: Clock,
        *,
        request_max_s: float,
        gateways: Rate | None = None,
        connections: int = PER_KEY,
    ) -> None:
        self.request_max_s = request_max_s
        self.connections = Connections(connections)
        self._keys = Quota(rate, clock)
        self._gateways = Quota(gateways or rate, clock)
        self._sources = Buckets(Rate(FAILED_PER_MINUTE, FAILED_BURST), clock)

    def take(self, key_id: str, gateway_id: str | None = None) -> Mapping[str, str]:
        """One request with this key, which speaks for that gateway; headers as `Quota.take`. Raises TooFast."""
        return self._keys.take(key_id) if gateway_id is None else self._gateways.take(gateway_id)

    def unkeyed(self, source: str) -> Mapping[str, str]:
        """One request from this address to what asks for no key; otherwise as `take`."""
        return self._keys.minutes.take(f"address:{source}")

    def failed(self, source: str) -> Mapping[str, str]:
        """One attempt without a good key from this address; otherwise as `take`."""
        return self._sources.take(source)

    def overdue(self) -> Busy:
        return Busy(
            f"no answer within {self.request_max_s:g} s; it may still be carried out: look first, or send it again with "
            "the same Idempotency-Key"
        )


class Quota:
    """Of each who is counted by name: a bucket for the minute, and the day if that is limited."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self.minutes = Buckets(rate, clock)
        self._days = None if rate.per_day is None else Days(rate.per_day, clock)

    def take(self, name: str) -> Mapping[str, str]:
        """The headers that tell what is left, of the limit that is nearer. Raises TooFast."""
        if self._days is None:
            return self.minutes.take(name)
        self._days.require(name)
        minute = self.minutes.take(name)
        return min(minute, self._days.take(name), key=lambda left: int(left["X-RateLimit-Remaining"]))


class Buckets:
    """By name, at most SENDERS_MAX of them."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._each_s = 60 / rate.per_minute
        self._holds_s = rate.burst * self._each_s
        self._limit = str(rate.per_minute)
        self._full_at_s: dict[str, float] = {}

    def take(self, name: str) -> Mapping[str, str]:
        now_s = self._clock.monotonic()
        known = self._full_at_s.get(name)
        if known is None and len(self._full_at_s) >= SENDERS_MAX:
            self._forget(now_s)
        missing_s = max(0.0, (known or now_s) - now_s) + self._each_s
        if missing_s > self._holds_s + 1e-9:  # the sum of many small numbers is not exact
            raise self._too_fast(missing_s)
        self._full_at_s[name] = now_s + missing_s
        reset = self._clock.now().timestamp() + missing_s
        return _told(self._limit, int((self._holds_s - missing_s) / self._each_s + 1e-6), reset)

    def _too_fast(self, missing_s: float) -> Exceeded:
        wait_s = max(1, math.ceil(missing_s - self._holds_s))
        what = f"{self._rate.per_minute} requests a minute, {self._rate.burst} at once"
        return _exceeded(self._rate.per_minute, what, wait_s, self._clock)

    def _forget(self, now_s: float) -> None:
        """Full ones; when there are none, the one that is remembered longest."""
        full = [name for name, at_s in self._full_at_s.items() if at_s <= now_s]
        for name in full or [next(iter(self._full_at_s))]:
            del self._full_at_s[name]


class Days:
    """By name, at most SENDERS_MAX of them. A restart begins a new day for everybody."""

    def __init__(self, per_day: int, clock: Clock) -> None:
        self._per_day = per_day
        self._clock = clock
        self._limit = str(per_day)
        self._used: dict[str, tuple[float, int]] = {}  # when it ends, how many so far

    def require(self, name: str) -> None:
        """Raises TooFast when this day's are used up."""
        ends_s, used = self._used.get(name, (0.0, 0))
        left_s = ends_s - self._clock.monotonic()
        if left_s > 0 and used >= self._per_day:
            raise _exceeded(self._per_day, f"{self._per_day} requests a day", max(1, math.ceil(left_s)), self._clock)

    def take(self, name: str) -> Mapping[str, str]:
        now_s = self._clock.monotonic()
        ends_s, used = self._used.get(name, (0.0, 0))
        if now_s >= ends_s:
            ends_s, used = now_s + DAY_S, 0
            self._forget(name, now_s)
        self._used[name] = ends_s, used + 1
        return _told(self._limit, self._per_day - used - 1, self._clock.now().timestamp() + ends_s - now_s)

    def _forget(self, name: str, now_s: float) -> None:
        if name not in self._used and len(self._used) >= SENDERS_MAX:
            over = [one for one, (ends_s, _) in self._used.items() if ends_s <= now_s]
            for one in over or [next(iter(self._used))]:
                del self._used[one]


def _told(limit: str, remaining: int, reset: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": limit,
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(math.ceil(reset)),
    }


def _exceeded(limit: int, what: str, wait_s: int, clock: Clock) -> Exceeded:
    again = clock.now() + timedelta(seconds=wait_s)
    told = {"limit": limit, "remaining": 0, "resetAt": time_.zulu(again), "retryAfter": wait_s}
    headers = {**_told(str(limit), 0, again.timestamp()), "Retry-After": str(wait_s)}
    return Exceeded(f"Rate limit exceeded: {what}. Try again in {wait_s} s.", told, headers)


# ------------------------------------------------------------------ connections


class Runner(web.AppRunner):
    """aiohttp's, with at most `connections` of them open at once: one more is told so, and closed."""

    def __init__(self, app: web.Application, connections: int, **options: Any) -> None:
        super().__init__(app, keepalive_timeout=KEEPALIVE_S, **options)
        self._connections_max = connections

    @property
    def server(self) -> web.Server | None:
        """What makes the protocol of each new connection."""
        server = super().server
        return None if server is None else _Counted(server, self._connections_max)  # type: ignore[return-value] # is called like one


class _Counted:
    def __init__(self, server: web.Server, connections: int) -> None:
        self._server = server
        self._connections_max = connections

    def __call__(self) -> asyncio.BaseProtocol:
        if len(self._server.connections) < self._connections_max:
            return self._server()
        return _TooMany(self._connections_max)


class _TooMany(asyncio.Protocol):
    """Answers the first thing that is said, whatever it is; an answer before that would be lost with the connection."""

    def __init__(self, connections: int) -> None:
        self._error = Busy(f"{connections} connections are open, more are not taken: close some, or try again")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # nosec B101 # noqa: S101 -- it is a stream
        self._transport = transport
        self._ends = asyncio.get_running_loop().call_later(LINGER_MAX_S, transport.abort)

    def data_received(self, _data: bytes) -> None:
        body = errors.envelope(self._error, str(uuid.uuid4())).encode()
        status = HTTPStatus.SERVICE_UNAVAILABLE
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"Retry-After: {errors.RETRY_AFTER_S}\r\nConnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._ends.cancel()
