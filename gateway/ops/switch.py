"""A link that a person has stopped: it stays so over a restart, until somebody lets it go on."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

import structlog

from gateway.kernel import clock as time_
from gateway.kernel import state
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.health import Link
from gateway.kernel.supervise import first

KEY = "ops.paused"  # in gateway_state
PAUSED = "paused"  # a fact of the link

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Paused:
    since: str
    by: str
    reason: str


class Switch:
    """Of the cloud link. `load` it first."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self.paused: Paused | None = None
        self._turned = asyncio.Event()
        self.on_again: Callable[[], None] = _nothing  # ends the pauses of the link

    async def load(self) -> None:
        kept = await self._db.read(state.get, KEY)
        self.paused = None if kept is None else Paused(**json.loads(kept))

    async def pause(self, by: str, reason: str) -> Paused:
        """What is being sent is left and repeated later. Paused already: it stays as it was."""
        await self.load()
        if self.paused is None:
            wanted = Paused(time_.zulu(self._clock.now()), by, reason)
            await self._db.write(state.put, KEY, json.dumps(asdict(wanted)))
            self.paused = wanted
            log.warning("link.paused", link="cloud", by=by, reason=reason)
            self._turn()
        return self.paused

    async def resume(self, by: str) -> None:
        await self._db.write(state.forget, KEY)
        self.paused = None
        log.info("link.resumed", link="cloud", by=by)
        self._turn()

    async def hold(self, run: Callable[[], Awaitable[None]], links: Sequence[Link]) -> None:
        """Run it while nobody has stopped it. Raises what it raises."""
        while True:
            turned = self._turned
            stopped = self.paused
            links[0].facts[PAUSED] = stopped and asdict(stopped)
            if stopped is None:
                await first(run(), _wait(turned))
            else:
                for link in links:
                    link.off(
                        f"paused by {stopped.by}: {stopped.reason}" if stopped.reason else f"paused by {stopped.by}"
                    )
                await turned.wait()

    def again(self) -> None:
        """Whatever it waits for: it begins anew."""
        self.on_again()
        self._turn()

    def _turn(self) -> None:
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()


def _nothing() -> None:
    """A link without pauses of its own."""


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
