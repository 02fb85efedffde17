"""Time and ids: what is written sorts as it happened."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.clock import BUILD_DATE, ManualClock, SystemClock, parse, text, trusted, zulu
from gateway.kernel.ids import is_uuid, uuid7

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=ZONES)  # noqa: DTZ001 -- the zone is drawn


@given(INSTANTS)
def test_an_instant_that_was_written_is_read_as_the_same(instant):
    assert parse(text(instant)) == instant
    assert text(parse(text(instant))) == text(instant)


@given(INSTANTS, INSTANTS)
def test_instants_sort_as_text_in_the_order_in_which_they_happened(one, other):
    assert (text(one) < text(other)) == (one < other)


@given(INSTANTS)
def test_payloads_carry_milliseconds_and_z(instant):
    written = zulu(instant)
    assert len(written) == len("2026-11-02T07:00:00.000Z")
    assert written.endswith("Z")
    assert timedelta(0) <= instant - parse(written) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-02T07:00:00Z", "2026-11-02T07:00:00+00:00"),
        ("2026-11-02T08:00:00+01:00", "2026-11-02T07:00:00+00:00"),
        ("2026-11-02 07:00:00.5+00", "2026-11-02T07:00:00.500000+00:00"),
        ("2026-11-02T07:00:00", "2026-11-02T07:00:00+00:00"),
        ("2026-11-02", "2026-11-02T00:00:00+00:00"),
    ],
)
def test_what_others_write_is_understood(written, meant):
    assert text(parse(written)) == meant


@pytest.mark.parametrize("written", ["", "yesterday", "2026-13-01", "2026-11-02T25:00:00Z", "1762066800"])
def test_what_is_no_instant_is_refused(written):
    with pytest.raises(ValueError):
        parse(written)


def test_a_clock_before_the_build_was_never_set():
    assert not trusted(datetime(1970, 1, 1, tzinfo=UTC))
    assert not trusted(BUILD_DATE - timedelta(seconds=1))
    assert trusted(BUILD_DATE)


async def test_the_hands_of_a_manual_clock_move_only_when_they_are_turned():
    clock = ManualClock()
    before = clock.now(), clock.monotonic()
    await asyncio.sleep(0.01)
    assert (clock.now(), clock.monotonic()) == before
    await clock.advance(90)
    assert (clock.now() - before[0], clock.monotonic() - before[1]) == (timedelta(seconds=90), 90)
    clock.step(3600)
    assert clock.monotonic() == before[1] + 90, "somebody set the wall clock: durations do not notice"
    assert clock.now() - before[0] == timedelta(seconds=3690)


async def test_sleepers_wake_in_the_order_of_their_deadlines_and_see_their_own_time():
    clock = ManualClock()
    woke: list[tuple[str, float]] = []

    async def sleeper(name: str, *pauses_s: float) -> None:
        for pause_s in pauses_s:
            await clock.sleep(pause_s)
            woke.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(sleeper("a", 3)), asyncio.create_task(sleeper("b", 1, 1, 2))]
    gone = asyncio.create_task(sleeper("gone", 2))
    await asyncio.sleep(0)
    gone.cancel()
    await clock.advance(3.5)
    assert woke == [("b", 1), ("b", 2), ("a", 3)]
    await clock.advance(0.5)
    assert woke[-1] == ("b", 4)
    await asyncio.gather(*tasks)


def test_the_systems_clock_is_utc_and_its_monotonic_one_grows():
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    first = clock.monotonic()
    assert clock.monotonic() >= first


# ------------------------------------------------------------------ ids


@given(INSTANTS, st.binary(min_size=10, max_size=10))
def test_an_id_is_a_uuid_of_version_7_that_carries_its_time(instant, noise):
    clock = ManualClock(instant)
    made = uuid7(clock, lambda _size: noise)()
    assert is_uuid(made)
    assert made[14] == "7"
    assert made[19] in "89ab"
    assert int(made.replace("-", "")[:12], 16) == int(instant.timestamp() * 1000)


@given(INSTANTS, st.integers(1, 10**9), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_later_ids_sort_behind_earlier_ones(instant, milliseconds, noise, other_noise):
    early = uuid7(ManualClock(instant), lambda _size: noise)()
    late = uuid7(ManualClock(instant + timedelta(milliseconds=milliseconds)), lambda _size: other_noise)()
    assert early < late


def test_ids_of_the_same_instant_differ():
    new_id = uuid7(ManualClock())
    assert len({new_id() for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("text_", ["", "x", "01234567-89ab-7def-8000-0123456789a", "0123456789ab7def80000123456789ab"])
def test_what_is_no_uuid_is_told_from_one(text_):
    assert not is_uuid(text_)
    assert is_uuid("01234567-89AB-7def-8000-0123456789ab")
