"""What plugins cost.

(a) p50 and p99 of a booking (start, pause, resume, complete over HTTP, at a steady rate, from another process) alone and beside a
plugin that raises, leaks tasks, has a wrong configuration, refuses every event: alone, bad, alone, bad, each a fresh gateway
with the same data. A request that waits for its turn counts from when it was due. Ceilings: 1.25 of the p50 alone, 1.5 of the
p99, by the median of the rounds' ratios; one with a wrong configuration does nothing at all, so its ratios show the noise. What
/healthz and `plugins list` say of each is looked at, too.
(b) memory and time to ready with each shipped plugin, with the counterpart that it needs, and without any.
(c) a plugin that blocks the loop: seconds until the log names it, and until /healthz does once it has let go; 2 s at the most.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import bad_plugins
from bad_plugins import BAD, BLOCKING, Bad
from plugin_costs import costs
from plugin_stand import LOOK_EVERY_S, Running, Stand
from server import ids, seed

from gateway.app import running
from gateway.kernel.clock import text
from gateway.settings import Settings

HERE = Path(__file__).parent
RATE_PER_S, CONNECTIONS = 200, 8
CEILINGS = {"p50": 1.25, "p99": 1.5}  # of what a booking takes alone
NAMED_MAX_S = 2.0
BLOCK_S = 3.0


async def furnished(data: Path) -> None:
    settings = {"gateway": {"id": "bench", "data_dir": data}, "http": {"port": 0}, "broker": {"mode": "off"}}
    async with running(Settings.model_validate(settings)) as gateway:
        await gateway.db.write(seed, text(gateway._clock.now()))


class Floor:
    """A furnished data folder, of which each gateway gets a copy, and the plugins that misbehave."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self.plugins_dir = bad_plugins.written(scratch / "bad")
        asyncio.run(furnished(scratch / "data"))
        (scratch / "operations.json").write_text(json.dumps(ids()))

    def stand(self) -> Stand:
        copy = Path(tempfile.mkdtemp(dir=self._scratch)) / "data"
        shutil.copytree(self._scratch / "data", copy, ignore=shutil.ignore_patterns("admin.sock", "lock"))
        return Stand(copy)

    def booked(self, gateway: Running, seconds: float) -> dict[str, float]:
        """What `load.py` tells."""
        command = [sys.executable, HERE / "load.py", "--port", str(gateway.port), "--connections", str(CONNECTIONS)]
        command += ["--seconds", str(seconds), "--operations", self._scratch / "operations.json"]
        command += ["--key", gateway.stand.key, "--rate", str(RATE_PER_S)]
        told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=seconds + 60).stdout)
        if told["refused"]:
            raise SystemExit(f"{told['refused']} requests were refused: the bench is wrong")
        return told


# ------------------------------------------------------------------ beside a bad one


def complaints(gateway: Running, bad: Bad) -> list[str]:
    """What /healthz and `plugins list` lack; prints what they say."""
    state, error = bad.said
    told, row = gateway.health(bad.name), gateway.listed(bad.name)
    facts = ", ".join(f"{name} {told.get(name)}" for name in bad.facts)
    print(f"    {bad.name}: {told['state']}, {told['error']}{', ' if facts else ''}{facts}")
    wrong = [
        f"{where} says {one['state']}, {one['error']}"
        for where, one in (("/healthz", told), ("plugins list", row))
        if one["state"] != state or error not in (one["error"] or "")
    ]
    return [*wrong, *(f"/healthz has no {name}" for name in bad.facts if not told.get(name))]


def beside(floor: Floor, rounds: int, seconds: float) -> bool:
    """Alone, bad, alone, bad ..."""
    ok = True
    taken: dict[tuple[str, bool], list[dict[str, float]]] = {}
    for place in range(rounds):
        for bad in BAD:
            for settings in ("", bad.settings):
                with floor.stand().serving(settings, floor.plugins_dir) as gateway:
                    taken.setdefault((bad.name, settings != ""), []).append(floor.booked(gateway, seconds))
                    if settings and place == rounds - 1:
                        for wrong in complaints(gateway, bad):
                            print(f"    WRONG: {wrong}")
                            ok = False
    print(f"\n{RATE_PER_S} bookings a second beside a plugin that misbehaves, ms")
    print("plugin              alone p50    p99   beside p50    p99   of p50   of p99")
    for bad in BAD:
        alone, with_it = taken[bad.name, False], taken[bad.name, True]
        of = {
            name: statistics.median(
                bad_one[f"{name}_ms"] / one[f"{name}_ms"] for one, bad_one in zip(alone, with_it, strict=True)
            )
            for name in CEILINGS
        }
        held = all(of[name] <= ceiling for name, ceiling in CEILINGS.items())
        ok = ok and held
        ms = [statistics.median(one[f"{name}_ms"] for one in ones) for ones in (alone, with_it) for name in CEILINGS]
        print(
            f"{bad.name:18} {ms[0]:10.2f} {ms[1]:6.2f} {ms[2]:12.2f} {ms[3]:6.2f} {of['p50']:7.2f}x {of['p99']:7.2f}x"
            f"{'' if held else '  MISSED'}"
        )
    print(f"ceilings: {', '.join(f'{ceiling} of {name}' for name, ceiling in CEILINGS.items())}", flush=True)
    return ok


# ------------------------------------------------------------------ who blocks the loop


def blocked(floor: Floor, rounds: int) -> bool:
    logged, shown = [], []
    with floor.stand().serving(BLOCKING.settings, floor.plugins_dir) as gateway:
        gateway.up_s(BLOCKING.name)
        for place in range(rounds):
            thread = threading.Thread(target=gateway.get, args=(f"/plugins/{BLOCKING.name}/block?s={BLOCK_S}",))
            began_s = time.perf_counter()
            thread.start()
            while gateway.stand.log.read_text().count("loop.stalled") <= place:
                time.sleep(LOOK_EVERY_S)
            logged.append(time.perf_counter() - began_s)
            thread.join()
            free_s = time.perf_counter()
            while gateway.health(BLOCKING.name).get("stalls", 0) <= place:
                time.sleep(LOOK_EVERY_S)
            shown.append(time.perf_counter() - free_s)
        (line,) = {json.loads(one)["at"] for one in gateway.stand.log.read_text().splitlines() if "loop.stalled" in one}
        wrong = complaints(gateway, BLOCKING)
    print(
        f"\na plugin that blocks for {BLOCK_S:.0f} s: the log names it after {max(logged):.2f} s at the most "
        f"({Path(line).name}), /healthz {max(shown):.2f} s after it has let go; ceiling {NAMED_MAX_S:.0f} s"
    )
    for one in wrong:
        print(f"    WRONG: {one}")
    return not wrong and max(*logged, *shown) <= NAMED_MAX_S


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=2.5, help="of bookings, each time")
    arguments.add_argument("--starts", type=int, default=3, help="of each plugin; the median is shown")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("TMPDIR")) as scratch:
        floor = Floor(Path(scratch))
        held = beside(floor, given.rounds, given.seconds)
        named = blocked(floor, given.rounds)
        print(f"\na hall of 100 cells and 5,000 operations, medians of {given.starts} starts")
        print("plugin            ready s      up s       MiB")
        taken = asyncio.run(costs(Path(scratch), given.starts))
        bare = {which: statistics.median(one[which] for one in taken["none"]) for which in (0, 2)}
        for name, starts in taken.items():
            ready_s, up_s, mib = (statistics.median(one[which] for one in starts) for which in range(3))
            more = "" if name == "none" else f"   {ready_s - bare[0]:+.2f} s, {mib - bare[2]:+.0f} MiB"
            print(f"{name:14} {ready_s:10.2f} {up_s:9.2f} {mib:9.0f}{more}")
    print("all ceilings held" if held and named else "A CEILING WAS MISSED")
    return 0 if held and named else 1


if __name__ == "__main__":
    raise SystemExit(main())
