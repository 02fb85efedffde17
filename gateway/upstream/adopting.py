"""What a hub tells of its rows, into ours: one transaction, journal entries with the origin `cloud` included.

What is not sent yet is never overwritten: `cloud/merge.py` decides field by field.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.resources import Resource
from gateway.catalog.tables import MATERIALS, OPERATORS, PROFILES, SUBSTEP_TEMPLATES
from gateway.cloud import adopt, conflicts, mapping, store
from gateway.cloud.adopt import TABLES as PLAN
from gateway.cloud.merge import COMPLETED, EXECUTION, Difference
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp

# In the order in which their rows hang on each other.
TABLES: Mapping[str, Resource] = {one.table: one for one in (PROFILES, OPERATORS)} | {
    **PLAN,
    **{one.table: one for one in (MATERIALS, SUBSTEP_TEMPLATES)},
}
GONE = "deleted_at"


@dataclass(frozen=True, slots=True)
class News:
    """One row of the hub. `row` None: it is not there any more. `fresh`: the columns that are not older than what we sent,
    `columns`: those of them that changed. `ours`: it is we who changed them, and this is the echo. `seq`: where the hub tells it,
    None of a row that was asked for.
    """

    table: str
    id: str
    row: Mapping[str, Any] | None
    columns: frozenset[str]
    fresh: frozenset[str]
    ours: bool = False
    seq: int | None = None


def adopt_all(tx: Tx, stamp: Stamp, news: Sequence[News], cells: frozenset[str] | None) -> int:
    """How many rows changed here. `cells`: the ids of ours, None for all."""
    lanes: dict[str, list[Change]] = {}
    order = {table: place for place, table in enumerate(TABLES)}
    for one in sorted(news, key=lambda one: (one.row is None, order[one.table])):
        known = store.row(tx, one.table, one.id)
        if one.row is None:
            change, lane = _deleted(tx, stamp, one, known)
        else:
            change, lane = _changed(tx, stamp, one, one.row, known, cells)
        if change is not None:
            lanes.setdefault(lane, []).append(change)
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, tuple(touched)) for lane, touched in lanes.items()])
    return sum(map(len, lanes.values()))


def _changed(
    tx: Tx, stamp: Stamp, one: News, theirs: Mapping[str, Any], known: store.CloudRow, cells: frozenset[str] | None
) -> tuple[Change | None, str]:
    resource = TABLES[one.table]
    found = store.local(tx, one.table, one.id)
    lane = adopt.lane_of(tx, one.table, {"id": one.id, **theirs} if found is None else found[0])
    if found is None and store.unsent(tx, lane, one.table, one.id).fields is None:
        return None, lane  # deleted here, which the hub has yet to hear
    if found is None:
        change = adopt.insert(tx, stamp, resource, {"id": one.id, **theirs})
        if change is None:
            return None, lane
        known.base |= theirs
    else:
        change = None
        if not found[0].get(GONE):
            values = _values(tx, stamp, one, theirs, known, found, lane, cells)
            change = adopt.update(tx, stamp, resource, {"id": one.id, **theirs}, values) if values else None
            if values and change is None:
                return None, lane
        known.base |= {name: value for name, value in theirs.items() if name in _agreed(one, theirs, found)}
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
) -> Mapping[str, Any]:
    """Our columns that become the hub's."""
    told = {} if one.ours else {name: value for name, value in theirs.items() if name in one.columns}
    execution = EXECUTION.get(one.table, frozenset())
    if theirs.get("status") == COMPLETED and not execution & theirs.keys() <= one.fresh:
        # Half a state is none: of ours the hub has yet to say what has become.
        told = {name: value for name, value in told.items() if name not in execution}
    waiting = store.unsent(tx, lane, one.table, one.id)
    if not mapping.forwarded(one.table):
        return _kept_here(tx, one, told, waiting, found[0])
    row, below = found
    ours = mapping.wanted(one.table, row, () if one.table in mapping.LISTS else below)[0].values  # a hub has our paths
    owned = one.table == "operations" and (cells is None or ours.get("cell_id") in cells)
    state: dict[str, Any] = {}
    if not owned:
        told = {name: value for name, value in told.items() if name not in execution}
        state = _state(one, theirs, ours, execution, waiting)
    merged = adopt.merged(tx, one.table, ours, {"id": one.id, **told}, known, lane, owned=owned)
    for difference in merged.differences:
        conflicts.record(tx, stamp, one.table, one.id, difference)
    # Columns that a plain cloud has in another place, a job's priority.
    ours_only = {name: value for name, value in told.items() if name not in ours}
    return {
        **adopt.stored(tx, TABLES[one.table], merged.adopt | state),
        **_kept_here(tx, one, ours_only, waiting, found[0]),
    }


def _state(
    one: News, theirs: Mapping[str, Any], ours: Mapping[str, Any], names: Collection[str], waiting: store.Unsent
) -> dict[str, Any]:
    """How a row stands whose work several gateways share: only the hub sees all of it, so it says so, once it has heard what was
    done here.
    """
    if waiting.fields is None or waiting.fields & {*names}:
        return {}
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


def _deleted(tx: Tx, stamp: Stamp, one: News, known: store.CloudRow) -> tuple[Change | None, str]:
    """Work that is not sent yet keeps its row: people are told."""
    found = store.local(tx, one.table, one.id)
    lane = "" if found is None else adopt.lane_of(tx, one.table, found[0])
    known.deleted = True
    store.save(tx, known.packed(stamp.text))
    if found is None or found[0].get(GONE):
        return None, lane
    waiting = store.unsent(tx, lane, one.table, one.id)
    if waiting.fields is None or waiting.fields or store.lane_waits(tx, lane):
        if one.ours:
            return None, lane
        reason = "deleted at the hub while work here was not sent yet: it stays here"
        conflicts.record(tx, stamp, one.table, one.id, Difference(conflicts.NOT_SHOWN, None, "deleted", reason, None))
        return None, lane
    resource = TABLES[one.table]
    if resource.soft_delete:
        return rows_.update(tx, resource, one.id, {GONE: stamp.text, "updated_at": stamp.text}), lane
    try:
        return rows_.delete(tx, resource, one.id), lane
    except Conflict:  # what was booked names it
        if found[0].get("active"):
            return rows_.update(tx, resource, one.id, {"active": 0, "updated_at": stamp.text}), lane
        return None, lane
