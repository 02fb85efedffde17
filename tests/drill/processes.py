"""The processes of a drill: gateways, the stand-in cloud, whoever works with them; started, killed, stopped and asked."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tcp import free_port

TENANT_ID = "00000000-0000-4000-8000-00000000d111"
CLOUD_KEY = "ery_live_drill0000000000000000000000000"
START_MAX_S = 30.0
STOP_MAX_S = 15.0
SETTLE_AFTER_S = 8
PULL_EVERY_S = 20
GATEWAY = Path(sys.executable).parent / "eryxon-gateway"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def fetch(url: str, body: dict | None = None, key: str | None = None) -> dict | list | str | None:
    """JSON or text; None when nobody answers with success."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)  # noqa: S310 -- loopback
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 -- loopback
            raw = answer.read().decode()
    except (urllib.error.URLError, OSError):
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw


def until(fact, within_s: float, name: str) -> None:
    """Wait for a fact. Raises SystemExit when it does not come."""
    ends = time.monotonic() + within_s
    while not fact():
        if time.monotonic() > ends:
            raise SystemExit(f"waited {within_s:.0f} s in vain for: {name}")
        time.sleep(0.1)


class Box:
    """One gateway. Its folder, addresses and keys stay the same however often it is killed."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.http, self.mqtt = free_port(), free_port()
        self.config = self.folder / "gateway.toml"
        self.data = self.folder / "data"
        self.key = ""
        self.has_broker = False
        self._process: subprocess.Popen | None = None
        self._log = (self.folder / "gateway.log").open("ab")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    @property
    def database(self) -> Path:
        return self.data / "gateway.sqlite"

    def configure(self, *, broker: str, **cloud: object) -> None:
        """`cloud`: the section that says what is above it."""
        self.has_broker = broker != "off"
        above = "".join(f"{name} = {json.dumps(value)}\n" for name, value in cloud.items())
        self.config.write_text(
            f'[gateway]\nid = "{self.name}"\ndata_dir = "{self.data}"\n'
            f'[site]\nenterprise = "drill"\nsite = "hall"\narea = "floor"\ntenant_id = "{TENANT_ID}"\n'
            f'[http]\nhost = "127.0.0.1"\nport = {self.http}\n'
            f'[broker]\nmode = "{broker}"\nport = {self.mqtt}\n'
            f"[cloud]\n{above}"
            "[limits]\nrequests_per_minute = 100000\n"  # all stations share one key
        )
        self.key = self.command("keys", "create", "--name", "stations", "--scope", "admin")

    def command(self, *words: str) -> str:
        """One call of the product's own command line; its last line."""
        told = subprocess.run(
            [GATEWAY, *words, "--config", self.config], check=True, capture_output=True, text=True, timeout=60
        )
        return told.stdout.strip().splitlines()[-1] if told.stdout.strip() else ""

    def start(self) -> float:
        """In how many seconds it was ready."""
        began = time.monotonic()
        self._process = subprocess.Popen([GATEWAY, "run", "--config", self.config], stdout=self._log, stderr=self._log)
        until(self._ready, START_MAX_S, f"{self.name} is ready")
        return time.monotonic() - began

    def _ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise SystemExit(f"{self.name} ended with {self._process.returncode}: see {self.folder / 'gateway.log'}")
        return fetch(f"{self.url}/readyz") is not None

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stand_still(self) -> None:
        """Its addresses take connections, and nobody answers."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill_broker(self) -> bool:
        """The Mosquitto that works in our folder."""
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if b"mosquitto" in words[0] and any(str(self.data).encode() in word for word in words):
                    os.kill(int(process.name), signal.SIGKILL)
                    return True
        return False

    def link(self) -> dict:
        told = fetch(f"{self.url}/healthz", key=self.key)
        return told["links"].get("cloud", {}) if isinstance(told, dict) else {}

    def holds(self, function: str) -> int:
        """How many rows a list has."""
        listed = fetch(f"{self.url}/functions/v1/{function}?limit=1", key=self.key)
        return listed["data"]["pagination"]["total"] if isinstance(listed, dict) else 0

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            yield connection

    def drained(self) -> bool:
        with self.read() as connection:
            sql = "SELECT count(*) FROM cloud_rows WHERE unsettled_until IS NOT NULL"
            return self.link().get("pending") == 0 and connection.execute(sql).fetchone()[0] == 0

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.go_on()
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_MAX_S)
            if self._process.poll() is None:
                self.kill()
        if self.has_broker:
            self.kill_broker()
        self._log.close()


class Cloud:
    """The stand-in. Its control endpoints have an address of their own, which stays open while the cloud is away."""

    def __init__(self) -> None:
        self.port, self.control = free_port(), free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/functions/v1"

    @property
    def office_url(self) -> str:
        """The same API for people whose line is not cut."""
        return f"http://127.0.0.1:{self.control}/functions/v1"

    def ask(self, what: str, body: dict | None = None) -> dict | list | None:
        return fetch(f"http://127.0.0.1:{self.control}/_stand-in/{what}", body)

    def away(self, seconds: float) -> None:
        self.ask("away", {"seconds": seconds})


class Floor:
    """All processes of the drill. `boxes`: those at which stations work; `site` stands above them, or is the only one."""

    def __init__(self, folder: Path, seed: int, cells: int) -> None:
        self.folder = folder
        self.rng = random.Random(seed)
        self.cloud = Cloud()
        self.site = Box(folder, "gw-site" if cells else "gw-drill")
        self.cells = [Box(folder, f"gw-cell-{place}") for place in range(cells)]
        self.boxes = self.cells or [self.site]
        self._children: list[subprocess.Popen] = []

    @property
    def all(self) -> list[Box]:
        return [*self.cells, self.site]

    def start_cloud(self, rows: dict) -> None:
        load = self.folder / "plan.json"
        load.write_text(json.dumps(rows))
        command = [sys.executable, "-m", "gateway.demo.cloud", "--port", str(self.cloud.port), "--load", load]
        command += ["--control-port", str(self.cloud.control)]
        command += ["--key", CLOUD_KEY, "--tenant", TENANT_ID, "--seed", str(self.rng.randrange(1 << 30))]
        self.spawn(command, "cloud.log")
        until(lambda: self.cloud.ask("state") is not None, START_MAX_S, "the stand-in cloud answers")

    def configure(self, cells: list[list[str]]) -> None:
        """`cells`: for each box of stations the names of its own."""
        above = {"kind": "plain", "url": self.cloud.url, "api_key": CLOUD_KEY, "timeout": "3s"}
        above |= {"pull_every": f"{PULL_EVERY_S}s", "settle_after": f"{SETTLE_AFTER_S}s"}
        self.site.configure(broker="off" if self.cells else "auto", **above)  # people listen where the work is done
        for box, own in zip(self.cells, cells, strict=False):
            key = self.site.command("keys", "create", "--name", box.name, "--scope", "admin", "--gateway", box.name)
            hub = {"kind": "hub", "url": self.site.url, "api_key": key, "cells": own, "timeout": "5s"}
            box.configure(broker="auto", **hub)

    def spawn(self, command: list, log: str) -> subprocess.Popen:
        child = subprocess.Popen(command, stdout=(self.folder / log).open("ab"), stderr=subprocess.STDOUT)
        self._children.append(child)
        return child

    def end(self) -> None:
        for box in self.all:
            box.end()
        for child in self._children:
            if child.poll() is None:
                child.kill()
                child.wait()


@contextlib.contextmanager
def floor(folder: Path, seed: int, cells: int) -> Iterator[Floor]:
    here = Floor(folder, seed, cells)
    try:
        yield here
    finally:
        here.end()
