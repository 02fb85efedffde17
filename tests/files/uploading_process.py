"""A process that is killed in the middle of uploads. Says on stdout what it was promised: `stored <id> <sha256>`."""

import asyncio
import json
import random
import sys
from pathlib import Path

from pictures import picture

from gateway.files.blobs import Blobs
from gateway.files.commands import FileCommands, Sizes, Wish
from gateway.files.signing import Signing
from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.kernel.secrets import Secrets
from gateway.outbox.receipts import Receipt
from gateway.web.routes import Caller, Scope

CLIENTS = 6
CALLER = Caller("test", "test", Scope.ADMIN)


class Sent:
    """A body that comes in pieces."""

    content_type = "image/png"

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    async def chunks(self):
        for start in range(0, len(self._data), 100_000):
            await asyncio.sleep(0)
            yield self._data[start : start + 100_000]


async def client(commands: FileCommands, rng: random.Random) -> None:
    while True:
        data = picture(rng.randrange(1_000, 2_500_000), rng.randrange(256))
        told = json.loads((await commands.offer(Wish("a.png", "image/png", None, "http://x"), CALLER, None)).data)
        grant = await commands.granted("PUT", "issues", told["file_path"], told["token"])
        answer = await commands.take(grant, Sent(data), Receipt("x", grant.nonce, b"", fresh=True))
        stored = json.loads(answer.data)
        print("stored", stored["id"], stored["sha256"], flush=True)


async def main(folder: Path, seed: int) -> None:
    clock = ManualClock()
    new_id = uuid7(clock)
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db, asyncio.TaskGroup() as group:
        blobs, signing = Blobs(folder / "files", lambda _bytes: None), Signing(Secrets(folder))
        commands = FileCommands(db, clock, new_id, "gw-test", blobs, signing, Sizes(10**7, 10**7))
        for number in range(CLIENTS):
            group.create_task(client(commands, random.Random(seed * 100 + number)))


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
