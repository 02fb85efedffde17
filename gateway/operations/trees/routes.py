"""`/api-jobs` and `/api-parts`: bodies that nest."""

import json
from typing import Annotated, Any

from pydantic import Field, StrictStr, model_validator
from pydantic_core import PydanticCustomError

from gateway.catalog import models, store
from gateway.catalog.models import Body
from gateway.catalog.routes import reading, wanted, writing
from gateway.jobs.resources import JOBS, PARTS, TEXT_MAX
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest, NotFound
from gateway.operations.resources import OPERATIONS
from gateway.operations.routes import NEEDS
from gateway.operations.trees.commands import JobTreeCommands, PartTreeCommands
from gateway.outbox.receipts import Answer
from gateway.web.routes import Call, Cells, Parameter, Route, Scope

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


def _job_body() -> type[Body]:
    operation: Any = models.create_model(OPERATIONS, without=("part_id",), name="JobPartOperation", more=NEEDS)
    operations: Any = (list[operation], Field(min_length=1, max_length=OPERATIONS_MAX))
    part: Any = models.create_model(
        PARTS, without=("job_id",), name="JobPart", more={"operations": operations}, base=WithOperations
    )
    parts: Any = (list[part], Field(None, min_length=1, max_length=PARTS_MAX))
    return models.create_model(JOBS, more={"parts": parts}, base=WithParts)


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
        _file_url(db),
    ]


def _file_url(db: Database) -> Route:
    """Where a CAD file of a part can be fetched. The files themselves are not kept here: the cloud has them."""

    async def show(call: Call) -> Answer:
        path = call.query.get("path")
        if not path:
            raise BadRequest("path is required")
        part_id = wanted(PARTS, call.path["part_id"])
        part = json.loads(await db.read(store.one, PARTS, part_id, call.caller.cells))
        listed = "it is kept in the cloud only" if path in (part["file_paths"] or ()) else "the part does not list it"
        raise NotFound(f"CAD file not found for this part: {path} ({listed})")

    answers = {"path": {"type": "string"}, "url": {"type": "string"}, "expires_in": {"type": "integer"}}
    return Route(
        "GET",
        "/api-parts/{part_id}/file-url",
        show,
        Scope.READ,
        Cells.FILTERED,
        "Address of a CAD file of a part",
        parameters=(Parameter("path", about="Of a file that the part lists."),),
        answers=answers,
    )
