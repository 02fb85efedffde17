"""All SQL about what an ERP has sent."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.tables import CELLS, SYNC_IMPORTS
from gateway.erp.hash import ALGORITHM
from gateway.erp.model import ENTITIES, Done, Entity, Record
from gateway.kernel.db import Tx
from gateway.outbox.event import Change, Stamp, encode

IMPORTS_KEPT = 10_000  # rows of the log
ERRORS_KEPT = 100  # of one batch in the log; the count is true
NOT_YET = ""  # the id of a row that will be made before it is needed

_FIND = """
SELECT external_id, id, {above}, CASE hash_alg WHEN '{algorithm}' THEN sync_hash END FROM {table}
WHERE external_source = ? AND external_id IN (SELECT value FROM json_each(?)) AND deleted_at IS NULL
"""
_FINDS = {
    table: _FIND.format(table=table, above=entity.above.column if entity.above else "NULL", algorithm=ALGORITHM)
    for table, entity in ENTITIES.items()
}
# A name is not unique: of several the one in use, then the first in the hall.
_CELL = "SELECT id FROM cells WHERE name = ? AND deleted_at IS NULL ORDER BY active DESC, sequence, id LIMIT 1"
_IS_CELL = "SELECT 1 FROM cells WHERE id = ? AND deleted_at IS NULL"
_TAKEN = {
    table: f"SELECT 1 FROM {table} WHERE {entity.unique} = ? AND id <> ? AND deleted_at IS NULL"  # nosec B608 # noqa: S608 -- declared names only
    for table, entity in ENTITIES.items()
    if entity.unique
}
_LOG_COLUMNS = (
    "id, entity_type, operation, source, status, total_records, created_count, updated_count, skipped_count, error_count, "
    "errors, metadata, started_at, completed_at, created_at"
)
_LOG = f"INSERT INTO sync_imports ({_LOG_COLUMNS}) VALUES (?, ?, 'upsert', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # nosec B608 # noqa: S608 -- constants only
_FORGET = "DELETE FROM sync_imports WHERE rowid <= (SELECT max(rowid) FROM sync_imports) - ?"
_HISTORY = """
SELECT {row}, sync_imports.status, created_count, updated_count, error_count FROM sync_imports{where}
ORDER BY created_at DESC, rowid DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A live row that an ERP has sent before."""

    id: str
    above_id: str | None = None
    hash: str | None = None  # None: made in another way, so it says nothing


class Known:
    """The rows behind external ids, asked for together; and cells by their name."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Found] = {}
        self._cells: dict[str, str | None] = {}
        self._ids: dict[str, bool] = {}  # of cells
        self._made: set[tuple[str, str, str]] = set()
        self._taken: set[tuple[str, Any]] = set()

    def learn(self, connection: sqlite3.Connection, records: Iterable[Record]) -> None:
        """Look up everything that these records are or refer to. What a dry run has made stays known."""
        wanted: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for record in records:
            _names(record, wanted)
        for (table, source), names in wanted.items():
            for external_id, row_id, above_id, digest in connection.execute(
                _FINDS[table], (source, encode(sorted(names)))
            ):
                key = (table, source, external_id)
                if key not in self._made:
                    self._rows[key] = Found(row_id, above_id, digest)

    def get(self, table: str, source: str, external_id: str) -> Found | None:
        return self._rows.get((table, source, external_id))

    def put(self, record: Record, found: Found) -> None:
        """What a record has become: a later one of the same request finds it."""
        key = (record.entity.table, record.external_source, record.external_id)
        self._rows[key] = found
        self._made.add(key)

    def name(self, entity: Entity, values: Mapping[str, Any]) -> None:
        """In a dry run: the names that a row would have now."""
        if entity.unique and entity.unique in values:
            self._taken.add((entity.table, values[entity.unique]))
        elif entity.resource is CELLS and "name" in values:
            self._cells[values["name"]] = self._cells.get(values["name"]) or NOT_YET

    def taken(self, connection: sqlite3.Connection, entity: Entity, value: Any, row_id: str | None) -> bool:
        """Does another live row have this value in the column that no two share?"""
        if (entity.table, value) in self._taken:
            return True
        return connection.execute(_TAKEN[entity.table], (value, row_id or "")).fetchone() is not None

    def has_cell(self, connection: sqlite3.Connection, cell_id: str) -> bool:
        """Is there a cell with this id of ours?"""
        if cell_id not in self._ids:
            self._ids[cell_id] = connection.execute(_IS_CELL, (cell_id,)).fetchone() is not None
        return self._ids[cell_id]

    def cell(self, connection: sqlite3.Connection, name: str) -> str | None:
        """The id of the cell with exactly this name."""
        if name not in self._cells:
            row = connection.execute(_CELL, (name,)).fetchone()
            self._cells[name] = row[0] if row else None
        return self._cells[name]


def _names(record: Record, wanted: defaultdict[tuple[str, str], set[str]]) -> None:
    entity, source = record.entity, record.external_source
    wanted[entity.table, source].add(record.external_id)
    if entity.above and record.above:
        wanted[entity.above.table, source].add(record.above)
    for child in record.below:
        _names(child, wanted)


# ------------------------------------------------------------------ the log of imports


def log(
    tx: Tx,
    stamp: Stamp,
    done: Done,
    errors: list[dict[str, Any]],
    *,
    source: str,
    started_at: str,
    metadata: dict[str, Any],
) -> Change:
    """One row for a batch; the oldest go."""
    row_id = stamp.new_id()
    counts = [done.count[action] for action in done.count]
    told = encode(errors[:ERRORS_KEPT]) if errors else None
    times = (started_at, stamp.text, stamp.text)
    values = (
        row_id,
        done.entity.table,
        source,
        done.status,
        len(done.outcomes),
        *counts,
        told,
        encode(metadata),
        *times,
    )
    tx.execute(_LOG, values)
    tx.execute(_FORGET, (IMPORTS_KEPT,))
    return Change("sync_imports", row_id, "insert", 1)


def history(connection: sqlite3.Connection, entity_type: str | None, source: str | None, limit: int) -> str:
    """`{"stats":{...},"history":[...]}` as text, newest first; the statistics are those of the rows shown."""
    asked = {"entity_type": entity_type, "source": source}
    conditions = [f"{name} = :{name}" for name, value in asked.items() if value]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = _HISTORY.format(row=SYNC_IMPORTS.row_json, where=where)
    rows = connection.execute(sql, {**asked, "limit": limit}).fetchall()
    stats = {
        "total_syncs": len(rows),
        "successful": sum(row[1] == "completed" for row in rows),
        "failed": sum(row[1] == "failed" for row in rows),
        "total_created": sum(row[2] or 0 for row in rows),
        "total_updated": sum(row[3] or 0 for row in rows),
        "total_errors": sum(row[4] or 0 for row in rows),
    }
    return f'{{"stats":{encode(stats)},"history":[{",".join(row[0] for row in rows)}]}}'


def shown(connection: sqlite3.Connection, entity: Entity, row_id: str) -> str:
    """The row as clients see it, under its names."""
    return entity.resource.one(rows_.shown(connection, entity.resource, row_id))
