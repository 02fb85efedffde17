"""Do all levels say the same? Local copies, read only, against each other and against the cloud, row by row."""

import hashlib
import json
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from floor import FORWARDED, differences

from gateway.outbox import journal
from gateway.upstream import feed

# Seen by nobody else: versions count what one database did, and these times are of each box.
OWN = frozenset(("row_version", "updated_at"))
# What a cell cannot see of work in another: seconds, and what only rules ask for.
OF_THE_OTHER = frozenset(("moved_at", "actual_time_s", "actual_duration_s", "status_before_hold"))
OF_GATEWAYS = ("operation_batches", "batch_operations", "time_entry_pauses", "operation_quantity_scrap_reasons")
GONE = "deleted_at"  # of what is gone on both sides a feed tells nothing more
OPEN = "SELECT table_name, row_id, field FROM cloud_conflicts WHERE resolution IS NULL"


class State:
    """The stand-in cloud as it was told by its control endpoint."""

    def __init__(self, state: Mapping[str, list[dict]]) -> None:
        self._state = state

    def rows(self, table: str) -> list[dict]:
        return self._state[table]


def apart(site: sqlite3.Connection, cells: Sequence[sqlite3.Connection], cloud: Mapping[str, list[dict]]) -> list[str]:
    """Differences that no open conflict tells of."""
    open_ = {row["row_id"] for box in (site, *cells) for row in site_conflicts(box)}
    told = differences(site, State(cloud))
    for cell in cells:
        told += between(cell, site)
    return [one for one in told if one.split()[1] not in open_]


def site_conflicts(box: sqlite3.Connection) -> list[sqlite3.Row]:
    return box.execute(OPEN).fetchall()


def between(cell: sqlite3.Connection, site: sqlite3.Connection) -> list[str]:
    """Rows of the cell that the site has otherwise, or not at all."""
    told = []
    for table in (*FORWARDED, *OF_GATEWAYS):
        there = {row["id"]: row for row in site.execute(f"SELECT * FROM {table}")}
        for row in cell.execute(f"SELECT * FROM {table}"):
            other = there.get(row["id"])
            if other is None:
                told.append(f"{table} {row['id']} is not at the site")
                continue
            if GONE in row.keys() and row[GONE] and other[GONE]:  # noqa: SIM118 -- sqlite3.Row iterates over values
                continue
            told += [
                f"{table} {row['id']} {name}: {row[name]!r} in the cell, {other[name]!r} at the site"
                for name in set(row.keys()) - OWN - OF_THE_OTHER
                if row[name] != other[name]
            ]
    return told


def files(site: sqlite3.Connection, cells: Mapping[str, sqlite3.Connection], *, swapped: bool) -> tuple[list[str], int]:
    """(what is wrong, how many files the site has): each whole on the disk, those of the cells at the site, nobody waits.
    `swapped`: bytes that came to a cell after its backup are at the site alone.
    """
    told = [f"file {row[0]} has not come to the site" for row in site.execute("SELECT path FROM files_to_come")]
    kept = {name: _kept(name, box, told) for name, box in {"site": site, **cells}.items()}
    below = {one for name in cells for one in kept[name]}
    told += [f"file {one} of a cell is not at the site" for one in below - kept["site"]]
    told += [f"file {one} is at the site and in no cell" for one in kept["site"] - below if cells and not swapped]
    return told, len(kept["site"])


def _kept(name: str, box: sqlite3.Connection, told: list[str]) -> set[tuple[str, str]]:
    """(id, digest) of every file of a gateway; what is wrong with them is told."""
    folder = Path(box.execute("PRAGMA database_list").fetchone()["file"]).parent / "files"
    here = {file.name: file for file in folder.rglob("*") if file.is_file()}
    rows = {row["id"]: row["sha256"] for row in box.execute("SELECT id, sha256 FROM files")}
    told += [f"file {one} lies in {name} for nobody" for one in here.keys() - rows.keys()]
    for one, digest in rows.items():
        whole = one in here and hashlib.sha256(here[one].read_bytes()).hexdigest() == digest
        if not whole:
            told.append(f"file {one} is not whole in {name}")
    return {*rows.items()}


def heard_out(cell: sqlite3.Connection, site: sqlite3.Connection) -> bool:
    """The cell has read all of the site's journal."""
    place = feed.load(cell)
    return place is not None and place.seq == journal.head(site)


def journals(site: sqlite3.Connection, cells: Mapping[str, sqlite3.Connection]) -> tuple[list[str], int]:
    """(what is wrong, how many entries of the cells stand in the site's journal): each once, none of them lost."""
    wrong = [
        f"event {row[0]} stands {row[1]} times in the site's journal"
        for row in site.execute("SELECT id, count(*) FROM events GROUP BY id HAVING count(*) > 1")
    ]
    there = {row[0] for row in site.execute("SELECT id FROM events")}
    count = 0
    for name, cell in cells.items():
        own = cell.execute(
            "SELECT id, type, lane, changes FROM events WHERE origin <> 'cloud' "
            # What a box saw differently, and what it has imported, are its own business.
            "AND lane NOT LIKE 'cloud_conflicts:%' AND lane NOT LIKE 'sync_imports:%'"
        ).fetchall()
        count += len(own)
        wrong += [
            f"event {row['id']} ({row['type']}, {row['lane']}) of {name} is not in the site's journal"
            for row in own
            if row["id"] not in there and (json.loads(row["changes"]) or row["type"])
        ]
    return wrong, count
