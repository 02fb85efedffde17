"""A PLC as a process of its own that can lose its power: it makes parts while it may, and its retentive memory is a file.

    plc_process.py PORT FILE

It says `on` once its OPC UA server listens; each line on its stdin switches the making of parts on or off.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from opcua_plc import Plc

STROKE_S = 0.02


class Memory:
    """How many parts were ever made: what is in here survives a kill."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_RDWR | os.O_CREAT)
        self.parts = int(os.pread(self._file, 20, 0) or 0)

    def keep(self, parts: int) -> None:
        self.parts = parts
        os.pwrite(self._file, b"%020d" % parts, 0)


async def main(port: int, file: Path) -> None:
    memory, making = Memory(file), asyncio.Event()
    plc = Plc(port, Count=memory.parts)
    await plc.build()
    await plc.on()
    print("on", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    strokes = asyncio.create_task(_strokes(memory, plc, making))
    async for _ in lines:
        (making.clear if making.is_set() else making.set)()
    strokes.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await strokes
    await plc.off()


async def _strokes(memory: Memory, plc: Plc, making: asyncio.Event) -> None:
    while True:
        await making.wait()
        memory.keep(memory.parts + 1)  # first made, then told
        await plc.count(memory.parts)
        await asyncio.sleep(STROKE_S)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
