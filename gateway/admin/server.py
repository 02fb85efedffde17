"""The socket, from inside."""

import json
import os
from pathlib import Path

from aiohttp import web

from gateway.admin import backups
from gateway.admin.box import CALLER, Box
from gateway.admin.socket import CHUNK_BYTES, PATH, SOCKET, short
from gateway.admin.transfer import importing
from gateway.admin.verbs import carried_out
from gateway.kernel.errors import BadRequest, GatewayError
from gateway.outbox.event import encode
from gateway.transfer.commands import laid_down
from gateway.web.auth import Keys
from gateway.web.routes import Caller


class LocalKeys(Keys):
    """Nobody who comes through the socket needs a key."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @property
    def loaded(self) -> bool:
        return self._keys.loaded

    def identify(self, authorization: str | None) -> Caller:
        return CALLER if authorization is None else self._keys.identify(authorization)

    async def learn(self, authorization: str, source: str) -> Caller:
        return await self._keys.learn(authorization, source)


def application(app: web.Application, box: Box) -> web.Application:
    """`app` (the API without keys) and the verbs: POST /_admin/<verb> with the arguments as a JSON object.

    POST /_admin/import takes a file and answers in lines of JSON: how far it is, at the end `answer` or `error`.
    GET /_admin/backups/<name> is one of them.
    """

    async def handle(request: web.Request) -> web.Response:
        try:
            given = json.loads(await request.read() or b"{}")
            answer = await carried_out(box, SOCKET, request.match_info["verb"], given)
            return web.Response(body=encode(answer).encode(), content_type="application/json")
        except (KeyError, TypeError, ValueError) as exc:
            raise BadRequest(f"the arguments do not fit the verb: {exc!r}") from exc

    async def import_(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        try:
            async with laid_down(request.content.iter_chunked(CHUNK_BYTES), box.db.room) as path:
                async for told in importing(box, path, request.query["name"], dry_run="dry_run" in request.query):
                    await response.write(encode(told).encode() + b"\n")
        except GatewayError as exc:
            await response.write(encode({"error": exc.message}).encode() + b"\n")
        return response

    async def backup(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(await backups.file(box, request.match_info["name"]), chunk_size=CHUNK_BYTES)

    app.router.add_get(PATH + "backups/{name}", backup)
    app.router.add_post(PATH + "import", import_)
    app.router.add_post(PATH + "{verb}", handle)
    return app


async def listen(local: web.AppRunner, folder: Path) -> None:
    """Only the owner of the data folder can connect."""
    with short(folder) as near:
        path = near / SOCKET
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            await web.UnixSite(local, path).start()
        finally:
            os.umask(before)
