"""What a hub tells of its rows, into ours: one transaction, journal entries with the origin `cloud` included.

What is not sent yet is never overwritten: `cloud/merge.py` decides field by field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.resources import Resource
from gateway.catalog.tables import MATERIALS, OPERATORS, PROFILES, SUBSTEP_TEMPLATES
from gateway.cloud import adopt, conflicts, mapping, store
from gateway.cloud.adopt import TABLES as PLAN
from gateway.cloud.merge import Difference
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
    """One row of the hub. `row` None: it is not there any more. `columns`: those that changed and are not older than ours.

    `ours`: it is we who changed it, and this is the echo.
    """

    table: str
    id: str
    row: Mapping[str, Any] | None
    columns: frozenset[str]
    ours: bool = False


def adopt_all(tx: Tx, stamp: Stamp, news: Sequence[News], cells: frozenset[str] | None) -> int:
    """How many rows changed here. `cells`: the ids of ours, None for all."""
    lanes: dict[str, list[Change]] = {}
    order = {table: place for place, table in enumerate(TABLES)}
    for one in sorted(news, key=lambda one: (one.row is None, order[one.table])):
        known = store.row(tx, one.table, one.id)
        if one.row is None:
            change, lane = _deleted(tx, stamp, one, known)
        elif one.ours:
            change, lane = None, ""
            _agreed(tx, stamp, one, known)
        else:
            change, lane = _changed(tx, stamp, one, one.row, known, cells)
        if change is not None:
            lanes.setdefault(lane, []).append(change)
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, tuple(touched)) for lane, touched in lanes.items()])
    return sum(map(len, lanes.values()))


def _agreed(tx: Tx, stamp: Stamp, one: News, known: store.CloudRow) -> None:
    """Both sides know these values now."""
    known.base |= {name: value for name, value in (one.row or {}).items() if name in one.columns}
    store.save(tx, known.packed(stamp.text))


def _changed(
    tx: Tx, stamp: Stamp, one: News, theirs: Mapping[str, Any], known: store.CloudRow, cells: frozenset[str] | None
) -> tuple[Change | None, str]:
    resource = TABLES[one.table]
    found = store.local(tx, one.table, one.id)
    lane = adopt.lane_of(tx, one.table, {"id": one.id, **theirs} if found is None else found[0])
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
        known.base |= {name: value for name, value in theirs.items() if name in one.columns}
    known.lane = known.lane or lane
    store.save(tx, known.packed(stamp.text))
    conflicts.settle(tx, stamp, one.table, one.id, conflicts.NOT_KEPT, "cloud")
    return change, lane


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
    told = {name: value for name, value in theirs.items() if name in one.columns}
    if mapping.forwarded(one.table):
        ours = mapping.wanted(one.table, *found)[0].values
        owned = cells is None or ours.get("cell_id") in cells
        merged = adopt.merged(tx, one.table, ours, {"id": one.id, **told}, known, lane, owned=owned)
        for difference in merged.differences:
            conflicts.record(tx, stamp, one.table, one.id, difference)
        return adopt.stored(tx, TABLES[one.table], merged.adopt)
    waiting = store.unsent(tx, lane, one.table, one.id)
    if waiting.fields is None:
        return {}
    values = adopt.stored(tx, TABLES[one.table], told)
    return {name: value for name, value in values.items() if found[0].get(name) != value and name not in waiting.fields}


def _deleted(tx: Tx, stamp: Stamp, one: News, known: store.CloudRow) -> tuple[Change | None, str]:
    """Work that is not sent yet keeps its row: people are told."""
    found = store.local(tx, one.table, one.id)
    lane = "" if found is None else adopt.lane_of(tx, one.table, found[0])
    known.deleted = True
    store.save(tx, known.packed(stamp.text))
    if found is None or found[0].get(GONE) or one.ours:
        return None, lane
    waiting = store.unsent(tx, lane, one.table, one.id)
    if waiting.fields is None or waiting.fields or store.lane_waits(tx, lane):
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
