"""Which lanes have something to send, how far each is done, and the watermark below which all are. No I/O.

Live first: what people do now overtakes the backlog of other job trees. The backlog gets on all the same: every fourth turn is
its own, but it may never take the last place at the cloud. While the day's requests run short it waits: plans at once, what
people did after an hour. Rows outside the trees (cells, scrap reasons) are few, and the trees hang on them: they are never
backlog. Among equals what is worth more goes first (`worth.py`), then what is older.

No question costs more than the logarithm of how many lanes there are: a week without a line touches many thousands of jobs. The
heaps may hold places that a lane has left; each has a number, and only the one with the lane's own number counts.
"""

import heapq
import itertools
from collections.abc import Container, Iterable
from dataclasses import dataclass

from gateway.cloud.worth import PLAN, TRANSITION, Touched
from gateway.outbox.event import JOB_LANE

LIVE_S = 60.0  # a lane that has waited for longer is backlog,
RECENT_S = 3600.0  # and after so long it is old: a line that was away for some minutes makes nobody wait for tomorrow's requests
BACKLOG_TURN = 4  # every so many turns the backlog goes first
NOWHERE = -1  # the place of a lane that waits in no heap


@dataclass(slots=True)
class Lane:
    """`first`: the oldest entry that is not done; `newest`: the last one seen; `done`: everything up to here is; `since_s`:
    when something began to wait in it; `worth`: of the best that it has had since then; `rows`: about so many are left.
    """

    name: str
    first: int
    newest: int
    done: int
    since_s: float
    worth: int = PLAN
    rows: float = 0.0
    busy: bool = False
    backlog: bool = False  # and that is why it had to wait for its turn;
    old: bool = False  # it gives way while requests run short
    taken: int = 0  # the newest entry when it became busy;
    news: int = 0  # the first one after that,
    news_s: float = 0.0  # and when it was seen
    place: int = NOWHERE
    failures: int = 0  # in a row, with nothing confirmed between them
    repeats: int = 0  # of the same error among them
    next_try_s: float = 0.0
    error: str = ""
    suspect: bool = False  # an earlier self may have been in the middle of sending it


Ready = list[tuple[int, int, int, Lane]]  # worth, first, place
Timed = list[tuple[float, int, Lane]]  # when, place


class Lanes:
    """`scanned`: the journal has been looked through up to here. About so many rows are `left`, and so many are `gone`."""

    def __init__(self, watermark: int, ahead: dict[str, int], gone: float = 0.0) -> None:
        self.scanned = watermark
        self.left, self.gone = 0.0, gone
        self._ahead = ahead
        self._passed = [(done, name) for name, done in ahead.items()]  # a heap, one for each that is ahead
        heapq.heapify(self._passed)
        self._lanes: dict[str, Lane] = {}
        self._oldest: list[tuple[int, int, Lane]] = []  # a heap, one for each lane: `first`, which may have grown since
        self._live: Ready = []
        self._recent: Ready = []
        self._old: Ready = []
        self._ageing: Timed = []  # those of the first two that will be in the next one
        self._later: Timed = []
        self._places = itertools.count()
        self._turns = 0
        self._backlog_busy = 0

    def __len__(self) -> int:
        return len(self._lanes)

    def seen(self, entries: Iterable[Touched], now_s: float, *, old: bool, suspect: bool) -> None:
        """Further entries, in order. `old`: they are from before we started."""
        since_s = now_s - RECENT_S if old else now_s
        for seq, name, worth, rows in entries:
            self.scanned = seq
            done = self._ahead.get(name, 0)
            if seq <= done:
                continue
            lane = self._lanes.get(name)
            self.left += rows
            if lane is None:
                done, best = max(done, seq - 1), _worth(name, worth)
                self._add(Lane(name, seq, seq, done, since_s, best, rows, suspect=suspect), now_s)
                continue
            if lane.busy and lane.newest == lane.taken:
                lane.news, lane.news_s = seq, now_s
            lane.newest = seq
            lane.rows += rows
            if worth < lane.worth:
                lane.worth = worth
                if not lane.busy:
                    self._wait(lane, now_s)

    def wake(self, name: str, now_s: float) -> None:
        """Somebody asked to try parked entries of this lane again."""
        if name not in self._lanes:
            done = self._ahead.get(name, self.scanned)
            self._add(Lane(name, self.scanned + 1, self.scanned, done, now_s, _worth(name, PLAN)), now_s)

    def next(self, now_s: float, *, beside: Container[str], backlog_max: int, short: bool) -> Lane | None:
        """The lane that goes now, busy until it is released; `beside`: those that must not; `backlog_max`: so many of the
        backlog at a time; `short`: what is old must wait.
        """
        self._let_time_pass(now_s)
        queues = [self._live]
        if self._backlog_busy < backlog_max:
            backlog = [self._recent] if short else [self._recent, self._old]
            queues = [*backlog, *queues] if self._turns % BACKLOG_TURN == BACKLOG_TURN - 1 else [*queues, *backlog]
        for queue in queues:
            if lane := _first(queue, beside):
                self._turns += 1
                lane.busy, lane.backlog, lane.old = True, queue is not self._live, queue is self._old
                lane.place = NOWHERE
                lane.taken = lane.newest
                self._backlog_busy += lane.backlog
                return lane
        return None

    def finished(self, lane: Lane, done: int) -> None:
        """Everything of the lane up to `done` has been answered for. It stays busy: what was read of it may reach further."""
        span = max(lane.newest, done) - lane.first + 1
        self._go(lane, lane.rows * (done - lane.first + 1) / span if span > 0 else 0.0)
        if lane.name not in self._ahead:
            heapq.heappush(self._passed, (done, lane.name))
        self._ahead[lane.name] = lane.done = done
        lane.first = done + 1

    def release(self, lane: Lane, now_s: float) -> None:
        """Nobody is busy with it any more. What is left of it waits again, from `next_try_s` on."""
        lane.busy = False
        self._backlog_busy -= lane.backlog
        if lane.done >= lane.newest and not lane.failures:
            del self._lanes[lane.name]
            self._go(lane, lane.rows)
            return
        if lane.done >= lane.taken < lane.newest:
            lane.first, lane.since_s = max(lane.first, lane.news), lane.news_s
        self._wait(lane, now_s)

    def next_try_s(self, now_s: float) -> float | None:
        """When the next lane may go that could not at `now_s`. One that could and did not waits for its turn, not for a time."""
        self._let_time_pass(now_s)
        while self._later and self._later[0][1] != self._later[0][2].place:
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def rows_before(self, seq: int) -> bool:
        """Is a row outside any job tree, a cell say, that was written before `seq` still on its way?"""
        return any(lane.first < seq for lane in self._lanes.values() if not lane.name.startswith(JOB_LANE))

    def idle(self, name: str) -> bool:
        return name not in self._lanes

    def watermark(self) -> int:
        """Everything up to here is done; lanes that are not beyond it are forgotten."""
        oldest = self._oldest
        while oldest:
            first, number, lane = oldest[0]
            if self._lanes.get(lane.name) is not lane:
                heapq.heappop(oldest)
            elif lane.first > first:
                heapq.heapreplace(oldest, (lane.first, number, lane))
            else:
                break
        position = min(oldest[0][0] - 1, self.scanned) if oldest else self.scanned
        passed = self._passed
        while passed and passed[0][0] <= position:
            name = passed[0][1]
            if (done := self._ahead[name]) > position:
                heapq.heapreplace(passed, (done, name))
            else:
                heapq.heappop(passed)
                del self._ahead[name]
        return position

    def _go(self, lane: Lane, rows: float) -> None:
        lane.rows -= rows
        self.left -= rows
        self.gone += rows

    def _add(self, lane: Lane, now_s: float) -> None:
        self._lanes[lane.name] = lane
        heapq.heappush(self._oldest, (lane.first, next(self._places), lane))
        self._wait(lane, now_s)

    def _wait(self, lane: Lane, now_s: float) -> None:
        """Into the heap where it belongs; the place that it may have in another one is none any more."""
        lane.place = next(self._places)
        if lane.next_try_s > now_s:
            heapq.heappush(self._later, (lane.next_try_s, lane.place, lane))
            return
        queue, until_s = self._old, 0.0
        if not lane.name.startswith(JOB_LANE):
            queue = self._live
        elif now_s < lane.since_s + LIVE_S:
            queue, until_s = self._live, lane.since_s + LIVE_S
        elif lane.worth < PLAN and now_s < lane.since_s + RECENT_S:
            queue, until_s = self._recent, lane.since_s + RECENT_S
        heapq.heappush(queue, (lane.worth, lane.first, lane.place, lane))
        if until_s:
            heapq.heappush(self._ageing, (until_s, lane.place, lane))

    def _let_time_pass(self, now_s: float) -> None:
        for queue in (self._later, self._ageing):
            while queue and queue[0][0] <= now_s:
                _, place, lane = heapq.heappop(queue)
                if place == lane.place:
                    self._wait(lane, now_s)


def _first(queue: Ready, beside: Container[str]) -> Lane | None:
    """The best that may go now; those that may not keep their places."""
    held = []
    found = None
    while queue and found is None:
        best = heapq.heappop(queue)
        if best[2] == best[3].place:
            found = best[3]
            if found.name in beside:
                held.append(best)
                found = None
    for one in held:
        heapq.heappush(queue, one)
    return found


def _worth(name: str, worth: int) -> int:
    """Job trees may hang on a row outside them."""
    return worth if name.startswith(JOB_LANE) else TRANSITION
