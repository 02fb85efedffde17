"""What a hub tells of its rows, into ours: one transaction, journal entries with the origin `cloud` included.

What is not sent yet is never overwritten: `cloud/merge.py` decides field by field.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.catalog.listed import applied
from gateway.catalog.resources import Resource
from gateway.catalog.tables import MATERIALS, OPERATORS, PROFILES, SUBSTEP_TEMPLATES
from gateway.cloud import adopt, conflicts, mapping, missed, store
from gateway.cloud.absent import GONE, Key
from gateway.cloud.adopt import TABLES as PLAN
from gateway.cloud.deletions import follow
from gateway.cloud.merge import COMPLETED, EXECUTION
from gateway.kernel.db import Tx
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, encode

# In the order in which their rows hang on each other.
TABLES: Mapping[str, Resource] = {one.table: one for one in (PROFILES, OPERATORS)} | {
    **PLAN,
    **{one.table: one for one in (MATERIALS, SUBSTEP_TEMPLATES)},
}

_APART = """
SELECT t.id FROM {table} t JOIN cloud_rows r ON r.table_name = '{table}' AND r.id = t.id
WHERE t.deleted_at IS NULL AND json_extract(r.base, '$.status') <> t.status
"""


@dataclass(frozen=True, slots=True)
class News:
    """One row of the hub. `row` None: it is not there any more. `fresh`: the columns that are not older than what we sent,
    `columns`: those of them that changed. `ours`: it is we who changed them, and this is the echo. `seq`: where the hub tells it,
    None of a row that was asked for. `lists`: the columns that list files and hold all that we have sent: the hub brings the
    lists of several gateways together, so an echo may say more than we know.
    """

    table: str
    id: str
    row: Mapping[str, Any] | None
    columns: frozenset[str]
    fresh: frozenset[str]
    ours: bool = False
    seq: int | None = None
    lists: frozenset[str] = frozenset()


def adopt_all(tx: Tx, stamp: Stamp, news: Sequence[News], cells: frozenset[str] | None) -> list[Key]:
    """The rows to look at again once what was done here is sent: only then the hub's word about them is the last. `cells`: the
    ids of ours, None for all.
    """
    doubtful: list[Key] = []
    lanes: dict[str, list[Change]] = {}
    order = {table: place for place, table in enumerate(TABLES)}
    for one in sorted(news, key=lambda one: (one.row is None, order[one.table])):
        if one.row is None:
            if not one.ours and store.local(tx, one.table, one.id) is not None:
                missed.tell(tx, (one.table, one.id), GONE, stamp.text)
            continue
        known = store.row(tx, one.table, one.id)
        change, lane = _changed(tx, stamp, one, one.row, known, cells, doubtful)
        if change is not None:
            lanes.setdefault(lane, []).append(change)
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, tuple(touched)) for lane, touched in lanes.items()])
    return doubtful


def apart(connection: sqlite3.Connection) -> list[Key]:
    """Jobs and parts that stand otherwise at the hub, as far as it has told."""
    return [
        (table, row[0])
        for table in ("jobs", "parts")
        for row in connection.execute(_APART.format(table=table)).fetchall()
    ]


def follow_deletions(tx: Tx, stamp: Stamp) -> str:
    """What waits for a person, empty: nothing. What is not sent yet keeps its rows, and they are looked at again."""
    waits = follow(tx, stamp, {}, stamp.text).waits
    missed.forget_gone(tx)
    return waits


def _changed(
    tx: Tx,
    stamp: Stamp,
    one: News,
    theirs: Mapping[str, Any],
    known: store.CloudRow,
    cells: frozenset[str] | None,
    doubtful: list[Key],
) -> tuple[Change | None, str]:
    resource = TABLES[one.table]
    found = store.local(tx, one.table, one.id)
    lane = adopt.lane_of(tx, one.table, {"id": one.id, **theirs} if found is None else found[0])
    if found is None:
        if one.ours or not one.fresh or store.unsent(tx, lane, one.table, one.id).fields is None:
            return None, lane  # deleted here, which the hub has yet to hear
        change = adopt.insert(tx, stamp, resource, {"id": one.id, **theirs})
        if change is None:
            return None, lane
        known.base |= theirs
    else:
        change = None
        if not found[0].get("deleted_at"):
            values = _values(tx, stamp, one, theirs, known, found, lane, cells, doubtful)
            change = adopt.update(tx, stamp, resource, {"id": one.id, **theirs}, values) if values else None
            if values and change is None:
                return None, lane
        agreed = _agreed(one, theirs, found)
        known.base |= {name: value for name, value in theirs.items() if name in agreed}
    known.lane = known.lane or lane
    store.save(tx, known.packed(stamp.text))
    conflicts.settle(tx, stamp, one.table, one.id, conflicts.NOT_KEPT, "cloud")
    return change, lane


def _agreed(
    one: News, theirs: Mapping[str, Any], found: tuple[Mapping[str, Any], list[Mapping[str, Any]]]
) -> Collection[str]:
    """The columns in which both sides have been at one. Our echo comes with the row as it is now: what somebody else has made of it
    since is told by his own change.
    """
    if not one.ours or not mapping.forwarded(one.table):
        return one.columns
    ours = mapping.wanted(one.table, found[0], () if one.table in mapping.LISTS else found[1])[0].values
    return {name for name in one.columns if name not in ours or mapping.same(ours[name], theirs.get(name))}


def _values(
    tx: Tx,
    stamp: Stamp,
    one: News,
    theirs: Mapping[str, Any],
    known: store.CloudRow,
    found: tuple[Mapping[str, Any], list[Mapping[str, Any]]],
    lane: str,
    cells: frozenset[str] | None,
    doubtful: list[Key],
) -> Mapping[str, Any]:
    """Our columns that become the hub's."""
    listing = mapping.FILES_IN.get(one.table, frozenset())
    told = {} if one.ours else {name: value for name, value in theirs.items() if name in one.columns - listing}
    execution = EXECUTION.get(one.table, frozenset())
    if theirs.get("status") == COMPLETED and not execution & theirs.keys() <= one.fresh:
        # Half a state is none: of ours the hub has yet to say what has become.
        told = {name: value for name, value in told.items() if name not in execution}
    waiting = store.unsent(tx, lane, one.table, one.id)
    touched = {*one.columns, *execution}
    if TABLES[one.table].path and (waiting.fields is None or waiting.fields & mapping.cloud_fields(one.table, touched)):
        doubtful.append((one.table, one.id))
    if not mapping.forwarded(one.table):
        return _kept_here(tx, one, told, waiting, found[0])
    lists = _lists(one, theirs, waiting, found[0])
    row, below = found
    ours = mapping.wanted(one.table, row, () if one.table in mapping.LISTS else below)[0].values  # a hub has our paths
    owned = one.table == "operations" and (cells is None or ours.get("cell_id") in cells)
    state: dict[str, Any] = {}
    if not owned:
        told = {name: value for name, value in told.items() if name not in execution}
        if waiting.fields is not None and not waiting.fields & execution:
            state = _state(one, theirs, ours, execution)
    merged = adopt.merged(tx, one.table, ours, {"id": one.id, **told}, known, lane, owned=owned)
    for difference in merged.differences:
        conflicts.record(tx, stamp, one.table, one.id, difference)
    # Columns that a plain cloud has in another place, a job's priority.
    ours_only = {name: value for name, value in told.items() if name not in ours}
    return {
        **adopt.stored(tx, TABLES[one.table], merged.adopt | state),
        **_kept_here(tx, one, ours_only, waiting, found[0]),
        **lists,
    }


def _lists(one: News, theirs: Mapping[str, Any], waiting: store.Unsent, row: Mapping[str, Any]) -> dict[str, str]:
    """The hub's lists of files, with what was done here and has yet to go up."""
    if waiting.fields is None:
        return {}
    found = {}
    for name in one.lists & theirs.keys():
        paths = [*(theirs[name] or ())]
        for moves in waiting.lists:
            paths = applied(paths, moves[name]) if name in moves else paths
        if paths != json.loads(row[name] or "[]"):
            found[name] = encode(paths)
    return found


def _state(one: News, theirs: Mapping[str, Any], ours: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """How a row stands whose work several gateways share: only the hub sees all of it, so it says so, once it has heard what was
    done here.
    """
    known = {name: theirs[name] for name in names if name in one.fresh and name in theirs and name in ours}
    return {name: value for name, value in known.items() if not mapping.same(ours[name], value)}


def _kept_here(
    tx: Tx, one: News, told: Mapping[str, Any], waiting: store.Unsent, row: Mapping[str, Any]
) -> dict[str, Any]:
    """The columns that differ, but for those that still have to go up."""
    if waiting.fields is None:
        return {}
    open_ = {
        name: value for name, value in told.items() if not waiting.fields & mapping.cloud_fields(one.table, [name])
    }
    values = adopt.stored(tx, TABLES[one.table], open_)
    return {name: value for name, value in values.items() if row.get(name) != value}
