"""Everything that devices send: from the connection into one lane for each device, from there to the machines' rules.

A message is acknowledged once what it asks for is committed, or once it is refused and that is told; whatever ends us
before, the broker sends it again, and the rules know it. Nobody's message ends anything but itself.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import structlog

from gateway.kernel.clock import Clock, sleep_or_wake
from gateway.kernel.errors import (
    Conflict,
    GatewayError,
    Invalid,
    InvalidTransition,
    RetainedCommand,
    RoomKept,
    Unavailable,
    UnknownDevice,
)
from gateway.kernel.health import Link
from gateway.kernel.supervise import first
from gateway.machines.commands import MachineCommands
from gateway.machines.model import Badge, Cycle, Reading, Told
from gateway.outbox.event import encode
from gateway.uns import payloads
from gateway.uns.client import Session
from gateway.uns.inbound import answers, wire
from gateway.uns.inbound.lane import Heard, Lane
from gateway.uns.inbound.rejected import Rejections
from gateway.uns.packets import Message, Packet
from gateway.uns.refused import Refusals
from gateway.uns.topics import Topics, checked

MARK_SCHEMA = "uns/probe/1"
MARK_EVERY_S = 2.0  # a broker whose queue for us is full drops what is new, also our mark
AGAIN_S = 0.25  # between two tries while the database takes nothing
REQUEST_TRIED_S = 1.5  # after which a device is told BUSY; it sends again after 2 s without an answer
ANSWER_EXPIRES_S = 300
NOBODY = "unknown"  # stands for a device whose name cannot stand in a topic
NOBODYS_PER_S = 20
VERB_CHARACTERS_MAX = 64
_OF_THE_MOMENT = (InvalidTransition, Conflict, Unavailable)  # nothing is wrong with what was sent

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Inbound:
    """`own_broker`: whoever speaks there is ours. On one that is shared other gateways have devices of their own.

    `subscribed`: from here on no device speaks in vain.
    """

    def __init__(
        self,
        commands: MachineCommands,
        topics: Topics,
        clock: Clock,
        link: Link,
        refusals: Refusals,
        *,
        own_broker: bool,
    ) -> None:
        self._commands = commands
        self._machines = commands.machines
        self._topics = topics
        self._clock = clock
        self._refusals = refusals
        self._rejections = Rejections(clock, link, topics)
        self._own_broker = own_broker
        self.subscribed = asyncio.Event()
        self._mark = ""
        self._live = asyncio.Event()  # everything that was kept for us while we were away has come
        self._lanes: dict[str, Lane] = {}

    async def run(self, session: Session) -> None:
        """Never returns. Raises Unavailable when the connection is gone."""
        self._live.clear()
        self.subscribed.clear()
        self._mark = uuid.uuid4().hex
        handle, done = partial(self._handle, session), partial(self._done, session)
        rates = {NOBODY: NOBODYS_PER_S} | {machine.id: machine.device.rate_per_s for machine in self._machines}
        self._lanes = {device: Lane(per_s, self._clock, handle, done) for device, per_s in rates.items()}
        await first(
            self._receive(session),
            self._subscribe(session),
            self._rejections.run(partial(self._refusals.publish, session)),
            *(lane.run() for lane in self._lanes.values()),
        )

    async def _subscribe(self, session: Session) -> None:
        """While messages are taken already: a small broker goes on only once what it had kept is acknowledged."""
        await session.subscribe(self._topics.mark)
        devices = ("+",) if self._own_broker else self._machines.by_id
        below = (topic for device in devices for topic in self._topics.inbound(device))
        for topic in (*below, *self._machines.topics):
            await session.subscribe_to_others(topic)
        self.subscribed.set()
        while not self._live.is_set():
            await self._send_mark(session)
            await sleep_or_wake(self._clock, MARK_EVERY_S, self._live)
        await asyncio.Event().wait()

    # ------------------------------------------------------------------ from the connection into the lanes

    async def _receive(self, session: Session) -> None:
        dropped = 0
        async with contextlib.aclosing(session.packets()) as packets:
            async for packet in packets:
                self._sort(session, packet)
                self._rejections.count(session.dropped - dropped)
                dropped = session.dropped

    def _sort(self, session: Session, packet: Packet) -> None:
        if packet.topic == self._topics.mark:
            if self._mark.encode() in packet.payload:
                self._live.set()
            session.acknowledge(packet)
            return
        heard = self._heard(packet)
        if heard is None or _taken_back(heard, session):
            session.acknowledge(packet)
            return
        lane = self._lanes.get(heard.devices[0], self._lanes[NOBODY])
        if not lane.put(heard):
            self._rejections.count()

    def _heard(self, packet: Packet) -> Heard | None:
        """None: of an old subscription, or our own word that a small broker gives back."""
        kept = not self._live.is_set()
        if devices := self._machines.topics.get(packet.topic):
            again = packet.retain and self._counts_each(devices, packet.topic)
            return Heard(packet, devices, None, kept=kept, refusal=_retained() if again else None)
        found = self._topics.from_device(packet.topic)
        if found is None:
            return None
        device, rest = found
        if not wire.inward(rest):
            return None
        refusal: GatewayError | None = None
        if device not in self._machines.by_id:
            device = _safe(device)
            refusal = UnknownDevice(f'there is no device "{device}" here: see [[uns.device]]')
        elif packet.retain and (
            wire.happens_once(rest) or self._counts_each((device,), rest.removeprefix(wire.INPUTS))
        ):
            refusal = _retained()
        return Heard(packet, (device,), rest, wire.absolute(rest), kept, refusal)

    def _counts_each(self, devices: Iterable[str], name: str) -> bool:
        return any(self._machines.by_id[device].counts_each(name) for device in devices)

    async def _send_mark(self, session: Session) -> None:
        """The broker keeps the order: what comes before our own word was sent before we were there."""
        await session.publish([Message(self._topics.mark, encode({"schema": MARK_SCHEMA, "number": self._mark}))])

    # ------------------------------------------------------------------ out of a lane

    async def _handle(self, session: Session, heard: Heard) -> None:
        if isinstance(heard.refusal, RetainedCommand) and heard.rest is not None:
            await self._refusals.publish(session, [Message(heard.packet.topic, "", retain=True)])
        if heard.rest is not None and heard.rest.startswith(wire.COMMANDS):
            await self._refusals.publish(session, [await self._answered(heard)])
        else:
            for device in heard.devices:
                await self._taken(heard, device)
        self._done(session, heard)

    def _done(self, session: Session, heard: Heard) -> None:
        self._rejections.heard()
        session.acknowledge(heard.packet)

    async def _taken(self, heard: Heard, device: str) -> None:
        try:
            if heard.refusal is not None:
                raise heard.refusal
            told = await self._safely(heard, partial(self._take, heard, device))
        except GatewayError as exc:
            self._note(heard, exc.code, answers.public(exc))
        else:
            for one in told:
                self._note(heard, one.code, one.message)

    async def _take(self, heard: Heard, device: str) -> tuple[Told, ...]:
        packet = heard.packet
        if heard.rest is None:
            said: wire.Said = wire.mapped(device, packet.topic, packet.payload, kept=heard.kept)
        else:
            said = wire.said(device, heard.rest, packet.payload, kept=heard.kept)
        if isinstance(said, Cycle):
            return await self._again(partial(self._commands.cycle, said))
        if isinstance(said, Reading):
            return await self._again(partial(self._commands.take, said))
        if isinstance(said, Badge):
            await self._again(partial(self._commands.badge, said))
        else:
            await self._again(partial(self._commands.online, said.device, online=said.online))
        return ()

    async def _answered(self, heard: Heard) -> Message:
        """The answer to a request, whatever becomes of it."""
        packet, device = heard.packet, heard.devices[0]
        verb = (heard.rest or "").removeprefix(wire.COMMANDS)[:VERB_CHARACTERS_MAX]
        try:
            if heard.refusal is not None:
                raise heard.refusal
            told = await self._safely(heard, partial(self._requested, heard, device, verb))
        except GatewayError as exc:
            request_id = wire.request_id_of(packet.payload, packet.correlation)
            told = answers.refused(request_id, verb, exc, self._clock.now())
            if not isinstance(exc, _OF_THE_MOMENT):
                self._note(heard, exc.code, answers.public(exc))
        return Message(
            self._topics.answer(device, packet.response_topic),
            told,
            expires_s=ANSWER_EXPIRES_S,
            properties=payloads.properties({"schema": answers.ANSWER_SCHEMA}, self._topics.gateway_id),
            correlation=packet.correlation,
        )

    async def _requested(self, heard: Heard, device: str, verb: str) -> str:
        packet = heard.packet
        queued = heard.kept and not packet.expires
        wish = wire.request(device, verb, packet.payload, packet.correlation, queued=queued)
        answer = await self._again(partial(self._commands.request, wish), REQUEST_TRIED_S)
        return answers.done(wish.request_id, verb, answer, self._clock.now())

    async def _again(self, wish: Callable[[], Awaitable[T]], tried_s: float | None = None) -> T:
        """While the database takes nothing the message waits, and the device's next ones behind it. Raises what it ends with."""
        ends_s = None if tried_s is None else self._clock.monotonic() + tried_s
        while True:
            try:
                return await wish()
            except RoomKept:
                raise  # its next value comes soon; what is behind it may be a booking
            except Unavailable:
                if ends_s is not None and self._clock.monotonic() >= ends_s:
                    raise
                await self._clock.sleep(AGAIN_S)

    async def _safely(self, heard: Heard, wish: Callable[[], Awaitable[T]]) -> T:
        """A defect of ours costs this message and no other: raised it would come again for ever. Raises GatewayError."""
        try:
            return await wish()
        except GatewayError:
            raise
        except Exception as exc:
            log.exception("uns.failed", topic=heard.packet.topic[: answers.TOPIC_SHOWN_MAX])
            raise GatewayError("the gateway failed at this message: its log says where") from exc

    def _note(self, heard: Heard, code: str, message: str) -> None:
        self._rejections.note(heard.devices[0], heard.packet.topic, code, message, heard.packet.payload)


def _taken_back(heard: Heard, session: Session) -> bool:
    """An empty message: the retained one before it is no longer there. With MQTT 3.1.1 it may be us who took it back."""
    wish = heard.rest is not None and heard.rest.startswith(wire.COMMANDS)
    return not heard.packet.payload and (heard.packet.retain or not wish or not session.mqtt5)


def _retained() -> GatewayError:
    return RetainedCommand("this must not be sent with the retain flag: it would happen again at every start")


def _safe(device: str) -> str:
    try:
        return checked(device)
    except Invalid:
        return NOBODY
