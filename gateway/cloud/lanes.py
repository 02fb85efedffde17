"""Which lanes have something to send, how far each is done, and the watermark below which all are. No I/O."""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from gateway.outbox.event import JOB_LANE


@dataclass(slots=True)
class Lane:
    """`first`: the oldest entry that is not done; `newest`: the last one seen; `done`: everything up to here is."""

    name: str
    first: int
    newest: int
    done: int
    busy: bool = False
    failures: int = 0  # in a row, with nothing confirmed between them
    repeats: int = 0  # of the same error among them
    next_try_s: float = 0.0
    error: str = ""
    suspect: bool = False  # an earlier self may have been in the middle of sending it


class Lanes:
    """`scanned`: the journal has been looked through up to here."""

    def __init__(self, watermark: int, ahead: dict[str, int]) -> None:
        self.scanned = watermark
        self._ahead = ahead
        self._lanes: dict[str, Lane] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    def seen(self, entries: Iterable[tuple[int, str]], *, suspect: bool) -> None:
        """(seq, lane) of further entries, in order."""
        for seq, name in entries:
            self.scanned = seq
            done = self._ahead.get(name, 0)
            if seq <= done:
                continue
            lane = self._lanes.get(name)
            if lane is None:
                self._lanes[name] = Lane(name, seq, seq, max(done, seq - 1), suspect=suspect)
            else:
                lane.newest = seq

    def wake(self, name: str) -> None:
        """Somebody asked to try parked entries of this lane again."""
        if name not in self._lanes:
            self._lanes[name] = Lane(name, self.scanned + 1, self.scanned, self._ahead.get(name, self.scanned))

    def ready(self, now_s: float, *, beside: Container[str]) -> Lane | None:
        """The lane that has waited longest and may go now; `beside`: those that must not."""
        free = [
            lane
            for lane in self._lanes.values()
            if not lane.busy and lane.next_try_s <= now_s and lane.name not in beside
        ]
        return min(free, key=lambda lane: lane.first, default=None)

    def next_try_s(self) -> float | None:
        """When the next lane that is waiting may go."""
        return min((lane.next_try_s for lane in self._lanes.values() if not lane.busy), default=None)

    def rows_before(self, seq: int) -> bool:
        """Is a row outside any job tree, a cell say, that was written before `seq` still on its way?"""
        return any(lane.first < seq for lane in self._lanes.values() if not lane.name.startswith(JOB_LANE))

    def idle(self, name: str) -> bool:
        return name not in self._lanes

    def finished(self, lane: Lane, done: int) -> None:
        """Everything of the lane up to `done` has been answered for."""
        lane.done = done
        self._ahead[lane.name] = done
        if done >= lane.newest:
            self._lanes.pop(lane.name, None)
        else:
            lane.first = done + 1

    def watermark(self) -> int:
        """Everything up to here is done; lanes that are not beyond it are forgotten."""
        position = min((lane.first for lane in self._lanes.values()), default=self.scanned + 1) - 1
        self._ahead = {name: done for name, done in self._ahead.items() if done > position}
        return position

    def waiting(self) -> list[Lane]:
        """Lanes that failed, for people."""
        return [lane for lane in self._lanes.values() if lane.failures]
