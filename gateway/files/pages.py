"""Pages of PDFs as pictures, for screens that cannot show a PDF. One thread draws, because the library is not made for several;
what it has drawn is kept in a folder that may be deleted at any time.
"""

import asyncio
import importlib.util
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import structlog

from gateway.files.blobs import Blobs
from gateway.files.model import File
from gateway.kernel.errors import Busy, NotFound

WIDTH_MAX, PIXELS_MAX = 1_600, 4_000_000  # of one picture
PDF_MAX_BYTES = 50 * 1024 * 1024  # a larger one is only given as a file
CACHE_MAX_BYTES = 256 * 1024 * 1024
WAITING_MAX = 16  # pages to be drawn
COUNTS_MAX = 1_000  # files whose number of pages is remembered
PDF = "application/pdf"
_PNG = b"\x89PNG\r\n\x1a\n"
_RGB = 2

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Pages:
    """`folder` is made when it is needed. Without the extra `documents` no file has pages."""

    def __init__(self, blobs: Blobs, folder: Path) -> None:
        self._blobs = blobs
        self._folder = folder
        self._counts: dict[str, int | None] = {}
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "pages")  # not started before it is needed

    async def count(self, file: File) -> int | None:
        """How many pages it has; None when it cannot be drawn."""
        if file.content_type != PDF or file.size_bytes > PDF_MAX_BYTES or not importlib.util.find_spec("pypdfium2"):
            return None
        if file.sha256 not in self._counts:
            if len(self._counts) >= COUNTS_MAX:
                self._counts.clear()
            content = await self._content(file)
            self._counts[file.sha256] = await self._run(_count, content)
        return self._counts[file.sha256]

    async def picture(self, file: File, number: int) -> bytes:
        """PNG of the page with this number, from 1. Raises NotFound, Busy, StorageFailed."""
        count = await self.count(file)
        if count is None or not 1 <= number <= count:
            raise NotFound(f"{file.name} has no page {number} that can be shown")
        kept = self._folder / f"{file.sha256}-{number}.png"
        known = await self._run(_known, kept)
        if known is not None:
            return known
        return await self._run(_drawn, await self._content(file), number, kept)

    async def _content(self, file: File) -> bytes:
        chunks = self._blobs.read((file.bucket, file.id), 0, file.size_bytes, file.sha256)
        return b"".join([chunk async for chunk in chunks])

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises Busy."""
        if self._waiting >= WAITING_MAX:
            raise Busy(f"{self._waiting} pages are being drawn: try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*args, **kwargs))
        finally:
            self._waiting -= 1


def _count(content: bytes) -> int | None:
    import pypdfium2  # noqa: PLC0415 -- an extra, paid with the first PDF

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as exc:
        log.warning("pdf.unreadable", error=str(exc))
        return None
    with document:
        return len(document)


def _drawn(content: bytes, number: int, kept: Path) -> bytes:
    import pypdfium2  # noqa: PLC0415 -- an extra, paid with the first PDF

    with pypdfium2.PdfDocument(content) as document:
        page = document[number - 1]
        width, height = page.get_size()
        scale = min(WIDTH_MAX / width, (PIXELS_MAX / (width * height)) ** 0.5)
        bitmap = page.render(scale=scale, rev_byteorder=True)
        rows = (bytes(bitmap.buffer[start : start + bitmap.width * bitmap.n_channels]) for start in _starts(bitmap))
        picture = png(bitmap.width, bitmap.height, _opaque(rows, bitmap.n_channels))
    _keep(kept, picture)
    return picture


def _starts(bitmap: Any) -> Iterator[int]:
    return iter(range(0, bitmap.height * bitmap.stride, bitmap.stride))


def _opaque(rows: Iterator[bytes], channels: int) -> Iterator[bytes]:
    """Red, green and blue alone."""
    for row in rows:
        if channels == 3:  # noqa: PLR2004 -- those
            yield row
        else:
            plain = bytearray(len(row) // channels * 3)
            for place in range(3):
                plain[place::3] = row[place::channels] if channels > 1 else row
            yield bytes(plain)


def png(width: int, height: int, rows: Iterator[bytes]) -> bytes:
    """A picture of `rows` with three bytes for each point."""
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    head = struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0)
    return _PNG + b"".join(_chunk(kind, one) for kind, one in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b"")))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _known(kept: Path) -> bytes | None:
    try:
        picture = kept.read_bytes()
        os.utime(kept)  # used: others go first
    except OSError:
        return None
    return picture


def _keep(kept: Path, picture: bytes) -> None:
    """The pictures that nobody has looked at for longest make room. A disk that is full keeps none."""
    try:
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in kept.parent.iterdir())
        total = sum(size for _, size, _ in found) + len(picture)
        for _, size, file in found:
            if total <= CACHE_MAX_BYTES:
                break
            file.unlink()
            total -= size
        part = kept.with_suffix(".part")
        part.write_bytes(picture)
        part.replace(kept)
    except OSError as exc:
        log.warning("pages.not_kept", error=exc.strerror)
