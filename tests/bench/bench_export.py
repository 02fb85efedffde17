"""A million rows out and in, by the command line on the data of a stopped gateway: rows a second and peak memory, against a
bare dump by Python's `sqlite3` of the same database in the same run. Floors: 0.3 of the dump's rate for JSON, 100 MiB.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from many_rows import SHARES, fill

RSS_MAX_MIB = 100
FLOOR_OF_DUMP = 0.3
LOOK_EVERY_S = 0.02
DUMP = """
import sqlite3, sys
with open(sys.argv[2], "w") as file:
    for line in sqlite3.connect(sys.argv[1]).iterdump():
        file.write(line + "\\n")
"""


def measured(command: list[str]) -> tuple[float, float]:
    """(seconds, peak MiB)."""
    began, peak = time.monotonic(), 0.0
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    status = Path(f"/proc/{child.pid}/status")
    while child.poll() is None:
        with contextlib.suppress(OSError, StopIteration):
            line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM:"))
            peak = int(line.split()[1]) / 1024
        time.sleep(LOOK_EVERY_S)
    if child.returncode:
        raise SystemExit(f"{command} ended with {child.returncode}")
    return time.monotonic() - began, peak


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "gateway.toml"
        config.write_text('[broker]\nmode = "off"\n')
        database = fill(folder / "data", rows)
        written = sum(rows * share // 100 for share in SHARES.values()) + 2
        gateway = [sys.executable, "-m", "gateway"]
        where = ["--config", str(config), "--data"]
        json_file, zip_file = folder / "all.json", folder / "all.zip"
        out = [*gateway, "export", "--output"]
        steps = {
            "bare dump": [sys.executable, "-c", DUMP, str(database), str(folder / "dump.sql")],
            "export json": [*out, str(json_file), *where, str(folder / "data")],
            "export csv": [*out, str(zip_file), "--format", "csv", *where, str(folder / "data")],
            "import json": [*gateway, "import", str(json_file), *where, str(folder / "again")],
        }
        print(
            f"{written} rows, {database.stat().st_size // 2**20} MiB\n\nwhat            s     rows/s   peak MiB   of the dump"
        )
        found = {}
        for what, command in steps.items():
            seconds, peak = found[what] = measured(command)
            share = found["bare dump"][0] / seconds
            print(f"{what:12} {seconds:5.1f} {written / seconds:10,.0f} {peak:10.0f} {share:13.2f}", flush=True)
        small = all(peak < RSS_MAX_MIB for what, (_, peak) in found.items() if what != "bare dump")
        quick = found["bare dump"][0] / found["export json"][0] >= FLOOR_OF_DUMP
        print(
            "ok" if small and quick else f"below the floor of {FLOOR_OF_DUMP} of the dump, or above {RSS_MAX_MIB} MiB"
        )
        return 0 if small and quick else 1


if __name__ == "__main__":
    raise SystemExit(main())
