"""A part that a machine has made: PLC -> OPC UA -> counter -> quantity -> MQTT and cloud, while the PLC loses its power."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from plant import Plant, operation, plant
from program import Program

CUT = operation(1, "Beam", "Laser cutting")
KILLS = 10
WHILE_OFF = 7  # parts that the press makes while nobody can ask its PLC
PLC = Path(__file__).parents[1] / "plugins" / "opcua_client" / "plc_process.py"


@dataclass
class Press:
    """Its PLC: switched on, and off the hard way."""

    port: int
    memory: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def made(self) -> int:
        return int(self.memory.read_text())

    async def on(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, PLC, str(self.port), self.memory), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert await self.process.stdout.readline() == b"on\n"

    async def switch(self) -> None:
        """It begins to make parts, or ends."""
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()

    async def killed(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.stdin.close()
            await self.process.wait()

    @property
    def settings(self) -> str:
        return f"""
[[uns.device]]
id = "press"
cells = ["Laser"]
[[uns.mapping]]
device = "press"
input = "counter/good"
rule = "counter_delta"
report = "quantity_good"
flush = "500ms"
[plugins.opcua_client]
enabled = true
retry_max = "100ms"
[[plugins.opcua_client.server]]
device = "press"
url = "opc.tcp://127.0.0.1:{self.port}"
security = "None"
publish = "50ms"
[[plugins.opcua_client.server.tag]]
node = "nsu=http://vendor.example/UA/;s=Count"
to = "counter/good"
"""


@pytest.fixture
async def press(tmp_path):
    found = Press(Program.free_port(), tmp_path / "retentive")
    yield found
    await found.killed()


async def test_every_part_is_counted_once_everywhere(press, tmp_path):
    """Ten times the PLC is killed while it makes parts; the press makes some more before its PLC is back."""
    await press.on()
    async with plant(tmp_path, press.settings) as here:
        await here.press("start", CUT)
        await here.listening.wait()

        async def told() -> dict:
            return (await here.link("plugin:opcua_client")).get("devices", {}).get("press", {})

        async def read() -> bool:
            shown = await told()
            return shown.get("state") == "up" and shown["readings"] > 0

        await here.until(read, "the first value, from which it counts")
        await press.switch()
        for _ in range(KILLS):
            booked = await _booked(here)
            await here.until(lambda since=booked: _more(here, since), "parts of this life of the PLC are booked")
            await press.killed()
            press.memory.write_text(f"{press.made + WHILE_OFF:020}")
            await press.on()
            await press.switch()
        booked = await _booked(here)
        await here.until(lambda: _more(here, booked), "parts of its last life are booked")
        await press.switch()
        await here.until(lambda: _all(here, press), "all parts are booked")
        await here.drained()
        rows = await _rows(here)

        def heard() -> list:
            return [one for one in here.heard if one["event"] == "production.quantity_reported"]

        async def heard_all() -> bool:
            return sum(one["data"]["quantity_good"] for one in heard()) >= press.made

        await here.until(heard_all, "all parts are heard on MQTT")
        shown = await told()

    assert press.made > KILLS * WHILE_OFF
    assert sum(rows.values()) == press.made
    assert {one["data"]["quantity_id"]: one["data"]["quantity_good"] for one in heard()} == rows
    assert len(heard()) == len(rows)  # each once
    there = {row["id"]: row["quantity_good"] for row in here.cloud.rows("operation_quantities")}
    assert there == rows
    assert (shown["refused"], shown["last_refused"]) == (0, None)


async def _rows(here: Plant) -> dict[str, int]:
    """Every quantity of the operation that the gateway has: id -> good ones."""
    _, told = await here.call("GET", f"/api-operation-quantities?operation_id={CUT}&limit=1000")
    found = told["data"]
    rows = found["operation_quantities"]
    assert len(rows) == found["pagination"]["total"]
    return {row["id"]: row["quantity_good"] for row in rows}


async def _booked(here: Plant) -> int:
    """From the file: asked again and again, the REST API would be busy with nothing else."""
    database = f"file:{here.program.data / 'gateway.sqlite'}?mode=ro"
    with contextlib.closing(sqlite3.connect(database, uri=True)) as connection:
        return connection.execute("SELECT coalesce(sum(quantity_good), 0) FROM operation_quantities").fetchone()[0]


async def _more(here: Plant, than: int) -> bool:
    return await _booked(here) > than + WHILE_OFF


async def _all(here: Plant, press: Press) -> bool:
    return await _booked(here) == press.made
