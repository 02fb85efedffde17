"""A process that is killed in the middle of its work. Says on stdout what it was promised: one line for each answer.

booked <name>      the command has been acknowledged
delivered <seq>    a way out has handed this over
"""

import asyncio
import contextlib
import sys
from pathlib import Path

from ledger import booking, opened

from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import Conflict
from gateway.outbox.reader import follow
from gateway.outbox.receipts import Receipt, request_hash

STATIONS = 8


def say(*words: object) -> None:
    print(*words, flush=True)


async def station(commands, name: str) -> None:
    """Books one after the other; every fifth command is refused after its first write."""
    count = 0
    while True:
        count += 1
        cell = f"{'refused ' if count % 5 == 0 else ''}{name}/{count}"
        with contextlib.suppress(Conflict):
            await commands.book(Receipt("rest:kill", cell, request_hash(cell)), cell)
            say("booked", cell)


async def deliver(entries) -> None:
    for entry in entries:
        say("delivered", entry.seq)


async def main(folder: Path, round_: str) -> None:
    async with opened(folder) as db, asyncio.TaskGroup() as group:
        commands = booking(db)
        group.create_task(follow("uns", db, ManualClock(), deliver))
        for number in range(STATIONS):
            group.create_task(station(commands, f"{round_}/{number}"))


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
