"""A box dies, twice, and another takes its place: a share of `make swap`, with the judge of the drill."""

import asyncio
import subprocess
import sys
from pathlib import Path

SWAPS_MAX_S = 240
SIZE = "--stations 2 --operations 2 --count 20 --chores 4".split()


async def test_a_box_is_swapped_and_the_old_one_comes_back(tmp_path):
    program = Path(__file__).parents[1] / "drill" / "swap.py"
    swaps = await asyncio.create_subprocess_exec(
        *(sys.executable, program, *SIZE, "--keep", tmp_path / "floor"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(SWAPS_MAX_S):
        told, _ = await swaps.communicate()
    assert swaps.returncode == 0, told.decode()
    assert "the old box is refused" in told.decode()
