"""What hangs on a parked entry and has to wait with it."""

import sqlite3
from collections.abc import Sequence

from gateway.cloud import store
from gateway.outbox.event import Entry

Blocked = tuple[Entry, str, str]  # with the reason and the state it is parked in


def free(connection: sqlite3.Connection, lane: str, entries: Sequence[Entry]) -> tuple[list[Entry], list[Blocked]]:
    """The entries of a lane that do not hang on a parked one, and those that do. Parked ones themselves are neither."""
    parked = store.parked_in(connection, lane)
    if not parked.seqs:
        return list(entries), []
    free_, blocked = [], list[Blocked]()
    for entry in entries:
        if entry.seq in parked.seqs:
            continue
        above = store.above(connection, entry.aggregate) if parked.uncreated else []
        blocker = parked.blocker(entry, above)
        if blocker is None:
            free_.append(entry)
        else:
            blocked.append((entry, f"waits for {blocker[0]}, which was refused", blocker[1]))
            parked.aggregates.setdefault(entry.aggregate, (entry.seq, blocker[1]))
    return free_, blocked
