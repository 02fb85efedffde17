"""What a hub offers: /api-capabilities, /api-changes, /api-events, /api-snapshot."""

from collections.abc import Mapping
from typing import Any

from gateway.catalog.routes import ID
from gateway.hub import events
from gateway.hub.changes import Asked
from gateway.hub.entities import ENTITIES, epoch, sight
from gateway.hub.events import Wanted
from gateway.hub.snapshot import Moments
from gateway.hub.stream import PAGE_MAX, WAIT_MAX_S, Feed
from gateway.kernel.db import Database
from gateway.outbox.event import EventType, encode, subscribed
from gateway.outbox.receipts import Answer
from gateway.web import listing
from gateway.web.listing import wrong
from gateway.web.routes import Call, Cells, Parameter, Raw, Route, Scope

EVENT_STREAM = "text/event-stream"
LIMIT_DEFAULT = 100
SEQ_MAX = 2**63 - 1
_INTEGER = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_NULLABLE = {"type": ["string", "null"]}

_ENTITIES = Parameter("entities", about=f"Names with commas between ({', '.join(ENTITIES)}); all of them without.")
_CHANGES = (
    Parameter(
        "since", {**_INTEGER, "default": 0}, "The seq that everything is known up to: `next` of the page before."
    ),
    Parameter("limit", {**_INTEGER, "minimum": 1, "maximum": PAGE_MAX, "default": LIMIT_DEFAULT}, "Journal entries."),
    _ENTITIES,
    Parameter("cell_id", ID.schema, "Only rows of this cell, and those that belong to none."),
    Parameter("epoch", _INTEGER, "The epoch that `since` was told in; another one here is 410."),
    Parameter(
        "wait", {**_INTEGER, "maximum": WAIT_MAX_S, "default": 0}, "Seconds to wait for a change when there is none."
    ),
)
_EVENTS = (
    Parameter(
        "since", {**_INTEGER, "default": 0}, "The seq that everything is known up to: `next` of the page before."
    ),
    Parameter(
        "limit",
        {**_INTEGER, "minimum": 1, "maximum": events.LIMIT_MAX, "default": events.LIMIT_DEFAULT},
        "Events.",
    ),
    Parameter("types", about="Names of events with commas between, `job.*` for all of a kind; all of them without."),
    Parameter("epoch", _INTEGER, "The epoch that `since` was told in; another one here is 410."),
)
_REQUEST = {
    "type": ["string", "null"],
    "description": "Of the request that it comes from, as its answer had it in `X-Request-Id`; null: of none.",
}
_EVENT = {
    "title": "PastEvent",
    "type": "object",
    "required": ["seq", "id", "origin", "event", "timestamp", "data"],
    "properties": {
        "seq": _INTEGER,
        "id": {"type": "string", "description": "The same wherever it is told: who has it already drops it."},
        "origin": {"type": "string", "description": "The gateway that did it, or `cloud`."},
        "event": {"type": "string", "enum": [*EventType]},
        "timestamp": {"type": "string", "description": "When it happened."},
        "request_id": _REQUEST,
        "data": {"type": ["object", "null"]},
    },
}
_CHANGE = {
    "title": "RowChange",
    "type": "object",
    "required": ["seq", "entity", "id", "op", "row_version", "changed_fields", "origin", "occurred_at", "row"],
    "properties": {
        "seq": _INTEGER,
        "entity": {"type": "string", "enum": [*ENTITIES]},
        "id": _TEXT,
        "op": {"type": "string", "enum": ["upsert", "delete"]},
        "row_version": _INTEGER,
        "changed_fields": {"type": ["array", "null"], "items": _TEXT, "description": "null: of a new or deleted row"},
        "origin": {"type": "string", "description": "The gateway that did it, or `cloud`."},
        "occurred_at": _TEXT,
        "recorded_at": _TEXT,
        "request_id": _REQUEST,
        "row": {"type": ["object", "null"], "description": "As it is now, in the JSON of the REST API."},
    },
}
_CAPABILITIES: Mapping[str, Any] = {
    "idempotency": True,
    "change_feed": True,
    "if_match": True,
    "batch": True,
    "journal": True,
    "events": True,
    "time_unit": "minutes",
}


def routes(db: Database, feed: Feed, moments: Moments, version: str) -> list[Route]:
    async def capabilities(call: Call) -> Answer:
        listing.known(call.query, ())
        return Answer(200, encode({**_CAPABILITIES, "version": version, "epoch": await db.read(epoch)}))

    async def changes(call: Call) -> Answer | Raw:
        listing.known(call.query, _CHANGES)
        cell = call.query.get("cell_id")
        seen = sight(call.caller, call.query.get("entities", ""), listing.uuid("cell_id", cell) if cell else None)
        streamed = EVENT_STREAM in call.headers.get("Accept", "")
        since = _number(call, "since", 0, SEQ_MAX)
        if streamed and (resumed := call.headers.get("Last-Event-ID")):
            since = _checked("Last-Event-ID", resumed, 0, SEQ_MAX)
        of = _number(call, "epoch", 0, SEQ_MAX) if "epoch" in call.query else None
        asked = Asked(since, _number(call, "limit", 1, PAGE_MAX, LIMIT_DEFAULT), of)
        wait_s, key_id = _number(call, "wait", 0, WAIT_MAX_S), call.caller.key_id
        if streamed:
            told = await feed.stream(asked, seen, key_id)
            return Raw(EVENT_STREAM, told, headers={"X-Accel-Buffering": "no"})
        found = await (feed.poll(asked, seen, key_id, wait_s) if wait_s else feed.page(asked, seen))
        return Answer(200, found.text)

    async def happened(call: Call) -> Answer:
        listing.known(call.query, _EVENTS)
        of = _number(call, "epoch", 0, SEQ_MAX) if "epoch" in call.query else None
        limit = _number(call, "limit", 1, events.LIMIT_MAX, events.LIMIT_DEFAULT)
        wanted = Wanted(_number(call, "since", 0, SEQ_MAX), limit, _types(call.query.get("types", "")), of)
        return Answer(200, await db.read(events.page, wanted, sight(call.caller)))

    async def snapshot(call: Call) -> Raw:
        listing.known(call.query, (_ENTITIES,))
        chunks = await moments.open(sight(call.caller, call.query.get("entities", "")))
        return Raw("application/json", chunks)

    told = {name: {"type": "boolean"} for name, value in _CAPABILITIES.items() if value is True}
    page = {"next": _INTEGER, "has_more": {"type": "boolean"}, "epoch": _INTEGER}
    return [
        Route(
            "GET",
            "/api-capabilities",
            capabilities,
            Scope.READ,
            Cells.NONE,
            "What can be done here that a plain cloud cannot",
            answers={**told, "time_unit": _TEXT, "version": _TEXT, "epoch": _INTEGER},
            refuses=frozenset((422,)),
        ),
        Route(
            "GET",
            "/api-changes",
            changes,
            Scope.READ,
            Cells.FILTERED,
            "What has changed since a position in the journal; with `Accept: text/event-stream` a stream of it",
            parameters=_CHANGES,
            answers={"changes": {"type": "array", "items": _CHANGE}, **page},
            refuses=frozenset((410,)),
            patient=True,
        ),
        Route(
            "GET",
            "/api-events",
            happened,
            Scope.READ,
            Cells.FILTERED,
            "What has happened since a position in the journal, as it was told then",
            parameters=_EVENTS,
            answers={"events": {"type": "array", "items": _EVENT}, **page},
            refuses=frozenset((410,)),
        ),
        Route(
            "GET",
            "/api-snapshot",
            snapshot,
            Scope.READ,
            Cells.FILTERED,
            "Everything as it stands at one position in the journal",
            parameters=(_ENTITIES,),
            gives="application/json",
            patient=True,
        ),
    ]


def _types(text: str) -> frozenset[str]:
    """Raises Invalid for a name that no event has."""
    names = [one.strip() for one in text.split(",") if one.strip()] or ["*"]
    for name in names:
        if not any(subscribed((name,), kind) for kind in EventType):
            raise wrong(
                "types", f'no event is called "{name}": they are {", ".join(EventType)}', "ENUM_CONSTRAINT", name
            )
    return frozenset(kind for kind in EventType if subscribed(names, kind))


def _number(call: Call, name: str, least: int, most: int, default: int = 0) -> int:
    return _checked(name, call.query[name], least, most) if name in call.query else default


def _checked(name: str, text: str, least: int, most: int) -> int:
    """Raises Invalid."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(SEQ_MAX)) and least <= int(text) <= most):
        raise wrong(name, f"{name} must be a whole number from {least} to {most}", "TYPE_MISMATCH", text)
    return int(text)
