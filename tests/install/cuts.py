"""Small programs installed in boxes, and install.sh killed in the middle of it."""

import os
import re
import signal
import subprocess
from pathlib import Path

import box as boxes
import stub
from box import BUNDLE, DATA, OPT, Box
from waiting import until

LOCK = "/run/eryxon-gateway-install.lock"
SERVICE = "eryxon-gateway.service"


async def installed(box: Box, folder: Path, version: str = "1.0", **wishes) -> None:
    brought(box, folder, version, **wishes)
    assert box.install().code == 0
    await serves(box, version)


def brought(box: Box, folder: Path, version: str, **wishes) -> None:
    """A bundle with that program lies in the box, in place of the one before."""
    box.carry(stub.bundle(folder, version, **wishes))


async def serves(box: Box, version: str) -> None:
    """The service comes up with that version, and has the key of the store."""
    await until(lambda: box.call("systemctl", "is-active", SERVICE).code == 0, box.current())
    key = box.at("/etc/credstore/eryxon-gateway.box-key").read_bytes().hex()
    assert box.ask("/") == (200, {"version": version, "key": key})
    assert box.current() == f"{version}-1"


def cut_off(box: Box, at_line: int) -> bool:
    """Kills install.sh, and what it started, at that line of its trace; False: it had ended before."""
    words = [*box.inside, "sh", "-x", f"{BUNDLE}/install.sh"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, env=boxes.CLEAN, start_new_session=True, **quiet) as run:
        for number, _ in enumerate(run.stderr):
            if number == at_line:
                os.killpg(run.pid, signal.SIGKILL)
                box.ok("flock", "--wait=60", LOCK, "true")  # until all of it is gone
                return True
    return False


def lines(box: Box) -> int:
    """Of the trace of a whole run."""
    done = box.call("sh", "-x", f"{BUNDLE}/install.sh")
    assert done.code == 0, done
    return len(re.findall(r"^\+", done.err, flags=re.MULTILINE))


async def install_survives(folder: Path, cuts: int) -> None:
    """`cuts`: at so many places, spread over the whole run."""
    made = stub.bundle(folder, "1.0")
    with boxes.debian(folder, supervised=True) as whole:
        whole.carry(made)
        total = lines(whole)
    for part in range(1, cuts + 1):
        with boxes.debian(folder, supervised=True) as box:
            box.carry(made)
            assert cut_off(box, total * part // (cuts + 1))
            done = box.install()
            assert done.code == 0, done
            await serves(box, "1.0")
            assert "key" in box.at(f"{DATA}/first-admin-key").read_text()
            assert box.versions() == ["1.0-1"]
            assert not box.at(f"{DATA}/first-admin-key.part").exists()


async def update_survives(folder: Path, cuts: int) -> None:
    older, newer = stub.bundle(folder, "1.0"), stub.bundle(folder, "2.0")
    with boxes.debian(folder, supervised=True) as whole:
        whole.carry(older)
        assert whole.install().code == 0
        whole.carry(newer)
        total = lines(whole)
    for part in range(1, cuts + 1):
        with boxes.debian(folder, supervised=True) as box:
            box.carry(older)
            assert box.install().code == 0
            box.carry(newer)
            assert cut_off(box, total * part // (cuts + 1))
            done = box.install()
            assert done.code == 0, done
            await serves(box, "2.0")
            assert box.calls()[-1] == "2.0 confirm"
            assert not box.at(f"{OPT}/updating").exists()
