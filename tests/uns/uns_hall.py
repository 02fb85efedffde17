"""A floor on a real database, its namespace on a real broker, and somebody who listens."""

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
from tcp import free_port

from gateway.catalog.commands import RowCommands
from gateway.catalog.tables import CELLS
from gateway.demo import factory
from gateway.kernel.clock import SystemClock
from gateway.kernel.db import Database
from gateway.kernel.health import Health
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.kernel.supervise import keep_running
from gateway.machines.commands import MachineCommands
from gateway.machines.registry import machines
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.quantities.commands import QuantityCommands
from gateway.operations.trees.commands import JobTreeCommands
from gateway.outbox.event import Stamp
from gateway.settings import Settings
from gateway.sparkplug.node import EdgeNode
from gateway.tls import Tls
from gateway.transfer.commands import bring_in, planned
from gateway.uns.broker import Broker
from gateway.uns.door import Door
from gateway.uns.payloads import Standing
from gateway.uns.publisher import Publisher
from gateway.uns.users import hashed, password_file
from gateway.web.routes import Caller, Scope

HOST = "127.0.0.1"
WAIT_MAX_S = 20.0
BACKOFF_S = 1.0
EPOCH = 1_769_843_524
CALLER = Caller("test", "test", Scope.ADMIN)
OTTO = factory.named("profile", "Otto Operator")
LASER = factory.named("cell", "Laser")
ROOT = "acme/plant1"


@dataclass(frozen=True)
class Heard:
    """One message as a client got it."""

    topic: str
    text: str
    retained: bool
    properties: dict[str, str]
    content_type: str | None
    expires_s: int | None
    qos: int
    correlation: bytes | None

    @property
    def payload(self) -> Any:
        return json.loads(self.text)


class Ear:
    """A client that has subscribed, and everything it got. `states` is what it would find retained."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.states: dict[str, Heard] = {}
        self.client: aiomqtt.Client | None = None

    def take(self, message: aiomqtt.Message) -> None:
        given = message.properties
        one = Heard(
            str(message.topic),
            message.payload.decode(errors="replace"),
            message.retain,
            dict(getattr(given, "UserProperty", ())),
            getattr(given, "ContentType", None),
            getattr(given, "MessageExpiryInterval", None),
            message.qos,
            getattr(given, "CorrelationData", None),
        )
        self.heard.append(one)
        if one.text:
            self.states[one.topic] = one
        else:
            self.states.pop(one.topic, None)

    @property
    def events(self) -> list[Any]:
        return [one.payload for one in self.heard if one.text and '"uns/event/1"' in one.text]

    def of(self, topic: str, key: str) -> Any:
        """One word of a state; None when it has not come yet."""
        return (self.state(topic) or {}).get(key)

    def state(self, topic: str) -> Any:
        return self.states[f"{ROOT}/{topic}"].payload if f"{ROOT}/{topic}" in self.states else None


async def until(fact, name: str = "") -> Any:
    """Wait until `fact()` holds; returns what it gave."""
    try:
        async with asyncio.timeout(WAIT_MAX_S):
            while not (found := fact()):
                await asyncio.sleep(0.02)
            return found
    except TimeoutError:
        raise AssertionError(f"waited in vain for {name or fact}") from None


class Hall:
    """One gateway's namespace. `on()` is the time in which its broker and its publisher run, supervised as in the app."""

    def __init__(self, db: Database, folder: Path, clock: Any, **given: Any) -> None:
        self.db = db
        self.folder = folder / "broker"
        self.clock = clock
        self.new_id = uuid7(SystemClock())
        self.health = Health(clock)
        self.port = given.pop("port", None) or free_port()
        self.given = {
            "gateway": {"id": "gw-test", "data_dir": str(folder)},
            "site": {"enterprise": "acme", "site": "plant1", "area": "Fabrication"},
            "broker": {
                "mode": "managed",
                "host": HOST,
                "port": self.port,
                "tls_host": HOST,
                "tls_port": 0,
                **given.pop("broker", {}),
            },
            **given,
        }
        made = (db, clock, self.new_id, "gw-test")
        self.operations = OperationPlanning(*made)
        self.quantities = QuantityCommands(*made)
        self.jobs = JobTreeCommands(*made)
        self.cells = RowCommands(CELLS, *made)
        self.standing = Standing(True, 12.4, "down", cloud_behind=7, journal_behind=3, disk_free_mb=900)
        self.settings = Settings.model_validate(self.given)
        self.broker = self.new_broker()
        self.publisher: Publisher | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def new_broker(self) -> Broker:
        self.door = Door(self.settings, SystemClock())
        tls = Tls(self.settings.data_dir)
        return Broker(self.settings.broker, self.door, tls, SystemClock(), self.health.link("broker"), random.Random(1))

    @contextlib.asynccontextmanager
    async def on(self, *, wait: bool = True, **changed: Any):
        """`changed`: sections of the settings that are different this time."""
        self.settings = Settings.model_validate(self.given | changed)
        self.health = Health(self.clock)
        self.broker = self.new_broker()
        self.publisher = self.new_publisher(self.broker)
        runs = [("broker", self.broker.run), *self._sparkplug(), self._uns]
        self._tasks = [self._kept_running(name, run) for name, run in runs]
        try:
            if wait:
                await self.up()
            yield self
        finally:
            self.stop()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def _uns(self):
        return "uns", self.publisher.run

    def _sparkplug(self) -> list:
        if not self.settings.sparkplug.enabled:
            return []
        made = (self.db, self.broker, self.clock, self.link("sparkplug"), self.settings)
        return [("sparkplug", EdgeNode(*made, machines(self.settings.uns), "0.1.0").run)]

    def _kept_running(self, name: str, run) -> asyncio.Task[None]:
        link = self.health.link(name)
        again = keep_running(run, link, clock=SystemClock(), rng=random.Random(3), cap_s=BACKOFF_S)
        return asyncio.create_task(again, name=name)

    async def reconnect(self) -> None:
        """Our own connection ends and comes again; the broker stays."""
        uns = self._tasks.pop()
        uns.cancel()
        await asyncio.gather(uns, return_exceptions=True)
        self._tasks.append(self._kept_running(*self._uns))

    def stop(self) -> None:
        """As the app does it: everything at once."""
        for task in self._tasks:
            task.cancel()

    def new_publisher(self, broker: Broker) -> Publisher:
        link = self.health.link("uns")
        told = MachineCommands(self.db, self.clock, self.new_id, "gw-test", machines(self.settings.uns))
        return Publisher(self.db, broker, self.clock, link, self.settings, told, EPOCH, "0.1.0", self._standing)

    async def _standing(self) -> Standing:
        return self.standing

    def link(self, name: str):
        return self.health.link(name)

    async def up(self) -> None:
        try:
            await until(lambda: self.link("uns").state in ("up", "degraded"))
        except AssertionError:
            raise AssertionError(f"{self.link('broker')} {self.link('uns')}") from None

    @contextlib.asynccontextmanager
    async def ear(self, topic: str = f"{ROOT}/#", **more: Any):
        """Somebody who may read everything."""
        address = self.broker.address("viewer")
        async with listening(address.port, topic, address.username, address.password, **more) as ear:
            yield ear

    @contextlib.asynccontextmanager
    async def anybody(self, port: int):
        """On a broker that asks nobody for a name."""
        async with listening(port, f"{ROOT}/#", None, None) as ear:
            await until(lambda: ear.states)
            yield ear

    @contextlib.asynccontextmanager
    async def patient_ear(self):
        """There from the broker's first breath: before the publisher has seen it."""
        async with asyncio.timeout(WAIT_MAX_S):
            while True:
                with contextlib.suppress(aiomqtt.MqttError):
                    async with self.ear() as ear:
                        yield ear
                        return
                await asyncio.sleep(0.005)

    # ------------------------------------------------------------------ work

    async def change(self, verb: Verb, operation_id: str, **more: Any) -> None:
        await self.operations.change(ChangeOperation(operation_id, verb, **more), CALLER, None)

    async def count(self, operation_id: str, good: int, **more: Any) -> None:
        given = {"operation_id": operation_id, "quantity_produced": good, "quantity_good": good, **more}
        await self.quantities.create(given, CALLER, None)

    async def journal(self) -> list[tuple[int, str]]:
        """(seq, type) of every entry with a name."""
        return await self.db.read(
            lambda connection: [
                tuple(row)
                for row in connection.execute("SELECT seq, type FROM events WHERE type IS NOT NULL ORDER BY seq")
            ]
        )

    async def retained_topics(self) -> set[str]:
        return await self.db.read(
            lambda connection: {row[0] for row in connection.execute("SELECT topic FROM uns_retained")}
        )

    async def position(self) -> dict[str, int]:
        row = await self.db.read(
            lambda connection: connection.execute(
                "SELECT position, skipped, (SELECT max(seq) FROM events) AS head FROM event_readers WHERE name = 'uns'"
            ).fetchone()
        )
        return dict(row) if row else {}

    def pid(self) -> int:
        """Of the Mosquitto that runs now."""
        return int((self.folder / "mosquitto.pid").read_text())


@contextlib.asynccontextmanager
async def listening(port: int, topic: str, username: str | None, password: str | None, *, version: int = 5):
    protocol = aiomqtt.ProtocolVersion.V5 if version == 5 else aiomqtt.ProtocolVersion.V311
    async with aiomqtt.Client(HOST, port, username=username, password=password, protocol=protocol) as client:
        ear = Ear()
        ear.client = client
        await client.subscribe(topic, qos=1)
        hearing = asyncio.create_task(_hear(client, ear))
        try:
            yield ear
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)


async def _hear(client: aiomqtt.Client, ear: Ear) -> None:
    async for message in client.messages:
        ear.take(message)


def operation(number: int, name: str, step: str = "Laser cutting") -> str:
    return factory.named("operation", str(number), name, step)


async def put(db: Database, tables: dict[str, Any]) -> None:
    clock = SystemClock()
    await db.write(bring_in, Stamp(clock.now(), "gw-test", uuid7(clock)), planned(tables))


@contextlib.asynccontextmanager
async def database(folder: Path, jobs: int = 2):
    clock = SystemClock()
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
        await put(db, factory.plan(clock.now(), jobs))
        yield db


class Foreign:
    """Somebody else's Mosquitto, with users and an access list of the test's choosing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen | None = None
        folder.mkdir()

    def start(self, acl: str, more: str = "", tls: str = "") -> None:
        (self.folder / "acl").write_text(acl)
        who = "false" if "password_file" in more else "true"
        anonymous = f"allow_anonymous {who}\n" + ("acl_file" if acl else "#")
        (self.folder / "conf").write_text(
            f"{anonymous} {self.folder}/acl\n{more}\nlog_dest none\nuser {'root' if os.geteuid() == 0 else ''}\n"
            f"listener {self.port} {HOST}\n{tls}\n".replace("user \n", "")
        )
        self._process = subprocess.Popen(
            [program("mosquitto"), "-c", str(self.folder / "conf")], stderr=subprocess.DEVNULL
        )
        ends = time.monotonic() + WAIT_MAX_S
        while not self._answers():
            assert time.monotonic() < ends, "the foreign broker did not start"
            time.sleep(0.02)

    def password(self, user: str, password: str) -> Path:
        """A password file with one user."""
        file = self.folder / "passwd"
        file.write_text(password_file({user: hashed(password)}))
        return file

    def allow(self, acl: str) -> None:
        (self.folder / "acl").write_text(acl)
        self._process.send_signal(signal.SIGHUP)

    def stop(self, *, orderly: bool = False) -> None:
        """`orderly`: it may write down what it knows."""
        if self._process:
            self._process.send_signal(signal.SIGTERM if orderly else signal.SIGKILL)
            self._process.wait()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0


def program(name: str) -> str:
    """Set-up for tests brings it; without it these tests fail, they do not skip."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, f"there is no {name}: run `make setup-tests`"
    return found


def tool(name: str, port: int, *arguments: str, password: str, user: str = "viewer") -> str:
    """Run mosquitto_pub or mosquitto_sub and return what it printed."""
    command = [program(name), "-h", HOST, "-p", str(port), "-u", user, "-P", password, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_MAX_S).stdout
