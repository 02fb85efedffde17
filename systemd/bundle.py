"""Everything that a box needs in one folder: the installer, the units and every package, so that it needs no network.

    python systemd/bundle.py fetch|folder|deb [--arch arm64] [--python 3.13] [--out DIR] [--wheels DIR]

`fetch` asks the package index for the packages of the lock, once for each lock, machine and Python; `folder` (and its
.tar.gz) and `deb` need no network after that. Run by the Python of `.venv`. The same clone gives the same bytes:
times are SOURCE_DATE_EPOCH, or the time of the last commit.
"""

import argparse
import gzip
import hashlib
import os
import platform
import re
import shutil
import subprocess  # nosec B404 # pip and git have no other door
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import deb
from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent
HERE, LOCKS, CACHE = ROOT / "systemd", ROOT / "tools" / "lock", ROOT / ".cache"
NAME = "eryxon-gateway"
LOCK, PIP_LOCK = LOCKS / "runtime.txt", LOCKS / "pip.txt"  # pip installs the others: a bare Debian has none
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # Debian's name for it, Python's
OLDEST_GLIBC, NEWEST_GLIBC = 17, 28  # 2.x of the wheels: what Debian 12 and everything newer has
SCRIPTS = ("install.sh", "parts.sh", "remove.sh")


@dataclass(frozen=True)
class Target:
    """What it is for: `arch` as Debian names it, `python` as "3.11"."""

    arch: str
    python: str

    @property
    def platforms(self) -> list[str]:
        """What pip may take, the newest first."""
        machine = MACHINES[self.arch]
        return [f"manylinux_2_{n}_{machine}" for n in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)] + [
            f"manylinux2014_{machine}"
        ]

    @property
    def markers(self) -> dict[str, str]:
        """The environment of the box, as far as locks ask for it. pip would take that of this machine."""
        return {
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": MACHINES[self.arch],
            "implementation_name": "cpython",
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
        }


class Problem(Exception):
    """The text says what to do."""


def main() -> None:
    given = arguments()
    target = Target(given.arch, given.python)
    try:
        wheels = given.wheels or fetched(target)
        if given.what == "fetch":
            return
        made = folder(target, wheels, given.out)
        if given.what == "folder":
            print(f"{packed(made)}\n{made}")
        else:
            print(deb.package(made, given.out, version(), target.arch, target.python, timestamp()))
    except (Problem, deb.NoDpkg) as problem:
        sys.exit(f"bundle: {problem}")


def arguments() -> argparse.Namespace:
    here = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fetch", "folder", "deb"])
    parser.add_argument("--arch", choices=sorted(MACHINES), default=here)
    parser.add_argument("--python", default=f"{sys.version_info.major}.{sys.version_info.minor}")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--wheels", type=Path, help="a folder that has them already, instead of asking the index")
    return parser.parse_args()


# ---------------------------------------------------------------- packages
def fetched(target: Target) -> Path:
    """The folder in .cache with every package of the lock for that machine; from the index when it is not there yet.

    Raises Problem.
    """
    home = CACHE / f"wheels-{target.arch}-{target.python}"
    stamp, wanted = home / ".made", digest(LOCK) + digest(PIP_LOCK)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return home
    part = home.with_name(home.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    lock = part / "requirements.txt"
    lock.write_text("\n".join([*applicable(LOCK, target), *applicable(PIP_LOCK, target), ""]), encoding="utf-8")
    words = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--retries=2", "--no-deps"]
    words += ["--only-binary=:all:", "--require-hashes", "--implementation=cp", f"--python-version={target.python}"]
    words += [f"--platform={name}" for name in target.platforms]
    run(*words, "-d", str(part), "-r", str(lock))
    lock.unlink()
    (part / ".made").write_text(wanted, encoding="utf-8")
    shutil.rmtree(home, ignore_errors=True)
    part.rename(home)
    return home


def applicable(lock: Path, target: Target) -> list[str]:
    """The entries of a lock that the target needs, without their conditions."""
    entries = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found = []
    for entry in entries:
        name, _, rest = entry.partition(" ")
        condition = re.match(r"\s*;\s*(.+?)\s+--hash", rest)
        if condition is None or Marker(condition[1]).evaluate(dict(target.markers)):
            found.append(f"{name} {rest[rest.index('--hash') :]}")
    return found


def own_wheel(out: Path) -> Path:
    """The gateway's own, with its pages and the OPC UA nodeset. Raises Problem."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out))
    (wheel,) = out.glob("eryxon_gateway-*.whl")
    return wheel


# ---------------------------------------------------------------- the folder
def folder(target: Target, wheels: Path, out: Path) -> Path:
    """`<out>/eryxon-gateway-<version>-<arch>`, made anew. Raises Problem."""
    made = out / f"{NAME}-{version()}-{target.arch}"
    shutil.rmtree(made, ignore_errors=True)
    house = made / "wheelhouse"
    house.mkdir(parents=True)
    own = own_wheel(house)
    for wheel in sorted(wheels.glob("*.whl")):
        shutil.copy(wheel, house)
    require_complete(target, house)
    entry = f"{NAME}=={version()} --hash=sha256:{digest(own)}\n"
    (made / "requirements.txt").write_text(LOCK.read_text(encoding="utf-8") + entry, encoding="utf-8")
    for script in SCRIPTS:
        shutil.copy(HERE / script, made)
        (made / script).chmod(0o755)
    units = made / "units"
    units.mkdir()
    for unit in sorted([*HERE.glob("*.service"), *HERE.glob("*.timer")]):
        shutil.copy(unit, units)
    shutil.copy(ROOT / "LICENSE", made)
    (made / "README").write_text(readme(target), encoding="utf-8")
    (made / "BUNDLE").write_text(
        f"version={version()}\narch={target.arch}\nmachine={MACHINES[target.arch]}\npython={target.python}\n",
        encoding="utf-8",
    )
    run(sys.executable, "-m", "gateway.admin.sbom", str(made / "sbom.cdx.json"))
    files = sorted(file.relative_to(made) for file in made.rglob("*") if file.is_file())
    sums = "".join(f"{digest(made / file)}  {file}\n" for file in files)
    (made / "SHA256SUMS").write_text(sums, encoding="utf-8")  # last: it names all the others
    return made


def require_complete(target: Target, house: Path) -> None:
    """Every package of the lock lies there, with one of its hashes. Raises Problem."""
    there = {digest(wheel) for wheel in house.glob("*.whl")}
    missing = [
        entry.split()[0]
        for lock in (LOCK, PIP_LOCK)
        for entry in applicable(lock, target)
        if not there & set(re.findall(r"sha256:([0-9a-f]{64})", entry))
    ]
    if missing:
        raise Problem(f"no wheel with a hash of the lock for {', '.join(missing)}: fetch them again (make bundle)")


def readme(target: Target) -> str:
    return f"""The Eryxon edge gateway {version()} for Debian on {target.arch} with Python {target.python}

As root, on the box; no network is needed:

    ./install.sh                 installs it, or updates what is there
    ./install.sh --no-start      the same, and leaves the starting to you
    ./install.sh --kiosk URL     also shows URL on the screen of the box
    ./install.sh --rollback      back to the version before the last update
    ./install.sh --uninstall     removes the program; configuration and data stay (--purge removes them, too)

A Mosquitto of the distribution is used when it is there (apt install mosquitto); else a small broker inside the gateway.
"""


def packed(made: Path) -> Path:
    """`<folder>.tar.gz` beside it; the same bytes for the same content."""
    target = made.with_name(made.name + ".tar.gz")
    when = timestamp()

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = when
        entry.mode = 0o755 if entry.isdir() or entry.name.endswith(".sh") else 0o644
        return entry

    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=when) as zipped,  # wheels are zips
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for path in [made, *sorted(made.rglob("*"))]:
            tar.add(path, path.relative_to(made.parent), recursive=False, filter=plain)
    return target


# ---------------------------------------------------------------- manners
def version() -> str:
    text: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return text


def timestamp() -> int:
    """Seconds since 1970 that every file is said to be from."""
    if said := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(said)
    words = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    told = subprocess.run(words, capture_output=True, text=True, check=False).stdout  # nosec B603 # a list, no shell; words of ours
    return int(told) if told.strip() else 0


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def run(*words: str) -> None:
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # nosec B603 # a list, no shell; words of ours
    if done.returncode:
        raise Problem(f"`{' '.join(words[1:4])}` ended with status {done.returncode}:\n{done.stdout[-800:]}")


if __name__ == "__main__":
    main()
