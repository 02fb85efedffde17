"""What is here of rows that the cloud tells of. All its SQL."""

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.cloud.absent import Key
from gateway.cloud.missed import TABLES

# A row that a person chose to keep is not looked for any more.
_KNOWN = (
    "r.base <> '{{}}' AND {live} AND NOT EXISTS (SELECT 1 FROM cloud_conflicts c WHERE c.table_name = '{table}' "
    "AND c.row_id = t.id AND c.field = 'deleted_at' AND c.resolution = 'local')"
)
_STANDING = (
    "SELECT t.id, {live}, coalesce({known}, 0), coalesce(r.missed, 0) FROM {table} t "
    "LEFT JOIN cloud_rows r ON r.table_name = '{table}' AND r.id = t.id WHERE t.id IN (SELECT value FROM json_each(?))"
)
_ALL = "SELECT t.id FROM cloud_rows r JOIN {table} t ON t.id = r.id WHERE r.table_name = '{table}' AND {known}"


@dataclass(frozen=True, slots=True)
class Standing:
    """`live`: it is not deleted here; `known`: the cloud has had it, so it may be missing there; `missed` as in `absent.py`."""

    live: bool
    known: bool
    missed: int


def _sql(text: str, table: str) -> str:
    live = "t.deleted_at IS NULL" if TABLES[table].soft_delete else "1"
    return text.format(table=table, live=live, known=_KNOWN.format(table=table, live=live))


_STANDINGS = {table: _sql(_STANDING, table) for table in TABLES}
_ALL_KNOWN = {table: _sql(_ALL, table) for table in TABLES}


def standing(connection: sqlite3.Connection, table: str, ids: Collection[str]) -> dict[str, Standing]:
    """By id; one that is not here is not there either."""
    rows = connection.execute(_STANDINGS[table], (json.dumps([*ids]),)).fetchall()
    return {row_id: Standing(bool(live), bool(known), missed) for row_id, live, known, missed in rows}


def all_known(connection: sqlite3.Connection, tables: Sequence[str]) -> list[Key]:
    """Everything that may be missing over there."""
    return [(table, row[0]) for table in tables for row in connection.execute(_ALL_KNOWN[table])]
