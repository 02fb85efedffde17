"""`/api-operation-quantities`."""

from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StrictInt

from gateway.catalog import models
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


def routes(db: Database, commands: QuantityCommands) -> list[Route]:
    create = models.create_model(QUANTITIES, more=_MORE)
    patch = models.patch_model(QUANTITIES, more=_MORE)
    return [
        *reading(QUANTITIES, db),
        *writing(QUANTITIES, commands, create=create, patch=patch, scope=Scope.OPERATE),
    ]
