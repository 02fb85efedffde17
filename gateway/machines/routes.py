"""`/api-machines`: functions that only a gateway has. How machines stand, and pieces that were counted and not believed."""

from dataclasses import asdict
from typing import Any

from gateway.catalog.routes import ID
from gateway.kernel.db import Database
from gateway.machines.quarantines import QuarantineCommands
from gateway.machines.registry import Machines
from gateway.machines.standing import seen_by
from gateway.outbox.event import encode
from gateway.outbox.receipts import Answer
from gateway.web import listing
from gateway.web.routes import Call, Cells, Parameter, Route, Scope

PATH = "/api-machines"
_TEXT, _INSTANT = {"type": "string"}, {"type": "string", "format": "date-time"}
_MAYBE: dict[str, Any] = {"type": ["string", "null"]}
_QUARANTINE: dict[str, Any] = {
    "title": "Quarantine",
    "type": "object",
    "properties": {
        "id": _TEXT,
        "device": _TEXT,
        "input": _TEXT,
        "reason": {"enum": ["jump", "held_too_many"]},
        "last_value": {},
        "value": {},
        "pieces": {"type": "integer"},
        "found_at": _INSTANT,
        "acknowledged_at": _MAYBE,
        "acknowledged_by": _MAYBE,
    },
}
_MACHINE: dict[str, Any] = {
    "title": "Machine",
    "type": "object",
    "properties": {
        "device": _TEXT,
        "state": _TEXT,
        "raw": {},
        "since": _MAYBE,
        "quality": {"enum": ["good", "uncertain", "bad"]},
        "source_timestamp": _MAYBE,
        "received_at": _MAYBE,
        "program": _MAYBE,
        "counters": {"type": "object"},
        "tags": {"type": "object"},
        "version": {"type": "integer"},
        "operation_id": _MAYBE,
    },
}
_ALL = Parameter("all", {"type": "boolean"}, "Also what somebody has acknowledged.")
_WHICH = Parameter(ID.name, ID.schema, "Which quarantine.", required="ID parameter is required: which quarantine")


def routes(db: Database, machines: Machines, commands: QuarantineCommands) -> list[Route]:
    async def show(call: Call) -> Answer:
        listing.known(call.query, ())
        found = await db.read(seen_by, machines, call.caller.cells)
        rows = [asdict(one) for one in found]
        return Answer(200, encode({"machines": rows, "pagination": _whole(len(rows))}))

    async def quarantines(call: Call) -> Answer:
        listing.known(call.query, (_ALL,))
        rows = await commands.listed(call.caller, acknowledged_too=call.query.get("all") == "true")
        return Answer(200, encode({"quarantines": rows, "pagination": _whole(len(rows))}))

    async def acknowledge(call: Call) -> Answer:
        listing.known(call.query, (_WHICH,))
        return await commands.acknowledge(call.query["id"], call.caller, call.receipt)

    return [
        Route(
            "GET",
            PATH,
            show,
            Scope.READ,
            Cells.FILTERED,
            "How the machines of the settings stand",
            answers={"machines": {"type": "array", "items": _MACHINE}, "pagination": listing.PAGINATION},
            refuses=frozenset((422,)),
        ),
        Route(
            "GET",
            f"{PATH}/quarantines",
            quarantines,
            Scope.READ,
            Cells.FILTERED,
            "Pieces that were counted and not booked, because nobody would believe them",
            parameters=(_ALL,),
            answers={"quarantines": {"type": "array", "items": _QUARANTINE}, "pagination": listing.PAGINATION},
        ),
        Route(
            "POST",
            f"{PATH}/acknowledge",
            acknowledge,
            Scope.OPERATE,
            Cells.CHECKED,
            "Somebody has looked at pieces that were not booked",
            parameters=(_WHICH,),
            answers={"quarantine": _QUARANTINE},
        ),
    ]


def _whole(count: int) -> dict[str, int | None]:
    """There is never more than one page of them."""
    return {"total": count, "offset": 0, "limit": count, "next_cursor": None}
