"""Reads plan data from the cloud with an API key: whole, consistent lists, or nothing.

There is no change feed: the rows that are still open are listed again each time. A page is asked for in order of creation,
so that what is added meanwhile lands behind it; a list whose total changed on the way is read once more. What a list does not
show may have been completed or deleted: `absent.py` says which rows are missing, and the cloud is asked about each of them.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.cloud.absent import GONE, WORK, Here, Listed, missing
from gateway.cloud.client import PAGE_MAX, CloudClient
from gateway.cloud.outcome import Kind, Outcome
from gateway.cloud.own_cells import Found, Own, own
from gateway.cloud.rows import NOT_BY_ID
from gateway.kernel.errors import Unavailable
from gateway.kernel.ids import is_uuid

SELDOM = ("resources", "scrap_reasons")  # they change rarely
OPEN = ("not_started", "in_progress", "on_hold")
SCANS_MAX = 3  # of one list whose total keeps changing
ROWS_MAX = 200_000  # of one table
PAGES_MAX = ROWS_MAX // PAGE_MAX
CELLS_TOLD_MAX = 20
ASKED_MAX = 20  # rows that a round asks about one by one; the others have their turn in the next

Row = Mapping[str, Any]


class TooLong(Exception):
    """A list has more pages than there is room for; `pages` so many."""

    def __init__(self, pages: int) -> None:
        super().__init__(f"{pages} pages")
        self.pages = pages


@dataclass(slots=True)
class Pulled:
    """Rows by table and id, in the cloud's words. `cells`: the ids of those that are ours, None for all; `own`: how they are found.

    `requests`: those that were answered; `scan_pages`: those that a scan of everything took, or would have taken. `unknown`:
    cells that we are told to take care of and the cloud does not have. `missed`: (table, id) -> what is to be known of rows
    that the cloud did not show, or shows again (`absent.py`).
    """

    tables: dict[str, dict[str, Row]] = field(default_factory=dict)
    cells: frozenset[str] | None = None
    own: Found = field(default_factory=dict)
    requests: int = 0
    scan_pages: int = 0
    unknown: str = ""
    listed: Listed = field(default_factory=Listed)
    missed: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, table: str, rows: Iterable[Row]) -> None:
        found = {row["id"]: row for row in rows}
        self.tables.setdefault(table, {}).update(found)
        self.listed.show(table, found)

    def of(self, table: str) -> dict[str, Row]:
        return self.tables.get(table, {})


def ours(wanted: Collection[str], cells: Mapping[str, Row], known: Found) -> tuple[Own, str]:
    """(the cells that are ours, what people should know). Raises Unavailable when there is none of them."""
    found = own(wanted, {key: cell["name"] for key, cell in cells.items()}, known)
    if not found.missing:
        return found, ""
    names = ", ".join(sorted(str(cell["name"]) for cell in cells.values())[:CELLS_TOLD_MAX]) or "none at all"
    told = f"the cloud has no cell {', '.join(found.missing)}: it has {names}; correct [cloud] cells"
    if not found.ids:
        raise Unavailable(told)
    return found, told


class Pull:
    """One round of reading. `cells`: names or ids, `*` for all. Raises Unavailable: nothing of the round counts."""

    def __init__(self, client: CloudClient, cells: Collection[str]) -> None:
        self._client = client
        self._cells = cells
        self._got = Pulled()

    @property
    def requests(self) -> int:
        """So many the cloud has answered so far, whatever became of the round."""
        return self._got.requests

    async def read(self, here: Here, *, catalogue: bool, work: bool = True, scan_max: int = 0) -> Pulled:
        """`work`: jobs, parts and operations as well. `scan_max`: so many pages may be spent on reading everything, completed
        work too.
        """
        got = self._got
        got.listed.dead.update(here.dead)
        got.add("cells", await self._list("cells", {}))
        if catalogue:
            for table in SELDOM:
                got.add(table, await self.flat(table))
        got.listed.flat = frozenset(got.tables)
        found, got.unknown = ours(self._cells, got.of("cells"), here.own)
        got.cells, got.own = found.ids, found.found
        got.listed.cells = got.cells
        if work:
            await self._work(here)
            got.listed.work = True
        if work and scan_max:
            await self._everything(here, scan_max)
        await self._ask(here)
        return got

    async def flat(self, table: str) -> list[Row]:
        """One of `SELDOM`, whole. Raises Unavailable."""
        if table != "scrap_reasons":
            return await self._list(table, {})
        # [U] without the parameter only active ones are shown
        return [row for active in ("true", "false") for row in await self._list(table, {"active": active})]

    async def _work(self, here: Here) -> None:
        got = self._got
        for status in OPEN:
            for cell in sorted(got.cells) if got.cells is not None else (None,):
                asked = {"status": status} | ({"cell_id": cell} if cell else {})
                got.add("operations", await self._list("operations", asked))
        vanished = {
            known.above[0]
            for row_id, known in here.known.get("operations", {}).items()
            if known.open and not known.missed and row_id not in got.of("operations") and got.listed.ours(known)
        }  # the parts of what somebody has completed over there, or deleted
        refresh = {*here.refresh, *vanished}
        wanted = {row["part_id"] for row in got.of("operations").values()} | refresh
        for table in ("parts", "jobs"):
            for status in OPEN:
                got.add(table, await self._list(table, {"status": status}))
        await self._above("parts", wanted)
        self._keep("parts", wanted if got.cells is not None else None)
        jobs = {row["job"]["id"] for row in got.of("parts").values()}
        await self._above("jobs", jobs)
        self._keep("jobs", jobs if got.cells is not None else None)
        self._drop_orphans()
        for part_id in sorted(wanted & got.of("parts").keys()):
            started = got.of("parts")[part_id]["status"] != OPEN[0]
            if part_id in refresh or (part_id not in here.parts and (started or got.cells is not None)):
                got.add("operations", await self._list("operations", {"part_id": part_id}))
                got.listed.trees.add(part_id)

    def _drop_orphans(self) -> None:
        """[U] What lies below a deleted job or part is still listed: it counts as deleted."""
        got, dead = self._got, self._got.listed.dead
        parts = {row_id for row_id, row in got.of("parts").items() if row["job"]["id"] in dead}
        self._keep("parts", got.of("parts").keys() - parts)
        parts |= dead
        operations = {row_id for row_id, row in got.of("operations").items() if row["part_id"] in parts}
        self._keep("operations", got.of("operations").keys() - operations)

    async def _everything(self, here: Here, pages_max: int) -> None:
        """Whole tables: of what is here already the rows, of the rest only that it is there."""
        got = self._got
        pages = 0
        for table in WORK:
            cells = sorted(got.cells) if table == "operations" and got.cells is not None else (None,)
            for cell in cells:
                try:
                    rows = await self._list(table, {"cell_id": cell} if cell else {}, pages_max - pages)
                except TooLong as too_long:
                    got.scan_pages = pages + too_long.pages
                    return
                pages += max(1, -(-len(rows) // PAGE_MAX))
                got.listed.show(table, (row["id"] for row in rows))
                known = here.known.get(table, {})
                got.add(table, [row for row in rows if row["id"] in known and row["id"] not in got.of(table)])
            got.listed.scanned.add(table)
        got.scan_pages = pages

    async def _ask(self, here: Here) -> None:
        """A row that was missing before as well: what the cloud says about the row itself decides."""
        got, asked = self._got, 0
        found = missing(here, got.listed)
        got.missed.update(dict.fromkeys(found.back, 0) | dict.fromkeys(found.first, 1))
        for table, row_id in found.again:
            if table in NOT_BY_ID or row_id in got.listed.dead:  # [U] a second whole list is all there is
                got.missed[table, row_id] = GONE
            elif asked < ASKED_MAX:
                asked += 1
                row = await self._one(table, row_id)
                got.missed[table, row_id] = GONE if row is None else 0
                got.add(table, () if row is None else (row,))

    async def _above(self, table: str, ids: Collection[str]) -> None:
        """Rows above the open ones that are not open themselves."""
        for row_id in sorted(set(ids) - self._got.of(table).keys()):
            row = None if row_id in self._got.listed.dead else await self._one(table, row_id)
            if row is None:
                self._got.listed.dead.add(row_id)
            else:
                self._got.add(table, [row])

    async def _one(self, table: str, row_id: str) -> Row | None:
        """None: it is not there. Raises Unavailable."""
        outcome = self._answered(await self._client.get(table, row_id))
        if outcome.kind is Kind.GONE:
            return None
        if outcome.kind is not Kind.OK or outcome.row is None:
            raise Unavailable(f"{table} {row_id}: {outcome.text}")
        return outcome.row

    def _answered(self, outcome: Outcome) -> Outcome:
        self._got.requests += outcome.kind in (Kind.OK, Kind.GONE)
        return outcome

    def _keep(self, table: str, ids: Collection[str] | None) -> None:
        if ids is not None:
            self._got.tables[table] = {key: row for key, row in self._got.of(table).items() if key in ids}

    async def _list(self, table: str, query: Mapping[str, str], pages_max: int | None = None) -> list[Row]:
        """Raises Unavailable, TooLong. [U] rows made in the same moment have no order: one may fall between two pages."""
        for _ in range(SCANS_MAX):
            rows: dict[str, Row] = {}
            totals = set()
            async for total, page in self._pages(table, query):
                if pages_max is not None and total > pages_max * PAGE_MAX:
                    raise TooLong(-(-total // PAGE_MAX))
                totals.add(total)
                rows.update((row["id"], row) for row in page)
            if len(totals) <= 1:
                if totals != {len(rows)}:
                    self._got.listed.partial.add(table)
                return list(rows.values())
        raise Unavailable(f"the list of {table} keeps changing while it is read")

    async def _pages(self, table: str, query: Mapping[str, str]) -> AsyncIterator[tuple[int, list[Row]]]:
        offset = 0
        while offset < ROWS_MAX:
            paged = {**query, "limit": str(PAGE_MAX), "offset": str(offset), "sort": "created_at", "order": "asc"}
            outcome = self._answered(await self._client.page(table, paged))
            page, total = _page(table, outcome)
            yield total, page
            offset += len(page)
            if len(page) < PAGE_MAX:
                return


def _page(table: str, outcome: Outcome) -> tuple[list[Row], int]:
    """(rows, total). Raises Unavailable: the other side did not answer with a list."""
    rows = (outcome.data or {}).get(table)
    if outcome.kind is not Kind.OK or not isinstance(rows, list):
        raise Unavailable(outcome.text or f"the cloud's answer has no list of {table}")
    pagination = (outcome.data or {}).get("pagination")
    total = pagination.get("total") if isinstance(pagination, dict) else None
    return [row for row in rows if isinstance(row, dict) and is_uuid(str(row.get("id")))], total if isinstance(
        total, int
    ) else len(rows)
