"""Follows each agent from where we were: `sample` from the next sequence; `current` where there is no such place any more.

An observation is booked before the place behind it is kept, and has an id of its own: whatever ends us between the two, it is
told again and not booked again.
"""

import asyncio
from dataclasses import replace
from functools import partial

from gateway.plugin_api import Clock, Context, Parts, Quality, Source, Sources, Unavailable
from plugins.mtconnect.agent import AgentClient, connected
from plugins.mtconnect.document import Document, Observation
from plugins.mtconnect.position import Position, PositionFile
from plugins.mtconnect.settings import Agent, Settings

KEPT_EVERY_S = 60.0  # the place where nothing of ours happened; agents remember for longer
OUT_OF_RANGE = "OUT_OF_RANGE"
BEGINS = 1  # the first sequence of an agent's life


def parts(context: Context[Settings]) -> Parts:
    config = context.config
    sources = Sources(context.machines, context.clock, context.link, retry_max_s=config.retry_max)

    def reader(agent: Agent) -> Reader:
        return Reader(agent, PositionFile(context.folder, agent.device), context.clock)

    read = {one.device: ([item.to for item in one.item], reader(one).run) for one in config.agent}
    return Parts(partial(sources.run, read))


class Reader:
    """Of one agent. Its facts: `instance`, `sequence`, and `gaps`, how often the agent had forgotten what we had not seen."""

    def __init__(self, agent: Agent, file: PositionFile, clock: Clock) -> None:
        self._agent = agent
        self._inputs = {one.id: one.to for one in agent.item}
        self._file = file
        self._clock = clock
        self._kept_s = clock.monotonic()

    async def run(self, source: Source) -> None:
        """Never returns. Raises Unavailable."""
        source.link.facts.setdefault("gaps", 0)
        async with connected(self._agent.timeout) as session:
            client = AgentClient(session, self._agent.url, self._inputs)
            position = await asyncio.to_thread(self._file.load)
            if position is not None and self._inputs.keys() - position.items:
                position = await self._look(client, source, position)
            while True:
                document, position = await self._next(client, source, position)
                await self._book(source, document, position)
                await source.reached()
                self._show(source, position)
                if document.next > document.last:
                    await self._clock.sleep(self._agent.every)

    async def _next(self, client: AgentClient, source: Source, position: Position | None) -> tuple[Document, Position]:
        """What to book, and the place behind it."""
        if position is not None:
            document = await client.sample(position.next)
            if OUT_OF_RANGE not in document.errors:
                if document.errors:
                    raise Unavailable(f"the agent at {self._agent.url} refuses `sample`: {', '.join(document.errors)}")
                if document.instance == position.instance:
                    return document, replace(position, next=document.next)
        document = await client.current()
        items = self._among(document)
        if position is not None and document.instance != position.instance and document.first == BEGINS:
            # It started anew and still has everything since: nothing is missed, and nothing was seen yet.
            since = Position(document.instance, BEGINS, items)
            return replace(document, next=BEGINS, observations=()), since
        if position is not None:
            source.link.facts["gaps"] += 1
            source.link.facts["last_gap"] = {"from": position.next, "to": document.first}
        return document, Position(document.instance, document.next, items)

    async def _look(self, client: AgentClient, source: Source, position: Position) -> Position:
        """The settings name items that we have not read yet: how they stand, before we go on from where the others are."""
        document = await client.current()
        if document.instance != position.instance:
            return position  # `sample` will find that, and begin anew with all of them
        for one in document.observations:
            if one.item in self._inputs and one.item not in position.items:
                await self._tell(source, document.instance, one)
        return replace(position, items=self._among(document))

    def _among(self, document: Document) -> tuple[str, ...]:
        return tuple(sorted({one.item for one in document.observations} & self._inputs.keys()))

    def _show(self, source: Source, position: Position) -> None:
        missing = sorted(self._inputs.keys() - position.items)
        if missing:
            source.link.degraded(f"the agent has no data item {', '.join(missing)}: `probe` names those that it has")
        else:
            source.link.up()

    async def _book(self, source: Source, document: Document, position: Position) -> None:
        ours = [one for one in document.observations if one.item in self._inputs]
        for one in ours:
            await self._tell(source, document.instance, one)
        source.link.facts |= {"instance": position.instance, "sequence": position.next}
        now_s = self._clock.monotonic()
        if ours or self._file.saved is None or now_s - self._kept_s >= KEPT_EVERY_S:
            try:
                await asyncio.to_thread(self._file.save, position)
            except OSError as exc:
                raise Unavailable(f"the place in the agent's sequence cannot be kept: {exc}") from exc
            self._kept_s = now_s

    async def _tell(self, source: Source, instance: int, one: Observation) -> None:
        quality: Quality = "bad" if one.value is None else "good"
        await source.tell(self._inputs[one.item], one.value, one.at, quality, f"{instance}:{one.sequence}")
