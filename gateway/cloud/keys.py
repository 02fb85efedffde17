"""What the cloud thinks of somebody else's key."""

import sqlite3

from gateway.cloud.client import CloudClient
from gateway.cloud.outcome import Kind
from gateway.kernel.db import Database
from gateway.kernel.errors import Unavailable

# [U] the words of a 401 that mean the key; any other means that nobody has looked at it.
_REFUSALS = ("Missing or invalid authorization header", "Invalid API key format", "Invalid API key")
_CELLS = "SELECT id FROM cloud_rows WHERE table_name = 'cells' AND deleted = 0 AND base <> '{}'"


class CloudKeys:
    def __init__(self, client: CloudClient, db: Database) -> None:
        self._client = client
        self._db = db

    async def takes(self, key: str) -> bool:
        """Only a key that sees our cells is one of ours: the cloud has other companies, and their keys are good there, too.

        Raises Unavailable when the cloud cannot be asked, or when no cell of it is known here yet.
        """
        ours = await self._db.read(_cells)
        if not ours:
            raise Unavailable(
                "this key is not known here, and cannot be checked before the cloud's cells have been read"
            )
        outcome = await self._client.cells_seen_with(key)
        if outcome.kind is Kind.KEY and outcome.text in _REFUSALS:
            return False
        if outcome.kind is not Kind.OK:
            raise Unavailable(f"this key is not known here, and the cloud cannot be asked about it: {outcome.text}")
        cells = (outcome.data or {}).get("cells")
        return (
            any(row.get("id") in ours for row in cells if isinstance(row, dict)) if isinstance(cells, list) else False
        )


def _cells(connection: sqlite3.Connection) -> frozenset[str]:
    return frozenset(row[0] for row in connection.execute(_CELLS))
