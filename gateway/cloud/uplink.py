"""Store and forward: the reader "cloud". One lane per job tree, in order inside a lane, several lanes at a time.

What the cloud refuses for good is parked with its reason, together with what depends on it, and passed. What it does not
answer is repeated. The position moves only behind what has been answered for, so a crash repeats and never forgets.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from gateway.cloud import lives, plan, store, worth
from gateway.cloud.budget import Budget
from gateway.cloud.drain import Drain
from gateway.cloud.lanes import Lane, Lanes
from gateway.cloud.outcome import Kind, Outcome, told
from gateway.cloud.parking import free
from gateway.cloud.rows import Again
from gateway.cloud.sender import Parked, Sender, Waits
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.following import followed, shown
from gateway.kernel.health import Link
from gateway.kernel.supervise import backoff_s
from gateway.outbox import journal
from gateway.outbox.event import Entry, asked

IN_FLIGHT_MAX = 4  # lanes at a time against a plain cloud
LANE_BATCH_MAX = 100  # entries of one lane that are planned together
SCAN_MAX = 2_000
POLL_S = 2.0
BACKOFF_BASE_S = 0.5
LANE_CAP_S = 30.0
PARENT_TRIES_MAX = 5  # a row it hangs on may still be on its way in another lane
BLOCKED_EVERY = timedelta(days=1)  # what the plan did not allow is asked for again
BLOCKED_LOOK_S = 600.0
POISON_TRIES_MAX = 10  # the same answer to the same entry this often: it will not get better
POISON_READS_MIN = 5  # at as many of them the cloud was able to read that table: it is no outage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """`settle_after_s`: how long a request that nobody answered may still run over there."""

    settle_after_s: float
    in_flight: int = IN_FLIGHT_MAX
    poll_s: float = POLL_S


class Uplink:
    """`subscribed()` tells whether the cloud has webhooks that a lifecycle call would fire."""

    def __init__(
        self,
        sender: Sender,
        budget: Budget,
        db: Database,
        clock: Clock,
        rng: random.Random,
        link: Link,
        settings: UplinkSettings,
        subscribed: Callable[[], bool],
    ) -> None:
        self._sender = sender
        self._budget = budget
        self._db = db
        self._clock = clock
        self._rng = rng
        self._link = link
        self._settings = settings
        self._subscribed = subscribed
        self._suspicion_over_s = clock.monotonic() + settings.settle_after_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling: set[str] = set()
        self._done = asyncio.Event()
        self._drain = Drain()
        self._lanes: Lanes | None = None
        self._doubtful_up_to = 0

    def drain_s(self, pending: int) -> float | None:
        """In how many seconds so many entries will be through; None: nobody can tell yet."""
        if self._lanes is None or not pending:
            return None if pending else 0.0
        budget = self._budget
        return self._drain.left_s(self._lanes.left, budget.limit, budget.used, budget.window_left_s())

    async def run(self) -> None:
        """Send for ever. Cancelled: what is in flight is left, to be repeated by the next run."""
        now = time_.text(self._clock.now())
        watermark = await self._db.write(journal.register, store.READER, now, 0)
        gone = 0.0 if self._lanes is None else self._lanes.gone  # the pace is known, whatever has ended the run before
        lanes = self._lanes = Lanes(watermark, await self._db.read(store.lanes_ahead), gone)
        before_us = await self._db.read(journal.head)
        self._doubtful_up_to = await self._db.read(lives.doubtful_up_to)
        settle_s = blocked_s = self._clock.monotonic()
        try:
            while True:
                seen, now_s = self._db.commits.count, self._clock.monotonic()
                if now_s >= blocked_s:
                    await self._db.write(store.retry_blocked, time_.text(self._clock.now() - BLOCKED_EVERY))
                    blocked_s = now_s + BLOCKED_LOOK_S
                await self._scan(lanes, before_us)
                self._drain.mark(now_s, lanes.gone, self._budget.made)
                self._link.facts |= self._budget.told()
                if self._budget.wait_s() > 0:
                    self._link.down(self._budget.why)
                else:
                    self._begin(lanes, now_s)
                    if now_s >= settle_s and await self._begin_settling(lanes):
                        settle_s = now_s + self._settings.poll_s
                    if not self._budget.failing and self._link.up():
                        log.info("link.up", link=self._link.name)
                self._db.write_soon("cloud.watermark", store.save_watermark, lanes.watermark())
                await self._wait(lanes, seen, now_s)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _scan(self, lanes: Lanes, before_us: int) -> None:
        """Learn of new entries. What stood there before we started may have been half sent by an earlier self."""
        while page := await self._db.read(worth.touched, lanes.scanned, SCAN_MAX):
            old = page[0][0] <= before_us
            young = self._clock.monotonic() < self._suspicion_over_s
            suspect = old and (young or page[0][0] <= self._doubtful_up_to)
            lanes.seen(page, self._clock.monotonic(), old=old, suspect=suspect)
            if len(page) < SCAN_MAX:
                break
        for name in await self._db.read(store.lanes_to_retry):
            lanes.wake(name, self._clock.monotonic())

    def _has_room(self) -> bool:
        """One lane only, as a probe, while the cloud has not answered again. A lane that is busy with a file keeps nobody out."""
        return len(self._tasks) - self._sender.uploading < (1 if self._budget.failing else self._settings.in_flight)

    def _begin(self, lanes: Lanes, now_s: float) -> None:
        """One place is kept for what is live. While requests are running out they are kept for it, and for what is not old: the
        backlog goes when the day has caught up.
        """
        backlog_max, short = max(1, self._settings.in_flight - 1), self._budget.short()
        while self._has_room():
            lane = lanes.next(now_s, beside=self._settling, backlog_max=backlog_max, short=short)
            if lane is None:
                return
            self._spawn(self._run_lane(lanes, lane))

    async def _begin_settling(self, lanes: Lanes) -> bool:
        """Rows that may be settled, lane by lane, where nothing is waiting to be sent anyway. False: there was no room
        for some of them, look again once somebody is done.
        """
        due: dict[str, list[tuple[str, str]]] = {}
        for lane, table, row_id in await self._db.read(store.due, time_.text(self._clock.now())):
            due.setdefault(lane, []).append((table, row_id))
        for lane, rows in due.items():
            if not lanes.idle(lane) or lane in self._settling:
                continue
            if not self._has_room():
                return False
            self._settling.add(lane)
            self._spawn(self._settle(lane, rows))
        return True

    async def _wait(self, lanes: Lanes, seen: int, now_s: float) -> None:
        """Until something was committed, a lane is done, or the next one may try."""
        self._done.clear()
        next_try_s = lanes.next_try_s(now_s) if self._has_room() else None
        poll_s = self._settings.poll_s
        pause_s = poll_s if next_try_s is None else min(poll_s, max(0.0, next_try_s - self._clock.monotonic()))
        pause_s = max(pause_s, min(poll_s, self._budget.wait_s()))
        waiting = [
            asyncio.ensure_future(wake)
            for wake in (self._db.commits.beyond(seen), self._done.wait(), self._clock.sleep(pause_s))
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wake in waiting:
                wake.cancel()

    def _spawn(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._done.set()

    # ------------------------------------------------------------------ one lane

    async def _run_lane(self, lanes: Lanes, lane: Lane) -> None:
        try:
            if retry := await self._db.read(store.to_retry, lane.name):
                await self._pass(lanes, lane, retry, again=True)
            entries = await self._db.read(journal.in_lane, lane.name, lane.done, LANE_BATCH_MAX)
            if entries:
                await self._pass(lanes, lane, entries, again=False)
            else:
                lanes.finished(lane, max(lane.newest, lane.done))
            lane.failures, lane.repeats, lane.error = 0, 0, ""
        except Waits:
            log.debug("lane.waits", lane=lane.name)
        except Again as again:
            await self._failed(lanes, lane, again)
        except Exception as exc:
            # A lane is supervised like a link: a bug in one kind of event must not hold up the others.
            log.exception("lane.failed", lane=lane.name)
            bug = Again(Outcome(Kind.UNKNOWN, f"{type(exc).__name__}: {exc}", said=True))
            bug.seqs = (lane.first,)
            await self._failed(lanes, lane, bug)
        finally:
            lanes.release(lane, self._clock.monotonic())

    async def _pass(self, lanes: Lanes, lane: Lane, entries: Sequence[Entry], *, again: bool) -> None:
        """Send a stretch; `again`: entries that were parked, behind the lane's position."""
        while not await self._attempt(lanes, lane, entries, again=again):
            entries = [entry for entry in entries if again or entry.seq > lane.done]
        if not again and entries and entries[-1].seq > lane.done:
            self._answered_for(lanes, lane, entries[-1].seq)
        lane.suspect = False

    async def _attempt(self, lanes: Lanes, lane: Lane, entries: Sequence[Entry], *, again: bool) -> bool:
        """False: something was refused and is parked; what is left has to be planned without it."""
        going = await self._free(lane, entries)
        wanted = self._subscribed() or not self._budget.short()
        live = not again and not lane.suspect and wanted and self._sender.calls()
        for step in plan.steps(going, now=self._clock.now(), live=live):
            by_seq = {entry.seq: entry for entry in step.entries}
            waits = partial(self._waits, lane)
            sending = partial(self._sender.send, step, lane.name, suspect=lane.suspect, waits=waits)
            ids = asked(step.entries)
            with followed(ids[-1] if ids else None):  # rows go up as they are now: as the last of them left them
                if refused := await sending(doubtful_up_to=self._doubtful_up_to):
                    await self._park([by_seq[seq] for seq in refused.seqs], refused)
                    return False
                if ids:
                    log.info("cloud.sent", lane=lane.name, seq=step.last_seq, **shown(ids))
            if again:
                await self._db.write(store.unpark, *by_seq)
            else:
                self._answered_for(lanes, lane, step.last_seq)
        return True

    def _waits(self, lane: Lane) -> bool:
        """A backlog gives way in the middle of its work as well: a few trees may hold more rows than the day has requests."""
        return lane.old and self._budget.short()

    def _answered_for(self, lanes: Lanes, lane: Lane, seq: int) -> None:
        lanes.finished(lane, seq)
        self._db.write_soon(f"cloud.lane:{lane.name}", store.save_lane, lane.name, seq)

    async def _free(self, lane: Lane, entries: Sequence[Entry]) -> list[Entry]:
        """The entries that do not hang on a parked one; those that do are parked with it."""
        going, blocked = await self._db.read(free, lane.name, entries)
        for entry, reason, state in blocked:
            await self._park([entry], Parked((entry.seq,), reason, state, {}))
        return going

    async def _park(self, entries: Sequence[Entry], parked: Parked) -> None:
        now = time_.text(self._clock.now())
        reason, state, request = parked.reason, parked.state, parked.request
        if parked.aggregate:
            entries = [replace(entry, aggregate=parked.aggregate) for entry in entries]
        for entry in entries:
            log.warning("event.parked", seq=entry.seq, aggregate=entry.aggregate, reason=reason)
        await self._db.write(_park, list(entries), reason, state, dict(request), now)

    async def _failed(self, lanes: Lanes, lane: Lane, again: Again) -> None:
        """Come back later, at once if something went through; or park what will never do."""
        outcome = again.outcome
        advanced = self._sender.taken(lane.name) > 0
        lane.failures = 1 if advanced else lane.failures + 1
        lane.repeats = lane.repeats + 1 if outcome.text == lane.error and not advanced else 1
        lane.error = outcome.text
        if again.seqs and await self._hopeless(lanes, lane, again):
            entries = await self._db.read(journal.in_lane, lane.name, again.seqs[0] - 1, LANE_BATCH_MAX)
            await self._park(
                [entry for entry in entries if entry.seq in again.seqs],
                Parked(again.seqs, told(outcome), "parked", {"tries": lane.repeats}, again.aggregate),
            )
            lane.failures = lane.repeats = 0
            return
        at_once = advanced and outcome.kind is Kind.UNKNOWN
        pause_s = 0.0 if at_once else backoff_s(lane.failures, self._rng, base_s=BACKOFF_BASE_S, cap_s=LANE_CAP_S)
        lane.next_try_s = self._clock.monotonic() + pause_s
        log.debug("lane.later", lane=lane.name, failures=lane.failures, error=outcome.text)
        if self._budget.failing and self._link.down(outcome.text):
            log.warning("link.down", link=self._link.name, error=outcome.text)

    async def _hopeless(self, lanes: Lanes, lane: Lane, again: Again) -> bool:
        """The same answer again and again, while the cloud is well enough to read that table: it is about this entry."""
        if again.outcome.kind is Kind.PARENT_MISSING:
            return lane.repeats >= PARENT_TRIES_MAX and not lanes.rows_before(again.seqs[-1])
        calm = POISON_TRIES_MAX - POISON_READS_MIN
        if not again.outcome.said or lane.repeats <= calm:
            return False
        if again.table and not await self._sender.answers(again.table):
            lane.repeats = calm
        return lane.repeats >= POISON_TRIES_MAX

    async def _settle(self, lane: str, rows: Sequence[tuple[str, str]]) -> None:
        """The one thing that a request which nobody answered can still break is put right here."""
        try:
            await self._sender.settle(rows, lane)
        except Again as again:
            log.debug("settle.later", lane=lane, error=again.outcome.text)
        finally:
            self._settling.discard(lane)


def _park(tx: Tx, entries: list[Entry], reason: str, state: str, request: dict[str, object], now: str) -> None:
    journal.park(tx, store.READER, entries, reason, now, state=state, request=request)
