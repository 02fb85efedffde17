"""The cloud's two functions for files: addresses for uploads, and the images of parts."""

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from email.message import Message
from typing import Any

from gateway.demo.cloud_answer import Answer, Call, Refused, broken, done
from gateway.demo.cloud_crud import spread
from gateway.demo.cloud_database import Database, Row
from gateway.demo.cloud_storage import BUCKETS, FETCH_GOOD, ISSUES, PART_IMAGES, Storage
from gateway.kernel.clock import Clock, zulu

NAME_MAX = 255
UPLOAD_TYPES = (
    "image/jpeg image/png image/gif image/webp application/pdf text/plain text/csv application/json application/step "
    "application/stp model/step application/octet-stream application/dxf image/vnd.dxf application/vnd.ms-excel "
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
).split()
IMAGE_TYPES = ("image/jpeg", "image/jpg", "image/png", "image/webp", "image/gif")
OFFER_GOOD = timedelta(minutes=15)  # as the answer says; the address itself lives longer
STORING_S = 0.05  # between reading a part's list of images and writing it


class CloudFiles:
    """`tells_size`: the list of images has their sizes; without it they are 0."""

    def __init__(self, database: Database, storage: Storage, clock: Clock) -> None:
        self._db = database
        self._storage = storage
        self._clock = clock
        self.tells_size = True

    def upload_url(self, call: Call) -> Answer:
        """Whatever the method. [U] `job_number` goes into the path as it is."""
        body = spread(call.json())
        filename, content_type = body.get("filename"), body.get("content_type")
        if not filename or not content_type:
            raise _bad("filename and content_type are required")
        if len(filename) > NAME_MAX:
            raise _bad(f"filename must be {NAME_MAX} characters or less")
        if ".." in filename or "/" in filename or "\\" in filename:
            raise _bad("filename contains invalid characters")
        if content_type not in UPLOAD_TYPES:
            raise _bad(f"Unsupported content type: {content_type}")
        folder = f"jobs/{body['job_number']}" if body.get("job_number") else "files"
        path = f"{call.tenant.id}/{folder}/{re.sub(r'[^A-Za-z0-9._-]', '_', filename)}"
        if (ISSUES, path) in self._storage.objects and not self._storage.signs_for_taken:
            raise broken("Failed to create upload URL: The resource already exists")
        expires_at = zulu(self._clock.now() + OFFER_GOOD)
        url = self._storage.upload_address((ISSUES, path))
        return done({"upload_url": url, "file_path": path, "expires_at": expires_at})

    async def images(self, call: Call) -> Answer:
        part = self._part(call)
        match call.method, call.path[1:]:
            case "GET", ("url",):
                return self._link(call, part)
            case "GET", ():
                return done({"images": [self._shown(path) for path in part["image_paths"] or ()]})
            case "POST", ("upload",):
                return await self._add(call, part)
            case "DELETE", ():
                return await self._remove(call, part)
            case method, _:
                raise _bad(f"Invalid action for {method}")

    def _part(self, call: Call) -> Row:
        if not call.path:
            raise _bad("Part ID is required")
        part = self._db.get("parts", call.path[0].lower())
        if part is None:
            raise Refused(404, "NOT_FOUND", "Part not found")
        if part["tenant_id"] != call.tenant.id:
            raise Refused(401, "UNAUTHORIZED", "Part does not belong to your tenant")
        return part

    def _link(self, call: Call, part: Row) -> Answer:
        path = call.query.get("path")
        if not path:
            raise _bad("Image path is required")
        if path not in (part["image_paths"] or ()):
            raise Refused(404, "NOT_FOUND", "Image not found for this part")
        return done(
            {
                "url": self._storage.fetch_address((PART_IMAGES, path)),
                "expires_in": int(FETCH_GOOD.total_seconds()),
                "path": path,
            }
        )

    def _shown(self, path: str) -> dict[str, Any]:
        place = (PART_IMAGES, path)
        stored = self._storage.objects.get(place)
        return {
            "path": path,
            "url": self._storage.fetch_address(place),
            "size": len(stored.data) if stored and self.tells_size else 0,
            "created_at": stored.created_at if stored else None,
            "name": path.rpartition("/")[2],
        }

    async def _add(self, call: Call, part: Row) -> Answer:
        file = _file(call)
        if file is None:
            raise _bad("No file provided")
        if file.content_type not in IMAGE_TYPES:
            raise _bad(f"Invalid file type. Allowed types: {', '.join(IMAGE_TYPES)}")
        if len(file.data) > BUCKETS[PART_IMAGES][0]:
            raise _bad("File size exceeds maximum allowed size of 10MB")
        tenant = call.tenant
        if tenant.max_storage_bytes is not None:
            used = self._storage.used_bytes(tenant.id)
            if used + len(file.data) > tenant.max_storage_bytes:
                return Answer(
                    422, {"success": False, "error": {"statusCode": 422}}
                )  # [U] malformed: no code, no message
        ending = file.name.rpartition(".")[2].lower()
        now_ms = int(self._clock.now().timestamp() * 1000)
        path = f"{tenant.id}/parts/{part['id']}/{now_ms}_{self._db.new_id()}.{ending}"
        listed = [*(part["image_paths"] or ())]  # [U] read here, written below: what comes between is lost
        self._storage.put((PART_IMAGES, path), file.data, file.content_type)
        await asyncio.sleep(STORING_S)
        self._db.update("parts", part, {"image_paths": [*listed, path]})
        name = path.rpartition("/")[2]
        url = self._storage.fetch_address((PART_IMAGES, path))
        return done({"path": path, "url": url, "size": len(file.data), "name": name}, 201)

    async def _remove(self, call: Call, part: Row) -> Answer:
        path = spread(call.json()).get("path")
        listed = part["image_paths"] or ()
        if not path:
            raise _bad("Image path is required")
        if path not in listed:
            raise Refused(404, "NOT_FOUND", "Image not found for this part")
        self._storage.objects.pop((PART_IMAGES, path), None)
        await asyncio.sleep(STORING_S)
        self._db.update("parts", part, {"image_paths": [one for one in listed if one != path]})
        return done({"success": True, "deleted_path": path})


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    content_type: str
    data: bytes


def _file(call: Call) -> _Part | None:
    """The field `file` of a form. Raises Refused."""
    boundary = _header(call.content_type).get_boundary()
    if boundary is None:
        raise broken("Missing content type")
    for piece in (b"\r\n" + call.body).split(b"\r\n--" + boundary.encode())[1:-1]:
        head, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        told = _header(lines.get("Content-Disposition", ""))
        name = told.get_param("filename")
        if told.get_param("name") == "file" and isinstance(name, str):
            return _Part(name, lines.get("Content-Type", ""), data)
    return None


def _header(value: str) -> Message:
    """Its parameters can be asked for."""
    message = Message()
    message["Content-Type"] = value
    return message


def _bad(message: str) -> Refused:
    return Refused(400, "BAD_REQUEST", message)
