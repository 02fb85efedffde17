"""The bytes of the files that our rows list, to the cloud. The row itself is there already; its list of paths comes after them.

* An image of a part gets a name that the cloud makes up, and each upload of it is a further image: so it is marked with its
  digest, and after every upload the list over there is asked what is in it, and what is in it twice.
* Any other file goes to an address whose path holds its digest: a path that is taken means that it is there.

Equal images of one part are one image there. A file goes as a whole: what was cut on the way begins anew.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from gateway.cloud import listed, mapping, store
from gateway.cloud.client import Upload
from gateway.cloud.listed import FILES, PART_IMAGES
from gateway.cloud.outcome import Kind, Outcome
from gateway.cloud.rows import Again, No, Rows, verdict
from gateway.cloud.store import FILE, CloudRow
from gateway.files.blobs import Blobs
from gateway.files.model import File
from gateway.files.rules import NAME_MAX, beside
from gateway.kernel.db import Database
from gateway.kernel.errors import StorageFailed

IMAGES_PATH = "api-parts-images"
MIB = 1024 * 1024
IMAGE_MAX_BYTES = 10 * MIB  # [U] of each in the cloud
FILE_MAX_BYTES = 50 * MIB
MARK_HEX = 16  # digits of the digest that make a name
AT_ONCE_MAX = 2  # files on their way: a thin line is not for them alone
JOB_STEPS = 4  # <tenant>/jobs/<job number>/<name>

Wanted = Mapping[str, File | None]  # our path -> the file; None: its bytes are not here


class Files:
    """`sending`: so many tasks have a file on its way, or wait for room to send one."""

    def __init__(self, rows: Rows, db: Database, blobs: Blobs) -> None:
        self._rows = rows
        self._db = db
        self._blobs = blobs
        self._room = asyncio.Semaphore(AT_ONCE_MAX)
        self.sending = 0

    async def bring(self, row: CloudRow) -> None:
        """All files that this row lists, as far as they are not there, then its list. What is done already costs nothing.

        Raises Again; No, for those that do not go, when all others are there.
        """
        parked = await self._db.read(listed.parked, row.lane)
        refused = await self._images(row, parked) if row.table == "parts" else []
        for file in await self._db.read(listed.waiting, row.table, row.id):
            if file.path not in parked and not row.deleted:
                refused += await self._attempt(file.path, self._by_address(row, file))
        await self._list(row)
        if refused:
            refused[0].outcome = replace(refused[0].outcome, text="; ".join(one.outcome.text for one in refused))
            raise refused[0]

    async def settle(self, there: CloudRow) -> None:
        """Images of a part of which some may have come late: nothing can come after what stands there now. Raises Again, No."""
        part = await self._rows.known("parts", there.id, there.lane)
        if part.base and not part.deleted:
            await self._compare(part, there, await self._db.read(listed.images, part.id), {*there.written})
            for refusal in await self._images(part, await self._db.read(listed.parked, part.lane)):
                raise refusal
        there.written.clear()

    async def _attempt(self, path: str, doing: Awaitable[None]) -> list[No]:
        """Nothing, or the refusal: the other files of the row need not wait for it. Raises Again."""
        try:
            await doing
        except (Again, No) as stopped:
            stopped.outcome = replace(stopped.outcome, text=f"{path}: {stopped.outcome.text}")
            stopped.aggregate = FILE + path
            if isinstance(stopped, No):
                return [stopped]
            raise
        return []

    async def _list(self, row: CloudRow) -> None:
        """The paths, now that the bytes are there. Raises Again, No."""
        found = await self._db.read(store.local, row.table, row.id)
        if found is None or row.deleted or found[0].get("deleted_at"):
            return
        name = mapping.LISTS[row.table]
        paths = mapping.wanted(row.table, *found)[0].values[name]
        if not mapping.same(paths, row.base.get(name)):
            await self._rows.change(row, {name: paths}, found[0]["updated_at"])

    # ------------------------------------------------------------------ images of parts

    async def _images(self, part: CloudRow, parked: Collection[str]) -> list[No]:
        """One after another: the cloud's list of them does not stand more."""
        there = await self._rows.known(PART_IMAGES, part.id, part.lane)
        wanted = await self._db.read(listed.images, part.id)
        if there.attempted is not None:  # nobody knows what came of it, and it may still come
            if there.unsettled_until is None:
                await self._rows.unsettle(there)
            await self._compare(part, there, wanted, {*there.written})
        refused: list[No] = []
        for path in sorted(there.base.keys() - wanted.keys()):
            refused += await self._attempt(path, self._take_away(part, there, path))
        for path, file in wanted.items():
            if path not in parked and path not in there.base and not part.deleted:
                refused += await self._attempt(path, self._add(part, there, path, file, wanted))
        return refused

    async def _add(self, part: CloudRow, there: CloudRow, path: str, file: File | None, wanted: Wanted) -> None:
        if file is None:
            await self._not_here(part, there, path)
            return
        twins = (
            there.base[one] for one, other in wanted.items() if other and one in there.base and _equal(file, other)
        )
        if twin := next(twins, None):
            there.base[path] = twin
            await self._rows.took(there)
            return
        upload = await self._whole(file, IMAGE_MAX_BYTES)
        mark = _mark(file)
        there.attempted = {"mark": mark}
        there.written.add(mark)
        await self._rows.secured(there)
        async with self._sending():
            outcome = await self._rows.client.call(
                "POST", f"{IMAGES_PATH}/{part.id}/upload", body=_form(upload, file.sha256, f"x.{_ending(file)}-{mark}")
            )
        if outcome.kind not in (Kind.OK, Kind.UNKNOWN):  # it did nothing
            there.attempted = None
            there.written.discard(mark)
            await self._rows.secured(there)
        if await self._answer(part, there, "POST", outcome) is not None:
            await self._compare(part, there, wanted, {mark})
            if path not in there.base:
                await self._rows.unsettle(there)
                raise Again(Outcome(Kind.UNKNOWN, "the cloud took it and does not list it", said=True), part.table)

    async def _compare(self, part: CloudRow, there: CloudRow, wanted: Wanted, marks: Collection[str]) -> None:
        """Each image with one of these marks is in the cloud's list once, if we want it and it is whole there, or not at all."""
        answer = await self._answer(part, there, "GET", await self._rows.client.call("GET", f"{IMAGES_PATH}/{part.id}"))
        if answer is None:
            return
        shown = answer.get("images") or ()
        for mark in sorted(marks):
            ours = {path: file for path, file in wanted.items() if file is not None and _mark(file) == mark}
            sizes = {0, *(file.size_bytes for file in ours.values())}  # [U] it may be told as 0
            found = [one["path"] for one in shown if one["path"].endswith(f"-{mark}")]
            whole = [one["path"] for one in shown if one["path"] in found and ours and one["size"] in sizes]
            kept = next((path for path in whole if path in there.base.values()), next(iter(whole), None))
            there.base = {path: name for path, name in there.base.items() if name not in found and path not in ours}
            there.base |= dict.fromkeys(ours, kept) if kept else {}
            for path in found:
                if path != kept:
                    await self._delete(part, there, path)
            if there.unsettled_until is None:
                there.written.discard(mark)
        there.attempted = None
        await self._rows.took(there)

    async def _take_away(self, part: CloudRow, there: CloudRow, path: str) -> None:
        name = there.base[path]
        if [*there.base.values()].count(name) == 1:
            await self._delete(part, there, name)
        del there.base[path]
        await self._rows.took(there)

    async def _delete(self, part: CloudRow, there: CloudRow, name: str) -> None:
        outcome = await self._rows.client.call("DELETE", f"{IMAGES_PATH}/{part.id}", body={"path": name})
        if outcome.kind is not Kind.GONE or "Part not found" in outcome.text:  # else it is gone, as we want it
            await self._answer(part, there, "DELETE", outcome)

    async def _not_here(self, part: CloudRow, there: CloudRow, path: str) -> None:
        """A path that is listed and not stored here: the cloud has it (it came by import), or nobody has."""
        if f"/parts/{part.id}/" not in path:
            return  # no image of this part's own: whatever somebody has written there
        answer = await self._answer(part, there, "GET", await self._rows.client.call("GET", f"{IMAGES_PATH}/{part.id}"))
        if answer is None:
            return
        if not any(one["path"] == path for one in answer.get("images") or ()):
            raise _stays(path, "its bytes are not on this gateway any more")
        there.base[path] = path
        await self._rows.took(there)

    async def _answer(self, part: CloudRow, there: CloudRow, method: str, outcome: Outcome) -> Mapping[str, Any] | None:
        """What the cloud said; None: it does not have the part any more. Raises Again, No."""
        match outcome.kind:
            case Kind.OK:
                return outcome.data or {}
            case Kind.GONE:  # [U] also when its database is away
                await self._rows.gone(part, replace(outcome, said=True))
                return None
            case Kind.UNKNOWN if method != "GET":
                await self._rows.unsettle(there)
        raise verdict(outcome, method, part.table, {"part": part.id})

    # ------------------------------------------------------------------ files by address

    async def _by_address(self, row: CloudRow, file: File) -> None:
        """A late arrival does no harm here: the same bytes at the same path, which then is taken."""
        there = await self._rows.known(FILES, file.path, row.lane)
        upload = await self._whole(file, FILE_MAX_BYTES)
        body = {"filename": upload_name(file), "content_type": file.content_type, **_of_job(file.path)}
        outcome = await self._rows.client.call("POST", "api-upload-url", body=body)
        if outcome.kind is Kind.OK:
            data = outcome.data or {}
            there.attempted = {"file_path": data["file_path"]}
            await self._rows.secured(there)
            async with self._sending():
                outcome = await self._rows.client.put(data["upload_url"], upload)
        if outcome.kind not in (Kind.OK, Kind.STORED) or there.attempted is None:
            raise verdict(outcome, "PUT", row.table, body)
        there.base, there.attempted = there.attempted, None
        await self._rows.took(there)

    # ------------------------------------------------------------------ bytes

    async def _whole(self, file: File, bytes_max: int) -> Upload:
        """Read through once: what is damaged is not sent. Raises No."""
        place = (file.bucket, file.id)
        if file.size_bytes > bytes_max:
            raise _stays(
                file.path, f"it has {file.size_bytes / MIB:.1f} MiB, the cloud takes {bytes_max // MIB} at most"
            )
        try:
            await self._blobs.require_sound(place, file.size_bytes, file.sha256)
        except StorageFailed as exc:
            raise _stays(file.path, exc.message) from exc
        chunks = partial(self._blobs.read, place, 0, file.size_bytes, file.sha256)
        return Upload(file.content_type, file.size_bytes, chunks)

    @contextlib.asynccontextmanager
    async def _sending(self) -> AsyncIterator[None]:
        self.sending += 1
        try:
            async with self._room:
                yield
        finally:
            self.sending -= 1


def upload_name(file: File) -> str:
    """What no other bytes are called: `plan.pdf` goes as `plan-<digits of its digest>.pdf`."""
    return beside(file.path, _mark(file)).rpartition("/")[2][-NAME_MAX:]


def _stays(path: str, why: str) -> No:
    return No(Outcome(Kind.STAYS, why), "PUT", path, None)


def _of_job(path: str) -> dict[str, str]:
    steps = path.split("/")
    return {"job_number": steps[2]} if len(steps) == JOB_STEPS and steps[1] == "jobs" else {}


def _mark(file: File) -> str:
    return file.sha256[:MARK_HEX]


def _equal(one: File, other: File) -> bool:
    return (one.sha256, one.size_bytes) == (other.sha256, other.size_bytes)


def _ending(file: File) -> str:
    return file.content_type.rpartition("/")[2].replace("jpeg", "jpg")


def _form(upload: Upload, boundary: str, filename: str) -> Upload:
    """As the field `file`. `boundary`: the digest of the bytes, which does not stand in them."""
    disposition = f'Content-Disposition: form-data; name="file"; filename="{filename}"'
    head = f"--{boundary}\r\n{disposition}\r\nContent-Type: {upload.content_type}\r\n\r\n".encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield head
        async for block in upload.chunks():
            yield block
        yield tail

    kind = f"multipart/form-data; boundary={boundary}"
    return Upload(kind, len(head) + upload.size_bytes + len(tail), chunks)
