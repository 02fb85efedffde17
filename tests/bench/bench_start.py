"""Cold start to ready, and memory: idle, and with 100,000 events that the cloud has not had yet."""

import argparse
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

GATEWAY = Path(sys.executable).parent / "eryxon-gateway"
BACKLOG = 100_000
READY_MAX_S = 30.0
TENANT_ID = "00000000-0000-4000-8000-00000000be7c"
STAMP = "2026-11-02T06:00:00+00:00"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"process {pid} has ended")


def configure(folder: Path) -> tuple[Path, int]:
    port, nobody = free_port(), free_port()
    config = folder / "gateway.toml"
    config.write_text(
        f'[gateway]\nid = "gw-bench"\ndata_dir = "{folder / "data"}"\n[site]\ntenant_id = "{TENANT_ID}"\n'
        f'[http]\nhost = "127.0.0.1"\nport = {port}\n[broker]\nmode = "off"\n'
        f'[cloud]\nurl = "http://127.0.0.1:{nobody}/functions/v1"\napi_key = "ery_live_bench0000000000000000000000000"\n'
    )
    return config, port


def started(config: Path, port: int) -> tuple[subprocess.Popen, float]:
    began = time.monotonic()
    process = subprocess.Popen(
        [GATEWAY, "run", "--config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while time.monotonic() - began < READY_MAX_S:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return process, time.monotonic() - began
        except (urllib.error.URLError, OSError):
            time.sleep(0.01)
    process.kill()
    raise SystemExit(f"not ready within {READY_MAX_S:.0f} s")


def backlog(database: Path) -> None:
    """Quantities as they are booked: a row and an event each."""
    connection = sqlite3.connect(database)
    ids = {name: str(uuid.uuid4()) for name in ("cell", "job", "part", "operation")}
    with connection:
        connection.execute(
            "INSERT INTO cells (id, name, sequence, created_at, updated_at) VALUES (?, 'Laser', 1, ?, ?)",
            (ids["cell"], STAMP, STAMP),
        )
        connection.execute(
            "INSERT INTO jobs (id, job_number, created_at, updated_at) VALUES (?, 'J-1', ?, ?)",
            (ids["job"], STAMP, STAMP),
        )
        connection.execute(
            "INSERT INTO parts (id, job_id, part_number, material, created_at, updated_at) VALUES (?, ?, 'P-1', 'Steel', ?, ?)",
            (ids["part"], ids["job"], STAMP, STAMP),
        )
        connection.execute(
            "INSERT INTO operations (id, part_id, cell_id, operation_name, sequence, created_at, updated_at) "
            "VALUES (?, ?, ?, 'Cut', 1, ?, ?)",
            (ids["operation"], ids["part"], ids["cell"], STAMP, STAMP),
        )
        for _ in range(BACKLOG):
            row = str(uuid.uuid4())
            connection.execute(
                "INSERT INTO operation_quantities (id, operation_id, quantity_produced, quantity_good, recorded_at, "
                "created_at, updated_at) VALUES (?, ?, 5, 5, ?, ?, ?)",
                (row, ids["operation"], STAMP, STAMP, STAMP),
            )
            change = f'[{{"table":"operation_quantities","id":"{row}","op":"insert","version":1,"fields":null}}]'
            data = f'{{"operation_id":"{ids["operation"]}","quantity_produced":5,"note":"{"x" * 300}"}}'
            connection.execute(
                "INSERT INTO events (id, type, lane, aggregate, origin, occurred_at, recorded_at, clock_trusted, data, changes) "
                "VALUES (?, 'production.quantity_reported', ?, ?, 'gw-bench', ?, ?, 1, ?, ?)",
                (str(uuid.uuid4()), f"job:{ids['job']}", f"quantity:{row}", STAMP, STAMP, data, change),
            )
    connection.close()


def run(config: Path, port: int, seconds: float) -> tuple[float, float]:
    process, ready_s = started(config, port)
    try:
        time.sleep(seconds)
        return ready_s, rss_mib(process.pid)
    finally:
        process.terminate()
        process.wait(15)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=5, help="after which the memory is read")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("TMPDIR")) as scratch:
        config, port = configure(Path(scratch))
        first_s, _ = run(config, port, 0)
        print(f"first start, with all migrations: ready after {first_s:.2f} s")
        starts = [run(config, port, given.seconds) for _ in range(given.rounds)]
        print(f"start to ready: median {statistics.median(one[0] for one in starts):.2f} s of {given.rounds}")
        print(
            f"idle, no plugins: {statistics.median(one[1] for one in starts):.0f} MiB RSS after {given.seconds:.0f} s"
        )
        backlog(Path(scratch) / "data" / "gateway.sqlite")
        ready_s, mib = run(config, port, given.seconds)
        print(
            f"with {BACKLOG:,} unsent events: ready after {ready_s:.2f} s, {mib:.0f} MiB RSS after {given.seconds:.0f} s"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
