"""A whole plant on loopback: the gateway as a process of its own, its Mosquitto, a stand-in cloud, and somebody who listens."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import aiomqtt
from program import Program

from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import SystemClock

FACT_MAX_S = 40.0
LOOK_EVERY_S = 0.05
JOBS = 3
OTTO = factory.named("profile", "Otto Operator")


def operation(job: int, part: str, step: str) -> str:
    return factory.named("operation", str(job), part, step)


class Plant:
    def __init__(
        self, folder: Path, cloud: StandInCloud, cloud_url: str, session: aiohttp.ClientSession, more: str
    ) -> None:
        self.program = Program.at(folder)
        self.cloud = cloud
        self.mqtt = Program.free_port()
        self.heard: list[dict[str, Any]] = []
        self.listening = asyncio.Event()
        self._session = session
        self._process: subprocess.Popen[bytes] | None = None
        self.program.configure(
            f'[site]\nenterprise = "acme"\nsite = "hall"\narea = "floor"\ntenant_id = "{factory.TENANT_ID}"\n'
            f'[broker]\nmode = "managed"\nport = {self.mqtt}\n'
            f'[cloud]\nurl = "{cloud_url}"\napi_key = "{factory.CLOUD_KEY}"\npull_every = "2s"\nsettle_after = "2s"\n'
            f"{more}"
        )
        people = folder / "people.json"
        people.write_text(json.dumps({"profiles": factory.people(SystemClock().now())}))
        self.program.ok("import", str(people))
        self._key = self.program.key()

    # ------------------------------------------------------------------ the gateway's process

    async def start(self) -> None:
        with (self.program.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "gateway", "run", "--config", str(self.program.config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self.program.environment)
        await self.until(self._ready, "the gateway is ready")

    async def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.program.folder / "log").read_text()[-3000:]
        with contextlib.suppress(aiohttp.ClientError):
            async with self._session.get(f"{self.program.url}/readyz") as answer:
                return answer.status == 200
        return False

    def kill(self) -> None:
        """The main isolator."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def signal_broker(self, number: signal.Signals) -> None:
        os.kill(int((self.program.data / "broker" / "mosquitto.pid").read_text()), number)

    # ------------------------------------------------------------------ what people and programs do

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {self._key}", **headers}
        async with self._session.request(
            method, f"{self.program.url}/functions/v1{path}", json=body, headers=sent
        ) as a:
            return a.status, await a.json()

    async def press(self, verb: str, operation_id: str, **more: Any) -> Any:
        body = {"operation_id": operation_id, "action": verb, "operator_id": OTTO, **more}
        status, told = await self.call("POST", "/api-operation-lifecycle", body)
        assert status == 200, told
        return told["data"]["operation"]

    async def count(self, operation_id: str, good: int, **more: Any) -> str:
        body = {"operation_id": operation_id, "quantity_good": good, "recorded_by": OTTO, **more}
        status, told = await self.call("POST", "/api-operation-quantities", body)
        assert status == 201, told
        return told["data"]["operation_quantity"]["id"]

    async def link(self, name: str) -> dict[str, Any]:
        async with self._session.get(
            f"{self.program.url}/healthz", headers={"Authorization": f"Bearer {self._key}"}
        ) as answer:
            return (await answer.json())["links"].get(name, {})

    async def planned(self) -> None:
        """The plan is here."""
        expected = len(self.cloud.rows("operations"))

        async def here() -> bool:
            return (await self.call("GET", "/api-operations?limit=1"))[1]["data"]["pagination"]["total"] == expected

        await self.until(here, "the plan is pulled")

    async def drained(self) -> None:
        async def nothing() -> bool:
            link = await self.link("cloud")
            return link.get("pending") == 0 and link.get("state") == "up"

        await self.until(nothing, "nothing waits for the cloud")

    async def until(self, fact, name: str) -> None:
        try:
            async with asyncio.timeout(FACT_MAX_S):
                while not await fact():
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            log = (self.program.folder / "log").read_text()[-3000:]
            raise AssertionError(f"waited in vain until {name}; {log}") from None

    async def hear(self, event: str, operation_id: str) -> dict[str, Any]:
        """The first message of this event about this operation."""
        found: list[dict[str, Any]] = []

        async def arrived() -> bool:
            found[:] = [
                one for one in self.heard if one["event"] == event and one["data"].get("operation_id") == operation_id
            ]
            return bool(found)

        await self.until(arrived, f"{event} is heard on MQTT")
        return found[0]

    async def listen(self) -> None:
        """For ever; comes back when the broker does, as a SCADA system would."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError, FileNotFoundError):
                users = json.loads((self.program.data / "broker" / "users.json").read_text())
                async with aiomqtt.Client(
                    "127.0.0.1", self.mqtt, username="viewer", password=users["viewer"], identifier="scada"
                ) as client:
                    await client.subscribe("acme/hall/#", qos=1)
                    self.listening.set()
                    async for message in client.messages:
                        told = json.loads(message.payload or "{}")
                        if told.get("schema") == "uns/event/1":
                            self.heard.append(told)
            self.listening.clear()
            await asyncio.sleep(LOOK_EVERY_S)

    async def untold(self) -> list[tuple[int, str]]:
        """(seq, type) of events that were neither heard nor lie in a gap that shows. What a broker had in its hands when
        it was killed is gone: each message names the one before it, so that a listener knows what to ask for.
        """
        heard = {one["seq"]: one["prev"] for one in self.heard}
        order = sorted(heard)
        gaps = [(before, seq) for before, seq in itertools.pairwise(order) if heard[seq] != before]
        database = f"file:{self.program.data / 'gateway.sqlite'}?mode=ro"
        with contextlib.closing(sqlite3.connect(database, uri=True)) as connection:
            named = connection.execute("SELECT seq, type FROM events WHERE type IS NOT NULL AND seq >= ?", (order[0],))
            return [row for row in named if row[0] not in heard and not any(low < row[0] < high for low, high in gaps)]


@contextlib.asynccontextmanager
async def plant(folder: Path, more: str = "") -> AsyncIterator[Plant]:
    """Running, with its plan pulled and the listener on the line. `more`: settings."""
    cloud = StandInCloud(SystemClock(), random.Random(5))
    cloud.add_tenant(factory.TENANT_ID)
    cloud.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
    cloud.load(factory.plan(SystemClock().now(), JOBS))
    async with cloud.serving() as url, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        here = Plant(folder, cloud, url, session, more)
        listening = asyncio.create_task(here.listen())
        try:
            await here.start()
            await here.planned()
            yield here
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            here.stop()
