"""The next entries for the hub as JSON text, with the rows as they stand now. Reads only."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.cloud import conflicts, store
from gateway.cloud.mapping import FILES_IN
from gateway.cloud.parking import Blocked, free
from gateway.files.model import File
from gateway.files.resources import FILES
from gateway.files.store import at_paths, by_id
from gateway.hub.raw import BELOW, Raw
from gateway.hub.written import FILES_MAX
from gateway.outbox import journal
from gateway.outbox.event import CLOUD, Entry, encode, row_lane

BYTES_MAX = 4 * 1024 * 1024  # of one request; a single entry may be larger


@dataclass(frozen=True, slots=True)
class Wanted:
    """The next stretch of a lane."""

    lane: str
    after: int


@dataclass(slots=True)
class Stretch:
    """What of a lane goes with this request: everything up to `last`, though not all of it has to be told."""

    lane: str
    last: int
    entries: list[Entry] = field(default_factory=list)
    again: list[Entry] = field(default_factory=list)  # parked ones that somebody asked to try once more
    blocked: list[Blocked] = field(default_factory=list)  # they wait for a parked one


@dataclass(slots=True)
class Batch:
    """`left`: lanes for which there was no room; `pieces`: the entries as JSON text."""

    stretches: list[Stretch] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rows:
    """`of`: table -> id -> column -> value; `below`: table -> id -> the rows that no journal names; `files`: the ids of those of
    the files that are here, `listed`: by path those that the rows list.
    """

    of: Mapping[str, Mapping[str, Mapping[str, Any]]]
    below: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
    files: Collection[str]
    listed: Mapping[str, File]


Epochs = Sequence[tuple[int, int]]  # (epoch, the journal's end when it began), in order


def batch(
    connection: sqlite3.Connection,
    wanted: Sequence[Wanted],
    limit: int,
    tables: Mapping[str, Raw],
    epochs: Epochs,
    *,
    follows: bool,
) -> Batch:
    """`limit` entries at the most, and about BYTES_MAX. `follows`: the hub wants to know whose requests they are from."""
    made, room, size = Batch(), limit, 0
    for place, want in enumerate(wanted):
        if room <= 0 or size >= BYTES_MAX:
            made.left = [one.lane for one in wanted[place:]]
            break
        stretch = _stretch(connection, want, room, tables)
        pieces = _pieces(connection, stretch, BYTES_MAX - size, tables, epochs, follows=follows)
        made.stretches.append(stretch)
        made.pieces += pieces
        room -= len(pieces)
        size += sum(map(len, pieces))
    return made


def touched(entry: Entry, tables: Mapping[str, Raw]) -> Iterator[tuple[str, str, tuple[str, ...] | None]]:
    """(table, id, columns or None for all) of the rows that went with it."""
    for one in json.loads(entry.changes):
        if one["table"] in tables:
            columns = tables[one["table"]].behind(one["fields"]) if one["op"] == "update" else None
            yield one["table"], one["id"], columns


def _stretch(connection: sqlite3.Connection, want: Wanted, room: int, tables: Mapping[str, Raw]) -> Stretch:
    entries = journal.in_lane(connection, want.lane, want.after, room)
    stretch = Stretch(want.lane, entries[-1].seq if entries else want.after)
    stretch.again = store.to_retry(connection, want.lane)[:room]
    told = [entry for entry in entries if _goes_up(entry, tables)]
    stretch.entries, stretch.blocked = free(connection, want.lane, told)
    return stretch


def _goes_up(entry: Entry, tables: Mapping[str, Raw]) -> bool:
    """Nobody is sent his own echo, nor what is only about our side and his, nor rows that are only ours (machines)."""
    ours_alone = entry.lane.startswith(row_lane(conflicts.TABLE, ""))
    if entry.origin == CLOUD or ours_alone:
        return False
    return entry.type is not None or bool(_told(entry, tables))


def _told(entry: Entry, tables: Mapping[str, Raw]) -> list[Mapping[str, Any]]:
    """Its changes that a hub hears of: rows of its tables, and files."""
    return [one for one in json.loads(entry.changes) if one["table"] in tables or one["table"] == FILES.table]


def _pieces(
    connection: sqlite3.Connection,
    stretch: Stretch,
    bytes_max: int,
    tables: Mapping[str, Raw],
    epochs: Epochs,
    *,
    follows: bool,
) -> list[str]:
    """Its entries as text. What is too much is taken off it again, except for a first entry: that goes, however large."""
    again = {entry.seq for entry in stretch.again}
    asked = [(entry, _told(entry, tables)) for entry in (*stretch.again, *stretch.entries)]
    rows = _rows(connection, [one for _, changes in asked for one in changes], tables)
    pieces: list[str] = []
    size = 0
    for entry, changes in asked:
        pieces.append(_piece(entry, changes, tables, rows, epochs, again=entry.seq in again, follows=follows))
        size += len(pieces[-1])
        if size > bytes_max and len(pieces) < len(asked):
            _cut(stretch, len(pieces))
            break
    return pieces


def _cut(stretch: Stretch, count: int) -> None:
    """Only its first `count` entries go."""
    stretch.again, stretch.entries = stretch.again[:count], stretch.entries[: max(0, count - len(stretch.again))]
    last = stretch.entries[-1].seq if stretch.entries else 0
    stretch.blocked = [one for one in stretch.blocked if one[0].seq <= last]
    stretch.last = last


def _rows(connection: sqlite3.Connection, changes: Sequence[Mapping[str, Any]], tables: Mapping[str, Raw]) -> Rows:
    ids: dict[str, set[str]] = {}
    for one in changes:
        ids.setdefault(one["table"], set()).add(one["id"])
    files = {one for one in ids.pop(FILES.table, ()) if by_id(connection, one) is not None}
    below = {
        name: tables[below].below(connection, column, ids[name])
        for name, (below, column) in BELOW.items()
        if name in ids
    }
    of = {name: tables[name].rows(connection, some) for name, some in ids.items()}
    paths = [path for name in FILES_IN for row in of.get(name, {}).values() for path in _listed(name, row)]
    return Rows(of, below, files, at_paths(connection, paths) if paths else {})


def _listed(table: str, row: Mapping[str, Any]) -> list[str]:
    """The paths of files that a row lists, in columns that a plain cloud has."""
    return [path for name in FILES_IN.get(table, ()) for path in json.loads(row[name] or "[]")]


def _piece(
    entry: Entry,
    changes: Sequence[Mapping[str, Any]],
    tables: Mapping[str, Raw],
    rows: Rows,
    epochs: Epochs,
    *,
    again: bool,
    follows: bool,
) -> str:
    about = {
        "key": entry.id,
        "seq": entry.seq,
        "epoch": _epoch(epochs, entry.seq),
        "lane": entry.lane,
        "aggregate": entry.aggregate,
        "origin": entry.origin,
        "occurred_at": entry.occurred_at,
        "clock_trusted": bool(entry.clock_trusted),
        "type": entry.type,
        "again": again,
        **({"request_id": entry.request_id} if follows and entry.request_id else {}),
        "changes": [told for one in changes if (told := _change(one, tables, rows)) is not None],
    }
    return f'{encode(about)[:-1]},"data":{entry.data or "null"}}}'


def _change(one: Mapping[str, Any], tables: Mapping[str, Raw], rows: Rows) -> dict[str, Any] | None:
    """None: the row is gone meanwhile, which a later entry tells. One that is only marked as gone is told with its mark. Of a
    file that is gone nobody knows which goes up first, its bytes or that it was deleted: so each of its entries tells that.
    """
    told = {"table": one["table"], "id": one["id"], "op": one["op"]}
    if one["table"] == FILES.table:
        return told if one["id"] in rows.files else {**told, "op": "delete"}
    table = tables[one["table"]]
    row = rows.of[table.name].get(one["id"])
    if row is None:
        return told if one["op"] == "delete" else None
    names = table.behind(one["fields"] if one["op"] == "update" else None)
    told["values"] = {name: row[name] for name in names}
    if one["op"] == "update":
        told["fields"] = one["fields"]
        told |= {"lists": one["lists"]} if "lists" in one else {}
    if table.name in BELOW and (one["op"] == "insert" or table.name != "operations"):
        told["below"] = rows.below[table.name].get(one["id"], [])
    if FILES_IN.get(table.name, frozenset()).intersection(names):
        files = [rows.listed[path] for path in _listed(table.name, row) if path in rows.listed]
        if files:
            told["files"] = [{"path": file.path, "sha256": file.sha256} for file in files[:FILES_MAX]]
    return told


def _epoch(epochs: Epochs, seq: int) -> int:
    """The one in which an entry was written."""
    return next((epoch for epoch, began in reversed(epochs) if began < seq), epochs[0][0])
