"""Webhooks, and the log of what they were told."""

from typing import Annotated

from pydantic import AfterValidator, Field, StrictStr
from pydantic_core import PydanticCustomError

from gateway.catalog.models import create_model, patch_model
from gateway.catalog.routes import reading, writing
from gateway.kernel.db import Database
from gateway.web.routes import Route, Scope
from gateway.webhooks.commands import WebhookCommands
from gateway.webhooks.resources import URL_MAX, WEBHOOK_LOGS, WEBHOOKS

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


def routes(db: Database, commands: WebhookCommands) -> list[Route]:
    return [
        *reading(WEBHOOKS, db),
        *writing(WEBHOOKS, commands, create=CREATE, patch=PATCH, scope=Scope.ADMIN),
        *reading(WEBHOOK_LOGS, db),
    ]
