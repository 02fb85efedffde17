"""The files of the pages, as the package carries them: read once, hashed together, compressed once each.

One build id names them all, so modules import each other by relative paths and a browser keeps them for ever.
"""

import gzip
import hashlib
import re
from collections.abc import Iterator
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from gateway import __version__

TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
SPRITE = "icons.svg"
# A page's style sheet -> what it is made of, in order: one request instead of five.
STYLES = {
    "terminal/styles.css": (
        "shared/tokens.css",
        "shared/base.css",
        "terminal/terminal.css",
        "terminal/views.css",
        "terminal/forms.css",
    ),
    "trust/styles.css": ("shared/tokens.css", "shared/base.css", "trust/trust.css"),
    "ops/styles.css": ("shared/tokens.css", "shared/base.css", "vendor/uplot/uPlot.min.css", "ops/ops.css"),
}
BUILD_CHARACTERS = 16
NEEDED = "vendor/lit-html/lit-html.js"  # without it there are no pages
_ICONS = "vendor/icons/"
_ELSEWHERE = ("vendor/swagger-ui/",)  # served at /docs
_DRAWING = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
_LICENCE = re.compile(r"<!-- @license .*? -->")


class Assets:
    """Paths are relative to `static/`, with `/`; `icons.svg`, all icons, and the page's `styles.css` are made here."""

    def __init__(self, root: Traversable | None = None) -> None:
        self._root = root or files("gateway.screens") / "static"
        self._packed: dict[str, bytes] = {}

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Path -> content."""
        found = dict(sorted(_below(self._root, "")))
        icons = {path: found.pop(path) for path in [*found] if path.startswith(_ICONS) and path.endswith(".svg")}
        styles = _styles(found)
        parts = {part for path in styles for part in STYLES[path]}
        plain = {path: content for path, content in found.items() if path not in parts}
        return {**plain, **styles, SPRITE: _sprite(icons)}

    @cached_property
    def build(self) -> str:
        """The same for the same files and version, another for any other."""
        whole = hashlib.sha256(__version__.encode())
        for path, content in self.files.items():
            whole.update(f"\n{path} {hashlib.sha256(content).hexdigest()}".encode())
        return whole.hexdigest()[:BUILD_CHARACTERS]

    @property
    def complete(self) -> bool:
        """False in a clone whose set-up could not fetch the libraries."""
        return NEEDED in self.files

    def packed(self, path: str) -> bytes:
        """gzip of a file."""
        if path not in self._packed:
            self._packed[path] = gzip.compress(self.files[path], mtime=0)
        return self._packed[path]

    def url(self, path: str) -> str:
        return f"/static/{self.build}/{path}"


def content_type(path: str) -> str:
    return TYPES[path.rpartition(".")[2]]


def _below(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = f"{path}{entry.name}"
        if entry.is_dir():
            if f"{name}/" not in _ELSEWHERE:
                yield from _below(entry, f"{name}/")
        elif name.rpartition(".")[2] in TYPES:
            yield name, entry.read_bytes()


def _styles(found: dict[str, bytes]) -> dict[str, bytes]:
    """Those whose parts are all there: in a clone without the libraries there are no pages."""
    there = {path: parts for path, parts in STYLES.items() if found.keys() >= {*parts}}
    return {path: b"\n".join(found[part] for part in parts) for path, parts in there.items()}


def _sprite(icons: dict[str, bytes]) -> bytes:
    """Each a symbol by its name; how it is drawn (stroke, no fill) says the page's stylesheet."""
    texts = {path.removeprefix(_ICONS).removesuffix(".svg"): one.decode() for path, one in icons.items()}
    licence = next((found[0] for text in texts.values() if (found := _LICENCE.search(text))), "")
    symbols = (
        f'<symbol id="{name}" viewBox="0 0 24 24">{" ".join(found[1].split())}</symbol>'
        for name, text in texts.items()
        if (found := _DRAWING.search(text))
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg">{licence}{"".join(symbols)}</svg>'.encode()
