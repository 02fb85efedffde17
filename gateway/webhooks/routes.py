"""Webhooks, the log of what they were told, and what they could not be told."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, StrictStr
from pydantic_core import PydanticCustomError

from gateway.catalog.models import Body, create_model, patch_model
from gateway.catalog.routes import reading, wanted, writing
from gateway.kernel.db import Database
from gateway.kernel.errors import CellNotAllowed
from gateway.outbox.event import encode
from gateway.outbox.receipts import Answer
from gateway.web import listing
from gateway.web.routes import Call, Cells, Parameter, Route, Scope
from gateway.webhooks import store as deliveries
from gateway.webhooks.commands import WebhookCommands
from gateway.webhooks.resources import URL_MAX, WEBHOOK_LOGS, WEBHOOKS
from gateway.webhooks.trial import Trial

EVENTS_MAX = 100
EVENT_MAX = 100  # characters
SECRET_MAX = 1024


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must not be blank", {"constraint": "NOT_NULL"})
    return text


_Url = Annotated[StrictStr, Field(max_length=URL_MAX, pattern=r"^https?://")]
# [U] any name is taken: one that nothing ever happens under is never told.
_Event = Annotated[StrictStr, Field(max_length=EVENT_MAX), AfterValidator(_not_blank)]
_Events = Annotated[list[_Event], Field(min_length=1, max_length=EVENTS_MAX)]
_Secret = Annotated[StrictStr, Field(min_length=1, max_length=SECRET_MAX)]

_TOLD = {column.name: column.about for column in WEBHOOKS.columns}
_SECRET = (_Secret, Field(None, description=_TOLD["secret_key"]))
CREATE = create_model(
    WEBHOOKS,
    more={
        "url": (_Url, Field(description=_TOLD["url"])),
        "events": (_Events, Field(description=_TOLD["events"])),
        "secret_key": _SECRET,
    },
)
PATCH = patch_model(
    WEBHOOKS,
    more={
        "url": (_Url, Field(None, description=_TOLD["url"])),
        "events": (_Events, Field(None, description=_TOLD["events"])),
        "secret_key": _SECRET,
    },
)


class Again(Body):
    """Which of them; without any, all."""

    entity: ClassVar[str] = "dead_letter"

    seqs: list[Annotated[int, Field(ge=1, strict=True)]] | None = Field(
        None, min_length=1, max_length=listing.LIMIT_MAX, description="Their `seq`; all of them when left out."
    )


_LETTER: dict[str, Any] = {
    "title": "DeadLetter",
    "type": "object",
    "properties": {
        "seq": {"type": "integer", "description": "Of the journal."},
        "event_id": {"type": "string", "description": "Its `webhook-id`, the same at every try."},
        "event_type": {"type": "string"},
        "state": {
            "enum": ["retry", "parked"],
            "description": "`retry`: is tried again by itself; `parked`: a dead letter.",
        },
        "reason": {"type": "string"},
        "tries": {"type": "integer", "description": "Rounds of quick tries that failed."},
        "occurred_at": {"type": "string", "format": "date-time"},
        "parked_at": {"type": "string", "format": "date-time"},
    },
}
_RESULT: dict[str, Any] = {
    "title": "WebhookTest",
    "type": "object",
    "properties": {
        "webhook_id": {"type": "string", "format": "uuid"},
        "success": {"type": "boolean"},
        "status_code": {"type": ["integer", "null"]},
        "error_message": {"type": ["string", "null"]},
        "latency_ms": {"type": "integer"},
    },
}
_PAGES = (
    Parameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": listing.LIMIT_MAX, "default": listing.LIMIT_DEFAULT}
    ),
    Parameter("offset", {"type": "integer", "minimum": 0, "default": 0}),
)


def routes(db: Database, commands: WebhookCommands, trial: Trial) -> list[Route]:
    return [
        *reading(WEBHOOKS, db),
        *writing(WEBHOOKS, commands, create=CREATE, patch=PATCH, scope=Scope.ADMIN),
        *reading(WEBHOOK_LOGS, db),
        _test(trial),
        *_letters(db, commands),
    ]


def _test(trial: Trial) -> Route:
    async def test(call: Call) -> Answer:
        listing.known(call.query, ())
        return await trial.run(_webhook(call), call.caller, call.receipt)

    return Route(
        "POST",
        f"{WEBHOOKS.path}/{{webhook_id}}/test",
        test,
        Scope.ADMIN,
        Cells.NONE,
        "Deliver something that never happened, to see whether it is taken",
        answers={"result": _RESULT},
    )


def _letters(db: Database, commands: WebhookCommands) -> list[Route]:
    path = f"{WEBHOOKS.path}/{{webhook_id}}/dead-letters"

    async def show(call: Call) -> Answer:
        listing.known(call.query, _PAGES)
        if call.caller.cells is not None:
            raise CellNotAllowed("a webhook is told of every cell, this key may see some only")
        page = listing.checked(call.query, WEBHOOKS.listable)
        found, total = await db.read(deliveries.letters, _webhook(call), page.limit, page.offset)
        pagination = {"total": total, "offset": page.offset, "limit": page.limit, "next_cursor": None}
        return Answer(200, encode({"dead_letters": found, "pagination": pagination}))

    async def again(call: Call) -> Answer:
        listing.known(call.query, ())
        return await commands.retry(_webhook(call), call.body.seqs, call.caller, call.receipt)

    answers = {"dead_letters": {"type": "array", "items": _LETTER}, "pagination": listing.PAGINATION}
    retried = {"retried": {"type": "integer"}}
    about = "What a webhook could not be told", "Tell it again"
    return [
        Route("GET", path, show, Scope.READ, Cells.NONE, about[0], parameters=_PAGES, answers=answers),
        Route("POST", f"{path}/retry", again, Scope.ADMIN, Cells.NONE, about[1], Again, answers=retried),
    ]


def _webhook(call: Call) -> str:
    return wanted(WEBHOOKS, call.path["webhook_id"])
