"""Import: rows of any table by its name, with their ids, into one transaction. May be repeated.

The shape is that of `/api-export`: `{"cells": [...], "profiles": [...], ...}`, in the cloud's words (minutes, `true`, objects).
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import Conflict, Invalid, StorageFailed, StorageFull, TooLarge
from gateway.kernel.ids import NewId
from gateway.kernel.room import NO_ROOM, Room, Use
from gateway.outbox.event import Stamp
from gateway.transfer.sources import Found, in_file, in_memory
from gateway.transfer.store import Told, Writer
from gateway.transfer.tables import BY_NAME, IMPORTED, shapes

FILE_MAX_BYTES = 8 * 1024 * 1024 * 1024
TOLD_EVERY = 1_000  # rows between two looks at the progress
TOLD_EVERY_S = 0.5


def _nobody() -> None:
    """Nobody watches."""


@dataclass(slots=True)
class Progress:
    """How far an import is; `moved` is called now and then by whoever writes."""

    total: int = 0  # rows; 0 while the file is still looked through
    rows: int = 0
    table: str = ""
    moved: Callable[[], None] = _nobody

    def step(self) -> None:
        self.rows += 1
        if self.rows % TOLD_EVERY == 0:
            self.moved()

    def told(self) -> dict[str, Any]:
        return {"table": self.table, "rows": self.rows, "total": self.total}


@dataclass(frozen=True, slots=True)
class Import:
    """What is to be brought in. A dry run writes everything, to see whether it can be, and takes it back."""

    found: Sequence[Found]
    dry_run: bool = False
    progress: Progress = field(default_factory=Progress)


class Imports:
    """Files, of any size."""

    def __init__(self, db: Database, clock: Clock, new_id: NewId, origin: str) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._origin = origin

    async def run(self, path: Path, name: str, *, dry_run: bool) -> AsyncIterator[dict[str, Any]]:
        """`{"table","rows","total"}` now and then, at the end `{"answer": {...}}`. `name` is what the sender calls the file.

        All of it or nothing: others wait while it is written. Raises Invalid, Conflict, storage errors. Read it to its end.
        """
        self._db.room.require(Use.PLAN)
        here = await self._db.read(shapes)
        kinds = {table: shape.kinds for table, shape in here.items()}
        progress = Progress(moved=self._moved)
        looking = asyncio.ensure_future(asyncio.to_thread(in_file, path, name, kinds))
        async for told in _meanwhile(looking, progress):
            yield told
        stamp = Stamp(self._clock.now(), self._origin, self._new_id)
        wanted = Import(looking.result(), dry_run, progress)
        writing = asyncio.ensure_future(self._db.write(bring_in, stamp, wanted))
        async for told in _meanwhile(writing, progress):
            yield told
        yield {"answer": writing.result()}

    def _moved(self) -> None:
        """Out of the writer thread, in the middle of the transaction: the WAL grows with it. Raises RoomKept."""
        self._db.moving()
        self._db.room.require(Use.PLAN)


async def _meanwhile(work: asyncio.Future[Any], progress: Progress) -> AsyncIterator[dict[str, Any]]:
    """The progress now and then, until the work is done. Left early it still waits: the file has to stay until then."""
    try:
        while not work.done():
            await asyncio.wait({work}, timeout=TOLD_EVERY_S)
            yield progress.told()
    finally:
        await asyncio.wait({work})


def planned(tables: Any) -> Import:
    """The rows of `{"cells": [...], ...}`. Raises Invalid, with the table and the place of the row."""
    return Import(in_memory(tables))


@asynccontextmanager
async def laid_down(chunks: AsyncIterator[bytes], room: Room) -> AsyncIterator[Path]:
    """What comes in, as a file without a name that is gone afterwards, however that comes. Raises TooLarge, storage errors."""
    size = 0
    with tempfile.TemporaryFile(dir=room.folder) as file:
        try:
            async for chunk in chunks:
                size += len(chunk)
                if size > FILE_MAX_BYTES:
                    raise TooLarge(f"the file is larger than {FILE_MAX_BYTES} bytes: import it in parts")
                room.require(Use.PLAN, len(chunk))
                await asyncio.to_thread(file.write, chunk)
            file.flush()
        except OSError as exc:
            if exc.errno in NO_ROOM:
                raise StorageFull("the disk has no room for the file: nothing was imported") from exc
            raise StorageFailed(f"the file could not be laid down ({exc}): nothing was imported") from exc
        yield Path(f"/proc/self/fd/{file.fileno()}")


def bring_in(tx: Tx, stamp: Stamp, wanted: Import) -> dict[str, Any]:
    """table -> rows written and rows that were the same already; `not_kept`: tables that this version does not have.

    Raises Conflict, Invalid, with the table and the place of the row: then nothing of it is there.
    """
    if not wanted.dry_run:
        return _bring_in(tx, stamp, wanted)
    tx.execute("SAVEPOINT dry_run")
    answer = _bring_in(tx, stamp, wanted)  # a failure is everybody's rollback, as without a dry run
    tx.execute("ROLLBACK TO dry_run")
    tx.execute("RELEASE dry_run")
    return {**answer, "dry_run": True}


def _bring_in(tx: Tx, stamp: Stamp, wanted: Import) -> dict[str, Any]:
    progress = wanted.progress
    progress.rows, progress.total = 0, sum(one.count for one in wanted.found)
    counts: dict[str, dict[str, int]] = {}
    here = shapes(tx)
    told = Told(tx, stamp)
    for one in wanted.found:
        if one.table not in IMPORTED or one.table not in here:
            continue
        progress.table = one.table
        writer = Writer(tx, stamp, BY_NAME[one.table], here[one.table])
        count = counts.setdefault(one.table, {"written": 0, "unchanged": 0})
        for place, row in writer.in_order(one.rows()):
            try:
                change = writer.put(row)
            except (Conflict, Invalid) as exc:
                where = f"{one.place.format(one.table, place)} {row['id']}"
                raise type(exc)(f"{where}: {exc.message}", exc.details) from exc
            count["unchanged" if change is None else "written"] += 1
            if change is not None:
                told.add(BY_NAME[one.table], change)
            progress.step()
    told.write()
    progress.moved()
    return {"tables": counts, "not_kept": sorted(one.table for one in wanted.found if one.table not in counts)}
