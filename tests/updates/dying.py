"""Runs a step of an update again and again on a fresh copy, killed before its first touch of the disk, its second, ... to its end.

`python dying.py begin|rollback SOURCE FOLDER`. After each death the box is looked at, then the step is done again and the box is
looked at once more. Prints one line of JSON: how many deaths, and what was wrong.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from older import NAME, NEXT, ask, copied, standing

from gateway.kernel import logs
from gateway.kernel.clock import SystemClock
from gateway.kernel.connection import check
from gateway.kernel.errors import NotFound
from gateway.kernel.migrate import steps
from gateway.updates import note as notes
from gateway.updates.steps import begin, rollback

TOUCHES = {"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "sqlite3.connect"}
STEPS = {"begin": begin, "rollback": rollback}
TOUCHES_MAX = 500


def killed(step: str, data: Path, number: int) -> bool:
    """In a process of its own; False: it came to its end before."""
    child = os.fork()
    if child == 0:
        seen = 0

        def touched(event: str, _arguments: tuple) -> None:
            nonlocal seen
            if event in TOUCHES:
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(touched)
        STEPS[step](data, SystemClock())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"{step} failed by itself at touch {number}")
    return os.WIFSIGNALED(status)


def wrong_with(data: Path, before: dict, schemas: set[int]) -> list[str]:
    """The database is whole, of one version or the other, and everything is in it."""
    check(data / NAME, after_unclean_stop=True)
    (found,) = ask(data, "PRAGMA user_version")[0]
    told = [] if found in schemas else [f"schema {found}"]
    return told + [table for table, rows in standing(data).items() if rows != before[table]]


def main(step: str, source: Path, folder: Path) -> None:
    logs.configure("error")
    before, wrong, number = standing(source), [], 0
    schemas = {NEXT, max(steps())} if step == "rollback" else {ask(source, "PRAGMA user_version")[0][0]}
    for number in range(1, TOUCHES_MAX):
        data = copied(source, folder / "data")
        died = killed(step, data, number)
        wrong += [f"touch {number}: {one}" for one in wrong_with(data, before, schemas)]
        try:
            STEPS[step](data, SystemClock())
        except NotFound:  # it had come to its end
            if notes.last(data).state != "rolled back":
                wrong.append(f"touch {number}: it cannot be done again")
        wrong += [f"touch {number}, again: {one}" for one in wrong_with(data, before, {min(schemas)})]
        left = [one.name for pattern in (".rolling-back-*", "backups/*.part") for one in data.glob(pattern)]
        wrong += [f"touch {number}: {one} is left behind" for one in left]
        shutil.rmtree(data)
        if not died:
            break
    print(json.dumps({"deaths": number - 1, "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
