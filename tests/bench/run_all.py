"""All benches, one after the other: `make bench`."""

import subprocess
import sys
from pathlib import Path

BENCHES = (
    "bench_write.py",
    "bench_lists.py",
    "bench_sync.py",
    "bench_start.py",
    "bench_memory.py",
    "bench_export.py",
    "bench_drain.py",
    "bench_lanes.py",
    "bench_uns.py",
    "bench_realtime.py",
    "bench_webhooks.py",
    "bench_terminal_server.py",
    "bench_opcua.py",
    "bench_terminal.py",
    "bench_plugins.py",
)


def main() -> int:
    codes = []
    for name in BENCHES:
        print(f"\n== {name}", flush=True)
        codes.append(subprocess.run([sys.executable, Path(__file__).parent / name], check=False).returncode)
    return max(codes)


if __name__ == "__main__":
    raise SystemExit(main())
