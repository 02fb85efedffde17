"""A request that came inside another one: the same table of routes, the same checks, the same command; no HTTP."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import structlog

from gateway.kernel.db import Tx
from gateway.kernel.errors import BadRequest, GatewayError, Invalid, NotFound, Unsupported
from gateway.outbox.event import encode
from gateway.outbox.receipts import Receipt, request_hash
from gateway.web import body as body_
from gateway.web import errors
from gateway.web.incoming import InHand
from gateway.web.routes import Call, Caller, Raw, Route, Scope

BASE = "/functions/v1"
OCCURRED = "occurred_at"
DEFECT = "Internal error: the log has it under this request id"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Inner:
    """`space` and `key` are those of its receipt, `guard`, `queued` and `fresh` too; `origin` is who did it, None for this gateway,
    `base_version` that of the row which it changes.
    """

    method: str
    path: str  # with its query
    body: Any
    key: str
    space: str
    origin: str | None = None
    guard: Callable[[Tx], None] | None = None
    occurred_at: str | None = None
    base_version: int | None = None
    queued: Callable[[], None] | None = None
    fresh: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    upload: tuple[str, bytes] | None = None  # (content type, body) instead of `body`


@dataclass(frozen=True, slots=True)
class Outcome:
    """`body` is the whole answer, JSON text."""

    status: int
    body: str
    replayed: bool = False

    @property
    def good(self) -> bool:
        return self.status < HTTPStatus.MULTIPLE_CHOICES


class Inside:
    """What changes something by JSON and needs a key; with `reads` also what shows something so."""

    def __init__(self, routes: Iterable[Route], *, reads: bool = False) -> None:
        found = [route for route in routes if _by_json(route) or (reads and _shows_json(route))]
        exact = sorted(found, key=lambda route: "{" in route.path)  # a name goes before a place for one
        self._routes = [(route, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path))) for route in exact]

    async def run(self, inner: Inner, caller: Caller, request_id: str) -> Outcome:
        """Whatever goes wrong is an answer, too."""
        try:
            return await self._run(inner, caller, request_id)
        except GatewayError as exc:
            return Outcome(errors.status_of(exc), errors.envelope(exc, request_id))
        except Exception:
            log.exception("request.failed", method=inner.method, path=inner.path, request_id=request_id)
            return Outcome(500, errors.envelope(GatewayError(DEFECT), request_id))

    async def _run(self, inner: Inner, caller: Caller, request_id: str) -> Outcome:
        path, _, asked = inner.path.partition("?")
        function = path.removeprefix(BASE).rstrip("/")
        route, named = self._found(inner.method, function)
        caller.require(route.scope, route.forbidden)
        query: dict[str, str] = {}
        for name, value in parse_qsl(asked, keep_blank_values=True):
            query.setdefault(name, value)
        for one in route.parameters:
            if one.required and not query.get(one.name):
                raise BadRequest(one.required)
        if not route.mutates:
            return await self._shown(route, Call(caller, request_id, query, named, inner.headers, False))
        if inner.upload is not None:
            return await self._uploaded(route, inner, Call(caller, request_id, query, named, inner.headers, False))
        given = _dated(route, inner)
        raw = b"" if given is None else encode(given).encode()
        receipt = _receipt(inner, request_hash(inner.method, function, asked, raw, *_based(route, inner)))
        body = None
        if route.body is not None and (raw or route.method != "POST" or not route.strict_method):
            body = body_.validate(route.body, given)
        known = (caller, request_id, query, named, inner.headers, False, body, receipt)
        return await self._shown(route, Call(*known, base_version=inner.base_version))

    async def _uploaded(self, route: Route, inner: Inner, call: Call) -> Outcome:
        """As over HTTP, the handler reads the body, and puts it into what makes a request the same."""
        kind, body = inner.upload or ("", b"")
        if kind not in route.takes:
            raise Unsupported(f"{kind} cannot be read here: send {' or '.join((*route.takes, 'JSON'))}")
        path, _, asked = inner.path.partition("?")
        hashed = request_hash(inner.method, path.removeprefix(BASE).rstrip("/"), asked)
        incoming = InHand(kind, body, route.body_max_bytes)
        return await self._shown(route, replace(call, receipt=_receipt(inner, hashed), incoming=incoming))

    async def _shown(self, route: Route, call: Call) -> Outcome:
        answer = await route.handler(call)
        if isinstance(answer, Raw):
            raise BadRequest(f"{route.method} {route.path} does not answer in JSON")
        return Outcome(answer.status, f'{{"success":true,"data":{answer.data}}}', answer.replayed)

    def route(self, method: str, function: str) -> Route:
        """Raises NotFound."""
        return self._found(method, function)[0]

    def _found(self, method: str, function: str) -> tuple[Route, Mapping[str, str]]:
        for route, pattern in self._routes:
            if route.method == method and (match := pattern.fullmatch(function)):
                return route, match.groupdict()
        raise NotFound(f"{method} {function} is nothing that can be called from inside")


def _receipt(inner: Inner, hashed: bytes) -> Receipt:
    return Receipt(inner.space, inner.key, hashed, inner.fresh, inner.guard, inner.origin, inner.queued)


def _by_json(route: Route) -> bool:
    return (
        route.mutates
        and route.scope is not Scope.NONE
        and not route.gives
        and (route.body is not None or not route.takes)
    )


def _shows_json(route: Route) -> bool:
    return not route.mutates and route.scope is not Scope.NONE and not route.gives


def _based(route: Route, inner: Inner) -> tuple[str, ...]:
    """What a `base_version` adds to that which makes a request the same. Raises Invalid: the route has no row to compare."""
    if inner.base_version is None:
        return ()
    if not route.conditional:
        message = f"{inner.method} {route.path} changes no row that could have the base_version {inner.base_version}: leave it out"
        raise Invalid(message, [body_.detail("base_version", message, "UNKNOWN_FIELD")])
    return (f"base {inner.base_version}",)


def _dated(route: Route, inner: Inner) -> Any:
    """The body with the time at which it happened, where the route asks for that and the body does not say."""
    takes = route.body is not None and OCCURRED in route.body.model_fields
    if inner.occurred_at is None or not takes or not isinstance(inner.body, dict | None):
        return inner.body
    return {OCCURRED: inner.occurred_at, **(inner.body or {})}
