"""What is carried to a box, made without network from what set-up fetched."""

import os
import subprocess
import sys
from pathlib import Path

import box

ROOT = Path(__file__).parents[2]


def made_bundle(what: str, out: Path) -> Path:
    """`folder` or `deb`: the last line that the program says is what it made."""
    words = [sys.executable, ROOT / "systemd" / "bundle.py", what, "--out", out, "--python", box.python()]
    offline = {"GATEWAY_ASSETS": "as-is", "PIP_NO_INDEX": "1"}
    done = subprocess.run(words, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return Path(done.stdout.splitlines()[-1])
