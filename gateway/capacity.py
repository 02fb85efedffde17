"""Disk and memory of the box, looked at every few seconds: people are told, and what was given up comes back although nobody
writes.
"""

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Link
from gateway.kernel.memory import MEMORY_MAX_BYTES, taken_bytes
from gateway.kernel.room import MIB

LINK = "capacity"  # its name in /healthz
EVERY_S = 5.0


async def run(db: Database, clock: Clock, link: Link) -> None:
    """For ever. Raises Unavailable when nothing can be written at all."""
    while True:
        await look(db, link)
        await clock.sleep(EVERY_S)


async def look(db: Database, link: Link) -> None:
    """The facts: those of `Room.told`, `memory_bytes` and `memory_max_bytes`."""
    if not db.room.ballast.held:
        await db.write(_nothing)  # after each group the writer lays it down again if there is room
    link.facts |= {**db.room.told(), "memory_bytes": taken_bytes(), "memory_max_bytes": MEMORY_MAX_BYTES}
    if wrong := problem(db):
        link.degraded(wrong)
    else:
        link.up()


def problem(db: Database) -> str | None:
    """For people: who is refused as the disk fills up, and that the gateway has taken too much memory."""
    return "; ".join(told for told in (db.room.problem(), _memory()) if told) or None


def _memory() -> str | None:
    taken = taken_bytes()
    if taken <= MEMORY_MAX_BYTES:
        return None
    return (
        f"the gateway has taken {taken // MIB} MiB of memory, {MEMORY_MAX_BYTES // MIB} should do: restart it at a quiet time, "
        "send a support bundle if it grows again"
    )


def _nothing(_tx: Tx) -> None:
    """A group without a change: the disk is not touched."""
