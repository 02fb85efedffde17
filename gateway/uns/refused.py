"""What the broker will not have: tried again a few times, told once for each place, counted, never silent.

Most brokers say no with a reason. Some end the connection instead: a message at which that happens again and again is
left out, or nothing after it would ever arrive.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from gateway.kernel.clock import Clock
from gateway.kernel.health import Link
from gateway.uns.client import TOO_LARGE, Cut, Message, Refusal, Session

TRIES_MAX = 3  # in a place where everything is refused; after that each message there gets one
AGAIN_S = 1.0
CUTS_MAX = 3  # connections in a row that end at the same message, before it is left out
PLACES_MAX = 1_000  # remembered; topics may hold a job's number

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Turn:
    """One go at a batch: where its messages went, and how many were not even sent."""

    places: set[str] = field(default_factory=set)
    left_out: int = 0


class Refusals:
    """The link is `degraded` while some place refuses, and its fact `refused` counts what never arrived."""

    def __init__(self, clock: Clock, link: Link) -> None:
        self._clock = clock
        self._link = link
        self._tries: dict[str, int] = {}  # place -> how often in a row it has refused
        self._cuts: tuple[int, int] = (0, 0)  # the message at which the connection ended, how often in a row
        self._left_out: set[int] = set()
        self._link.facts.setdefault("refused", 0)

    def connected(self) -> None:
        """A new session: places are told anew."""
        self._tries.clear()

    def settle(self) -> None:
        """Everything is told: the link is up, unless some place still refuses."""
        if not self._tries and self._link.up():
            log.info("link.up", link=self._link.name)

    async def publish(self, session: Session, messages: Iterable[Message]) -> int:
        """Send in order and wait for every PUBACK. Returns how many were given up."""
        given_up = 0
        waiting: Iterable[Message] = messages
        while waiting:
            turn = _Turn()
            try:
                refused = await session.publish(self._sent(waiting, turn))
            except Cut as exc:
                self._suspect(exc.unanswered)
                raise
            self._judge(turn.places, refused)
            waiting = [one.message for one in refused if self._again(one)]
            given_up += turn.left_out + len(refused) - len(waiting)
            if waiting:
                await self._clock.sleep(AGAIN_S)
        self._link.facts["refused"] += given_up
        return given_up

    def _sent(self, messages: Iterable[Message], turn: "_Turn") -> Iterator[Message]:
        for message in messages:
            if self._left_out and _mark(message) in self._left_out:
                turn.left_out += 1
            else:
                turn.places.add(_place(message))
                yield message

    def _suspect(self, message: Message) -> None:
        mark, count = self._cuts
        count = count + 1 if mark == _mark(message) else 1
        self._cuts = (_mark(message), count)
        if count == CUTS_MAX:
            if len(self._left_out) > PLACES_MAX:
                self._left_out.clear()
            self._left_out.add(_mark(message))
            log.error("uns.left_out", topic=message.topic, bytes=message.payload_bytes, cuts=count)

    def _again(self, refusal: Refusal) -> bool:
        return refusal.code != TOO_LARGE and self._tries[_place(refusal.message)] < TRIES_MAX

    def _judge(self, tried: set[str], refused: list[Refusal]) -> None:
        if not refused and not self._tries:
            return
        by_place = {_place(one.message): one for one in refused}
        for place in tried - by_place.keys():
            self._tries.pop(place, None)
        for place, one in by_place.items():
            if place not in self._tries:
                log.warning("uns.refused", topic=one.message.topic, code=one.code, reason=one.reason)
            self._tries[place] = self._tries.get(place, 0) + 1
        if len(self._tries) > PLACES_MAX:
            self._tries = {place: self._tries[place] for place in by_place}
        if by_place:
            one = next(iter(by_place.values()))
            self._link.degraded(f"the broker refuses {one.message.topic} ({one.code} {one.reason}): see its ACL")
        else:
            self.settle()


def _mark(message: Message) -> int:
    """The same for the same event, and for every word about the same state."""
    return hash(message.topic if message.retain else (message.topic, message.payload))


def _place(message: Message) -> str:
    """Where it is told once: an event's topic, the folder of a state."""
    return message.topic.rsplit("/", 1)[0] if message.retain else message.topic
