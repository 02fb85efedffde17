"""When the backlog will be through. No I/O."""

from collections import deque
from dataclasses import dataclass

WINDOW_S = 300.0  # the pace of the last minutes counts
MARKS_MAX = 64
PACE_MARKS = 2  # so many make a pace
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Mark:
    """How far we were: entries (or rows) answered for and requests made since the start."""

    at_s: float
    entries: float
    requests: int


class Drain:
    """Tell `mark` from time to time; `left_s` is the estimate. At least one entry must have gone up for there to be one."""

    def __init__(self) -> None:
        self._marks: deque[Mark] = deque(maxlen=MARKS_MAX)
        self._start: Mark | None = None

    def mark(self, at_s: float, entries: float, requests: int) -> None:
        self._start = self._start or Mark(at_s, entries, requests)
        marks = self._marks
        if marks and entries == marks[-1].entries:
            return  # while nothing goes up the last pace stands: others make requests as well
        if marks and at_s - marks[-1].at_s < WINDOW_S / MARKS_MAX:
            return
        marks.append(Mark(at_s, entries, requests))
        while len(marks) > PACE_MARKS and at_s - marks[0].at_s > WINDOW_S:
            marks.popleft()

    def left_s(self, pending: float, limit: int | None, used: int, window_left_s: float) -> float | None:
        """Seconds until `pending` entries are through. `limit`: requests a day, `used` of them in this day, which ends in
        `window_left_s`.
        """
        if not pending:
            return 0.0
        if len(self._marks) < PACE_MARKS or self._start is None:
            return None
        first, last = self._marks[0], self._marks[-1]
        entries = last.entries - first.entries
        if entries <= 0 or last.at_s <= first.at_s:
            return None
        at_pace_s = pending * (last.at_s - first.at_s) / entries
        # What all else has cost beside them since the start will go on costing: reading, repeats, what people do meanwhile.
        each = (last.requests - self._start.requests) / (last.entries - self._start.entries)
        beyond = pending * each - max(0, (limit or 0) - used)
        if limit is None or beyond <= 0:
            return at_pace_s
        return max(at_pace_s, window_left_s + max(0.0, beyond / limit - 1) * DAY_S)
