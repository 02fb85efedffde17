"""Conflicts as the command line lists them."""

import json
import sqlite3
from typing import Any

from gateway.conflicts.resources import CONFLICTS

LISTED_MAX = 10_000
_LIST = f"""
SELECT {CONFLICTS.row_json} FROM cloud_conflicts WHERE resolution IS NULL OR ? ORDER BY found_at DESC, rowid DESC LIMIT ?
"""  # nosec B608 # noqa: S608 -- declared names only


def listed(connection: sqlite3.Connection, *, resolved_too: bool) -> list[dict[str, Any]]:
    """Newest first, in the JSON of the REST API."""
    return [json.loads(row[0]) for row in connection.execute(_LIST, (resolved_too, LISTED_MAX))]
