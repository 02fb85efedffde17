"""The box of box.py with its own systemd as the first process: units are started by what starts them on a real one."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import booted
from box import DEBIAN, LAID, Box

WAIT_MAX_S = 180
# What wants hardware, a network or a login; Debian's Mosquitto, as the guide says.
MASKED = """mosquitto.service systemd-udevd.service systemd-udev-trigger.service getty.target remote-fs.target console-getty.service
systemd-networkd.service systemd-resolved.service systemd-timesyncd.service systemd-logind.service systemd-pstore.service
apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer""".split()
# Not entered by chroot: the kernel lets nobody in there make user namespaces, which units do. /dev has nodes of its own: units
# copy them.
BOOT = f"""{LAID}
cd "$1/root"
mount -t tmpfs tmpfs dev
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
mkdir dev/shm dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for unit in {" ".join(MASKED)}; do
    ln -sf /dev/null "etc/systemd/system/$unit"
done
: >etc/machine-id
mkdir -p mnt/outside
pivot_root . mnt/outside
umount -l mnt/outside
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --system --unit=multi-user.target --show-status=no
"""


@contextlib.contextmanager
def debian(folder: Path) -> Iterator[Box]:
    """A fresh one, booted. `booted.can_boot` says whether that may be here."""
    place = folder / "box"
    place.mkdir(exist_ok=True)
    group = booted.groups() / f"eryxon-box-{os.getpid()}"
    group.mkdir()
    joins = ["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh"]
    words = [*joins, *booted.NAMESPACES, "--net", "sh", "-ec", BOOT, "box", str(place), sys.executable, str(DEBIAN)]
    with (folder / "boot.log").open("w") as log:
        outer = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        first = _first(outer, folder / "boot.log")
        enter = ["nsenter", f"--target={first}", "--mount", "--net", "--pid", "--cgroup", "--root", "--wd"]
        yield Box(Path(f"/proc/{first}/root"), enter)
    finally:
        outer.kill()
        outer.wait()
        booted.removed(group)


def _first(outer: subprocess.Popen[bytes], log: Path) -> int:
    """The process id of its systemd, once everything that it starts at boot has been started."""
    ends_s = time.monotonic() + WAIT_MAX_S
    while True:
        assert outer.poll() is None, log.read_text()
        assert time.monotonic() < ends_s, log.read_text()
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        if children and Path(f"/proc/{children[0]}/root/run/systemd/private").exists():
            break
        time.sleep(0.05)
    first = int(children[0])
    asked = ["nsenter", f"--target={first}", "--mount", "--pid", "--root", "systemctl", "is-system-running", "--wait"]
    subprocess.run(asked, capture_output=True, check=False, timeout=WAIT_MAX_S)
    return first
