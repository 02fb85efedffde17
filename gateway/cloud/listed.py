"""All SQL about the files that our rows list, and what of them is in the cloud.

Among the cloud's rows two kinds stand for files: `files`, one that went up by address, by our path; and `part_images`, all that
went up of one part, by its id: our path -> the cloud's.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.cloud.mapping import LISTS
from gateway.cloud.store import FILE, READER
from gateway.files.model import File
from gateway.files.store import at_paths, to_come

FILES, PART_IMAGES = "files", "part_images"


def images(connection: sqlite3.Connection, part_id: str) -> dict[str, File | None]:
    """What a part shows, by path; None: its bytes are not here. Without those that a gateway below still has to bring."""
    found = connection.execute(
        "SELECT image_paths FROM parts WHERE id = ? AND deleted_at IS NULL", (part_id,)
    ).fetchone()
    paths = json.loads(found[0]) if found else []
    files, coming = at_paths(connection, paths), to_come(connection, paths)
    return {path: files.get(path) for path in paths if path not in coming}


def waiting(connection: sqlite3.Connection, table: str, row_id: str) -> list[File]:
    """Files in the row's list that have no path in the cloud yet."""
    sql = f"SELECT {LISTS[table]} FROM {table} WHERE id = ?"  # nosec B608 # noqa: S608 -- declared names
    found = connection.execute(sql, (row_id,)).fetchone()
    files = at_paths(connection, json.loads(found[0] or "[]") if found else [])
    up = "SELECT 1 FROM cloud_rows WHERE table_name = ? AND id = ? AND base <> '{}'"
    return [file for path, file in files.items() if connection.execute(up, (FILES, path)).fetchone() is None]


def parked(connection: sqlite3.Connection, lane: str) -> set[str]:
    """Paths of files that will not go up before somebody asks for it."""
    sql = "SELECT aggregate FROM event_parked WHERE reader = ? AND lane = ? AND state <> 'retry'"
    rows = connection.execute(sql, (READER, lane))
    return {found[0].removeprefix(FILE) for found in rows if found[0].startswith(FILE)}


def here(connection: sqlite3.Connection, paths: Sequence[str], listed: Sequence[Mapping[str, Any]]) -> list[str]:
    """A list of the cloud's as ours. `listed`: our files in the list as it was; what has not gone up yet stays in it."""
    sql = (
        "SELECT base ->> '$.file_path', id FROM cloud_rows WHERE table_name = ? "
        "AND base ->> '$.file_path' IN (SELECT value FROM json_each(?))"
    )
    ours = dict(connection.execute(sql, (FILES, json.dumps([*paths]))).fetchall())
    return [ours.get(path, path) for path in paths] + [one["path"] for one in listed if not one["cloud_path"]]
