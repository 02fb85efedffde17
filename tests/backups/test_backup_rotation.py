"""Which backups stay."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backups.rotation import Kept, superfluous

NOW = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)  # a Monday


def kept(days_ago: float, size: int = 10) -> Kept:
    return Kept(f"{days_ago}", NOW - timedelta(days=days_ago), size)


def left(there: list[Kept], *, daily: int = 7, weekly: int = 4, max_bytes: int | None = None) -> list[str]:
    made = max((one for one in there if one.at <= NOW), key=lambda one: one.at)
    gone = superfluous(there, made=made, keep_daily=daily, keep_weekly=weekly, max_bytes=max_bytes)
    return [one.name for one in there if one.name not in gone]


def test_a_year_of_nights_leaves_a_week_of_days_and_a_month_of_weeks():
    assert left([kept(day) for day in range(365)]) == ["0", "1", "2", "3", "4", "5", "6", "8", "15"]


def test_of_one_day_the_newest_stays():
    assert left([kept(0.1), kept(0.05), kept(0)], weekly=0) == ["0"]


def test_days_are_those_on_which_one_was_made():
    """A box that was switched off for a month keeps what it has."""
    assert left([kept(30), kept(60), kept(90)], daily=3, weekly=0) == ["30", "60", "90"]


@pytest.mark.parametrize(
    ("max_bytes", "stay"), [(35, ["0", "1", "2"]), (10, ["0"]), (1, ["0"]), (None, ["0", "1", "2", "3"])]
)
def test_what_does_not_fit_goes_oldest_first_and_never_the_newest(max_bytes, stay):
    assert left([kept(day) for day in range(4)], max_bytes=max_bytes) == stay


@given(st.lists(st.integers(0, 400), unique=True, min_size=1), st.integers(0, 10), st.integers(0, 10))
def test_once_more_changes_nothing(days, daily, weekly):
    there = [kept(day) for day in days]
    names = left(there, daily=daily, weekly=weekly)
    assert str(min(days)) in names
    assert left([one for one in there if one.name in names], daily=daily, weekly=weekly) == names


def test_backups_that_a_wrong_clock_has_dated_ahead_push_no_good_one_out():
    ahead = [kept(-400 - day) for day in range(9)]
    good = [kept(day) for day in range(3)]
    assert set(left([*ahead, *good])) >= {"0", "1", "2"}
    assert set(left([*ahead, *[kept(day) for day in range(30)]], weekly=0)) == {str(day) for day in range(7)}


def test_the_one_that_was_made_now_stays_although_its_clock_was_never_set():
    made = Kept("1970", datetime(1970, 1, 1, tzinfo=UTC), 10)
    there = [made, *(kept(day) for day in range(20))]
    gone = superfluous(there, made=made, keep_daily=7, keep_weekly=0, max_bytes=None)
    assert "1970" not in gone
