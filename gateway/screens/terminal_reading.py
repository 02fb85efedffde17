"""One operation with its papers, what a scan means, what somebody has done today; and photos, which come in."""

import io
from collections.abc import AsyncIterator
from datetime import datetime

from aiohttp import web

from gateway.files import store as files_
from gateway.files.model import File
from gateway.kernel.errors import NotFound
from gateway.kernel.ids import is_uuid
from gateway.screens.station import Station
from gateway.screens.terminal_answers import answer, answered, place, require_seen
from gateway.terminals import detail, finding, store
from gateway.terminals.model import Terminal
from gateway.web import listing
from gateway.web.incoming import Incoming
from gateway.web.routes import Parameter

_TEXT, _SESSION = Parameter("text"), Parameter("session")
_KEPT = "private, max-age=86400, immutable"  # a file never changes under its id
_PLAIN = {"image/png", "image/jpeg", "image/webp", "image/gif", "application/pdf"}  # what a browser may show as it is


class Reading:
    def __init__(self, station: Station, photo_max_bytes: int) -> None:
        self._station = station
        self._photo_max_bytes = photo_max_bytes

    async def operation(self, request: web.Request, terminal: Terminal) -> web.Response:
        """Raises NotFound, CellNotAllowed."""
        operation_id = await self._seen(request, terminal)
        required = self._station.policy.checklist_required
        found = await self._station.db.read(detail.told, operation_id, checklist_required=required)
        for one in found["documents"]:
            if one["kind"] == "pdf" and one["url"]:
                file = await self._station.db.read(files_.by_id, one["id"])
                if file and (count := await self._station.pages.count(file)):
                    one |= {"pages": count, "url": f"{one['url']}/pages/{{page}}"}
        return answer(found)

    async def find(self, request: web.Request, terminal: Terminal) -> web.Response:
        listing.known(request.query, (_TEXT,))
        text = request.query.get("text", "")[: finding.TEXT_MAX]
        seen = self._station.policy.cells(terminal)
        return answer(await self._station.db.read(finding.meant, text, seen))

    async def activity(self, request: web.Request, terminal: Terminal) -> web.Response:
        """Since midnight where the gateway stands. Raises SessionEnded."""
        listing.known(request.query, (_SESSION,))
        session = await self._station.db.read(store.session, terminal.id, request.query.get("session", ""))
        now = self._station.clock.now()
        return answer(await self._station.db.read(detail.activity, session.person.id, today(now), now))

    async def document(self, request: web.Request, terminal: Terminal) -> web.StreamResponse:
        """Raises NotFound, StorageFailed."""
        file = await self._paper(request, terminal)
        where = (file.bucket, file.id)
        if not await self._station.blobs.has(where, file.size_bytes):
            raise NotFound(f"the bytes of {file.name} are not here any more, or not whole")
        chunks = self._station.blobs.read(where, 0, file.size_bytes, file.sha256)
        return await _streamed(request, file, chunks)

    async def page(self, request: web.Request, terminal: Terminal) -> web.Response:
        """Raises NotFound, Busy, StorageFailed."""
        file = await self._paper(request, terminal)
        number = place(request.match_info["page"]) or 0
        picture = await self._station.pages.picture(file, number)
        return web.Response(body=picture, content_type="image/png", headers={"Cache-Control": _KEPT})

    async def program(self, request: web.Request, terminal: Terminal) -> web.Response:
        """The name of the CNC program as a QR code. Raises NotFound, CellNotAllowed."""
        import segno  # noqa: PLC0415 -- paid by who looks at one

        name = await self._station.db.read(detail.program, await self._seen(request, terminal))
        drawn = io.BytesIO()
        segno.make(name, micro=False).save(drawn, kind="svg", scale=8, border=4, dark="#000", light="#fff")
        return web.Response(body=drawn.getvalue(), content_type="image/svg+xml")

    async def photo(self, request: web.Request, terminal: Terminal) -> web.Response:
        """Raises NotFound, CellNotAllowed, Unsupported, TooLarge ..."""
        issue_id, number = request.match_info["id"], place(request.match_info["n"])
        if not is_uuid(issue_id) or number is None:
            raise NotFound("Issue not found")
        incoming = Incoming(request, self._photo_max_bytes)
        made = await self._station.photos.take(terminal, issue_id.lower(), number, incoming)
        return answered(made.data, made.status)

    async def _seen(self, request: web.Request, terminal: Terminal) -> str:
        """The operation's id. Raises NotFound, CellNotAllowed."""
        operation_id = request.match_info["id"]
        if not is_uuid(operation_id):
            raise NotFound("Operation not found")
        cell_id = await self._station.db.read(detail.cell_of, operation_id.lower())
        require_seen(self._station.policy.cells(terminal), cell_id)
        return operation_id.lower()

    async def _paper(self, request: web.Request, terminal: Terminal) -> File:
        """One that the operation's part lists. Raises NotFound, CellNotAllowed."""
        listed = await self._station.db.read(detail.papers, await self._seen(request, terminal))
        for _, file in listed:
            if file is not None and file.id == request.match_info["file"]:
                return file
        raise NotFound("the operation has no such document here")


def today(now: datetime) -> datetime:
    """Midnight where the gateway stands."""
    return now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)


async def _streamed(request: web.Request, file: File, chunks: AsyncIterator[bytes]) -> web.StreamResponse:
    kind = file.content_type if file.content_type in _PLAIN else "application/octet-stream"
    told = {"Content-Type": kind, "Content-Length": str(file.size_bytes), "Cache-Control": _KEPT}
    response = web.StreamResponse(headers={**told, "Content-Disposition": f'attachment; filename="{file.name}"'})
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response
