"""What this box wrote before it was restored or cloned: it may have gone up already, and the box of then may have gone on."""

import json
import sqlite3

from gateway.cloud import store
from gateway.cloud.store import UNSENT
from gateway.kernel import state
from gateway.outbox.event import CLOUD

_SINCE = "SELECT changes FROM events WHERE lane = ? AND origin <> ? AND seq > ?"


def doubtful_up_to(connection: sqlite3.Connection) -> int:
    """Where the journal ended when this life of the box began: who it was before may have sent what was written until then.
    0: it has had one life. What the key means: `identity.py`.
    """
    lives = json.loads(state.get(connection, "epochs") or "[]")
    return int(lives[-1][1]) if lives else 0


def after_another(connection: sqlite3.Connection) -> int | None:
    """The epoch of this life of the box when it had another before; None: it is the first."""
    lives = json.loads(state.get(connection, "epochs") or "[]")
    return int(lives[-1][0]) if len(lives) > 1 else None


def waits(connection: sqlite3.Connection) -> bool:
    """Has something of an earlier life no answer yet?"""
    found = connection.execute("SELECT position FROM event_readers WHERE name = ?", (store.READER,)).fetchone()
    return (found[0] if found else 0) < doubtful_up_to(connection)


def touched(connection: sqlite3.Connection, lane: str) -> set[tuple[str, str]]:
    """(table, id) of the rows of a lane that were changed here in this life of the box."""
    rows = connection.execute(_SINCE, (lane, CLOUD, doubtful_up_to(connection)))
    return {(change["table"], change["id"]) for (changes,) in rows for change in json.loads(changes)}


def in_doubt(connection: sqlite3.Connection, lane: str, table: str, row_id: str) -> bool:
    """Does something of a row still have to go up that was written in an earlier life of this box?"""
    upto = doubtful_up_to(connection)
    asked = {"reader": store.READER, "lane": lane, "cloud": CLOUD, "upto": upto}
    rows = connection.execute(f"{UNSENT} AND e.seq <= :upto", asked) if upto else ()
    return any(
        (change["table"], change["id"]) == (table, row_id) for changes, _ in rows for change in json.loads(changes)
    )
