"""The stand-in cloud: behaves as the real one does, defects included, and has its accidents on request.

    cloud = StandInCloud(SystemClock(), random.Random(1))
    cloud.add_tenant(tenant_id)
    cloud.add_key(tenant_id, "ery_live_...")
    async with cloud.serving("127.0.0.1", 0) as url: ...

As a program: `python -m gateway.demo.cloud --port 8090 --load rows.json --key ery_live_... --tenant ID`. Its control
endpoints (`/_stand-in/faults`, `away`, `state`, `log`; from this machine only) have a second port, which stays open
while the cloud is away; both addresses are printed.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import random
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from gateway.demo import cloud_faults, cloud_tables
from gateway.demo.cloud_activity import Activity
from gateway.demo.cloud_answer import Answer, Call, Refused, done
from gateway.demo.cloud_creates import Creates
from gateway.demo.cloud_crud import Crud
from gateway.demo.cloud_database import Database, Row
from gateway.demo.cloud_faults import Faults
from gateway.demo.cloud_files import CloudFiles
from gateway.demo.cloud_gate import WINDOW_S, Gate, Tenant
from gateway.demo.cloud_lifecycle import Lifecycle
from gateway.demo.cloud_listener import Listener
from gateway.demo.cloud_realtime import REALTIME, Realtime
from gateway.demo.cloud_resources import RESOURCES
from gateway.demo.cloud_storage import STORAGE, Storage
from gateway.demo.cloud_tables import Tables
from gateway.demo.cloud_webhooks import Webhooks
from gateway.kernel.clock import Clock, SystemClock, text

BASE = "/functions/v1"
CONTROL = "/_stand-in/"
BESIDE = (STORAGE, cloud_tables.AUTH, cloud_tables.REST)  # what is no function
LIFECYCLES = frozenset(("api-operation-lifecycle", "api-job-lifecycle"))
FUNCTIONS = frozenset(RESOURCES) | LIFECYCLES | {"api-materials", "api-upload-url", "api-parts-images"}
CORS = {
    "Access-Control-Allow-Origin": "http://localhost:5173",
    "Access-Control-Allow-Headers": "authorization, x-client-info, apikey, content-type, x-request-id",
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Expose-Headers": "x-request-id",
    "Vary": "Origin",
}
SHUTDOWN_MAX_S = 1.0

Run = Callable[[], Awaitable[Answer]]  # what a request does, as often as it is delivered
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")


@dataclass(slots=True)
class Request:
    """One line of the log. A late delivery has no status until it is done; a lost reply has the one nobody saw."""

    method: str
    path: str  # below /functions/v1
    query: str
    body: Any
    status: int | None
    at: str
    fault: str = ""
    request_id: str | None = None  # as it was sent


class StandInCloud:
    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        # Ids have their own dice: accidents do not depend on how many rows were made.
        self._db = Database(clock, random.Random(rng.getrandbits(64)))  # nosec B311 # seeded play
        self.activity = Activity(self._db, self._tell, self._added)
        self.tables = Tables(self._db, self.activity, clock)
        self.realtime = Realtime(self.tables)
        self._gate = Gate(clock)
        self._webhooks = Webhooks(self._db, clock)
        self._crud = Crud(self._db)
        self._creates = Creates(self._db)
        self._lifecycle = Lifecycle(self._db, self._webhooks.notify)
        self.storage = Storage(clock)
        self.files = CloudFiles(self._db, self.storage, clock)
        self._listener: Listener | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._absence: asyncio.Task[None] | None = None
        self.faults = Faults()
        self.log: list[Request] = []
        self.control_url = ""

    def add_tenant(self, tenant_id: str, plan: str = "enterprise") -> Tenant:
        """Its limits are attributes of what this returns."""
        tenant = Tenant(tenant_id, plan)
        self._gate.tenants[tenant_id] = tenant
        return tenant

    def add_key(self, tenant_id: str, key: str) -> None:
        self._gate.add_key(tenant_id, key)

    def revoke_key(self, key: str) -> None:
        self._gate.revoke(key)

    def load(self, rows: Mapping[str, list[Row]]) -> None:
        """Rows that are there already: nothing is checked. One without tenant_id belongs to the first tenant."""
        first = next(iter(self._gate.tenants), None)
        for table, listed in rows.items():
            for row in listed:
                self._db.load(table, {"tenant_id": first, **row} if "tenant_id" not in row and first else row)

    def rows(self, table: str) -> list[Row]:
        """Copies, deleted ones too, in the order in which they came."""
        return [dict(row) for row in self._db.where(table)]

    def row(self, table: str, row_id: str) -> Row:
        return dict(self._db.tables[table][row_id])

    @contextlib.contextmanager
    def committing(self, began: datetime | None = None) -> Iterator[Database]:
        """The web client's own way past the functions; `began`: when the transaction that commits here did."""
        with self.activity.transaction(began or self._clock.now()):
            yield self._db

    def go_away(self) -> None:
        """New connections are refused, open ones are reset; what has been handed over goes on."""
        if self._listener is not None:
            self._listener.go_away()

    def come_back(self) -> None:
        if self._listener is not None:
            self._listener.come_back()

    @contextlib.asynccontextmanager
    async def serving(self, host: str = "127.0.0.1", port: int = 0, control_port: int = 0) -> AsyncIterator[str]:
        main, control = (web.Server(self._handle, access_log=None) for _ in range(2))
        self._listener, side = Listener(main), Listener(control)
        async with aiohttp.ClientSession(trust_env=False) as session:
            self._webhooks.session = session
            port = await self._listener.open(host, port)
            self.storage.base = f"http://{host}:{port}"
            self.control_url = f"http://127.0.0.1:{await side.open('127.0.0.1', control_port)}{CONTROL}"
            try:
                yield f"http://{host}:{port}{BASE}"
            finally:
                for task in list(self._background):
                    task.cancel()
                await asyncio.gather(*self._background, return_exceptions=True)
                await self.realtime.close()
                for listener, server in ((self._listener, main), (side, control)):
                    await listener.close()
                    await server.shutdown(SHUTDOWN_MAX_S)
                self._webhooks.session = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path == REALTIME:
            return await self.realtime.serve(request)
        body = await request.content.read()  # `request.read` has a limit
        if path.startswith(CONTROL):
            return _plain_response(await self._control(request, path.removeprefix(CONTROL), body))
        target = path.removeprefix(BASE)
        function, *rest = target.strip("/").split("/")
        if not path.startswith(BESIDE) and (function not in FUNCTIONS or not path.startswith(BASE)):
            answer = Answer(404, {"code": "NOT_FOUND", "message": "Requested function was not found"}, enveloped=False)
            return _plain_response(answer)
        if request.method == "OPTIONS":
            return web.Response(body=b"ok", headers=CORS | {"Content-Type": "text/plain;charset=UTF-8"})
        asked = f"{target}?{request.query_string}"
        fault = self.faults.fall(self._rng, request.method, asked)
        arrived = text(self._clock.now())
        content_type = request.headers.get("Content-Type", "")
        entry = Request(
            request.method, target, request.query_string, _readable(content_type, body), None, arrived, fault
        )
        entry.request_id = request.headers.get("X-Request-Id")
        self.log.append(entry)
        query = {name: request.query.getall(name)[0] for name in request.query}
        run: Run
        if path.startswith(STORAGE):
            run = partial(self._store, request.method, path, query, body, content_type)
        elif path.startswith(BESIDE):
            run = partial(self._read, request.method, path, list(request.query.items()), request.headers, body)
        else:
            authorization = request.headers.get("Authorization")
            run = partial(self._run, request.method, function, tuple(rest), query, body, content_type, authorization)
        if fault == "late_delivery":
            wait_s = self._rng.uniform(self.faults.late_min_s, self.faults.late_max_s)
            self._spawn(self._deliver_late(wait_s, entry, run))
            return _cut_off(request)
        answer = cloud_faults.instead(fault, target, self._gate.reset_at(WINDOW_S)) or await run()
        entry.status = answer.status
        if fault == "duplicate":
            await run()
        if self.faults.slow_s:
            await self._clock.sleep(self.faults.slow_s)
        if fault == "lose_reply":
            return _cut_off(request)
        return await self._respond(request, answer, cut=fault == "truncated_body")

    async def _deliver_late(self, wait_s: float, entry: Request, run: Run) -> None:
        await self._clock.sleep(wait_s)
        entry.status = (await run()).status

    async def _store(self, method: str, path: str, query: Mapping[str, str], body: bytes, content_type: str) -> Answer:
        """Past the gate: a signed address asks for no key and is not counted."""
        return self.storage.serve(method, path, query.get("token", ""), body, content_type)

    async def _read(
        self, method: str, path: str, query: cloud_tables.Query, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Past the gate as well: people who are signed in are not counted."""
        return self.tables.serve(method, path, query, headers, body)

    async def _run(
        self,
        method: str,
        function: str,
        path: tuple[str, ...],
        query: Mapping[str, str],
        body: bytes,
        content_type: str,
        authorization: str | None,
    ) -> Answer:
        """Through the gate to the function: 405 of a lifecycle, 401, 429, and then what the function does."""
        try:
            if function in LIFECYCLES and method != "POST":
                text_405 = f"Method {method} not allowed. Allowed: POST, OPTIONS"
                error = {"code": "METHOD_NOT_ALLOWED", "message": text_405}
                return Answer(405, {"success": False, "error": error})
            tenant = self._gate.admit(authorization)
            if self.faults.database_away and (not isinstance(tenant, str) or tenant == "Invalid API key"):
                tenant = "Authentication failed"
            if isinstance(tenant, str):
                raise Refused(401, "UNAUTHORIZED", tenant)
            self.activity.counted(tenant.id)
            limit = tenant.daily_limit(self.faults.quota)
            wait_s = tenant.over_limit(limit, self._clock.monotonic())
            if limit is not None and wait_s is not None:
                return cloud_faults.over_quota(tenant.plan, limit, wait_s, self._gate.reset_at(wait_s))
            call = Call(method, function, path, query, body, tenant, content_type)
            if self.faults.bare and (refused := cloud_faults.lacking(call)):
                raise refused
            return await self._dispatch(call)
        except Refused as refused:
            return refused.answer()

    async def _dispatch(self, call: Call) -> Answer:
        match call.method, call.function:
            case _, "api-operation-lifecycle":
                return await self._lifecycle.operation(call)
            case _, "api-job-lifecycle":
                return await self._lifecycle.job(call)
            case _, "api-upload-url":
                return self.files.upload_url(call)
            case _, "api-parts-images":
                return await self.files.images(call)
            case _, "api-materials":
                parts = self._db.where("parts", tenant_id=call.tenant.id)
                return done({"materials": sorted({part["material"] for part in parts})})
            case "GET", "api-parts" if call.path[-1:] == ("file-url",):
                if not call.query.get("path"):
                    raise Refused(400, "BAD_REQUEST", "path is required")
                raise Refused(404, "NOT_FOUND", "CAD file not found for this part not found")
            case "POST", "api-jobs":
                return self._creates.job(call)
            case "POST", "api-parts":
                return self._creates.part(call)
            case "POST", "api-issues":
                return self._creates.issue(call)
            case "POST", "api-webhooks":
                return self._creates.webhook(call)
            case _:
                return self._crud.serve(call)

    async def _respond(self, request: web.BaseRequest, answer: Answer, *, cut: bool) -> web.StreamResponse:
        headers = {"Content-Type": "application/json", **answer.headers}
        if answer.enveloped:
            sent = request.headers.get("x-request-id", "")
            headers |= CORS | {"x-request-id": sent if _REQUEST_ID.fullmatch(sent) else self._db.new_id()}
        body = answer.encoded()
        if not cut:
            return web.Response(status=answer.status, body=body, headers=headers)
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_length = len(body)
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        if request.transport is not None:
            request.transport.close()
        return response

    async def _control(self, request: web.BaseRequest, name: str, body: bytes) -> Answer:
        if request.remote is None or not ipaddress.ip_address(request.remote).is_loopback:
            return Answer(403, {"error": "control is for this machine only"})
        match request.method, name:
            case "GET", "faults":
                return Answer(200, asdict(self.faults))
            case "POST", "faults":
                try:
                    self.faults.change(**json.loads(body))
                except ValueError as exc:
                    return Answer(400, {"error": str(exc)})
                return Answer(200, asdict(self.faults))
            case "POST", "away":
                if self._absence is not None:
                    self._absence.cancel()
                self._absence = self._spawn(self._stay_away(float(json.loads(body)["seconds"])))
                return Answer(200, {"away": True})
            case "GET", "state":
                return Answer(200, {name: list(rows.values()) for name, rows in self._db.tables.items()})
            case "GET", "log":
                return Answer(200, [asdict(entry) for entry in self.log])
            case _:
                return Answer(404, {"error": "there are GET and POST faults, POST away, GET state, GET log"})

    def _tell(self, tenant_id: str, event: str, data: Row) -> None:
        """What the database itself sends: nobody waits for it."""
        if self._webhooks.wanting(tenant_id, event):
            self._spawn(self._webhooks.notify(tenant_id, event, data))

    def _added(self, entry: Row) -> None:
        if self.realtime.joined:
            self._spawn(self.realtime.tell(dict(entry)))

    async def _stay_away(self, seconds: float) -> None:
        """A later call takes the place of an earlier one; 0 seconds brings the cloud back at once."""
        self.go_away()
        await self._clock.sleep(seconds)
        self.come_back()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _plain_response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.encoded(), content_type="application/json")


def _cut_off(request: web.BaseRequest) -> web.Response:
    """Nothing of this answer reaches the client."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _readable(content_type: str, body: bytes) -> Any:
    """For the log; of a file only how long it is."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        is_text = content_type.startswith("application/json")
        return body.decode(errors="replace") if is_text else f"{len(body)} bytes"


async def _main(arguments: argparse.Namespace) -> None:
    cloud = StandInCloud(SystemClock(), random.Random(arguments.seed))  # nosec B311 # seeded play
    cloud.add_tenant(arguments.tenant)
    cloud.add_key(arguments.tenant, arguments.key)
    if arguments.load:
        cloud.load(json.loads(arguments.load.read_text()))
    async with cloud.serving(arguments.host, arguments.port, arguments.control_port) as url:
        sys.stdout.write(f"{url}\n{cloud.control_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="The stand-in cloud")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--control-port", type=int, default=0)
    options.add_argument("--load", type=Path)
    options.add_argument("--key", required=True)
    options.add_argument("--tenant", required=True)
    options.add_argument("--seed", type=int, default=None)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(options.parse_args()))
