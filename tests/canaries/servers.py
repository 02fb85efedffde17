"""The other ends, at their worst: what they are told they tell everybody, in errors above all."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

UNDERSTOOD = ("GET", "HEAD")


@dataclass
class Rude:
    """`/functions/v1` goes to a well-behaved cloud until it is `refusing`: then what is written is refused with all that came
    along, or everything, once it is `broken`. Webhooks are always refused like that, with `known` in the answer.
    """

    behind: str
    session: aiohttp.ClientSession
    known: str
    refusing: bool = False
    broken: bool = False
    told: list[str] = field(default_factory=list)  # bodies of webhooks
    refused: int = 0
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path.startswith("/hook"):
            self.told.append(body.decode())
            return self._echo(request, body, 500)
        if self.broken:
            return self._echo(request, body, 500)
        if self.refusing and request.method not in UNDERSTOOD:
            return self._echo(request, body, 422)
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
        url = self.behind.removesuffix("/functions/v1") + request.raw_path
        async with self.session.request(request.method, url, data=body, headers=headers) as there:
            kept = {"Content-Type": there.headers.get("Content-Type", "application/json")}
            return web.Response(status=there.status, body=await there.read(), headers=kept)

    def _echo(self, request: web.Request, body: bytes, status: int) -> web.Response:
        self.refused += 1
        known = f"you are {self.known}" if request.path.startswith("/hook") else ""
        came = f"{request.raw_path} {dict(request.headers)} {body.decode()} {known}"
        error = {"code": "VALIDATION_ERROR", "message": came, "details": came}
        return web.json_response({"success": False, "error": error}, status=status)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Rude"]:
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = "http://{}:{}".format(*runner.addresses[0])
        try:
            yield self
        finally:
            await runner.cleanup()
