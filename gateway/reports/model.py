"""What a report is asked with, and what its SQL is given."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import WithJsonSchema

from gateway.catalog.models import Uuid
from gateway.kernel.clock import text

ROWS_MAX = 1_000  # of one list in an answer
DAYS_MAX = 365
LISTED_MAX = 100  # values of one parameter

# Conditions on the operation `o`: it is there, and in a cell that the caller may see.
ALIVE = "o.deleted_at IS NULL AND (:cells IS NULL OR o.cell_id IN (SELECT value FROM json_each(:cells)))"
# An operation with what it belongs to.
WORK = """operations o JOIN parts p ON p.id = o.part_id AND p.deleted_at IS NULL
  JOIN jobs j ON j.id = p.job_id AND j.deleted_at IS NULL JOIN cells c ON c.id = o.cell_id"""


def _split(value: Any) -> Any:
    """A list in a query is written with commas."""
    return value.split(",") if isinstance(value, str) else value


def listed(item: Mapping[str, Any]) -> Any:
    """The schema of a list that stands in one parameter."""
    return WithJsonSchema({"type": "array", "items": dict(item), "maxItems": LISTED_MAX})


Ids = Annotated[
    tuple[Uuid, ...] | None,
    Field(max_length=LISTED_MAX),
    BeforeValidator(_split),
    listed({"type": "string", "format": "uuid"}),
]
Texts = Annotated[
    tuple[str, ...] | None, Field(max_length=LISTED_MAX), BeforeValidator(_split), listed({"type": "string"})
]
Days = Annotated[int, Field(ge=1, le=DAYS_MAX)]


class Asked(BaseModel):
    """The parameters of a report; numbers and truth values come as text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entity: ClassVar[str] = "report"


@dataclass(frozen=True, slots=True)
class View:
    """When, and for whom: `cells` is a JSON list of ids, None for every cell."""

    now: datetime
    cells: str | None

    def ago(self, days: float) -> str:
        return text(self.now - timedelta(days=days))

    @property
    def seen(self) -> dict[str, Any]:
        """The parameters of every statement."""
        return {"now": text(self.now), "cells": self.cells}


Make = Callable[[sqlite3.Connection, Any, View], Any]


@dataclass(frozen=True, slots=True)
class Report:
    """`make(connection, asked, view)` gives what is answered; it raises NotFound for a row that is not there, or not to be seen."""

    name: str
    about: str
    asked: type[Asked]
    make: Make


def rows(connection: sqlite3.Connection, sql: str, view: View, **values: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sql, {**view.seen, **values})]


def one(connection: sqlite3.Connection, sql: str, view: View, **values: Any) -> dict[str, Any]:
    return rows(connection, sql, view, **values)[0]


def percent(share: float, whole: float, *, empty: float = 100.0) -> float:
    """With one decimal; `empty` when there is nothing to take a share of."""
    return round(100 * share / whole, 1) if whole else empty
