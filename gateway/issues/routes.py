"""`/api-issues`."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, StrictBool, StrictStr

from gateway.catalog import models
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


def routes(db: Database, commands: IssueCommands) -> list[Route]:
    create = models.create_model(ISSUES, more=_MORE)
    patch = models.patch_model(ISSUES, more=_MORE)
    return [*reading(ISSUES, db), *writing(ISSUES, commands, create=create, patch=patch, scope=Scope.OPERATE)]
