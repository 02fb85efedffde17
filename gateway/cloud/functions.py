"""Which of the cloud's functions can be used, as far as their answers tell. No I/O.

[U] A function may fail to load for weeks while the others work, and a cloud that was built from migrations lacks columns that the
hosted one has. Whoever asks is told at once, so that nobody knocks in vain: `probes.py` knocks for all.
"""

import asyncio
import math
from collections.abc import Mapping

from gateway.cloud.outcome import Kind, Outcome
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock

CAPABILITIES, CELLS, OPERATIONS = "api-capabilities", "api-cells", "api-operations"
REALTIME = "realtime"  # no function, and asked by nobody but its listener: its verdict stands beside theirs
UP, DOWN, BARE, REFUSED, PLAIN, HUB = "up", "down", "bare", "refused", "plain", "hub"
DOWN_AFTER = 3  # answers in a row that it does not load, with other functions answering between them
ANSWERED = (200, 400, 404, 405)  # it is the function that said so, or the function is not there
NO_COLUMN = "started_at"  # in the words of an error it means a cloud without the columns of the hosted one
NOT_FOUND = f"Could not find the '{NO_COLUMN}' column"
NEEDED = ("api-jobs", "api-parts", OPERATIONS)  # to read the work

Verdict = dict[str, str]


class Functions:
    """`verdicts`: function -> `is`, `at` (when that was last confirmed), `why`; as `/healthz` shows them and as they are kept.

    `changed` is set when one of them is news.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[str, tuple[int, int]] = {}  # function -> (how often it did not load, `_answers` then)
        self._answers = 0
        self._heard_s: dict[str, float] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.changed = asyncio.Event()

    def restore(self, verdicts: Mapping[str, Verdict]) -> None:
        self.verdicts.update({name: one for name, one in verdicts.items() if name != REALTIME})  # that is of one run

    def is_(self, name: str) -> str:
        """The verdict; empty: nobody knows yet."""
        return self.verdicts.get(name, {}).get("is", "")

    def down(self) -> list[str]:
        return sorted(name for name in self.verdicts if self.is_(name) == DOWN and name != REALTIME)

    @property
    def bare(self) -> bool:
        """It lacks the columns of the hosted one: no lifecycle calls, no times of its own, and operations cannot be read."""
        return self.is_(OPERATIONS) == BARE

    def heard_s(self, name: str) -> float:
        """When somebody read from it last, by the monotonic clock."""
        return self._heard_s.get(name, -math.inf)

    def refusal(self, name: str) -> Outcome | None:
        """What to answer instead of asking; None: ask."""
        if self.is_(name) != DOWN:
            return None
        return Outcome(Kind.DOWN, f"{name}: {self.verdicts[name]['why']}", said=True, counted=False)

    def unreadable(self) -> str:
        """Why the work cannot be read from there; empty when it can."""
        if self.bare:
            return "this cloud cannot list operations, it lacks the columns of the hosted one: no work is read from it"
        missing = [name for name in NEEDED if self.is_(name) == DOWN]
        return f"{' and '.join(missing)} of the cloud does not load: no work is read from it" if missing else ""

    def note(self, method: str, name: str, outcome: Outcome) -> None:
        """What a request came to."""
        if name == OPERATIONS and outcome.said and (NO_COLUMN if method == "GET" else NOT_FOUND) in outcome.text:
            self.judge(name, BARE, outcome.text)
        elif outcome.kind is Kind.OK:
            self._answers += 1
            self._failed.pop(name, None)
            if method == "GET" and name != CAPABILITIES:
                self._heard_s[name] = self._clock.monotonic()
                self.judge(name, UP)
        elif outcome.kind is Kind.KEY:  # whatever was asked: the key has one verdict
            self.judge(CELLS, REFUSED, outcome.text)
        elif not outcome.loaded and name != CAPABILITIES:
            self._did_not_load(name, outcome.text)
        elif self.is_(name) == DOWN and outcome.status in ANSWERED:
            self.judge(name, UP)

    def judge(self, name: str, verdict: str, why: str = "") -> None:
        if self.is_(name) != verdict:
            self.changed.set()
        self.verdicts[name] = {"is": verdict, "at": time_.zulu(self._clock.now())} | ({"why": why} if why else {})

    def _did_not_load(self, name: str, why: str) -> None:
        """While no other function answers either, it says nothing about this one."""
        times, then = self._failed.get(name, (0, -1))
        if self._answers > then:
            self._failed[name] = (times + 1, self._answers)
        if self._failed[name][0] >= DOWN_AFTER:
            self.judge(name, DOWN, why)
