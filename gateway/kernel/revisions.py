"""What has changed since when, table by table: for answers that say "as you have it" without building it again.

Those who read fill this from the journal; a write does nothing for it. The number of a journal entry is a revision: two
snapshots between which no entry touches a table show the same of it.
"""

import secrets
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

BOOT_BYTES = 6


@dataclass(frozen=True, slots=True)
class Known:
    """What the entries up to `upto` say; what was before `floor` is taken for a change of every table.

    `commits`: everything that had been answered when this many groups were committed is in it.
    """

    commits: int = -1
    upto: int = -1
    floor: int = -1
    last: Mapping[str, int] = field(default_factory=dict)  # table -> the last entry that touched it

    def moved(self, head: int, touched: Collection[str] | None) -> "Known":
        """The same, up to `head`; `touched` in between. None: nobody knows."""
        if touched is None:
            return Known(self.commits, head, head)
        return replace(self, upto=head, last={**self.last, **dict.fromkeys(touched, head)})

    def of(self, tables: Collection[str], head: int) -> int:
        """The revision of these tables in a snapshot with that head, which may be older than what is known here."""
        last = max((self.last.get(table, self.floor) for table in tables), default=self.floor)
        return min(max(last, self.floor), head)


class Revisions:
    """`boot` is new with every start: what another process, or a restored copy, called by a number is not ours."""

    def __init__(self) -> None:
        self.boot = secrets.token_hex(BOOT_BYTES)
        self.known = Known()
        self._lock = threading.Lock()

    def learn(self, known: Known, commits: int) -> None:
        """From a reader whose snapshot was begun after `commits` groups. Never backwards: another may have seen more."""
        with self._lock:
            if known.upto >= self.known.upto:
                self.known = replace(known, commits=max(commits, self.known.commits))
