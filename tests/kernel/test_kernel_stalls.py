"""Who keeps the event loop is named within two seconds, counted in looks: how fast the machine is does not matter."""

import asyncio
import threading
import time

import pytest
from structlog.testing import capture_logs
from waiting import WAIT_MAX_S, until

from gateway.kernel.stalls import BEAT_S, LOOKS_MAX, Stall, Stalls

NAMED_MAX_S = 2.0


class Looks:
    """In place of the event that ends the watch: a clock that only its looks move. `at` the end of each, by its number."""

    def __init__(self, last: int, at=lambda number: None) -> None:
        self.now_s = 0.0
        self._number = 0
        self._last = last
        self._at = at

    def wait(self, seconds: float) -> bool:
        self.now_s += seconds
        self._number += 1
        self._at(self._number)
        return self._number > self._last


def whose(file: str) -> str | None:
    return "plugin-1" if file == __file__ else None


def never(stall: Stall) -> None:
    raise AssertionError(stall)


def test_a_loop_that_does_not_beat_is_told_once_within_two_seconds_with_who_keeps_it():
    said_s = []
    with capture_logs() as said:
        looks = Looks(100, lambda _: said_s.append(looks.now_s) if said and not said_s else None)
        Stalls(whose, never)._look(threading.get_ident(), looks)
    (told,) = said
    assert (told["event"], told["owner"], told["log_level"]) == ("loop.stalled", "plugin-1", "error")
    assert told["at"].startswith(f"{__file__}:")
    assert said_s[0] <= NAMED_MAX_S
    assert (1 + LOOKS_MAX) * BEAT_S <= NAMED_MAX_S, "the first look only sees how far the beats are"


@pytest.mark.parametrize("beats_every", [1, LOOKS_MAX])
def test_a_loop_that_beats_now_and_then_is_not_blamed_however_slow_the_machine_is(beats_every):
    stalls = Stalls(whose, never)

    def beat(number: int) -> None:
        stalls._beats += number % beats_every == 0

    with capture_logs() as said:
        stalls._look(threading.get_ident(), Looks(100, beat))
    assert said == []


def test_who_is_not_known_is_nobody_and_the_place_is_the_innermost():
    with capture_logs() as said:
        Stalls(lambda _file: None, never)._look(threading.get_ident(), Looks(LOOKS_MAX + 1))
    assert [told["owner"] for told in said] == [None]
    assert "stalls.py:" in said[0]["at"]


async def test_once_the_loop_moves_again_it_is_told_how_long_it_was():
    told: list[Stall] = []
    stalls = Stalls(whose, told.append)
    watch = asyncio.create_task(stalls.run())
    await asyncio.sleep(0)  # it beats
    ends_s = time.monotonic() + WAIT_MAX_S
    with capture_logs() as said:
        while not said and time.monotonic() < ends_s:
            pass  # this file keeps the loop
    await until(lambda: told, "the next beat")
    watch.cancel()
    await asyncio.wait([watch])
    (stall,) = told
    assert stall.owner == "plugin-1"
    assert stall.lasted_s >= LOOKS_MAX * BEAT_S
