"""The drill of the counters (`make machines`), a short share: real gateway, real broker, both killed meanwhile."""

import subprocess
import sys
from pathlib import Path

DRILL = Path(__file__).parents[1] / "drill" / "machines.py"
ENDS_MAX_S = 300


def test_every_piece_is_booked_once_whoever_is_killed():
    share = ["--messages", "1600", "--controllers", "4", "--reboots", "2", "--kills", "2", "--broker-kills", "1"]
    done = subprocess.run(
        [sys.executable, DRILL, *share], capture_output=True, text=True, timeout=ENDS_MAX_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every piece is booked once" in done.stdout
