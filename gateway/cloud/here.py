"""What a round of reading has to know of the local copy. All its SQL."""

import sqlite3

from gateway.cloud import own_cells
from gateway.cloud.absent import GONE, WORK, Here, Known

# A row that a person chose to keep is not looked for any more.
_KNOWN = """
SELECT t.id, r.missed, {open}, {cell}, {above} FROM cloud_rows r JOIN {table} t ON t.id = r.id
WHERE r.table_name = '{table}' AND r.base <> '{{}}' AND {live}
  AND NOT EXISTS (SELECT 1 FROM cloud_conflicts c
    WHERE c.table_name = r.table_name AND c.row_id = r.id AND c.field = 'deleted_at' AND c.resolution = 'local')
"""
_OPEN = "(t.status <> 'completed' AND coalesce(json_extract(r.base, '$.status'), '') <> 'completed')"
_SWITCHED_OFF = "(r.deleted = 1 AND t.active = 0)"  # it was gone, and is in use here
_FLAT = {"open": "1", "cell": "''", "above": "NULL, NULL", "live": f"NOT {_SWITCHED_OFF}"}
_PLANNED = {"open": _OPEN, "cell": "''", "above": "NULL, NULL", "live": "t.deleted_at IS NULL"}
_JOB_OF = "(SELECT p.job_id FROM parts p WHERE p.id = t.part_id)"
_PARTS = {
    "cells": _FLAT,
    "resources": _FLAT | {"live": f"t.deleted_at IS NULL AND NOT {_SWITCHED_OFF}"},
    "scrap_reasons": _FLAT,
    "jobs": _PLANNED,
    "parts": _PLANNED | {"above": "t.job_id, NULL"},
    "operations": _PLANNED | {"cell": "t.cell_id", "above": f"t.part_id, {_JOB_OF}"},
}
_SQL = {table: _KNOWN.format(table=table, **parts) for table, parts in _PARTS.items()}
_NOT_DONE = f" AND ({_OPEN} OR r.missed > 0 OR r.deleted = 1)"
_DEAD = """
SELECT id FROM cloud_rows WHERE deleted = 1 AND table_name IN ('jobs', 'parts', 'operations')
UNION SELECT id FROM cloud_rows WHERE missed > 0 AND missed = ? AND table_name IN ('jobs', 'parts', 'operations')
"""


def here(connection: sqlite3.Connection, cells: frozenset[str] | None, *, everything: bool) -> Here:
    """`cells`: parts with open operations in cells that are not among these are read again. `everything`: what is completed
    will be looked for as well.
    """
    parts = {row[0] for row in connection.execute("SELECT id FROM parts")}
    known = {table: _known(connection, table, everything=everything) for table in _SQL}
    foreign = {
        one.above[0] for one in known["operations"].values() if one.open and cells is not None and one.cell not in cells
    }
    dead = {row[0] for row in connection.execute(_DEAD, (GONE,))}
    return Here(parts, foreign, known, dead, own_cells.remembered(connection))


def _known(connection: sqlite3.Connection, table: str, *, everything: bool) -> dict[str, Known]:
    sql = _SQL[table] + ("" if everything or table not in WORK else _NOT_DONE)
    return {
        row_id: Known(tuple(one for one in (nearest, next_) if one), cell, bool(is_open), missed)
        for row_id, missed, is_open, cell, nearest, next_ in connection.execute(sql).fetchall()
    }
