"""What was not taken, told to whoever looks after the device: at most once a second for each device and code, with a count."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock, sleep_or_wake
from gateway.kernel.health import Link
from gateway.outbox.event import encode
from gateway.uns import payloads
from gateway.uns.inbound import answers
from gateway.uns.packets import Message
from gateway.uns.topics import Topics

EACH_S = 1.0
EXPIRES_S = 3_600
KINDS_MAX = 1_000  # devices and codes that wait to be told; beyond it they are only counted

log = structlog.get_logger(__name__)

Kind = tuple[str, str]  # device, code


@dataclass(slots=True)
class _Sample:
    """The last of `count` alike."""

    topic: str
    message: str
    payload: bytes
    count: int = 0


class Rejections:
    """The link's facts `inbound_rejected` (all of them, of `inbound` messages) and `last_rejected` say the same in `/healthz`."""

    def __init__(self, clock: Clock, link: Link, topics: Topics) -> None:
        self._clock = clock
        self._link = link
        self._topics = topics
        self._waiting: dict[Kind, _Sample] = {}
        self._free_at_s: dict[Kind, float] = {}
        self._news = asyncio.Event()
        self._link.facts |= {"inbound": 0, "inbound_rejected": 0, "last_rejected": None}

    def note(self, device: str, topic: str, code: str, message: str, payload: bytes) -> None:
        """`message` holds nothing of the payload."""
        self.count()
        shown = {"at": time_.zulu(self._clock.now()), "device": device, "topic": topic[: answers.TOPIC_SHOWN_MAX]}
        self._link.facts["last_rejected"] = {**shown, "code": code, "message": message}
        kind = (device, code)
        if kind not in self._waiting and len(self._waiting) >= KINDS_MAX:
            return
        before = self._waiting.get(kind)
        self._waiting[kind] = _Sample(topic, message, payload, (before.count if before else 0) + 1)
        self._news.set()

    def heard(self) -> None:
        self._link.facts["inbound"] += 1

    def count(self, many: int = 1) -> None:
        self._link.facts["inbound_rejected"] += many

    async def run(self, publish: Callable[[list[Message]], Awaitable[object]]) -> None:
        """Never returns."""
        while True:
            self._news.clear()
            now_s = self._clock.monotonic()
            self._free_at_s = {kind: at_s for kind, at_s in self._free_at_s.items() if at_s > now_s}
            due = [kind for kind in self._waiting if kind not in self._free_at_s]
            messages = [self._told(kind, self._waiting.pop(kind)) for kind in due]
            self._free_at_s |= dict.fromkeys(due, now_s + EACH_S)
            if messages:
                await publish(messages)
            if not self._waiting:
                await self._news.wait()
            else:
                next_s = min(self._free_at_s.get(kind, 0.0) for kind in self._waiting)
                await sleep_or_wake(self._clock, max(0.0, next_s - self._clock.monotonic()), self._news)

    def _told(self, kind: Kind, sample: _Sample) -> Message:
        device, code = kind
        topic = sample.topic[: answers.TOPIC_SHOWN_MAX]
        log.warning("uns.rejected", device=device, code=code, topic=topic, message=sample.message, count=sample.count)
        digest = hashlib.sha256(sample.payload).hexdigest()
        told = answers.error(code, sample.message, topic, digest, sample.count, self._clock.now())
        properties = payloads.properties(told, self._topics.gateway_id)
        return Message(self._topics.error(device), encode(told), expires_s=EXPIRES_S, properties=properties)
