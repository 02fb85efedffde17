"""Reports as routes, `GET /reports/<name>`: for callers inside, who get the same checks as anybody outside."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.outbox.event import encode
from gateway.outbox.receipts import Answer
from gateway.reports import blockers, boards, capacity, quality, scrap, shifts, sync, work
from gateway.reports.model import Asked, Report, View
from gateway.web import body
from gateway.web.openapi import BodySchema
from gateway.web.routes import Call, Caller, Cells, Parameter, Route, Scope

REPORTS = (
    *work.REPORTS,
    *blockers.REPORTS,
    *boards.REPORTS,
    *capacity.REPORTS,
    *quality.REPORTS,
    *scrap.REPORTS,
    *shifts.REPORTS,
    *sync.REPORTS,
)

_BY_NAME = {one.name: one for one in REPORTS}

Standing = Callable[[], Awaitable[Mapping[str, Any]]]  # see gateway/status.py


def reports(db: Database, clock: Clock, standing: Standing) -> list[Route]:
    return [
        *(_route(db, clock, report) for report in REPORTS),
        _told("sync_status", "How the gateway and its links are doing", standing, sync.status),
        _told("why_behind", "Why the cloud is not up to date", standing, sync.why_behind),
    ]


def _route(db: Database, clock: Clock, report: Report) -> Route:
    async def show(call: Call) -> Answer:
        return Answer(200, encode(await _made(db, report, call.query, call.caller, clock.now())))

    return _shown(report.name, report.about, show, _parameters(report.asked))


async def read(db: Database, name: str, query: Mapping[str, str], caller: Caller, now: datetime) -> Any:
    """The report of that name. Raises Invalid, NotFound."""
    return await _made(db, _BY_NAME[name], query, caller, now)


async def _made(db: Database, report: Report, query: Mapping[str, str], caller: Caller, now: datetime) -> Any:
    asked = body.validate(report.asked, dict(query))
    cells = None if caller.cells is None else json.dumps(sorted(caller.cells))
    return await db.read(report.make, asked, View(now, cells))


def _told(name: str, about: str, standing: Standing, make: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Route:
    async def show(call: Call) -> Answer:
        body.validate(work.Nothing, dict(call.query))
        return Answer(200, encode(make(await standing())))

    return _shown(name, about, show, ())


def _shown(
    name: str, about: str, show: Callable[[Call], Awaitable[Answer]], parameters: tuple[Parameter, ...]
) -> Route:
    return Route("GET", f"/reports/{name}", show, Scope.READ, Cells.FILTERED, about, parameters=parameters)


def _parameters(asked: type[Asked]) -> tuple[Parameter, ...]:
    schema = asked.model_json_schema(schema_generator=BodySchema)
    required = schema.get("required", ())
    return tuple(
        Parameter(name, one, required=f"{name} is required" if name in required else "")
        for name, one in schema.get("properties", {}).items()
    )
