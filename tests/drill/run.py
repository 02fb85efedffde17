"""The drill: a real gateway, a real broker and a stand-in cloud, and everything that can happen to them in one shift.

The plan is pulled. The line to the cloud is cut. Twenty stations work; the gateway is killed ten times and the broker twice
while they do. The line comes back, but the cloud loses one reply in ten after it has committed, and hands one request in
thirty over only seconds after the client gave up. When everything has drained, an independent judge compares what the
stations were told with what the cloud has. Exit 1 on any loss, any double, any wrong time.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
TENANT_ID = "00000000-0000-4000-8000-00000000d111"
CLOUD_KEY = "ery_live_drill0000000000000000000000000"
START_MAX_S = 30.0
DRAIN_MAX_S = 300.0
SETTLE_AFTER_S = 8
LATE_S = (1.0, 5.0)
STAMP = "2026-11-02T06:00:00+00:00"
GATEWAY = Path(sys.executable).parent / "eryxon-gateway"


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def fixed(*names: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(map(str, names))))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def plan(stations: int, operations_each: int) -> dict[str, list[dict]]:
    """One cell and one operator a station, one job an operation's part."""
    stamps = {"created_at": STAMP, "updated_at": STAMP}
    rows: dict[str, list[dict]] = {
        name: [] for name in ("cells", "profiles", "jobs", "parts", "operations", "scrap_reasons")
    }
    for station in range(stations):
        cell, person = fixed("cell", station), fixed("person", station)
        rows["cells"].append({"id": cell, "name": f"Cell {station}", "sequence": station + 1, "active": True, **stamps})
        rows["profiles"].append(
            {
                "id": person,
                "username": f"op{station}",
                "full_name": f"Operator {station}",
                "email": f"op{station}@example.com",
            }
            | {"role": "operator", "active": True, **stamps}
        )
        job = fixed("job", station)
        rows["jobs"].append(
            {"id": job, "job_number": f"D-{station:03}", "customer": "Drill", "status": "not_started", **stamps}
        )
        for number in range(operations_each):
            part = fixed("part", station, number)
            rows["parts"].append(
                {
                    "id": part,
                    "job_id": job,
                    "part_number": f"D-{station:03}-{number:02}",
                    "material": "Steel",
                    "quantity": 50,
                }
                | {"status": "not_started", **stamps}
            )
            rows["operations"].append(
                {"id": fixed("operation", station, number), "part_id": part, "cell_id": cell, "operation_name": "Cut"}
                | {"sequence": 1, "estimated_time": 10, "actual_time": 0, "status": "not_started", **stamps}
            )
    return rows


class Floor:
    """All processes of the drill and how to reach them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.rng = random.Random(seed)
        self.http, self.mqtt, self.cloud, self.control = (free_port() for _ in range(4))
        self.config = folder / "gateway.toml"
        self.data = folder / "data"
        self.gateway: subprocess.Popen | None = None
        self.children: list[subprocess.Popen] = []
        self.log = (folder / "gateway.log").open("ab")

    def configure(self) -> None:
        self.config.write_text(
            f'[gateway]\nid = "gw-drill"\ndata_dir = "{self.data}"\n'
            f'[site]\nenterprise = "drill"\nsite = "hall"\narea = "floor"\ntenant_id = "{TENANT_ID}"\n'
            f'[http]\nhost = "127.0.0.1"\nport = {self.http}\n'
            f'[broker]\nmode = "auto"\nport = {self.mqtt}\n'
            f'[cloud]\nkind = "plain"\nurl = "http://127.0.0.1:{self.cloud}/functions/v1"\napi_key = "{CLOUD_KEY}"\n'
            f'pull_every = "20s"\nsettle_after = "{SETTLE_AFTER_S}s"\ntimeout = "3s"\n'
            "[limits]\nrequests_per_minute = 100000\n"  # all stations share one key
        )

    def start_cloud(self, rows: dict) -> None:
        load = self.folder / "plan.json"
        load.write_text(json.dumps(rows))
        command = [sys.executable, "-m", "gateway.demo.cloud", "--port", str(self.cloud), "--load", load]
        command += ["--control-port", str(self.control)]  # stays open while the cloud is away
        command += ["--key", CLOUD_KEY, "--tenant", TENANT_ID, "--seed", str(self.rng.randrange(1 << 30))]
        self.spawn(command, "cloud.log")
        until(lambda: self.stand_in("state") is not None, START_MAX_S, "the stand-in cloud answers")

    def start_gateway(self) -> float:
        began = time.monotonic()
        self.gateway = subprocess.Popen([GATEWAY, "run", "--config", self.config], stdout=self.log, stderr=self.log)
        until(self.ready, START_MAX_S, "the gateway is ready")
        return time.monotonic() - began

    def ready(self) -> bool:
        if self.gateway is not None and self.gateway.poll() is not None:
            raise SystemExit(f"the gateway ended with {self.gateway.returncode}: see {self.folder / 'gateway.log'}")
        return fetch(f"http://127.0.0.1:{self.http}/readyz") is not None

    def kill_gateway(self) -> None:
        self.gateway.kill()
        self.gateway.wait()

    def kill_broker(self) -> bool:
        """The Mosquitto that works in our folder."""
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if b"mosquitto" in words[0] and any(str(self.data).encode() in word for word in words):
                    os.kill(int(process.name), signal.SIGKILL)
                    return True
        return False

    def spawn(self, command: list, log: str) -> subprocess.Popen:
        child = subprocess.Popen(command, stdout=(self.folder / log).open("ab"), stderr=subprocess.STDOUT)
        self.children.append(child)
        return child

    def stand_in(self, what: str, body: dict | None = None) -> dict | list | None:
        return fetch(f"http://127.0.0.1:{self.control}/_stand-in/{what}", body)

    def command(self, *words: str) -> str:
        """One call of the product's own command line; its last line."""
        told = subprocess.run(
            [GATEWAY, *words, "--config", self.config], check=True, capture_output=True, text=True, timeout=60
        )
        return told.stdout.strip().splitlines()[-1] if told.stdout.strip() else ""

    def unsettled(self) -> int:
        with contextlib.closing(
            sqlite3.connect(f"file:{self.data / 'gateway.sqlite'}?mode=ro", uri=True)
        ) as connection:
            return connection.execute("SELECT count(*) FROM cloud_rows WHERE unsettled_until IS NOT NULL").fetchone()[0]

    def end(self) -> None:
        if self.gateway is not None and self.gateway.poll() is None:
            self.gateway.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.gateway.wait(15)
        for child in (self.gateway, *self.children):
            if child is not None and child.poll() is None:
                child.kill()
                child.wait()
        self.kill_broker()
        self.log.close()


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


@contextlib.contextmanager
def floor(folder: Path, seed: int) -> Iterator[Floor]:
    here = Floor(folder, seed)
    try:
        yield here
    finally:
        here.end()


def health(here: Floor, key: str) -> dict:
    return fetch(f"http://127.0.0.1:{here.http}/healthz", key=key) or {"links": {}}


def drained(here: Floor, key: str) -> bool:
    link = health(here, key)["links"].get("cloud", {})
    return link.get("pending") == 0 and here.unsettled() == 0


def drill(here: Floor, given: argparse.Namespace) -> int:
    rows = plan(given.stations, given.operations)
    here.configure()
    here.start_cloud(rows)
    people = here.folder / "people.json"
    people.write_text(json.dumps({"cells": rows["cells"], "profiles": rows["profiles"]}))
    key = here.command("keys", "create", "--name", "stations", "--scope", "admin")
    here.command("import", str(people))
    say(f"gateway ready after {here.start_gateway():.1f} s")
    total = len(rows["operations"])
    url = f"http://127.0.0.1:{here.http}/functions/v1"
    until(lambda: pulled(url, key) >= total, START_MAX_S, f"{total} operations pulled")
    say(f"plan pulled: {total} operations of {given.stations} stations")
    listener = listen(here)
    here.stand_in("away", {"seconds": 100_000})
    say("the line to the cloud is cut")
    work = {"count": given.count, "stations": []}
    for station in range(given.stations):
        operations = [fixed("operation", station, number) for number in range(given.operations)]
        work["stations"].append({"operator": fixed("person", station), "operations": operations})
    (here.folder / "work.json").write_text(json.dumps(work))
    notes = here.folder / "notes.jsonl"
    command = [sys.executable, HERE / "stations.py", "--plan", here.folder / "work.json", "--notes", notes]
    stations = here.spawn([*command, "--url", url, "--key", key, "--seed", str(given.seed)], "stations.log")
    expected = given.stations * given.operations * (4 + given.count)
    trouble(here, given, stations, notes, expected)
    until(lambda: stations.poll() is not None, 600, "the stations are done")
    if stations.returncode:
        say((here.folder / "stations.log").read_text()[-2000:])
        return 1
    say("the stations are done; waiting for the cloud to have everything")
    began = time.monotonic()
    until(lambda: drained(here, key), DRAIN_MAX_S, f"the queue is empty: {health(here, key)['links'].get('cloud')}")
    say(f"drained {time.monotonic() - began:.0f} s after the last booking")
    here.stand_in("faults", dict.fromkeys(("lose_reply", "late_delivery"), 0))
    time.sleep(LATE_S[1])  # the last late request has run; nothing may come after the settled state
    listener.terminate()
    return verdict(here, notes)


def pulled(url: str, key: str) -> int:
    listed = fetch(f"{url}/api-operations?limit=1", key=key)
    return listed["data"]["pagination"]["total"] if isinstance(listed, dict) else 0


def listen(here: Floor) -> subprocess.Popen:
    """As the product's `viewer`, whose password lies beside the broker's configuration."""
    viewer = json.loads((here.data / "broker" / "users.json").read_text())["viewer"]
    command = [
        sys.executable,
        HERE / "listener.py",
        "--host",
        "127.0.0.1",
        "--port",
        str(here.mqtt),
        "--user",
        "viewer",
    ]
    command += ["--password", viewer, "--topic", "#", "--heard", here.folder / "heard.jsonl"]
    return here.spawn(command, "listener.log")


def trouble(here: Floor, given: argparse.Namespace, stations: subprocess.Popen, notes: Path, expected: int) -> None:
    """Kills, spread over the work; the line comes back, badly, when two thirds are done."""
    events = [("gateway", (place + 1) / (given.gateway_kills + 1)) for place in range(given.gateway_kills)]
    events += (
        [("broker", (place + 0.5) / given.broker_kills) for place in range(given.broker_kills)]
        if given.broker_kills
        else []
    )
    events.append(("line", 0.66))
    for what, share in sorted(events, key=lambda event: event[1]):
        done = lambda share=share: stations.poll() is not None or written(notes) >= expected * share  # noqa: E731 -- bound to this share
        until(done, 600, f"{share:.0%} of the work is done")
        if what == "gateway":
            here.kill_gateway()
            say(f"gateway killed at {written(notes)} answers; ready again after {here.start_gateway():.1f} s")
        elif what == "broker":
            say(f"broker killed at {written(notes)} answers: {here.kill_broker()}")
        else:
            late = {"late_delivery": 0.03, "late_min_s": LATE_S[0], "late_max_s": LATE_S[1]}
            here.stand_in("faults", {"lose_reply": 0.10, **late})
            here.stand_in("away", {"seconds": 0})
            say("the line is back: 10 % of the replies are lost after the commit, 3 % of the requests come late")


def written(notes: Path) -> int:
    return notes.read_bytes().count(b"\n") if notes.exists() else 0


def verdict(here: Floor, notes: Path) -> int:
    state, log = here.folder / "cloud.json", here.folder / "cloud-log.json"
    state.write_text(json.dumps(here.stand_in("state")))
    log.write_text(json.dumps(here.stand_in("log")))
    command = [sys.executable, HERE / "check.py", "--notes", notes, "--cloud", state, "--log", log]
    command += ["--database", here.data / "gateway.sqlite", "--heard", here.folder / "heard.jsonl"]
    return subprocess.run(command, check=False).returncode


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stations", type=int, default=20)
    arguments.add_argument("--operations", type=int, default=6, help="of each station")
    arguments.add_argument("--count", type=int, default=14, help="quantities booked on each operation")
    arguments.add_argument("--gateway-kills", type=int, default=10)
    arguments.add_argument("--broker-kills", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--keep", type=Path, help="leave everything in this folder")
    given = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drill-")))
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        code = drill(stack.enter_context(floor(folder, given.seed)), given)
        say(f"{'passed' if code == 0 else 'FAILED'} after {time.monotonic() - began:.0f} s, seed {given.seed}")
        return code


if __name__ == "__main__":
    raise SystemExit(main())
