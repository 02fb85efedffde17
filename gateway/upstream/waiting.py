"""Which lanes have something for the hub, and the watermark below which all are done. No I/O.

A lane that people have just written to goes first, its backlog included: within a job tree nothing overtakes anything. Every
fourth turn begins with the oldest. Files have a line of their own: their bytes take time, and nothing else waits for them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.outbox.event import JOB_LANE, row_lane

BACKLOG_TURN = 4
FILE_LANE = row_lane("files", "")  # how their lanes begin


@dataclass(slots=True)
class Lane:
    """`first`: the oldest entry that is not done; `newest`: the last one seen; `done`: everything up to here is."""

    name: str
    first: int
    newest: int
    done: int
    busy: bool = False
    live: bool = False
    tries: int = 0  # of what was refused last
    next_try_s: float = 0.0


class Waiting:
    """`scanned`: the journal has been looked through up to here."""

    def __init__(self, watermark: int, ahead: dict[str, int]) -> None:
        self.scanned = watermark
        self.covered = watermark  # as `watermark` found it last
        self._ahead = ahead
        self._lanes: dict[str, Lane] = {}
        self._live: dict[str, None] = {}  # ready to go, in this order
        self._backlog: dict[str, None] = {}
        self._files: dict[str, None] = {}
        self._later: set[str] = set()
        self._turns = 0

    def __len__(self) -> int:
        return len(self._lanes)

    def seen(self, entries: Iterable[tuple[int, str]], *, live: bool) -> None:
        """(seq, lane) of further entries, in order. `live`: they have just been written."""
        for seq, name in entries:
            self.scanned = seq
            done = self._ahead.get(name, 0)
            if seq <= done:
                continue
            lane = self._lanes.get(name)
            if lane is None:
                lane = self._lanes[name] = Lane(name, seq, seq, max(done, seq - 1))
            lane.newest = seq
            lane.live = lane.live or live
            self._queue(lane)

    def wake(self, name: str) -> None:
        """Somebody asked to try parked entries of this lane again."""
        if name not in self._lanes:
            done = self._ahead.get(name, self.scanned)
            self._lanes[name] = Lane(name, self.scanned + 1, self.scanned, done)
            self._queue(self._lanes[name])

    def take(self, limit: int, now_s: float) -> list[Lane]:
        """So many lanes at the most for one request, busy from here on."""
        self._due(now_s)
        self._turns += 1
        queues = (self._backlog, self._live) if self._turns % BACKLOG_TURN == 0 else (self._live, self._backlog)
        taken: list[Lane] = []
        for queue in queues:
            while queue and len(taken) < limit:
                lane = self._lanes[next(iter(queue))]
                del queue[lane.name]
                lane.busy = True
                taken.append(lane)
        return taken

    def take_file(self, now_s: float) -> Lane | None:
        """The lane of the next file, busy from here on."""
        self._due(now_s)
        if not self._files:
            return None
        lane = self._lanes[next(iter(self._files))]
        del self._files[lane.name]
        lane.busy = True
        return lane

    def give_back(self, lanes: Iterable[Lane]) -> None:
        """The request was full before it was their turn."""
        for lane in lanes:
            lane.busy = False
            self._queue(lane)

    def finished(self, lane: Lane, done: int) -> None:
        """Everything of the lane up to `done` has been answered for."""
        lane.busy, lane.tries = False, 0
        self.got_to(lane, done)
        if lane.done >= lane.newest:
            del self._lanes[lane.name]
            return
        self._queue(lane)

    def got_to(self, lane: Lane, done: int) -> None:
        if done > lane.done:
            lane.done = self._ahead[lane.name] = done
            lane.first = done + 1

    def later(self, lane: Lane, at_s: float) -> None:
        """It could not go: again at `at_s`."""
        lane.busy, lane.next_try_s = False, at_s
        self._later.add(lane.name)

    def next_try_s(self) -> float | None:
        return min((self._lanes[name].next_try_s for name in self._later), default=None)

    def rows_before(self, seq: int) -> bool:
        """Is a row outside any job tree, a cell say, that was written before `seq` still on its way? Nothing hangs on a file."""
        return any(lane.first < seq for lane in self._lanes.values() if not lane.name.startswith((JOB_LANE, FILE_LANE)))

    def files(self) -> int:
        """How many are not through yet."""
        return sum(name.startswith(FILE_LANE) for name in self._lanes)

    def watermark(self) -> int:
        """Everything up to here is done; lanes that are not beyond it are forgotten."""
        position = min((lane.first for lane in self._lanes.values()), default=self.scanned + 1) - 1
        self._ahead = {name: done for name, done in self._ahead.items() if done > position}
        self.covered = position
        return position

    def _due(self, now_s: float) -> None:
        for name in [name for name in self._later if self._lanes[name].next_try_s <= now_s]:
            self._later.discard(name)
            self._queue(self._lanes[name])

    def _queue(self, lane: Lane) -> None:
        if lane.busy or lane.name in self._later:
            return
        if lane.name.startswith(FILE_LANE):
            self._files.setdefault(lane.name)
        elif lane.live:
            self._backlog.pop(lane.name, None)
            self._live.setdefault(lane.name)
        else:
            self._backlog.setdefault(lane.name)
