"""A minimal Debian in a folder, for the tests of the installer: the distribution's packages, set up by their own dpkg.

Wants root, and namespaces of its own: nothing of it touches the machine. Standard library only, as `setup.py`.
"""

from __future__ import annotations  # as setup.py, which imports it

import os
import shutil
import subprocess  # nosec B404 # apt and dpkg-deb have no other door
import sys
from pathlib import Path

# What every Debian has, and what the gateway's package depends on and recommends. usr-is-merged: no perl to merge with.
PACKAGES = ["?essential", "?priority(required)", "usr-is-merged", "python3", "systemd", "mosquitto"]
MERGED = ("bin", "sbin", "lib", "lib64")  # links to the same name below usr
NOT_WANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
OWN = ["unshare", "--mount", "--net", "--pid", "--fork"]  # no network: what is installed is what was fetched
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
INSTALL = """
mount --bind /dev "$1/dev"
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/run"
mkdir "$1/run/packages"
mount --bind "$2" "$1/run/packages"
export PATH=%s DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8
exec chroot "$1" sh -c 'dpkg --force-unsafe-io --force-depends %s --install /run/packages/*.deb'
"""


class Unavailable(Exception):
    """It could not be made; the text is the end of what was said."""


def possible() -> bool:
    """Root, and a kernel that lets it have namespaces."""
    return os.geteuid() == 0 and subprocess.run([*OWN, "true"], capture_output=True, check=False).returncode == 0  # nosec B603 # a list, no shell; words of ours


def python(tree: Path) -> str | None:
    """Which one it has, as "3.11"; None without a tree."""
    link = tree / "usr/bin/python3"
    return link.readlink().name.removeprefix("python") if link.is_symlink() else None


def made(packages: Path, tree: Path) -> None:
    """From the folder with the .deb files of PACKAGES and everything that they depend on. Raises Unavailable."""
    part = tree.with_name(tree.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    for name in MERGED:
        (part / "usr" / name).mkdir(parents=True)
        (part / name).symlink_to(f"usr/{name}")
    excluded = [f"--exclude=.{pattern}" for pattern in NOT_WANTED]
    for package in sorted(packages.glob("*.deb")):  # unpacked before they are installed: dpkg itself is one of them
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpacked:  # nosec B603, B607 # a list, no shell; by name, as PATH has it
            words = ["tar", "-x", "--keep-directory-symlink", *excluded, "-C", str(part)]
            subprocess.run(words, stdin=unpacked.stdout, check=True)  # nosec B603 # a list, no shell; words of ours
    for name in ("passwd", "group"):
        shutil.copy(part / "usr/share/base-passwd" / f"{name}.master", part / "etc" / name)
    for name in ("status", "available"):
        (part / "var/lib/dpkg" / name).touch()
    script = INSTALL % (PATH, " ".join(f"'--path-exclude={pattern}'" for pattern in NOT_WANTED))
    words = [*OWN, "sh", "-ec", script, sys.argv[0], str(part), str(packages)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # nosec B603 # a list, no shell; words of ours
    if done.returncode:
        raise Unavailable(done.stdout[-800:])
    shutil.rmtree(tree, ignore_errors=True)
    part.rename(tree)
