"""What of a backlog goes up earlier, when there is not room for all of it: what people did, what they counted, what was planned.
And how much of it there is.
"""

import sqlite3
from collections.abc import Iterable, Iterator

from gateway.outbox.event import EventType

TRANSITION, FACT, PLAN = range(3)  # smaller is worth more

CHANGE_ROWS = 0.25  # a change counts for so much of a row: several of them go up as one
Touched = tuple[int, str, int, float]  # seq, lane, what it is worth, in about how many rows it goes up

_TRANSITIONS = frozenset(
    (
        EventType.OPERATION_STARTED,
        EventType.OPERATION_PAUSED,
        EventType.OPERATION_RESUMED,
        EventType.OPERATION_COMPLETED,
        EventType.JOB_STARTED,
        EventType.JOB_STOPPED,
        EventType.JOB_RESUMED,
        EventType.JOB_COMPLETED,
        EventType.PART_STARTED,
        EventType.PART_COMPLETED,
    )
)
_FACTS = frozenset(("time_entry", "quantity", "issue", "substep"))  # the kinds of aggregates that are booked
_MADE = '"op":"insert"'  # in the text of the changes, once for each row that was made
_TOUCHED = """
SELECT seq, lane, type, aggregate, (length(changes) - length(replace(changes, :made, ''))) / length(:made)
FROM events WHERE seq > :after ORDER BY seq LIMIT :limit
"""


def touched(connection: sqlite3.Connection, after: int, limit: int) -> list[Touched]:
    """The entries after `after`, in order."""
    return [*_weighed(connection.execute(_TOUCHED, {"made": _MADE, "after": after, "limit": limit}).fetchall())]


def _weighed(entries: Iterable[tuple[int, str, str | None, str, int]]) -> Iterator[Touched]:
    for seq, lane, kind, aggregate, made in entries:
        booked = FACT if aggregate.partition(":")[0] in _FACTS else PLAN
        yield seq, lane, TRANSITION if kind in _TRANSITIONS else booked, made or CHANGE_ROWS
