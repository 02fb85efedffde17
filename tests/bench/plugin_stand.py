"""A gateway as a program, for the plugin bench: with a data folder, a configuration, its log, and what it says of its plugins."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_start import free_port, rss_mib

ENDS_MAX_S = 60.0
LOOK_EVERY_S = 0.02
GATEWAY = (sys.executable, "-m", "gateway")
LIMITS = "[limits]\nrequests_per_minute = 1000000\nburst = 1000000\nrequests_per_day = 100000000\n"


@dataclass(frozen=True)
class Stand:
    """`data` has been served before: the first admin's key lies there."""

    data: Path

    @property
    def config(self) -> Path:
        return self.data.with_suffix(".toml")

    @property
    def log(self) -> Path:
        return self.data.with_suffix(".log")

    @property
    def key(self) -> str:
        return (self.data / "first-admin-key").read_text().strip()

    @contextlib.contextmanager
    def serving(self, settings: str = "", plugins_dir: Path | None = None) -> Iterator["Running"]:
        port = free_port()
        own = "" if plugins_dir is None else f'plugins_dir = "{plugins_dir}"\n'
        self.config.write_text(
            f'[gateway]\nid = "bench"\ndata_dir = "{self.data}"\n{own}[http]\nport = {port}\n'
            f'[broker]\nmode = "off"\n[log]\nformat = "json"\n{LIMITS}{settings}'
        )
        began_s = time.perf_counter()
        with (
            self.log.open("w") as log,
            subprocess.Popen(
                [*GATEWAY, "run", "--config", self.config], stdout=subprocess.PIPE, stderr=log, text=True
            ) as process,
        ):
            try:
                if not process.stdout.readline().startswith("ready: "):
                    raise SystemExit(f"the gateway did not start: {self.log.read_text()}")
                yield Running(self, port, process.pid, began_s, time.perf_counter() - began_s)
            finally:
                process.terminate()
                try:
                    process.wait(ENDS_MAX_S)
                except subprocess.TimeoutExpired:
                    process.kill()


@dataclass(frozen=True)
class Running:
    stand: Stand
    port: int
    pid: int
    began_s: float
    ready_s: float  # from nothing to answering

    def get(self, path: str) -> str:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {self.stand.key}"}
        )
        with urllib.request.urlopen(request, timeout=ENDS_MAX_S) as answer:  # noqa: S310 -- our own gateway
            return answer.read().decode()

    def health(self, name: str) -> dict[str, Any]:
        return json.loads(self.get("/healthz"))["links"][f"plugin:{name}"]

    def up_s(self, name: str) -> float:
        """From nothing to a plugin that says it is up."""
        while (told := self.health(name))["state"] != "up":
            if time.perf_counter() - self.began_s > ENDS_MAX_S:
                raise SystemExit(f"{name} does not come up: {told['error']}")
            time.sleep(LOOK_EVERY_S)
        return time.perf_counter() - self.began_s

    def listed(self, name: str) -> dict[str, Any]:
        """Its line in `plugins list`."""
        command = [*GATEWAY, "plugins", "list", "--json", "--config", self.stand.config]
        rows = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=ENDS_MAX_S).stdout)
        return next(row for row in rows if row["name"] == name)

    def mib(self) -> float:
        return rss_mib(self.pid)
