"""A share of `make diskfull`."""

import asyncio
import subprocess
import sys
from pathlib import Path

from namespaces import needed

DRILL_MAX_S = 300


async def test_a_disk_that_fills_up_three_times_loses_nothing_and_recovers_alone():
    needed("--mount")
    program = Path(__file__).parents[1] / "drill" / "disk_full.py"
    drill = await asyncio.create_subprocess_exec(
        *(sys.executable, program, "--cycles", "3"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(DRILL_MAX_S):
        told, _ = await drill.communicate()
    assert drill.returncode == 0, told.decode()
