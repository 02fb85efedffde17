"""How many pieces lie between two readings: a table for each rule of the contract, and histories that no table has."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.machines.counters import ROLLS_FROM, Delta, Last, Meter, delta

AT = datetime(2026, 2, 3, 9, 15, 4, tzinfo=UTC)
TOP16, TOP32 = 2**16, 2**32
NARROW = Meter(bits=16, step_max=500)


def second(number: float) -> datetime:
    return AT + timedelta(seconds=number)


@pytest.mark.parametrize(
    ("last", "value", "meter", "expected"),
    [
        (None, 8_841, Meter(), (0, "first")),
        (8_841, 8_841, Meter(), (0, "same")),
        (8_841, 8_844, Meter(), (3, "grew")),
        (TOP16 - 2, 3, NARROW, (5, "rolled")),
        (TOP32 - 1, 0, Meter(), (1, "rolled")),
        (TOP32 - 10, 489, Meter(step_max=499), (499, "rolled")),
        (8_841, 12, Meter(), (12, "reset")),
        (8_841, 12, Meter(from_zero=False), (0, "reset")),
        (60_000, 7_000, NARROW, (7_000, "jump")),  # no roll-over: neither near the top nor near zero
        (100, 601, Meter(), (501, "jump")),
        (100, 600, Meter(), (500, "grew")),
        (TOP32 - 2, 3, Meter(bits=0), (3, "reset")),
        (TOP32 - 2, 3, NARROW, (3, "reset")),  # its setting was changed
    ],
)
def test_each_rule(last, value, meter, expected):
    known = None if last is None else Last(last)
    assert delta(known, value, None, meter) == Delta(*expected)


def test_after_a_time_in_which_its_values_counted_for_nothing_the_first_is_a_new_start():
    assert delta(Last(100, unsure=True), 103, None, Meter()) == Delta(0, "rebased")


@pytest.mark.parametrize(
    ("value", "at_s", "expected"),
    [
        (99, -1, (0, "late")),  # an older reading, sent once more
        (101, -1, (0, "late")),
        (99, 0, (0, "late")),  # fell within one tick of its clock: sent once more as well
        (101, 0, (1, "grew")),
        (2, 1, (2, "reset")),
        (2, -3_600, (2, "reset")),  # its clock was set back: it began anew
    ],
)
def test_the_devices_own_time_tells_a_repeat_from_a_new_beginning(value, at_s, expected):
    assert delta(Last(100, AT), value, second(at_s), Meter()) == Delta(*expected)


@pytest.mark.parametrize(
    ("value", "before_s", "at_s", "expected"),
    [
        (10, None, None, (0, "late")),
        (10, 0, None, (0, "late")),
        (10, 0, 60, (10, "reset")),  # by the device's own time it is newer
        (101, None, None, (1, "grew")),
    ],
)
def test_a_value_that_was_kept_and_is_lower_is_an_older_one(value, before_s, at_s, expected):
    last = Last(100, None if before_s is None else second(before_s))
    at = None if at_s is None else second(at_s)
    assert delta(last, value, at, Meter(), kept=True) == Delta(*expected)
    assert delta(Last(TOP32 - 2), 3, None, Meter(), kept=True) == Delta(5, "rolled")


@given(st.data())
def test_whatever_happens_every_piece_counts_once(data):
    """Pieces, roll-overs, reboots, readings that come twice, late or never: the sum is what was made."""
    bits = data.draw(st.sampled_from((16, 32)))
    meter = Meter(bits=bits, step_max=5_000)
    value = data.draw(st.sampled_from((0, 7, 2**bits - 20)))
    last, booked, made = Last(value, AT), 0, 0
    sent = [(value, AT)]

    def arrives(message: tuple[int, datetime]) -> None:
        nonlocal last, booked
        found = delta(last, *message, meter)
        assert found.why != "jump"
        if found.why != "late":
            booked, last = booked + found.count, Last(*message)

    for clock in range(1, data.draw(st.integers(1, 40))):
        step = data.draw(st.sampled_from(("make", "make", "lost", "reboot", "again")))
        if step == "again":
            for message in sent[-data.draw(st.integers(1, 20)) :]:
                arrives(message)
            continue
        pieces = data.draw(st.integers(0, 60))
        if step == "reboot" and value < ROLLS_FROM * 2**bits:  # above, it looks like a roll-over
            arrives(sent[-1])  # what a controller forgets before anybody heard of it, nobody can count
            value = 0  # and says so before its first piece: 7, and 7 again after a reboot, look alike
            sent.append((value, second(clock - 0.5)))
            arrives(sent[-1])
        made, value = made + pieces, (value + pieces) % 2**bits
        sent.append((value, second(clock)))
        if step != "lost":
            arrives(sent[-1])
    arrives(sent[-1])
    assert booked == made


@given(st.integers(0, 2**64), st.integers(0, 2**64), st.sampled_from((0, 8, 16, 32, 64)), st.booleans())
def test_a_count_is_never_negative_and_more_than_the_limit_never_booked(last, value, bits, from_zero):
    found = delta(Last(last), value, None, Meter(bits, from_zero, 500))
    assert found.count >= 0
    assert (found.count > 500) == (found.why == "jump")
