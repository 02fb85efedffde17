"""The simulated laser: a machine that only speaks MQTT. It asks what to make, counts, stumbles, starts anew, and ends its work."""

import asyncio
import contextlib
import json
import random
import uuid
from collections.abc import Callable
from typing import Any

from gateway.demo.plc import Counter, Sent
from gateway.kernel.clock import Clock
from gateway.kernel.errors import Unavailable
from gateway.kernel.supervise import first
from gateway.uns.client import Session, connected
from gateway.uns.packets import Address, Message, Will

DEVICE = "laser-1"
NAME = "Laser 1"
STEP_S = 1.5  # between two pieces, about
ANSWER_MAX_S = 2.0  # then the same is asked again, with the same id
TRIED_MAX = 5
IDLE_S = 3.0
PIECES_MAX = 3  # of one count
SCRAP_SHARE, TWICE_SHARE, REBOOT_SHARE, FAULT_SHARE = 0.06, 0.1, 0.02, 0.3
OFF, IDLE, RUNNING, FAULT = 0, 1, 4, 8  # as its controller says it
COUNTER_BITS = 16
CONFIGURATION = f"""
[[uns.device]]
id = "{DEVICE}"
cells = ["Laser"]
commands = ["start", "complete", "active", "queue"]
operator = "laser.1"
[[uns.mapping]]
device = "{DEVICE}"
input = "counter/good"
rule = "counter_delta"
report = "quantity_good"
bits = {COUNTER_BITS}
flush = "2s"
[[uns.mapping]]
device = "{DEVICE}"
input = "counter/scrap"
rule = "counter_delta"
report = "quantity_scrap"
bits = {COUNTER_BITS}
flush = "2s"
[[uns.mapping]]
device = "{DEVICE}"
input = "state"
rule = "state_map"
map = {{ {OFF} = "off", {IDLE} = "idle", {RUNNING} = "running", {FAULT} = "fault" }}
on_enter = {{ fault = "pause", running = "resume" }}
"""


class Refused(Exception):
    """The gateway did not do what was asked."""


class Laser:
    """`booked`: good pieces of operations whose end was answered: those are on the gateway's disk. `root`: of the topics."""

    def __init__(
        self, address: Address, root: str, clock: Clock, rng: random.Random, tell: Callable[[str], None]
    ) -> None:
        self._address = address
        self._own = f"{root}/_dev/{DEVICE}"
        self._clock = clock
        self._rng = rng
        self._tell = tell
        self._counters = {
            "good": Counter(clock, COUNTER_BITS, 2**COUNTER_BITS - 20),
            "scrap": Counter(clock, COUNTER_BITS),
        }
        self._made: dict[str, int] = {}  # operation -> good pieces of this shift
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.booked = 0

    async def run(self) -> None:
        """Work for ever; a broker that is away is knocked at again."""
        will = Will(Message(f"{self._own}/status", '{"online":false}', retain=True), 0)
        while True:
            with contextlib.suppress(Unavailable):
                async with connected(self._address, f"demo-{DEVICE}", will=will) as session:
                    await session.subscribe(f"{self._own}/rsp")
                    await first(self._hear(session), self._shift(session))
            await self._clock.sleep(STEP_S)

    async def _shift(self, session: Session) -> None:
        await session.publish([Message(f"{self._own}/status", '{"online":true}', retain=True)])
        for name, counter in self._counters.items():
            await self._count(session, name, counter.now())
        while True:
            try:
                operation = await self._next(session)
                if operation is not None:
                    await self._work(session, operation)
                    continue
            except Refused as no:
                self._tell(f"{NAME}: {no}")
            await self._state(session, IDLE)
            await self._clock.sleep(IDLE_S)

    async def _next(self, session: Session) -> dict[str, Any] | None:
        """What it was at, else the head of its queue."""
        running: dict[str, Any] | None = (await self._ask(session, "active"))["operation"]
        if running is not None:
            return running
        waiting = (await self._ask(session, "queue", limit=1))["queue"]
        if not waiting:
            return None
        found: dict[str, Any] = waiting[0]
        await self._ask(session, "start", operation_id=found["operation_id"])
        self._tell(f"{NAME} starts {found['operation_name']} of {found['part_number']}")
        return found

    async def _work(self, session: Session, operation: dict[str, Any]) -> None:
        operation_id, planned = operation["operation_id"], operation["planned"]
        await self._state(session, RUNNING)
        done = max(operation["good"], self._made.get(operation_id, 0))
        while done < planned:
            await self._clock.sleep(STEP_S * self._rng.uniform(0.7, 1.3))
            done += await self._cut(session, operation_id, planned - done)
            if self._rng.random() < REBOOT_SHARE and not self._counters["good"].near_its_end:
                await self._reboot(session)
        if self._rng.random() < FAULT_SHARE:
            self._tell(f"{NAME} has a fault, and its work stands still")
            await self._state(session, FAULT)
            await self._clock.sleep(STEP_S * 2)
            await self._state(session, RUNNING)
        await self._ask(session, "complete", operation_id=operation_id)
        self.booked += self._made.pop(operation_id, 0)
        self._tell(f"{NAME} completes {operation['operation_name']} of {operation['part_number']}: {done} pieces")

    async def _cut(self, session: Session, operation_id: str, left: int) -> int:
        pieces = min(left, self._rng.randint(1, PIECES_MAX))
        self._made[operation_id] = self._made.get(operation_id, 0) + pieces
        sent = self._counters["good"].make(pieces)
        for _ in range(2 if self._rng.random() < TWICE_SHARE else 1):
            await self._count(session, "good", sent)
        if self._rng.random() < SCRAP_SHARE:
            await self._count(session, "scrap", self._counters["scrap"].make(1))
        return pieces

    async def _reboot(self, session: Session) -> None:
        self._tell(f"{NAME}: its controller starts anew, its counters begin at 0")
        await self._state(session, OFF)
        for name, counter in self._counters.items():
            await self._count(session, name, counter.reboot())
        await self._state(session, RUNNING)

    async def _state(self, session: Session, value: int) -> None:
        await session.publish([Message(f"{self._own}/in/state", str(value), retain=True)])

    async def _count(self, session: Session, name: str, sent: Sent) -> None:
        await session.publish([Message(f"{self._own}/in/counter/{name}", json.dumps(sent.payload), retain=True)])

    # ------------------------------------------------------------------ questions and answers

    async def _ask(self, session: Session, verb: str, **body: Any) -> dict[str, Any]:
        """What the gateway answers. Raises Refused, Unavailable when nobody does."""
        request_id = str(uuid.uuid4())
        wish = Message(f"{self._own}/cmd/{verb}", json.dumps({"request_id": request_id, **body}))
        answer = self._answers[request_id] = asyncio.get_running_loop().create_future()
        try:
            for _ in range(TRIED_MAX):
                await session.publish([wish])
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ANSWER_MAX_S):
                        told = await asyncio.shield(answer)
                        if not told["ok"]:
                            raise Refused(told["error"]["message"])
                        data: dict[str, Any] = told["data"]
                        return data
        finally:
            del self._answers[request_id]
        raise Unavailable("the gateway does not answer")

    async def _hear(self, session: Session) -> None:
        async for _, payload in session.received():
            told = json.loads(payload)
            answer = self._answers.get(told["request_id"])
            if answer is not None and not answer.done():
                answer.set_result(told)
