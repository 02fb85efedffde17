"""Everything `make run` and `make test` need, into `.venv` and `.cache`; nothing outside the clone changes, no root wanted.

Standard library only: on a bare machine it is run by the system's Python. Quick, and without network, when there is
nothing to do: each step has a stamp of its inputs, written last, so what was cut off or is outdated is done again.
"""

from __future__ import annotations  # an older Python shall get as far as the line that says so

import fcntl
import hashlib
import os
import re
import shutil
import subprocess  # nosec B404 # pip, apt and dpkg-deb have no other door
import sys
import time
from collections.abc import Callable
from pathlib import Path

import assets
import debian

ROOT = Path(__file__).resolve().parent.parent
VENV, CACHE, LOCKS = ROOT / ".venv", ROOT / ".cache", ROOT / "tools" / "lock"
PYTHON, BIN = VENV / "bin" / "python", CACHE / "bin"
PIP_WHEELS = Path("/usr/share/python-wheels")  # where Debian keeps pip for its own venv module
PIP = "pip install -q --disable-pip-version-check --retries=2".split()
HASHED = ("--only-binary=:all:", "--require-hashes")  # no compiler, and no file that the lock does not know
MOSQUITTO_PACKAGES = {
    "mosquitto": "mosquitto",
    "mosquitto_sub": "mosquitto-clients",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_passwd": "mosquitto",  # nosec B105 -- a program and its package
}
CURL_PACKAGES = {"curl": "curl"}
TRUST_PACKAGES = {"certutil": "libnss3-tools", "openssl": "openssl"}
CHROMIUM_PACKAGES = ["chromium-headless-shell", "fonts-dejavu-core"]
OLDEST_PYTHON = (3, 11)
REASON_CHARS = 800  # of what a failed tool said: its last lines
STARTED_S = time.monotonic()


def main() -> None:
    tests = "--tests" in sys.argv[1:]
    outside_the_environment()
    try:
        check_machine()
        CACHE.mkdir(exist_ok=True)
        with (CACHE / "setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # `make run` and `make test` at once: the second waits
            missing = set_up(PrivateApt(CACHE / "apt"), tests=tests)
    except Problem as problem:
        sys.exit(f"setup: failed: {problem}")
    except KeyboardInterrupt:
        sys.exit("setup: stopped; the same command goes on from here")
    ready = f"ready, but without {', '.join(missing)}" if missing else "ready"
    say(ready if tests else f"{ready} (`make run`: the demo; `make test`: every check; `make help`: the rest)")


def set_up(apt: PrivateApt, *, tests: bool) -> list[str]:
    """Python, packages and the gateway must be had; of the rest it returns what was not, each told with its reason."""
    virtual_environment(apt)
    packages(tests=tests)
    extras: list[tuple[str, Callable[[], None], str]] = [
        ("browser libraries", browser_libraries, "the gateway serves its API, its pages stay empty"),
        ("Mosquitto", lambda: unpacked(apt, "mosquitto", MOSQUITTO_PACKAGES), "the gateway takes its embedded broker"),
        ("curl", lambda: unpacked(apt, "curl", CURL_PACKAGES), "the line that the demo prints will want one"),
    ]
    if tests:
        extras += [
            ("Node.js", node, "Playwright tries its own"),
            ("npm packages of the tests", npm_packages, "the tests with other people's MQTT clients will fail"),
            (
                "certutil and openssl",
                lambda: unpacked(apt, "trust", TRUST_PACKAGES),
                "the tests of who trusts the gateway's CA will fail",
            ),
            ("Chromium", lambda: chromium(apt), "the tests of pages will fail"),
            ("a Debian to install into", lambda: bare_debian(apt), "the tests of the installer will fail"),
            ("wheels of the bundle", wheels, "the tests of the installer will fail"),
        ]
    missing = []
    for name, step, without in extras:
        try:
            step()
        except Problem as problem:
            say(f"{name}: not to be had, so {without} ({problem}). To try again: the same command")
            missing.append(name)
    project()
    apt.drop()
    return missing


# ---------------------------------------------------------------- steps
def virtual_environment(apt: PrivateApt) -> None:
    """Made anew when the clone was moved or the system's Python changed. Debian's Python has no ensurepip of its own."""
    stamp = Stamp(VENV / ".made")
    if stamp.holds():
        return
    say(f"virtual environment with Python {sys.version.split()[0]}")
    shutil.rmtree(VENV, ignore_errors=True)
    run(sys.executable, "-m", "venv", "--without-pip", VENV)
    if not works(PYTHON, "-m", "ensurepip", "-q"):
        if wheel := pip_wheel(apt):
            run(PYTHON, f"{wheel}/pip", "install", "-q", "--no-index", wheel)
        elif works(sys.executable, "-m", "pip", "--python", PYTHON, "--version"):
            run(sys.executable, "-m", "pip", "--python", PYTHON, *PIP[1:], *HASHED, "-r", LOCKS / "runtime.txt")
        else:
            raise Problem("Python has neither ensurepip nor pip. Install them, for instance: apt install python3-venv")
    stamp.write()


def pip_wheel(apt: PrivateApt) -> Path | None:
    """Just pip, as the distribution ships it: installed, or unpacked from its package."""
    wheels = sorted(PIP_WHEELS.glob("pip-*.whl"))
    if not wheels and apt.usable():
        say("no pip here: taking the distribution's (unpacked, not installed)")
        try:
            apt.unpack(["python3-pip-whl"], CACHE / "pip-whl", alone=True)
        except Problem as problem:
            say(f"pip: {problem}\n  (or install it yourself: apt install python3-venv)")
        wheels = sorted((CACHE / "pip-whl").rglob("pip-*.whl"))
    return wheels[-1] if wheels else None


def packages(*, tests: bool) -> None:
    """dev.txt has all of runtime.txt in the same versions: once it is in, it stays."""
    lock = LOCKS / ("dev.txt" if tests or (VENV / ".dev").exists() else "runtime.txt")
    stamp = Stamp(VENV / f".{lock.stem}", lock)
    if stamp.holds():
        return
    say(f"Python packages of {lock.relative_to(ROOT)}, every file checked by hash")
    run(PYTHON, "-m", *PIP, *HASHED, "-r", lock)
    stamp.write()


def browser_libraries() -> None:
    if assets.ready():
        return
    if assets.npm_command() is None:
        node()
    say("browser libraries of the pages, every package checked by hash")
    try:
        assets.fetch()
    except assets.AssetsUnavailable as problem:
        raise Problem(str(problem)) from None


def node() -> None:
    """For npm where there is none, and for Playwright: its own Node.js wants a library that a bare Debian lacks."""
    stamp = Stamp(assets.NODE_DIR / ".made", assets.NODE_LOCK)
    if stamp.holds():
        return
    say("Node.js from the Python index, for build and tests only (60 MB)")
    shutil.rmtree(assets.NODE_DIR, ignore_errors=True)
    run(PYTHON, "-m", *PIP, *HASHED, "--target", assets.NODE_DIR, "-r", assets.NODE_LOCK)
    stamp.write()


def npm_packages() -> None:
    """Those of the tests, in a folder of their own."""
    stamp = Stamp(assets.TESTS / ".made", assets.NPM_DIR / "package-lock.json")
    if stamp.holds():
        return
    say("npm packages for the tests, every one checked by hash")
    try:
        assets.install(assets.TESTS)
    except assets.AssetsUnavailable as problem:
        raise Problem(str(problem)) from None
    stamp.write()


def project() -> None:
    stamp = Stamp(VENV / ".project", ROOT / "pyproject.toml")
    if stamp.holds():
        return
    say("the gateway itself (editable)")
    tried = {**os.environ, "GATEWAY_ASSETS": "as-is"}
    run(PYTHON, "-m", *PIP, "--no-deps", "--no-build-isolation", "-e", ROOT, env=tried)
    stamp.write()


def unpacked(apt: PrivateApt, folder: str, packages: dict[str, str]) -> None:
    """Programs that this machine lacks, out of the distribution's packages; never installed, never a service."""
    missing = [name for name in packages if not on_this_machine(name)]
    home = CACHE / folder
    stamp = Stamp(home / ".made", text=" ".join(missing))
    if not missing or stamp.holds():
        return
    say(f"{', '.join(missing)} of the distribution (unpacked into .cache; nothing is installed, no service)")
    apt.unpack(sorted({packages[name] for name in missing}), home)
    for name in missing:
        launcher(name, home, home / "usr" / ("sbin" if name == "mosquitto" else "bin") / name)
    stamp.write()


def chromium(apt: PrivateApt) -> None:
    if any(map(on_this_machine, ("chromium", "chromium-browser", "google-chrome"))):
        return
    home = CACHE / "chromium"
    stamp = Stamp(home / ".made", text=" ".join(CHROMIUM_PACKAGES))
    if stamp.holds():
        return
    say("Chromium of the distribution, headless, for the tests (unpacked into .cache, not installed)")
    apt.unpack(CHROMIUM_PACKAGES, home)
    (home / "fonts.conf").write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'  # which of them is meant by "sans-serif"
        f"<dir>{home}/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{home}/font-cache</cachedir></fontconfig>",
        encoding="utf-8",
    )
    names = ("headless_shell", "chromium-headless-shell")  # the older and the newer releases of Debian
    programs = [home / "usr/lib/chromium" / name for name in names]
    launcher("chromium", home, next((p for p in programs if p.exists()), programs[-1]))
    stamp.write()


def wheels() -> None:
    """The packages once more as files: what an offline bundle carries, for the Python of the Debian to install into."""
    python = debian.python(CACHE / "debian") or f"{sys.version_info.major}.{sys.version_info.minor}"
    stamp = Stamp(CACHE / ".wheels", LOCKS / "runtime.txt", LOCKS / "pip.txt", text=python)
    if stamp.holds():
        return
    say("the same packages as files, for a bundle that needs no network")
    run(PYTHON, ROOT / "systemd" / "bundle.py", "fetch", "--python", python)
    stamp.write()


def bare_debian(apt: PrivateApt) -> None:
    tree = CACHE / "debian"
    stamp = Stamp(CACHE / ".debian", text=" ".join(debian.PACKAGES))
    if stamp.holds():
        return
    if not debian.possible():
        say("no Debian to install into: only root can make one, so only root's tests try the installer")
        return
    say("a minimal Debian in .cache/debian, for the tests of the installer")
    try:
        debian.made(apt.packages(debian.PACKAGES, bare=True), tree)
    except debian.Unavailable as problem:
        raise Problem(str(problem)) from None
    stamp.write()


# ---------------------------------------------------------------- Debian packages without root
class PrivateApt:
    """apt with lists and cache of its own: reads the machine's sources and trust, writes below `home` only."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.updated = False
        self.failed: Problem | None = None

    @staticmethod
    def usable() -> bool:
        return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))

    def unpack(self, names: list[str], target: Path, *, alone: bool = False) -> None:
        """The packages and what this machine lacks of their dependencies (`alone`: without), unpacked into target."""
        archives = self.packages(names, alone=alone)
        part = target.with_name(target.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for package in sorted(archives.glob("*.deb")):
            run("dpkg-deb", "-x", package, part)
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)

    def packages(self, names: list[str], *, alone: bool = False, bare: bool = False) -> Path:
        """A folder with the packages and what this machine lacks of their dependencies, and nothing else.

        `alone`: without dependencies; `bare`: with all of them, as for a machine that has nothing.
        """
        if not self.usable():
            raise Problem(f"no apt here to take {', '.join(names)} from; install them yourself")
        if self.failed:
            raise self.failed  # who cannot be reached is not asked for each package again
        if not self.updated:
            self.update()
        archives = self.home / "cache" / "archives"
        for package in archives.glob("*.deb"):
            package.unlink()
        if alone:
            self.apt_get("download", *names, cwd=archives)
        else:
            nothing = ("-o", "Dir::State::status=/dev/null") if bare else ()
            self.apt_get(*nothing, "-y", "--no-remove", "--download-only", "install", *names)
        return archives  # apt has checked their signatures

    def update(self) -> None:
        self.drop()
        for folder in ("lists/partial", "cache/archives/partial"):
            (self.home / folder).mkdir(parents=True)
        # Error-Mode: else a failed update ends with status 0. #clear: the machine's own hooks would clean its cache.
        (self.home / "apt.conf").write_text(
            f'Dir::State::Lists "{self.home}/lists"; Dir::Cache "{self.home}/cache"; Dir::Cache::archives "archives";\n'
            'Debug::NoLocking "1"; APT::Sandbox::User ""; Acquire::Languages "none"; APT::Install-Recommends "0";\n'
            'APT::Update::Error-Mode "any"; Acquire::Retries "1"; Acquire::http::Timeout "20"; Acquire::https::Timeout "20";\n'
            "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n",
            encoding="utf-8",
        )
        try:
            self.apt_get("update")
        except Problem as problem:
            self.failed = problem
            raise
        self.updated = True

    def apt_get(self, *words: str, cwd: Path | None = None) -> None:
        """Raises Problem with apt's first complaint: the others are about what follows from it."""
        done = ran("apt-get", "-qq", "-c", self.home / "apt.conf", *words, cwd=cwd)
        if done.returncode:
            complaints = [line[3:].strip() for line in done.stdout.splitlines() if line.startswith("E: ")]
            raise Problem(f"apt: {(complaints or done.stdout.splitlines() or [str(done.returncode)])[0]}")

    def drop(self) -> None:
        """The lists alone are 160 MB, and tomorrow they are old."""
        shutil.rmtree(self.home, ignore_errors=True)


def launcher(name: str, home: Path, program: Path) -> None:
    """`.cache/bin/NAME`: starts an unpacked program with the libraries unpacked beside it; nobody else sees those."""
    folders = sorted({str(file.parent) for file in home.rglob("*.so*")}, key=len)
    libraries = [f for f in folders if re.search(r"/lib/[^/]+-linux-gnu[^/]*(/nss|/pulseaudio)?$", f)]
    lines = ["#!/bin/sh", f'export LD_LIBRARY_PATH="{":".join(libraries)}"'] if libraries else ["#!/bin/sh"]
    if (home / "fonts.conf").exists():
        lines.append(f'export FONTCONFIG_FILE="{home}/fonts.conf"')
    BIN.mkdir(parents=True, exist_ok=True)
    (BIN / name).write_text("\n".join([*lines, f'exec "{program}" "$@"', ""]), encoding="utf-8")
    (BIN / name).chmod(0o755)


def on_this_machine(name: str) -> bool:
    """Installed by others: the folders of administrators count, our own launchers do not."""
    path = [p for p in (*os.environ["PATH"].split(":"), "/usr/sbin", "/usr/local/sbin") if p != str(BIN)]
    return shutil.which(name, path=":".join(path)) is not None


# ---------------------------------------------------------------- manners
class Problem(Exception):
    """Set-up cannot go on; the text says what to do."""


class Stamp:
    """Says that a step is done: for these inputs, with this Python, at this place (paths are baked into its results)."""

    def __init__(self, file: Path, *inputs: Path, text: str = "") -> None:
        self.file = file
        parts = [sys.version, str(ROOT), text, *(path.read_text(encoding="utf-8") for path in inputs)]
        self.wanted = hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def holds(self) -> bool:
        return self.file.is_file() and self.file.read_text(encoding="utf-8") == self.wanted

    def write(self) -> None:
        self.file.write_text(self.wanted, encoding="utf-8")


def outside_the_environment() -> None:
    """Started with the Python of `.venv` (it was activated): go on with the one it was made from, as it may be replaced."""
    if Path(sys.prefix) == VENV:
        python = str(Path(sys.base_prefix) / "bin" / "python3")
        os.execv(python, [python, *sys.argv])  # nosec B606 # noqa: S606 -- no shell wanted; by its full path, or PATH leads back here


def check_machine() -> None:
    if sys.version_info < OLDEST_PYTHON:
        raise Problem(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}")
    if sys.maxsize < 2**32:
        raise Problem(
            f"a 64-bit system is needed, this Python is 32-bit ({os.uname().machine}): packages have no wheels"
        )


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    done = ran(*command, cwd=cwd, env=env)
    if done.returncode:
        shown = " ".join([Path(command[0]).name, *map(str, command[-2:])])
        raise Problem(f"`{shown}` ended with status {done.returncode}:\n{done.stdout.strip()[-REASON_CHARS:]}")


def ran(
    *command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(  # nosec B603 # a list, no shell; words of ours
        words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def works(*command: str | Path) -> bool:
    return subprocess.run([str(word) for word in command], capture_output=True, check=False).returncode == 0  # nosec B603 # a list, no shell; words of ours


def say(text: str) -> None:
    print(f"setup {time.monotonic() - STARTED_S:5.1f} s  {text}", flush=True)


if __name__ == "__main__":
    main()
