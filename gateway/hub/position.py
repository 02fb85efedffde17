"""A position in the journal that somebody else remembers: can what came after it be told from there?"""

import sqlite3

from gateway.hub.entities import epoch
from gateway.kernel.errors import CursorExpired
from gateway.outbox import journal


def head_from(connection: sqlite3.Connection, since: int, of: int | None) -> tuple[int, int]:
    """(the epoch here, the end of the journal). `of`: the epoch that `since` was told in, None when nobody remembers.

    Raises CursorExpired.
    """
    here, head = epoch(connection), journal.head(connection)
    if of is not None and of != here:
        raise _expired(f"the epoch here is {here}, not {of}: this box was restored or replaced", here, head)
    if since > head:
        raise _expired(f"the journal ends at {head}, before {since}", here, head)
    return here, head


def trimmed(since: int, here: int, head: int) -> CursorExpired:
    return _expired(f"what came after {since} is not in the journal any more", here, head)


def _expired(why: str, here: int, head: int) -> CursorExpired:
    return CursorExpired(f"{why}: take /api-snapshot and go on from its seq", {"epoch": here, "head": head})
