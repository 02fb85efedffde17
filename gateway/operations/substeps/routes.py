"""`/api-substeps`."""

from functools import cache
from typing import Any

from pydantic import Field, StrictBool

from gateway.catalog import models
from gateway.catalog.models import Body
from gateway.catalog.routes import reading, writing
from gateway.kernel.db import Database
from gateway.operations.substeps.commands import SubstepCommands
from gateway.operations.substeps.resources import SUBSTEPS
from gateway.web.routes import Route, Scope

_COMPLETED: dict[str, tuple[Any, Any]] = {
    "completed": (StrictBool | None, Field(None, description="True: the same as status completed."))
}


@cache
def _bodies() -> tuple[type[Body], type[Body]]:
    """Of a new one, and of a change."""
    return models.create_model(SUBSTEPS, more=_COMPLETED), models.patch_model(SUBSTEPS, more=_COMPLETED)


def routes(db: Database, commands: SubstepCommands) -> list[Route]:
    create, patch = _bodies()
    return [
        *reading(SUBSTEPS, db),
        *writing(SUBSTEPS, commands, create=create, patch=patch, scope=Scope.OPERATE),
    ]
