"""A small share of `make upgrade`: the wheel of the commit before, the working tree, and back again."""

import subprocess
import sys
from pathlib import Path

import pytest

DRILL = Path(__file__).parents[1] / "drill" / "upgrade.py"
DRILL_MAX_S = 300


@pytest.mark.slow
def test_what_was_booked_before_an_update_with_the_newer_version_and_after_a_rollback_is_all_sent():
    done = subprocess.run(
        [sys.executable, str(DRILL), "--events", "2000", "--only", "hub-back"],
        capture_output=True,
        text=True,
        timeout=DRILL_MAX_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all there, all sent, none twice, in order, with its true time"
