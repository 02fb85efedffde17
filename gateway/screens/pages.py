"""`/terminal/`, `/ops/` and their files at `/static/<build id>/...`: nothing inline, nothing from outside."""

import base64
import hashlib
import json

from aiohttp import web

from gateway.screens.assets import SPRITE, Assets, content_type

# What stands in our modules' imports -> where it lies. The browser reads this, as there is no bundler.
IMPORTS = {
    "lit": "vendor/lit-element/lit-element.js",
    "lit/directives/": "vendor/lit-html/directives/",
    "lit-html": "vendor/lit-html/lit-html.js",
    "@lit/reactive-element": "vendor/reactive-element/reactive-element.js",
    "uplot": "vendor/uplot/uPlot.esm.js",
    "shared/": "shared/",
}
# What a terminal keeps for the time without a gateway.
SHELL = ("shared/", "terminal/", "i18n/", "vendor/lit-", "vendor/reactive-element/", SPRITE)
NOT_KEPT = ("terminal/index.html", "terminal/sw.js")  # served by other names, filled in
FOR_EVER = "public, max-age=31536000, immutable"
CAMERA = {"terminal": "camera=(self)", "ops": "camera=()"}
_NO_PAGES = "The pages are not part of this build: `make setup` fetches their libraries, once there is a way to the npm registry.\n"


class Screens:
    """`index.html` and `sw.js` are asked for anew each time; whatever they name never changes."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def add_to(self, app: web.Application) -> None:
        for path in ("/terminal", "/ops"):
            app.router.add_get(path, self._slash)
        for path in ("/terminal/", "/terminal/board"):
            app.router.add_get(path, self._terminal)
        app.router.add_get("/terminal/sw.js", self._worker)
        for path in ("/ops/", "/ops/setup"):
            app.router.add_get(path, self._ops)
        app.router.add_get("/static/{build}/{path:.+}", self._file)

    async def _slash(self, request: web.Request) -> web.Response:
        raise web.HTTPPermanentRedirect(request.path + "/")

    async def _terminal(self, request: web.Request) -> web.Response:
        return self._page(request, "terminal")

    async def _ops(self, request: web.Request) -> web.Response:
        return self._page(request, "ops")

    def _page(self, request: web.Request, name: str) -> web.Response:
        if not self._assets.complete:
            return web.Response(text=_NO_PAGES)
        imports = self._import_map()
        headers = {**_policy(imports), "Permissions-Policy": CAMERA[name]}
        return self._filled(request, f"{name}/index.html", {"{{imports}}": imports}, headers)

    async def _worker(self, request: web.Request) -> web.Response:
        """The service worker: it lies where its pages lie, and knows by name every file that they may need."""
        kept = [
            self._assets.url(path) for path in self._assets.files if path.startswith(SHELL) and path not in NOT_KEPT
        ]
        return self._filled(request, "terminal/sw.js", {'"{{files}}"': json.dumps(kept)}, _policy(self._import_map()))

    def _filled(self, request: web.Request, path: str, values: dict[str, str], headers: dict[str, str]) -> web.Response:
        template = self._assets.files.get(path)
        if template is None:
            raise web.HTTPNotFound
        tag = f'"{self._assets.build}"'
        headers = {**headers, "Cache-Control": "no-cache", "ETag": tag}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        text = template.decode()
        for name, value in {**values, "{{build}}": self._assets.build}.items():
            text = text.replace(name, value)
        return web.Response(body=text.encode(), headers={**headers, "Content-Type": content_type(path)})

    async def _file(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        content = self._assets.files.get(path)
        if content is None or request.match_info["build"] != self._assets.build:
            raise web.HTTPNotFound
        headers = {
            "Content-Type": content_type(path),
            "Cache-Control": FOR_EVER,
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
        }
        packed = self._assets.packed(path)
        if "gzip" in request.headers.get("Accept-Encoding", "") and len(packed) < len(content):
            return web.Response(body=packed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=content, headers=headers)

    def _import_map(self) -> str:
        return json.dumps({"imports": {name: self._assets.url(path) for name, path in IMPORTS.items()}})


def _policy(imports: str) -> dict[str, str]:
    """The import map is the one script that stands in the page; its hash lets in it alone."""
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    return {
        "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        f"frame-ancestors 'none'; script-src 'self' 'sha256-{digest}'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
    }
