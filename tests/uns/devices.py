"""Devices on the floor's broker: what they are allowed, and somebody who speaks for them."""

import asyncio
import contextlib
import itertools
import json
import uuid
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from uns_hall import ROOT, Ear, Hall, listening, operation, until

BEAM, MEMBER, FOOT = (operation(1, part) for part in ("Beam", "Cross member", "Foot"))
EVERYTHING = ["start", "pause", "resume", "complete", "report", "issue", "active", "queue"]
UNS = {
    "device": [
        {"id": "laser-1", "cells": ["Laser"], "commands": EVERYTHING, "stale_after": "1h"},
        {"id": "laser-2", "cells": ["Laser"], "commands": ["active"]},
        {"id": "press-1", "cells": ["Bending"], "commands": EVERYTHING, "execute_queued": True},
        {"id": "meter-1", "cells": ["Welding"]},
    ],
    "mapping": [
        {
            "device": "laser-1",
            "input": "counter/good",
            "rule": "counter_delta",
            "report": "quantity_good",
            "flush": "1h",
        },
        {"device": "laser-1", "input": "cycle", "rule": "cycle", "report": "quantity_scrap"},
        {
            "device": "laser-1",
            "input": "state",
            "rule": "state_map",
            "map": {"0": "off", "1": "idle", "4": "running", "8": "fault"},
        },
        {"device": "laser-1", "topic": "press/x/stroke", "rule": "cycle", "allow_unidentified": True},
        {"device": "meter-1", "topic": "shellies/x/relay/0/power", "path": "a.b[0].c", "rule": "gauge"},
    ],
}


class Device:
    """One device's client, and whatever it was answered."""

    def __init__(self, name: str, client: aiomqtt.Client, ear: Ear) -> None:
        self.name = name
        self.client = client
        self.ear = ear
        self.numbers = itertools.count()

    def topic(self, rest: str) -> str:
        return f"{ROOT}/_dev/{self.name}/{rest}"

    async def say(self, rest: str, payload: Any, **more: Any) -> None:
        text = payload if isinstance(payload, str | bytes) else json.dumps(payload)
        await self.client.publish(self.topic(rest), text, qos=more.pop("qos", 1), **more)

    async def ask(self, verb: str, request_id: str | None = "", **body: Any) -> Any:
        """The next answer; with an id of its own unless one is given."""
        known = len(self.answers)
        if request_id == "":
            request_id = f"{self.name}-{uuid.uuid4()}"
        await self.say(f"cmd/{verb}", body | ({} if request_id is None else {"request_id": request_id}))
        return (await until(lambda: self.answers[known:], f"an answer to {verb}"))[0]

    @property
    def answers(self) -> list[Any]:
        return [one.payload for one in self.ear.heard if "/rsp" in one.topic and one.text]


@contextlib.asynccontextmanager
async def speaking(hall: Hall, name: str = "laser-1", *, version: int = 5):
    """As the gateway's own user, which may write anywhere: whose topic it is says who speaks."""
    address = hall.broker.address()
    async with listening(
        address.port, f"{ROOT}/_dev/{name}/#", address.username, address.password, version=version
    ) as ear:
        yield Device(name, ear.client, ear)


def properties(**given: Any) -> Properties:
    made = Properties(PacketTypes.PUBLISH)
    for name, value in given.items():
        setattr(made, name, value)
    return made


async def errors(ear: Ear, device: str, count: int = 1) -> list[Any]:
    """What is told of refused messages of a device, once there are that many."""
    topic = f"{ROOT}/_gateway/gw-test/error/{device}"
    return await until(
        lambda: (found := [one.payload for one in ear.heard if one.topic == topic])[count - 1 :] and found
    )


async def rows(hall: Hall, statement: str, *values: Any) -> list[tuple]:
    return await hall.db.read(lambda connection: [tuple(row) for row in connection.execute(statement, values)])


async def booked(hall: Hall, operation_id: str) -> int:
    """Good pieces."""
    found = await rows(
        hall, "SELECT coalesce(sum(quantity_good), 0) FROM operation_quantities WHERE operation_id = ?", operation_id
    )
    return found[0][0]


async def status(hall: Hall, operation_id: str) -> str:
    return (await rows(hall, "SELECT status FROM operations WHERE id = ?", operation_id))[0][0]


async def eventually(fact, name: str = "") -> Any:
    """As `until`, for what has to be asked for."""
    async with asyncio.timeout(20):
        while not (found := await fact()):
            await asyncio.sleep(0.02)
        return found
