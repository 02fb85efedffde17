"""`/api-cloud-webhook` and `/api/v5/publish`: the cloud's webhooks and its MQTT publishes come in here, and ring: the plan is
read at once.

Nothing in them is believed but that something happened: they come in any order, twice, or never.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any, Literal

import structlog
from pydantic import BaseModel, Field

from gateway.kernel.errors import BadRequest, Invalid, NotFound, Unauthorized
from gateway.outbox.event import EventType
from gateway.outbox.receipts import Answer
from gateway.web import body, listing
from gateway.web.routes import Call, Cells, Raw, Route, Scope

BODY_MAX_BYTES = 256 * 1024  # of a change with both images of its row
KEPT_MAX = 1000  # events that are known when they come again
SIGNATURE = "X-Eryxon-Signature"
TOPIC_MAX_CHARACTERS = 512

ID_DIGITS = 32
_WILD = re.compile(r"[+#\x00-\x1f]")
# Every dot of an event is a level; in the cloud as it is only the first.
_EVENT_ENDS = tuple({kind.replace(".", "/", count) for kind in map(str, EventType) for count in (1, -1)})

Ring = Callable[[], None]
Event = tuple[str, str, str]  # name, id of the row, when

log = structlog.get_logger(__name__)


class Known:
    """The last events. They only ring: one that is forgotten and comes again does no harm."""

    def __init__(self) -> None:
        self._events: OrderedDict[Event, None] = OrderedDict()

    def add(self, event: Event) -> bool:
        """True: it was not known."""
        if event in self._events:
            return False
        self._events[event] = None
        if len(self._events) > KEPT_MAX:
            self._events.popitem(last=False)
        return True


def route(secret: str, ring: Ring | None) -> Route:
    """Without a secret, or with nobody to ring for, it answers 404."""
    known = Known()

    async def take(call: Call) -> Answer:
        listing.known(call.query, ())
        if not secret or ring is None:
            raise NotFound("this gateway takes no webhooks of the cloud: [cloud] webhook_secret is not set")
        assert call.incoming is not None  # nosec B101 # noqa: S101 -- any body is taken as it is
        raw = await call.incoming.whole()
        if not signed(raw, secret, call.headers.get(SIGNATURE, "")):
            raise Unauthorized(f"{SIGNATURE} is not the signature of this body: check [cloud] webhook_secret")
        event = event_of(body.parse(raw))
        new = known.add(event)
        if new:
            log.debug("cloud.rang", event_name=event[0], row=event[1])
            ring()
        return Answer(200, f'{{"new":{"true" if new else "false"}}}')

    return Route(
        "POST",
        "/api-cloud-webhook",
        take,
        Scope.NONE,
        Cells.NONE,
        "Take a webhook of the cloud: the plan is then read at once. It is signed with `[cloud] webhook_secret`",
        answers={"new": {"type": "boolean", "description": "false: it came before."}},
        refuses=frozenset((401,)),
        takes=("*/*",),
        body_max_bytes=BODY_MAX_BYTES,
        strict_method=True,
    )


class Publish(BaseModel):
    """As the HTTP interface of EMQX takes it; `payload` is the text of the message."""

    topic: Annotated[str, Field(min_length=1, max_length=TOPIC_MAX_CHARACTERS)]
    payload: str
    qos: Literal[0, 1, 2] = 0
    retain: bool = False


def publish_route(username: str, password: str, ring: Ring | None) -> Route:
    """Without a password, or with nobody to ring for, it answers 404. Nothing is published here: MQTT has our own events."""
    known = Known()

    async def take(call: Call) -> Raw:
        listing.known(call.query, ())
        if not password or ring is None:
            raise NotFound("this gateway takes no publishes of the cloud: [cloud] publish_password is not set")
        assert call.incoming is not None  # nosec B101 # noqa: S101 -- any body is taken as it is
        raw = await call.incoming.whole()
        if not admitted(call.headers.get("Authorization", ""), username, password):
            raise Unauthorized("the user or password is wrong: check [cloud] publish_username and publish_password")
        told = body.validate(Publish, body.parse(raw))
        if not of_an_event(told.topic):
            raise Invalid(
                "only event topics are taken here",
                [body.detail("topic", f'"{told.topic}" does not end in an event, as .../operation/started', "event")],
            )
        event = event_of(body.parse(told.payload.encode()))
        if known.add(event):
            log.debug("cloud.rang", event_name=event[0], row=event[1])
            ring()
        identifier = hashlib.sha256("/".join(event).encode()).hexdigest()[:ID_DIGITS]
        return Raw("application/json", json.dumps({"id": identifier}).encode())

    return Route(
        "POST",
        "/api/v5/publish",
        take,
        Scope.NONE,
        Cells.NONE,
        "Take an MQTT message of the cloud's, as EMQX does, with Basic auth: the plan is then read at once. Event topics only, "
        "`{topic, payload, qos, retain}`; nothing is published",
        answers={"id": {"type": "string", "description": "The same for the same event."}},
        refuses=frozenset((401,)),
        takes=("*/*",),
        gives="application/json",
        body_max_bytes=BODY_MAX_BYTES,
        strict_method=True,
    )


def admitted(authorization: str, username: str, password: str) -> bool:
    """Whether this is Basic auth of that user."""
    kind, _, given = authorization.partition(" ")
    try:
        told = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    return kind.lower() == "basic" and hmac.compare_digest(told, f"{username}:{password}".encode())


def of_an_event(topic: str) -> bool:
    """Whether its last levels name an event of ours or the cloud's, and no other is reserved."""
    levels = topic.split("/")
    reserved = any(not level or level.startswith(("_", "$")) or _WILD.search(level) for level in levels)
    return not reserved and any(topic.endswith(f"/{end}") for end in _EVENT_ENDS)


def signed(raw: bytes, secret: str, signature: str) -> bool:
    """`sha256=` and the HMAC of the exact bytes, as the cloud sends it."""
    made = f"sha256={hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()}"
    return hmac.compare_digest(made.encode(), signature.encode(errors="replace"))


def event_of(told: Any) -> Event:
    """What makes two deliveries the same. Raises BadRequest."""
    if not isinstance(told, dict) or not isinstance(told.get("event"), str) or not isinstance(told.get("data"), dict):
        raise BadRequest('a webhook of the cloud is {"event": "...", "timestamp": "...", "data": {...}}')
    name, data = told["event"], told["data"]
    row_id = data.get("entity_id") or data.get(f"{name.partition('.')[0]}_id")
    return name, str(row_id), str(data.get("timestamp") or told.get("timestamp"))
