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
    stored = row.get(column.name)
    if stored is None:
        return []
    return json.loads(stored) if column.kind is Kind.LIST else [stored]
