"""`backup ...`: copies of everything, made, listed, proven and fetched. All of it reads or writes files: beside the event loop."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.backups import restore
from gateway.backups.store import Backups
from gateway.kernel.room import Use


def _of(box: Box) -> Backups:
    return Backups(box.settings, box.clock)


async def create(box: Box, given: Arguments) -> dict[str, Any]:
    """passphrase (or None: without secrets), kept: in the folder with the others; else until `drop`."""
    backups = _of(box)
    if backups.beside_the_data:
        box.db.room.require(Use.UPLOAD)
    making = partial(backups.create, box.db.path, given.get("passphrase"), kept=given.get("kept", True))
    return (await asyncio.to_thread(making)).told()


async def listed(box: Box, _given: Arguments) -> dict[str, Any]:
    """The folder, and what is in it, newest first."""
    backups = _of(box)
    return {"folder": str(backups.folder), "backups": await asyncio.to_thread(backups.listed)}


async def verify(box: Box, given: Arguments) -> dict[str, Any]:
    """name, passphrase (or None)."""
    found = await file(box, given["name"])
    folder = box.settings.data_dir
    return await asyncio.to_thread(restore.verify, found, folder, box.clock, given.get("passphrase"))


async def drop(box: Box, given: Arguments) -> dict[str, Any]:
    """name: of one that was made to be fetched."""
    await asyncio.to_thread(_of(box).drop, given["name"])
    return {}


async def file(box: Box, name: str) -> Path:
    """To be read by whoever downloads it. Raises NotFound."""
    return await asyncio.to_thread(_of(box).find, name)
