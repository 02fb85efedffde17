"""`/ops/api/`: what the operations page calls. A session opens it; behind it lie the same routes of the API and the same verbs that
everybody else has, and four things that only a page needs: the session itself, two streams, and drawings of QR codes.
"""

import io
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from aiohttp import web

from gateway.admin.box import Box
from gateway.admin.verbs import carried_out
from gateway.kernel.errors import BadRequest, Forbidden, Invalid, Unauthorized
from gateway.kernel.following import current
from gateway.kernel.trail import NOBODY, Act, Trail
from gateway.mcp_keys.redaction import redacted
from gateway.ops.access import NOT_IN, SESSION_MAX_S, Access, Session
from gateway.outbox.event import encode
from gateway.web import body as body_
from gateway.web.errors import status_of
from gateway.web.inside import Inner, Inside
from gateway.web.routes import Route

COOKIE, PATH = "ops_session", "/ops/"
API = "/ops/api"
CSRF = "X-CSRF-Token"
SPACE = "ops:{}"  # of the receipts
QR_MAX_CHARACTERS = 500
Handler = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Ops:
    """`routes` gives the table of the API when it is first asked for."""

    box: Box
    access: Access
    routes: Callable[[], Iterable[Route]]

    def add_to(self, app: web.Application) -> None:
        add = app.router.add_route
        add("GET", f"{API}/session", self._who)
        add("POST", f"{API}/session", self._enter)
        add("POST", f"{API}/setup", self._setup)
        add("DELETE", f"{API}/session", self.guarded(self._leave))
        add("PUT", f"{API}/password", self.guarded(self._password))
        add("POST", f"{API}/verbs/{{verb}}", self.guarded(self._verb))
        add("GET", f"{API}/qr", self.guarded(_qr))
        add("*", f"{API}/fn/{{path:.+}}", self.guarded(self._function))

    def guarded(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Only with a session; a change only with its token, which a page of somebody else's cannot know."""

        async def handle(request: web.Request) -> web.StreamResponse:
            session = self.session(request)
            if request.method not in ("GET", "HEAD") and request.headers.get(CSRF) != session.csrf:
                raise Forbidden(f"the header {CSRF} is missing or of another session: load the page again")
            return await handler(request, session)

        return handle

    def session(self, request: web.Request) -> Session:
        """Raises Unauthorized."""
        token = request.cookies.get(COOKIE)
        if token is None:
            raise Unauthorized(NOT_IN)
        return self.access.session(token)

    # ------------------------------------------------------------------ the session

    async def _who(self, request: web.Request) -> web.Response:
        """Answers everybody: who is in, or what somebody needs to come in."""
        try:
            session = self.session(request)
        except Unauthorized:
            return _said({"signed_in": False, **await self.access.ready()})
        return _said({"signed_in": True, **await self.access.ready(), **_shown(session)})

    async def _enter(self, request: web.Request) -> web.Response:
        given = await _fields(request, "password", "key")
        entering = self.access.enter(request.remote or "", password=given.get("password"), key=given.get("key") or None)
        return await self._let_in(request, "sign in", entering)

    async def _setup(self, request: web.Request) -> web.Response:
        given = await _fields(request, "code", "password")
        entering = self.access.redeem(request.remote or "", given.get("code", ""), given.get("password", ""))
        return await self._let_in(request, "first password", entering)

    def _opened(self, request: web.Request, token: str, session: Session) -> web.Response:
        answer = _said({"signed_in": True, "password": True, **_shown(session)})  # nosec B105 # whether there is one
        answer.set_cookie(
            COOKIE,
            token,
            path=PATH,
            httponly=True,
            samesite="Strict",
            secure=request.secure,
            max_age=int(SESSION_MAX_S),
        )
        return answer

    async def _leave(self, request: web.Request, _session: Session) -> web.Response:
        self.access.leave(request.cookies[COOKIE])
        answer = _said({"signed_in": False})
        answer.del_cookie(COOKIE, path=PATH, httponly=True, samesite="Strict", secure=request.secure)
        return answer

    async def _password(self, request: web.Request, session: Session) -> web.Response:
        given = await _fields(request, "password")
        await self.access.set_password(given.get("password", ""))
        await self.remember(session, "password", {}, 200)
        return _said({})

    # ------------------------------------------------------------------ what everybody has

    async def _verb(self, request: web.Request, session: Session) -> web.Response:
        """What the command line asks through the admin socket."""
        name = request.match_info["verb"]
        given = await _object(request)
        try:
            answer = encode(await carried_out(replace(self.box, by=session.who), session.source, name, given))
        except (KeyError, TypeError, ValueError) as exc:
            raise BadRequest(f"the arguments do not fit the verb: {exc!r}") from exc
        return web.Response(body=f'{{"success":true,"data":{answer}}}'.encode(), content_type="application/json")

    async def _function(self, request: web.Request, session: Session) -> web.StreamResponse:
        """A call of the REST API."""
        given = await request.read()
        key = request.headers.get("Idempotency-Key")
        request_id = current() or self.box.new_id()
        inner = Inner(
            request.method,
            f"/{request.match_info['path']}?{request.query_string}",
            body_.parse(given) if given else None,
            key or self.box.new_id(),
            SPACE.format(session.who.key_id),
            fresh=key is None,
            headers={name: request.headers[name] for name in ("Host", "If-Match") if name in request.headers},
        )
        outcome = await self._inside.run(inner, session.who, request_id)
        if request.method not in ("GET", "HEAD"):
            about = {"query": dict(request.query), "body": inner.body}
            await self.remember(session, f"{request.method} /{request.match_info['path']}", about, outcome.status)
        return web.Response(status=outcome.status, body=outcome.body.encode(), content_type="application/json")

    @cached_property
    def _inside(self) -> Inside:
        return Inside(self.routes(), reads=True)

    async def remember(self, session: Session, action: str, detail: dict[str, Any], status: int) -> None:
        """What somebody did is kept."""
        await self._kept(Act(session.who.name, session.source, action, redacted(detail), status))

    async def _kept(self, act: Act) -> None:
        await Trail(self.box.db, self.box.clock, self.box.new_id).add(act)

    async def _let_in(
        self, request: web.Request, action: str, entering: Awaitable[tuple[str, Session]]
    ) -> web.Response:
        """Who comes in is kept, and who does not. Who is locked out has been kept as often as it took."""
        source = request.remote or ""
        try:
            token, session = await entering
        except (Unauthorized, Forbidden) as exc:
            await self._kept(Act(NOBODY, source, action, redacted({"why": exc.message}), status_of(exc)))
            raise
        await self.remember(session, action, {}, 200)
        return self._opened(request, token, session)


async def _qr(request: web.Request, _session: Session) -> web.Response:
    """`text` as a drawing."""
    import segno  # noqa: PLC0415 -- paid by who pairs a terminal

    text = request.query.get("text", "")
    if not 1 <= len(text) <= QR_MAX_CHARACTERS:
        raise BadRequest(f"a text of {len(text)} characters: 1 to {QR_MAX_CHARACTERS}")
    drawn = io.BytesIO()
    segno.make(text, micro=False).save(drawn, kind="svg", scale=8, border=4, dark="#000", light="#fff")
    return web.Response(body=drawn.getvalue(), content_type="image/svg+xml")


def _shown(session: Session) -> dict[str, Any]:
    return {"who": session.who.name, "csrf": session.csrf, "by_password": session.key is None}


def _said(data: Any) -> web.Response:
    return web.Response(body=f'{{"success":true,"data":{encode(data)}}}'.encode(), content_type="application/json")


async def _object(request: web.Request) -> dict[str, Any]:
    given = body_.parse(await request.read() or b"{}")
    if not isinstance(given, dict):
        raise BadRequest("the body has to be a JSON object")
    return given


async def _fields(request: web.Request, *names: str) -> dict[str, str]:
    """Texts. Raises Invalid, which never shows them again."""
    given = await _object(request)
    for name, value in given.items():
        if name not in names or not isinstance(value, str):
            raise Invalid(f'"{name}" is not asked for, or is no text', [{"field": name, "message": "a text"}])
    return given
