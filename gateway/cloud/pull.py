"""Reads plan data from the cloud with an API key: whole, consistent lists, or nothing.

There is no change feed: the rows that are still open are listed again each time. A page is asked for in order of creation,
so that what is added meanwhile lands behind it; a list whose total changed on the way is read once more.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.cloud.client import PAGE_MAX, CloudClient
from gateway.cloud.outcome import Kind, Outcome
from gateway.kernel.errors import Unavailable
from gateway.kernel.ids import is_uuid

OPEN = ("not_started", "in_progress", "on_hold")
SCANS_MAX = 3  # of one list whose total keeps changing
ROWS_MAX = 200_000  # of one table
CELLS_TOLD_MAX = 20

Row = Mapping[str, Any]


@dataclass(slots=True)
class Pulled:
    """Rows by table and id, in the cloud's words. `cells`: the ids of the cells that are ours, None for all.

    `requests`: those that were answered. `unknown`: cells that we are told to take care of and the cloud does not have.
    `gone`: operations of ours that the cloud does not show any more.
    """

    tables: dict[str, dict[str, Row]] = field(default_factory=dict)
    cells: frozenset[str] | None = None
    requests: int = 0
    unknown: str = ""
    gone: set[str] = field(default_factory=set)

    def add(self, table: str, rows: Iterable[Row]) -> None:
        self.tables.setdefault(table, {}).update((row["id"], row) for row in rows)

    def of(self, table: str) -> dict[str, Row]:
        return self.tables.get(table, {})


@dataclass(frozen=True, slots=True)
class Here:
    """What we have already. `parts` need not be completed; `refresh`: those to be read whole again; `open`: operations that
    are not completed here, with their part and cell.
    """

    parts: Collection[str] = ()
    refresh: Collection[str] = ()
    open: Mapping[str, tuple[str, str]] = field(default_factory=dict)


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

    async def read(self, here: Here, *, catalogue: bool) -> Pulled:
        got = self._got
        got.add("cells", await self._list("cells", {}))
        if catalogue:
            got.add("resources", await self._list("resources", {}))
            for active in ("true", "false"):  # [U] without the parameter only active ones are shown
                got.add("scrap_reasons", await self._list("scrap_reasons", {"active": active}))
        got.cells = self._ours(got.of("cells"))
        await self._work(here)
        return got

    def _ours(self, cells: Mapping[str, Row]) -> frozenset[str] | None:
        if "*" in self._cells:
            return None
        found = frozenset(key for key, cell in cells.items() if key in self._cells or cell["name"] in self._cells)
        known = {name for key in found for name in (key, cells[key]["name"])}
        if missing := [name for name in self._cells if name not in known]:
            names = ", ".join(sorted(str(cell["name"]) for cell in cells.values())[:CELLS_TOLD_MAX]) or "none at all"
            told = f"the cloud has no cell {', '.join(missing)}: it has {names}; correct [cloud] cells"
            if not found:
                raise Unavailable(told)
            self._got.unknown = told
        return found

    async def _work(self, here: Here) -> None:
        got = self._got
        for status in OPEN:
            for cell in sorted(got.cells) if got.cells is not None else (None,):
                asked = {"status": status} | ({"cell_id": cell} if cell else {})
                got.add("operations", await self._list("operations", asked))
        vanished = {
            row_id: part_id
            for row_id, (part_id, cell_id) in here.open.items()
            if row_id not in got.of("operations") and (got.cells is None or cell_id in got.cells)
        }  # somebody has completed them over there, or deleted them
        refresh = {*here.refresh, *vanished.values()}
        wanted = {row["part_id"] for row in got.of("operations").values()} | refresh
        for table in ("parts", "jobs"):
            for status in OPEN:
                got.add(table, await self._list(table, {"status": status}))
        await self._missing("parts", wanted)
        for part_id in sorted(wanted & got.of("parts").keys()):
            started = got.of("parts")[part_id]["status"] != OPEN[0]
            if part_id in refresh or (part_id not in here.parts and (started or got.cells is not None)):
                got.add("operations", await self._list("operations", {"part_id": part_id}))
        got.gone = vanished.keys() - got.of("operations").keys()
        self._keep("parts", wanted if got.cells is not None else None)
        jobs = {row["job"]["id"] for row in got.of("parts").values()}
        await self._missing("jobs", jobs)
        self._keep("jobs", jobs if got.cells is not None else None)

    async def _missing(self, table: str, ids: Collection[str]) -> None:
        """Rows above the open ones that are not open themselves."""
        for row_id in sorted(set(ids) - self._got.of(table).keys()):
            outcome = self._answered(await self._client.get(table, row_id))
            if outcome.kind is Kind.OK and outcome.row is not None:
                self._got.add(table, [outcome.row])
            elif outcome.kind is not Kind.GONE:
                raise Unavailable(f"{table} {row_id}: {outcome.text}")

    def _answered(self, outcome: Outcome) -> Outcome:
        self._got.requests += outcome.kind in (Kind.OK, Kind.GONE)
        return outcome

    def _keep(self, table: str, ids: Collection[str] | None) -> None:
        if ids is not None:
            self._got.tables[table] = {key: row for key, row in self._got.of(table).items() if key in ids}

    async def _list(self, table: str, query: Mapping[str, str]) -> list[Row]:
        for _ in range(SCANS_MAX):
            rows: dict[str, Row] = {}
            totals = set()
            async for total, page in self._pages(table, query):
                totals.add(total)
                rows.update((row["id"], row) for row in page)
            if len(totals) <= 1:
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
