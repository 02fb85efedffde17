"""All SQL about how far another gateway's journal has been taken: what comes twice is told by its position, for ever."""

from gateway.kernel.db import Tx

ALL = ""  # the lane that stands for every lane

_SEQ = "SELECT seq FROM hub_received WHERE gateway_id = ? AND epoch = ? AND lane = ?"
_MOVE = """
INSERT INTO hub_received (gateway_id, epoch, lane, seq) VALUES (?, ?, ?, ?)
ON CONFLICT (gateway_id, epoch, lane) DO UPDATE SET seq = max(seq, excluded.seq)
"""
_COVERED = "DELETE FROM hub_received WHERE gateway_id = ? AND epoch = ? AND lane <> '' AND seq <= ?"


class Positions:
    """Of one gateway, within one transaction."""

    def __init__(self, tx: Tx, gateway_id: str) -> None:
        self._tx = tx
        self._gateway_id = gateway_id
        self._known: dict[tuple[int, str], int] = {}
        self._moved: set[tuple[int, str]] = set()

    def of(self, epoch: int, lane: str) -> int:
        """Everything of this lane up to here has been taken, or will never come."""
        return max(self._seq(epoch, lane), self._seq(epoch, ALL))

    def settled(self, epoch: int) -> int:
        """Everything up to here has been answered for in every lane."""
        return self._seq(epoch, ALL)

    def move(self, epoch: int, lane: str, seq: int) -> None:
        key = epoch, lane
        self._known[key] = max(self._known.get(key, 0), seq)
        self._moved.add(key)

    def settle(self, epoch: int, seq: int) -> None:
        """The sender has an answer for everything up to here: lanes that are not beyond it need no row."""
        if seq > self._seq(epoch, ALL):
            self.move(epoch, ALL, seq)
            self._tx.execute(_COVERED, (self._gateway_id, epoch, seq))

    def save(self) -> None:
        rows = [(self._gateway_id, epoch, lane, self._known[epoch, lane]) for epoch, lane in sorted(self._moved)]
        self._tx.executemany(_MOVE, rows)

    def _seq(self, epoch: int, lane: str) -> int:
        key = epoch, lane
        if key not in self._known:
            found = self._tx.execute(_SEQ, (self._gateway_id, *key)).fetchone()
            self._known[key] = found[0] if found else 0
        return self._known[key]
