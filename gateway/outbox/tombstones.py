"""What was deleted: written with the journal entry that tells it, kept longer than the journal. All SQL about it."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.outbox.event import Change

KEEP_DAYS = 90
TRIM_SLICE = 1_000
PAGE = 200  # in one piece
FOR_ALL_CELLS = ""  # `cell_id` of what a key that is held to cells is never told of

_PUT = """
INSERT INTO tombstones (table_name, row_id, row_version, cell_id, deleted_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (table_name, row_id) DO UPDATE SET
  row_version = excluded.row_version, cell_id = excluded.cell_id, deleted_at = excluded.deleted_at
"""
_CELL = "SELECT cell_id FROM operations WHERE id = ?"
_OF = """
SELECT t.row_id, json_object('entity', t.table_name, 'id', t.row_id, 'deleted_at', t.deleted_at, 'row_version', t.row_version)
FROM tombstones t WHERE t.table_name = :table AND t.row_id > :after
  AND NOT EXISTS (SELECT 1 FROM {table} r WHERE r.id = t.row_id)
  AND (:cells IS NULL OR t.cell_id IS NULL OR t.cell_id IN (SELECT value FROM json_each(:cells)))
ORDER BY t.row_id LIMIT :limit
"""
_FORGET = """
DELETE FROM tombstones WHERE (table_name, row_id) IN (
  SELECT table_name, row_id FROM tombstones WHERE deleted_at < ? ORDER BY deleted_at LIMIT ?)
"""
_REDATE = "UPDATE tombstones SET deleted_at = ? WHERE deleted_at < ?"


def remember(tx: Tx, changes: Iterable[Change], now: str) -> None:
    """Those of the changes that delete a row; part of the transaction that does."""
    for change in changes:
        if change.op == "delete":
            old = change.fields if isinstance(change.fields, Mapping) else {}
            tx.execute(_PUT, (change.table, change.id, change.version, cell_of(tx, old), now))


def cell_of(connection: sqlite3.Connection, old: Mapping[str, Any]) -> str | None:
    """Of a row that is not there any more: whose cell it was stands in its old values, or in its operation."""
    if "cell_id" in old:
        return str(old["cell_id"] or FOR_ALL_CELLS)
    if "operation_id" in old:
        found = connection.execute(_CELL, (old["operation_id"],)).fetchone()
        return FOR_ALL_CELLS if found is None else str(found[0])
    return FOR_ALL_CELLS if old.get("part_id") or old.get("job_id") else None


def of_table(connection: sqlite3.Connection, table: str, cells: str | None) -> Iterator[list[tuple[str, str]]]:
    """Rows of a declared table that are not there at all: (id, JSON text), by id. `cells`: ids as a JSON list, None for all."""
    asked: dict[str, Any] = {"table": table, "after": "", "cells": cells, "limit": PAGE}
    while found := connection.execute(_OF.format(table=table), asked).fetchall():
        asked["after"] = found[-1][0]
        yield [(one[0], one[1]) for one in found]


def trim(tx: Tx, *, deleted_before: str, now: str) -> int:
    """Delete one slice of old ones. Returns how many went. What a clock that was never set has dated counts from now on."""
    tx.execute(_REDATE, (now, time_.text(time_.BUILD_DATE)))
    return tx.execute(_FORGET, (deleted_before, TRIM_SLICE)).rowcount
