"""The new version on a copy of everything, while the old one works: migrated, checked, started, asked, written to, ended."""

import asyncio
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from gateway.backups import copying
from gateway.backups.restore import NAME
from gateway.kernel.clock import Clock
from gateway.kernel.connection import check
from gateway.kernel.errors import Invalid
from gateway.kernel.migrate import migrate
from gateway.settings import Settings
from gateway.updates.steps import require_room, schema, size

FOLDER = "update-trial"
COPIES_AT_ONCE = 3  # the copy, the one that its migration makes, and what the migration writes
ANSWER_MAX_S = 30.0
LOOKED_AT = ("/api-jobs?limit=1", "/api-operations?limit=1", "/api-time-entries?limit=1", "/api-cells?limit=1")
WRITTEN = "/api-cells", {"name": "Trial of an update"}


@dataclass(frozen=True, slots=True)
class Tried:
    """`schema_from` None: there was no database. Seconds of the copy, the migration and the start; `bytes` of the database."""

    schema_from: int | None
    schema_to: int | None
    bytes: int
    copy_s: float
    migrate_s: float
    start_s: float


# A gateway on these settings that connects to nobody: its address, and an admin key of it.
Start = Callable[[Settings], AbstractAsyncContextManager[tuple[str, str]]]


async def tried(settings: Settings, clock: Clock, start: Start) -> Tried:
    """`start`: a gateway on these settings that connects to nobody -> its address and an admin key. The copy is gone afterwards.

    Raises StorageFull, Busy, StartupError, Invalid; whatever the new version fails with. Nothing else was changed.
    """
    data = settings.data_dir
    folder = data / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700, parents=True)
        here, found = size(data), schema(data)
        require_room(data, COPIES_AT_ONCE * here)
        began_s = time.monotonic()
        if found is not None:
            await asyncio.to_thread(copying.copied, data / NAME, folder / NAME)
        copied_s = time.monotonic()
        await asyncio.to_thread(_migrated, folder / NAME, clock)
        migrated_s = time.monotonic()
        made = schema(folder)
        async with start(_apart(settings, folder)) as (url, key):
            await _asked(url, key)
        ended_s = time.monotonic()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    spans = (copied_s - began_s, migrated_s - copied_s, ended_s - migrated_s)
    return Tried(found, made, here, *(round(one, 2) for one in spans))


def _migrated(file: Path, clock: Clock) -> None:
    migrate(file, clock)
    check(file, after_unclean_stop=True)


def _apart(settings: Settings, folder: Path) -> Settings:
    """The same gateway in another folder, at an address that only we know."""
    gateway = settings.gateway.model_copy(update={"data_dir": folder})
    http = settings.http.model_copy(update={"host": "127.0.0.1", "port": 0, "tls_cert": None, "tls_key": None})
    return settings.model_copy(update={"gateway": gateway, "http": http})


async def _asked(url: str, key: str) -> None:
    """Ready, what is there can be read, a write is durable. Raises Invalid."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_MAX_S)
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(url, timeout=timeout, headers=headers) as session:
        for path in ("/readyz", *LOOKED_AT):
            async with session.get(path) as answer:
                await _require_well(answer)
        path, body = WRITTEN
        async with session.post(path, json=body) as answer:
            await _require_well(answer)


async def _require_well(answer: aiohttp.ClientResponse) -> None:
    if not answer.ok:
        text = (await answer.text())[:200]
        raise Invalid(f"the new version does not work on this database: {answer.url.path} said {answer.status} {text}")
