"""What is in the database: how many rows, and one of them with what became of it."""

import sqlite3
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.kernel.errors import NotFound
from gateway.ops import store
from gateway.transfer.tables import KEPT, Kept, is_secret

SHOWN = {one.table: one for one in KEPT if one.resource.path}


async def counts(box: Box, _given: Arguments) -> dict[str, int]:
    """Table -> rows, deleted ones included."""
    return await box.db.read(store.counts, tuple(SHOWN))


async def row(box: Box, given: Arguments) -> dict[str, Any]:
    """table, id. {row, version, events}: the row as it is, the newest entries of the journal that touched it."""
    table = SHOWN.get(str(given["table"]))
    if table is None:
        raise NotFound(f'there is no table "{given["table"]}": {", ".join(SHOWN)}')
    return await box.db.read(_row, table, str(given["id"]))


def _row(connection: sqlite3.Connection, kept: Kept, row_id: str) -> dict[str, Any]:
    found = connection.execute(f"SELECT * FROM {kept.table} WHERE id = ?", (row_id,)).fetchone()  # nosec B608 # noqa: S608 -- declared names
    if found is None:
        raise NotFound(f'{kept.table} has no row "{row_id}"')
    values = {name: "***" if value is not None and is_secret(name) else value for name, value in dict(found).items()}
    events = store.events_of(connection, kept.table, row_id)
    return {"row": values, "version": values.get("row_version"), "events": events}
