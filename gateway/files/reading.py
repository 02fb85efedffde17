"""Rows that list paths of files, the addresses under which those can be fetched, and the files themselves."""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.resources import Resource
from gateway.files import rules, store
from gateway.files.blobs import Blobs
from gateway.files.model import File, Grant
from gateway.jobs.resources import PARTS
from gateway.kernel.db import Database
from gateway.kernel.errors import NotFound
from gateway.outbox.event import encode
from gateway.outbox.receipts import Answer
from gateway.web.routes import Caller, Raw

PARTIAL = 206


@dataclass(frozen=True, slots=True)
class Linked:
    """A table whose rows list paths of files: `columns` hold one path or a list of them. `address` names the row's id first:
    `/api-parts/{part_id}/file-url`. `what` is a file called in errors; `strict`: see `Route.strict_method`.
    """

    resource: Resource
    address: str
    columns: tuple[str, ...]
    what: str
    strict: bool = False


class FileReading:
    """`link` signs an address: file, where the caller reached us, who he is."""

    def __init__(self, db: Database, blobs: Blobs, link: Callable[[File, str, Caller], Awaitable[str]]) -> None:
        self._db = db
        self._blobs = blobs
        self._link = link

    async def images(self, part_id: str, base: str, caller: Caller) -> Answer:
        """`{images: [{path, url, size, created_at, name}]}`; what is only in the cloud has no url here. Raises NotFound."""
        paths, files = await self._db.read(_images, part_id, caller)
        shown = [await self._image(path, files.get(path), base, caller) for path in paths]
        return Answer(200, encode({"images": shown}))

    async def one(self, linked: Linked, row_id: str, path: str, base: str, caller: Caller) -> Answer:
        """`{path, url, expires_in}` of a file that the row lists. Raises NotFound."""
        file, listed = await self._db.read(_linked, linked, row_id, path, caller)
        if not listed or file is None:
            what = linked.resource.singular[-1]
            why = "it is kept in the cloud only" if listed else f"the {what} does not list it"
            raise NotFound(f"{linked.what} not found for this {what}: {path} ({why})")
        url = await self._link(file, base, caller)
        return Answer(200, encode({"path": path, "url": url, "expires_in": rules.LINK_S}))

    async def whole(self, grant: Grant, headers: Mapping[str, str]) -> Raw:
        """The file, or the part of it that `Range` asks for. Raises Forbidden, NotFound, StorageFailed."""
        file = await self._db.read(_granted, grant)
        place = (file.bucket, file.id)
        if not await self._blobs.has(place, file.size_bytes):
            raise NotFound(f"the bytes of {file.path} are not here any more, or not whole")
        tag = f'"{file.sha256}"'
        told = {
            "Content-Disposition": f'attachment; filename="{file.name}"',
            "Accept-Ranges": "bytes",
            "ETag": tag,
            "Content-Length": str(file.size_bytes),
        }
        asked = headers.get("Range") if headers.get("If-Range", tag) == tag else None
        if (span := rules.span(asked, file.size_bytes)) is None:
            chunks = self._blobs.read(place, 0, file.size_bytes, file.sha256)
            return Raw(file.content_type, chunks, headers=told)
        first, end = span
        told |= {"Content-Range": f"bytes {first}-{end - 1}/{file.size_bytes}", "Content-Length": str(end - first)}
        return Raw(file.content_type, self._blobs.read(place, first, end, None), PARTIAL, told)

    async def _image(self, path: str, file: File | None, base: str, caller: Caller) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "path": path,
            "url": None,
            "size": 0,
            "created_at": None,
            "name": path.rpartition("/")[2],
        }
        if file is not None:
            shown |= {
                "url": await self._link(file, base, caller),
                "size": file.size_bytes,
                "created_at": file.created_at,
            }
        return shown


def _images(connection: sqlite3.Connection, part_id: str, caller: Caller) -> tuple[list[str], dict[str, File]]:
    paths = _paths(connection, PARTS, part_id, ("image_paths",), caller)
    return paths, store.at_paths(connection, paths)


def _linked(
    connection: sqlite3.Connection, linked: Linked, row_id: str, path: str, caller: Caller
) -> tuple[File | None, bool]:
    """The file, if it is stored here, and whether the row lists it."""
    listed = path in _paths(connection, linked.resource, row_id, linked.columns, caller)
    return store.at_path(connection, path) if listed else None, listed


def _paths(
    connection: sqlite3.Connection, resource: Resource, row_id: str, columns: tuple[str, ...], caller: Caller
) -> list[str]:
    """Raises NotFound, also when the row is in another cell than the caller's."""
    row = json.loads(rows_.one(connection, resource, row_id, caller.cells))
    found: list[str] = []
    for name in columns:
        value = row[name] or ()
        found += [value] if isinstance(value, str) else value
    return found


def _granted(connection: sqlite3.Connection, grant: Grant) -> File:
    """Raises Forbidden, NotFound."""
    store.require_key(connection, grant.key_id)
    file = store.at_path(connection, grant.path)
    if file is None or file.bucket != grant.bucket:
        raise NotFound(f"{grant.path} is not stored here any more")
    return file
