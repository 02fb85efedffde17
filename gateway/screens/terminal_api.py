"""`/terminal/api/`: what the terminal's page asks for. Private to it, and versioned with it: every answer names the build."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from gateway.hub.entities import epoch
from gateway.kernel.clock import Clock, zulu
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest, CellNotAllowed, TerminalUnknown
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.outbox.event import encode
from gateway.screens import terminal_bodies as bodies
from gateway.screens.live import CLOUD, STREAMS_SHARE, Cells, Full, Live, Stream
from gateway.screens.station import Station, station
from gateway.sections import Settings
from gateway.terminals import rules, snapshot
from gateway.terminals.model import Command, Session, Terminal
from gateway.terminals.pairing import Terminals
from gateway.web import body, listing
from gateway.web.incoming import Incoming
from gateway.web.limits import Limiter
from gateway.web.routes import Parameter

PATH = "/terminal/api"
BUILD = "X-Build"
ALL = "all"  # instead of a cell
BODY_MAX_BYTES = 256 * 1024
WRITE_MAX_S = 15.0  # in which a terminal has to take what it is sent; its own patience is as long
_CELL, _SINCE, _EPOCH = Parameter("cell"), Parameter("since"), Parameter("epoch")
_SSE = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Model = TypeVar("Model", bound=BaseModel)
Handler = Callable[[web.Request, Terminal], Awaitable[web.StreamResponse]]


class TerminalApi:
    """`build`: of the page's files, `limiter`: as for keys."""

    def __init__(self, station: Station, live: Live, limiter: Limiter, build: Callable[[], str]) -> None:
        self.live = live
        self._station = station
        self._limiter = limiter
        self._build = build

    def add_to(self, app: web.Application) -> None:
        route = app.router.add_route
        route("POST", f"{PATH}/pair", self._pair)
        for method, path, handler in (
            ("GET", "/snapshot", self._snapshot),
            ("GET", "/stream", self._stream),
            ("POST", "/sessions", self._sign_in),
            ("POST", "/sessions/{id}/unlock", self._unlock),
            ("DELETE", "/sessions/{id}", self._sign_out),
            ("POST", "/pins", self._set_pin),
            ("POST", "/commands", self._command),
            ("POST", "/seen", self._seen),
        ):
            route(method, PATH + path, self._known(handler))
        app.on_response_prepare.append(self._named)

    async def _named(self, request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith(PATH):
            response.headers[BUILD] = self._build()

    def _known(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """For paired terminals only. Raises TerminalUnknown, TooFast."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                terminal = self._station.terminals.identify(request.headers.get("Authorization"))
            except TerminalUnknown:
                self._limiter.failed(request.remote or "")
                raise
            self._limiter.take(terminal.space)
            return await handler(request, terminal)

        return handle

    # ------------------------------------------------------------------ pairing, people

    async def _pair(self, request: web.Request) -> web.Response:
        sent = await _sent(request, bodies.Pair)
        about = sent.about.model_dump(exclude_none=True)
        key, terminal = await self._station.terminals.pair(sent.code, about, request.remote or "")
        return _answer({"key": key, "terminal": terminal.told}, status=201)

    async def _sign_in(self, request: web.Request, terminal: Terminal) -> web.Response:
        sent = await _sent(request, bodies.SignIn)
        session = await self._station.sessions.begin(terminal, sent.operator_id, sent.badge, sent.pin)
        return _answer({"session": _session(session)}, status=201)

    async def _unlock(self, request: web.Request, terminal: Terminal) -> web.Response:
        sent = await _sent(request, bodies.Unlock)
        session = await self._station.sessions.unlock(terminal, request.match_info["id"], sent.pin)
        return _answer({"session": _session(session)})

    async def _sign_out(self, request: web.Request, terminal: Terminal) -> web.Response:
        await self._station.sessions.end(terminal, request.match_info["id"])
        return web.Response(status=204)

    async def _set_pin(self, request: web.Request, terminal: Terminal) -> web.Response:
        sent = await _sent(request, bodies.SetPin)
        await self._station.sessions.set_pin(terminal, sent.operator_id, sent.pin, sent.session)
        return web.Response(status=204)

    async def _seen(self, request: web.Request, terminal: Terminal) -> web.Response:
        sent = await _sent(request, bodies.Seen)
        self._station.terminals.seen(terminal, sent.model_dump(exclude_none=True))
        return web.Response(status=204)

    # ------------------------------------------------------------------ the work

    async def _snapshot(self, request: web.Request, terminal: Terminal) -> web.Response:
        listing.known(request.query, (_CELL,))
        station, cells = self._station, self._cells(request, terminal)
        box, now = await station.pins.box(), station.clock.now()
        one = next(iter(cells)) if cells is not None and len(cells) == 1 else None
        seen = station.policy.cells(terminal)
        told = await station.db.read(snapshot.taken, one, seen, box, now)
        more = {
            "epoch": await station.db.read(epoch),
            "build": self._build(),
            "gateway": station.gateway_id,
            "terminal": terminal.told,
            "policy": _policy(station),
            "link": {CLOUD: await self.live.standing()},
        }
        return _answer({**told, **more})

    async def _command(self, request: web.Request, terminal: Terminal) -> web.Response:
        tap = await _sent(request, bodies.Tap)
        key = request.headers.get("Idempotency-Key", tap.id)
        if key.lower() != tap.id:
            raise BadRequest(f'the Idempotency-Key is "{key[:100]}", the command\'s id {tap.id}: they are the same')
        payload = body.validate(bodies.PAYLOADS[tap.type], tap.payload).model_dump()
        named = (tap.id, tap.type, tap.operation_id, payload, tap.session)
        answer = await self._station.commands.carry_out(terminal, Command(*named, tap.age_ms, tap.tapped_at))
        headers = {"Idempotency-Key": tap.id} | ({"Idempotency-Replayed": "true"} if answer.replayed else {})
        return _answered(answer.data, answer.status, headers)

    async def _stream(self, request: web.Request, terminal: Terminal) -> web.StreamResponse:
        """Server-sent events until somebody goes. Raises Busy, BadRequest, CellNotAllowed before anything is answered."""
        listing.known(request.query, (_CELL, _SINCE, _EPOCH))
        since = _number(request, "since") or _place(request.headers.get("Last-Event-ID"))
        of, here = _number(request, "epoch"), await self._station.db.read(epoch)
        if of is not None and of != here:
            since = -1  # of another box: nothing can be told from there
        stream = Stream(terminal, self._cells(request, terminal))
        with self.live.entered(stream):
            response = web.StreamResponse(headers=_SSE)
            await response.prepare(request)
            await self.live.begin(stream, since)
            with contextlib.suppress(ConnectionError):  # whoever hangs up has not failed
                while (piece := await stream.take()) is not None:
                    await _write(response, piece, stream)
        if stream.dropped and request.transport is not None:
            request.transport.abort()
        return response

    def _cells(self, request: web.Request, terminal: Terminal) -> Cells:
        """Those that are asked for, of those that it may see. Raises CellNotAllowed."""
        seen, asked = self._station.policy.cells(terminal), request.query.get("cell") or ALL
        if asked == ALL:
            return seen
        if seen is not None and asked not in seen:
            raise CellNotAllowed("this terminal sees the cell that it stands in, no other", {"cell_id": asked})
        return frozenset((asked,))


def terminal_api(
    settings: Settings,
    db: Database,
    clock: Clock,
    new_id: NewId,
    terminals: Terminals,
    link: Link,
    full: Full,
    limiter: Limiter,
    build: Callable[[], str],
) -> TerminalApi:
    """`link`: its entry in /healthz; `full` tells all of that."""
    live = Live(db, clock, link, full, build, int(settings.limits.connections * STREAMS_SHARE))
    terminals.watch(live)
    return TerminalApi(station(settings, db, clock, new_id, terminals), live, limiter, build)


# ------------------------------------------------------------------ sending and being sent


async def _sent(request: web.Request, model: type[Model]) -> Model:
    """Raises BadRequest, Invalid, TooLarge."""
    raw = await Incoming(request, BODY_MAX_BYTES).whole()
    return body.validate(model, body.parse(raw or b"{}"))


def _answer(data: Mapping[str, Any], *, status: int = 200) -> web.Response:
    return _answered(encode(data), status)


def _answered(data: str, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    text = f'{{"success":true,"data":{data}}}'.encode()
    return web.Response(body=text, status=status, content_type="application/json", headers=headers)


def _session(session: Session) -> dict[str, Any]:
    person = session.person
    told = {"id": session.id, "operator_id": person.id, "name": person.name, "role": person.role, "language": None}
    return {**told, "initials": snapshot.initials(person.name), "started_at": zulu(session.started_at)}


def _policy(station: Station) -> dict[str, Any]:
    return {
        **asdict(station.policy),
        "pin_digits_min": rules.PIN_DIGITS_MIN,
        "pin_digits_max": rules.PIN_DIGITS_MAX,
        "sessions_max": rules.SESSIONS_MAX,
        "session_s": rules.SESSION.total_seconds(),
        "handoff_max": rules.HANDOFF_MAX,
        "photos_max": rules.PHOTOS_MAX,
    }


def _number(request: web.Request, name: str) -> int | None:
    """Raises BadRequest."""
    text = request.query.get(name)
    if text is None:
        return None
    if (found := _place(text)) is None:
        raise BadRequest(f'{name} is "{text[:100]}": a number is wanted')
    return found


def _place(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004 -- 64 bits


async def _write(response: web.StreamResponse, piece: bytes, stream: Stream) -> None:
    """Who takes nothing for that long is not there any more, or as good as."""
    try:
        async with asyncio.timeout(WRITE_MAX_S):
            await response.write(piece)
    except TimeoutError:
        stream.drop()
