"""The Unified Namespace as a page shows it: what each topic said last, told in batches, over a connection of its own for as long as
somebody looks.
"""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from gateway.kernel.errors import Busy
from gateway.kernel.supervise import first
from gateway.settings import Settings
from gateway.uns.client import Session, connected
from gateway.uns.packets import Packet
from gateway.uns.topics import Topics
from gateway.uns.viewing import viewing
from gateway.uns.watch import QUALITIES, TEXT_CHARACTERS_MAX, plain, read

VIEWERS_MAX = 4
TOPICS_MAX = 5_000
BATCH_S = 1.0
BATCH_MAX = 500  # topics in one message to the page
RATE_WITHIN_S = 60.0


@dataclass(slots=True)
class Spoken:
    """A topic: when it spoke first and last by the monotonic clock, and how often."""

    packet: Packet
    first_s: float
    last_s: float
    count: int = 1

    def shown(self, now_s: float) -> dict[str, Any]:
        payload = read(self.packet.payload)
        text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
        quality = payload.get("quality") if isinstance(payload, dict) else None
        over_s = max(1.0, now_s - self.first_s)
        return {
            "topic": plain(self.packet.topic),
            "text": plain(text[:TEXT_CHARACTERS_MAX]),
            "bytes": len(self.packet.payload),
            "quality": quality if quality in QUALITIES else None,
            "retained": self.packet.retain,
            "qos": self.packet.qos,
            "count": self.count,
            "per_minute": round((self.count - 1) / over_s * RATE_WITHIN_S, 1),
            "age_s": round(now_s - self.last_s, 1),
        }


@dataclass(slots=True)
class Heard:
    """What came since the last batch stands in `fresh`; None: taken back."""

    topics: dict[str, Spoken] = field(default_factory=dict)
    fresh: dict[str, Spoken | None] = field(default_factory=dict)
    left_out: int = 0

    def take(self, packet: Packet, now_s: float) -> None:
        known = self.topics.get(packet.topic)
        if not packet.payload:
            if self.topics.pop(packet.topic, None):
                self.fresh[packet.topic] = None
            return
        if known is None and len(self.topics) >= TOPICS_MAX:
            self.left_out += 1
            return
        if known is None:
            known = self.topics[packet.topic] = Spoken(packet, now_s, now_s)
        else:
            known.packet, known.last_s, known.count = packet, now_s, known.count + 1
        self.fresh[packet.topic] = known

    def batch(self, now_s: float) -> dict[str, Any] | None:
        """None: there is nothing to tell."""
        if not self.fresh:
            return None
        some = [(topic, self.fresh.pop(topic)) for topic in list(self.fresh)[:BATCH_MAX]]
        return {
            "topics": [one.shown(now_s) for _, one in some if one is not None],
            "gone": [plain(topic) for topic, one in some if one is None],
            "total": len(self.topics),
            "left_out": self.left_out,
        }


class Namespace:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looking = 0

    async def look(self) -> AsyncGenerator[dict[str, Any] | None, None]:
        """Batches, for ever; None where there was nothing to tell. Raises Busy, StartupError, Unavailable."""
        if self._looking >= VIEWERS_MAX:
            raise Busy(f"{VIEWERS_MAX} people look at the namespace already: close a page")
        self._looking += 1
        try:
            heard, batches = Heard(), asyncio.Queue[dict[str, Any] | None](maxsize=1)
            reading = asyncio.create_task(self._read(heard, batches))
            try:
                while True:
                    taken = asyncio.ensure_future(batches.get())
                    await asyncio.wait((reading, taken), return_when=asyncio.FIRST_COMPLETED)
                    if not taken.done():
                        taken.cancel()
                        reading.result()
                        return
                    yield taken.result()
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        finally:
            self._looking -= 1

    async def _read(self, heard: Heard, batches: asyncio.Queue[dict[str, Any] | None]) -> None:
        topic = f"{Topics.of(self._settings, self._settings.gateway.id).root}/#"
        async with connected(viewing(self._settings), f"ops-{secrets.token_hex(4)}", by_hand=True) as session:
            await session.subscribe_to_others(topic)
            await first(_listen(session, heard), _tell(heard, batches))


async def _listen(session: Session, heard: Heard) -> None:
    async with contextlib.aclosing(session.packets()) as packets:
        async for packet in packets:
            heard.take(packet, time.monotonic())
            session.acknowledge(packet)


async def _tell(heard: Heard, batches: asyncio.Queue[dict[str, Any] | None]) -> None:
    while True:
        await asyncio.sleep(BATCH_S)
        await batches.put(heard.batch(time.monotonic()))
