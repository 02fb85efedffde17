"""Bytes on the disk: written to a temporary file, hashed, synced, renamed. Complete under their name, or not there.

`<folder>/<bucket>/<id>`, and `<folder>/incoming/` for what is on its way. The work on the disk is done in threads of its own:
a slow one keeps nobody waiting who does not upload.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from gateway.files.rules import HEAD_BYTES
from gateway.kernel.errors import Busy, StorageFailed, StorageFull, TooLarge
from gateway.kernel.room import NO_ROOM

P = ParamSpec("P")
T = TypeVar("T")

INCOMING = "incoming"
THREADS = 4
AT_ONCE_MAX = 16  # uploads; beyond them the next is told to come back
BLOCK_BYTES = 1024 * 1024  # written or read at once, in a thread

Place = tuple[str, str]  # bucket, id


@dataclass(frozen=True, slots=True)
class Received:
    """Whole and synced, still under a temporary name."""

    part: Path
    size_bytes: int
    sha256: str
    head: bytes


class Blobs:
    """`require_room(size_bytes)`: is there room for so much more on the disk? Raises StorageFull."""

    def __init__(self, folder: Path, require_room: Callable[[int], None]) -> None:
        self._folder = folder
        self.require_room = require_room
        self._at_once = 0
        self._threads = ThreadPoolExecutor(THREADS, "files")  # none of them is started before it is needed

    @contextlib.asynccontextmanager
    async def receiving(
        self, name: str, chunks: AsyncIterator[bytes], *, announced: int, bytes_max: int
    ) -> AsyncIterator[Received]:
        """All of `chunks`; gone at the end unless it has been kept. `name` is the caller's, unique.

        Raises TooLarge, StorageFull, StorageFailed, Busy, and what `chunks` raise.
        """
        if self._at_once >= AT_ONCE_MAX:
            raise Busy(f"{self._at_once} uploads are on their way: try again in a moment")
        part = self._folder / INCOMING / name
        self._at_once += 1
        try:
            yield await self._receive(part, chunks, announced, bytes_max)
        finally:
            self._at_once -= 1
            await self._run(_gone, part)

    async def keep(self, received: Received, place: Place) -> None:
        """Under its name, for good. Raises StorageFull, StorageFailed."""
        await self._run(self._keep, received.part, self._path(place))

    async def drop(self, place: Place) -> None:
        """Also when it is not there; what cannot be removed now goes at the next start."""
        with contextlib.suppress(OSError):
            await self._run(_gone, self._path(place))

    async def has(self, place: Place, size_bytes: int) -> bool:
        return await self._run(self._size, place) == size_bytes

    async def read(self, place: Place, first: int, end: int, sha256: str | None) -> AsyncIterator[bytes]:
        """Bytes `first` to before `end`. With a `sha256`, the whole file's, its last block only comes when that is right.

        Raises StorageFailed.
        """
        digest, left = hashlib.sha256(), end - first
        with _storage_errors():
            file = self._path(place).open("rb")
        with file:
            file.seek(first)
            while left:
                with _storage_errors():
                    block = await self._run(_block, file, min(left, BLOCK_BYTES), digest)
                left -= len(block)
                if not block or (not left and sha256 and digest.hexdigest() != sha256):
                    raise StorageFailed(f"file {place[1]} is damaged on the disk: it is not served")
                yield block

    async def require_sound(self, place: Place, size_bytes: int, sha256: str) -> None:
        """Read through once, before any of it goes to somebody else. Raises StorageFailed."""
        if not await self.has(place, size_bytes):
            raise StorageFailed("its bytes are not on this gateway any more, or not whole")
        async for _ in self.read(place, 0, size_bytes, sha256):
            pass

    async def places(self) -> set[Place]:
        """All that are kept. Raises StorageFailed."""
        return await self._run(self._places)

    async def forget_incoming(self) -> None:
        """What was on its way when the last process ended: nobody was told that it is here. Before anything is taken."""
        await self._run(shutil.rmtree, self._folder / INCOMING, ignore_errors=True)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))

    # ------------------------------------------------------------------ on its way

    async def _receive(self, part: Path, chunks: AsyncIterator[bytes], announced: int, bytes_max: int) -> Received:
        digest, head, size, waiting = hashlib.sha256(), b"", 0, bytearray()
        with _storage_errors(), self._opened(part, announced) as file:
            async for chunk in chunks:
                size += len(chunk)
                if size > bytes_max:
                    raise TooLarge(f"the file is larger than {bytes_max} bytes: send a smaller one")
                head += chunk[: HEAD_BYTES - len(head)]
                waiting += chunk
                if len(waiting) >= BLOCK_BYTES:
                    await self._run(self._write, file, digest, bytes(waiting))
                    waiting.clear()
            await self._run(self._write, file, digest, bytes(waiting), last=True)
        return Received(part, size, digest.hexdigest(), head)

    def _opened(self, part: Path, announced: int) -> BinaryIO:
        _made(self._folder)
        _made(part.parent)
        self.require_room(announced)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return os.fdopen(os.open(part, flags, 0o600), "wb")

    def _write(self, file: BinaryIO, digest: "hashlib._Hash", block: bytes, *, last: bool = False) -> None:
        self.require_room(len(block))
        digest.update(block)
        file.write(block)
        if last:
            file.flush()
            os.fsync(file.fileno())

    # ------------------------------------------------------------------ under its name

    def _path(self, place: Place) -> Path:
        return self._folder.joinpath(*place)

    def _keep(self, part: Path, target: Path) -> None:
        with _storage_errors():
            _made(target.parent)
            part.rename(target)
            _sync(target.parent)

    def _size(self, place: Place) -> int | None:
        try:
            return self._path(place).stat().st_size
        except OSError:
            return None

    def _places(self) -> set[Place]:
        with _storage_errors():
            if not self._folder.is_dir():
                return set()
            buckets = [one for one in self._folder.iterdir() if one.is_dir() and one.name != INCOMING]
            return {(bucket.name, file.name) for bucket in buckets for file in bucket.iterdir()}


def _gone(file: Path) -> None:
    file.unlink(missing_ok=True)


def _made(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """The names in it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _block(file: BinaryIO, size: int, digest: "hashlib._Hash") -> bytes:
    block = file.read(size)
    digest.update(block)
    return block


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno in NO_ROOM:
            raise StorageFull("the disk is full: nothing was kept. Free some space, then send it again") from exc
        raise StorageFailed(f"the disk gave an error ({exc.strerror}): nothing was kept, try again") from exc
