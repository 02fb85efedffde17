"""A hub's pages and snapshots as news of rows, and where in its journal we are."""

import json
import re
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from gateway.cloud import adopt
from gateway.cloud.mapping import FILES_IN
from gateway.hub.raw import Raw
from gateway.kernel import state
from gateway.kernel.db import Tx
from gateway.kernel.errors import Unavailable
from gateway.upstream.adopting import TABLES, News
from gateway.upstream.echo import Echo

_KEY = "hub_feed"
_HEAD = re.compile(rb'\{"seq":(\d+),"epoch":(\d+),')
_TABLE = re.compile(rb'^"(\w+)":\[$|^\},"(tombstones)":\[$')


@dataclass(frozen=True, slots=True)
class Place:
    """Everything up to `seq` of this life of the hub is known."""

    epoch: int
    seq: int


def load(connection: sqlite3.Connection) -> Place | None:
    found = state.get(connection, _KEY)
    return Place(*json.loads(found)) if found else None


def save(tx: Tx, place: Place) -> None:
    state.put(tx, _KEY, json.dumps([place.epoch, place.seq]))


def forget(tx: Tx) -> None:
    state.forget(tx, _KEY)


# ------------------------------------------------------------------ pages


def of_page(changes: Collection[Mapping[str, Any]], own_id: str, echo: Echo, raw: Mapping[str, Raw]) -> list[News]:
    """The latest of each row, by us and by others; what is older than what we sent is left out."""
    news: dict[tuple[str, str, bool], News] = {}
    for change in changes:
        table, row_id = change["entity"], change["id"]
        if table not in TABLES:
            continue
        ours = change["origin"] == own_id
        row = None if change["row"] is None else adopt.named(TABLES[table], change["row"])
        columns = frozenset(row or ())
        if row is not None and change["changed_fields"] is not None:
            columns &= {_outside(raw[table], name) for name in change["changed_fields"]}
        touched = columns
        fresh = _fresh(echo, raw[table], row_id, row or (), change["seq"])
        columns = columns if ours else columns & fresh
        before = news.pop((table, row_id, ours), None)
        known = before.columns if before is not None and before.row is not None else frozenset[str]()
        lists = _lists(
            echo, table, row_id, touched | (before.lists if before is not None else frozenset()), change["seq"]
        )
        news[table, row_id, ours] = News(table, row_id, row, columns | known, fresh, ours, change["seq"], lists)
    return [*news.values()]


def still_fresh(one: News, echo: Echo, raw: Mapping[str, Raw]) -> News:
    """Without what we have sent since it was read."""
    if one.row is None or one.seq is None:
        return one
    fresh = one.fresh & _fresh(echo, raw[one.table], one.id, one.row, one.seq)
    lists = _lists(echo, one.table, one.id, one.lists, one.seq)
    return replace(one, fresh=fresh, columns=one.columns if one.ours else one.columns & fresh, lists=lists)


def _fresh(echo: Echo, raw: Raw, row_id: str, names: Collection[str], seq: int) -> frozenset[str]:
    """Those of a row, told at `seq`, that are not older than what we sent."""
    kept = {name: raw.keeps.get(name, name) for name in names}
    newer = echo.fresh((raw.name, row_id), kept.values(), seq)
    return frozenset(name for name, column in kept.items() if column in newer)


def _lists(echo: Echo, table: str, row_id: str, names: Collection[str], seq: int) -> frozenset[str]:
    """Those of the columns that list files, and are told at `seq` with all that we have sent of them."""
    found = FILES_IN.get(table, frozenset()).intersection(names)
    return frozenset(name for name in found if echo.reached((table, row_id), name, seq))


def _outside(raw: Raw, name: str) -> str:
    """The name that clients see, whichever is given."""
    return next((shown for shown, kept in raw.keeps.items() if kept == name), name)


# ------------------------------------------------------------------ snapshots


class Spooled:
    """A snapshot on disk: it is gone through twice, and may be larger than memory."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- closed by `close`
        self.place = Place(0, 0)

    async def fill(self, lines: AsyncIterator[bytes]) -> None:
        """Raises Unavailable: it is not whole."""
        last = b""
        async for line in lines:
            self._file.write(line)
            last = line.strip() or last
        if last != b'],"complete":true}' and not last.endswith(b'"complete":true}'):
            raise Unavailable("the hub's snapshot broke off")
        self._file.seek(0)
        found = _HEAD.match(self._file.readline())
        if found is None:
            raise Unavailable("not a snapshot of a hub")
        self.place = Place(int(found[2]), int(found[1]))

    def rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(table, row), those of `tombstones` with `entity` and `id`."""
        self._file.seek(0)
        table = ""
        for line in self._file:
            text = line.strip()
            if found := _TABLE.match(text):
                table = (found[1] or found[2]).decode()
            elif table and text.startswith(b"{"):
                yield table, json.loads(text.removesuffix(b","))

    def close(self) -> None:
        self._file.close()


def of_snapshot(spooled: Spooled, cells: frozenset[str] | None, echo: Echo, raw: Mapping[str, Raw]) -> Iterator[News]:
    """Everything that is ours. `cells`: the ids of those, None for all: then parts and jobs are those with work in them."""
    trees = None if cells is None else _trees(spooled, cells)
    for table, row in spooled.rows():
        if table == "tombstones":
            if row["entity"] in TABLES:
                yield News(row["entity"], row["id"], None, frozenset(), frozenset())
        elif table in TABLES and (trees is None or _in_trees(table, row, *trees)):
            named = adopt.named(TABLES[table], row)
            fresh = _fresh(echo, raw[table], row["id"], named, spooled.place.seq)
            lists = _lists(echo, table, row["id"], named, spooled.place.seq)
            yield News(table, row["id"], named, fresh, fresh, seq=spooled.place.seq, lists=lists)


def whole(table: str, row: Mapping[str, Any]) -> News:
    """All of a row that has just been asked for."""
    named = adopt.named(TABLES[table], row)
    lists = FILES_IN.get(table, frozenset()).intersection(named)
    return News(table, row["id"], named, frozenset(named), frozenset(named), lists=lists)


def _trees(spooled: Spooled, cells: frozenset[str]) -> tuple[set[str], set[str]]:
    """(parts, jobs) with work in these cells."""
    parts = {row["part_id"] for table, row in spooled.rows() if table == "operations" and row.get("cell_id") in cells}
    jobs = {job_of(row) for table, row in spooled.rows() if table == "parts" and row["id"] in parts}
    return parts, jobs


def _in_trees(table: str, row: Mapping[str, Any], parts: set[str], jobs: set[str]) -> bool:
    if table == "operations":
        return row["part_id"] in parts
    return row["id"] in {"parts": parts, "jobs": jobs}.get(table, (row["id"],))


def job_of(part: Mapping[str, Any]) -> str:
    job = part.get("job")
    return str(job["id"] if isinstance(job, Mapping) else part.get("job_id"))
