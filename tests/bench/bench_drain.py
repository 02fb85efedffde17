"""A journal drained to a hub: real gateways on both sides. The rate against POSTing the same bytes, made beforehand, to another
hub in the same run; the cost of an entry as the backlog grows; and how long what is done now takes while the backlog drains.
"""

import argparse
import contextlib
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench_start import GATEWAY, STAMP, free_port, rss_mib
from many_rows import CELL, fill

from gateway.cloud import store
from gateway.hub.raw import tables
from gateway.upstream import outgoing
from gateway.upstream.uplink import ENTRIES_MAX, IN_FLIGHT_MAX, LANES_MAX
from gateway.upstream.waiting import Waiting

DRAIN_MAX_S = 3_600.0
READY_MAX_S = 60.0
LIVE_EVERY_S = 0.5
LIVE_MAX_S = 30.0
MARKS_MIN = 3
FLOORS = {"rate of pre-built": 0.6, "rate at most rows of that at fewest": 0.9}
_TREE = "JOIN operations o ON o.id = e.operation_id JOIN parts p ON p.id = o.part_id"
# (id, job) of every row
_JOBS = {
    "jobs": "SELECT id, id AS job FROM jobs",
    "parts": "SELECT id, job_id AS job FROM parts",
    "operations": "SELECT o.id, p.job_id AS job FROM operations o JOIN parts p ON p.id = o.part_id",
    "time_entries": f"SELECT e.id, p.job_id AS job FROM time_entries e {_TREE}",
    "operation_quantities": f"SELECT e.id, p.job_id AS job FROM operation_quantities e {_TREE}",
}
_KINDS = {"time_entries": "time_entry", "operation_quantities": "quantity"}


@dataclass
class Box:
    """A gateway in a process of its own."""

    process: subprocess.Popen
    port: int
    key: str
    rss: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310 -- loopback
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 -- loopback
            return json.loads(answer.read())

    def look(self) -> float:
        self.rss.append(rss_mib(self.process.pid))
        return self.rss[-1]


@contextlib.contextmanager
def box(folder: Path, name: str, cloud: str = 'kind = "off"') -> Iterator[Box]:
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "gateway.toml"
    config.write_text(
        f'[gateway]\nid = "{name}"\ndata_dir = "{folder / "data"}"\n[http]\nport = {port}\n[broker]\nmode = "off"\n'
        f"[limits]\nrequests_per_minute = 10000000\nburst = 1000000\n[cloud]\n{cloud}\n"
    )
    made = [GATEWAY, "keys", "create", "--name", "bench", "--scope", "admin", "--config", config]
    key = subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
    log = (folder / "log").open("wb")
    process = subprocess.Popen([GATEWAY, "run", "--config", config], stdout=log, stderr=log)
    try:
        here = Box(process, port, key)
        ends_s = time.monotonic() + READY_MAX_S
        while True:
            with contextlib.suppress(OSError):
                here.ask("/healthz")
                break
            if time.monotonic() > ends_s:
                raise SystemExit(f"{name} is not ready: see {folder / 'log'}")
            time.sleep(0.05)
        yield here
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def backlog(folder: Path, rows: int) -> int:
    """A cell's database with a journal entry for every row, none of them sent. How many."""
    path = fill(folder / "data", rows)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")
    with connection:
        for table, of in _JOBS.items():
            kind = _KINDS.get(table, table.rstrip("s"))
            change = (
                f"json_array(json_object('table', '{table}', 'id', id, 'op', 'insert', 'version', 1, 'fields', NULL))"
            )
            connection.execute(
                "INSERT INTO events (id, lane, aggregate, origin, occurred_at, recorded_at, clock_trusted, changes) "
                f"SELECT id, 'job:' || job, '{kind}:' || id, 'cell', ?1, ?1, 1, {change} FROM ({of})",
                (STAMP,),
            )
        connection.execute(
            "INSERT OR IGNORE INTO event_readers (name, since, position, created_at) VALUES ('cloud', 0, 0, ?)",
            (STAMP,),
        )
    (count,) = connection.execute("SELECT count(*) FROM events").fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return count


def hall(hub: Box, folder: Path) -> None:
    """What the cell's rows name and its journal does not tell: its cell and its people."""
    given = {"cells": [{"id": CELL, "name": "L", "sequence": 1}]}
    given["profiles"] = [{"id": "00000000-0000-4000-8000-0000000be001", "username": "anna", "full_name": "Anna"}]
    file = folder / "hall.json"
    file.write_text(json.dumps(given))
    config = next(folder.glob("gateway.toml"))
    subprocess.run([GATEWAY, "import", file, "--config", config], check=True, capture_output=True)


# ------------------------------------------------------------------ by the gateway


@dataclass
class Drained:
    entries: int
    rate: float  # entries a second
    rss_mib: float
    live_s: list[float]


def drain(folder: Path, rows: int, *, live: bool) -> Drained:
    count = backlog(folder / "cell", rows)
    with box(folder / "hub", "hub") as hub:
        hall(hub, folder / "hub")
        cloud = f'kind = "hub"\nurl = "{hub.url}"\napi_key = "{hub.key}"\ncells = ["L"]\ntimeout = "30s"'
        began = time.monotonic()
        with box(folder / "cell", "cell", cloud) as cell:
            ended = threading.Event()
            waits = Live(cell, hub, ended)
            if live:
                waits.start()
            marks: list[tuple[float, int]] = []
            while (left := cell.ask("/healthz")["links"]["cloud"]["pending"]) > 0:
                marks.append((time.monotonic(), left))
                cell.look()
                if sys.stderr.isatty():
                    print(f"\r{count - left:>9,} of {count:,}  {cell.rss[-1]:.0f} MiB", end="", file=sys.stderr)
                if time.monotonic() - began > DRAIN_MAX_S:
                    raise SystemExit(f"{left} entries are left after {DRAIN_MAX_S:.0f} s")
                time.sleep(0.1)
            ended.set()
            if live:
                waits.join()
        found = hub.ask("/api-operation-quantities?limit=1")["data"]["pagination"]["total"]
        if found < rows * 34 // 100:
            raise SystemExit(f"the hub has {found} quantities of {rows * 34 // 100}")
    return Drained(count, pace(marks), max(cell.rss), waits.seconds)


def pace(marks: list[tuple[float, int]]) -> float:
    """Entries a second, start and end left out: positions are saved twice a second."""
    moved = [mark for place, mark in enumerate(marks) if place and mark[1] != marks[place - 1][1]]
    if len(moved) < MARKS_MIN:
        raise SystemExit("too few entries to tell a pace: take more --rows")
    (began_s, most), (ended_s, least) = moved[0], moved[-1]
    return (most - least) / (ended_s - began_s)


class Live(threading.Thread):
    """Somebody makes a job in the cell every half second; how long until the hub shows it."""

    def __init__(self, cell: Box, hub: Box, ended: threading.Event) -> None:
        super().__init__()
        self._cell, self._hub, self._ended = cell, hub, ended
        self.seconds: list[float] = []

    def run(self) -> None:
        number = 0
        while not self._ended.wait(LIVE_EVERY_S):
            number += 1
            made = self._cell.ask("/api-jobs", {"job_number": f"LIVE-{number}", "customer": "now"})["data"]["job"]["id"]
            began = time.monotonic()
            while True:
                with contextlib.suppress(OSError):
                    self._hub.ask(f"/api-jobs?id={made}")
                    break
                if time.monotonic() - began > LIVE_MAX_S:
                    break
                time.sleep(0.005)
            self.seconds.append(time.monotonic() - began)


# ------------------------------------------------------------------ made beforehand


def prebuilt(folder: Path, rows: int) -> float:
    """Entries a second when nothing has to be read and built: as many requests in flight as the gateway has."""
    backlog(folder / "cell", rows)
    connection = sqlite3.connect(folder / "cell" / "data" / "gateway.sqlite")
    connection.row_factory = sqlite3.Row
    bodies = [*_bodies(connection)]
    connection.close()
    with box(folder / "hub", "hub") as hub:
        hall(hub, folder / "hub")
        began = time.monotonic()
        waiting = iter(bodies)
        lock = threading.Lock()

        def post() -> int:
            line, sent = HTTPConnection("127.0.0.1", hub.port, timeout=60), 0
            headers = {"Authorization": f"Bearer {hub.key}", "Content-Type": "application/json"}
            while True:
                with lock:
                    body, count = next(waiting, (None, 0))
                if body is None:
                    return sent
                line.request("POST", "/api-forward", body, headers)
                answer = line.getresponse()
                told = json.loads(answer.read())
                if answer.status != 200 or told["data"]["entries"]["refused"]:
                    raise SystemExit(f"the hub refuses: {str(told)[:300]}")
                sent += count

        with ThreadPoolExecutor(IN_FLIGHT_MAX) as pool:
            sent = sum(one.result() for one in [pool.submit(post) for _ in range(IN_FLIGHT_MAX)])
        return sent / (time.monotonic() - began)


def _bodies(connection: sqlite3.Connection) -> Iterator[tuple[bytes, int]]:
    """The very requests that the gateway would make, each lane whole before it comes again."""
    waiting, known = Waiting(0, {}), tables(connection)
    while page := store.touched_lanes(connection, waiting.scanned, 100_000):
        waiting.seen(page, live=False)
    while lanes := waiting.take(LANES_MAX, 0.0):
        by_name = {lane.name: lane for lane in lanes}
        wanted = [outgoing.Wanted(lane.name, lane.done) for lane in lanes]
        made = outgoing.batch(connection, wanted, ENTRIES_MAX, known, [(1, 0)])
        waiting.give_back([by_name[name] for name in made.left])
        for stretch in made.stretches:
            waiting.finished(by_name[stretch.lane], stretch.last)
        head = '{"gateway_id":"cell","epoch":1,"cells":[],"settled":0,"entries":['
        yield f"{head}{','.join(made.pieces)}]}}".encode(), len(made.pieces)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--few", type=int, default=10_000, help="the other size of the backlog")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="drain-") as folder:
        few = drain(Path(folder, "few"), given.few, live=False)
        print(f"drain of {few.entries:,} entries: {few.rate:,.0f}/s, {few.rss_mib:.0f} MiB")
        pace = prebuilt(Path(folder, "prebuilt"), min(given.rows, 100_000))
        print(f"the same bytes, made beforehand: {pace:,.0f}/s")
        many = drain(Path(folder, "many"), given.rows, live=True)
        waits = sorted(many.live_s) or [0.0]
        p99 = waits[min(len(waits) - 1, len(waits) * 99 // 100)]
        print(f"drain of {many.entries:,} entries: {many.rate:,.0f}/s, {many.rss_mib:.0f} MiB")
        print(
            f"live meanwhile, {len(waits)} jobs: median {statistics.median(waits) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
        )
        figures = {
            "rate of pre-built": many.rate / pace,
            "rate at most rows of that at fewest": many.rate / few.rate,
        }
    missed = 0
    for what, value in figures.items():
        good = value >= FLOORS[what]
        missed += not good
        print(f"{what}: {value:.2f} (floor {FLOORS[what]}){'' if good else '  MISSED'}")
    return missed


if __name__ == "__main__":
    raise SystemExit(main())
