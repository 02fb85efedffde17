"""Files that a row lists: whoever may read the row may fetch them. So a key that is limited to cells lists its own uploads
only; any other path would open a file that may belong to another cell.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from gateway.catalog.resources import Column, Kind, Resource
from gateway.kernel.errors import CellNotAllowed
from gateway.outbox.event import encode
from gateway.web.routes import Caller

# Everything stored here lies under the tenant's id. Also what is not uploaded yet: its path could be guessed.
_SOMEBODY_ELSES = """
SELECT path FROM (SELECT json_each.value AS path, tenant.value || '/' AS folder
                  FROM json_each(:paths), gateway_state AS tenant WHERE tenant.key = 'tenant_id') AS listed
WHERE substr(path, 1, length(folder)) = folder
  AND NOT EXISTS (SELECT 1 FROM files WHERE files.path = listed.path AND files.uploaded_by = :key_id)
LIMIT 1
"""
_NOTHING: Mapping[str, Any] = {}


def require_own_files(
    connection: sqlite3.Connection,
    resource: Resource,
    values: Mapping[str, Any],
    caller: Caller,
    before: Mapping[str, Any] = _NOTHING,
) -> None:
    """`values` and `before` as they are stored; what `before` lists already may stay. Raises CellNotAllowed."""
    if caller.cells is None:
        return
    paths = [
        path
        for column in resource.listing_files
        for path in _paths(column, values)
        if path not in _paths(column, before)
    ]
    asked = {"paths": encode(paths), "key_id": caller.key_id}
    if paths and (found := connection.execute(_SOMEBODY_ELSES, asked).fetchone()):
        raise CellNotAllowed(f"this key did not upload {found[0]}: upload it with this key, then list it")


def _paths(column: Column, row: Mapping[str, Any]) -> list[str]:
    return _listed(column, row.get(column.name))


def _listed(column: Column, stored: str | None) -> list[str]:
    if stored is None:
        return []
    return json.loads(stored) if column.kind is Kind.LIST else [stored]


# ---------------------------------------------------------------------- lists that several gateways change


def moved(
    connection: sqlite3.Connection, resource: Resource, row_id: str, values: Mapping[str, Any]
) -> dict[str, dict[str, list[str]]]:
    """What a change to these values, as they are stored, adds to lists of files and takes from them, by column."""
    found = {}
    for column in resource.listing_files:
        if column.kind is not Kind.LIST or column.name not in values:
            continue
        sql = f"SELECT {column.name} FROM {resource.table} WHERE id = ?"  # nosec B608 # noqa: S608 -- declared names only
        row = connection.execute(sql, (row_id,)).fetchone()
        before, after = _listed(column, row[0] if row else None), _listed(column, values[column.name])
        added, gone = [one for one in after if one not in before], [one for one in before if one not in after]
        if added or gone:
            found[column.name] = {"added": added, "gone": gone}
    return found


def applied(paths: list[str], move: Mapping[str, list[str]]) -> list[str]:
    """A list after a change that somebody has made to his own copy of it."""
    kept = [one for one in paths if one not in move["gone"]]
    return kept + [one for one in move["added"] if one not in kept]
