"""Files of the gateways below: the bytes come before the entry of the journal that tells of them, each once.

What comes is hashed while it is written, and is here whole and as it was said to be, or not at all. A row may list a file before
its bytes are here: then it waits (`files_to_come`), and is told anew once they are.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.listed import applied
from gateway.files import rules, store
from gateway.files.blobs import Blobs, Received
from gateway.files.model import File
from gateway.files.resources import FILES
from gateway.hub import gateways
from gateway.jobs.resources import PARTS
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import BadRequest, Conflict, GatewayError, TooLarge
from gateway.kernel.ids import NewId, is_uuid
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, encode, job_lane
from gateway.outbox.receipts import Answer, Receipt, Running
from gateway.transfer.tables import BY_NAME
from gateway.web.incoming import Incoming
from gateway.web.listing import wrong

DIGITS_MAX = 18  # of a number that a database keeps
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Bringing:
    """Who brings a file. `key_id`: in whose name it is kept."""

    gateway_id: str
    epoch: int
    key_id: str


def described(file_id: str, said: Mapping[str, str]) -> File:
    """The file as its gateway tells of it. Raises BadRequest, Invalid."""
    if not is_uuid(file_id):
        raise BadRequest(f'"{file_id}" is no id of a file')
    if said["bucket"] not in rules.BUCKETS:
        raise wrong("bucket", f"bucket must be one of {', '.join(rules.BUCKETS)}", "ENUM_CONSTRAINT", said["bucket"])
    if _SHA256.fullmatch(said["sha256"]) is None:
        raise wrong("sha256", "sha256 must be 64 hexadecimal digits", "TYPE_MISMATCH", said["sha256"])
    if not (said["size"].isascii() and said["size"].isdigit() and int(said["size"][:DIGITS_MAX]) > 0):
        raise wrong("size", "size must be a number of bytes from 1 up", "TYPE_MISMATCH", said["size"])
    try:
        created_at = time_.text(time_.parse(said["created_at"]))
    except ValueError:
        raise wrong("created_at", "created_at must be an instant", "TYPE_MISMATCH", said["created_at"]) from None
    kind, path = rules.check_offered(said["content_type"]), rules.check_path(said["path"])
    return File(file_id.lower(), said["bucket"], path, kind, int(said["size"][:DIGITS_MAX]), said["sha256"], created_at)


class Arrivals:
    """`bytes_max` of one file."""

    def __init__(self, db: Database, clock: Clock, new_id: NewId, own_id: str, blobs: Blobs, bytes_max: int) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._own_id = own_id
        self._blobs = blobs
        self._bytes_max = bytes_max
        self._running = Running()

    async def may_come(self, by: Bringing, file: File) -> Answer:
        """`{here}`: its bytes are here already. Raises EpochFenced, Conflict, TooLarge, StorageFull."""
        return Answer(200, encode({"here": await self._is_here(by, file)}))

    async def take(self, by: Bringing, file: File, incoming: Incoming) -> Answer:
        """Raises EpochFenced, Conflict, StillRunning, BadRequest, TooLarge, StorageFull, StorageFailed, Busy."""
        with self._running.alone(Receipt("hub", f"file {file.id}", b"")):
            if await self._is_here(by, file):
                return _taken(file, known=True)
            coming = self._blobs.receiving(
                self._new_id(), incoming.chunks(), announced=file.size_bytes, bytes_max=file.size_bytes
            )
            async with coming as got:
                _require_as_said(file, got)
                await self._blobs.keep(got, (file.bucket, file.id))
                stamp = Stamp(self._clock.now(), self._own_id, self._new_id)
                try:
                    known = await self._db.write(_came, stamp, by, file)
                except GatewayError:
                    await self._blobs.drop((file.bucket, file.id))
                    raise
                if known:  # under another id
                    await self._blobs.drop((file.bucket, file.id))
                return _taken(file, known=known)

    async def _is_here(self, by: Bringing, file: File) -> bool:
        here = await self._db.read(_is_here, by, file)
        if not here:
            if file.size_bytes > self._bytes_max:
                raise TooLarge(f"{file.path} has {file.size_bytes} bytes, at most {self._bytes_max} are taken here")
            self._blobs.require_room(file.size_bytes)
        return here


def expect(tx: Tx, path: str, sha256: str, row: tuple[str, str], gateway_id: str, now: str) -> None:
    """A row of a gateway below lists a file that it has. Raises Conflict: under that path another one is here."""
    known = store.digest_at(tx, path)
    if known not in (None, sha256):
        raise _another(path)
    if known is None or store.to_come(tx, (path,)):
        store.expect(tx, path, sha256, row, gateway_id, now)


def told(tx: Tx, row_id: str, op: str) -> Change | None:
    """What an entry of a gateway below says of a file: the bytes of a new one have come, or it was deleted meanwhile.

    An image that its part has let go of goes here, too. One that only has lost its bytes down there stays.
    """
    file = store.by_id(tx, row_id)
    if file is None:
        return None
    if op != "delete":
        return Change(FILES.table, row_id, "insert", 1)
    part_id = rules.part_of(file.path)
    if part_id is None or file.path in _images(tx, part_id):
        return None
    store.came(tx, file.path)
    return rows_.delete(tx, FILES, row_id)


def together(
    tx: Tx, table: str, row_id: str, values: Mapping[str, Any], lists: Mapping[str, Mapping[str, list[str]]]
) -> Mapping[str, Any]:
    """Lists of files as they stand here, with what the gateway has added and taken out: others have lists of their own. What was
    taken out is not waited for: it may have been deleted before its bytes went up.
    """
    names = [name for name in lists if name in values]
    if not names:
        return values
    sql = f"SELECT {', '.join(names)} FROM {table} WHERE id = ?"  # nosec B608 # noqa: S608 -- the schema's own names
    row = tx.execute(sql, (row_id,)).fetchone()
    if row is None:
        return values
    for path in {path for name in names for path in lists[name]["gone"]}:
        store.expect_no_more(tx, path, (table, row_id))
    return {**values, **{name: encode(applied(_paths(row[name]), lists[name])) for name in names}}


def place_of(change: Change) -> tuple[str, str] | None:
    """Where the bytes lie that nobody needs after a change."""
    gone = change.table == FILES.table and change.op == "delete" and isinstance(change.fields, Mapping)
    return (change.fields["bucket"], change.id) if gone else None  # type: ignore[index, call-overload] # looked at above


# ---------------------------------------------------------------------- inside the transaction


def _is_here(connection: sqlite3.Connection, by: Bringing, file: File) -> bool:
    """The same bytes, perhaps under another id. Raises EpochFenced, Conflict."""
    gateways.require_epoch(connection, gateway_id=by.gateway_id, epoch=by.epoch)
    known = store.by_id(connection, file.id) or store.at_path(connection, file.path)
    if known is None:
        return False
    if (known.path, known.sha256) != (file.path, file.sha256):
        raise _another(file.path)
    return True


def _came(tx: Tx, stamp: Stamp, by: Bringing, file: File) -> bool:
    """Was it here before?"""
    known = _is_here(tx, by, file)
    if not known:
        names = ("id", "bucket", "path", "content_type", "size_bytes", "sha256", "created_at")
        rows_.insert(tx, FILES, {**{name: getattr(file, name) for name in names}, "uploaded_by": by.key_id})
        journal.append(tx, stamp, _told_anew(tx, stamp, file.path))
    return known


def _taken(file: File, *, known: bool) -> Answer:
    return Answer(200, encode({"id": file.id, "size": file.size_bytes, "known": known}))


def _told_anew(tx: Tx, stamp: Stamp, path: str) -> list[Event]:
    """The rows that have waited for a file: whoever reads them can have it now, and it goes on up with them."""
    events = []
    for table, row_id in store.came(tx, path):
        resource = BY_NAME[table].resource
        row = tx.execute(f"SELECT * FROM {table} WHERE id = ?", (row_id,)).fetchone()  # nosec B608 # noqa: S608 -- a table of KEPT
        names = () if row is None else tuple(c.name for c in resource.listing_files if path in _paths(row[c.name]))
        job_id = gateways.job_of(tx, resource.path, row_id)
        if names and job_id is not None:
            version = rows_.update(tx, resource, row_id, {"updated_at": stamp.text}).version
            change = Change(table, row_id, "update", version, names)
            events.append(Event(job_lane(job_id), f"{resource.singular[-1]}:{row_id}", stamp.now, (change,)))
    return events


def _images(connection: sqlite3.Connection, part_id: str) -> list[str]:
    sql = f"SELECT image_paths FROM {PARTS.table} WHERE id = ? AND deleted_at IS NULL"  # nosec B608 # noqa: S608 -- a constant
    found = connection.execute(sql, (part_id,)).fetchone()
    return _paths(found[0]) if found else []


def _paths(listed: str | None) -> list[Any]:
    found: list[Any] = json.loads(listed or "[]")
    return found


def _require_as_said(file: File, got: Received) -> None:
    """Raises BadRequest."""
    if (got.size_bytes, got.sha256) != (file.size_bytes, file.sha256):
        raise BadRequest(
            f"{file.path} came with {got.size_bytes} bytes and the digest {got.sha256}, "
            f"not with {file.size_bytes} and {file.sha256}: send it again"
        )
    rules.check_upload(file.content_type, file.content_type, got.head)


def _another(path: str) -> Conflict:
    return Conflict(f"under the path {path} another file is kept here: upload it under another name, and list that")
