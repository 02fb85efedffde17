"""What the terminal's API has in common: bodies that come, answers that go."""

from collections.abc import Mapping
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from gateway.kernel.errors import BadRequest, CellNotAllowed
from gateway.outbox.event import encode
from gateway.screens.live import Cells
from gateway.terminals.model import Policy, Terminal
from gateway.web import body
from gateway.web.incoming import Incoming

ALL = "all"  # instead of a cell
BODY_MAX_BYTES = 256 * 1024
PACKED_FROM_BYTES = 16 * 1024

Model = TypeVar("Model", bound=BaseModel)


async def sent(request: web.Request, model: type[Model]) -> Model:
    """Raises BadRequest, Invalid, TooLarge."""
    raw = await Incoming(request, BODY_MAX_BYTES).whole()
    return body.validate(model, body.parse(raw or b"{}"))


def answer(data: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return answered(encode(data), status)


def answered(data: str, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """`data`: JSON text."""
    text = f'{{"success":true,"data":{data}}}'.encode()
    response = web.Response(body=text, status=status, content_type="application/json", headers=headers)
    if len(text) > PACKED_FROM_BYTES:
        response.enable_compression()  # if the page takes that: a list of a hall over Wi-Fi
    return response


def cells(request: web.Request, terminal: Terminal, policy: Policy) -> Cells:
    """Those that are asked for, of those that it may see. Raises CellNotAllowed."""
    seen, asked = policy.cells(terminal), request.query.get("cell") or ALL
    if asked == ALL:
        return seen
    require_seen(seen, asked)
    return frozenset((asked,))


def require_seen(seen: Cells, cell_id: str) -> None:
    """Raises CellNotAllowed."""
    if seen is not None and cell_id not in seen:
        raise CellNotAllowed("this terminal sees the cell that it stands in, no other", {"cell_id": cell_id})


def number(request: web.Request, name: str) -> int | None:
    """Raises BadRequest."""
    text = request.query.get(name)
    if text is None:
        return None
    if (found := place(text)) is None:
        raise BadRequest(f'{name} is "{text[:100]}": a number is wanted')
    return found


def place(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004 -- 64 bits
