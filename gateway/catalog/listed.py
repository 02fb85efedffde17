"""Files that a row lists: whoever may read the row may fetch them. So a key that is limited to cells lists its own uploads
only; any other path would open a file that may belong to another cell.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from gateway.catalog.resources import Resource
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
        for name in resource.listing_files & values.keys()
        for path in _paths(values[name])
        if path not in _paths(before.get(name))
    ]
    asked = {"paths": encode(paths), "key_id": caller.key_id}
    if paths and (found := connection.execute(_SOMEBODY_ELSES, asked).fetchone()):
        raise CellNotAllowed(f"this key did not upload {found[0]}: upload it with this key, then list it")


def _paths(stored: Any) -> list[str]:
    """One path, a list as JSON, or nothing."""
    if not isinstance(stored, str):
        return []
    return json.loads(stored) if stored.startswith("[") else [stored]
