"""A gateway in this loop with a furnished hall, and terminals that talk to it over HTTP."""

import shutil

import pytest
from station import serving

from gateway.kernel.clock import ManualClock


@pytest.fixture
async def hall(tmp_path, furnished):
    """A gateway whose clock stands still until it is moved."""
    shutil.copy(furnished, tmp_path)
    async with serving(tmp_path, ManualClock()) as made:
        yield made


@pytest.fixture
def halls(tmp_path, furnished):
    """`async with halls(clock, terminal={...}) as hall`: with other settings; the second time on the same data."""
    shutil.copy(furnished, tmp_path)

    def make(clock=None, **sections):
        return serving(tmp_path, clock or ManualClock(), **sections)

    return make
