"""A hall that works, and the backups of its box."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hall import Floor

from gateway.backups import restore
from gateway.backups.archive import Archive
from gateway.backups.store import Backups, Made
from gateway.kernel.clock import ManualClock
from gateway.kernel.disk import DataLock
from gateway.kernel.ids import uuid7
from gateway.outbox.event import Stamp
from gateway.settings import Settings


def settings_of(folder: Path, **sections: Any) -> Settings:
    given = {"gateway": {"id": "gw-test", "data_dir": folder}, "limits": {"upload_reserve_bytes": 1}}
    return Settings.model_validate({**given, **sections})


@dataclass
class Store:
    """The backups of one box that works."""

    floor: Floor
    folder: Path
    sections: dict[str, Any]

    @property
    def settings(self) -> Settings:
        return settings_of(self.folder, **self.sections)

    @property
    def backups(self) -> Backups:
        return Backups(self.settings, self.floor.clock)

    async def make(self, passphrase: str | None = None, **more: Any) -> Made:
        return await asyncio.to_thread(self.backups.create, self.floor.db.path, passphrase, **more)

    async def file(self, content: bytes, name: str = "01930000-0000-7000-8000-000000000001") -> Path:
        """One that the hall keeps."""
        path = self.folder / "files" / "issues" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        await self.floor.do(
            "INSERT INTO files (id, bucket, path, content_type, size_bytes, sha256, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(
                name,
                "issues",
                f"t/{name}.png",
                "image/png",
                len(content),
                hashlib.sha256(content).hexdigest(),
                "2026-11-30",
            ),
        )
        return path


async def restored(file: Path, data: Path, gateway: str = "gw-test", clock: ManualClock | None = None, **more: Any):
    """As the command does it."""
    clock = clock or ManualClock()
    data.mkdir(exist_ok=True)
    with Archive(file) as archive, DataLock(data) as lock:
        done = await restore.restore(archive, data, gateway, clock, Stamp(clock.now(), gateway, uuid7(clock)), **more)
        lock.orderly = True
    return done
