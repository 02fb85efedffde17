"""A key's requests of one day: counted in 24 h that begin with the first."""

import pytest

from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import TooFast
from gateway.web import limits
from gateway.web.limits import Days, Limiter, Rate


def day(per_day: int = 3, clock: ManualClock | None = None) -> tuple[Limiter, ManualClock]:
    clock = clock or ManualClock()
    return Limiter(Rate(6000, 600, per_day), clock, request_max_s=1), clock


def test_a_day_begins_with_its_first_request_and_ends_24_hours_later():
    limiter, clock = day()
    clock._elapsed_s += 5000
    left = [limiter.take("key") for _ in range(3)]
    assert [one["X-RateLimit-Remaining"] for one in left] == ["2", "1", "0"]
    assert {one["X-RateLimit-Limit"] for one in left} == {"3"}
    assert int(left[0]["X-RateLimit-Reset"]) == clock.now().timestamp() + limits.DAY_S
    clock._elapsed_s += 3600
    with pytest.raises(limits.Exceeded) as refused:
        limiter.take("key")
    assert refused.value.details["retryAfter"] == limits.DAY_S - 3600
    assert refused.value.headers["Retry-After"] == "82800"
    assert refused.value.headers["X-RateLimit-Limit"] == "3"
    limiter.take("another key")
    clock._elapsed_s += limits.DAY_S - 3600
    assert limiter.take("key")["X-RateLimit-Remaining"] == "2"


def test_headers_tell_of_the_limit_that_is_nearer():
    limiter, _ = day(per_day=100_000)
    assert limiter.take("key")["X-RateLimit-Limit"] == "6000"


def test_what_the_day_refuses_costs_nothing_of_the_minute():
    limiter, _ = day(per_day=1)
    limiter.take("key")
    for _ in range(1000):
        with pytest.raises(TooFast):
            limiter.take("key")
    assert limiter._keys.minutes.take("key")["X-RateLimit-Remaining"] == "598"


def test_a_stepped_wall_clock_ends_no_day():
    limiter, clock = day(per_day=1)
    limiter.take("key")
    clock.step(10 * limits.DAY_S)
    with pytest.raises(TooFast):
        limiter.take("key")


def test_requests_that_ask_for_no_key_have_no_day():
    limiter, _ = day(per_day=1)
    for _ in range(3):
        limiter.unkeyed("192.0.2.1")


def test_no_more_than_so_many_senders_are_remembered(monkeypatch):
    monkeypatch.setattr(limits, "SENDERS_MAX", 3)
    clock = ManualClock()
    days = Days(10, clock)
    for name in "abcd":
        days.take(name)
    assert list(days._used) == ["b", "c", "d"]
    clock._elapsed_s += limits.DAY_S
    days.take("e")
    assert list(days._used) == ["e"]


async def test_a_days_requests_are_a_setting(served):
    async with served(limits={"requests_per_day": 2}) as box:
        statuses = [(await box.send("GET", "/api-cells")).status for _ in range(3)]
        said = await box.send("GET", "/api-cells")
        assert statuses == [200, 200, 429]
        assert "2 requests a day" in said.body["error"]["message"]
        assert int(said.headers["Retry-After"]) > 80_000
