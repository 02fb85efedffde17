"""What kind of cloud is this? Asked at the start and every hour, never by writing; what is known meanwhile costs no request."""

import json

import structlog

from gateway.cloud import store
from gateway.cloud.budget import Budget
from gateway.cloud.client import CloudClient
from gateway.cloud.functions import ANSWERED, CAPABILITIES, CELLS, DOWN, DOWN_AFTER, HUB, OPERATIONS, PLAIN, Functions
from gateway.cloud.outcome import Kind, Outcome
from gateway.kernel import state
from gateway.kernel.clock import Clock, sleep_or_wake
from gateway.kernel.db import Database
from gateway.kernel.health import Link

PROBED = (OPERATIONS, CELLS, "api-parts", "api-issues", "api-batches", CAPABILITIES)
EVERY_S = 3600.0
AGAIN_FIRST_S = 5.0  # what does not load may just be starting: asked again soon, then less and less often
AGAIN_FACTOR = 4.0
SHARE = 0.1  # of the day's requests
DAY_S = 86_400.0
_KEY = "cloud.functions"

log = structlog.get_logger(__name__)


class Probes:
    def __init__(
        self, client: CloudClient, functions: Functions, budget: Budget, db: Database, clock: Clock, link: Link
    ) -> None:
        self._client = client
        self._functions = functions
        self._budget = budget
        self._db = db
        self._clock = clock
        self._link = link
        self._again_s: dict[str, float] = {}  # function that is not well -> the pause before it is asked again
        self._due_s = dict.fromkeys(PROBED, 0.0)
        self._spent = 0
        self._back = True  # a function loads again, or nobody knows what the last run left waiting

    def spent(self) -> int:
        """Requests since somebody asked: they count as reading."""
        spent, self._spent = self._spent, 0
        return spent

    async def load(self) -> None:
        """The verdicts of the last run stand until there are new ones."""
        if found := await self._db.read(state.get, _KEY):
            self._functions.restore(json.loads(found))
        self._link.facts |= {"probes": self._functions.verdicts, "clock_offset_s": None}

    async def first(self) -> None:
        """What has to be known before anything is sent."""
        await self._ask(OPERATIONS)

    async def run(self) -> None:
        while True:
            await self.look()
            await self._wait()

    async def look(self) -> None:
        """Ask what is due, and is not known from other answers."""
        for name in [*PROBED, *self._functions.down()]:
            if self._clock.monotonic() >= self._due_at_s(name):
                await self._ask(name)
        offset = self._client.clock_offset
        self._link.facts["clock_offset_s"] = None if offset is None else round(offset.total_seconds(), 1)
        self._db.write_soon(_KEY, state.put, _KEY, json.dumps(self._functions.verdicts))
        if self._back:
            self._back = False
            await self._db.write(store.retry_functions)

    async def _ask(self, name: str) -> None:
        if self._budget.wait_s() > 0:
            return
        was = self._functions.is_(name)
        outcome = await self._get(name)
        for _ in range(DOWN_AFTER - 1):  # an accident, or does it not load while others do?
            if outcome.loaded or name == CAPABILITIES or was == DOWN or (await self._get(CELLS)).kind is not Kind.OK:
                break
            outcome = await self._get(name)
        if name == CAPABILITIES and (kind := _kind(outcome)):
            self._functions.judge(name, kind)
        is_now = self._functions.is_(name)
        if is_now != was and DOWN in (was, is_now):
            log.warning("cloud.function", name=name, was=was or None, now=is_now)
            self._back = self._back or was == DOWN
        pause_s = self._every_s()
        if outcome.status is None or (is_now == DOWN and outcome.status not in ANSWERED):
            again_s = min(self._again_s.get(name, AGAIN_FIRST_S), pause_s)
            self._again_s[name], pause_s = again_s * AGAIN_FACTOR, again_s
        else:
            self._again_s.pop(name, None)
        self._due_s[name] = self._clock.monotonic() + pause_s

    async def _get(self, name: str) -> Outcome:
        self._spent += 1
        return await self._client.probe(name)

    def _due_at_s(self, name: str) -> float:
        """Later, when somebody has heard from it meanwhile."""
        return max(self._due_s.get(name, 0.0), self._functions.heard_s(name) + self._every_s())

    def _every_s(self) -> float:
        limit = self._budget.limit
        return max(EVERY_S, len(PROBED) * DAY_S / (limit * SHARE) if limit else 0.0)

    async def _wait(self) -> None:
        """Until the next one is due, or an answer to somebody else was news."""
        functions = self._functions
        names = {*PROBED, *functions.down()}
        pause_s = min(self._due_at_s(name) for name in names) - self._clock.monotonic()
        pause_s = max(pause_s, self._budget.wait_s(), AGAIN_FIRST_S)
        await sleep_or_wake(self._clock, pause_s, functions.changed)
        functions.changed.clear()


def _kind(outcome: Outcome) -> str:
    """Empty: nobody has answered."""
    if outcome.kind is Kind.OK and (outcome.data or {}).get("change_feed"):
        return HUB
    return PLAIN if outcome.status in ANSWERED else ""
