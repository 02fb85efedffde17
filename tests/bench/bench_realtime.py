"""Realtime for 500 sockets: messages a second as a ratio to a bare aiohttp server that calls send_str for each socket, in turns,
with the same number of bytes; and what a client that does not read costs whoever writes, at 100 changes a second.

The product's side is the real journal, rows read from SQLite, matching and encoding; whoever listens is a process of his own.
Limits: at least 5 times the bare sender, and a commit's p99 with a stuck client less than twice that without one.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from bench_write import free_port
from realtime_ears import BARE, CHARACTERS, PRODUCT

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache"
FLOOR, CEILING = 5.0, 2.0
RATE = 100  # changes a second
ANSWER_MAX_S = 300


class Process:
    """One that is ready once it has said so."""

    def __init__(self, name: str, *words: str) -> None:
        command = [sys.executable, HERE / name, *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if not any('"ready"' in line for line in iter(self._process.stdout.readline, "")):
            raise SystemExit(f"{name} did not start: see above")

    def ask(self, **asked: Any) -> Any:
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Bench:
    def __init__(self, port: int, ears: Process, sockets: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._ears = ears
        self._sockets = sockets
        self._characters = CHARACTERS

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._url + path, timeout=ANSWER_MAX_S) as answer:  # noqa: S310 -- our own server
            return json.loads(answer.read())

    def _burst(self, side: str, count: int) -> int:
        return self._get(f"/burst?side={side}&count={count}&characters={self._characters}")["began_ns"]

    def learn(self) -> int:
        """Both sides send frames of one size from here on."""
        self._burst(PRODUCT, 1)
        size = self._ears.ask(side=PRODUCT, learn=True)["size"]
        self._characters = size - 4  # without the frame's head
        self._burst(BARE, 1)
        if self._ears.ask(side=BARE, learn=True)["size"] != size:
            raise SystemExit("the bench is wrong: the two sides do not send the same number of bytes")
        return size

    def messages_per_s(self, side: str, count: int) -> float:
        self._ears.ask(side=side, expect=count)
        began_ns = self._burst(side, count)
        return count * self._sockets / (self._ears.ask(side=side)["last_ns"] - began_ns) * 1e9

    def paced(self, seconds: float, *, stuck: bool) -> tuple[float, list[float]]:
        """(p99 of a commit in ms, from the commit to a client that reads, in ms)."""
        self._ears.ask(heard=True)
        if stuck:
            self._ears.ask(stick=True)
        told = self._get(f"/paced?rate={RATE}&seconds={seconds}")
        self._ears.ask(side=PRODUCT, expect=len(told["took_ms"]))
        self._ears.ask(side=PRODUCT)
        if stuck:
            self._ears.ask(free=True)
        heard_ns = self._ears.ask(heard=True)["heard_ns"]
        ways_ms = sorted((heard_ns[n] - at_ns) / 1e6 for n, at_ns in told["committed_ns"].items() if n in heard_ns)
        return p99(sorted(told["took_ms"])), ways_ms


def p99(values: list[float]) -> float:
    return values[len(values) * 99 // 100]


def limit(what: str, value: float, *, held: bool, bound: str) -> bool:
    print(f"{what}: {value:.2f} ({bound}){'' if held else '  MISSED'}", flush=True)
    return held


def measured(bench: Bench, rounds: int, count: int, seconds: float) -> int:
    size = bench.learn()
    rates: dict[str, list[float]] = {PRODUCT: [], BARE: []}
    for _ in range(rounds):
        for side, found in rates.items():
            found.append(bench.messages_per_s(side, count))
    ratios = sorted(own / bare for own, bare in zip(*rates.values(), strict=True))
    own, bare = (statistics.median(found) for found in rates.values())
    print(
        f"{size} bytes a message: {own:,.0f} messages a second, {bare:,.0f} of send_str; {ratios[0]:.1f} to {ratios[-1]:.1f}"
    )
    p99s, ways_ms = {False: list[float](), True: list[float]()}, list[float]()
    for _ in range(rounds):
        for stuck, found in p99s.items():
            p99_ms, ways = bench.paced(seconds, stuck=stuck)
            found.append(p99_ms)
            ways_ms += ways
    without_ms, with_ms = (statistics.median(found) for found in p99s.values())
    ways_ms.sort()
    print(
        f"{RATE} changes a second: from the commit to a client p50 {statistics.median(ways_ms):.1f}, p99 {p99(ways_ms):.1f} ms"
    )
    print(f"a commit's p99: {without_ms:.2f} ms, with a client that does not read {with_ms:.2f} ms")
    ratio, slower = statistics.median(ratios), with_ms / without_ms
    held = [
        limit("messages a second, of send_str", ratio, held=ratio >= FLOOR, bound=f"floor {FLOOR}"),
        limit(
            "a commit's p99 with a stuck client, of that without",
            slower,
            held=slower < CEILING,
            bound=f"below {CEILING}",
        ),
    ]
    return held.count(False)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--sockets", type=int, default=500)
    arguments.add_argument("--count", type=int, default=1_000, help="changes at once")
    arguments.add_argument("--seconds", type=float, default=4.0)
    given = arguments.parse_args()
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-") as folder:
        port = free_port()
        server = Process("realtime_server.py", "--port", str(port), "--folder", folder)
        ears = Process("realtime_ears.py", "--port", str(port), "--sockets", str(given.sockets))
        try:
            return measured(Bench(port, ears, given.sockets), given.rounds, given.count, given.seconds)
        finally:
            ears.stop()
            server.stop()


if __name__ == "__main__":
    raise SystemExit(main())
