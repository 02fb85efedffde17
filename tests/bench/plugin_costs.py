"""Each shipped plugin, configured, with the counterpart that it needs in this process: time to ready, time to up, memory."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "plugins" / "modbus"))  # whom the tests read
sys.path.append(str(Path(__file__).parents[1] / "plugins" / "mtconnect"))
sys.path.append(str(Path(__file__).parents[1] / "plugins" / "opcua_client"))

import mtconnect_agent
import opcua_plc
import plc as modbus_plc
from bench_start import free_port
from plugin_stand import Stand

MACHINE = """[[uns.device]]
id = "laser-1"
cells = ["*"]
[[uns.mapping]]
device = "laser-1"
input = "counter/good"
rule = "counter_delta"
report = "quantity_good"
"""


@contextlib.asynccontextmanager
async def counterparts(scratch: Path) -> AsyncIterator[dict[str, str]]:
    """Plugin -> its settings."""
    modbus, agent, opcua = modbus_plc.Plc(), mtconnect_agent.Agent(), opcua_plc.Plc(free_port(), Count=5)
    await opcua.build()
    for one in (modbus, agent, opcua):
        await one.on()
    (scratch / "drop").mkdir()
    tags = {
        "modbus": (f'host = "127.0.0.1"\nport = {modbus.port}', "device", '{to = "counter/good", address = 0}'),
        "mtconnect": (f'url = "http://127.0.0.1:{agent.port}/Mill"', "agent", '{id = "parts", to = "counter/good"}'),
        "opcua_client": (
            f'url = "{opcua.url}"\nsecurity = "None"',
            "server",
            f'{{node = "nsu={opcua_plc.VENDOR};s=Count", to = "counter/good"}}',
        ),
    }
    found = {
        "csv_dropbox": f'folder = "{scratch / "drop"}"\n',
        "label_printer": 'host = "127.0.0.1"\n',  # it is called when there is something to print
        "mcp_server": "",
        "opcua_mirror": f"port = {free_port()}\n",
    }
    for name, (where, table, tag) in tags.items():
        what = "item" if name == "mtconnect" else "tag"
        found[name] = f'[[plugins.{name}.{table}]]\ndevice = "laser-1"\n{where}\n{what} = [{tag}]\n{MACHINE}'
    try:
        yield {name: f"[plugins.{name}]\nenabled = true\n{keys}" for name, keys in sorted(found.items())}
    finally:
        for one in (modbus, agent, opcua):
            await one.off()


def start(stand: Stand, name: str, settings: str) -> tuple[float, float, float]:
    """(seconds to ready, seconds to up, MiB)."""
    with stand.serving(settings) as gateway:
        up_s = gateway.ready_s if name == "none" else gateway.up_s(name)
        gateway.get("/healthz")
        return gateway.ready_s, up_s, gateway.mib()


async def costs(scratch: Path, starts: int) -> dict[str, list[tuple[float, float, float]]]:
    """Plugin, or `none` -> its starts. In turns, each the first once."""
    stand = Stand(scratch / "hall")
    command = [sys.executable, Path(__file__).with_name("opcua_stand.py"), stand.data, "fill"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    async with counterparts(scratch) as settings:
        taken: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ("none", *settings)}
        for _ in range(starts):
            for name, ones in taken.items():
                ones.append(await asyncio.to_thread(start, stand, name, settings.get(name, "")))
    return taken
