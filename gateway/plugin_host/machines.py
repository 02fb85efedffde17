"""What the host gives to plugins that read machines: the commands that MQTT devices have, too. See `plugin_api.readings`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from gateway.kernel.clock import Clock
from gateway.kernel.errors import GatewayError, Invalid, RoomKept, Unavailable
from gateway.machines import values
from gateway.machines.commands import MachineCommands
from gateway.machines.model import BADGE, CYCLE, Badge, Cycle, Quality, Told
from gateway.machines.model import Reading as Value
from gateway.plugin_api.readings import Reading, Refusal

AGAIN_S = 0.25  # between two tries while the database takes nothing
_CYCLE = ("id", "good", "scrap", "program", "duration_s")


def speaking_over(commands: MachineCommands, clock: Clock, way: str) -> "LocalMachines":
    """For the plugin of this name, which stands in the causes of what its machines do."""
    return LocalMachines(commands.over(way), clock)


class LocalMachines:
    """Those of this gateway; `commands` are those of the plugin's own way in."""

    def __init__(self, commands: MachineCommands, clock: Clock) -> None:
        self._commands = commands
        self._clock = clock

    def require(self, device: str, inputs: Iterable[str]) -> None:
        for name in inputs:
            self._commands.require(device, name)

    async def take(self, reading: Reading) -> tuple[Refusal, ...]:
        try:
            told = await self._again(lambda: self._taken(reading))
        except GatewayError as exc:
            return (Refusal(exc.code, exc.message),)
        return tuple(Refusal(one.code, one.message) for one in told)

    async def online(self, device: str, *, online: bool) -> None:
        async def say() -> tuple[Told, ...]:
            await self._commands.online(device, online=online)
            return ()

        await self._again(say)

    async def _taken(self, reading: Reading) -> tuple[Told, ...]:
        quality = Quality(reading.quality)
        if reading.input not in (CYCLE, BADGE):
            value = Value(reading.device, reading.input, reading.value, reading.at, quality=quality, id=reading.id)
            return await self._commands.take(value)
        if quality is Quality.BAD:
            return ()
        if reading.input == CYCLE:
            return await self._commands.cycle(_cycle(reading))
        await self._commands.badge(_badge(reading))
        return ()

    async def _again(self, wish: Callable[[], Awaitable[tuple[Told, ...]]]) -> tuple[Told, ...]:
        while True:
            try:
                return await wish()
            except RoomKept:
                raise
            except Unavailable:
                await self._clock.sleep(AGAIN_S)


def _cycle(reading: Reading) -> Cycle:
    given = reading.value if isinstance(reading.value, Mapping) else {"good": reading.value}
    known: dict[str, Any] = {"id": reading.id} | {name: given[name] for name in _CYCLE if name in given}
    return Cycle(reading.device, **known, occurred_at=reading.at)


def _badge(reading: Reading) -> Badge:
    """Raises Invalid, without the badge."""
    given = reading.value if isinstance(reading.value, Mapping) else {"badge": reading.value}
    badge = given.get("badge")
    if isinstance(badge, bool) or not isinstance(badge, int | str) or not str(badge).strip():
        message = "badge is no text and no number"
        raise Invalid(message, [{"field": "badge", "message": message, "constraint": "TYPE_MISMATCH"}])
    return Badge(reading.device, str(badge).strip(), values.switch(given.get("on", True), "on"), reading.id)
