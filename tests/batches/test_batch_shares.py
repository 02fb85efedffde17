"""How the time of a batch is shared out: exactly, fairly, nobody in debt."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.batches.rules import shared
from gateway.jobs.model import minutes
from gateway.operations.model import shares

WEIGHTS = st.lists(st.integers(0, 100_000), min_size=1, max_size=40)
TOTALS = st.integers(0, 10_000_000)


def never_less_for_more(found, weights) -> bool:
    pairs = itertools.combinations(zip(weights, found, strict=True), 2)
    return all((one[0] - two[0]) * (one[1] - two[1]) >= 0 for one, two in pairs)


@given(TOTALS, WEIGHTS)
def test_whole_pieces_add_up_and_follow_the_weights(total, weights):
    found = shares(total, weights)
    assert sum(found) == total
    assert min(found) >= 0
    if any(weights):
        assert never_less_for_more(found, weights)
        exact = [total * one / sum(weights) for one in weights]
        assert all(abs(one - share) < 1.000001 for one, share in zip(exact, found, strict=True))


@given(TOTALS, st.lists(st.integers(1, 100_000), min_size=1, max_size=40))
def test_seconds_and_minutes_both_add_up_and_agree(total_s, weights):
    found = shared(total_s, weights)
    seconds, whole = [one.seconds for one in found], [one.minutes for one in found]
    assert sum(seconds) == total_s
    assert sum(whole) == minutes(total_s)
    assert min(seconds) >= 0
    assert [minutes(one) for one in seconds] == whole
    assert never_less_for_more(seconds, weights)
    assert never_less_for_more(whole, weights)


@given(TOTALS, st.integers(1, 40))
def test_equals_differ_by_a_minute_at_most(total_s, count):
    found = shared(total_s, [1] * count)
    for numbers, most in (([one.seconds for one in found], 60), ([one.minutes for one in found], 1)):
        assert max(numbers) - min(numbers) <= most


@pytest.mark.parametrize(
    ("total_min", "weights", "expected"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (90, [30, 60], [30, 60]),
        (1, [1, 1, 1], [1, 0, 0]),
        (0, [5, 5], [0, 0]),
        (7, [1, 1, 1_000_000], [0, 0, 7]),
        (60, [10, 20, 30], [10, 20, 30]),
    ],
)
def test_minutes_as_one_would_do_it_by_hand(total_min, weights, expected):
    assert [one.minutes for one in shared(total_min * 60, weights)] == expected


def test_what_divides_evenly_is_not_moved_about():
    assert [one.seconds for one in shared(90, [10, 20])] == [30, 60]


def test_without_any_weight_the_first_takes_it_all():
    assert shares(10, [0, 0]) == [10, 0]
    assert shares(10, []) == []
