"""A PLC that speaks Modbus TCP (pymodbus' own server): it can be switched off and on, and keeps its values."""

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

HOST = "127.0.0.1"
SIZE = 32  # addresses of each table
READ = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}  # function codes


class Plc:
    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.registers = {"holding": [0] * SIZE, "input": [0] * SIZE}
        self.bits = {"coil": [False] * SIZE, "discrete": [False] * SIZE}
        self.asked: list[tuple[int, int, int]] = []  # (function code, address, count)
        self._server: ModbusTcpServer | None = None

    async def on(self) -> None:
        tables = (
            [SimData(0, values=self.bits["coil"], datatype=DataType.BITS)],
            [SimData(0, values=self.bits["discrete"], datatype=DataType.BITS)],
            [SimData(0, values=self.registers["holding"], datatype=DataType.REGISTERS)],
            [SimData(0, values=self.registers["input"], datatype=DataType.REGISTERS)],
        )
        device = SimDevice(1, simdata=tables, action=self._noted)
        self._server = ModbusTcpServer(device, address=(HOST, self.port))
        await self._server.serve_forever(background=True)
        if not self.port:
            self.port = self._server.transport.sockets[0].getsockname()[1]

    async def off(self) -> None:
        if self._server is not None:
            await self._server.shutdown()
            self._server = None

    async def set(self, table: str, address: int, *values: int | bool) -> None:
        (self.registers | self.bits)[table][address : address + len(values)] = values
        if self._server is not None:
            await self._server.async_setValues(1, READ[table], address, list(values))

    async def count(self, value: int, address: int = 0) -> None:
        """A counter of 32 bits, the high word first."""
        await self.set("holding", address, value >> 16, value & 0xFFFF)

    async def _noted(self, function, _start, address, count, _current, _values) -> None:
        self.asked.append((function, address, count))
