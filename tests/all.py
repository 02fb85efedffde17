"""Every test, in two runs beside each other: those of the links to a cloud and a hub wait more than they work.

With arguments it is one run of pytest with those.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WAITING = ("tests/cloud", "tests/upstream")
PYTEST = (sys.executable, "-m", "pytest", "-q")


def main() -> int:
    if len(sys.argv) > 1:
        return subprocess.run([*PYTEST, *sys.argv[1:]], cwd=ROOT, check=False).returncode
    others = [f"--ignore={folder}" for folder in WAITING]
    with tempfile.TemporaryFile() as told:
        command = [*PYTEST, "-p", "no:cacheprovider", *WAITING]
        waiting = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=subprocess.STDOUT)
        try:
            code = subprocess.run([*PYTEST, *others], cwd=ROOT, check=False).returncode
            waiting.wait()
        finally:
            waiting.kill()  # nothing, once it has ended
            waiting.wait()
        told.seek(0)
        print(f"\n{' '.join(WAITING)}, beside them:", flush=True)
        sys.stdout.buffer.write(told.read())
        sys.stdout.flush()
    return code or waiting.returncode


if __name__ == "__main__":
    raise SystemExit(main())
