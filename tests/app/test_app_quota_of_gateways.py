"""A gateway below has a quota of its own, whatever key it comes with; what it forwards is one request, whatever is in it."""

import pytest

from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import TooFast
from gateway.web.auth import NewKey
from gateway.web.limits import Limiter, Rate
from gateway.web.routes import Scope


def test_what_keys_use_up_is_nothing_of_a_gateways_and_the_other_way_round():
    limiter = Limiter(Rate(60, 2, 3), ManualClock(), request_max_s=1, gateways=Rate(60, 4, 5))
    for _ in range(2):
        limiter.take("key")
    with pytest.raises(TooFast):
        limiter.take("key")
    left = [limiter.take("key", "gw-a")["X-RateLimit-Remaining"] for _ in range(4)]
    assert left == ["3", "2", "1", "0"]
    limiter.take("another key")
    limiter.take("key", "gw-b")


def test_the_keys_of_one_gateway_share_its_quota():
    limiter = Limiter(Rate(60, 2), ManualClock(), request_max_s=1, gateways=Rate(60, 2))
    limiter.take("old key", "gw-a")
    limiter.take("new key", "gw-a")
    with pytest.raises(TooFast):
        limiter.take("new key", "gw-a")


def test_a_gateways_day_is_its_own():
    limiter = Limiter(Rate(6000, 600, 1), ManualClock(), request_max_s=1, gateways=Rate(6000, 600, 3))
    assert [limiter.take("key", "gw-a")["X-RateLimit-Limit"] for _ in range(3)] == ["3"] * 3
    with pytest.raises(TooFast, match="3 requests a day"):
        limiter.take("key", "gw-a")
    limiter.take("key", "gw-b")


async def test_five_hundred_calls_in_one_request_are_one(served):
    quota = {"requests_per_day": 100, "gateway_requests_per_day": 3}
    async with served(limits=quota) as box:
        _, key = await box.gateway.keys.create(NewKey("cell", Scope.ADMIN, gateway_id="gw-cell"))
        items = [
            {"key": f"k{number}", "method": "POST", "path": "/api-cells", "body": {"name": f"Cell {number}"}}
            for number in range(500)
        ]
        sent = {"gateway_id": "gw-cell", "epoch": 1}
        said = await box.send("POST", "/api-forward", {**sent, "items": items}, key=key)
        assert {one["status"] for one in said.body["data"]["results"]} == {201}
        assert (said.headers["X-RateLimit-Limit"], said.headers["X-RateLimit-Remaining"]) == ("3", "2")
        statuses = [(await box.send("POST", "/api-forward", sent, key=key)).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await box.send("GET", "/api-cells")).status == 200  # others are served
