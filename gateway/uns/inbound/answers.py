"""Answers to requests, and what stands about a message that was refused. Pure.

Whatever decides anything stands in the body, `request_id` and `verb` always: clients with MQTT 3.1.1 have nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.kernel import clock as time_
from gateway.kernel.errors import GatewayError, Invalid, MalformedPayload
from gateway.outbox.event import encode
from gateway.outbox.receipts import Answer
from gateway.uns.shapes import Refusal, Refused, Rejection
from gateway.web.errors import status_of

ANSWER_SCHEMA = "uns/rsp/1"
NO_REQUEST_ID = "no request_id: sent again, this would be done again"
TOPIC_SHOWN_MAX = 512  # characters
_NO_VALUE = "not a value that is taken here"
_WRONG = {
    "NOT_NULL_CONSTRAINT": "is missing",
    "UNKNOWN_FIELD": "not known here",
}  # constraint -> what everybody may read
_AGAIN = frozenset((429, 500, 503, 507))  # statuses that may be over when the same is sent again


def done(request_id: str | None, verb: str, answer: Answer, now: datetime) -> str:
    """`answer.data` is finished JSON and goes in as it is."""
    head = {
        "schema": ANSWER_SCHEMA,
        "request_id": request_id,
        "verb": verb,
        "ok": True,
        "status": answer.status,
    }
    tail: dict[str, Any] = {"replayed": answer.replayed, "timestamp": time_.zulu(now)}
    if request_id is None:
        tail["warning"] = NO_REQUEST_ID
    return f'{encode(head)[:-1]},"data":{answer.data},{encode(tail)[1:]}'


def refused(request_id: str | None, verb: str, error: GatewayError, now: datetime) -> str:
    status = status_of(error)
    told: Refusal = {"code": error.code, "message": error.message, "details": _without_values(error.details)}
    answer: Refused = {
        "schema": "uns/rsp/1",
        "request_id": request_id,
        "verb": verb,
        "ok": False,
        "status": status,
        "error": told,
        "retryable": status in _AGAIN,
        "timestamp": time_.zulu(now),
    }
    return encode(answer)


def public(error: GatewayError) -> str:
    """What everybody may read of it: nothing of what was sent, that could be somebody's badge."""
    if isinstance(error, MalformedPayload):
        return "the payload is not JSON as it is taken here"
    if isinstance(error, Invalid) and isinstance(error.details, Sequence):
        said = {f"{one.get('field')}: {_WRONG.get(str(one.get('constraint')), _NO_VALUE)}" for one in error.details}
        return "; ".join(sorted(said)) or f"a field: {_NO_VALUE}"
    return error.message


def error(code: str, message: str, topic: str, digest: str, count: int, now: datetime) -> Rejection:
    """`digest`: of the payload of the last of `count`."""
    return {
        "schema": "uns/error/1",
        "timestamp": time_.zulu(now),
        "topic": topic[:TOPIC_SHOWN_MAX],
        "code": code,
        "message": message,
        "payload_sha256": digest,
        "count": count,
    }


def _without_values(details: Any) -> Any:
    """Always something with fields: a list of wrong fields becomes `{"fields": [...]}`, without the values that were sent."""
    if isinstance(details, Mapping):
        return details
    return (
        {"fields": [{name: given for name, given in one.items() if name != "value"} for one in details]}
        if details
        else {}
    )
