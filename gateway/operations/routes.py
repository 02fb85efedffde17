"""`/api-operation-lifecycle` and `/api-operations`: HTTP -> commands, and nothing else."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.catalog import models
from gateway.catalog.models import Body
from gateway.catalog.routes import guarded, reading, writing
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest, NotFound
from gateway.kernel.ids import is_uuid
from gateway.operations.commands import OperationCommands
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.resources import OPERATIONS
from gateway.operations.rules import VERBS
from gateway.outbox.receipts import Answer
from gateway.web.routes import Call, Cells, Parameter, Route, Scope

NEEDS_MAX = 100
NEED_MAX = 1_000_000


class LifecycleBody(BaseModel):
    """The published reference sends all of it, today's cloud dialect nothing."""

    model_config = ConfigDict(extra="forbid")

    operation_id: str | None = None
    action: str | None = None
    operator_id: str | None = None
    user_id: str | None = None
    occurred_at: models.Instant | None = None
    time_type: Literal["setup", "run", "rework", "wait", "breakdown"] = "run"
    notes: str | None = None
    base_version: models.BaseVersion = None


def lifecycle(commands: OperationCommands) -> list[Route]:
    """Both dialects: `/start?id=&user_id=` and a body with everything in it."""

    async def change(call: Call) -> Answer:
        body = call.body or LifecycleBody()
        operation_id = call.query.get("id") or body.operation_id
        if not operation_id:
            raise BadRequest("Operation ID is required: ?id= or operation_id in the body", code="VALIDATION_ERROR")
        if not is_uuid(operation_id):
            raise NotFound("Operation not found")
        action = call.path.get("action") or body.action or ""
        if action not in VERBS:
            raise BadRequest(
                f"Invalid operation '{action}'. Supported operations: {', '.join(Verb)}", code="INVALID_OPERATION"
            )
        operator_id = call.query.get("user_id") or call.query.get("operator_id") or body.operator_id or body.user_id
        wish = ChangeOperation(
            operation_id.lower(),
            Verb(action),
            operator_id.lower() if operator_id else call.caller.operator_id,
            body.occurred_at,
            body.time_type,
            body.notes,
        )
        return await commands.change(wish, call.caller, guarded(call, OPERATIONS, wish.operation_id))

    return [
        Route(
            "POST",
            path,
            change,
            Scope.OPERATE,
            Cells.CHECKED,
            "Start, pause, resume or complete an operation",
            body=LifecycleBody,
            parameters=(Parameter("id"), Parameter("user_id", about="A profile; opens a time entry.")),
            answers={"operation": "Operation"},
            strict_method=True,
            conditional=True,
        )
        for path in ("/api-operation-lifecycle", "/api-operation-lifecycle/{action}")
    ]


class Need(BaseModel):
    """A resource that an operation needs."""

    model_config = ConfigDict(extra="forbid")

    resource_id: models.Uuid
    quantity: Annotated[float, Field(gt=0, le=NEED_MAX)] = 1
    notes: str | None = None


NEEDS: dict[str, tuple[Any, Any]] = {"resources": (list[Need] | None, Field(None, max_length=NEEDS_MAX))}
_MORE_NEEDS: dict[str, tuple[Any, Any]] = {
    "resources": (
        list[Need] | None,
        Field(
            None,
            max_length=NEEDS_MAX,
            description="Added or set anew, others stay. Kept here, not sent to the cloud.",
        ),
    )
}


@cache
def _body() -> type[Body]:
    return models.create_model(OPERATIONS, more=NEEDS)


@cache
def _patch() -> type[Body]:
    return models.patch_model(OPERATIONS, more=_MORE_NEEDS)


def routes(db: Database, commands: OperationPlanning) -> list[Route]:
    table = (*reading(OPERATIONS, db), *writing(OPERATIONS, commands, create=_body(), patch=_patch()))
    return [*lifecycle(commands), *table]
