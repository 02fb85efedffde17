"""What the hub has taken from us and its feed has not told yet: what it tells of these columns until then is older. No I/O."""

from collections.abc import Collection, Iterable
from sys import intern

Key = tuple[str, str]  # table, id
WHOLE = "*"  # a new row: all of its columns


class Echo:
    """`tables`: those that the feed tells. Of the others nothing would ever be forgotten again while a backlog goes up."""

    def __init__(self, tables: Collection[str]) -> None:
        self._tables = tables
        self._taken_at: dict[Key, dict[str, int]] = {}  # what was taken last stands last

    def __len__(self) -> int:
        return len(self._taken_at)

    def taken(self, row: Key, columns: Iterable[str] | None, seq: int) -> None:
        """`seq`: where the hub's journal has it; `columns` None: all."""
        if row[0] not in self._tables:
            return
        known = self._taken_at[row] = self._taken_at.pop(row, {})
        known.update(dict.fromkeys((WHOLE,) if columns is None else map(intern, columns), seq))

    def fresh(self, row: Key, columns: Iterable[str], seq: int) -> set[str]:
        """The columns of which a change at `seq` is not older than what we sent: ours is still to come, with the row as it is."""
        known = self._taken_at.get(row)
        if known is None:
            return set(columns)
        whole = known.get(WHOLE, 0)
        return {name for name in columns if seq > max(whole, known.get(name, 0))}

    def reached(self, row: Key, column: str, seq: int) -> bool:
        """Does what is told at `seq` hold all that we have sent of a column? Our own echo does: it comes with the row as it is."""
        known = self._taken_at.get(row, {})
        return seq >= max(known.get(WHOLE, 0), known.get(column, 0))

    def told(self, seq: int) -> None:
        """The feed is through up to here. Of three requests on their way the later may be answered first: what stands behind such
        a row is forgotten with it, a page later.
        """
        while self._taken_at and max(self._taken_at[oldest := next(iter(self._taken_at))].values()) <= seq:
            del self._taken_at[oldest]
