"""`/api-cloud-webhook`: the cloud's webhooks come in here, and ring: the plan is read at once.

Nothing in them is believed but that something happened: they come in any order, twice, or never.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import structlog

from gateway.kernel.errors import BadRequest, NotFound, Unauthorized
from gateway.outbox.receipts import Answer
from gateway.web import body, listing
from gateway.web.routes import Call, Cells, Route, Scope

BODY_MAX_BYTES = 256 * 1024  # of a change with both images of its row
KEPT_MAX = 1000  # events that are known when they come again
SIGNATURE = "X-Eryxon-Signature"

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
        assert call.incoming is not None  # noqa: S101 -- any body is taken as it is
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
