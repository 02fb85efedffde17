"""Publishers, what they were told, and what a topic pattern makes of an event. Functions that only a gateway has."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictStr
from pydantic_core import PydanticCustomError

from gateway.catalog.models import create_model, patch_model
from gateway.catalog.resources import Resource
from gateway.catalog.routes import reading, strict, wanted, writing
from gateway.kernel.db import Database
from gateway.outbox.event import encode
from gateway.outbox.receipts import Answer
from gateway.publishers import rules
from gateway.publishers.commands import PublisherCommands
from gateway.publishers.resources import LOGS, NAME_MAX, PATH, PUBLISHERS
from gateway.publishers.trial import Trial
from gateway.uns.topics import Topics
from gateway.web import listing
from gateway.web.routes import Call, Cells, Parameter, Route, Scope

EVENTS_MAX = 100
EVENT_MAX = 100  # characters
PASSWORD_MAX = 1024
CERTIFICATES_MAX = 65_536  # characters: a whole chain


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "must not be blank", {"constraint": "NOT_NULL"})
    return value


# Nothing that could pass for a line of another protocol: what is behind an address need not be a broker.
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
_Event = Annotated[StrictStr, Field(max_length=EVENT_MAX), AfterValidator(_not_blank)]
_Events = Annotated[list[_Event], Field(min_length=1, max_length=EVENTS_MAX)]
_Username = Annotated[StrictStr, Field(max_length=NAME_MAX, pattern=_PRINTABLE)] | None
_Password = Annotated[StrictStr, Field(max_length=PASSWORD_MAX, pattern=_PRINTABLE)] | None
_Certificate = Annotated[StrictStr, Field(max_length=CERTIFICATES_MAX)] | None

_TOLD = {column.name: column.about or None for column in PUBLISHERS.columns}
_SPECIAL: dict[str, Any] = {"username": _Username, "password": _Password, "ca_certificate": _Certificate}


def _fields(*, made: bool) -> dict[str, tuple[Any, Any]]:
    fields = {name: (kind, Field(None, description=_TOLD[name])) for name, kind in _SPECIAL.items()}
    return fields | {"events": (_Events, Field(... if made else None, description=_TOLD["events"]))}


CREATE = create_model(PUBLISHERS, more=_fields(made=True))
PATCH = patch_model(
    PUBLISHERS, more=_fields(made=False), dropped=("mqtt_publisher_id", "last_connected_at", "last_error", "created_by")
)

_ASKED = (  # with the example of the documentation
    ("topic_pattern", rules.PATTERN),
    ("default_enterprise", rules.ENTERPRISE),
    ("default_site", rules.SITE),
    ("default_area", rules.AREA),
    ("event", "operation.started"),
    ("cell", "Laser 1"),
    ("line", ""),
    ("operation", "Laser cutting"),
    ("job_number", "JOB-2026-001"),
    ("part_number", "BRACKET-A1"),
)
_PREVIEW = {
    "topic": {"type": "string"},
    "placeholders": {"type": "array", "items": {"type": "string"}, "description": "All that a pattern may have."},
    "unknown_placeholders": {"type": "array", "items": {"type": "string"}, "description": "They stay as written."},
    "known_event": {"type": "boolean", "description": "false: nothing ever happens under this name."},
}
_RESULT = {
    "mqtt_publisher_id": {"type": "string", "format": "uuid"},
    "topic": {"type": "string"},
    "success": {"type": "boolean"},
    "error_message": {"type": ["string", "null"]},
    "latency_ms": {"type": ["integer", "null"]},
}


def routes(db: Database, commands: PublisherCommands, trial: Trial, topics: Topics) -> list[Route]:
    return [
        *map(strict, reading(PUBLISHERS, db)),
        *writing(PUBLISHERS, commands, create=CREATE, patch=PATCH, scope=Scope.ADMIN),
        _preview(topics),
        _test(trial),
        *map(strict, reading(LOGS, db)),
    ]


def _preview(topics: Topics) -> Route:
    parameters = tuple(
        Parameter(name, {"type": "string", "maxLength": NAME_MAX} | ({"default": usual} if usual else {}))
        for name, usual in _ASKED
    )

    async def show(call: Call) -> Answer:
        listing.known(call.query, parameters)
        given = dict(_ASKED) | dict(call.query)
        rules.check_pattern(given["topic_pattern"])
        names = (given[f"default_{name}"] for name in ("enterprise", "site", "area"))
        return Answer(
            200, encode({"preview": rules.preview(rules.topics_of(topics, given["topic_pattern"], *names), given)})
        )

    return Route(
        "GET",
        f"{PATH}/preview",
        show,
        Scope.READ,
        Cells.NONE,
        "Show the topic that a pattern makes",
        parameters=parameters,
        answers={"preview": _object(PUBLISHERS, "Preview", _PREVIEW)},
    )


def _test(trial: Trial) -> Route:
    async def test(call: Call) -> Answer:
        listing.known(call.query, ())
        return await trial.run(wanted(PUBLISHERS, call.path["publisher_id"]), call.caller, call.receipt)

    return Route(
        "POST",
        f"{PATH}/{{publisher_id}}/test",
        test,
        Scope.ADMIN,
        Cells.NONE,
        "Publish one message, to see whether it arrives",
        answers={"result": _object(PUBLISHERS, "Test", _RESULT)},
    )


def _object(resource: Resource, word: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": f"{resource.title}{word}",
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }
