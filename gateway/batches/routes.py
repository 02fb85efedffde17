"""`/api-batches` and `/api-batch-lifecycle`: HTTP -> commands, and nothing else."""

from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from gateway.batches.commands import IDS, BatchCommands
from gateway.batches.model import ChangeBatch
from gateway.batches.resources import BATCHES
from gateway.catalog import models
from gateway.catalog.models import Body
from gateway.catalog.routes import guarded, reading, writing
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest, NotFound
from gateway.outbox.receipts import Answer
from gateway.web.routes import Call, Cells, Parameter, Route, Scope

ACTIONS = ("start", "stop", "add-operations", "monitor")
# Only start and stop set these. [U] who sends a row back as he read it is not refused.
SET_BY_ACTIONS = ("created_by", "started_at", "started_by", "completed_at", "completed_by")

# [U] what is wrong with it is a bad request, whatever it is: the rules say so, not the model
_Ids = Annotated[Any, WithJsonSchema({"type": "array", "items": {"type": "string", "format": "uuid"}})]
_IDS: tuple[Any, Any] = (
    _Ids,
    Field(None, description="Operations that are worked on together; each in one batch at most."),
)


_INTEGER, _TEXT = {"type": "integer"}, {"type": "string"}
_INSTANT = {"type": "string", "format": "date-time"}
_SHARE = {"type": "object", "properties": {"id": _TEXT, "minutes": _INTEGER, "seconds": _INTEGER}}
_MOVED = {"batch_id": _TEXT, "status": _TEXT, "monitoring_source": {"type": "string", "enum": ["operator", "machine"]}}
_STARTED = {**_MOVED, "operations_started": _INTEGER, "started_at": _INSTANT}
_STOPPED = {
    **_MOVED,
    "completed_at": _INSTANT,
    "total_minutes": _INTEGER,
    "total_seconds": _INTEGER,
    "distribution_method": {"type": "string", "enum": ["weighted", "equal", "none"]},
    "operations": {"type": "array", "items": _SHARE},
    "warnings?": {"type": "array", "items": _TEXT},
}
_ADDED = {"batch_id": _TEXT, "operations_added": _INTEGER}
_WATCHED: dict[str, Any] = dict.fromkeys(("monitored_batches", "overdue_batches", "created_exceptions"), _INTEGER)
_WATCHED |= {"monitored_at": _INSTANT}


class BatchLifecycleBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    batch_id: str | None = None
    action: str | None = None
    operator_id: str | None = None
    user_id: str | None = None
    operation_ids: _Ids = None
    occurred_at: models.Instant | None = None
    base_version: models.BaseVersion = None


def lifecycle(commands: BatchCommands) -> list[Route]:
    """Both dialects: `/start?id=` with the operator in the body, and a body with everything in it."""

    async def change(call: Call) -> Answer:
        body = call.body or BatchLifecycleBody()
        action = call.path.get("action") or body.action or ""
        if action not in ACTIONS:
            raise NotFound(f"Unknown action '{action[:100]}'. Actions: {', '.join(ACTIONS)}")
        if action == "monitor":
            return await commands.monitor(call.caller)
        batch_id = call.query.get("id") or body.batch_id
        if not batch_id:
            raise BadRequest("Batch ID is required: ?id= or batch_id in the body", code="VALIDATION_ERROR")
        batch_id = batch_id.lower()
        receipt = guarded(call, BATCHES, batch_id)
        if action == "add-operations":
            return await commands.add(batch_id, body.operation_ids, call.caller, receipt)
        named = body.operator_id or body.user_id or call.query.get("operator_id") or call.query.get("user_id")
        operator_id = named.lower() if named else None
        wish = ChangeBatch(batch_id, operator_id, call.caller.operator_id, body.occurred_at)
        act = commands.start if action == "start" else commands.stop
        return await act(wish, call.caller, receipt)

    return [
        Route(
            "POST",
            path,
            change,
            Scope.OPERATE,
            Cells.CHECKED,
            "Start or stop a batch, add operations to it, look for overdue ones",
            body=BatchLifecycleBody,
            parameters=(Parameter("id", about="The batch."),),
            answers=(_STARTED, _STOPPED, _ADDED, _WATCHED),
            strict_method=True,
            conditional=True,
        )
        for path in ("/api-batch-lifecycle", "/api-batch-lifecycle/{action}")
    ]


@cache
def _bodies() -> tuple[type[Body], type[Body]]:
    """Of a new one, and of a change."""
    ids = {IDS: _IDS}
    return models.create_model(BATCHES, more=ids), models.patch_model(BATCHES, more=ids, dropped=SET_BY_ACTIONS)


def routes(db: Database, commands: BatchCommands) -> list[Route]:
    create, patch = _bodies()
    return [
        *reading(BATCHES, db),
        *writing(BATCHES, commands, create=create, patch=patch),
        *lifecycle(commands),
    ]
