"""`/api-reports`: functions that only a gateway has. What people print or put on a wall: shift, scrap, load of the cells.

What makes them is loaded by the first who asks: most boxes never are.
"""

from datetime import datetime
from typing import Any

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.outbox.event import encode
from gateway.outbox.receipts import Answer
from gateway.web import listing
from gateway.web.routes import Call, Cells, Parameter, Raw, Route, Scope

_INSTANT = {"type": "string", "format": "date-time"}
_CELL = Parameter("cell_id", {"type": "string", "format": "uuid"}, "Of this cell alone.")
_SINCE = Parameter("since", _INSTANT, "Eight hours before `until` if left out; seven days at most.")
_UNTIL = Parameter("until", _INSTANT, "Now if left out.")
_DAYS = Parameter("days", {"type": "integer", "minimum": 1, "maximum": 365, "default": 30}, "How far back.")
_TOP = Parameter("top_n", {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}, "How many reasons.")
_LANGUAGE = Parameter("language", {"type": "string", "enum": ["en", "nl", "de"], "default": "en"})
_OBJECT: dict[str, Any] = {"type": "object"}
_SHIFT: dict[str, Any] = {
    "title": "ShiftReport",
    "type": "object",
    "properties": {
        "since": _INSTANT,
        "until": _INSTANT,
        "cell": {"type": ["string", "null"]},
        "people": {"type": "array", "items": _OBJECT},
        "worked_s": {"type": "integer"},
        "pieces": _OBJECT,
        "operations": _OBJECT,
        "made": {"type": "array", "items": _OBJECT},
        "scrap": {"type": "array", "items": _OBJECT},
        "stops": {"type": "array", "items": _OBJECT},
    },
}


def routes(db: Database, clock: Clock) -> list[Route]:
    async def read(report: str, call: Call, query: dict[str, str], now: datetime) -> Any:
        from gateway.reports.routes import read as asked  # noqa: PLC0415 -- 2 MB that only they need

        return await asked(db, report, query, call.caller, now)

    def show(report: str, name: str, path: str, about: str, *parameters: Parameter) -> Route:
        async def answer(call: Call) -> Answer:
            listing.known(call.query, parameters)
            return Answer(200, encode({name: await read(report, call, dict(call.query), clock.now())}))

        schema = _SHIFT if name == "shift" else _OBJECT
        return Route(
            "GET", path, answer, Scope.READ, Cells.FILTERED, about, parameters=parameters, answers={name: schema}
        )

    of_shift = (_SINCE, _UNTIL, _CELL)

    async def printed(call: Call) -> Raw:
        listing.known(call.query, (*of_shift, _LANGUAGE))
        from gateway.reports import printed  # noqa: PLC0415 -- the library takes a tenth of a second

        query = dict(call.query)
        language = query.pop("language", "en")
        return await printed.answer(await read("shift", call, query, clock.now()), language)

    return [
        show(
            "shift",
            "shift",
            "/api-reports/shift",
            "Hours, pieces, scrap by reason and stops of a shift",
            *of_shift,
        ),
        Route(
            "GET",
            "/api-reports/shift.pdf",
            printed,
            Scope.READ,
            Cells.FILTERED,
            "The same on paper",
            parameters=(*of_shift, _LANGUAGE),
            gives="application/pdf",
        ),
        show(
            "scrap_pareto",
            "scrap",
            "/api-reports/scrap",
            "The reasons that make most of the scrap: a Pareto",
            _DAYS,
            _TOP,
        ),
        show(
            "cell_capacity",
            "load",
            "/api-reports/load",
            "Open work of the cells against the hours that they have: the next seven days",
            _CELL,
        ),
    ]
