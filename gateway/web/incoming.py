"""A body as it comes in, for routes that take something else than JSON; never more of it than the route takes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.kernel.errors import BadRequest, TooLarge, Unsupported

BODY_MAX_S = 30.0  # in which a body has to arrive
UPLOAD_MAX_S = 600.0  # the same for one that is taken piece by piece: a photo over a bad wireless line
CHUNK_BYTES = 256 * 1024
# What reading a body ends with when that is not one, or not all of one.
_UNREADABLE = (
    *(ValueError, LookupError, RuntimeError, TypeError, AssertionError),
    *(ConnectionError, HttpProcessingError, web.RequestPayloadError),
)


@dataclass(frozen=True, slots=True)
class Field:
    """One file of a form. `chunks` can be read once."""

    filename: str
    content_type: str
    chunks: AsyncIterator[bytes]


class Incoming:
    """The body of one request. It can be read once, by one of these."""

    def __init__(self, request: web.Request, limit: int) -> None:
        self._request = request
        self._limit = limit

    @property
    def content_type(self) -> str:
        """In small letters, without parameters."""
        return self._request.content_type

    @property
    def length(self) -> int | None:
        """As announced."""
        return self._request.content_length

    async def whole(self) -> bytes:
        """All of it. Raises TooLarge, as soon as that is known, and BadRequest when it does not come."""
        self._announced()
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_MAX_S):
                while chunk := await self._request.content.readany():
                    body += chunk
                    self._fits(len(body))
        except TimeoutError:
            raise BadRequest(f"the body did not arrive within {BODY_MAX_S:.0f} s") from None
        except (ConnectionError, web.RequestPayloadError) as exc:
            raise BadRequest(f"the body broke off: {exc}") from None
        return bytes(body)

    def chunks(self) -> AsyncIterator[bytes]:
        """Piece by piece. Raises as `whole` does."""
        return self._bounded(self._request.content.readany)

    async def file(self, name: str | None) -> Field:
        """The first file of a form; the one in the field `name` when that is given.

        Raises Unsupported, BadRequest; its chunks also TooLarge.
        """
        if not self.content_type.startswith("multipart/"):
            raise Unsupported(
                f'send it as multipart/form-data with a file in the field "{name}", not as {self.content_type}'
            )
        self._announced()
        try:
            async with asyncio.timeout(UPLOAD_MAX_S):
                part = await self._part(name)
        except TimeoutError:
            raise BadRequest(f"the form did not arrive within {UPLOAD_MAX_S:.0f} s") from None
        except _UNREADABLE as exc:
            raise BadRequest(f"the form cannot be read: {exc}") from exc
        if part is None or part.filename is None:
            raise BadRequest(f'the form has no file in the field "{name}"' if name else "the form has no file")
        kind = part.headers.get("Content-Type", "application/octet-stream").partition(";")[0].strip()

        async def more() -> bytes:
            chunk = await part.read_chunk(CHUNK_BYTES)
            if not chunk and not part.at_eof():  # the reader itself does not mind
                raise ValueError("the form ends in the middle of the file")
            return chunk

        return Field(part.filename, kind.lower(), self._bounded(more))

    async def _part(self, name: str | None) -> BodyPartReader | None:
        reader = await self._request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, BodyPartReader) and (part.filename is not None if name is None else part.name == name):
                return part
        return None

    async def _bounded(self, more: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
        self._announced()
        size = 0
        ends_s = asyncio.get_running_loop().time() + UPLOAD_MAX_S
        try:
            while True:
                async with asyncio.timeout_at(ends_s):
                    chunk = await more()
                if not chunk:
                    return
                size += len(chunk)
                self._fits(size)
                yield bytes(chunk)
        except TimeoutError:
            raise BadRequest(f"the body did not arrive within {UPLOAD_MAX_S:.0f} s") from None
        except _UNREADABLE as exc:
            raise BadRequest(f"the body broke off: {exc}") from None

    def _announced(self) -> None:
        if self.length is not None:
            self._fits(self.length)

    def _fits(self, size: int) -> None:
        if size > self._limit:
            raise TooLarge(f"the body is larger than {self._limit} bytes: send it in parts")


class InHand(Incoming):
    """A body that is all there already."""

    def __init__(self, content_type: str, body: bytes, limit: int) -> None:
        self._content_type = content_type
        self._body = body
        self._limit = limit

    @property
    def content_type(self) -> str:
        return self._content_type

    @property
    def length(self) -> int:
        return len(self._body)

    async def whole(self) -> bytes:
        self._announced()
        return self._body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield await self.whole()

    async def file(self, name: str | None) -> Field:
        raise Unsupported(f'there is no form with a field "{name}" here')
