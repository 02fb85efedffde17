"""`/terminal/api/`: what the terminal's page asks for. Private to it, and versioned with it: every answer names the build."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import structlog
from aiohttp import web

from gateway.files.blobs import Blobs
from gateway.hub.entities import epoch
from gateway.kernel.clock import Clock, zulu
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest, TerminalUnknown
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.screens import terminal_bodies as bodies
from gateway.screens.live import CLOUD, STREAMS_SHARE, Full, Live, Stream
from gateway.screens.station import Station, station
from gateway.screens.terminal_answers import answer, answered, cells, number, place, sent
from gateway.screens.terminal_reading import Reading
from gateway.sections import Settings
from gateway.terminals import rules, snapshot
from gateway.terminals.model import Command, Pin, Session, Terminal
from gateway.terminals.pairing import Terminals
from gateway.web import body, listing
from gateway.web.limits import Limiter
from gateway.web.routes import Parameter

PATH = "/terminal/api"
BUILD = "X-Build"
WRITE_MAX_S = 15.0  # in which a terminal has to take what it is sent; its own patience is as long
_CELL, _SINCE, _EPOCH = Parameter("cell"), Parameter("since"), Parameter("epoch")
_SSE = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request, Terminal], Awaitable[web.StreamResponse]]


class TerminalApi:
    """`build`: of the page's files, `limiter`: as for keys."""

    def __init__(
        self, station: Station, live: Live, limiter: Limiter, build: Callable[[], str], photo_max_bytes: int
    ) -> None:
        self.live = live
        self._station = station
        self._reading = Reading(station, photo_max_bytes)
        self._limiter = limiter
        self._build = build

    def add_to(self, app: web.Application) -> None:
        route, reading = app.router.add_route, self._reading
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
            ("POST", "/discarded", self._discarded),
            ("GET", "/operations/{id}", reading.operation),
            ("GET", "/operations/{id}/cnc", reading.program),
            ("GET", "/operations/{id}/documents/{file}", reading.document),
            ("GET", "/operations/{id}/documents/{file}/pages/{page}", reading.page),
            ("GET", "/find", reading.find),
            ("GET", "/activity", reading.activity),
            ("PUT", "/issues/{id}/photos/{n}", reading.photo),
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
        given = await sent(request, bodies.Pair)
        about = given.about.model_dump(exclude_none=True)
        key, terminal = await self._station.terminals.pair(given.code, about, request.remote or "")
        return answer({"key": key, "terminal": terminal.told}, status=201)

    async def _sign_in(self, request: web.Request, terminal: Terminal) -> web.Response:
        given = await sent(request, bodies.SignIn)
        session = await self._station.sessions.begin(terminal, given.operator_id, given.badge, _pin(given.pin))
        return answer({"session": _session(session)}, status=201)

    async def _unlock(self, request: web.Request, terminal: Terminal) -> web.Response:
        given = await sent(request, bodies.Unlock)
        session = await self._station.sessions.unlock(terminal, request.match_info["id"], _pin(given.pin))
        return answer({"session": _session(session)})

    async def _sign_out(self, request: web.Request, terminal: Terminal) -> web.Response:
        await self._station.sessions.end(terminal, request.match_info["id"])
        return web.Response(status=204)

    async def _set_pin(self, request: web.Request, terminal: Terminal) -> web.Response:
        given = await sent(request, bodies.SetPin)
        await self._station.sessions.set_pin(terminal, given.operator_id, Pin(given.pin), given.session)
        return web.Response(status=204)

    async def _seen(self, request: web.Request, terminal: Terminal) -> web.Response:
        given = await sent(request, bodies.Seen)
        self._station.terminals.seen(terminal, given.model_dump(exclude_none=True))
        return web.Response(status=204)

    async def _discarded(self, request: web.Request, terminal: Terminal) -> web.Response:
        """Somebody there has decided that a refused command is never to be booked: it stands in the log."""
        given = await sent(request, bodies.Discarded)
        log.warning("terminal.command_discarded", terminal_id=terminal.id, **given.model_dump(mode="json"))
        return web.Response(status=204)

    # ------------------------------------------------------------------ the work

    async def _snapshot(self, request: web.Request, terminal: Terminal) -> web.Response:
        listing.known(request.query, (_CELL,))
        station = self._station
        chosen = cells(request, terminal, station.policy)
        box, now = await station.pins.box(), station.clock.now()
        one = next(iter(chosen)) if chosen is not None and len(chosen) == 1 else None
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
        return answer({**told, **more})

    async def _command(self, request: web.Request, terminal: Terminal) -> web.Response:
        tap = await sent(request, bodies.Tap)
        key = request.headers.get("Idempotency-Key", tap.id)
        if key.lower() != tap.id:
            raise BadRequest(f'the Idempotency-Key is "{key[:100]}", the command\'s id {tap.id}: they are the same')
        payload = body.validate(bodies.PAYLOADS[tap.type], tap.payload).model_dump(mode="json")
        named = (tap.id, tap.type, tap.operation_id, payload, tap.session)
        answer = await self._station.commands.carry_out(terminal, Command(*named, tap.age_ms, tap.tapped_at))
        headers = {"Idempotency-Key": tap.id} | ({"Idempotency-Replayed": "true"} if answer.replayed else {})
        return answered(answer.data, answer.status, headers)

    async def _stream(self, request: web.Request, terminal: Terminal) -> web.StreamResponse:
        """Server-sent events until somebody goes. Raises Busy, BadRequest, CellNotAllowed before anything is answered."""
        listing.known(request.query, (_CELL, _SINCE, _EPOCH))
        since = number(request, "since") or place(request.headers.get("Last-Event-ID"))
        of, here = number(request, "epoch"), await self._station.db.read(epoch)
        if of is not None and of != here:
            since = -1  # of another box: nothing can be told from there
        stream = Stream(terminal, cells(request, terminal, self._station.policy))
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


def terminal_api(
    settings: Settings,
    db: Database,
    clock: Clock,
    new_id: NewId,
    terminals: Terminals,
    blobs: Blobs,
    link: Link,
    full: Full,
    limiter: Limiter,
    build: Callable[[], str],
) -> TerminalApi:
    """`link`: its entry in /healthz; `full` tells all of that."""
    live = Live(db, clock, link, full, build, int(settings.limits.connections * STREAMS_SHARE))
    terminals.watch(live)
    return TerminalApi(
        station(settings, db, clock, new_id, terminals, blobs), live, limiter, build, settings.limits.image_bytes
    )


def _pin(digits: str | None) -> Pin | None:
    return None if digits is None else Pin(digits)


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


async def _write(response: web.StreamResponse, piece: bytes, stream: Stream) -> None:
    """Who takes nothing for that long is not there any more, or as good as."""
    try:
        async with asyncio.timeout(WRITE_MAX_S):
            await response.write(piece)
    except TimeoutError:
        stream.drop()
