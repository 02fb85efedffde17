"""What the hub has taken from us and its feed has not told yet: what it tells of these columns until then is older. No I/O."""

from collections.abc import Iterable

Key = tuple[str, str]  # table, id
WHOLE = "*"  # a new row: all of its columns


class Echo:
    def __init__(self) -> None:
        self._taken_at: dict[Key, dict[str, int]] = {}

    def taken(self, row: Key, columns: Iterable[str] | None, seq: int) -> None:
        """`seq`: where the hub's journal has it; `columns` None: all."""
        known = self._taken_at.setdefault(row, {})
        known.update(dict.fromkeys((WHOLE,) if columns is None else columns, seq))

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
        """The feed is through up to here."""
        for row, known in [*self._taken_at.items()]:
            if max(known.values()) <= seq:
                del self._taken_at[row]
