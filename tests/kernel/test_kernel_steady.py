"""A clock that is set while people measure with it."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.kernel.clock import ManualClock
from gateway.kernel.steady import SteadyClock


@pytest.fixture
def machine():
    return ManualClock(datetime(1970, 1, 1, tzinfo=UTC))


async def test_it_follows_the_machines_clock(machine):
    clock = SteadyClock(machine)
    for _ in range(5):
        await machine.advance(600)
        machine.step(1.5)  # a small correction
        assert clock.now() == machine.now()
        assert clock.step() is None


@pytest.mark.parametrize("by_s", [-3600, -2, 2, 3600, 1_795_000_000])
async def test_when_it_is_set_the_old_time_goes_on_until_the_new_one_is_adopted(machine, by_s):
    machine.step(7200)
    clock = SteadyClock(machine)
    before = clock.now()
    machine.step(by_s)
    await machine.advance(60)
    assert clock.now() == before + timedelta(seconds=60)
    step = clock.step()
    assert step.by == timedelta(seconds=by_s)
    assert (step.began, step.ended) == (before, before + timedelta(seconds=60))
    clock.adopt(step)
    assert clock.step() is None
    assert clock.now() == machine.now()


async def test_what_could_not_be_put_right_comes_again(machine):
    clock = SteadyClock(machine)
    machine.step(100)
    step = clock.step()
    clock.adopt(step)
    clock.refuse(step)
    assert clock.step() == step
    machine.step(-100)  # set back meanwhile: there is nothing to put right any more
    assert clock.step() is None
