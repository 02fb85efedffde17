"""`/api-operation-quantities`."""

from functools import cache
from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StrictInt

from gateway.catalog import models
from gateway.catalog.models import Body
from gateway.catalog.routes import reading, writing
from gateway.kernel.db import Database
from gateway.operations.quantities.commands import QuantityCommands
from gateway.operations.quantities.resources import COUNT_MAX, QUANTITIES
from gateway.web.routes import Route, Scope

REASONS_MAX = 100


class Reason(BaseModel):
    """How much of the scrap has this reason."""

    model_config = ConfigDict(extra="forbid")

    scrap_reason_id: Annotated[models.Uuid, Field(validation_alias=AliasChoices("scrap_reason_id", "reason_id"))]
    quantity: Annotated[StrictInt, Field(ge=1, le=COUNT_MAX)]
    notes: str | None = None


_MORE = {"scrap_reasons": (list[Reason] | None, Field(None, max_length=REASONS_MAX))}


@cache
def _bodies() -> tuple[type[Body], type[Body]]:
    """Of a new one, and of a change."""
    return models.create_model(QUANTITIES, more=_MORE), models.patch_model(QUANTITIES, more=_MORE)


def routes(db: Database, commands: QuantityCommands) -> list[Route]:
    create, patch = _bodies()
    return [
        *reading(QUANTITIES, db),
        *writing(QUANTITIES, commands, create=create, patch=patch, scope=Scope.OPERATE),
    ]
