"""What the operations page sees live, as server-sent events: the log and the namespace. And what is too large for one answer: an
export, an import, a backup, a support bundle.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial

from aiohttp import web

from gateway.admin import backups, support, transfer
from gateway.admin.logs import wanted
from gateway.admin.socket import CHUNK_BYTES
from gateway.kernel.errors import BadRequest, GatewayError, Unauthorized, Unavailable
from gateway.ops.access import Session
from gateway.ops.namespace import Namespace
from gateway.outbox.event import encode
from gateway.screens.ops_api import API, Ops
from gateway.transfer.commands import laid_down
from gateway.web.routes import Call, Raw
from gateway.web.server import Closing

LOOK_S = 0.5
HEARTBEAT_S = 10.0
STREAM_MAX_S = 600.0  # then the page comes back
EVENTS_MAX = 500  # at once
NAME_MAX = 200
# What the API answers with a file: here -> there.
FILES = {"export": "/api-export", "shift.pdf": "/api-reports/shift.pdf"}


class Streams:
    def __init__(self, ops: Ops, namespace: Namespace) -> None:
        self._ops = ops
        self._namespace = namespace
        self._ending = asyncio.Event()

    def add_to(self, app: web.Application) -> None:
        guarded = self._ops.guarded
        app.router.add_get(f"{API}/logs", guarded(self._logs))
        app.router.add_get(f"{API}/uns", guarded(self._uns))
        for name, path in FILES.items():
            app.router.add_get(f"{API}/{name}", guarded(partial(self._file, path)))
        app.router.add_get(f"{API}/backups/{{name}}", guarded(self._backup))
        app.router.add_get(f"{API}/support.zip", guarded(self._support))
        app.router.add_post(f"{API}/import", guarded(self._import))

    def end(self) -> None:
        """The gateway stops: whoever looks is sent home."""
        self._ending.set()

    async def _logs(self, request: web.Request, _session: Session) -> web.StreamResponse:
        """`level`, `module`, `request_id`: only these; goes on after `Last-Event-ID`."""
        given = {name: request.query.get(name, "") for name in ("level", "module", "request_id")}
        last = request.headers.get("Last-Event-ID", "0")
        return await self._events(request, self._records(given, int(last) if last.isdecimal() else 0))

    async def _records(self, given: dict[str, str], number: int) -> AsyncGenerator[str, None]:
        tail = self._ops.box.tail
        if tail is None:
            raise Unavailable("this gateway keeps no log in memory: it was not started by `run`")
        while True:
            found = tail.after(number)
            for number, record in found[-EVENTS_MAX:]:  # noqa: PLR1704 -- where to go on next time
                if wanted(record, given):
                    yield f"id: {number}\nevent: record\ndata: {encode(record)}\n\n"
            yield ""
            await asyncio.sleep(LOOK_S)

    async def _uns(self, request: web.Request, _session: Session) -> web.StreamResponse:
        return await self._events(request, self._topics())

    async def _topics(self) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(self._namespace.look()) as batches:
                async for batch in batches:
                    yield "" if batch is None else f"event: topics\ndata: {encode(batch)}\n\n"
        except GatewayError as exc:
            yield f"event: trouble\ndata: {encode({'code': exc.code, 'message': exc.message})}\n\n"

    async def _events(self, request: web.Request, pieces: AsyncGenerator[str, None]) -> web.StreamResponse:
        """While the session lasts. An empty piece is a moment in which there was nothing to say."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + STREAM_MAX_S
        said_s = 0.0
        async with aclosing(pieces):
            await response.prepare(request)
            try:
                async for piece in pieces:
                    self._ops.session(request)
                    if piece or loop.time() - said_s >= HEARTBEAT_S:
                        await response.write((piece or ": still here\n\n").encode())
                        said_s = loop.time()
                    if self._ending.is_set() or loop.time() > ends_s or request.transport is None:
                        break  # who has left makes room at once
            except (ConnectionError, Unauthorized):
                pass  # nobody is there any more, or he has left
        return response

    async def _file(self, path: str, request: web.Request, session: Session) -> web.StreamResponse:
        route = next(one for one in self._ops.routes() if one.path == path)
        call = Call(session.who, self._ops.box.new_id(), dict(request.query), {}, request.headers, request.secure)
        made = await route.handler(call)
        if not isinstance(made, Raw):
            raise Unavailable(f"{path} is no file here")
        headers = {"Content-Type": made.content_type, **made.headers}
        if isinstance(made.body, bytes):
            return web.Response(body=made.body, headers=headers)
        response = web.StreamResponse(headers=headers)
        try:
            await response.prepare(request)
            async for chunk in made.body:
                await response.write(chunk)
        finally:
            if isinstance(made.body, Closing):
                await made.body.aclose()
        return response

    async def _backup(self, request: web.Request, session: Session) -> web.StreamResponse:
        file = await backups.file(self._ops.box, request.match_info["name"])
        await self._ops.remember(session, "backups.download", {"name": file.name}, 200)
        headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
        return web.FileResponse(file, chunk_size=CHUNK_BYTES, headers=headers)

    async def _support(self, _request: web.Request, session: Session) -> web.StreamResponse:
        name, packed = await support.packed(self._ops.box)
        await self._ops.remember(session, "support.zip", {}, 200)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=packed, content_type="application/zip", headers=headers)

    async def _import(self, request: web.Request, _session: Session) -> web.StreamResponse:
        """As the command: a file in, lines of JSON out."""
        name = request.query.get("name", "")
        if not 1 <= len(name) <= NAME_MAX:
            raise BadRequest("name is missing: the name of the file tells what is in it, as jobs.csv")
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        async for line in self._imported(request, name):
            await response.write(line)
        return response

    async def _imported(self, request: web.Request, name: str) -> AsyncIterator[bytes]:
        box = self._ops.box
        try:
            async with laid_down(request.content.iter_chunked(CHUNK_BYTES), box.db.room) as path:
                async for told in transfer.importing(box, path, name, dry_run="dry_run" in request.query):
                    yield encode(told).encode() + b"\n"
        except GatewayError as exc:
            yield json.dumps({"error": exc.message}).encode() + b"\n"
