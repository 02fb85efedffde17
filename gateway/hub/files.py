"""/api-forward/files: the bytes that another gateway's journal tells of, each file by itself."""

from collections.abc import Mapping
from typing import Any

from gateway.files.model import File
from gateway.hub import gateways
from gateway.hub.arrivals import DIGITS_MAX, Arrivals, Bringing, described
from gateway.kernel.errors import BadRequest
from gateway.kernel.room import Use
from gateway.outbox.receipts import Answer
from gateway.web import listing
from gateway.web.routes import Call, Cells, Parameter, Route, Scope

PATH = "/api-forward/files/{file_id}"
_INTEGER = {"type": "integer", "minimum": 1}
_TEXT = {"type": "string"}


def _needed(name: str, about: str, schema: Mapping[str, Any] = _TEXT) -> Parameter:
    return Parameter(name, schema, about, f"{name} is required")


_SAID = (
    _needed("gateway_id", "The gateway that has the file."),
    _needed("epoch", "Its epoch.", _INTEGER),
    _needed("bucket", "Where it lies there."),
    _needed("path", "As rows list it."),
    _needed("content_type", "Of the file."),
    _needed("size", "In bytes.", _INTEGER),
    _needed("sha256", "Of its bytes, in hexadecimal digits."),
    _needed("created_at", "When it was uploaded there."),
)


def routes(arrivals: Arrivals, bytes_max: int) -> list[Route]:
    async def may_come(call: Call) -> Answer:
        return await arrivals.may_come(*_said(call))

    async def take(call: Call) -> Answer:
        assert call.incoming is not None  # nosec B101 # noqa: S101 -- any body is taken as it is
        return await arrivals.take(*_said(call), call.incoming)

    about = (Scope.OPERATE, Cells.NONE)
    return [
        Route(
            "GET",
            PATH,
            may_come,
            *about,
            "May a file of another gateway come, or is it here already?",
            parameters=_SAID,
            answers={"here": {"type": "boolean"}},
            refuses=frozenset((409, 413, 507)),
            strict_method=True,
        ),
        Route(
            "PUT",
            PATH,
            take,
            *about,
            "Take the bytes of a file of another gateway, once",
            parameters=_SAID,
            answers={"id": _TEXT, "size": _INTEGER, "known": {"type": "boolean"}},
            body_max_bytes=bytes_max,
            takes=("*/*",),
            patient=True,
            strict_method=True,
            use=Use.UPLOAD,
        ),
    ]


def _said(call: Call) -> tuple[Bringing, File]:
    """Raises BadRequest, Invalid, Forbidden."""
    listing.known(call.query, _SAID)
    epoch = call.query["epoch"]
    if not (epoch.isascii() and epoch.isdigit() and len(epoch) <= DIGITS_MAX):
        raise BadRequest(f'epoch is "{epoch[:DIGITS_MAX]}", a whole number is wanted')
    gateways.speaks_for(call.caller, call.query["gateway_id"])
    gateways.require_rows(call.caller)
    by = Bringing(call.query["gateway_id"], int(epoch), call.caller.key_id)
    return by, described(call.path["file_id"], call.query)
