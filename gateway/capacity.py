"""Disk and memory of the box, looked at every few seconds: people are told, and what was given up comes back although nobody
writes.
"""

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Health
from gateway.kernel.memory import MEMORY_MAX_BYTES, taken_bytes
from gateway.kernel.room import MIB

LINK = "capacity"  # its name in /healthz
EVERY_S = 2.0
GROWN_MAX_BYTES = 400 * MIB  # since the start; a gateway starts with less than the rest of MEMORY_MAX_BYTES


class Capacity:
    """Made at the start: what was taken then is what it needs without work."""

    def __init__(self, db: Database, clock: Clock, health: Health) -> None:
        self._db = db
        self._clock = clock
        self._link = health.link(LINK)
        self._started_bytes = taken_bytes()
        health.watch(self.problem)

    async def run(self) -> None:
        """For ever. Raises Unavailable when nothing can be written at all."""
        while True:
            await self.look()
            await self._clock.sleep(EVERY_S)

    async def look(self) -> None:
        """The facts: those of `Room.told`, `memory_bytes` and `memory_max_bytes`."""
        room, link = self._db.room, self._link
        if not room.ballast.held:
            await self._db.write(_nothing)  # after each group the writer lays it down again if there is room
        link.facts |= {**room.told(), "memory_bytes": taken_bytes(), "memory_max_bytes": MEMORY_MAX_BYTES}
        if wrong := self.problem():
            link.degraded(wrong)
        else:
            link.up()

    def problem(self) -> str | None:
        """For people: who is refused as the disk fills up, and that the gateway has taken too much memory."""
        return "; ".join(told for told in (self._db.room.problem(), self._memory()) if told) or None

    def _memory(self) -> str | None:
        taken = taken_bytes()
        grown = taken - self._started_bytes
        if grown <= GROWN_MAX_BYTES:
            return None
        return (
            f"the gateway has taken {taken // MIB} MiB of memory, {grown // MIB} MiB more than at its start: restart it at a quiet "
            "time, send a support bundle if it grows again"
        )


def _nothing(_tx: Tx) -> None:
    """A group without a change: the disk is not touched."""
