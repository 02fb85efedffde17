"""The cloud's activity log as a feed of what was touched: which rows, not what became of them, for they are read as they are now.

An entry is stamped with the beginning of its transaction and seen from its commit on. So a minute before the newest entry is
read again each time, and what was read already is known by its id. What took longer than that is found by the daily reading of
everything.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from gateway.cloud.absent import Key
from gateway.cloud.tables import Tables
from gateway.kernel import clock as time_
from gateway.kernel.errors import Unavailable

OVERLAP = timedelta(seconds=60)
LOG = "activity_log"
# Entries of both triggers: that which names the table may fail without a word, the other one does not know of cells and people.
TABLES = {
    **{table: table for table in ("jobs", "parts", "operations", "cells", "profiles")},
    "job": "jobs",
    "part": "parts",
    "operation": "operations",
}


@dataclass(frozen=True, slots=True)
class Touched:
    """Rows that something happened to, and how far the log was read; `seen`: entry -> its instant."""

    keys: set[Key]
    cursor: str
    seen: dict[str, str] = field(repr=False)


class Feed:
    """Raises Unavailable."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._seen: dict[str, str] = {}

    async def head(self) -> str:
        """Where a feed begins that has read everything by other means from now on. [U] a request of the key makes an entry: there
        is no log without one.
        """
        head = await self._tables.newest(LOG)
        if not head:
            raise Unavailable("the service user sees nothing in the cloud's activity log")
        return head

    async def read(self, cursor: str) -> Touched:
        since = time_.parse(cursor) - OVERLAP
        asked = {"created_at": f"gte.{time_.text(since)}", "entity_type": f"in.({','.join(TABLES)})"}
        entries = await self._tables.where(LOG, asked)
        seen = {entry["id"]: entry["created_at"] for entry in entries}
        new = [entry for entry in entries if entry["id"] not in self._seen and entry["entity_id"]]
        newest = max((cursor, *seen.values()), key=time_.parse)
        return Touched({(TABLES[entry["entity_type"]], entry["entity_id"]) for entry in new}, newest, seen)

    def took(self, touched: Touched) -> None:
        """All of it is here: the same entries say nothing new any more."""
        self._seen = touched.seen
