"""Reads whole tables, or rows by id, with a session. Deleted rows are shown, with when they were deleted.

Pages follow the key (when a row was made, then its id): what is added or deleted meanwhile moves no other row.
"""

from collections.abc import Collection, Mapping

from gateway.cloud.pull import ROWS_MAX, Row
from gateway.cloud.session import Session
from gateway.kernel.errors import Unavailable
from gateway.kernel.ids import is_uuid

PAGE_MAX = 500  # rows: a cloud that gives less in one answer, and does not say so, must not look like the end of a list
IDS_MAX = 100  # in one address
# Nobody's PIN comes here, and of the log only what was touched: rows are read as they are now.
_COLUMNS = {
    "profiles": "id,username,full_name,email,role,active,is_machine,employee_id,created_at",
    "operators": "id,employee_id,full_name,active,created_by,created_at",
    "activity_log": "id,entity_type,entity_id,created_at",
}
_ORDER = "created_at.asc,id.asc"


class Tables:
    """Everything raises Unavailable."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def among(self, table: str, column: str, values: Collection[str]) -> list[Row]:
        """The rows whose column is one of these ids."""
        found: list[Row] = []
        ids = sorted(values)
        for first in range(0, len(ids), IDS_MAX):
            found += await self.where(table, {column: f"in.({','.join(ids[first : first + IDS_MAX])})"})
        return found

    async def where(self, table: str, query: Mapping[str, str], columns: str = "") -> list[Row]:
        """All rows that a query finds, in order. `columns`: those that are wanted, `created_at` and `id` among them."""
        shape = {"select": columns or _COLUMNS.get(table, "*"), "order": _ORDER, "limit": str(PAGE_MAX)}
        rows: list[Row] = []
        place: dict[str, str] = {}
        while len(rows) < ROWS_MAX:
            page = await self._session.rows(table, {**query, **place, **shape})
            rows += [row for row in page if is_uuid(str(row.get("id")))]
            whole = len(page) == PAGE_MAX
            if not whole and "id" not in place:
                return rows
            made = page[-1]["created_at"] if page else place["created_at"].partition(".")[2]
            # First what was made in that same moment: one transaction may make thousands of rows.
            place = (
                {"created_at": f"eq.{made}", "id": f"gt.{page[-1]['id']}"} if whole else {"created_at": f"gt.{made}"}
            )
        raise Unavailable(f"the cloud's table {table} has more than {ROWS_MAX} such rows")

    async def newest(self, table: str) -> str:
        """When the youngest row was made; empty for a table without rows."""
        found = await self._session.rows(table, {"select": "created_at", "order": "created_at.desc", "limit": "1"})
        return str(found[0]["created_at"]) if found else ""
