"""What a table looks like from outside, as data: columns, who may set them, how lists are filtered and sorted.

A row leaves the database as finished JSON text (SQLite's json_object): it is built once, outside Python's lock, and
goes into answers, receipts and exports as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from gateway.web import listing
from gateway.web.listing import Filter, Listable, Match

DELETED = '{"message":"Deleted successfully"}'
TENANT = "(SELECT value FROM gateway_state WHERE key = 'tenant_id')"  # one tenant a gateway: not a column of every row

_CELLS = "SELECT value FROM json_each(:cells)"
_CELL = "json_extract(:cells, '$[0]')"
_PACKED = re.compile(r"\w+\.(\w+) ->> ")
_TABLES = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")


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
    nullable: bool = True  # a client may say null; what is required never is
    filled: bool = False  # and yet it is never null: a value is made for who says so
    creatable: bool = True  # a client may give it in a new row
    updatable: bool = True  # a client may change it
    choices: tuple[str, ...] = ()
    text: bool = (
        False  # [U] its choices are a check on a text there, no enumeration: a filter with another word finds nothing
    )
    ranked: tuple[str, ...] = ()  # its values in the order in which lists sort them; without that, as text
    length_max: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    aliases: tuple[str, ...] = ()
    references: str | None = None  # the table it points into
    lists_files: bool = False  # paths of files, which whoever reads the row may fetch
    stored: str | None = None  # SQL that shows it where that is not the column itself
    about: str = ""

    def shown(self, table: str) -> str:
        """SQL that makes its JSON value."""
        value = self.stored or f"{table}.{self.name}"
        if self.kind is Kind.BOOLEAN:
            return f"json(CASE {value} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
        return f"json({value})" if self.kind in (Kind.JSON, Kind.LIST) else value

    def filter(self, sql: str, default: str | None = None) -> Filter:
        """A query parameter that compares `sql` with a value of this column, exactly."""
        if self.choices and not self.text:
            schema = {"type": "string", "enum": [*self.choices]}
            return Filter(sql, read=listing.one_of(self.choices), default=default, schema=schema)
        return Filter(sql, read=_READ[self.kind], default=default, schema=_SCHEMA[self.kind])


ID = Column("id", Kind.UUID, nullable=False)  # of every table: not declared again


_READ: dict[Kind, listing.Read] = {
    Kind.TEXT: lambda _name, text: text,
    Kind.UUID: listing.uuid,
    Kind.INTEGER: listing.integer,
    Kind.NUMBER: listing.integer,
    Kind.BOOLEAN: listing.boolean,
    Kind.TIME: listing.instant,
    Kind.LIST: listing.texts,
}
_SCHEMA: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.UUID: {"type": "string", "format": "uuid"},
    Kind.INTEGER: {"type": "integer"},
    Kind.NUMBER: {"type": "integer"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.TIME: {"type": "string", "format": "date-time"},
    Kind.LIST: {"type": "string", "pattern": r"^\{.*\}$"},
}


@dataclass(frozen=True, eq=False)  # there is one of each
class Resource:
    """One table as clients see it.

    `derived` adds to a shown row: name -> SQL that makes a JSON value; `{t}` stands for the table.
    `cell` is what stands between the brackets of `cell IN (...)`: the column with the cell that a row belongs to, or a
    SELECT of all its cells, for keys that are limited to cells. None: shown to every key. `found_by_cells` is the same as a
    condition that leads from the cells, which stand for `{}`, to the rows: for tables that grow.
    A filter that is not a column holds an id if its name says so (`job_id`), else text (`cell_name`). With `{}` in its SQL, it is
    the whole condition and the braces stand for the value: `part_id IN (SELECT ...)` finds its rows through an index.
    `beside` are the rows, one each, that `derived` takes more than one value from: they are looked up once.
    `journaled`: every change stands in the journal and counts `row_version` up. False for logs: they have neither.
    """

    table: str
    path: str
    singular: tuple[str, ...]  # keys of one row in an answer: the cloud's, then the right spelling where that differs
    columns: tuple[Column, ...]
    derived: Mapping[str, str] = field(default_factory=dict)
    # query parameter -> SQL of what it is compared with:
    filters: Mapping[str, str] = field(default_factory=dict)  # exactly
    fuzzy: Mapping[str, str] = field(default_factory=dict)  # as a part of the text, whatever the case
    since: Mapping[str, str] = field(default_factory=dict)  # an instant: this or later
    until: Mapping[str, str] = field(default_factory=dict)  # an instant: this or earlier
    flags: Mapping[str, str] = field(default_factory=dict)  # -> a condition instead, which holds when it is true
    defaults: Mapping[str, str] = field(default_factory=dict)  # -> its value when it is absent
    search: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    default_sort: tuple[tuple[str, str], ...] = (("created_at", "DESC"),)
    soft_delete: bool = False
    tenant: bool = True
    cell: str | None = None
    found_by_cells: str | None = None
    beside: str = ""
    journaled: bool = True
    gone: str = DELETED  # the `data` of an answer to a DELETE
    listed_as: str = ""  # key of the list in an answer, where that is not the table

    def column(self, name: str) -> Column:
        return self._by_name[name]

    def kept_in(self, name: str) -> str:
        """The column that keeps a field: its own, or one that keeps several."""
        column = self._by_name.get(name)
        found = _PACKED.match(column.stored) if column is not None and column.stored else None
        return found[1] if found else name

    @property
    def title(self) -> str:
        """Its name in OpenAPI: `TimeEntry`."""
        return "".join(word.capitalize() for word in self.singular[-1].split("_"))

    @property
    def plural(self) -> str:
        return self.listed_as or self.table

    def one(self, row: str) -> str:
        """The `data` of an answer with one row, under every key that it is known by."""
        return "{" + ",".join(f'"{key}":{row}' for key in self.singular) + "}"

    @cached_property
    def row_json(self) -> str:
        """SQL expression: one row of this table as JSON text."""
        pairs = [("id", f"{self.table}.id")]
        if self.tenant:
            pairs.append(("tenant_id", TENANT))
        pairs += [(column.name, column.shown(self.table)) for column in self.columns]
        pairs += [(name, sql.format(t=self.table)) for name, sql in self.derived.items()]
        if self.versioned:
            pairs.append(("row_version", f"{self.table}.row_version"))
        row = "json_object(" + ", ".join(f"'{name}', {sql}" for name, sql in pairs) + ")"
        return f"(SELECT {row} FROM {self.beside.format(t=self.table)})" if self.beside else row  # nosec B608 # noqa: S608 -- declared names only

    @cached_property
    def listable(self) -> Listable:
        """What may be asked of its list."""
        filters = {name: self._filter(name, sql) for name, sql in self.filters.items()}
        filters |= {name: Filter(sql, Match.PART) for name, sql in self.fuzzy.items()}
        for names, match, kind in (
            (self.since, Match.SINCE, Kind.TIME),
            (self.until, Match.UNTIL, Kind.TIME),
            (self.flags, Match.FLAG, Kind.BOOLEAN),
        ):
            filters |= {name: Filter(sql, match, _READ[kind], schema=_SCHEMA[kind]) for name, sql in names.items()}
        sortable = {name: self._sorted(name) for name in (*self.sort, *(name for name, _ in self.default_sort))}
        return Listable(
            filters=filters,
            search=self.search,
            sort={name: sortable[name] for name in self.sort},
            default_sort=tuple((sortable[name], way) for name, way in self.default_sort),
            key=f"{self.table}.rowid",  # the last part of every index as it is
        )

    @property
    def versioned(self) -> bool:
        """Rows that can be asked for tell their version, so that a writer can name it in `If-Match`."""
        return self.journaled and bool(self.path)

    @cached_property
    def tables(self) -> frozenset[str]:
        """All tables that a list or a row of it is made from."""
        asked = (*self.filters.values(), *self.since.values(), *self.until.values(), *self.flags.values())
        return frozenset((self.table, *_TABLES.findall(" ".join((self.row_json, *asked)))))

    @cached_property
    def tables_in_cells(self) -> frozenset[str]:
        """The same for a key that is limited to cells: what decides whether it sees a row counts, too."""
        return self.tables.union(_TABLES.findall(self.cell or ""))

    @cached_property
    def in_cells(self) -> str | None:
        """SQL condition: the row belongs to one of the cells in the JSON list `:cells`. It checks a row that is there."""
        if self.cell is None:
            return None
        if self.cell.startswith("SELECT"):
            return f"EXISTS (SELECT 1 FROM ({_CELLS}) WHERE value IN ({self.cell}))"  # nosec B608 # noqa: S608 -- declared names only
        return f"+{self.cell} IN ({_CELLS})"

    @cached_property
    def in_one_cell(self) -> str | None:
        """The same for a list of one: an index on the cell has its rows in order."""
        if self.cell is None:
            return None
        return f"{_CELL} IN ({self.cell})" if self.cell.startswith("SELECT") else f"{self.cell} = {_CELL}"

    @cached_property
    def found_in_cells(self) -> str | None:
        """The same as a way to the rows, through an index: for counting, and where they are few among many."""
        if self.found_by_cells is not None:
            return self.found_by_cells.replace("{}", _CELLS)
        return self.in_cells.removeprefix("+") if self.in_cells else None

    @cached_property
    def pointing(self) -> tuple[Column, ...]:
        """The columns that hold the id of another row."""
        return tuple(column for column in self.columns if column.references is not None)

    @cached_property
    def listing_files(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.lists_files)

    @cached_property
    def written_otherwise(self) -> frozenset[str]:
        """The columns whose values the database keeps in another form."""
        kinds = (Kind.BOOLEAN, Kind.JSON, Kind.LIST)
        return frozenset(column.name for column in self.columns if column.kind in kinds)

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {"id": ID, **{column.name: column for column in self.columns}}

    def _filter(self, name: str, sql: str) -> Filter:
        column = self._by_name.get(name) or Column(name, Kind.UUID if name.endswith("_id") else Kind.TEXT)
        return column.filter(sql, self.defaults.get(name))

    def _sorted(self, name: str) -> str:
        """SQL that is never null. Nulls are the largest, as in PostgreSQL: a blob is larger than any number or text."""
        column = self._by_name[name]
        value = column.stored or f"{self.table}.{name}"
        if column.ranked:
            ranks = " ".join(f"WHEN '{one}' THEN {rank}" for rank, one in enumerate(column.ranked))
            value = f"CASE {value} {ranks} END"
        nullable = column.nullable and not column.required and not column.filled
        return f"coalesce({value}, x'')" if nullable else value
