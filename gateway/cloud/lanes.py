"""Which lanes have something to send, how far each is done, and the watermark below which all are. No I/O.

Live first: what people do now overtakes the backlog of other job trees. The backlog gets on all the same: every fourth turn is
its own, but it may never take the last place at the cloud. Rows outside the trees (cells, scrap reasons) are few, and the trees
hang on them: they are never backlog.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from gateway.outbox.event import JOB_LANE

LIVE_S = 60.0  # a lane that has waited for longer is backlog
BACKLOG_TURN = 4  # every so many turns the oldest lane goes, live or not


@dataclass(slots=True)
class Lane:
    """`first`: the oldest entry that is not done; `newest`: the last one seen; `done`: everything up to here is; `since_s`:
    when something began to wait in it.
    """

    name: str
    first: int
    newest: int
    done: int
    since_s: float
    busy: bool = False
    backlog: bool = False  # and that is why it had to wait for its turn
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
        self._turns = 0

    def __len__(self) -> int:
        return len(self._lanes)

    def seen(self, entries: Iterable[tuple[int, str]], now_s: float, *, suspect: bool) -> None:
        """(seq, lane) of further entries, in order. `suspect`: they are from before we started."""
        since_s = now_s - LIVE_S if suspect else now_s
        for seq, name in entries:
            self.scanned = seq
            done = self._ahead.get(name, 0)
            if seq <= done:
                continue
            lane = self._lanes.get(name)
            if lane is None:
                self._lanes[name] = Lane(name, seq, seq, max(done, seq - 1), since_s, suspect=suspect)
            else:
                lane.newest = seq

    def wake(self, name: str, now_s: float) -> None:
        """Somebody asked to try parked entries of this lane again."""
        if name not in self._lanes:
            self._lanes[name] = Lane(name, self.scanned + 1, self.scanned, self._ahead.get(name, self.scanned), now_s)

    def next(self, now_s: float, *, beside: Container[str], backlog_max: int) -> Lane | None:
        """The lane that goes now, busy from here on; `beside`: those that must not; `backlog_max`: so many of the backlog at
        a time.
        """
        free = [
            lane
            for lane in self._lanes.values()
            if not lane.busy and lane.next_try_s <= now_s and lane.name not in beside
        ]
        live = [lane for lane in free if not _is_backlog(lane, now_s)]
        room = sum(lane.busy and lane.backlog for lane in self._lanes.values()) < backlog_max
        turn = self._turns % BACKLOG_TURN == BACKLOG_TURN - 1
        chosen = min((live if live and not turn else free) if room else live, key=lambda lane: lane.first, default=None)
        if chosen is not None:
            self._turns += 1
            chosen.busy, chosen.backlog = True, _is_backlog(chosen, now_s)
        return chosen

    def next_try_s(self, now_s: float) -> float | None:
        """When the next lane may go that could not at `now_s`. One that could and did not waits for its turn, not for a time."""
        later = (lane.next_try_s for lane in self._lanes.values() if not lane.busy and lane.next_try_s > now_s)
        return min(later, default=None)

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


def _is_backlog(lane: Lane, now_s: float) -> bool:
    return lane.name.startswith(JOB_LANE) and now_s - lane.since_s >= LIVE_S
