"""Versions of the gateway beside each other: the wheel of an earlier commit, and the working tree as the one that comes."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import fetch, say, until

ROOT = Path(__file__).parents[2]
MIGRATIONS = Path("gateway/migrations")
MADE_AS_IT_IS = ("gateway/screens/static/vendor", "plugins/opcua_mirror/nodesets")  # fetched by set-up, in no commit
TREE = ("gateway", "plugins", "config", "tools", "pyproject.toml", "README.md", "LICENSE")
READY_MAX_S, STOP_MAX_S, STEP_MAX_S = 120.0, 60.0, 1_800.0
# What a version brings that has nothing new for the database: else a rollback would have nothing to do.
STEP = """
ALTER TABLE jobs ADD COLUMN promised_at TEXT;
CREATE TABLE tools (id TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT;
UPDATE events SET type = type;
"""


@dataclass(frozen=True)
class Version:
    """A program. `site`: where its packages lie; `schema`: the number of its last migration."""

    name: str
    site: Path

    @property
    def schema(self) -> int:
        return max(int(file.name[:4]) for file in (self.site / MIGRATIONS).glob("*.sql"))

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: text for name, text in os.environ.items() if not name.startswith("GATEWAY_")}
        return {**clean, "PYTHONPATH": str(self.site)}

    def call(self, config: Path, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway", *words, "--config", str(config)]
        given = {"env": self.environment, "cwd": config.parent, "timeout": STEP_MAX_S}
        return subprocess.run(command, capture_output=True, text=True, check=False, **given)

    def ok(self, config: Path, *words: str) -> str:
        done = self.call(config, *words)
        if done.returncode:
            raise SystemExit(f"{self.name}: {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout


def before(revision: str | None, folder: Path) -> Version:
    """The wheel of that commit, by default of the one before HEAD, installed in a folder of its own."""
    source, dist, site = folder / "source", folder / "dist", folder / "site"
    name = _checked_out(revision, source)
    for made in (one for one in MADE_AS_IT_IS if (ROOT / one).is_dir()):
        shutil.copytree(ROOT / made, source / made, dirs_exist_ok=True)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)]
    _run(build, cwd=source, env={**os.environ, "GATEWAY_ASSETS": "as-is"})
    (wheel,) = dist.glob("*.whl")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "-q",
        "--target",
        str(site),
    ]
    _run([*pip, str(wheel)])
    shutil.rmtree(source)
    return Version(name, site)


def _checked_out(revision: str | None, source: Path) -> str:
    source.mkdir(parents=True)
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT)]
    for wanted in [revision] if revision else ["HEAD~1", "HEAD"]:
        found = subprocess.run(
            [*git, "rev-parse", "-q", "--verify", f"{wanted}^{{commit}}"], capture_output=True, text=True, check=False
        )
        if found.returncode == 0:
            if wanted == "HEAD":
                say("the clone has no history: the version before is the one in HEAD itself")
            packed = subprocess.run([*git, "archive", wanted], capture_output=True, check=True)
            subprocess.run(["tar", "-x", "-C", str(source)], input=packed.stdout, check=True)
            return f"the version of {found.stdout[:9].strip()}"
    if revision:
        raise SystemExit(f"there is no commit {revision}")
    say("this is no clone: the version before is this tree itself")
    _copy(source)
    return "the version of this tree"


def next_one(folder: Path, earlier: Version) -> Version:
    """The working tree. If it brings nothing new for the database, it gets a step of its own."""
    site = folder / "site"
    _copy(site)
    version = Version("the version of the working tree", site)
    if version.schema == earlier.schema:
        number = version.schema + 1
        (site / MIGRATIONS / f"{number:04}_next.sql").write_text(STEP)
        say(f"both have schema {earlier.schema}: the newer one gets a step of its own, {number}")
    told = site / "gateway" / "__init__.py"
    told.write_text(re.sub(r'__version__ = ".*"', '__version__ = "99.0.0"', told.read_text()))
    return version


def _copy(target: Path) -> None:
    skipped = shutil.ignore_patterns("__pycache__")
    for name in TREE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=skipped, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def _run(command: list[str], **more: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")


# ------------------------------------------------------------------ a box


@dataclass
class Box:
    """One gateway: its folder, address and key stay the same, whichever version serves."""

    folder: Path
    name: str
    port: int
    cloud: str
    key: str = ""
    starts: list[float] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "gateway.toml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def database(self) -> Path:
        return self.data / "gateway.sqlite"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def configure(self, version: Version, rows: dict | None = None) -> None:
        """Its configuration, an admin key, and rows that are there from the beginning."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f'[gateway]\nid = "{self.name}"\ndata_dir = "{self.data}"\n[http]\nport = {self.port}\n[broker]\nmode = "off"\n'
            f"[limits]\nrequests_per_minute = 10000000\nburst = 1000000\n[cloud]\n{self.cloud}\n"
        )
        self.key = version.ok(self.config, "keys", "create", "--name", "drill", "--scope", "admin").splitlines()[-1]
        if rows:
            (self.folder / "rows.json").write_text(json.dumps(rows))
            version.ok(self.config, "import", str(self.folder / "rows.json"))

    @contextlib.contextmanager
    def serving(self, version: Version) -> Iterator[subprocess.Popen[bytes]]:
        """Until it is ready; ended in order afterwards."""
        began = time.monotonic()
        command = [sys.executable, "-m", "gateway", "run", "--config", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=version.environment, cwd=self.folder)
            try:
                until(lambda: process.poll() is not None or self.ready(), READY_MAX_S, f"{self.name} is ready")
                if process.poll() is not None:
                    raise SystemExit(f"{version.name} does not start: {(self.folder / 'log').read_text()[-800:]}")
                self.starts.append(time.monotonic() - began)
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                process.wait(STOP_MAX_S)

    def ready(self) -> bool:
        return fetch(f"{self.url}/readyz") is not None

    def health(self) -> dict:
        return fetch(f"{self.url}/healthz", key=self.key) or {}

    def update(self, version: Version, verb: str) -> dict:
        return json.loads(version.ok(self.config, "update", verb, "--json"))
