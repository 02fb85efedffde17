"""What station terminals cost: processor time of a gateway with 500 operations in the list and 20 changes a second, with 10
streams and without any; and how long a snapshot of all of them takes.

Whoever listens is a process of his own. Limits: ten streams take less than 10 % of one core beyond what the changes take by
themselves, and a snapshot less than 0.5 s.
"""

import argparse
import asyncio
import logging
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from gateway.app import Gateway, running
from gateway.kernel.clock import SystemClock
from gateway.kernel.ids import uuid7
from gateway.operations.quantities.commands import QuantityCommands
from gateway.outbox.event import Stamp
from gateway.settings import Settings
from gateway.terminals.model import NewTerminal
from gateway.transfer.commands import bring_in, planned
from gateway.web.routes import Caller, Scope

OPERATIONS, TERMINALS, RATE, SECONDS = 500, 10, 20, 20
SHARE_MAX, SNAPSHOT_MAX_S = 0.10, 0.5
CELL = "00000000-0000-4000-8000-0000000ce001"
CALLER = Caller("bench", "bench", Scope.ADMIN)


def _id(kind: int, number: int) -> str:
    return f"00000000-0000-4000-8000-{kind:04}{number:08}"


def hall() -> dict[str, list[dict]]:
    jobs = [{"id": _id(1, n), "job_number": f"J-{n}"} for n in range(OPERATIONS // 10)]
    parts = [
        {"id": _id(2, n), "job_id": _id(1, n // 10), "part_number": f"P-{n}", "material": "S", "quantity": 90}
        for n in range(OPERATIONS)
    ]
    steps = [
        {"id": _id(3, n), "part_id": _id(2, n), "cell_id": CELL, "operation_name": "Cut", "sequence": 1}
        for n in range(OPERATIONS)
    ]
    cells = [{"id": CELL, "name": "Laser", "sequence": 1}]
    return {"cells": cells, "jobs": jobs, "parts": parts, "operations": steps}


@dataclass
class Bench:
    gateway: Gateway
    keys: list[str]

    def _asked(self, path: str, key: str) -> urllib.request.Request:
        url = f"http://{self.gateway.addresses[0]}/terminal/api{path}"
        return urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})

    async def snapshot_s(self) -> float:
        def ask() -> float:
            began_s = time.perf_counter()
            with urllib.request.urlopen(self._asked(f"/snapshot?cell={CELL}", self.keys[0])) as answer:  # noqa: S310 -- as above
                answer.read()
            return time.perf_counter() - began_s

        return min([await asyncio.to_thread(ask) for _ in range(5)])

    async def share(self, streams: int, seconds: float) -> float:
        """Of one core, while the work goes on and so many listen."""
        ears = [self._listening(key) for key in self.keys[:streams]]
        await asyncio.sleep(2)
        clock = SystemClock()
        commands = QuantityCommands(self.gateway.db, clock, uuid7(clock), "gw-bench")
        began_s, used_s = time.perf_counter(), time.process_time()
        for n in range(int(seconds * RATE)):
            await asyncio.sleep(max(0.0, began_s + n / RATE - time.perf_counter()))
            given = {"operation_id": _id(3, n % OPERATIONS), "quantity_good": 1}
            await commands.create(given, CALLER, None)
        share = (time.process_time() - used_s) / (time.perf_counter() - began_s)
        for ear in ears:
            ear.terminate()
            ear.wait(10)
        return share

    def _listening(self, key: str) -> subprocess.Popen[bytes]:
        asked = self._asked("/stream", key)
        code = "import sys, urllib.request as u; f = u.urlopen(u.Request(sys.argv[1], headers={'Authorization': sys.argv[2]}))"
        words = [sys.executable, "-c", f"{code}\nwhile f.read1(): pass", asked.full_url, asked.headers["Authorization"]]
        return subprocess.Popen(words)


async def measured(folder: Path, seconds: float) -> tuple[float, float, float]:
    """(seconds of a snapshot, share without anybody, share with all terminals)."""
    given = {"gateway": {"id": "gw-bench", "data_dir": folder}, "http": {"port": 0}, "broker": {"mode": "off"}}
    async with running(Settings.model_validate(given)) as gateway:
        clock = SystemClock()
        await gateway.db.write(bring_in, Stamp(clock.now(), "gw-bench", uuid7(clock)), planned(hall()))
        keys = []
        for n in range(TERMINALS):
            code, _ = await gateway.terminals.code(NewTerminal(f"Laser {n}", CELL))
            keys.append((await gateway.terminals.pair(code, {}, "bench"))[0])
        bench = Bench(gateway, keys)
        snapshot_s = await bench.snapshot_s()
        return snapshot_s, await bench.share(0, seconds), await bench.share(TERMINALS, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each part")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        snapshot_s, alone, heard = asyncio.run(measured(Path(folder), asked.seconds))
    print(f"snapshot of {OPERATIONS} operations: {snapshot_s * 1000:.0f} ms (limit {SNAPSHOT_MAX_S * 1000:.0f})")
    print(
        f"{RATE} changes/s: {alone:.1%} of one core; with {TERMINALS} streams {heard:.1%} (limit: {SHARE_MAX:.0%} more)"
    )
    return int(snapshot_s > SNAPSHOT_MAX_S or heard - alone > SHARE_MAX)


if __name__ == "__main__":
    raise SystemExit(main())
