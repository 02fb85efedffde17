"""What the broker will not have: tried again a few times, told once for each place, counted, never silent.

Most brokers say no with a reason. Some end the connection instead: a message at which that happens again and again is
left out, or nothing after it would ever arrive. A used-up quota is no refusal: whatever it hits waits, in its order.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import structlog

from gateway.kernel.clock import Clock
from gateway.kernel.health import Link
from gateway.uns.client import QUOTA_EXCEEDED, TOO_LARGE, Cut, Session
from gateway.uns.packets import Acknowledged, Message

TRIES_MAX = 3  # in a place where everything is refused; after that each message there gets one
AGAIN_S = 1.0
QUOTA_PAUSE_S, QUOTA_PAUSE_MAX_S = 1.0, 60.0  # the first, and what the pauses grow to
CUTS_MAX = 3  # connections in a row that end at the same message, before it is left out
PLACES_MAX = 1_000  # remembered; topics may hold a job's number
_LEFT_OUT = (0x80, "the broker ends the connection at this message")

log = structlog.get_logger(__name__)


class Refusals:
    """The link is `degraded` while some place refuses, and its fact `refused` counts what never arrived."""

    def __init__(self, clock: Clock, link: Link) -> None:
        self._clock = clock
        self._link = link
        self._tries: dict[str, int] = {}  # place -> how often in a row it has refused
        self._cuts: tuple[int, int] = (0, 0)  # the message at which the connection ended, how often in a row
        self._left_out: set[int] = set()
        self._over_quota = 0  # batches that wait for a quota
        self._link.facts.setdefault("refused", 0)

    def connected(self) -> None:
        """A new session: places are told anew."""
        self._tries.clear()

    def settle(self) -> None:
        """Everything is told: the link is up, unless some place still refuses."""
        if not self._tries and not self._over_quota and self._link.up():
            log.info("link.up", link=self._link.name)

    async def publish(self, session: Session, messages: Iterable[Message]) -> int:
        """Send in order and wait for every PUBACK. Returns how many were given up. Raises Cut, Unavailable."""
        return sum(one.refused for one in await self.deliver(session, messages))

    async def deliver(self, session: Session, messages: Iterable[Message]) -> list[Acknowledged]:
        """The same, with the last answer to each: those that had to be tried again stand behind the others."""
        final: list[Acknowledged] = []
        waiting: Iterable[Message] = messages
        quota_pause_s = 0.0
        try:
            while waiting:
                answers = await self._go(session, waiting, final)
                taken = list(itertools.takewhile(lambda one: one.code != QUOTA_EXCEEDED, answers))
                held = [one.message for one in answers[len(taken) :]]  # also what went through: the order counts more
                self._judge(taken)
                again = [one for one in taken if one.refused and self._again(one)]
                final += [one for one in taken if not one.refused or not self._again(one)]
                waiting = [*(one.message for one in again), *held]
                if held:
                    if not quota_pause_s:
                        self._over_quota += 1
                    quota_pause_s = min(2 * quota_pause_s or QUOTA_PAUSE_S, QUOTA_PAUSE_MAX_S)
                    self._quota(quota_pause_s)
                if waiting:
                    await self._clock.sleep(quota_pause_s if held else AGAIN_S)
        finally:
            if quota_pause_s:
                self._over_quota -= 1
        if quota_pause_s:
            self.settle()
        self._link.facts["refused"] += sum(one.refused for one in final)
        return final

    async def _go(
        self, session: Session, messages: Iterable[Message], left_out: list[Acknowledged]
    ) -> list[Acknowledged]:
        """One go at a batch; what is not even sent is added to `left_out`."""
        try:
            return await session.acknowledged(self._sent(messages, left_out))
        except Cut as exc:
            self._suspect(exc.unanswered)
            raise

    def _quota(self, pause_s: float) -> None:
        told = f"the broker's quota is used up ({QUOTA_EXCEEDED}): trying again in {pause_s:.0f} s"
        if self._link.degraded(told):
            log.warning("uns.quota", link=self._link.name, error=told)

    def _sent(self, messages: Iterable[Message], left_out: list[Acknowledged]) -> Iterator[Message]:
        for message in messages:
            if self._left_out and _mark(message) in self._left_out:
                left_out.append(Acknowledged(message, *_LEFT_OUT, 0.0))
            else:
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

    def _again(self, refusal: Acknowledged) -> bool:
        return refusal.code != TOO_LARGE and self._tries[_place(refusal.message)] < TRIES_MAX

    def _judge(self, answers: Sequence[Acknowledged]) -> None:
        by_place = {_place(one.message): one for one in answers if one.refused}
        if not by_place and not self._tries:
            return
        for place in {_place(one.message) for one in answers} - by_place.keys():
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
