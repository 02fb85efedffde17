"""`/api-replay`: a function that only a gateway has."""

from typing import ClassVar

from pydantic import Field

from gateway.catalog.models import Body, row_schema
from gateway.catalog.routes import reading, strict
from gateway.kernel.db import Database
from gateway.outbox.receipts import Answer
from gateway.replays.commands import ReplayCommands
from gateway.replays.resources import OUT_MAX, PATH, REPLAYS
from gateway.web import listing
from gateway.web.routes import Call, Cells, Route, Scope

SEQ_MAX = 2**53 - 1


class Asked(Body):
    """What is to be sent again, and to whom."""

    entity: ClassVar[str] = "replay"

    from_seq: int = Field(ge=1, le=SEQ_MAX, strict=True, description="The first entry of the journal.")
    to_seq: int = Field(ge=1, le=SEQ_MAX, strict=True, description="The last one.")
    out: str = Field(max_length=OUT_MAX, description="`webhook:<id>`, `mqtt:<id>` of a publisher, or `uns`.")


def routes(db: Database, commands: ReplayCommands) -> list[Route]:
    async def ask(call: Call) -> Answer:
        listing.known(call.query, ())
        asked = call.body
        return await commands.ask(asked.out, asked.from_seq, asked.to_seq, call.caller, call.receipt)

    return [
        *map(strict, reading(REPLAYS, db)),
        Route(
            "POST",
            PATH,
            ask,
            Scope.ADMIN,
            Cells.NONE,
            "Send a stretch of the journal to a way out again",
            Asked,
            answers=dict.fromkeys(REPLAYS.singular, row_schema(REPLAYS)),
            status=201,
        ),
    ]
