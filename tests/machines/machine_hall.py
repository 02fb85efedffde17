"""A hall with machines in it: the product's commands on a real database, and what has been booked by them."""

import json
from typing import Any

from hall import LASER, SAW, Floor

from gateway.kernel.health import Health
from gateway.kernel.ids import uuid7
from gateway.machines import registry, standing
from gateway.machines.commands import MachineCommands
from gateway.machines.model import Badge, Cycle, Reading, Request
from gateway.machines.watch import LINK, Watch
from gateway.sections import Uns

COUNTER = {"device": "laser-1", "input": "counter/good", "rule": "counter_delta", "report": "quantity_good"}
STATES = {"0": "off", "1": "idle", "4": "running", "8": "fault"}
ALL = ("start", "pause", "resume", "complete", "report", "issue", "active", "queue")


class Hall:
    """`mappings` and `device` are those of the settings; the laser is in the cell Laser."""

    def __init__(
        self, floor: Floor, *mappings: dict[str, Any], more: tuple[dict[str, Any], ...] = (), **device: Any
    ) -> None:
        laser = {"id": "laser-1", "cells": ["Laser"], "commands": ALL, **device}
        self.floor = floor
        self.known = registry.machines(Uns(device=(laser, *more), mapping=mappings))
        self.restart()

    def restart(self) -> None:
        """Nothing in memory is left."""
        floor = self.floor
        self.commands = MachineCommands(floor.db, floor.clock, uuid7(floor.clock), "gw-test", self.known)
        self.link = Health(floor.clock).link(LINK)
        self.watch = Watch(floor.db, floor.clock, self.commands, self.link)

    async def tell(self, input_: str, value: Any, at=None, device: str = "laser-1") -> list[str]:
        """The codes of what was not done."""
        return [one.code for one in await self.commands.take(Reading(device, input_, value, at))]

    async def count(self, *values: Any) -> None:
        for value in values:
            assert await self.tell("counter/good", value) == []

    async def cycle(self, id_: str | None, good: Any = 1, **more: Any) -> None:
        await self.commands.cycle(Cycle("laser-1", id_, good, **more))

    async def badge(self, badge: str, *, on: bool = True) -> None:
        await self.commands.badge(Badge("laser-1", badge, on))

    async def ask(self, verb: str, request_id: str | None = None, *, queued: bool = False, **body: Any) -> Any:
        """(status, data, replayed)."""
        answer = await self.commands.request(Request("laser-1", verb, request_id, body, queued))
        return answer.status, json.loads(answer.data), answer.replayed

    async def pass_time(self, seconds: float) -> None:
        await self.floor.clock.advance(seconds)
        await self.watch.look()

    async def stands(self, device: str = "laser-1"):
        (found,) = await self.floor.db.read(standing.standing, self.known, (device,))
        return found

    async def booked(self, operation_id: str | None = None) -> list[tuple[int, int, int]]:
        """(good, scrap, rework) of each quantity, in the order in which they were booked."""
        rows = await self.floor.query(
            "SELECT quantity_good, quantity_scrap, quantity_rework FROM operation_quantities "
            "WHERE operation_id = coalesce(?, operation_id) ORDER BY rowid",
            operation_id,
        )
        return [tuple(row) for row in rows]

    async def pieces(self) -> int:
        return sum(sum(one) for one in await self.booked())

    async def operation(self, number: str = "J-1", cell: str = LASER, verb: str | None = "start") -> str:
        """One of its own job, running unless said otherwise."""
        job = await self.floor.job(number, (cell, SAW))
        found = job["parts"][0]["operations"][0]["id"]
        if verb is not None:
            assert (await self.floor.press(verb, found)).status == 200
        return found

    async def events(self, *types: str) -> list[dict[str, Any]]:
        """What was told under these names."""
        return [one["data"] for one in await self.floor.events(*types)]
