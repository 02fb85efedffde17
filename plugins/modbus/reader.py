"""Reads each machine at its own pace. What it says is handed over when it is new; after each connect everything is."""

import logging
from collections.abc import Sequence
from functools import partial

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from gateway.plugin_api import Clock, Context, Parts, Source, Sources, Unavailable
from plugins.modbus.registers import Block, blocks
from plugins.modbus.settings import BITS, Device, Settings

TRIES = 1  # of a request again, before the connection is made anew
# What a device says when it is there and will not answer (Modbus application protocol, section 7).
REFUSALS = {1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "device failure"}


def parts(context: Context[Settings]) -> Parts:
    # What it logs as a warning is what we raise, show and try again.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    config = context.config
    sources = Sources(context.machines, context.clock, context.link, retry_max_s=config.retry_max)
    read = {one.device: ([tag.to for tag in one.tag], partial(_read, context.clock, one)) for one in config.device}
    return Parts(partial(sources.run, read))


async def _read(clock: Clock, device: Device, source: Source) -> None:
    """Never returns. Raises Unavailable."""
    client = AsyncModbusTcpClient(
        device.host, port=device.port, timeout=device.timeout, retries=TRIES, reconnect_delay=0, name=device.device
    )
    try:
        if not await client.connect():
            raise Unavailable(f"nobody answers Modbus at {device.host}:{device.port}")
        wanted = blocks(device.tag)
        while True:
            began_s = clock.monotonic()
            refused = [told for block in wanted if (told := await _tell(client, device, source, block))]
            await source.reached()
            if refused:
                source.link.degraded("; ".join(refused))
            else:
                source.link.up()
            await clock.sleep(max(0.0, device.every - (clock.monotonic() - began_s)))
    finally:
        client.close()


async def _tell(client: AsyncModbusTcpClient, device: Device, source: Source, block: Block) -> str | None:
    """One request, and what is new in it. Returns why the device refuses it. Raises Unavailable."""
    try:
        answer = await _asked(client, device, block)
    except (TimeoutError, ModbusException, OSError) as exc:
        raise Unavailable(f"Modbus at {device.host}:{device.port}: {exc}") from exc
    where = f"{block.table} {block.address} to {block.address + block.count - 1}"
    if answer.isError():
        code = getattr(answer, "exception_code", 0)
        for tag in block.tags:
            await source.tell_changed(tag.to, None, "bad")
        return f"{where}: {REFUSALS.get(code, f'exception {code}')}"
    found: Sequence[int | bool] = answer.bits if block.table in BITS else answer.registers
    if len(found) < block.count:
        raise Unavailable(f"{where}: {block.count} were asked for, {len(found)} came")
    for tag in block.tags:
        value = block.value(tag, found)
        await source.tell_changed(tag.to, value, "bad" if value is None else "good")
    return None


async def _asked(client: AsyncModbusTcpClient, device: Device, block: Block) -> ModbusPDU:
    read = {
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
    }[block.table]
    return await read(block.address, count=block.count, device_id=device.unit)
