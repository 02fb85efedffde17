"""What was deleted in the cloud is deleted here: never work that is not sent, never much at once without a person.

Jobs, parts and operations are marked, with everything below them; so are resources. Cells and scrap reasons go for good. One
that is still referred to here, or a resource that open work needs, is switched off instead (`active = false`): what was booked
keeps its names. Nothing of it goes up again: the entries in the journal have the origin `cloud`.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.catalog import store as rows_
from gateway.catalog.tables import RESOURCES
from gateway.cloud import conflicts
from gateway.cloud import missed as missed_
from gateway.cloud.absent import GONE, Key
from gateway.cloud.merge import Difference
from gateway.jobs import events
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict
from gateway.operations.planning import event_of
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp

SHARE_MAX = 0.2  # of a table, and
ROWS_MAX = 10  # so many rows: more than both at once wait for a person
FIRST_TOLD = 10  # of those that wait


@dataclass(frozen=True, slots=True)
class Root:
    """A row that is missing, with what lies below it."""

    key: Key
    missed: int
    below: Sequence[Key]

    @property
    def keys(self) -> list[Key]:
        return [self.key, *self.below]


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of a round's deletions: the rows that are gone; what waits for a person."""

    keys: Sequence[Key] = ()
    waits: str = ""

    @property
    def counts(self) -> Mapping[str, int]:
        """By table."""
        return Counter(table for table, _ in self.keys)


def follow(tx: Tx, stamp: Stamp, missed: Mapping[Key, int], started: str) -> Followed:
    """`missed`: what a round that began at `started` has found out."""
    missed_.save(tx, missed, started)
    for key, times in missed.items():
        if not times:
            conflicts.settle(tx, stamp, *key, conflicts.NOT_SHOWN, "dropped")
    roots = _roots(tx)
    free = [root for root in roots if root.missed >= GONE and not _stays(tx, stamp, root)]
    waits = _asked(tx, stamp, free, [root for root in roots if root.missed < GONE])
    if waits is not None:
        return Followed(waits=waits)
    for root in free:
        _delete(tx, stamp, root)
    return Followed([key for root in free for key in root.keys])


def _roots(tx: Tx) -> list[Root]:
    """Rows that are missing and not below another one that is."""
    roots: list[Root] = []
    covered: set[Key] = set()
    for table in missed_.TABLES:
        for row_id, times in missed_.rows(tx, table):
            if (table, row_id) not in covered:
                root = Root((table, row_id), times, missed_.below(tx, table, row_id))
                covered.update(root.keys)
                roots.append(root)
    return roots


def _stays(tx: Tx, stamp: Stamp, root: Root) -> bool:
    """Work that is not sent, or may still change something over there, keeps its whole job tree here for now. People are told."""
    why = missed_.waits(tx, missed_.lane_of(tx, *root.key))
    if not why and missed_.worked_on(tx, root.keys):
        why = "somebody works on it"
    if why and not missed_.asked(tx, root.key):
        reason = f"it was deleted in the cloud, but {why}: it stays until that is over"
        _tell(tx, stamp, root.key, why, reason, None)
    return bool(why)


def _asked(tx: Tx, stamp: Stamp, free: Sequence[Root], unsure: Sequence[Root]) -> str | None:
    """None: these rows may go. Else what is to be told of a round in which nothing is deleted: too much would be at once."""
    digest = hashlib.sha256("\n".join(sorted(root.key[1] for root in free)).encode()).hexdigest()
    set_id = f"{missed_.TOGETHER}{digest[:32]}"
    over = _over(tx, [*free, *unsure]) if free else None
    for other in missed_.other_sets(tx, set_id if over else ""):
        conflicts.settle(tx, stamp, *other, conflicts.NOT_SHOWN, "dropped")
    if over is None:
        return None
    table, count, total = over
    told = f"the cloud does not show {count} of {total} {table} any more"
    if unsure:
        return f"{told}: it is still being asked about them"
    decided = missed_.decision(tx, set_id)
    if decided == "cloud":
        return None
    if decided == "local":
        for root in free:
            _tell(tx, stamp, root.key, "kept", "deleted in the cloud, and somebody chose to keep it here", "local")
        return ""
    if decided is None:
        reason = (
            f"{told}: nothing was deleted here. Resolve this with `cloud`, and they are deleted here as well, or with `local`, "
            "and they are kept"
        )
        first = [f"{name} {row_id}" for name, row_id in (root.key for root in free[:FIRST_TOLD])]
        _tell(tx, stamp, (table, set_id), {"rows": count, "of": total, "first": first}, reason, None)
    return f"{told}: whether they go here as well is an open conflict"


def _over(tx: Tx, roots: Sequence[Root]) -> tuple[str, int, int] | None:
    """(table, how many rows, of how many) of the first table that would lose too much."""
    losses = Counter(table for root in roots for table, _ in root.keys)
    for table in missed_.TABLES:
        if losses[table] > ROWS_MAX and losses[table] > SHARE_MAX * (total := missed_.count(tx, table)):
            return table, losses[table], total
    return None


def _delete(tx: Tx, stamp: Stamp, root: Root) -> None:
    told = [_row_gone(tx, stamp, key) for key in reversed(root.keys)]  # what lies below goes first
    journal.append(tx, stamp, [event for event in told if event is not None])
    missed_.mark_gone(tx, root.keys, stamp.text)
    reason = "it was deleted in the cloud"
    if told[-1] is None or told[-1].changes[0].op == "update":
        reason += ": it is in use here, so it was only switched off"
    elif root.below:
        parts, operations = (sum(name == table for name, _ in root.below) for table in ("parts", "operations"))
        reason += f", and with it {parts} parts and {operations} operations below it"
    if not conflicts.settle(tx, stamp, *root.key, conflicts.NOT_SHOWN, "cloud"):
        _tell(tx, stamp, root.key, None, reason, "cloud")


def _row_gone(tx: Tx, stamp: Stamp, key: Key) -> Event | None:
    """What there is to tell: None of a row that is in use and was switched off before."""
    table, row_id = key
    resource = missed_.TABLES[table]
    before = dict(rows_.fetch(tx, resource, row_id))
    try:
        if resource is RESOURCES:
            rows_.require_unneeded(tx, row_id)
        if resource.soft_delete:
            marked = rows_.update(tx, resource, row_id, {"deleted_at": stamp.text, "updated_at": stamp.text})
            change = Change(table, row_id, "delete", marked.version, before)
        else:
            change = rows_.delete(tx, resource, row_id)
    except Conflict:
        if not before.get("active"):
            return None
        change = rows_.update(tx, resource, row_id, {"active": 0, "updated_at": stamp.text})
    job_id = missed_.job_of(tx, table, row_id)
    if job_id is None:
        lane = missed_.lane_of(tx, table, row_id)
        return Event(lane, lane, stamp.now, (change,))
    if table == "operations":
        return event_of(row_id, job_id, stamp, change)
    if table == "parts":
        return events.of_part(row_id, job_id, stamp.now, (change,))
    return events.of_job(job_id, stamp.now, (change,))


def _tell(tx: Tx, stamp: Stamp, key: Key, ours: object, reason: str, resolution: str | None) -> None:
    conflicts.record(tx, stamp, *key, Difference(conflicts.NOT_SHOWN, ours, "deleted", reason, resolution))
