"""Rows of the work that something happened to, read as they are now: those that are here, those that are new to us, and with a new
part its whole job tree.
"""

import sqlite3
from collections.abc import Collection, Mapping

from gateway.cloud.absent import GONE, WORK, Key
from gateway.cloud.pull import OPEN, Pulled, Row
from gateway.cloud.standing import Standing, all_known, standing
from gateway.cloud.tables import Tables
from gateway.kernel.db import Database

# What is no plan, or ours to know: hashes of imports, and images, which have an endpoint of their own.
LEFT_OUT = frozenset(("sync_hash", "synced_at", "deleted_by", "image_paths"))

Rows = dict[str, Row]  # by id


class Trees:
    """Everything raises Unavailable."""

    def __init__(self, tables: Tables, db: Database) -> None:
        self._tables = tables
        self._db = db

    async def open(self, cells: frozenset[str] | None) -> set[Key]:
        """What there is to look at: all that is here, all that is open over there and ours."""
        keys = set(await self._db.read(all_known, WORK))
        asked = {"status": f"in.({','.join(OPEN)})", "deleted_at": "is.null"}
        here = await self._db.read(_parts_here)
        for row in await self._tables.where("operations", asked, "id,created_at,cell_id,part_id"):
            if cells is None or row["cell_id"] in cells or row["part_id"] in here:
                keys.add(("operations", row["id"]))
        for table in ("jobs", "parts") if cells is None else ():
            keys.update((table, row["id"]) for row in await self._tables.where(table, asked, "id,created_at"))
        return keys

    async def look(self, keys: Collection[Key], cells: frozenset[str] | None) -> Pulled:
        """`missed` of the answer: rows that are gone, or back, and not yet known to be."""
        got = Pulled(cells=cells)
        ids = {table: [row_id for name, row_id in keys if name == table] for table in WORK}
        here: dict[str, dict[str, Standing]] = {}
        there: dict[str, Rows] = {}
        for table in WORK:
            rows = {row["id"]: row for row in await self._tables.among(table, "id", ids[table])}
            here[table] = await self._db.read(standing, table, ids[table])
            got.missed |= changed(table, here[table], rows)
            there[table] = alive(rows.values())
        parts = await self._db.read(standing, "parts", {row["part_id"] for row in there["operations"].values()})
        wanted = set()  # parts that are new to us
        for row_id, row in there["operations"].items():
            if row_id in here["operations"] or (row["part_id"] in parts and parts[row["part_id"]].live):
                got.add("operations", [row])
            elif row["part_id"] not in parts and _open(row) and (cells is None or row["cell_id"] in cells):
                wanted.add(row["part_id"])
        for table in ("parts", "jobs"):
            got.add(table, [row for row_id, row in there[table].items() if row_id in here[table]])
        if cells is None:
            new = {row_id for row_id, row in there["parts"].items() if row_id not in here["parts"] and _open(row)}
            wanted |= new
            got.add("jobs", [row for row_id, row in there["jobs"].items() if row_id not in here["jobs"] and _open(row)])
        if wanted:
            await self._add_trees(got, wanted, there)
        return got

    async def _add_trees(self, got: Pulled, wanted: Collection[str], there: Mapping[str, Rows]) -> None:
        """[U] What lies below a deleted job or part is not deleted itself: it counts as deleted."""
        known = {row_id: row for row_id, row in there["parts"].items() if row_id in wanted}
        parts = known | alive(await self._tables.among("parts", "id", wanted - known.keys()))
        above = {str(row["job_id"]) for row in parts.values()}
        here = await self._db.read(standing, "jobs", above)
        missing = {row_id for row_id in above if row_id not in here}
        jobs = {row_id: row for row_id, row in there["jobs"].items() if row_id in missing}
        jobs |= alive(await self._tables.among("jobs", "id", missing - jobs.keys()))
        good = jobs.keys() | {row_id for row_id, one in here.items() if one.live}
        parts = {row_id: row for row_id, row in parts.items() if row["job_id"] in good}
        got.add("jobs", jobs.values())
        got.add("parts", parts.values())
        got.add("operations", alive(await self._tables.among("operations", "part_id", parts.keys())).values())


def alive(rows: Collection[Row]) -> Rows:
    """Without what is deleted over there."""
    return {
        row["id"]: {name: value for name, value in row.items() if name not in LEFT_OUT}
        for row in rows
        if not row.get("deleted_at")
    }


def changed(table: str, here: Mapping[str, Standing], there: Rows) -> dict[Key, int]:
    """Rows that are gone over there, or back, and that we thought of otherwise; the value as in `absent.py`."""
    now = {row_id: 0 if row_id in there and not there[row_id].get("deleted_at") else GONE for row_id in here}
    return {(table, row_id): now[row_id] for row_id, one in here.items() if one.known and one.missed != now[row_id]}


def _open(row: Row) -> bool:
    return row["status"] in OPEN


def _parts_here(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT id FROM parts WHERE deleted_at IS NULL")}
