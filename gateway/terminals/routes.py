"""`/api-terminals`: which terminals there are, and what whoever keeps the box does about them. Only a gateway has it."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictStr

from gateway.catalog.models import Body, Uuid
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock, zulu
from gateway.kernel.db import Database
from gateway.kernel.errors import Forbidden, Invalid, NotFound
from gateway.kernel.ids import is_uuid
from gateway.outbox.event import encode
from gateway.outbox.receipts import Answer
from gateway.terminals import rules, store
from gateway.terminals.model import NewTerminal, Pin
from gateway.terminals.pairing import Terminals
from gateway.terminals.pins import Pins
from gateway.web import listing
from gateway.web.body import detail
from gateway.web.routes import Call, Caller, Cells, Route, Scope

PATH = "/api-terminals"
NAME_MAX = 100
LANGUAGES = ("en", "nl", "de")
THEMES = ("dark", "light", "auto")
ONLINE = timedelta(seconds=150)  # it says every minute that it is there
_TEXT, _MAYBE = {"type": "string"}, {"type": ["string", "null"]}
_YES = {"type": "boolean"}
_Name = Annotated[StrictStr, Field(min_length=1, max_length=NAME_MAX)]
_Language: Any = Literal[LANGUAGES]
_Theme: Any = Literal[THEMES]
_TERMINAL = {
    "title": "Terminal",
    "type": "object",
    "required": ["id", "name", "active", "online", "about", "seen", "created_at"],
    "properties": dict.fromkeys(("id", "name", "created_at"), _TEXT)
    | dict.fromkeys(("cell_id", "cell_name", "language", "theme", "last_seen_at", "revoked_at"), _MAYBE)
    | dict.fromkeys(("active", "online"), _YES)
    | {
        "about": {"type": "object", "description": "What its browser says of itself."},
        "seen": {
            "type": "object",
            "description": "waiting, oldest_age_ms, build, reload_protection, battery, clock_offset_ms",
        },
    },
}
_CODE = {
    "code": {"type": "string", "description": "Typed at the terminal; shown now and never again."},
    "name": _TEXT,
    "cell_id": _MAYBE,
    "language": _MAYBE,
    "theme": _MAYBE,
    "expires_at": _TEXT,
}
_DONE = '{"message":"Terminal revoked"}'


class NewTerminalBody(Body):
    """A terminal that is to be paired."""

    entity: ClassVar[str] = "terminal"

    name: _Name = Field(description="For people: where it stands.")
    cell_id: Uuid | None = Field(None, description="The cell whose work it shows first.")
    language: _Language | None = None
    theme: _Theme | None = None


class TerminalPatch(Body):
    """A terminal that has moved, or is called otherwise."""

    entity: ClassVar[str] = "terminal"

    name: _Name | None = Field(None, description="For people: where it stands.")
    cell_id: Uuid | None = Field(None, description="The cell whose work it shows first.")
    language: _Language | None = None
    theme: _Theme | None = None


class PinBody(Body):
    """A PIN for somebody who works here."""

    entity: ClassVar[str] = "pin"

    operator_id: Uuid = Field(description="The profile.")
    pin: Annotated[
        str,
        Field(
            pattern=rf"^[0-9]{{{rules.PIN_DIGITS_MIN},{rules.PIN_DIGITS_MAX}}}$",
            repr=False,
            description="Kept as something it can be compared with, on this box alone.",
        ),
    ]


def routes(db: Database, clock: Clock, terminals: Terminals, pins: Pins) -> list[Route]:
    async def show(call: Call) -> Answer:
        _whole(call.caller)
        listing.known(call.query, ())
        after = time_.text(clock.now() - ONLINE)
        found = await db.read(store.listed)
        told = [{**one, "online": one["active"] and (one["last_seen_at"] or "") > after} for one in found]
        return Answer(200, encode({"terminals": told}))

    async def make(call: Call) -> Answer:
        _admitted(call)
        wanted = NewTerminal(**{"cell_id": None, **call.body.given()})
        code, expires_at = await terminals.code(wanted)
        told = {name: getattr(wanted, name) for name in ("name", "cell_id", "language", "theme")}
        return Answer(201, encode({"code": code, **told, "expires_at": zulu(expires_at)}))

    async def change(call: Call) -> Answer:
        _admitted(call)
        terminal_id, given = _id(call), call.body.given()
        if given.get("name", "") is None:
            message = "name must not be null: leave it out, or say how it is called"
            raise Invalid(message, [detail("name", message, "NOT_NULL")])
        await terminals.change(terminal_id, given)
        return Answer(200, encode({"terminal": terminals.of(terminal_id).told}))

    async def revoke(call: Call) -> Answer:
        _admitted(call)
        await terminals.revoke(_id(call))
        return Answer(200, _DONE)

    async def identify(call: Call) -> Answer:
        _admitted(call)
        terminals.mean(_id(call))
        return Answer(200, '{"message":"Its screen shows that it is meant"}')

    async def set_pin(call: Call) -> Answer:
        _admitted(call)
        given = call.body.given()
        await pins.set(await db.read(store.person, given["operator_id"]), Pin(given["pin"]))
        return Answer(200, '{"message":"PIN set"}')

    one = f"{PATH}/{{terminal_id}}"
    message = {"message": _TEXT}
    changed = {"terminal": {"type": "object", "properties": dict.fromkeys(("id", "name"), _TEXT)}}
    return [
        _route(
            "GET", PATH, show, "List station terminals", answers={"terminals": {"type": "array", "items": _TERMINAL}}
        ),
        _route("POST", PATH, make, "A code to pair a terminal with", body=NewTerminalBody, answers=_CODE, status=201),
        _route("PATCH", one, change, "Call a terminal otherwise, or move it", body=TerminalPatch, answers=changed),
        _route("DELETE", one, revoke, "Shut a terminal out", answers=message),
        _route("POST", f"{one}/identify", identify, "Let a terminal show that it is meant", answers=message),
        _route("PUT", f"{PATH}/pins", set_pin, "Set the PIN of somebody who works here", body=PinBody, answers=message),
    ]


def _route(method: str, path: str, handler: Any, summary: str, **more: Any) -> Route:
    return Route(method, path, handler, Scope.ADMIN, Cells.NONE, summary, strict_method=True, **more)


def _admitted(call: Call) -> None:
    """Raises Forbidden, Invalid."""
    _whole(call.caller)
    listing.known(call.query, ())


def _whole(caller: Caller) -> None:
    """A key that is held to some cells could let in a terminal that is not. Raises Forbidden."""
    if caller.cells is not None:
        raise Forbidden("a key that is held to some cells may not look after terminals")


def _id(call: Call) -> str:
    """Raises NotFound."""
    terminal_id = call.path["terminal_id"]
    if not is_uuid(terminal_id):
        raise NotFound(f'no terminal that may connect has the id "{terminal_id[:NAME_MAX]}"')
    return terminal_id.lower()
