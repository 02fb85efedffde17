"""What a table looks like from outside, as data: columns, who may set them, how lists are filtered and sorted.

A row leaves the database as finished JSON text (SQLite's json_object): it is built once, outside Python's lock, and goes
into answers, receipts and exports as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

TENANT = "(SELECT value FROM gateway_state WHERE key = 'tenant_id')"  # one tenant a gateway: not a column of every row


class Kind(StrEnum):
    TEXT = "text"
    UUID = "uuid"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"  # any ISO 8601 instant or date; stored and shown as UTC
    JSON = "json"  # an object
    LIST = "list"  # a list of texts


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `aliases` are other spellings that a body may use (the published reference's)."""

    name: str
    kind: Kind = Kind.TEXT
    required: bool = False  # a new row cannot be without it
    nullable: bool = True
    creatable: bool = True  # a client may give it in a new row
    updatable: bool = True  # a client may change it
    choices: tuple[str, ...] = ()
    length_max: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    aliases: tuple[str, ...] = ()
    references: str | None = None  # the table it points into
    stored: str | None = None  # SQL that shows it where that is not the column itself
    about: str = ""

    def shown(self, table: str) -> str:
        """SQL that makes its JSON value."""
        value = self.stored or f"{table}.{self.name}"
        if self.kind is Kind.BOOLEAN:
            return f"json(CASE {value} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
        return f"json({value})" if self.kind in (Kind.JSON, Kind.LIST) else value


@dataclass(frozen=True, slots=True)
class Resource:
    """One table as clients see it.

    `derived` adds to a shown row: name -> SQL that makes a JSON value; `{t}` stands for the table.
    `cell` is SQL for the cell that a row belongs to, for keys that are limited to cells; None: shown to every key.
    """

    table: str
    path: str
    singular: tuple[str, ...]
    columns: tuple[Column, ...]
    derived: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, str] = field(default_factory=dict)  # query parameter -> SQL of what it is compared with, exactly
    fuzzy: Mapping[str, str] = field(default_factory=dict)  # the same, as a part of the text, whatever the case
    search: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    default_sort: tuple[tuple[str, str], ...] = (("created_at", "DESC"),)
    soft_delete: bool = False
    tenant: bool = True
    cell: str | None = None

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def row_json(self) -> str:
        """SQL expression: one row of this table as JSON text."""
        pairs = [("id", f"{self.table}.id")]
        if self.tenant:
            pairs.append(("tenant_id", TENANT))
        pairs += [(column.name, column.shown(self.table)) for column in self.columns]
        pairs += [(name, sql.format(t=self.table)) for name, sql in self.derived.items()]
        return "json_object(" + ", ".join(f"'{name}', {sql}" for name, sql in pairs) + ")"
