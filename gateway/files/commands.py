"""Files come and go: bytes first, then the row, in one transaction; without a row nothing stays on the disk."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.listed import require_own_files
from gateway.files import rules, store
from gateway.files.blobs import Blobs, Received
from gateway.files.model import File, Grant
from gateway.files.resources import FILES
from gateway.files.signing import Signing
from gateway.jobs import events
from gateway.jobs import store as jobs_
from gateway.jobs.resources import PARTS
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import Conflict, GatewayError, NotFound, TooLarge
from gateway.kernel.ids import NewId
from gateway.outbox import journal
from gateway.outbox.command import Commands
from gateway.outbox.event import Change, Event, EventType, Stamp, encode, row_lane
from gateway.outbox.receipts import Answer, Receipt, Running, request_hash
from gateway.web.incoming import UPLOAD_MAX_S, Incoming
from gateway.web.routes import Caller

IMAGES_MAX = 1_000  # of one part
# A used or expired address holds its path for so long: longer than an upload that came in time may take.
OFFER_KEPT = timedelta(seconds=2 * UPLOAD_MAX_S)
Then = Callable[[Tx, Stamp, str], Answer]
ADDRESS = "/storage/v1/object/{}/{}/{}?token={}"  # as the cloud's storage has them


@dataclass(frozen=True, slots=True)
class Sizes:
    """The largest of each, in bytes."""

    image: int
    upload: int


@dataclass(frozen=True, slots=True)
class Wish:
    """An upload that somebody wants to make, as he said it. `base`: where he reached us."""

    filename: str
    content_type: str
    job_number: str | None
    base: str


class FileCommands(Commands):
    """`beside_others`: the files of several gateways come together, so that a path has to be free in all of them."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        new_id: NewId,
        origin: str,
        blobs: Blobs,
        signing: Signing,
        sizes: Sizes,
        *,
        beside_others: bool = False,
    ) -> None:
        super().__init__(db, clock, new_id, origin)
        self._blobs = blobs
        self._signing = signing
        self._sizes = sizes
        self._beside_others = beside_others
        self._running = Running()

    async def link(self, file: File, base: str, caller: Caller) -> str:
        """The address at which whoever has it may fetch the file, for an hour."""
        return await self._link(file.bucket, file.path, base, caller)

    async def granted(self, method: str, bucket: str, path: str, token: str) -> Grant:
        """Raises Forbidden."""
        grant = rules.unsealed(await self._signing.key(), token)
        if grant is None or not rules.allows(grant, method, bucket, path, self._clock.now()):
            raise store.not_allowed()
        return grant

    # ------------------------------------------------------------------ uploads by address

    async def offer(self, wish: Wish, caller: Caller, receipt: Receipt | None) -> Answer:
        """An address for one upload. Raises BadRequest, Busy."""
        kind = rules.check_offered(wish.content_type)
        tenant_id = await self._db.read(store.tenant_id)
        path = rules.upload_path(tenant_id, wish.filename, wish.job_number)
        grant = Grant("PUT", rules.UPLOADS, path, 0, caller.key_id, "", kind, self._sizes.upload)
        return await self._once(
            receipt, _offer, grant, wish.base, await self._signing.key(), beside_others=self._beside_others
        )

    async def take(self, grant: Grant, incoming: Incoming, receipt: Receipt) -> Answer:
        """What is uploaded to an address. Raises Forbidden, Conflict (used), BadRequest, TooLarge, StorageFull ..."""
        receipt = replace(receipt, space=f"upload:{grant.nonce}")
        with self._running.alone(receipt):
            if receipt.fresh:  # nobody sends 50 MB only to hear that; with a key it may be a repetition
                await self._db.read(_usable, grant)
            chunks, sent_as = incoming.chunks(), incoming.content_type
            if sent_as == "multipart/form-data":
                form = await incoming.file(None)
                chunks, sent_as = form.chunks, form.content_type
            async with self._received(chunks, incoming, grant.bytes_max) as got:
                rules.check_upload(grant.content_type, sent_as, got.head)
                file = self._file(grant.bucket, grant.path, grant.content_type, got)
                return await self._kept(got, file, receipt, _take, grant)

    # ------------------------------------------------------------------ images of parts

    async def add_image(self, part_id: str, incoming: Incoming, base: str, caller: Caller, receipt: Receipt) -> Answer:
        """Raises NotFound, CellNotAllowed, Conflict, Unsupported, BadRequest, TooLarge, StorageFull ..."""
        with self._running.alone(receipt):
            tenant_id = await self._db.read(_writable, part_id, caller)
            form = await incoming.file("file")
            rules.check_image_type(form.content_type)
            async with self._received(form.chunks, incoming, self._sizes.image) as got:
                kind = rules.check_image(form.content_type, got.head)
                file = self._file(rules.IMAGES, "", kind, got)
                at = time_.parse(file.created_at)
                path = rules.image_path(tenant_id, part_id, file.id, at, form.filename, kind)
                file = replace(file, path=path)
                url = await self.link(file, base, caller)
                return await self._kept(got, file, receipt, _add_image, part_id, url, caller)

    async def attach_image(self, part_id: str, path: str, base: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """A file that was uploaded before becomes an image of the part. Raises NotFound, BadRequest, TooLarge ..."""
        file = await self._db.read(store.at_path, path)
        url = await self._link(file.bucket if file else rules.UPLOADS, path, base, caller)
        return await self._once(receipt, _attach_image, part_id, path, url, self._sizes.image, caller)

    async def remove_image(self, part_id: str, path: str, caller: Caller, receipt: Receipt | None) -> Answer:
        """The part lets go of it; what was uploaded for this part alone is deleted. Raises NotFound, CellNotAllowed."""
        file = await self._db.read(store.at_path, path)
        answer = await self._once(receipt, _remove_image, part_id, path, caller)
        if file is not None and await self._db.read(store.at_path, path) is None:
            await self._blobs.drop((file.bucket, file.id))
        return answer

    # ------------------------------------------------------------------ images that others list

    async def take_image(self, path: str, incoming: Incoming, caller: Caller, receipt: Receipt, then: Then) -> Answer:
        """An image of which a row of another slice knows: `then(tx, stamp, path)` says so, in the same transaction.

        Raises Unsupported, TooLarge, StorageFull, StillRunning ..., and what `then` raises.
        """
        with self._running.alone(receipt):
            rules.check_image_type(incoming.content_type)
            async with self._received(incoming.chunks(), incoming, self._sizes.image) as got:
                kind = rules.check_image(incoming.content_type, got.head)
                file = self._file(rules.UPLOADS, path, kind, got)
                return await self._kept(got, file, receipt, _take_image, caller, then)

    # ------------------------------------------------------------------ the way in

    def _received(
        self, chunks: AsyncIterator[bytes], incoming: Incoming, bytes_max: int
    ) -> AbstractAsyncContextManager[Received]:
        announced = incoming.length or 0
        return self._blobs.receiving(self._new_id(), chunks, announced=announced, bytes_max=bytes_max)

    def _file(self, bucket: str, path: str, kind: str, got: Received) -> File:
        now = time_.text(self._clock.now())
        return File(self._new_id(), bucket, path, kind, got.size_bytes, got.sha256, now)

    async def _kept(self, got: Received, file: File, receipt: Receipt, body: Any, *args: Any) -> Answer:
        """The bytes under their name, then the row. Killed or cancelled in between: the next start removes them."""
        place = (file.bucket, file.id)
        receipt = replace(receipt, request_hash=request_hash(receipt.request_hash, got.sha256))
        await self._blobs.keep(got, place)
        try:
            answer = await self._once(receipt, body, file, *args)
        except GatewayError:
            await self._blobs.drop(place)
            raise
        if answer.replayed:
            await self._blobs.drop(place)
        return answer

    async def _link(self, bucket: str, path: str, base: str, caller: Caller) -> str:
        expires_s = int(self._clock.now().timestamp()) + rules.LINK_S
        grant = Grant("GET", bucket, path, expires_s, caller.key_id)
        token = rules.sealed(await self._signing.key(), grant)
        return base + ADDRESS.format("sign", bucket, path, token)


# ---------------------------------------------------------------------- inside the transaction


def _offer(tx: Tx, stamp: Stamp, grant: Grant, base: str, key: bytes, *, beside_others: bool) -> Answer:
    over = time_.text(stamp.now - OFFER_KEPT)
    store.require_room_for_offer(tx, over)
    nonce, path = stamp.new_id(), grant.path
    while store.is_taken(tx, path) or (beside_others and path == grant.path):
        path = rules.beside(grant.path, stamp.new_id().rpartition("-")[2])
    expires_at = (stamp.now + timedelta(seconds=rules.OFFER_S)).replace(microsecond=0)
    token = rules.sealed(key, replace(grant, path=path, nonce=nonce, expires_s=int(expires_at.timestamp())))
    if time_.trusted(stamp.now):
        store.forget_offers(tx, over)
    store.offer(tx, nonce, path, time_.text(expires_at))
    url = base + ADDRESS.format("upload/sign", grant.bucket, path, token)
    told = {"upload_url": url, "file_path": path, "expires_at": time_.zulu(expires_at), "token": token}
    return Answer(200, encode(told))


def _usable(connection: sqlite3.Connection, grant: Grant) -> None:
    """Raises Conflict, Forbidden."""
    store.require_key(connection, grant.key_id)
    store.require_unused(connection, grant.nonce)


def _take(tx: Tx, stamp: Stamp, file: File, grant: Grant) -> Answer:
    _usable(tx, grant)
    change = rows_.insert(tx, FILES, _row(file, grant.key_id))
    store.use(tx, grant.nonce, stamp.text)
    journal.append(tx, stamp, [_event(stamp, row_lane("files", file.id), change)])
    told = {"id": file.id, "file_path": file.path, "bucket": file.bucket, "content_type": file.content_type}
    return Answer(200, encode({**told, "size": file.size_bytes, "sha256": file.sha256, "created_at": file.created_at}))


def _writable(connection: sqlite3.Connection, part_id: str, caller: Caller) -> str:
    """The tenant's id. Raises NotFound, CellNotAllowed, before anybody has sent a whole image."""
    rows_.fetch(connection, PARTS, part_id)
    rows_.require_cell(connection, PARTS, part_id, caller.cells)
    return store.tenant_id(connection)


def _take_image(tx: Tx, stamp: Stamp, file: File, caller: Caller, then: Then) -> Answer:
    change = rows_.insert(tx, FILES, _row(file, caller.key_id))
    journal.append(tx, stamp, [_event(stamp, row_lane("files", file.id), change)])
    return then(tx, stamp, file.path)


def _add_image(tx: Tx, stamp: Stamp, file: File, part_id: str, url: str, caller: Caller) -> Answer:
    row, paths = _images(tx, part_id, caller)
    _require_room(paths)
    change = rows_.insert(tx, FILES, _row(file, caller.key_id))
    told = _listing(tx, stamp, row, [*paths, file.path])
    # A file is a lane of its own: its bytes may take their time on the way up, and keep nothing of the job waiting.
    journal.append(tx, stamp, [_event(stamp, row_lane("files", file.id), change), told])
    return _added(file, url)


def _attach_image(tx: Tx, stamp: Stamp, part_id: str, path: str, url: str, bytes_max: int, caller: Caller) -> Answer:
    row, paths = _images(tx, part_id, caller)
    file = store.at_path(tx, path)
    if file is None or (file.bucket != rules.UPLOADS and path not in paths):  # another part's image stays with it
        raise NotFound(f"no uploaded file is stored here as {path}: upload it first")
    require_own_files(tx, PARTS, {"image_paths": encode([path])}, caller, dict(row))
    rules.check_image_type(file.content_type)
    if file.size_bytes > bytes_max:
        raise TooLarge(f"{path} has {file.size_bytes} bytes, an image at most {bytes_max}")
    if path not in paths:
        _require_room(paths)
        journal.append(tx, stamp, [_listing(tx, stamp, row, [*paths, path])])
    return _added(file, url)


def _remove_image(tx: Tx, stamp: Stamp, part_id: str, path: str, caller: Caller) -> Answer:
    row, paths = _images(tx, part_id, caller)
    if path not in paths:
        raise NotFound(f"Image not found for this part: {path}")
    told = _listing(tx, stamp, row, [one for one in paths if one != path])
    file = store.at_path(tx, path)
    gone = []
    if file is not None and rules.is_own_image(path, store.tenant_id(tx), part_id):
        gone.append(_event(stamp, told.lane, rows_.delete(tx, FILES, file.id)))
    journal.append(tx, stamp, [told, *gone])
    return Answer(200, encode({"success": True, "deleted_path": path}))


def _images(tx: Tx, part_id: str, caller: Caller) -> tuple[sqlite3.Row, list[str]]:
    """The part's row and the paths in it. Raises NotFound, CellNotAllowed."""
    row = rows_.fetch(tx, PARTS, part_id)
    rows_.require_cell(tx, PARTS, part_id, caller.cells)
    return row, store.image_paths(row)


def _require_room(paths: list[str]) -> None:
    """Raises Conflict."""
    if len(paths) >= IMAGES_MAX:
        raise Conflict(f"the part has {len(paths)} images: delete some first")


def _listing(tx: Tx, stamp: Stamp, row: sqlite3.Row, paths: list[str]) -> Event:
    """The part lists these images."""
    change = rows_.update(tx, PARTS, row["id"], {"image_paths": encode(paths), "updated_at": stamp.text})
    part, job = jobs_.get_part(tx, row["id"])
    data = events.part_updated(part, job, ("image_paths",), row["external_id"], stamp.now)
    return events.of_part(part.id, job.id, stamp.now, (change,), EventType.PART_UPDATED, data)


def _event(stamp: Stamp, lane: str, change: Change) -> Event:
    return Event(lane, f"file:{change.id}", stamp.now, (change,))


def _added(file: File, url: str) -> Answer:
    told = {"path": file.path, "url": url, "size": file.size_bytes, "name": file.name}
    return Answer(201, encode(told))


def _row(file: File, key_id: str) -> dict[str, Any]:
    names = ("id", "bucket", "path", "content_type", "size_bytes", "sha256", "created_at")
    return {**{name: getattr(file, name) for name in names}, "uploaded_by": key_id}
