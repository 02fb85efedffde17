"""Photos of parts and drawings: taken at one level, looked for at the others."""

import asyncio
import contextlib
import hashlib
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from levels import Level
from tcp import serving

PNG = b"\x89PNG\r\n\x1a\n"
PDF = b"%PDF-1.7\n"


def picture(name: str, size: int = 3_000) -> bytes:
    """A PNG by its first bytes, like no other."""
    block = hashlib.sha256(name.encode()).digest()
    return (PNG + block * (size // len(block) + 1))[:size]


async def photograph(box: Level, part_id: str, data: bytes) -> str:
    """Its path."""
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(data), filename="photo.png", content_type="image/png")
    sent = {"Authorization": f"Bearer {box.key}"}
    url = f"{box.url}/api-parts-images/{part_id}/upload"
    async with box.session.post(url, data=form, headers=sent) as answer:
        assert answer.status == 201, await answer.text()
        return json.loads(await answer.text())["data"]["path"]


async def drawing(box: Level, name: str, data: bytes = PDF) -> str:
    """A PDF that is uploaded by address, and not listed anywhere yet. Its path."""
    offer = await box.done("POST", "/api-upload-url", {"filename": name, "content_type": "application/pdf"})
    headers = {"Content-Type": "application/pdf"}
    async with box.session.put(offer["upload_url"], data=io.BytesIO(data), headers=headers) as answer:
        assert answer.status == 200, await answer.text()
    return offer["file_path"]


async def images(box: Level, part_id: str) -> dict[str, bytes | None]:
    """What a part shows, by path; None: the bytes are not there."""
    shown = (await box.done("GET", f"/api-parts-images/{part_id}"))["images"]
    return {one["path"]: None if one["url"] is None else await fetched(box, one["url"]) for one in shown}


async def fetched(box: Level, url: str) -> bytes:
    async with box.session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


def on_disk(folder: Path) -> list[bytes]:
    """All files that a gateway keeps, and what is on its way."""
    return sorted(file.read_bytes() for file in (folder / "files").rglob("*") if file.is_file())


@dataclass
class Hangs:
    """How a line treats requests about files with this method, so many times: `before` they get through, in the `middle` of their
    bytes, or `after` the other side has answered. `seen`: how many there were.
    """

    method: str
    when: str
    left: int
    seen: int = 0

    def strikes(self, when: str) -> bool:
        if self.when != when or not self.left:
            return False
        self.left -= 1
        return True


@contextlib.asynccontextmanager
async def hanging_line(to: Level, hangs: Hangs) -> AsyncIterator[str]:
    """Its address."""
    host, _, port = to.gateway.addresses[0].rpartition(":")
    beginning = f"{hangs.method} /api-forward/files".encode()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        now = {"about": False}

        async def up() -> None:
            while data := await reader.read(4096):
                if data.startswith(beginning):
                    hangs.seen += 1
                    now["about"] = True
                    if hangs.strikes("before"):
                        return
                elif now["about"] and hangs.strikes("middle"):
                    return
                elif data.split(b" ", 1)[0] in (b"GET", b"POST", b"PUT"):
                    now["about"] = False
                back.write(data)
                await back.drain()

        async def down() -> None:
            while data := await there.read(4096):
                if now["about"] and hangs.strikes("after"):
                    return
                writer.write(data)

        ways = [asyncio.ensure_future(way) for way in (up(), down())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (back, writer):
                end.transport.abort()

    async with serving(carry) as own:
        yield f"http://127.0.0.1:{own}"


def counted(link: Any) -> bool:
    """accepted = sent + pending + parked + skipped."""
    parts = [link[name] for name in ("sent", "pending", "parked", "skipped")]
    return link["accepted"] == sum(parts) and min(parts) >= 0
