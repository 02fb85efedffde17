"""/api-events: what has happened, told once more to whom it has escaped: named events of the journal from a position on."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.hub.changes import was_seen
from gateway.hub.entities import Sight
from gateway.hub.position import head_from, trimmed
from gateway.kernel import clock as time_
from gateway.outbox import journal
from gateway.outbox.event import Entry, encode

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
SCAN_MAX = (
    10_000  # journal entries that one page looks through: of a rare event it may be empty, and its `next` goes on
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`since`: everything up to here is known, `epoch`: of the box that said so, None when nobody remembers; `types`: of events."""

    since: int
    limit: int
    types: Collection[str]
    epoch: int | None = None


def page(connection: sqlite3.Connection, wanted: Wanted, sight: Sight) -> str:
    """As JSON text. Raises CursorExpired when what happened after `since` is not there any more."""
    here, head = head_from(connection, wanted.since, wanted.epoch)
    until, seqs = _found(connection, wanted)
    if until == wanted.since < head:
        raise trimmed(wanted.since, here, head)
    entries = journal.these(connection, seqs)
    told = ",".join(_told(entry) for entry in _seen(connection, entries, sight))
    more = "true" if until < head else "false"
    return f'{{"events":[{told}],"next":{until},"has_more":{more},"epoch":{here}}}'


def _found(connection: sqlite3.Connection, wanted: Wanted) -> tuple[int, list[int]]:
    """(how far it was looked, the events that are wanted), up to the first entry that was trimmed."""
    until, seqs = wanted.since, list[int]()
    for seq, kind in journal.kinds(connection, wanted.since, SCAN_MAX):
        if seq != until + 1:
            break
        until = seq
        if kind in wanted.types:
            seqs.append(seq)
            if len(seqs) == wanted.limit:
                break
    return until, seqs


def _told(entry: Entry) -> str:
    """The envelope of a webhook, and what makes out one event: its id, its place, who did it."""
    about = {
        "seq": entry.seq,
        "id": entry.id,
        "origin": entry.origin,
        "event": entry.type,
        "timestamp": time_.zulu(time_.parse(entry.occurred_at)),
        "request_id": entry.request_id,
    }
    return f'{encode(about)[:-1]},"data":{entry.data or "null"}}}'


# ------------------------------------------------------------------ keys that are held to cells


def _seen(connection: sqlite3.Connection, entries: Sequence[Entry], sight: Sight) -> list[Entry]:
    """Those that tell of a cell of the caller's, or else of a row that he sees."""
    if sight.cells is None:
        return [*entries]
    changes = {entry.seq: json.loads(entry.changes) for entry in entries}
    rows = _rows(connection, [one for some in changes.values() for one in some], sight)
    return [entry for entry in entries if _is_seen(connection, entry, changes[entry.seq], rows, sight)]


def _rows(connection: sqlite3.Connection, changes: Sequence[Mapping[str, Any]], sight: Sight) -> set[tuple[str, str]]:
    """(table, id) of the changed rows that he sees."""
    found = set[tuple[str, str]]()
    for table in {one["table"] for one in changes} & sight.resources.keys():
        ids = sorted({one["id"] for one in changes if one["table"] == table})
        seen = sight.condition(sight.resources[table])
        sql = f"SELECT id FROM {table} WHERE id IN (SELECT value FROM json_each(:ids)) AND ({seen})"  # nosec B608 # noqa: S608 -- declared names only
        found |= {(table, row[0]) for row in connection.execute(sql, {**sight.values, "ids": encode(ids)})}
    return found


def _is_seen(
    connection: sqlite3.Connection,
    entry: Entry,
    changes: Sequence[Mapping[str, Any]],
    rows: Collection[tuple[str, str]],
    sight: Sight,
) -> bool:
    cell = json.loads(entry.data or "{}").get("cell_id")
    if cell is not None:
        return sight.cells is None or cell in sight.cells
    return any(
        (one["table"], one["id"]) in rows
        or (
            one["op"] == "delete"
            and one["table"] in sight.resources
            and was_seen(connection, one["fields"] or {}, sight)
        )
        for one in changes
    )
