"""A real systemd as the first process of namespaces of its own: what a unit does there is what it does on a box.

It sees this machine's programs and network, and has /etc laid over this machine's, and /run, /tmp, /opt, /usr/local and /var/lib of
its own. This machine's units are not seen: they would set it up.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SYSTEMD = Path("/lib/systemd/systemd")
GROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
WAIT_MAX_S = 120
GROUPS_OF_DEVICES = {"video": 10111, "render": 10112, "input": 10113}
USERS = {"eryxon-gateway": 10101, "eryxon-kiosk": 10102}
TARGETS = ("boot", "sysinit", "basic", "shutdown", "multi-user", "timers", "network", "time-set")  # what ours refer to
OVER = ("opt", "usr/local", "var/lib", "run")
# $1: the folder that all of it lies in.
BOOT = f"""
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work" overlay /etc
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for over in {" ".join(OVER)}; do
    mount --bind "$1/$over" "/$over"
done
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin SYSTEMD_UNIT_PATH=/run/systemd/system SYSTEMD_GENERATOR_PATH=/none \\
    {SYSTEMD} --system --unit=boot.target --show-status=no
"""
NAMESPACES = ["unshare", "--pid", "--mount", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child"]


def can_boot() -> bool:
    """Root, with namespaces, and control groups that it may make."""
    return (
        SYSTEMD.exists()
        and os.geteuid() == 0
        and os.access(groups(), os.W_OK)
        and subprocess.run([*NAMESPACES, "mount", "-t", "proc", "proc", "/proc"], check=False).returncode == 0
    )


def groups() -> Path:
    return next((base for base in GROUPS if (base / "cgroup.controllers").exists()), Path("/none"))


@dataclass(frozen=True)
class Machine:
    """`root`: its own files; `pid`: systemd, as we see it."""

    root: Path
    pid: int

    def inside(self, *command: str, given: str = "") -> subprocess.CompletedProcess[str]:
        within = ["nsenter", "-t", str(self.pid), "-m", "-p", *command]
        return subprocess.run(within, input=given, capture_output=True, text=True, check=False, timeout=WAIT_MAX_S)

    def systemctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.inside("systemctl", "--no-pager", *words)

    def shows(self, unit: str, name: str) -> str:
        return self.systemctl("show", "--value", "-p", name, unit).stdout.strip()

    def until(self, fact, what: str, told=lambda machine: machine.root) -> None:
        """`told(machine)` is said when it is in vain."""
        ends_s = time.monotonic() + WAIT_MAX_S
        while not fact():
            assert time.monotonic() < ends_s, f"waited in vain for {what}: {told(self)}"
            time.sleep(0.1)


@contextlib.contextmanager
def booted(root: Path, units: dict[str, str], installed: dict[str, Path]) -> Iterator[Machine]:
    """`units`: name and text, none is started; `installed`: folders of this machine under names in /opt. At the end nothing is left
    but the files in `root`.
    """
    _lay_out(root, units, installed)
    group = groups() / f"eryxon-test-{os.getpid()}"
    group.mkdir()
    joins = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    binds = "".join(f'mount --bind "{folder}" "/opt/{name}"\n' for name, folder in installed.items())
    script = BOOT.replace("mount -t tmpfs", f"{binds}mount -t tmpfs")
    command = ["sh", "-c", joins, "sh", *NAMESPACES, "sh", "-c", script, "sh", root]
    with (root / "boot.log").open("w") as log:
        outer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield Machine(root, _first(outer, root))
        finally:
            outer.kill()
            outer.wait()
            removed(group)


def _lay_out(root: Path, units: dict[str, str], installed: dict[str, Path]) -> None:
    for name in ("etc", "work", *OVER):
        (root / name).mkdir(parents=True)
    root.chmod(0o755)
    own = root / "run" / "systemd" / "system"
    own.mkdir(parents=True)
    nothing = "[Unit]\nDefaultDependencies=no\n"
    for name, text in {**{f"{name}.target": nothing for name in TARGETS}, **units}.items():
        (own / name).parent.mkdir(exist_ok=True)
        (own / name).write_text(text)
    for name in installed:
        (root / "opt" / name).mkdir()
    passwd, group = (Path("/etc", name).read_text() for name in ("passwd", "group"))
    group += "".join(f"{name}:x:{number}:\n" for name, number in GROUPS_OF_DEVICES.items() if f"\n{name}:" not in group)
    for name, number in USERS.items():
        passwd += f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
        group += f"{name}:x:{number}:\n"
    (root / "etc" / "passwd").write_text(passwd)
    (root / "etc" / "group").write_text(group)


def _first(outer: subprocess.Popen[bytes], root: Path) -> int:
    """The process id of systemd, once it can be asked."""
    ends_s = time.monotonic() + WAIT_MAX_S
    while not (root / "run" / "systemd" / "private").exists():
        assert outer.poll() is None, (root / "boot.log").read_text()
        assert time.monotonic() < ends_s, (root / "boot.log").read_text()
        time.sleep(0.05)
    return int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()[0])


def removed(group: Path) -> None:
    """The kernel takes its time to end what was in it."""
    ends_s = time.monotonic() + WAIT_MAX_S
    while group.exists():
        for folder in (*sorted((one for one in group.rglob("*") if one.is_dir()), reverse=True), group):
            with contextlib.suppress(OSError):
                folder.rmdir()
        assert time.monotonic() < ends_s, f"{group} is still in use"
        time.sleep(0.05)


def program(site: Path) -> tuple[dict[str, Path], str]:
    """The wheel's program with the packages of this Python: folders for /opt, and the text of the command."""
    site.chmod(0o755)  # the user of a unit reads it
    packages = next(Path(name) for name in sys.path if name.endswith("-packages"))
    found = "LD_LIBRARY_PATH=/opt/python/lib PYTHONHOME=/opt/python PYTHONPATH=/opt/site:/opt/packages"
    kept = "PYTHONPYCACHEPREFIX=/var/lib/eryxon-gateway/compiled"
    name = Path(sys.executable).resolve().name
    text = f'#!/bin/sh\n{found} {kept} exec /opt/python/bin/{name} -m gateway "$@"\n'
    return {"site": site, "packages": packages, "python": Path(sys.base_prefix)}, text
