"""Which of our rows does the cloud not show any more? Pure.

There are no tombstones: a row that is missing in a whole list may have been deleted, completed, or moved. So it has to be
missing twice, and then a question about the row itself has to be answered with 404. `missed` counts that in `cloud_rows`:

| missed | the row was                                           |
|--------|-------------------------------------------------------|
| 0      | shown, or nobody has looked                           |
| 1      | missing in one round, or still to be asked about      |
| 2      | missing in two rounds, and the cloud says that it is gone |

What lies below a missing row is its business: the row above decides.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

GONE = 2  # `missed` of a row that is deleted over there
WORK = ("jobs", "parts", "operations")

Key = tuple[str, str]  # table, id


@dataclass(frozen=True, slots=True)
class Known:
    """A row here that the cloud has shown once. `above`: the part and the job that it lies in, nearest first; `open`: neither
    here nor, as far as we know, over there completed.
    """

    above: tuple[str, ...] = ()
    cell: str = ""
    open: bool = True
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Here:
    """What we have already. `parts` need not be completed; `refresh`: those to be read whole again; `known`: table -> id ->
    rows that may be missing over there; `dead`: work of which we know that it is gone; `own`: as in `own_cells.py`.
    """

    parts: Collection[str] = ()
    refresh: Collection[str] = ()
    known: Mapping[str, Mapping[str, Known]] = field(default_factory=dict)
    dead: Collection[str] = ()
    own: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Listed:
    """What a round has seen: `shown` ids by table; `flat` tables that were read whole; `work`: whether its open rows were read,
    `scanned`: its tables that were read whole; `trees`:
    parts whose operations were read whole; `partial`: tables with a list that was not whole; `dead`: work that is
    gone. `cells`: those that are ours, None for all.
    """

    shown: dict[str, set[str]] = field(default_factory=dict)
    flat: Collection[str] = ()
    work: bool = False
    scanned: set[str] = field(default_factory=set)
    trees: set[str] = field(default_factory=set)
    partial: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    cells: frozenset[str] | None = None

    def show(self, table: str, ids: Iterable[str]) -> None:
        self.shown.setdefault(table, set()).update(ids)

    def ours(self, known: Known) -> bool:
        """Is it one of an operation's cells that we list?"""
        return self.cells is None or known.cell in self.cells

    def covers(self, table: str, known: Known) -> bool:
        """Would we have seen it?"""
        if table in self.partial:
            return False
        if table not in WORK:
            return table in self.flat
        if not (self.work and (known.open or table in self.scanned)):
            return False
        return table != "operations" or self.ours(known) or (known.open and known.above[0] in self.trees)


@dataclass(slots=True)
class Missing:
    """Rows that are missing for the `first` time or `again`, and those that are `back`."""

    first: list[Key] = field(default_factory=list)
    again: list[Key] = field(default_factory=list)
    back: list[Key] = field(default_factory=list)


def missing(here: Here, listed: Listed) -> Missing:
    found = Missing()
    above = set(listed.dead)
    for table in (*(name for name in here.known if name not in WORK), *WORK):
        shown = listed.shown.get(table, set())
        for row_id, known in sorted(here.known.get(table, {}).items()):
            if row_id in shown:
                if known.missed:
                    found.back.append((table, row_id))
            elif (row_id in listed.dead or listed.covers(table, known)) and above.isdisjoint(known.above):
                if table in WORK:
                    above.add(row_id)
                if known.missed < GONE:
                    (found.again if known.missed else found.first).append((table, row_id))
    return found
