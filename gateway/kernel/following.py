"""The id under which a request can be followed: in its answer, in the log, in the journal, at the cloud.

Each way in binds it while it works on the request; whatever that makes, logs or sends meanwhile has it without being told.
"""

import contextlib
import re
from collections.abc import Iterator, MutableMapping, Sequence
from contextvars import ContextVar
from typing import Any

PATTERN = r"[A-Za-z0-9._:-]{1,200}"  # what the cloud takes as one, and so do we
HEADER = "X-Request-Id"
SHOWN_MAX = 20  # ids in one line of the log

_SANE = re.compile(PATTERN)
_CURRENT: ContextVar[str | None] = ContextVar("request_id", default=None)

current = _CURRENT.get
bind = _CURRENT.set  # for a task that serves one request after the other


@contextlib.contextmanager
def followed(request_id: str | None) -> Iterator[None]:
    """What is done in here is done because of this request. None: of no request that is known."""
    before = _CURRENT.set(request_id)
    try:
        yield
    finally:
        _CURRENT.reset(before)


def sane(sent: str | None) -> str | None:
    """What somebody else calls his request, if it can be called so."""
    return sent if sent and _SANE.fullmatch(sent) else None


def shown(ids: Sequence[str]) -> dict[str, Any]:
    """Several that one line of the log tells of, as its fields."""
    more = {"more_requests": len(ids) - SHOWN_MAX} if len(ids) > SHOWN_MAX else {}
    return {"request_ids": [*ids[:SHOWN_MAX]], **more}


def logged(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog."""
    if (request_id := _CURRENT.get()) is not None:
        event.setdefault("request_id", request_id)
    return event
