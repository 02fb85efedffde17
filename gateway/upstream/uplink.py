"""Our journal to a hub: the reader "cloud", some hundred entries to a request, what people do now first.

A hub tells what comes twice by its position, so everything may be sent again at any time. What it refuses for good is parked
with its reason, together with what hangs on it. A file's bytes go before the entry that tells of it, and nothing waits for them.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog

from gateway.cloud import conflicts, store
from gateway.cloud.drain import Drain
from gateway.cloud.merge import Difference
from gateway.cloud.parking import Blocked
from gateway.hub.raw import Raw, tables
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import EpochFenced, Refused, Unavailable
from gateway.kernel.following import followed, shown
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.kernel.supervise import backoff_s
from gateway.outbox import journal
from gateway.outbox.event import CLOUD, Entry, Stamp, asked, encode
from gateway.upstream import outgoing
from gateway.upstream.client import HubClient
from gateway.upstream.echo import Echo
from gateway.upstream.files import AT_ONCE_MAX, HubFiles
from gateway.upstream.outgoing import Batch, Epochs, Stretch, Wanted
from gateway.upstream.waiting import FILE_LANE, Lane, Waiting

IN_FLIGHT_MAX = 3  # requests: while the hub works on some, the next is read and made
LANES_MAX = 100  # in one request
ENTRIES_MAX = 250
SCAN_MAX = 2_000
POLL_S = 2.0
SAVE_S = 0.5  # between two savings of the watermark
BACKOFF_BASE_S = 0.2
BACKOFF_CAP_S = 10.0
FILE_CAP_S = 30.0  # a disk that is full, say
FENCED_S = 30.0  # until a box that was replaced asks again
PARENT_TRIES_MAX = 5  # a row it hangs on may still be on its way in another lane

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Own:
    """Who we are to the hub. `renew(highest, unsent)`: the epoch to go on with when the hub knows a higher one, or None."""

    gateway_id: str
    epochs: Epochs
    renew: Callable[[Tx, int, int], int | None]


class HubUplink:
    """`cells()`: the ids of those that are ours alone, none of them while nobody has said."""

    def __init__(
        self,
        client: HubClient,
        db: Database,
        clock: Clock,
        new_id: NewId,
        rng: random.Random,
        link: Link,
        own: Own,
        echo: Echo,
        cells: Callable[[], Sequence[str]],
        files: HubFiles,
    ) -> None:
        self._client = client
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._rng = rng
        self._link = link
        self._own = own
        self._echo = echo
        self._cells = cells
        self._files = files
        self._epochs = list(own.epochs)
        self._hub_epoch = 0
        self._follows = False  # the hub takes the ids of requests; one that is older would refuse them
        self._other_hub = False  # it is not the one that we greeted
        self._tables: Mapping[str, Raw] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._bringing: set[asyncio.Task[None]] = set()
        self._done = asyncio.Event()
        self._drain = Drain()
        self._answered = 0  # entries since the start
        self._failures = 0  # requests in a row
        self._open_s = 0.0  # when the next may go
        self._saved_s = 0.0

    def drain_s(self, pending: int) -> float | None:
        """In how many seconds so many entries will be through; None: nobody can tell yet."""
        return self._drain.left_s(pending, None, 0, 0.0)

    def met(self) -> int:
        """The life of the hub that we have greeted; 0: none yet."""
        return self._hub_epoch

    async def heard(self) -> None:
        """What is on its way now has its answer."""
        if self._tasks:
            await asyncio.wait({*self._tasks})

    async def run(self) -> None:
        """Send for ever. Cancelled: what is in flight is left, to be repeated by the next run."""
        now = time_.text(self._clock.now())
        watermark = await self._db.write(journal.register, store.READER, now, 0)
        self._tables = await self._db.read(tables)
        watermark = await self._greet(watermark)
        waiting = Waiting(watermark, await self._db.read(store.lanes_ahead))
        backlog_until = await self._db.read(journal.head)
        try:
            while not self._other_hub:
                seen = self._db.commits.count
                await self._scan(waiting, backlog_until)
                self._begin(waiting)
                self._begin_files(waiting)
                self._save(waiting)
                self._drain.mark(self._clock.monotonic(), self._answered, 0)
                await self._wait(waiting, seen)
        finally:
            begun = [*self._tasks, *self._bringing]
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
        raise Unavailable("the hub was restored or replaced")

    async def _greet(self, watermark: int) -> int:
        """Up to where the hub has everything: one that was restored has lost what it took since, and we send it again.

        Raises Unavailable: the hub is not there.
        """
        try:
            told = await self._client.forward(self._body(Batch(), 0))
        except EpochFenced as fenced:
            await self._fenced(fenced)
            raise Unavailable(fenced.message) from fenced
        if self._link.up():
            log.info("link.up", link=self._link.name)
        settled, epoch = int(told["settled"]), int(told["epoch"])
        known = await self._db.read(store.hub_epoch)
        lost = known not in (None, epoch) and settled < watermark
        if lost:
            log.warning("hub.restored", epoch=epoch, sent=watermark, kept=settled)
        await self._db.write(store.met_hub, epoch, settled if lost else watermark)
        self._hub_epoch, self._other_hub = epoch, False
        self._follows = bool(told.get("follows"))
        return settled if lost else watermark

    async def _scan(self, waiting: Waiting, backlog_until: int) -> None:
        while page := await self._db.read(store.touched_lanes, waiting.scanned, SCAN_MAX):
            waiting.seen(page, live=page[0][0] > backlog_until)
            if len(page) < SCAN_MAX:
                break
        for name in await self._db.read(store.lanes_to_retry):
            waiting.wake(name)

    def _begin(self, waiting: Waiting) -> None:
        while len(self._tasks) < (1 if self._failures else IN_FLIGHT_MAX):
            now_s = self._clock.monotonic()
            lanes = waiting.take(LANES_MAX, now_s) if now_s >= self._open_s else []
            if not lanes:
                return
            self._spawn(self._tasks, self._request(waiting, lanes))

    def _begin_files(self, waiting: Waiting) -> None:
        while len(self._bringing) < (1 if self._failures else AT_ONCE_MAX):
            now_s = self._clock.monotonic()
            lane = waiting.take_file(now_s) if now_s >= self._open_s else None
            if lane is None:
                return
            self._spawn(self._bringing, self._bring(waiting, lane))

    def _spawn(self, among: set[asyncio.Task[None]], doing: Coroutine[Any, Any, None]) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            among.discard(task)
            self._done.set()

        task = asyncio.create_task(doing)
        among.add(task)
        task.add_done_callback(ended)

    def _save(self, waiting: Waiting) -> None:
        """Looking for the oldest lane costs something when there are thousands of them."""
        now_s = self._clock.monotonic()
        if now_s - self._saved_s >= SAVE_S or not waiting:
            self._saved_s = now_s
            self._link.facts["files_waiting"] = waiting.files()
            self._db.write_soon("cloud.watermark", store.save_watermark, waiting.watermark())

    async def _wait(self, waiting: Waiting, seen: int) -> None:
        """Until something was committed, a request is done, or the next one may go."""
        self._done.clear()
        now_s = self._clock.monotonic()
        tries = [at_s for at_s in (waiting.next_try_s(), self._open_s) if at_s is not None and at_s > now_s]
        pause_s = min([POLL_S, *(at_s - now_s for at_s in tries)])
        wakes = [
            asyncio.ensure_future(wake)
            for wake in (self._db.commits.beyond(seen), self._done.wait(), self._clock.sleep(pause_s))
        ]
        try:
            await asyncio.wait(wakes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wake in wakes:
                wake.cancel()

    # ------------------------------------------------------------------ one request

    async def _request(self, waiting: Waiting, lanes: list[Lane]) -> None:
        by_name = {lane.name: lane for lane in lanes}
        try:
            wanted = [Wanted(lane.name, lane.done) for lane in lanes]
            how = (wanted, ENTRIES_MAX, self._tables, self._epochs)
            batch = await self._db.read(outgoing.batch, *how, follows=self._follows)
            waiting.give_back([by_name.pop(name) for name in batch.left])
            told = await self._forwarded(batch, waiting.covered) if batch.pieces else {}
            self._failures = 0
            if self._link.up():
                log.info("link.up", link=self._link.name)
            await self._answer(waiting, by_name, batch, told)
        except EpochFenced as fenced:
            await self._fenced(fenced)
        except Unavailable as exc:
            self._failed(exc.message)
        except Exception as exc:
            # A request is supervised like a link: a bug in one kind of entry must not end the others.
            log.exception("hub.failed")
            self._failed(f"{type(exc).__name__}: {exc}")
        finally:
            for lane in by_name.values():
                if lane.busy:
                    waiting.later(lane, self._open_s)

    async def _forwarded(self, batch: Batch, settled: int) -> dict[str, Any]:
        """Under the id of the request that it is about, or one of its own if they are several. Raises EpochFenced, Unavailable."""
        ids = asked(entry for stretch in batch.stretches for entry in (*stretch.again, *stretch.entries))
        with followed(ids[0] if len(ids) == 1 else self._new_id()):
            told = await self._client.forward(self._body(batch, settled))
            if ids:
                log.info("cloud.sent", entries=len(batch.pieces), refused=len(told.get("refused", ())), **shown(ids))
        return told

    def _body(self, batch: Batch, settled: int) -> str:
        about = {"gateway_id": self._own.gateway_id, "epoch": self._epochs[-1][0], "settled": settled}
        return f'{encode({**about, "cells": list(self._cells())})[:-1]},"entries":[{",".join(batch.pieces)}]}}'

    async def _answer(self, waiting: Waiting, lanes: Mapping[str, Lane], batch: Batch, told: Mapping[str, Any]) -> None:
        if told and told["epoch"] != self._hub_epoch:
            self._other_hub = True
            return
        refused = {one["key"]: one for one in told.get("refused", ())}
        self._remember(batch, told)
        done: list[tuple[str, int]] = []
        for stretch in batch.stretches:
            lane = lanes[stretch.lane]
            if stretch.again:
                sent = [entry.seq for entry in stretch.again if entry.id not in refused]
                await self._db.write(store.unpark, *sent)
            if stretch.blocked:
                await self._db.write(_park_blocked, stretch.blocked, time_.text(self._clock.now()))
            refusal = next((entry for entry in (*stretch.again, *stretch.entries) if entry.id in refused), None)
            if refusal is None:
                self._answered += len(stretch.entries)
                waiting.finished(lane, stretch.last)
                done.append((lane.name, stretch.last))
            else:
                done += await self._refused(waiting, lane, stretch, refusal, refused[refusal.id])
        self._db.write_soon(f"cloud.lanes:{self._new_id()}", store.save_lanes, done)

    def _remember(self, batch: Batch, told: Mapping[str, Any]) -> None:
        """Where the hub has what it took: its feed may still tell these rows as they were before."""
        entries = [entry for stretch in batch.stretches for entry in (*stretch.again, *stretch.entries)]
        for entry, seq in zip(entries, told.get("seqs", ()), strict=False):
            if seq:
                for table, row_id, columns in outgoing.touched(entry, self._tables):
                    self._echo.taken((table, row_id), columns, seq)

    async def _refused(
        self, waiting: Waiting, lane: Lane, stretch: Stretch, entry: Entry, told: Mapping[str, Any]
    ) -> list[tuple[str, int]]:
        """The first refusal of a lane: what stands before it is through, what comes after it is told anew."""
        before = [one.seq for one in stretch.entries if one.seq < entry.seq]
        self._answered += len(before)
        error = told.get("body", {}).get("error", {})
        reason, status = str(error.get("message", "refused")), int(told.get("status", 0))
        known = entry in stretch.again
        if status == HTTPStatus.UNPROCESSABLE_ENTITY and not known and self._may_come(waiting, lane, entry, error):
            lane.tries += 1
            pause_s = backoff_s(lane.tries, self._rng, base_s=BACKOFF_BASE_S, cap_s=BACKOFF_CAP_S)
            waiting.got_to(lane, max([lane.done, *before]))
            waiting.later(lane, self._clock.monotonic() + pause_s)
            return [(lane.name, lane.done)]
        log.warning("event.parked", seq=entry.seq, aggregate=entry.aggregate, reason=reason)
        now = time_.text(self._clock.now())
        if status == HTTPStatus.NOT_FOUND:
            stamp = Stamp(self._clock.now(), CLOUD, self._new_id)
            await self._db.write(_dropped, stamp, entry, reason)
        else:
            await self._db.write(_park, [entry], f"the hub refuses it: {reason}", now)
        last = max([lane.done, *before, *(() if known else (entry.seq,))])
        waiting.finished(lane, last)
        return [(lane.name, last)]

    def _may_come(self, waiting: Waiting, lane: Lane, entry: Entry, error: Mapping[str, Any]) -> bool:
        """It names a row that may still be on its way in another lane."""
        details = error.get("details")
        missing = isinstance(details, list) and any("table" in one for one in details if isinstance(one, dict))
        return missing and (waiting.rows_before(entry.seq) or lane.tries < PARENT_TRIES_MAX)

    # ------------------------------------------------------------------ one file

    async def _bring(self, waiting: Waiting, lane: Lane) -> None:
        """Its bytes, then what its lane has to tell."""
        try:
            await self._files.bring(lane.name.removeprefix(FILE_LANE), self._epochs[-1][0])
        except Refused as exc:
            last = await self._db.write(_park_lane, lane.name, lane.done, exc.message, time_.text(self._clock.now()))
            waiting.finished(lane, last)
            self._db.write_soon(f"cloud.lanes:{self._new_id()}", store.save_lanes, [(lane.name, last)])
        except Unavailable as exc:
            self._file_later(waiting, lane, exc.message)
        except Exception as exc:
            # As with a request: what is wrong with one file must not end everything else.
            log.exception("hub.file_failed", lane=lane.name)
            self._file_later(waiting, lane, f"{type(exc).__name__}: {exc}")
        else:
            self._link.facts["files_error"] = None
            await self._request(waiting, [lane])

    def _file_later(self, waiting: Waiting, lane: Lane, why: str) -> None:
        lane.tries += 1
        self._link.facts["files_error"] = why
        pause_s = backoff_s(lane.tries, self._rng, base_s=BACKOFF_BASE_S, cap_s=FILE_CAP_S)
        waiting.later(lane, self._clock.monotonic() + pause_s)
        log.debug("file.later", lane=lane.name, tries=lane.tries, error=why)

    # ------------------------------------------------------------------ what went wrong

    def _failed(self, why: str, pause_s: float | None = None) -> None:
        self._failures += 1
        if pause_s is None:
            pause_s = backoff_s(self._failures, self._rng, base_s=BACKOFF_BASE_S, cap_s=BACKOFF_CAP_S)
        self._open_s = self._clock.monotonic() + pause_s
        if self._link.down(why):
            log.warning("link.down", link=self._link.name, error=why)

    async def _fenced(self, fenced: EpochFenced) -> None:
        """The hub has seen a younger life of this box. Only one that could not know the time goes on, with an epoch above it."""
        details = fenced.details if isinstance(fenced.details, dict) else {}
        unsent, _ = await self._db.read(store.pending)
        epoch = await self._db.write(self._own.renew, int(details.get("epoch", 0)), unsent)
        if epoch is None:
            self._failed(f"this box was replaced: {fenced.message}", FENCED_S)
            return
        log.warning("epoch.renewed", epoch=epoch)
        self._epochs.append((epoch, await self._db.read(journal.head)))


def _park(tx: Tx, entries: list[Entry], reason: str, now: str) -> None:
    journal.park(tx, store.READER, entries, reason, now, state="parked")


def _park_lane(tx: Tx, lane: str, done: int, reason: str, now: str) -> int:
    """All that a file's lane has to tell, tried once more or not. The seq of its last entry."""
    entries = [*store.to_retry(tx, lane), *journal.in_lane(tx, lane, done)]
    _park(tx, entries, reason, now)
    for entry in entries:
        log.warning("event.parked", seq=entry.seq, aggregate=entry.aggregate, reason=reason)
    return max([done, *(entry.seq for entry in entries)])


def _park_blocked(tx: Tx, blocked: Sequence[Blocked], now: str) -> None:
    for entry, reason, state in blocked:
        journal.park(tx, store.READER, [entry], reason, now, state=state)


def _dropped(tx: Tx, stamp: Stamp, entry: Entry, reason: str) -> None:
    """What it changes is gone over there: it is kept here, and people are told."""
    table, row_id = store.row_of(entry.aggregate)
    store.unpark(tx, entry.seq)
    found = Difference(conflicts.NOT_SHOWN, None, "deleted", reason, "dropped")
    conflicts.record(tx, stamp, table, row_id, found)
