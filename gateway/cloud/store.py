"""All SQL about what we know of the cloud, and the reads that sending needs."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.cloud.mapping import LISTS, cloud_fields
from gateway.kernel import state
from gateway.kernel.db import Tx
from gateway.outbox import journal
from gateway.outbox.event import CLOUD, Entry, encode

READER = "cloud"
FILE = "file:"  # how the aggregate of a parked file begins; its path follows
BLOCKED = "blocked_quota"  # parked until the plan allows more: asked for again every day
BLOCKED_FUNCTION = "blocked_function"  # parked until a function of the cloud loads
DUE_MAX = 200
_HUB_EPOCH = "hub_epoch"

_GET = "SELECT base, written, lane, attempted, unsettled_until, deleted FROM cloud_rows WHERE table_name = ? AND id = ?"
_SAVE = """
INSERT INTO cloud_rows (table_name, id, base, written, lane, attempted, unsettled_until, deleted, seen_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (table_name, id) DO UPDATE SET base = excluded.base, written = excluded.written, lane = excluded.lane,
  attempted = excluded.attempted, unsettled_until = excluded.unsettled_until, deleted = excluded.deleted,
  seen_at = excluded.seen_at
"""
# What a row lists: our files, those that gateways below have yet to bring, and whatever has a path there. Anything else in the
# list is no file of ours.
_LISTED = """
SELECT j.value AS path, c.base ->> '$.file_path' AS cloud_path
FROM {table} t, json_each(t.{column}) j
LEFT JOIN files f ON f.path = j.value
LEFT JOIN cloud_rows c ON c.table_name = 'files' AND c.id = j.value AND c.base <> '{{}}'
WHERE t.id = ? AND (f.id IS NOT NULL OR c.id IS NOT NULL OR EXISTS (SELECT 1 FROM files_to_come x WHERE x.path = j.value))
"""
_BELOW = {
    **{table: _LISTED.format(table=table, column=column) for table, column in LISTS.items()},
    "time_entries": "SELECT * FROM time_entry_pauses WHERE time_entry_id = ? ORDER BY paused_at, id",
    "operation_quantities": "SELECT * FROM operation_quantity_scrap_reasons WHERE operation_quantity_id = ? ORDER BY id",
}
_PARENT = {
    "time_entry": ("operation", "SELECT operation_id FROM time_entries WHERE id = ?"),
    "quantity": ("operation", "SELECT operation_id FROM operation_quantities WHERE id = ?"),
    "issue": ("operation", "SELECT operation_id FROM issues WHERE id = ?"),
    "substep": ("operation", "SELECT operation_id FROM substeps WHERE id = ?"),
    "assignments": ("part", "SELECT part_id FROM assignments WHERE id = ?"),
    "operation": ("part", "SELECT part_id FROM operations WHERE id = ?"),
    "part": ("job", "SELECT job_id FROM parts WHERE id = ?"),
}
UNSENT = """
SELECT e.changes, e.data FROM events e
WHERE e.lane = :lane AND e.origin <> :cloud AND (
  e.seq > max(
    coalesce((SELECT position FROM event_readers WHERE name = :reader), 0),
    coalesce((SELECT position FROM event_lanes WHERE reader = :reader AND lane = :lane), 0))
  OR EXISTS (SELECT 1 FROM event_parked p WHERE p.reader = :reader AND p.seq = e.seq))
"""
_DONE = """
SELECT coalesce(sum((SELECT count(*) FROM events e WHERE e.lane = l.lane AND e.seq > :position AND e.seq <= l.position)), 0)
FROM event_lanes l WHERE l.reader = :reader AND l.position > :position
"""
_PARKED = """
SELECT count(*) FROM event_parked p LEFT JOIN event_lanes l ON l.reader = p.reader AND l.lane = p.lane
WHERE p.reader = :reader AND p.seq > :position AND p.seq > coalesce(l.position, 0)
"""
_OLDEST = """
SELECT e.recorded_at FROM events e LEFT JOIN event_lanes l ON l.reader = :reader AND l.lane = e.lane
WHERE e.seq > :position AND e.seq > coalesce(l.position, 0)
AND NOT EXISTS (SELECT 1 FROM event_parked p WHERE p.reader = :reader AND p.seq = e.seq) ORDER BY e.seq LIMIT 1
"""
_BOOKED = (
    "SELECT EXISTS (SELECT 1 FROM operations o JOIN parts p ON p.id = o.part_id WHERE {} = ?1 AND ("
    "EXISTS (SELECT 1 FROM time_entries e WHERE e.operation_id = o.id) "
    "OR EXISTS (SELECT 1 FROM operation_quantities q WHERE q.operation_id = o.id) "
    "OR EXISTS (SELECT 1 FROM issues i WHERE i.operation_id = o.id) "
    "OR EXISTS (SELECT 1 FROM substeps s WHERE s.operation_id = o.id)))"
)
_ASSIGNED = " OR EXISTS (SELECT 1 FROM assignments a WHERE {})"
_BOOKED_ON = {
    "jobs": _BOOKED.format("p.job_id")
    + _ASSIGNED.format("a.job_id = ?1 OR a.part_id IN (SELECT id FROM parts WHERE job_id = ?1)"),
    "parts": _BOOKED.format("p.id") + _ASSIGNED.format("a.part_id = ?1"),
    "operations": _BOOKED.format("o.id"),
}
_KIND = {  # what an aggregate of a table is called
    "jobs": "job",
    "parts": "part",
    "operations": "operation",
    "time_entries": "time_entry",
    "operation_quantities": "quantity",
    "issues": "issue",
    "substeps": "substep",
}
_TABLES = frozenset(
    "jobs parts operations cells resources scrap_reasons time_entries operation_quantities issues substeps assignments "
    "substep_templates profiles operators materials".split()
)


@dataclass(slots=True)
class CloudRow:
    """One row over there as we know it. `base` empty: as far as we know it is not there. `learnt`: how much had been learnt of
    any row when something was learnt of this one last; not kept.
    """

    table: str
    id: str
    base: dict[str, Any] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    lane: str = ""
    attempted: dict[str, Any] | None = None
    unsettled_until: str | None = None
    deleted: bool = False
    learnt: int = 0

    def packed(self, now: str) -> tuple[Any, ...]:
        """The values of `save`, taken now: the row may go on changing while they wait to be written."""
        attempted = None if self.attempted is None else encode(self.attempted)
        written = encode(sorted(self.written))
        return (
            self.table,
            self.id,
            encode(self.base),
            written,
            self.lane,
            attempted,
            self.unsettled_until,
            int(self.deleted),
            now,
        )


def row(connection: sqlite3.Connection, table: str, row_id: str) -> CloudRow:
    found = connection.execute(_GET, (table, row_id)).fetchone()
    if found is None:
        return CloudRow(table, row_id)
    base, written, lane, attempted, until, deleted = found
    return CloudRow(
        table,
        row_id,
        json.loads(base),
        set(json.loads(written)),
        lane,
        None if attempted is None else json.loads(attempted),
        until,
        bool(deleted),
    )


def save(tx: Tx, *rows: tuple[Any, ...]) -> None:
    """Rows as `CloudRow.packed` gave them."""
    tx.executemany(_SAVE, rows)


def local(
    connection: sqlite3.Connection, table: str, row_id: str
) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]] | None:
    """Our row with what hangs below it, deleted ones too; None when it is gone for good."""
    assert table in _TABLES, table  # nosec B101 # noqa: S101 -- the name becomes SQL
    found = connection.execute(f"SELECT * FROM {table} WHERE id = ?", (row_id,)).fetchone()  # nosec B608 # noqa: S608 -- one of _TABLES
    if found is None:
        return None
    below = connection.execute(_BELOW[table], (row_id,)).fetchall() if table in _BELOW else []
    return dict(found), [dict(one) for one in below]


def entries_of(connection: sqlite3.Connection, operation_id: str) -> list[str]:
    """The ids under which an operation's time entries stand in the cloud."""
    rows = connection.execute(
        "SELECT id FROM time_entries WHERE operation_id = ?1 UNION "
        "SELECT p.segment_id FROM time_entry_pauses p JOIN time_entries e ON e.id = p.time_entry_id WHERE e.operation_id = ?1",
        (operation_id,),
    )
    return [found[0] for found in rows]


def entry_of_segment(connection: sqlite3.Connection, segment_id: str) -> str:
    """The time entry that a row in the cloud is a stretch of."""
    found = connection.execute(
        "SELECT time_entry_id FROM time_entry_pauses WHERE segment_id = ?", (segment_id,)
    ).fetchone()
    return found[0] if found else segment_id


def booked_on(connection: sqlite3.Connection, table: str, row_id: str) -> bool:
    """Does anything stand on it, or on what is below it: time, quantities, substeps, assignments?"""
    return table in _BOOKED_ON and bool(connection.execute(_BOOKED_ON[table], (row_id,)).fetchone()[0])


def due(connection: sqlite3.Connection, now: str) -> list[tuple[str, str, str]]:
    """(lane, table, id) of rows that may be settled now."""
    rows = connection.execute(
        "SELECT lane, table_name, id FROM cloud_rows WHERE unsettled_until < ? ORDER BY unsettled_until LIMIT ?",
        (now, DUE_MAX),
    )
    return [(found[0], found[1], found[2]) for found in rows]


def seen_at(connection: sqlite3.Connection, table: str, row_id: str) -> str:
    """When we last learnt or changed something of this row over there; empty for never."""
    sql = "SELECT seen_at FROM cloud_rows WHERE table_name = ? AND id = ?"
    found = connection.execute(sql, (table, row_id)).fetchone()
    return found[0] if found else ""


@dataclass(frozen=True, slots=True)
class Unsent:
    """What of a row still has to go up: the cloud's columns, None for all; the states that it passes on the way; what was done
    to its lists of files, in order.
    """

    fields: set[str] | None = field(default_factory=set)
    states: set[str] = field(default_factory=set)
    lists: list[Mapping[str, Mapping[str, list[str]]]] = field(default_factory=list)


def unsent(connection: sqlite3.Connection, lane: str, table: str, row_id: str) -> Unsent:
    """Parked entries count: they have not been sent."""
    rows = connection.execute(UNSENT, {"reader": READER, "lane": lane, "cloud": CLOUD}).fetchall()
    fields: set[str] = set()
    states: set[str] = set()
    lists = []
    whole = False
    for changes, data in rows:
        mine = [change for change in json.loads(changes) if change["table"] == table and change["id"] == row_id]
        for change in mine:
            whole = whole or change["op"] != "update"
            fields |= cloud_fields(table, change["fields"] or ()) if change["op"] == "update" else set()
            lists += [change["lists"]] if "lists" in change else []
        if mine and data:
            told = json.loads(data)
            states |= {told[name] for name in ("previous_status", "new_status") if told.get(name)}
    return Unsent(None if whole else fields, states, lists)


def lane_waits(connection: sqlite3.Connection, lane: str) -> bool:
    """Has anything of it still to go up, parked entries included?"""
    return connection.execute(UNSENT, {"reader": READER, "lane": lane, "cloud": CLOUD}).fetchone() is not None


# ------------------------------------------------------------------ positions


def lanes_ahead(connection: sqlite3.Connection) -> dict[str, int]:
    """Lanes that are done beyond the watermark."""
    rows = connection.execute("SELECT lane, position FROM event_lanes WHERE reader = ?", (READER,))
    return {found[0]: found[1] for found in rows}


def save_lane(tx: Tx, lane: str, position: int) -> None:
    tx.execute(
        "INSERT INTO event_lanes (reader, lane, position) VALUES (?, ?, ?) "
        "ON CONFLICT (reader, lane) DO UPDATE SET position = excluded.position",
        (READER, lane, position),
    )


def save_lanes(tx: Tx, positions: Sequence[tuple[str, int]]) -> None:
    for lane, position in positions:
        save_lane(tx, lane, position)


def save_watermark(tx: Tx, position: int) -> None:
    """Everything up to here is done in every lane; lanes that are not ahead of it need no row."""
    journal.advance(tx, READER, position)
    tx.execute("DELETE FROM event_lanes WHERE reader = ? AND position <= ?", (READER, position))


def hub_epoch(connection: sqlite3.Connection) -> int | None:
    """Of the hub that we last sent something to; None: of none yet."""
    found = state.get(connection, _HUB_EPOCH)
    return int(found) if found else None


def met_hub(tx: Tx, epoch: int, position: int) -> None:
    """It has everything up to `position`, which may be less than was sent: everything after it goes up again."""
    state.put(tx, _HUB_EPOCH, str(epoch))
    tx.execute(
        "DELETE FROM event_lanes WHERE reader = ?1 AND (SELECT position FROM event_readers WHERE name = ?1) > ?2",
        (READER, position),
    )
    tx.execute("UPDATE event_readers SET position = ? WHERE name = ? AND position > ?", (position, READER, position))


def touched_lanes(connection: sqlite3.Connection, after: int, limit: int) -> list[tuple[int, str]]:
    """(seq, lane) of the entries after `after`, in order."""
    rows = connection.execute("SELECT seq, lane FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
    return [(found[0], found[1]) for found in rows]


def pending(connection: sqlite3.Connection) -> tuple[int, str | None]:
    """How many entries the uplink still has to send, and when the oldest of them was recorded."""
    found = connection.execute("SELECT position FROM event_readers WHERE name = ?", (READER,)).fetchone()
    position: int = found[0] if found else 0
    asked = {"reader": READER, "position": position}
    # Numbers have no gaps, so that a backlog of a million need not be counted: what is done beyond the position is taken off.
    beyond = journal.head(connection) - position
    count = beyond - sum(int(connection.execute(sql, asked).fetchone()[0]) for sql in (_DONE, _PARKED))
    oldest = connection.execute(_OLDEST, asked).fetchone() if count else None
    return count, oldest[0] if oldest else None


# ------------------------------------------------------------------ parked entries


@dataclass(frozen=True, slots=True)
class ParkedHere:
    """What a lane has parked and nobody has asked to try again. `aggregates`, `uncreated` (rows whose creation is among it):
    each with the seq and the state of the first entry.
    """

    seqs: set[int]
    aggregates: dict[str, tuple[int, str]]
    uncreated: dict[str, tuple[int, str]]

    def blocker(self, entry: Entry, above: Sequence[str]) -> tuple[str, str] | None:
        """(what this entry has to wait for, in which state that waits)."""
        waits = [(entry.aggregate, self.aggregates.get(entry.aggregate))]
        waits += [(one, self.uncreated.get(one)) for one in (entry.aggregate, *above)]
        return next(((one, first[1]) for one, first in waits if first and first[0] < entry.seq), None)


def parked_in(connection: sqlite3.Connection, lane: str) -> ParkedHere:
    rows = connection.execute(
        "SELECT p.seq, p.aggregate, e.changes, p.state FROM event_parked p JOIN events e ON e.seq = p.seq "
        "WHERE p.reader = ? AND p.lane = ? AND p.state <> 'retry' ORDER BY p.seq",
        (READER, lane),
    ).fetchall()
    here = ParkedHere({row[0] for row in rows}, {}, {})
    for seq, parked, changes, kept_as in rows:
        if parked.startswith(FILE):  # the row that lists it did go up
            continue
        here.aggregates.setdefault(parked, (seq, kept_as))
        for change in json.loads(changes):
            if change["op"] == "insert":
                here.uncreated.setdefault(aggregate(change["table"], change["id"]), (seq, kept_as))
    return here


def retry_blocked(tx: Tx, before: str) -> None:
    """What the plan did not allow before then, and what waits for it, is tried again."""
    sql = "UPDATE event_parked SET state = 'retry' WHERE reader = ? AND state = ? AND parked_at <= ?"
    tx.execute(sql, (READER, BLOCKED, before))


def retry_functions(tx: Tx) -> None:
    """A function loads again: what waited for one is tried again."""
    sql = "UPDATE event_parked SET state = 'retry' WHERE reader = ? AND state = ?"
    tx.execute(sql, (READER, BLOCKED_FUNCTION))


def to_retry(connection: sqlite3.Connection, lane: str) -> list[Entry]:
    """Parked entries that somebody asked to try again, in order."""
    rows = connection.execute(
        "SELECT e.seq, e.id, e.type, e.lane, e.aggregate, e.origin, e.occurred_at, e.recorded_at, e.clock_trusted, "
        "e.data, e.changes, e.request_id FROM event_parked p JOIN events e ON e.seq = p.seq "
        "WHERE p.reader = ? AND p.lane = ? AND p.state = 'retry' ORDER BY p.seq",
        (READER, lane),
    )
    return [Entry(*found) for found in rows]


def aggregate(table: str, row_id: str) -> str:
    """What a row of the table is called among the aggregates."""
    return f"{_KIND.get(table, table)}:{row_id}"


def row_of(aggregate: str) -> tuple[str, str]:
    """(table, id): the way back."""
    kind, _, row_id = aggregate.partition(":")
    return next((table for table, name in _KIND.items() if name == kind), kind), row_id


def above(connection: sqlite3.Connection, below: str) -> list[str]:
    """The aggregates that `below` hangs on, nearest first."""
    kind, _, row_id = below.partition(":")
    chain = []
    while kind in _PARENT and row_id:
        parent, sql = _PARENT[kind]
        found = connection.execute(sql, (row_id,)).fetchone()
        kind, row_id = parent, found[0] if found else ""
        chain.append(f"{kind}:{row_id}")
    return chain


def lanes_to_retry(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT DISTINCT lane FROM event_parked WHERE reader = ? AND state = 'retry'", (READER,))
    return [found[0] for found in rows]


def unpark(tx: Tx, *seqs: int) -> None:
    tx.executemany("DELETE FROM event_parked WHERE reader = ? AND seq = ?", [(READER, seq) for seq in seqs])
