"""A gateway with a hall of 100 cells and 5,000 operations, filled, alone, or with its OPC UA mirror: tells its memory, and ends."""

import asyncio
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the rows of tests

from large_hall import furnish

from gateway.app import running
from gateway.kernel import logs
from gateway.outbox.event import Stamp
from gateway.settings import Settings

READY_MAX_S = 120.0


async def stand(folder: Path, how: str) -> None:
    """A gateway; tells its memory once everything is there."""
    logs.configure("error", "json")
    mirror = how == "mirror"
    section = {"enabled": mirror, "port": 0}
    settings = Settings.model_validate(
        {
            "gateway": {"id": "bench", "data_dir": folder},
            "http": {"port": 0},
            "broker": {"mode": "off"},
            "plugins": {"opcua_mirror": section},
        }
    )
    if how == "fill":
        async with running(settings) as gateway:
            await gateway.db.write(furnish, Stamp(gateway._clock.now(), "bench", gateway._new_id))
        return
    began_s = time.perf_counter()
    async with running(settings) as gateway:
        link = gateway.health.link("plugin:opcua_mirror") if mirror else None
        async with asyncio.timeout(READY_MAX_S):
            while link is not None and link.state not in ("up", "degraded"):
                await asyncio.sleep(0.05)
        kilobytes = next(
            line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")
        )
        told = {"mb": int(kilobytes.split()[1]) / 1024, "ready_s": time.perf_counter() - began_s}
        print(json.dumps({**told, "cells": link.facts["cells"] if link else None}))


if __name__ == "__main__":
    asyncio.run(stand(Path(sys.argv[1]), sys.argv[2]))
