"""Rows between gateways: the columns of the database as they are, to the second. Both sides run this software.

A change in the journal names columns as clients see them; here they become the columns that keep them.
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gateway.hub.entities import ENTITIES
from gateway.outbox.event import encode, job_lane, row_lane
from gateway.transfer.tables import BY_NAME, shape

# Webhooks and publishers are a matter of each box, imports a log of what it did itself.
_OWN = ("webhooks", "mqtt_publishers", "sync_imports")
TABLES = tuple(name for name in ENTITIES if name not in _OWN)
_COUNTED = ("id", "row_version")  # versions count what one database did
GONE = "deleted_at"
# Columns that one constraint holds together. A row is told as it is now: of two changes on their way, the first alone must not
# bring a half of the second.
TOGETHER = {
    "operation_quantities": frozenset("quantity_produced quantity_good quantity_scrap quantity_rework".split()),
    "assignments": frozenset(("operator_id", "shop_floor_operator_id")),
    "operation_batches": frozenset(("production_mode", "batch_type")),
}
# Rows that no journal names: they go with the one that they stand below, all of them. (table, column that names it)
BELOW = {
    "operations": ("operation_resources", "operation_id"),
    "time_entries": ("time_entry_pauses", "time_entry_id"),
    "operation_quantities": ("operation_quantity_scrap_reasons", "operation_quantity_id"),
}


@dataclass(frozen=True, eq=False)
class Raw:
    """One table. `columns`: all but id and version; `keeps`: the name that clients see -> the column behind it; `hidden`:
    columns that no client sees, which go with every change; `points_at`: column -> (table, may it be null).
    """

    name: str
    columns: tuple[str, ...]
    keeps: Mapping[str, str]
    hidden: tuple[str, ...]
    points_at: Mapping[str, tuple[str, bool]]
    versioned: bool

    def behind(self, fields: Collection[str] | None) -> tuple[str, ...]:
        """The columns that a change of these fields touches, None: all."""
        if fields is None:
            return self.columns
        found = {self.keeps.get(name, name) for name in fields} | {*self.hidden}
        together = TOGETHER.get(self.name, frozenset())
        found |= together if together & found else frozenset()
        return tuple(name for name in self.columns if name in found)

    def shown(self, columns: Collection[str]) -> tuple[str, ...]:
        """These columns as clients see them."""
        outside = {column: name for name, column in self.keeps.items()}
        return tuple(outside.get(name, name) for name in columns)

    @property
    def version(self) -> str:
        return "row_version" if self.versioned else "1"

    @cached_property
    def reading(self) -> str:
        names = ", ".join(("id", *self.columns))
        return f"SELECT {names} FROM {self.name} WHERE id IN (SELECT value FROM json_each(?))"  # nosec B608 # noqa: S608 -- the schema's own names

    def rows(self, connection: sqlite3.Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """id -> column -> value; those that are not there any more are left out."""
        found = connection.execute(self.reading, (encode(sorted(ids)),))
        return {row[0]: dict(zip(self.columns, row[1:], strict=True)) for row in found.fetchall()}

    def below(
        self, connection: sqlite3.Connection, column: str, ids: Collection[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """Id of the row above -> the rows with their ids; `column` names it."""
        names = ("id", *self.columns)
        found = connection.execute(
            f"SELECT {', '.join(names)} FROM {self.name} "  # nosec B608 # noqa: S608 -- the schema's own names
            f"WHERE {column} IN (SELECT value FROM json_each(?)) ORDER BY id",
            (encode(sorted(ids)),),
        )
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in found.fetchall():
            one = dict(zip(names, row, strict=True))
            rows.setdefault(one[column], []).append(one)
        return rows

    def all_below(
        self, connection: sqlite3.Connection, known: Mapping[str, "Raw"], ids: Collection[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """As `below`, of those that hang on this table; none hang on most."""
        name, column = BELOW.get(self.name, ("", ""))
        return known[name].below(connection, column, ids) if name else {}


def lane_of(connection: sqlite3.Connection, table: str, row_id: str) -> str:
    """In which a row of these tables goes up."""
    sql = BY_NAME[table].job
    found = connection.execute(sql, (row_id,)).fetchone() if sql else None
    return job_lane(found[0]) if found and found[0] else row_lane(table, row_id)


def tables(connection: sqlite3.Connection) -> dict[str, Raw]:
    return {name: _raw(connection, name) for name in TABLES}


def _raw(connection: sqlite3.Connection, name: str) -> Raw:
    """As the schema stands: nothing is lost when a column is added."""
    shown = shape(connection, BY_NAME[name])
    about: Sequence[Any] = connection.execute(f"PRAGMA table_info({name})").fetchall()
    columns = tuple(row["name"] for row in about if row["name"] not in _COUNTED)
    nullable = {row["name"] for row in about if not row["notnull"]}
    keeps = {outside: column for column, names in shown.seconds.items() for outside in names}
    keeps |= {outside: column for column, names in shown.packed.items() for outside in names}
    declared = {column.name for column in BY_NAME[name].resource.columns}
    hidden = tuple(
        one for one in columns if one not in declared and one not in shown.seconds and one not in shown.packed
    )
    links = connection.execute(f"PRAGMA foreign_key_list({name})").fetchall()
    points_at = {row["from"]: (row["table"], row["from"] in nullable) for row in links}
    versioned = any(row["name"] == "row_version" for row in about)
    return Raw(name, columns, keeps, hidden, points_at, versioned)
