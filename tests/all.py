"""Every test, in seven runs beside each other: those of links to others, of whole programs and of pages wait more than they work.

With arguments it is one run of pytest with those.
"""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
WAITING = (
    ("tests/cloud",),
    ("tests/upstream", "tests/uns", "tests/machines", "tests/publishers"),
    ("tests/cli", "tests/demo"),
    ("tests/end_to_end",),
    ("tests/install", "tests/canaries", "tests/updates"),
    ("tests/screens", "tests/terminals", "tests/ops", "tests/plugins", "tests/plugin_host"),
)
PYTEST = (sys.executable, "-m", "pytest", "-q")


@contextlib.contextmanager
def beside(folders: tuple[str, ...]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A run of its own, and what it says."""
    with tempfile.TemporaryFile() as told:
        command = [*PYTEST, "-p", "no:cacheprovider", *folders]
        run = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=subprocess.STDOUT)
        try:
            yield run, told
        finally:
            run.kill()  # nothing, once it has ended
            run.wait()


def main() -> int:
    if len(sys.argv) > 1:
        return subprocess.run([*PYTEST, *sys.argv[1:]], cwd=ROOT, check=False).returncode
    others = [f"--ignore={folder}" for folders in WAITING for folder in folders]
    with contextlib.ExitStack() as stack:
        runs = [(folders, *stack.enter_context(beside(folders))) for folders in WAITING]
        codes = [subprocess.run([*PYTEST, *others], cwd=ROOT, check=False).returncode]
        for folders, run, told in runs:
            codes.append(run.wait())
            told.seek(0)
            print(f"\n{' '.join(folders)}, beside them:", flush=True)
            sys.stdout.buffer.write(told.read())
            sys.stdout.flush()
    return max(codes)


if __name__ == "__main__":
    raise SystemExit(main())
