"""`/api-conflicts`: a function that only a gateway has."""

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from gateway.catalog.models import Body, row_schema
from gateway.catalog.routes import ID, guarded, reading, strict, wanted
from gateway.conflicts.commands import ConflictCommands
from gateway.conflicts.resources import CONFLICTS
from gateway.kernel.db import Database
from gateway.outbox.receipts import Answer
from gateway.web import listing
from gateway.web.routes import Call, Cells, Route, Scope


class Decision(Body):
    """Which side is right."""

    entity: ClassVar[str] = "conflict"

    resolution: Literal["local", "cloud"] = Field(
        description="`local`: ours stays and is sent up again; `cloud`: theirs is taken over here."
    )


def routes(db: Database, commands: ConflictCommands) -> list[Route]:
    (rows,) = reading(CONFLICTS, db)
    asked = (replace(ID, required="ID parameter is required: which conflict"),)

    async def resolve(call: Call) -> Answer:
        listing.known(call.query, asked)
        row_id = wanted(CONFLICTS, call.query["id"])
        receipt = guarded(call, CONFLICTS, row_id)
        return await commands.resolve(row_id, call.body.resolution, call.caller, receipt)

    decided = Route(
        "PATCH",
        CONFLICTS.path,
        resolve,
        Scope.PLAN,
        Cells.CHECKED,
        "Decide a conflict with the cloud",
        Decision,
        asked,
        dict.fromkeys(CONFLICTS.singular, row_schema(CONFLICTS)),
        conditional=True,
    )
    return [strict(rows), decided]
