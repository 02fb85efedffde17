"""The way out of one webhook: the journal to its address, in order, from where it left off, with its own pauses.

Nobody there stops it, and nothing else: what is told to others does not wait. An answer that is about one event sets that aside.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from yarl import URL

from gateway.kernel.clock import Clock, parse, text, zulu
from gateway.kernel.db import Database
from gateway.kernel.errors import Invalid, Refused, Unavailable
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.kernel.room import Use
from gateway.kernel.secrets import Secrets
from gateway.kernel.supervise import first
from gateway.outbox import journal
from gateway.outbox.event import Entry, Stamp, in_seconds, subscribed
from gateway.outbox.reader import tail
from gateway.replays.model import Replay, Went
from gateway.replays.worker import work_off
from gateway.webhooks import attempts, body, signing, store
from gateway.webhooks.attempts import Kind, Round
from gateway.webhooks.commands import about
from gateway.webhooks.model import Webhook
from gateway.webhooks.posting import Post
from gateway.webhooks.rules import Targets, check_url
from gateway.webhooks.store import Told

BATCH_MAX = 100  # journal entries: what is sent again, at the most, when we are killed
KEEP_AFTER_S = 1.0  # what a slow endpoint took is written down that often
LOOK_EVERY_S = 5.0  # for what is to be tried again
CUT_LOG_EVERY = 1_000  # deliveries

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Here:
    """What all webhooks share. `in_seconds`: `[compat] event_time_unit`."""

    db: Database
    clock: Clock
    new_id: NewId
    gateway_id: str
    box: Secrets
    targets: Targets
    in_seconds: bool = False

    def stamp(self) -> Stamp:
        return Stamp(self.clock.now(), self.gateway_id, self.new_id)

    def logged(self, told: Sequence[Told]) -> Sequence[Told]:
        """What of it is written into the log: nothing while the disk has no room for logs."""
        return told if self.db.room.admits(Use.TELEMETRY) else ()


@dataclass(frozen=True, slots=True)
class _Message:
    entry: Entry
    body: bytes
    replay_id: str | None = None


class Sender:
    """`run` goes on until it is stopped; whoever runs it again gives it the same object."""

    def __init__(self, here: Here, post: Post, webhook: Webhook, link: Link) -> None:
        self._here = here
        self._post = post
        self._webhook = webhook
        self._link = link
        self._secret = ""  # nosec B105 # none yet
        self._failures = 0  # rounds in a row in which nobody was reached
        self._earlier: tuple[str, ...] = ()  # what went wrong in the last of them
        self._told: list[Told] = []  # not written down yet
        self._kept_s = 0.0
        self._position = 0  # of what was told last
        self._waits: dict[tuple[int, int], float] = {}  # (seq, rounds that failed) -> until when it is left alone
        self._logged = 0
        link.facts["host"] = URL(webhook.url).host

    async def run(self) -> None:
        """Raises Unavailable when it cannot be told anything as its row is."""
        here = self._here
        self._secret = await secret_of(self._webhook, here)
        self._told.clear()
        position, self._failures = await here.db.write(store.place, self._webhook, text(here.clock.now()))
        if not self._failures:
            self._link.up()
        again = work_off(here.db, here.clock, self._webhook.reader, self._replay)
        await first(self._stream(position), self._retries(), again)

    # ------------------------------------------------------------------ the stream

    async def _stream(self, position: int) -> None:
        db, reader = self._here.db, self._webhook.reader
        async for entries in tail(db, position, batch_max=BATCH_MAX):
            for entry in entries:
                if self._wanted(entry):
                    await self._deliver(entry)
            if self._told:
                await self._keep(entries[-1].seq)
            else:
                db.write_soon(f"position:{reader}", journal.advance, reader, entries[-1].seq)

    def _wanted(self, entry: Entry) -> bool:
        return entry.type is not None and subscribed(self._webhook.events, entry.type)

    async def _deliver(self, entry: Entry) -> None:
        message = self._message(entry)
        tried = await self._reached(message)
        told = self._as_told(message, tried, self._failures)
        if told.park == store.RETRY:
            self._wait((entry.seq, told.tries), 0)
        self._came_back()
        if not self._told:
            self._kept_s = self._here.clock.monotonic()
        self._told.append(told)
        self._position = entry.seq
        if self._here.clock.monotonic() - self._kept_s > KEEP_AFTER_S:
            await self._keep(entry.seq)

    async def _reached(self, message: _Message) -> Round:
        """Again and again until somebody says something; after 72 h it is switched off, and waits for that."""
        here = self._here
        while (tried := await self._round(message)).kind is Kind.AWAY:
            if self._told:
                await self._keep(self._position)
            error = str(tried.last.error)
            if self._link.down(error):
                log.warning("link.down", link=self._link.name, error=error)
            told = self._as_told(message, tried, self._failures)
            await here.db.write(store.not_reached, here.stamp(), self._webhook, told, self._failures)
            self._earlier = (*tried.failures, error)
            pause_s = attempts.pause_s(self._failures)
            if pause_s is None:
                await self._give_up(error)
            await here.clock.sleep(pause_s or 0)
            self._failures += 1
        return tried

    async def _give_up(self, error: str) -> None:
        hours = round(attempts.GIVE_UP_S / 3600)
        said = f"not reached for {hours} h ({error}): set inactive. Once it is active again, it goes on where it was"
        log.error("webhook.deactivated", link=self._link.name, error=error)
        await self._here.db.write(store.deactivate, self._here.stamp(), self._webhook, said)
        await asyncio.Event().wait()  # the table says that this is over

    def _came_back(self) -> None:
        self._failures, self._earlier = 0, ()
        if self._link.up():
            log.info("link.up", link=self._link.name)

    async def _keep(self, position: int) -> None:
        here, told = self._here, tuple(self._told)
        await here.db.write(store.delivered, here.stamp(), self._webhook, told, here.logged(told), position)
        self._told.clear()
        self._logged += len(told)
        if self._logged >= CUT_LOG_EVERY:
            self._logged = 0
            await here.db.write(store.cut_log, self._webhook.id)

    # ------------------------------------------------------------------ once more

    async def _retries(self) -> None:
        """What stumbled over one event is tried again by itself, as long as somebody is there."""
        here = self._here
        while True:
            found, dead = await here.db.read(store.parked, self._webhook)
            self._link.facts |= {"retrying": len(found), "dead_letters": dead}
            now_s = here.clock.monotonic()
            self._waits = {one: until_s for one, until_s in self._waits.items() if until_s > now_s}
            for seq, tries in found.items():
                if (seq, tries) in self._waits or self._link.state != "up":
                    continue
                if not await self._retry(seq, tries):
                    for one in found.items():
                        self._wait(one, 0)
            await here.clock.sleep(LOOK_EVERY_S)

    async def _retry(self, seq: int, tries: int) -> bool:
        """False when nobody is there."""
        here = self._here
        for entry in await here.db.read(journal.these, [seq]):
            message = self._message(entry)
            tried = await self._round(message)
            told = self._as_told(message, tried, tries, again=True)
            await here.db.write(store.told_again, here.stamp(), self._webhook, told)
            self._wait((seq, told.tries), tries)
            return tried.kind is not Kind.AWAY
        return True

    def _wait(self, one: tuple[int, int], rounds: int) -> None:
        """The pause after so many rounds, unless it waits already."""
        self._waits.setdefault(one, self._here.clock.monotonic() + (attempts.pause_s(rounds) or 0))

    async def _replay(self, replay: Replay, entries: Sequence[Entry]) -> Went:
        """Raises Refused when nobody was there for 72 h."""
        here = self._here
        told = []
        for entry in filter(self._wanted, entries):
            message = self._message(entry, replay.id)
            rounds = 0
            while (tried := await self._round(message)).kind is Kind.AWAY:
                pause_s = attempts.pause_s(rounds)
                if pause_s is None:
                    raise Refused(f"given up at entry {entry.seq}: {tried.last.error}")
                await here.clock.sleep(pause_s)
                rounds += 1
            told.append(Told(entry, message.body.decode(), tried.last.status, attempts.told(tried), replay.id))
        await here.db.write(store.replayed, here.stamp(), self._webhook, here.logged(told))
        refused = sum(one.error is not None and one.status not in attempts.OK for one in told)
        return Went(len(told) - refused, refused)

    # ------------------------------------------------------------------ one delivery

    def _message(self, entry: Entry, replay_id: str | None = None) -> _Message:
        data = body.read(entry)
        if self._here.in_seconds:
            data = in_seconds(data)
        return _Message(entry, body.written(str(entry.type), zulu(parse(entry.occurred_at)), data), replay_id)

    async def _round(self, message: _Message) -> Round:
        """Up to three quick tries."""
        here, failures = self._here, list[str]()
        kind, event_id = str(message.entry.type), message.entry.id
        while True:
            now = here.clock.now()
            headers = signing.headers(self._secret, kind, event_id, message.body, now, message.replay_id)
            reply = await self._post.send(self._webhook.url, message.body, headers, self._secret)
            if not reply.again or len(failures) + 1 == attempts.QUICK_TRIES:
                return Round(reply, tuple(failures))
            failures.append(str(reply.error))
            await here.clock.sleep(attempts.quick_pause_s(len(failures)))

    def _as_told(self, message: _Message, tried: Round, rounds: int, *, again: bool = False) -> Told:
        """As the log has it. `rounds`: that failed before; `again`: it is on the list already."""
        error = attempts.told(tried, self._earlier if not again else (), rounds)
        park: str | None = None
        if tried.kind is Kind.NEVER:
            park = store.DEAD
        elif tried.kind is Kind.LATER or (again and tried.kind is Kind.AWAY):
            over = again and attempts.pause_s(rounds) is None
            park = store.DEAD if over else store.RETRY
        failed = rounds + 1 if again else 1
        return Told(message.entry, message.body.decode(), tried.last.status, error, None, park, failed)


async def secret_of(webhook: Webhook, here: Here) -> str:
    """What its deliveries are signed with. Raises Unavailable: it cannot be told anything as its row is."""
    try:
        check_url(webhook.url, here.targets)
    except Invalid as exc:
        raise Unavailable(exc.message) from exc
    if webhook.secret is None:
        raise Unavailable("it came without its secret: set secret_key")
    secret = await asyncio.to_thread(here.box.open, webhook.secret, about(webhook.id))
    if secret is None:
        raise Unavailable("the secret was sealed on another box and cannot be opened here: set secret_key again")
    return secret
