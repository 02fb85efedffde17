"""The way out of one publisher: the journal on its broker, from where it left off, with its own pauses."""

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database
from gateway.kernel.errors import Invalid, Unavailable
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.kernel.room import Use
from gateway.kernel.secrets import Secrets
from gateway.kernel.supervise import first
from gateway.outbox import journal
from gateway.outbox.event import Entry, Stamp, row_lane, subscribed
from gateway.outbox.reader import tail
from gateway.publishers import rules, store
from gateway.publishers.model import Publisher
from gateway.publishers.resources import PUBLISHERS
from gateway.publishers.store import Told
from gateway.replays.model import Replay, Went
from gateway.replays.worker import work_off
from gateway.uns import payloads
from gateway.uns import store as uns
from gateway.uns.client import Session, connected
from gateway.uns.packets import Acknowledged, Address, Message
from gateway.uns.payloads import Source
from gateway.uns.refused import Refusals
from gateway.uns.retained import about_cells
from gateway.uns.topics import Place, Topics

BATCH_MAX = 100  # journal entries: what is sent again, at the most, when the connection breaks off
SESSION_EXPIRY_S = 86_400
BREAKER_AFTER = 5  # failures in a row: connections on which nothing was told, and that did not last
BREAKER_OPEN_S = 30.0
CUT_LOG_EVERY = 1_000  # messages

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Here:
    """What all publishers share."""

    db: Database
    clock: Clock
    new_id: NewId
    topics: Topics  # the gateway's own
    box: Secrets

    def stamp(self) -> Stamp:
        return Stamp(self.clock.now(), self.topics.gateway_id, self.new_id)

    def topics_of(self, publisher: Publisher) -> Topics:
        names = publisher.enterprise, publisher.site, publisher.area
        return rules.topics_of(self.topics, publisher.topic_pattern, *names)

    def logged(self, told: Sequence[Told]) -> Sequence[Told]:
        """What of it is written into the log: nothing while the disk has no room for logs."""
        return told if self.db.room.admits(Use.TELEMETRY) else ()

    def client_id(self, publisher: Publisher) -> str:
        return f"gw-{self.topics.gateway_id}-{publisher.id}"


class Sender:
    """`run` connects and publishes until the broker is gone; whoever runs it again and again gives it the same object."""

    def __init__(self, here: Here, source: Source, publisher: Publisher, link: Link) -> None:
        self._here = here
        self._source = source
        self._publisher = publisher
        self._link = link
        self._topics = here.topics_of(publisher)
        self._refusals = Refusals(here.clock, link)
        self._places: dict[str, Place] = {}
        self._prev: int | None = None
        self._failures = 0
        self._logged = 0
        link.facts["publisher"] = publisher.name
        link.facts["breaker"] = "closed"

    async def run(self) -> None:
        """Raises Unavailable when the broker is gone, and waits before it tries one that has failed too often."""
        if self._failures >= BREAKER_AFTER:
            await self._here.clock.sleep(BREAKER_OPEN_S)
            self._link.facts["breaker"] = "half-open"
        began_s = self._here.clock.monotonic()
        try:
            await self._connected()
        except Unavailable as exc:
            lasted = self._here.clock.monotonic() - began_s > BREAKER_OPEN_S
            self._failures = 1 if lasted else self._failures + 1
            await self._stands(exc.message)
            if self._failures < BREAKER_AFTER:
                raise
            if self._failures == BREAKER_AFTER:
                log.warning("publisher.breaker_open", link=self._link.name, failures=self._failures)
            self._link.facts["breaker"] = "open"
            told = (
                f"{exc.message}; {self._failures} failures in a row, so it is tried every {BREAKER_OPEN_S:.0f} s only"
            )
            raise Unavailable(told) from exc

    async def _connected(self) -> None:
        address = await address_of(self._publisher, self._here.box)
        name = self._here.client_id(self._publisher)
        async with connected(address, name, session_expiry_s=SESSION_EXPIRY_S) as session:
            self._link.facts["breaker"] = "closed"
            await self._stands(None)
            self._refusals.connected()
            self._refusals.settle()
            again = work_off(self._here.db, self._here.clock, self._publisher.reader, partial(self._replay, session))
            await first(self._stream(session), again, session.lost())

    async def _stands(self, error: str | None) -> None:
        await self._here.db.write(store.stands, self._here.stamp(), self._publisher.id, error)

    # ------------------------------------------------------------------ the stream

    async def _stream(self, session: Session) -> None:
        db = self._here.db
        self._places = await db.write(uns.places)
        position = await db.write(store.place, self._publisher, text(self._here.clock.now()))
        self._prev = await db.read(store.published_before, self._publisher, position)
        async for entries in tail(db, position, batch_max=BATCH_MAX):
            await self._deliver(session, entries)

    async def _deliver(self, session: Session, entries: Sequence[Entry]) -> None:
        db, publisher, last = self._here.db, self._publisher, entries[-1].seq
        if any(about_cells(entry) for entry in entries):
            self._places = await db.write(uns.places)
        messages = list(self._messages(entries))
        if not messages:
            db.write_soon(f"position:{publisher.reader}", journal.advance, publisher.reader, last)
            return
        told = [told_of(answer) for answer in await self._refusals.deliver(session, messages)]
        self._link.facts["latency_ms"] = told[-1].latency_ms
        await db.write(store.delivered, self._here.stamp(), publisher, told, self._here.logged(told), last)
        self._failures = 0
        self._logged += len(told)
        if self._logged >= CUT_LOG_EVERY:
            self._logged = 0
            await db.write(store.cut_log, publisher.id)

    def _messages(self, entries: Sequence[Entry]) -> Iterator[Message]:
        for entry in entries:
            if entry.type is not None and subscribed(self._publisher.events, entry.type):
                yield self._message(entry, self._prev)
                self._prev = entry.seq

    def _message(self, entry: Entry, prev: int | None, replay_id: str | None = None) -> Message:
        data, source, kind = payloads.data_of(entry), self._source, str(entry.type)
        told = payloads.event(entry, data, source, prev, replay_id)
        topic = self._topics.event(kind, self._places.get(str(data.get("cell_id"))), data)
        properties = (("event", kind), *payloads.properties(told, source.gateway_id))
        return Message(topic, payloads.written(told), properties=properties)

    async def _replay(self, session: Session, replay: Replay, entries: Sequence[Entry]) -> Went:
        wanted = (entry for entry in entries if subscribed(self._publisher.events, str(entry.type)))
        messages = [self._message(entry, None, replay.id) for entry in wanted]
        told = [told_of(answer) for answer in await self._refusals.deliver(session, messages)]
        logged = self._here.logged(told)
        await self._here.db.write(store.replayed, self._here.stamp(), self._publisher, logged, replay.id)
        refused = sum(one.error is not None for one in told)
        return Went(len(told) - refused, refused)


def told_of(answer: Acknowledged) -> Told:
    """As the log has it."""
    message = answer.message
    error = f"the broker refused it ({answer.code} {answer.reason})" if answer.refused else None
    return Told(
        dict(message.properties)["event"], message.topic, str(message.payload), error, round(answer.latency_s * 1e3)
    )


async def address_of(publisher: Publisher, box: Secrets) -> Address:
    """Where and as whom. Raises Unavailable: what the row says cannot be used here."""
    return await asyncio.to_thread(_address, publisher, box)  # files are read: the box key, the system's authorities


def _address(publisher: Publisher, box: Secrets) -> Address:
    try:
        where = rules.where(publisher.broker_url, publisher.port, use_tls=publisher.use_tls)
    except Invalid as exc:
        raise Unavailable(exc.message) from exc
    password = ""  # nosec B105 # none yet
    if publisher.password is not None:
        found = box.open(publisher.password, row_lane(PUBLISHERS.table, publisher.id))
        if found is None:
            raise Unavailable("the password was sealed on another box and cannot be opened here: set it again")
        password = found
    tls = None
    if where.tls:
        try:
            tls = ssl.create_default_context(cadata=publisher.ca_certificate)
        except (ssl.SSLError, TypeError, ValueError) as exc:
            raise Unavailable(f"ca_certificate cannot be used ({exc})") from exc
    return Address(
        where.host,
        where.port,
        publisher.username or "",
        password,
        tls=tls,
        allowed=rules.may_lead_to,
        credentials=f'see username and password of the publisher "{publisher.name}"',
    )
