"""How much one client may take: requests a minute for each key, time for each request, connections in all.

A token bucket for each key: it holds `burst` requests and fills up again with `per_minute` in a minute. Kept as one number,
the moment at which the bucket would be full again.
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

CONNECTIONS_MAX = 1000
SENDERS_MAX = 10_000  # buckets that are remembered; a full one is forgotten without loss
KEEPALIVE_S = 75.0  # a connection that says nothing for so long is closed
LINGER_MAX_S = 1.0  # in which a connection too many may say something and so hear why it is refused
# Wrong or missing keys from one address. A right key is served all the same: behind one address may stand a whole hall,
# and 128 random bits are not guessed.
FAILED_PER_MINUTE = 300
FAILED_BURST = 300


class Exceeded(TooFast):
    """`headers` tell the same as `details`."""

    def __init__(self, message: str, details: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(message, details)
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Rate:
    per_minute: int
    burst: int


class Limiter:
    """Asked on every request: a look-up and some arithmetic, no task and no timer."""

    def __init__(self, rate: Rate, clock: Clock, *, request_max_s: float) -> None:
        self.request_max_s = request_max_s
        self._keys = Buckets(rate, clock)
        self._sources = Buckets(Rate(FAILED_PER_MINUTE, FAILED_BURST), clock)

    def take(self, key_id: str) -> Mapping[str, str]:
        """One request of this key: the headers that tell what is left. Raises TooFast."""
        return self._keys.take(key_id)

    def failed(self, source: str) -> Mapping[str, str]:
        """One attempt without a good key from this address; otherwise as `take`."""
        return self._sources.take(source)

    def overdue(self) -> Busy:
        return Busy(
            f"no answer within {self.request_max_s:g} s; it may still be carried out: look first, or send it again with "
            "the same Idempotency-Key"
        )


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
        return self._told(int((self._holds_s - missing_s) / self._each_s + 1e-6), reset)

    def _told(self, remaining: int, reset: float) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": self._limit,
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(math.ceil(reset)),
        }

    def _too_fast(self, missing_s: float) -> Exceeded:
        wait_s = max(1, math.ceil(missing_s - self._holds_s))
        again = self._clock.now() + timedelta(seconds=wait_s)
        told = {
            "limit": self._rate.per_minute,
            "remaining": 0,
            "resetAt": time_.zulu(again),
            "retryAfter": wait_s,
        }
        return Exceeded(
            f"Rate limit exceeded: {self._rate.per_minute} requests a minute, {self._rate.burst} at once. "
            f"Try again in {wait_s} s.",
            told,
            {**self._told(0, again.timestamp()), "Retry-After": str(wait_s)},
        )

    def _forget(self, now_s: float) -> None:
        """Full ones; when there are none, the one that is remembered longest."""
        full = [name for name, at_s in self._full_at_s.items() if at_s <= now_s]
        for name in full or [next(iter(self._full_at_s))]:
            del self._full_at_s[name]


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
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- it is a stream
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
