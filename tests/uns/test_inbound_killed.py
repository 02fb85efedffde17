"""The real program, killed after it has booked and before the broker knows: nothing is lost, nothing counts twice."""

import asyncio
import json
import sqlite3
from datetime import UTC, datetime

import pytest
from devices import BEAM, EVERYTHING, Device
from program import Program
from tcp import free_port, serving
from uns_hall import HOST, ROOT, Foreign, listening, until

from gateway.demo import factory

PUBACK = 4
SETTINGS = """
[site]
enterprise = "acme"
site = "plant1"
area = "Fabrication"
[broker]
mode = "external"
host = "127.0.0.1"
port = %d
[[uns.device]]
id = "laser-1"
cells = ["Laser"]
commands = %s
[[uns.mapping]]
device = "laser-1"
input = "counter/good"
rule = "counter_delta"
report = "quantity_good"
flush = "1h"
[[uns.mapping]]
device = "laser-1"
input = "cycle"
rule = "cycle"
report = "quantity_scrap"
"""


class Line:
    """The line between gateway and broker; `deaf`: what the gateway acknowledges never arrives."""

    def __init__(self, broker_port: int) -> None:
        self.port = free_port()
        self.deaf = False
        self.swallowed = 0
        self._broker_port = broker_port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection(HOST, self._broker_port)
        try:
            await asyncio.gather(self._all(from_broker, writer), self._packets(reader, to_broker))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # one of the two has hung up
        finally:
            writer.close()
            to_broker.close()

    async def _all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        raise ConnectionError

    async def _packets(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """MQTT: one byte says what it is, then a length of 7 bits a byte, then so many bytes."""
        while True:
            head = await reader.readexactly(2)
            while head[-1] & 0x80:
                head += await reader.readexactly(1)
            length = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(head[1:]))
            packet = head + await reader.readexactly(length)
            if self.deaf and packet[0] >> 4 == PUBACK:
                self.swallowed += 1
            else:
                writer.write(packet)


@pytest.fixture
async def line(foreign: Foreign):
    foreign.start("", "persistence true\n")
    line = Line(foreign.port)
    async with serving(line.serve, line.port):
        yield line


@pytest.fixture
def program(tmp_path, line: Line):
    program = Program.at(tmp_path)
    program.configure(SETTINGS % (line.port, json.dumps(EVERYTHING)))
    return program


async def test_killed_between_the_booking_and_its_acknowledgement(program: Program, line: Line, foreign: Foreign):
    await asyncio.to_thread(program.ok, "import", "-", stdin=json.dumps(factory.plan(datetime.now(UTC), 1)))
    async with listening(foreign.port, f"{ROOT}/#", None, None) as ear:
        laser = Device("laser-1", ear.client, ear)
        online = f"{ROOT}/_gateway/gw-test/status"

        line.deaf = True
        serving = program.serving()
        process = await asyncio.to_thread(serving.__enter__)
        try:
            await until(lambda: online in ear.states and ear.states[online].payload["online"])
            await laser.ask("start", "start", operation_id=BEAM)
            for value in (100, 104, 107):
                await laser.say("in/counter/good", value)
            await laser.say("in/cycle", {"id": "c-1", "scrap": 2})
            await laser.ask("report", "report", rework=1)  # behind all of it
            process.kill()
        finally:
            await asyncio.to_thread(serving.__exit__, None, None, None)
        assert line.swallowed >= 6

        line.deaf = False
        known = len(laser.answers)
        serving = program.serving()
        await asyncio.to_thread(serving.__enter__)
        try:
            await until(lambda: len(laser.answers) >= known + 2)
            again = {one["request_id"]: one["replayed"] for one in laser.answers[known:]}
            await laser.say("in/cycle", {"id": "c-1", "scrap": 2})
            await laser.say("in/counter/good", 110)
            completed = await laser.ask("complete", "complete")
        finally:
            await asyncio.to_thread(serving.__exit__, None, None, None)
    assert again == {"start": True, "report": True}
    assert completed["ok"]
    sums = "SELECT sum(quantity_good), sum(quantity_scrap), sum(quantity_rework) FROM operation_quantities"
    with sqlite3.connect(program.data / "gateway.sqlite") as connection:
        assert connection.execute(sums).fetchone() == (10, 2, 1)
