"""`/api-issues`."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, StrictBool, StrictStr

from gateway.catalog import models
from gateway.catalog.models import Body
from gateway.catalog.routes import reading, writing
from gateway.issues.commands import IssueCommands
from gateway.issues.resources import CATEGORIES, DISPOSITIONS, ISSUES, TITLE_MAX
from gateway.issues.rules import CATEGORY_WORDS, DISPOSITION_WORDS
from gateway.kernel.db import Database
from gateway.web.routes import Route, Scope

_CATEGORY: Any = Literal[(*CATEGORIES, *CATEGORY_WORDS)]
_DISPOSITION: Any = Literal[(*DISPOSITIONS, *DISPOSITION_WORDS)]
_MORE: dict[str, tuple[Any, Any]] = {
    "title": (
        Annotated[StrictStr, Field(min_length=1, max_length=TITLE_MAX)],
        Field(None, description="The beginning of the description when not given."),
    ),
    "ncr_category": (_CATEGORY | None, Field(None, description="In either of the cloud's two vocabularies.")),
    "disposition": (
        _DISPOSITION | None,
        Field(
            None,
            validation_alias=AliasChoices("disposition", "ncr_disposition"),
            description="Also: ncr_disposition. `repair` is kept as rework.",
        ),
    ),
    "verified": (StrictBool, Field(None, description="It was verified; false takes that back.")),
}


@cache
def _bodies() -> tuple[type[Body], type[Body]]:
    """Of a new one, and of a change."""
    return models.create_model(ISSUES, more=_MORE), models.patch_model(ISSUES, more=_MORE)


def routes(db: Database, commands: IssueCommands) -> list[Route]:
    create, patch = _bodies()
    return [*reading(ISSUES, db), *writing(ISSUES, commands, create=create, patch=patch, scope=Scope.OPERATE)]
