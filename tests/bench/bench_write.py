"""Durable lifecycle POSTs a second on the real route, as ratios to what the same machine can do in the same minute. Each
connection takes operation after operation from start to pause, resume and complete.

(a) bare: the same handler without a database: the most that this HTTP server could do.
(b) naive: the same rules and statements with a commit for each request, through aiosqlite, as it is usually written. For
comparison also single: our own writer thread, with one transaction and one fsync for each request.
Then the same on a disk whose fsync takes 20 ms longer, as an SD card's does. Floors: 0.30 of (a) and 6x of (b) at 64
connections, 20x of (b) at 20 ms. Noise is large on shared machines: the medians of interleaved rounds are shown.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from server import KEY, ids

HERE = Path(__file__).parent
MODES = ("bare", "naive", "single", "product")
CONNECTIONS = (1, 16, 64)
SLOW_FSYNC_MS = 20
FLOOR_BARE, FLOOR_NAIVE, FLOOR_NAIVE_SLOW = 0.30, 6.0, 20.0
AT = 64  # connections for which the floors hold


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def measure(mode: str, connections: int, seconds: float, folder: Path, extra: dict[str, str]) -> dict:
    """One fresh server, one fresh database, one load."""
    with tempfile.TemporaryDirectory(dir=folder) as data:
        port = free_port()
        command = [sys.executable, HERE / "server.py", "--mode", mode, "--port", str(port), "--folder", data]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **extra})
        try:
            if not any(b'"ready"' in line for line in iter(server.stdout.readline, b"")):
                raise SystemExit(f"the server ({mode}) did not start: see above")
            return load(port, connections, seconds, folder)
        finally:
            server.terminate()
            server.wait(10)


def load(port: int, connections: int, seconds: float, folder: Path) -> dict:
    operations = folder / "operations.json"
    operations.write_text(json.dumps(ids()[:-1]))
    command = [sys.executable, HERE / "load.py", "--port", str(port), "--connections", str(connections)]
    command += ["--seconds", str(seconds), "--operations", operations, "--key", KEY]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=seconds + 60).stdout)
    if told["refused"]:
        raise SystemExit(f"{told['refused']} requests were refused: the bench is wrong")
    return told


def shim(folder: Path) -> dict[str, str] | None:
    """The environment for a slow disk; None without a compiler."""
    library = folder / "fsync_delay.so"
    try:
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "fsync_delay.c", "-ldl"], check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        print(f"no simulated SD card: {exc}")
        return None
    return {"LD_PRELOAD": str(library), "FSYNC_DELAY_MS": str(SLOW_FSYNC_MS)}


def table(
    title: str, connections: tuple[int, ...], rounds: int, seconds: float, folder: Path, extra: dict[str, str]
) -> dict:
    print(f"\n{title}\nconnections  mode       req/s   p50 ms   p99 ms   of bare   of naive   of single")
    ratios = {}
    for count in connections:
        results: dict[str, list[dict]] = {mode: [] for mode in MODES}
        for _ in range(rounds):
            for mode in MODES:
                results[mode].append(measure(mode, count, seconds, folder, extra))
        middle = {
            mode: {name: statistics.median(one[name] for one in ones) for name in ones[0]}
            for mode, ones in results.items()
        }
        for mode, one in middle.items():
            of_bare, of_naive, of_single = (one["per_s"] / middle[other]["per_s"] for other in MODES[:3])
            print(
                f"{count:11}  {mode:8} {one['per_s']:8.0f} {one['p50_ms']:8.2f} {one['p99_ms']:8.2f} "
                f"{of_bare:8.2f}x {of_naive:9.1f}x {of_single:10.1f}x",
                flush=True,
            )
        ratios[count] = tuple(middle["product"]["per_s"] / middle[other]["per_s"] for other in ("bare", "naive"))
    return ratios


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=4)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", type=Path, default=Path.cwd() / ".cache", help="on the disk to be measured")
    given = arguments.parse_args()
    given.folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="bench-") as scratch:
        folder = Path(scratch)
        quick = table("this disk", CONNECTIONS, given.rounds, given.seconds, folder, {})
        of_bare, of_naive = quick[AT]
        ok = of_bare >= FLOOR_BARE and of_naive >= FLOOR_NAIVE
        print(f"\nat {AT}: {of_bare:.2f} of bare (floor {FLOOR_BARE}), {of_naive:.1f}x of naive (floor {FLOOR_NAIVE})")
        if slow := shim(folder):
            _, of_naive = table(f"fsync + {SLOW_FSYNC_MS} ms", (AT,), given.rounds, given.seconds, folder, slow)[AT]
            ok = ok and of_naive >= FLOOR_NAIVE_SLOW
            print(f"\nat {AT} and {SLOW_FSYNC_MS} ms: {of_naive:.1f}x of naive (floor {FLOOR_NAIVE_SLOW})")
    print("all floors held" if ok else "A FLOOR WAS MISSED")
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
