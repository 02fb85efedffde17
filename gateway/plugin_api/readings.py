"""For plugins that read machines: a value is handed over, and somebody watches over each machine's connection.

A machine that is away, or a plugin that fails at one machine, holds up no other.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import structlog

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.errors import GatewayError, Unavailable
from gateway.kernel.health import Link, State
from gateway.kernel.supervise import first, keep_running

MESSAGE_MAX = 500  # characters of a refusal that are shown

log = structlog.get_logger(__name__)

Quality = Literal["good", "uncertain", "bad"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a machine, as the machine says it; the `[[uns.mapping]]`s of its device say what it means.

    `device`: the id of a `[[uns.device]]`. `input`: `state`, `counter/<name>`, `tag/<name>`, `cycle` or `badge`; for a cycle
    `value` is an object {id, good, scrap, program, duration_s} or the number of good pieces, for a badge its number or {badge, on}.
    `at`: when it was so, by the source's own clock. `quality`: what its source thinks of it; a `bad` one is never booked.
    `id`: of this very value. Told again with the same id it is not booked a second time, for 30 days; counters and states may be
    told again without one, in their order.
    """

    device: str
    input: str
    value: Any = field(repr=False)  # it may be somebody's badge
    at: datetime | None = None
    quality: Quality = "good"
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not done and will not be: a code of the API, as `COUNTER_JUMP`, `VALIDATION_ERROR`, and a sentence."""

    code: str
    message: str


class Machines(Protocol):
    """What machines tell, by the same rules as over MQTT."""

    def require(self, device: str, inputs: Iterable[str]) -> None:
        """Raises UnknownDevice, Forbidden, and Invalid for an input that says nothing here."""
        ...

    async def take(self, reading: Reading) -> tuple[Refusal, ...]:
        """Returns once it is booked, on the disk; what of it was refused comes back. While the disk takes nothing it waits."""
        ...

    async def online(self, device: str, *, online: bool) -> None:
        """Whether the machine can be reached. True again and again keeps it from being taken for silent, and writes nothing."""
        ...


class Source:
    """One machine that a plugin reads. `link` is its entry under `devices` in the plugin's own in `/healthz`; `totals` are the
    facts there that count for all of them.
    """

    def __init__(self, device: str, machines: Machines, clock: Clock, link: Link, totals: dict[str, Any]) -> None:
        self.device = device
        self.link = link
        self._totals = totals
        self._machines = machines
        self._clock = clock
        self._online: bool | None = None
        self._told: dict[str, tuple[Any, Quality]] = {}
        self.link.facts |= {"readings": 0, "refused": 0, "last_refused": None}

    async def tell(
        self, input_: str, value: Any, at: datetime | None = None, quality: Quality = "good", id_: str | None = None
    ) -> None:
        """Returns once it is booked, or refused and shown."""
        refusals = await self._machines.take(Reading(self.device, input_, value, at, quality, id_))
        facts = self.link.facts
        for told in (facts, self._totals):
            told["readings"] += 1
            told["refused"] += len(refusals)
        for one in refusals:
            before = facts["last_refused"] or {}
            if (before.get("input"), before.get("code")) != (input_, one.code):
                log.warning("plugin.refused", link=self.link.name, input=input_, code=one.code, what=one.message)
            about = {"input": input_, "code": one.code, "message": one.message[:MESSAGE_MAX]}
            facts["last_refused"] = {"at": time_.zulu(self._clock.now()), **about}

    async def tell_changed(self, input_: str, value: Any, quality: Quality = "good") -> None:
        """For values that are looked at again and again: only what is new since the connection was made."""
        if self._told.get(input_) != (value, quality):
            await self.tell(input_, value, quality=quality)
            self._told[input_] = (value, quality)

    async def reached(self) -> None:
        """It answers: to be said at least as often as the device's `stale_after` wants it."""
        self._online = True
        await self._machines.online(self.device, online=True)

    async def lost(self) -> None:
        self._told.clear()
        if self._online is not False:
            self._online = False
            await self._machines.online(self.device, online=False)


class _Shown(Link):
    """Of one machine; its facts hold everything that is shown about it."""

    def __init__(self, name: str, clock: Clock, changed: Callable[[], None]) -> None:
        super().__init__(name, clock)
        self._changed = changed

    def _become(self, state: State, error: str | None) -> bool:
        news = super()._become(state, error)
        self.facts |= {"state": self.state, "since": self.since, "error": self.error}
        self._changed()
        return news


Run = Callable[[Source], Awaitable[None]]


class Sources:
    """All machines of a plugin. `link`: the plugin's own; it is up when each of them is, and down when none is."""

    def __init__(self, machines: Machines | None, clock: Clock, link: Link, *, retry_max_s: float) -> None:
        self._machines = machines
        self._clock = clock
        self._link = link
        self._retry_max_s = retry_max_s
        self._rng = random.Random()  # nosec B311 # noqa: S311 -- jitter, no secret
        self._links: dict[str, _Shown] = {}

    async def run(self, sources: Mapping[str, tuple[Iterable[str], Run]]) -> None:
        """device -> its inputs and what reads it. A `Run` never returns; it raises Unavailable when the machine cannot be
        reached and is called again, later and later. Never returns.
        """
        self._links = {device: _Shown(f"{self._link.name}:{device}", self._clock, self._tell) for device in sources}
        self._link.facts |= {"readings": 0, "refused": 0}
        self._link.facts["devices"] = {device: one.facts for device, one in self._links.items()}
        if self._machines is None:
            raise Unavailable("machines speak to a gateway that runs (`eryxon-gateway run`), not to this command")
        if not sources:
            self._link.off("no machine is named in its settings")
        machines = self._machines
        # `first` cancels again what lost a cancellation, as asyncua does while it disconnects.
        await first(_forever(), *(self._kept(device, *wanted, machines) for device, wanted in sources.items()))

    async def _kept(self, device: str, inputs: Iterable[str], run: Run, machines: Machines) -> None:
        link = self._links[device]
        try:
            machines.require(device, inputs)
        except GatewayError as exc:  # the settings are wrong: trying again mends nothing
            link.down(exc.message)
            log.error("plugin.source_refused", link=link.name, error=exc.message)  # noqa: TRY400 -- no defect
            await _forever()
        source = Source(device, machines, self._clock, link, self._link.facts)

        async def once() -> None:
            try:
                await run(source)
            except Unavailable:
                await source.lost()
                raise

        await keep_running(once, link, clock=self._clock, rng=self._rng, cap_s=self._retry_max_s)

    def _tell(self) -> None:
        """What stands about the plugin in `/healthz`."""
        wrong = [f"{name}: {one.error}" for name, one in self._links.items() if one.state != "up"]
        if not wrong:
            self._link.up()
        elif any(one.state in ("up", "degraded") for one in self._links.values()):
            self._link.degraded("; ".join(wrong)[:MESSAGE_MAX])
        else:
            self._link.down("; ".join(wrong)[:MESSAGE_MAX])


async def _forever() -> None:
    await asyncio.Event().wait()
