"""`/api-jobs` and `/api-parts`: bodies that nest."""

from functools import cache
from typing import Annotated, Any

from pydantic import Field, StrictStr, model_validator
from pydantic_core import PydanticCustomError

from gateway.catalog import models
from gateway.catalog.models import Body
from gateway.catalog.routes import reading, writing
from gateway.jobs.resources import JOBS, PARTS, TEXT_MAX
from gateway.kernel.db import Database
from gateway.operations.resources import OPERATIONS
from gateway.operations.routes import NEEDS
from gateway.operations.trees.commands import JobTreeCommands, PartTreeCommands
from gateway.web.routes import Route

PARTS_MAX = 1_000
OPERATIONS_MAX = 200


def _once(rows: list[Any] | None, name: str, where: str) -> None:
    """Raise when two of the rows have the same value; a row without one is not compared."""
    seen = set()
    for row in rows or ():
        value = getattr(row, name)
        if value is not None and value in seen:
            told = {"field": where, "name": name, "value": value, "constraint": "UNIQUE_CONSTRAINT"}
            raise PydanticCustomError("given_twice_here", "{name} {value} is there twice", told)
        seen.add(value)


class WithOperations(Body):
    @model_validator(mode="after")
    def _sequences(self) -> "WithOperations":
        _once(getattr(self, "operations", None), "sequence", "operations")
        return self


class WithParts(Body):
    @model_validator(mode="after")
    def _numbers(self) -> "WithParts":
        _once(getattr(self, "parts", None), "part_number", "parts")
        return self


# [U] without these two a part is a bad request, not an invalid one: the command says so
_PART_NUMBER: Any = (Annotated[StrictStr, Field(max_length=TEXT_MAX)] | None, None)
_JOB_ID: Any = (models.Uuid | None, None)


@cache
def _job_body() -> type[Body]:
    operation: Any = models.create_model(OPERATIONS, without=("part_id",), name="JobPartOperation", more=NEEDS)
    operations: Any = (list[operation], Field(min_length=1, max_length=OPERATIONS_MAX))
    part: Any = models.create_model(
        PARTS, without=("job_id",), name="JobPart", more={"operations": operations}, base=WithOperations
    )
    parts: Any = (list[part], Field(None, min_length=1, max_length=PARTS_MAX))
    return models.create_model(JOBS, more={"parts": parts}, base=WithParts)


@cache
def _part_body() -> type[Body]:
    operation: Any = models.create_model(OPERATIONS, without=("part_id",), name="PartOperation", more=NEEDS)
    operations: Any = (list[operation] | None, Field(None, max_length=OPERATIONS_MAX))
    required: dict[str, Any] = {"operations": operations, "part_number": _PART_NUMBER, "job_id": _JOB_ID}
    return models.create_model(PARTS, without=("part_number", "job_id"), more=required, base=WithOperations)


def routes(db: Database, jobs: JobTreeCommands, parts: PartTreeCommands) -> list[Route]:
    return [
        *reading(JOBS, db),
        *writing(JOBS, jobs, create=_job_body()),
        *reading(PARTS, db),
        *writing(PARTS, parts, create=_part_body()),
    ]
