"""Somebody at the gateway who photographs parts and puts drawings and pictures into lists, by the product's own commands."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from shift import CALLER, CUT, OTTO

from gateway.demo import factory
from gateway.demo.cloud_storage import ISSUES, PART_IMAGES
from gateway.files.commands import FileCommands, Sizes, Wish
from gateway.files.signing import Signing
from gateway.issues.commands import IssueCommands
from gateway.kernel.secrets import Secrets
from gateway.operations.trees.commands import PartTreeCommands
from gateway.outbox.receipts import Receipt
from gateway.web.incoming import Field

BEAM, FOOT, HOOD = (factory.named("part", job, name) for job, name in (("1", "Beam"), ("1", "Foot"), ("2", "Hood")))
LARGE = 64 * 1024 * 1024  # more than the cloud takes
PARKED = "SELECT aggregate, state, reason FROM event_parked WHERE reader = 'cloud' ORDER BY seq"


def png(word: str, size: int = 3_000) -> bytes:
    return (b"\x89PNG\r\n\x1a\n" + word.encode() * size)[:size]


def pdf(word: str, size: int = 3_000) -> bytes:
    return (b"%PDF-1.7\n" + word.encode() * size)[:size]


@dataclass
class Sent:
    """What a request brings, as the web server hands it on."""

    data: bytes
    content_type: str
    name: str = ""

    @property
    def length(self) -> int:
        return len(self.data)

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.data

    async def file(self, _field: str | None) -> Field:
        return Field(self.name, self.content_type, self.chunks())


class Desk:
    def __init__(self, shop, folder) -> None:
        made = (shop.db, shop.clock, shop.new_id, "gw-test")
        self._shop = shop
        self._files = FileCommands(*made, shop.blobs, Signing(Secrets(folder)), Sizes(LARGE, LARGE))
        self._parts = PartTreeCommands(*made)
        self._issues = IssueCommands(*made)

    async def photo(self, part_id: str, data: bytes, kind: str = "image/png") -> str:
        """Its path here."""
        sent = Sent(data, kind, "photo.png")
        answer = await self._files.add_image(part_id, sent, "http://here", CALLER, self._receipt())
        return json.loads(answer.data)["path"]

    async def throw_away(self, part_id: str, path: str) -> None:
        await self._files.remove_image(part_id, path, CALLER, None)

    async def file(self, name: str, data: bytes, kind: str = "application/pdf", job: str | None = None) -> str:
        """Uploaded, and in no list yet; its path here."""
        answer = await self._files.offer(Wish(name, kind, job, "http://here"), CALLER, None)
        told = json.loads(answer.data)
        token = parse_qs(urlsplit(told["upload_url"]).query)["token"][0]
        grant = await self._files.granted("PUT", ISSUES, told["file_path"], token)
        await self._files.take(grant, Sent(data, kind), self._receipt())
        return told["file_path"]

    async def lists(self, part_id: str, *paths: str) -> None:
        await self._parts.update(part_id, {"file_paths": [*paths]}, CALLER, None)

    async def changes(self, part_id: str, **given) -> None:
        await self._parts.update(part_id, given, CALLER, None)

    async def plans(self, **given) -> str:
        answer = await self._parts.create({"job_id": factory.named("job", "1"), **given}, CALLER, None)
        return json.loads(answer.data)["part"]["id"]

    async def complains(self, *paths: str) -> str:
        given = {"operation_id": CUT, "created_by": OTTO, "title": "Burr", "description": "left", "severity": "low"}
        answer = await self._issues.create({**given, "image_paths": [*paths]}, CALLER, None)
        return json.loads(answer.data)["issue"]["id"]

    async def shows(self, issue_id: str, *paths: str) -> None:
        await self._issues.update(issue_id, {"image_paths": [*paths]}, CALLER, None)

    def _receipt(self) -> Receipt:
        return Receipt("rest:test", self._shop.new_id(), b"", fresh=True)


async def at_desk(shop, folder) -> Desk:
    sql = "INSERT OR REPLACE INTO gateway_state (key, value) VALUES ('tenant_id', ?)"
    await shop.db.write(lambda tx: tx.execute(sql, (factory.TENANT_ID,)) and None)
    return Desk(shop, folder)


def images_there(cloud, part_id: str) -> list[bytes]:
    """Bytes of the images that the cloud lists for a part. What a lost list leaves behind in its storage nobody can see."""
    listed = cloud.row("parts", part_id)["image_paths"] or []
    return sorted(cloud.storage.objects[PART_IMAGES, path].data for path in listed)


def files_there(cloud, table: str, row_id: str) -> list[bytes]:
    """Bytes of the files that a row of the cloud lists."""
    paths = cloud.row(table, row_id)["file_paths" if table == "parts" else "image_paths"] or []
    return [cloud.storage.objects[ISSUES, path].data for path in paths]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def mark(data: bytes) -> str:
    return digest(data)[:16]
