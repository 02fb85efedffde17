"""Somebody who uploads files and fetches them."""

import io
import json
from dataclasses import dataclass
from typing import Any

import aiohttp
from hall import Floor, Reply
from pictures import PDF, PNG


@dataclass
class Uploads:
    """One who calls the floor's routes for files."""

    floor: Floor
    folder: Any  # the data folder

    async def form(
        self, path: str, data: bytes = PNG, *, name: str = "photo.png", kind: str = "image/png", **more
    ) -> Reply:
        form = aiohttp.FormData()
        form.add_field(more.pop("field", "file"), io.BytesIO(data), filename=name, content_type=kind)
        return await self.raw("POST", path, form, **more)

    async def raw(self, method: str, path: str, data: Any = None, *, key: str | None = None, headers=None) -> Reply:
        """`path` may be a whole address. Without a key when that is empty."""
        sent = {} if key == "" else {"Authorization": f"Bearer {key or self.floor.key}"}
        url = path if path.startswith("http") else self.floor.url + path
        async with self.floor.session.request(method, url, data=data, headers={**sent, **(headers or {})}) as answer:
            text = await answer.text()
            return Reply(answer.status, answer.headers, json.loads(text) if text else None)

    async def part(self, number: str = "J-1", *cells: tuple[str, ...]) -> str:
        return (await self.floor.job(number, *cells))["parts"][0]["id"]

    async def image(self, part_id: str, data: bytes = PNG, **more) -> Any:
        reply = await self.form(f"/api-parts-images/{part_id}/upload", data, **more)
        assert reply.status == 201, reply.body
        return reply.data

    async def images(self, part_id: str) -> list[Any]:
        return (await self.floor.get(f"/api-parts-images/{part_id}"))["images"]

    async def offer(self, name: str = "a.pdf", kind: str = "application/pdf", **more) -> Any:
        reply = await self.floor.send("POST", "/api-upload-url", {"filename": name, "content_type": kind, **more})
        assert reply.status == 200, reply.body
        return reply.data

    async def put(self, url: str, data: bytes = PDF, kind: str | None = "application/pdf", **headers: str) -> Reply:
        skipped = ("Content-Type",) if kind is None else ()
        sent = {**headers, **({"Content-Type": kind} if kind else {})}
        body = io.BytesIO(data) if isinstance(data, bytes) else data
        async with self.floor.session.put(url, data=body, headers=sent, skip_auto_headers=skipped) as answer:
            return Reply(answer.status, answer.headers, json.loads(await answer.text()))

    async def stored(self, name: str = "a.pdf", kind: str = "application/pdf", data: bytes = PDF, **more) -> str:
        """Its path."""
        offer = await self.offer(name, kind, **more)
        assert (await self.put(offer["upload_url"], data, kind)).status == 200
        return offer["file_path"]

    async def fetch(self, url: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
        async with self.floor.session.request(method, url, headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()

    def on_disk(self) -> dict[str, bytes]:
        """`bucket/id` -> bytes of everything in the folder of files, what is on its way included."""
        top = self.folder / "files"
        return {str(file.relative_to(top)): file.read_bytes() for file in top.rglob("*") if file.is_file()}

    async def rows(self) -> dict[str, str]:
        """`bucket/id` -> path."""
        return {
            f"{bucket}/{id_}": path
            for bucket, id_, path in await self.floor.query("SELECT bucket, id, path FROM files")
        }

    async def agree(self) -> None:
        """No file without a row, no row without a file."""
        assert self.on_disk().keys() == (await self.rows()).keys()
