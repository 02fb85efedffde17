"""The aiohttp application: every API route at `/<function>` and `/functions/v1/<function>`, one way through for all.

A request goes: host, origin, connections of its key -> request id -> method -> key -> rate -> scope -> body -> the route's
handler. Whatever is raised on the way becomes the error envelope here and nowhere else.
"""

import asyncio
import hashlib
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from typing import Protocol, runtime_checkable

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from pydantic import BaseModel

from gateway.kernel.errors import (
    BadRequest,
    GatewayError,
    NotAllowed,
    NotFound,
    StillRunning,
    TooFast,
    Unsupported,
)
from gateway.kernel.following import HEADER, bind, current, sane
from gateway.kernel.ids import NewId
from gateway.outbox.receipts import Answer, Receipt, request_hash
from gateway.web import body as body_
from gateway.web import conditions, errors
from gateway.web.auth import Keys
from gateway.web.connections import Connections, Crowded
from gateway.web.gate import Gate
from gateway.web.hosts import Hosts
from gateway.web.incoming import Incoming
from gateway.web.limits import CONNECTIONS_MAX, Exceeded, Limiter, Runner
from gateway.web.requests import BASES, Requests
from gateway.web.routes import Call, Caller, Raw, Route

HEADER_MAX_BYTES = 16 * 1024  # one header, or the request line
PARSE_INLINE_MAX_BYTES = (
    64 * 1024
)  # a larger body is parsed beside the event loop: others want to be answered meanwhile
KEY_MAX_CHARACTERS = 200
CHUNK_MAX_S = 60.0  # in which a client has to make room for the next piece of a stream
DEFECT = "Internal error: the log has it under this request id"
NOT_MODIFIED = 304
TAG_BYTES = 12

_PRINTABLE = re.compile(rf"[\x21-\x7e][\x20-\x7e]{{0,{KEY_MAX_CHARACTERS - 1}}}")
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Access-Control-Expose-Headers": "ETag, x-request-id, Idempotency-Key, Idempotency-Replayed, Retry-After, "
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset",
    "Vary": "Origin, Authorization",
}
_PAGE = {name: value for name, value in _SECURITY.items() if name != "Cache-Control"}
_TLS = {"Strict-Transport-Security": "max-age=31536000"}
_JSON = {**_SECURITY, "Content-Type": "application/json"}
_PREFLIGHT = {
    "Access-Control-Allow-Headers": "authorization, x-client-info, apikey, content-type, x-request-id, idempotency-key, "
    "if-match, if-none-match",
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    **_SECURITY,
}

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answered = Callable[[web.Request, Handler, str], Awaitable[web.StreamResponse]]


@runtime_checkable
class Closing(Protocol):
    """A stream that holds something while it is open."""

    async def aclose(self) -> None: ...


def application(
    routes: Iterable[Route],
    keys: Keys,
    limiter: Limiter,
    new_id: NewId,
    hosts: Hosts | None = None,
    requests: Requests | None = None,
) -> web.Application:
    """The API. Plain pages (`/livez`, `/docs` ...) are added by whoever has them. `hosts`: none: it answers to every name."""
    gate, hosts = Gate(keys, limiter), hosts or Hosts()
    answered = _enveloped(gate, hosts, limiter.connections)
    app = web.Application(middlewares=[_followed(new_id, requests or Requests(), answered)])
    app.on_response_prepare.append(_finished(hosts.origins))
    functions: defaultdict[str, dict[str, Route]] = defaultdict(dict)
    for route in routes:
        if route.method in functions[route.path]:
            raise ValueError(f"two routes for {route.method} {route.path}")
        functions[route.path][route.method] = route
    for path, methods in functions.items():
        handler = _function(methods, gate, limiter, new_id)
        for base in BASES:
            app.router.add_route("*", base + path, handler)
            app.router.add_route("*", base + path + "/", handler)
    return app


def runner(app: web.Application, *, shutdown_s: float, connections: int = CONNECTIONS_MAX) -> web.AppRunner:
    """What serves it, with the limits on the request line, on each header and on open connections."""
    return Runner(
        app,
        connections,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=shutdown_s,
        max_line_size=HEADER_MAX_BYTES,
        max_field_size=HEADER_MAX_BYTES,
    )


def _function(methods: Mapping[str, Route], gate: Gate, limiter: Limiter, new_id: NewId) -> Handler:
    strict = all(route.strict_method for route in methods.values())
    allowed = ", ".join([*methods, "OPTIONS"])

    async def admit(request: web.Request, left: dict[str, str]) -> tuple[Route, Caller]:
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is not None:
            return route, await gate.admit(request, route, left)
        if strict:
            await gate.count(request, left)
            raise NotAllowed(f"Method {request.method} not allowed. Allowed: {allowed}")
        await gate.caller(request, left)
        raise BadRequest(f"Method {request.method} not allowed")

    async def handle(request: web.Request) -> web.StreamResponse:
        request_id = current() or new_id()
        if request.method == "OPTIONS":
            return _preflight()
        headers = {**_JSON, HEADER: request_id}
        try:
            route, caller = await admit(request, headers)
            call = await _call(request, route, caller, request_id, new_id)
            answering = route.handler(call)
            answer = await (answering if route.patient else _in_time(answering, limiter))
            if isinstance(answer, Raw):
                return await _raw(request, answer, headers)
            return _answer(answer, call, headers)
        except GatewayError as exc:
            return _refusal(exc, headers)
        except web.HTTPException:
            raise
        except Exception:
            log.exception("request.failed", method=request.method, path=request.path)
            return _refusal(GatewayError(DEFECT), headers)

    return handle


def _preflight() -> web.Response:
    return web.Response(text="ok", headers=_PREFLIGHT)


async def _call(request: web.Request, route: Route, caller: Caller, request_id: str, new_id: NewId) -> Call:
    query: dict[str, str] = {}
    if request.query_string:
        for name, value in request.query.items():
            query.setdefault(name, value)
    for one in route.parameters:
        if one.required and not query.get(one.name):
            raise BadRequest(one.required)
    known = (caller, request_id, query, request.match_info, request.headers, request.secure)
    if not route.mutates:
        return Call(*known)
    sent = request.headers.get("Idempotency-Key")
    if sent is not None and _PRINTABLE.fullmatch(sent) is None:
        raise BadRequest(f"Idempotency-Key must be 1 to {KEY_MAX_CHARACTERS} printable characters")
    function = request.path.removeprefix(BASES[1]).rstrip("/")
    incoming = Incoming(request, route.body_max_bytes)
    if _taken(route, request):
        hashed = request_hash(request.method, function, request.query_string)
        receipt = Receipt(f"rest:{caller.key_id}", sent or new_id(), hashed, fresh=sent is None)
        return Call(*known, None, receipt, incoming)
    raw = await incoming.whole() if request.body_exists else b""
    hashed = request_hash(request.method, function, request.query_string, raw)
    receipt = Receipt(f"rest:{caller.key_id}", sent or new_id(), hashed, fresh=sent is None)
    body = None
    if route.body is not None and (raw or not _may_be_absent(route)):
        body = await _parsed(route.body, raw)
    return Call(*known, body, receipt)


def _taken(route: Route, request: web.Request) -> bool:
    """Does the handler read this body itself? Raises Unsupported when it is neither that nor JSON."""
    if not route.takes:
        return False
    if request.content_type in route.takes or "*/*" in route.takes:
        return True
    if route.body is None:
        raise Unsupported(f"{request.content_type} cannot be read here: send {' or '.join(route.takes)}")
    return False


async def _parsed(model: type[BaseModel], raw: bytes) -> BaseModel:
    def parse() -> BaseModel:
        return body_.validate(model, body_.parse(raw))

    if len(raw) <= PARSE_INLINE_MAX_BYTES:
        return parse()
    return await asyncio.get_running_loop().run_in_executor(None, parse)


async def _in_time(answering: Awaitable[Answer | Raw], limiter: Limiter) -> Answer | Raw:
    """Raises Busy when it takes too long. A write that has been asked for finishes all the same."""
    try:
        async with asyncio.timeout(limiter.request_max_s):
            return await answering
    except TimeoutError:
        raise limiter.overdue() from None


def _answer(answer: Answer, call: Call, headers: dict[str, str]) -> web.Response:
    if call.receipt is not None:
        headers["Idempotency-Key"] = call.receipt.key
        if answer.replayed:
            headers["Idempotency-Replayed"] = "true"
    body = f'{{"success":true,"data":{answer.data}}}'.encode()
    if (
        call.receipt is None
        and (tag := _tagged(answer, body, headers))
        and conditions.seen(call.headers.get("If-None-Match", ""), tag)
    ):
        return web.Response(status=NOT_MODIFIED, headers=headers)
    return web.Response(status=answer.status, body=body, headers=headers)


def _tagged(answer: Answer, body: bytes, headers: dict[str, str]) -> str:
    """The tag of what was read: the one it came with, else one made of the body."""
    tag = answer.etag or f'"{hashlib.blake2b(body, digest_size=TAG_BYTES).hexdigest()}"'
    headers["ETag"] = tag
    return tag


async def _raw(request: web.Request, answer: Raw, headers: dict[str, str]) -> web.StreamResponse:
    """A stream that fails in the middle breaks off: the client sees that it is not whole. One whose client goes is closed."""
    headers |= {"Content-Type": answer.content_type, **answer.headers}
    if isinstance(answer.body, bytes):
        return web.Response(status=answer.status, body=answer.body, headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    try:
        if request.method == "HEAD":
            await _close(answer.body)
        await response.prepare(request)
        if request.method != "HEAD":
            async for chunk in answer.body:
                async with asyncio.timeout(CHUNK_MAX_S):
                    await response.write(chunk)
        await response.write_eof()
    except TimeoutError:
        log.warning("answer.broke_off", path=request.path, error=f"nothing was taken for {CHUNK_MAX_S:.0f} s")
        _break_off(request)
    except GatewayError as exc:
        log.warning("answer.broke_off", path=request.path, error=exc.message)
        _break_off(request)
    except ConnectionError:
        pass  # nobody is there any more
    except Exception:  # the answer has begun: there is no other way to say it
        log.exception("request.failed", method=request.method, path=request.path)
        _break_off(request)
    finally:
        await _close(answer.body)
    return response


async def _close(stream: AsyncIterator[bytes]) -> None:
    if isinstance(stream, Closing):
        await stream.aclose()


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _refusal(error: GatewayError, headers: Mapping[str, str]) -> web.Response:
    """`headers`: those of an answer in JSON, the request's id among them."""
    status = errors.status_of(error)
    headers = dict(headers)
    if status in (503, 507) or isinstance(error, StillRunning):
        headers["Retry-After"] = str(errors.RETRY_AFTER_S)
    elif isinstance(error, Exceeded):
        headers.update(error.headers)
    body = errors.envelope(error, headers[HEADER])
    return web.Response(status=status, body=body.encode(errors="replace"), headers=headers)


def _may_be_absent(route: Route) -> bool:
    """Of a lifecycle call, whose body only says more than its address; not where something in it is required."""
    fields = route.body.model_fields.values() if route.body is not None else ()
    return route.method == "POST" and route.strict_method and not any(one.is_required() for one in fields)


def _finished(origins: Collection[str]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """What every answer has, whoever gave it: those of the pages and of aiohttp itself, too."""

    async def finish(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        if HEADER not in headers and (request_id := current()):
            headers[HEADER] = request_id
        if "X-Content-Type-Options" not in headers:
            kept = isinstance(response, web.FileResponse)  # the page's own files, the same for everybody
            wanted = _PAGE if kept else _SECURITY
            headers.update({name: value for name, value in wanted.items() if name not in headers})
        if request.secure:
            headers.update(_TLS)
        if (origin := request.headers.get("Origin", "")) in origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers.setdefault("Vary", "Origin")

    return finish


def _followed(new_id: NewId, requests: Requests, answered: Answered) -> Middleware:
    """Every request comes through here: all that it does carries its id, and in the end it is counted."""

    @web.middleware
    async def followed(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = sane(request.headers.get(HEADER)) or new_id()
        bind(request_id)  # for good: the next request of this connection binds its own
        began_s = time.perf_counter()
        try:
            response = await answered(request, handler, request_id)
        except web.HTTPException as exc:
            requests.answered(request, exc, time.perf_counter() - began_s)
            raise
        requests.answered(request, response, time.perf_counter() - began_s)
        return response

    return followed


def _enveloped(gate: Gate, hosts: Hosts, connections: Connections) -> Answered:
    """Whatever is raised gets our envelope: what aiohttp itself refuses, what a page refuses, and our own defects."""

    async def enveloped(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
        left: dict[str, str] = {}
        try:
            hosts.require(request)
            connections.take(request)
            return await handler(request)
        except web.HTTPNotFound:
            error: GatewayError = NotFound("Requested function was not found")
            try:
                await gate.count(request, left)
            except TooFast as exc:
                error = exc
        except web.HTTPMethodNotAllowed as exc:
            if request.method == "OPTIONS":
                return _preflight()
            allowed = ", ".join(sorted(exc.allowed_methods))
            error = NotAllowed(f"Method {request.method} not allowed. Allowed: {allowed}")
        except web.HTTPException:
            raise
        except Crowded as exc:
            answer = _refusal(exc, {**_JSON, HEADER: request_id})
            answer.force_close()
            return answer
        except GatewayError as exc:
            error = exc
        except Exception:
            log.exception("request.failed", method=request.method, path=request.path)
            return _refusal(GatewayError(DEFECT), {**_JSON, HEADER: request_id})
        return _refusal(error, {**_JSON, HEADER: request_id, **left})

    return enveloped
