"""`/api-key-generate`: the cloud asks for an administrator's session there, we for a key with the scope admin."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StrictStr
from pydantic.json_schema import WithJsonSchema

from gateway.catalog.models import Body, Uuid
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest, Invalid, Unauthorized
from gateway.keys import store
from gateway.keys.commands import KeyCommands
from gateway.outbox.receipts import Answer
from gateway.web.body import detail
from gateway.web.routes import Call, Caller, Cells, Parameter, Route, Scope

PATH = "/api-key-generate"
DENIED = "Admin authentication required"
NAME_MAX = 255
CELLS_MAX = 1_000
_TEXT = {"type": "string"}
_PERSON = {"type": ["object", "null"]}
_KEY = dict.fromkeys(("id", "name", "key_prefix", "prefix", "scope", "created_at"), _TEXT) | {
    "cells": {"type": ["array", "null"], "items": _TEXT, "description": "Ids; null: every cell."},
    "operator_id": {"type": ["string", "null"]},
}
_LISTED = {
    "title": "ApiKey",
    "type": "object",
    "required": ["id", "name", "key_prefix", "active", "scope", "origin", "created_at"],
    "properties": _KEY
    | {"active": {"type": "boolean"}, "last_used_at": {"type": ["string", "null"]}}
    | {"created_by": _PERSON, "operator": _PERSON, "origin": {"type": "string", "enum": ["local", "cloud"]}},
}
_MADE = _KEY | {"api_key": {"type": "string", "description": "Shown now and never again."}, "warning": _TEXT}


class NewApiKey(Body):
    """A key to be made."""

    entity: ClassVar[str] = "api_key"

    name: Annotated[Any, WithJsonSchema(_TEXT | {"minLength": 1, "maxLength": NAME_MAX})] = Field(
        None, description="Required; for people: which terminal, which program."
    )
    scope: Literal["read", "operate", "plan", "admin"] = Field("admin", description="Each contains those before it.")
    cells: Annotated[list[StrictStr], Field(min_length=1, max_length=CELLS_MAX)] | None = Field(
        None, description="Names or ids of the only cells that it may see and write in."
    )
    operator_id: Uuid | None = Field(None, description="The profile that work is booked on when a request names none.")


def routes(db: Database, commands: KeyCommands) -> list[Route]:
    async def show(call: Call) -> Answer:
        _whole(call.caller)
        return Answer(200, await db.read(store.listed))

    async def make(call: Call) -> Answer:
        _whole(call.caller)
        given = call.body.given()
        _named(given.get("name"))
        return await commands.create(given, call.caller, call.receipt)

    async def end(call: Call) -> Answer:
        _whole(call.caller)
        return await commands.end(call.query["id"].lower(), call.caller, call.receipt)

    def route(method: str, handler: Any, summary: str, **more: Any) -> Route:
        return Route(method, PATH, handler, Scope.ADMIN, Cells.NONE, summary, denied=DENIED, **more)

    made: dict[str, Any] = {"body": NewApiKey, "answers": _MADE, "status": 201}
    asked = (Parameter("id", {"type": "string", "format": "uuid"}, "The key's id.", "API key ID is required"),)
    return [
        route("GET", show, "List API keys", answers={"api_keys": {"type": "array", "items": _LISTED}}),
        route("POST", make, "Create an API key", **made),
        # [U] every other method makes one as well
        route("PUT", make, "Create an API key (the same as POST)", **made),
        route("PATCH", make, "Create an API key (the same as POST)", **made),
        route("DELETE", end, "End an API key", parameters=asked, answers={"message": _TEXT}),
    ]


def _whole(caller: Caller) -> None:
    """A key that is held to some cells could make one that is not. Raises Unauthorized."""
    if caller.cells is not None:
        raise Unauthorized(DENIED)


def _named(name: Any) -> None:
    """[U] a name that is missing is a bad request. Raises BadRequest, Invalid."""
    if not isinstance(name, str) or not name.strip():
        message = "name is required: what the key is for"
        raise BadRequest(message, [detail("name", message, "NOT_NULL")], code="VALIDATION_ERROR")
    if len(name) > NAME_MAX:
        message = f"name must be at most {NAME_MAX} characters"
        raise Invalid(f"1 validation error(s) in api_key: {message}", [detail("name", message, "MAX_LENGTH")])
