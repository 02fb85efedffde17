"""A box to install into: a minimal Debian with processes, mounts and a network of its own, gone with its last test.

Nothing leads out of it: its only interface is its loopback. It is entered by chroot, and systemd does not run in it;
`systemctl.py` stands in for it where a test wants services started.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / ".cache" / "debian"
BUNDLE = "/srv/bundle"
NAME, CONFIG, DATA = "eryxon-gateway", "/etc/eryxon-gateway/gateway.toml", "/var/lib/eryxon-gateway"
OPT = "/opt/eryxon-gateway"
OWN = ["unshare", "--mount", "--net", "--pid", "--fork"]
ENDS_MAX_S = 300  # installing the packages on a machine that does other things, too
CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
# $1: a folder, $2: a Python of this machine, $3: the tree that set-up made. In memory; a kernel without overlays gets a copy.
LAID = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$3,upperdir=$1/upper,workdir=$1/work" overlay "$1/root" || cp -a "$3/." "$1/root"
mount -t proc proc "$1/root/proc"
mount -t tmpfs tmpfs "$1/root/run"
"$2" -I -c 'import fcntl, socket, struct
UP, SET_FLAGS = 1, 0x8914
fcntl.ioctl(socket.socket(), SET_FLAGS, struct.pack("16sh14x", b"lo", UP))'
"""
HELD = f"""{LAID}
mount --bind /dev "$1/root/dev"
echo there
read end
"""
ASK = """
import sys, urllib.request, urllib.error
path, key, body = sys.argv[1:]
request = urllib.request.Request("http://127.0.0.1:8080" + path, data=body.encode() or None)
if key: request.add_header("Authorization", "Bearer " + key)
if body: request.add_header("Content-Type", "application/json")
try: answer = urllib.request.urlopen(request, timeout=30)
except urllib.error.HTTPError as refusal: answer = refusal
sys.stdout.write(str(answer.status) + " " + answer.read().decode())
"""


def possible() -> bool:
    """Root, where the kernel lets it have namespaces; else there is no box to install into."""
    return os.geteuid() == 0 and subprocess.run([*OWN, "true"], capture_output=True, check=False).returncode == 0


def python() -> str:
    """The box's, as "3.11"; where there is no box, that of the tests."""
    link = DEBIAN / "usr/bin/python3"
    return (
        link.readlink().name.removeprefix("python")
        if link.is_symlink()
        else f"{sys.version_info[0]}.{sys.version_info[1]}"
    )


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Box:
    """`tree`: its root, as seen from here. `inside`: the words that lead into it."""

    tree: Path
    inside: list[str]

    def call(self, *words: str, stdin: str = "", **environment: str) -> Done:
        """As root, with a clean environment and nothing of ours."""
        done = subprocess.run(
            [*self.inside, *words],
            input=stdin,
            env=CLEAN | environment,
            capture_output=True,
            text=True,
            timeout=ENDS_MAX_S,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, stdin: str = "") -> str:
        done = self.call(*words, stdin=stdin)
        assert done.code == 0, done
        return done.out

    def install(self, *words: str) -> Done:
        return self.call(f"{BUNDLE}/install.sh", *words)

    def as_service(self, *words: str) -> str:
        return self.ok("runuser", "-u", NAME, "--", *words)

    def at(self, path: str) -> Path:
        """What lies at an absolute path in there; a link is followed in there, too."""
        return self.tree / path.lstrip("/")

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def calls(self) -> list[str]:
        """What the programs of stub.py were told: "<version> <verb>", in order."""
        file = self.at(f"{DATA}/calls")
        return file.read_text().splitlines() if file.exists() else []

    def versions(self) -> list[str]:
        return sorted(path.name for path in self.at(f"{OPT}/versions").iterdir())

    def current(self) -> str:
        return self.at(f"{OPT}/current").readlink().name

    def carry(self, bundle: Path) -> None:
        """The folder, in place of the one that was carried there before."""
        shutil.rmtree(self.at(BUNDLE), ignore_errors=True)
        shutil.copytree(bundle, self.at(BUNDLE))

    def ask(self, path: str, key: str = "", body: Any = None) -> tuple[int, Any]:
        """REST on its loopback: status and JSON, or text where it is none. With a body: POST."""
        told = self.ok("/usr/bin/python3", "-I", "-c", ASK, path, key, "" if body is None else json.dumps(body))
        status, _, text = told.partition(" ")
        with contextlib.suppress(ValueError):
            return int(status), json.loads(text)
        return int(status), text

    def stamp(self) -> dict[str, tuple[float, int, int, int]]:
        """Every file in the places that the installer may touch, with what tells whether it was."""
        found = {}
        for top in ("opt", "etc", "usr/local", "var/lib/eryxon-gateway"):
            for path in (self.tree / top).rglob("*"):
                about = path.lstat()
                found[str(path.relative_to(self.tree))] = (about.st_mtime, about.st_size, about.st_mode, about.st_uid)
        return found


@contextlib.contextmanager
def debian(folder: Path, *, supervised: bool) -> Iterator[Box]:
    """A fresh one in `folder`. `supervised`: with the stand-in for systemd."""
    place = folder / "box"
    place.mkdir(exist_ok=True)
    words = [*OWN, "sh", "-ec", HELD, "box", str(place), sys.executable, str(DEBIAN)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "there\n"
            enter = ["nsenter", "--mount", "--net", f"--target={holder.pid}"]
            enter.append(f"--pid=/proc/{holder.pid}/ns/pid_for_children")
            seen = Path(f"/proc/{holder.pid}/root") / str(place / "root").lstrip("/")
            box = Box(seen, [*enter, "chroot", str(place / "root")])
            if supervised:
                stand_in = Path(__file__).with_name("systemctl.py").read_text()
                box.put("/usr/local/sbin/systemctl", f"#!/usr/bin/python3\n{stand_in}", 0o755)
                box.ok("mkdir", "-p", "/run/systemd/system")
            yield box
        finally:
            holder.stdin.close()  # its first process ends, and with it all the others and every mount
            holder.wait()
