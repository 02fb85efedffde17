"""At every start, before anything is taken: no file without a row, no row without a file, nothing half."""

import structlog

from gateway.catalog import store as rows_
from gateway.files import store
from gateway.files.blobs import Blobs
from gateway.files.resources import FILES
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import StorageFailed
from gateway.outbox import journal
from gateway.outbox.event import Event, Stamp, row_lane

log = structlog.get_logger(__name__)


async def sweep(db: Database, blobs: Blobs, stamp: Stamp) -> None:
    """What the last process was in the middle of when it ended. A disk that does not let us look is no reason not to start."""
    await blobs.forget_incoming()
    try:
        there = await blobs.places()
    except StorageFailed as exc:
        log.warning("files.not_swept", error=exc.message)
        return
    kept = await db.read(store.kept)
    for place in there - kept:
        await blobs.drop(place)
    if gone := sorted(file_id for _, file_id in kept - there):
        await db.write(_forget, stamp, gone)
        log.warning("files.gone", count=len(gone), what="their bytes are not in the data folder", ids=gone[:10])


def _forget(tx: Tx, stamp: Stamp, ids: list[str]) -> None:
    lanes = [(row_lane("files", one), rows_.delete(tx, FILES, one)) for one in ids]
    events = [Event(lane, f"file:{change.id}", stamp.now, (change,)) for lane, change in lanes]
    journal.append(tx, stamp, events)
