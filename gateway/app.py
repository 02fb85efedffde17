"""The composition root: builds every part once, by hand, in order; opens, runs and closes them.

What listens comes up before what connects: a broker or a cloud that is away never keeps a station waiting.
"""

import asyncio
import contextlib
import random
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from gateway import __version__, examples, housekeeping, identity, listening, systemd
from gateway.admin import server
from gateway.admin.box import CALLER, Box
from gateway.admin.server import LocalKeys
from gateway.admin.socket import SOCKET
from gateway.api import api_routes, blobs, webhooks_here
from gateway.backups import restore as backups_
from gateway.backups.store import Backups
from gateway.capacity import LINK as CAPACITY
from gateway.capacity import Capacity
from gateway.cloud import store as cloud_
from gateway.cloud.link import DOWN, UP, CloudLink
from gateway.configuration import Configuration, Instead
from gateway.files.sweep import sweep
from gateway.hub.stream import Feed
from gateway.identity import Identity
from gateway.kernel import interpreter
from gateway.kernel.clock import Clock, SystemClock, text
from gateway.kernel.db import Database, Tx
from gateway.kernel.health import Health, Link
from gateway.kernel.ids import NewId, uuid7
from gateway.kernel.logs import Tail
from gateway.kernel.secrets import Secrets
from gateway.kernel.steady import SteadyClock
from gateway.kernel.supervise import keep_running, stop
from gateway.keys.first import first_key
from gateway.machines.commands import MachineCommands
from gateway.machines.registry import machines
from gateway.machines.watch import LINK as MACHINES
from gateway.machines.watch import Watch
from gateway.mcp_keys.keys import McpKeys
from gateway.metrics.scrape import Metrics
from gateway.opening import opened, secrets_problem
from gateway.ops.switch import Switch
from gateway.outbox import journal
from gateway.outbox.event import Stamp
from gateway.plugin_host import host as plugins
from gateway.plugin_host.machines import speaking_over
from gateway.plugin_host.ports import LocalAgents, LocalApi, carried_out
from gateway.publishers.sender import Here
from gateway.publishers.senders import senders
from gateway.realtime.hub import LINK as REALTIME
from gateway.realtime.hub import SOCKETS_SHARE, Hub
from gateway.realtime.routes import Realtime
from gateway.repairs.asking import BrokerDoor
from gateway.repairs.facts import FIRST_KEY
from gateway.screens.assets import Assets
from gateway.screens.live import LINK as TERMINALS
from gateway.screens.ops import OperationsPage
from gateway.screens.pages import Screens
from gateway.screens.terminal_api import terminal_api
from gateway.screens.trust import Trust
from gateway.settings import Settings, secret_values
from gateway.sparkplug.node import LINK as SPARKPLUG
from gateway.sparkplug.node import EdgeNode
from gateway.status import Status
from gateway.terminals.pairing import Terminals
from gateway.timekeeping import Timekeeping
from gateway.tls import Tls
from gateway.uns.broker import Broker
from gateway.uns.door import Door
from gateway.uns.payloads import Source, Standing
from gateway.uns.publisher import READER as UNS
from gateway.uns.publisher import Publisher
from gateway.uns.topics import SparkplugTopics, Topics
from gateway.uplinks import cloud_link, without
from gateway.web.auth import Keys
from gateway.web.gate import Gate
from gateway.web.learning import Learning
from gateway.web.limits import Limiter, Rate
from gateway.web.openapi import document
from gateway.web.pages import Pages
from gateway.web.routes import Route
from gateway.web.server import application, runner
from gateway.webhooks.senders import Senders as Webhooks

REQUESTS_END_S = 4.0  # in which requests on their way may finish when we stop
LINKS_END_S = 4.0  # in which the ways out have to let go; a Mosquitto that does not is killed after 3.5 s
# Their names in /healthz.
BROKER, HOUSEKEEPING, CLOCK, CLOUD_KEYS, PUBLISHERS = "broker", "housekeeping", "clock", "cloud-keys", "mqtt-publishers"
WEBHOOKS = "webhooks"
VENDOR = Path(__file__).parent / "screens" / "static" / "vendor"

log = structlog.get_logger(__name__)


class Gateway:
    """All parts, built and not yet running. `running` opens the database and starts them."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        clock: SteadyClock,
        new_id: NewId,
        rng: random.Random,
        own: Identity,
        source: Configuration,
        tail: Tail | None,
    ) -> None:
        self.settings = settings
        self.db = db
        self.identity = own
        self.health = Health(clock)
        self._cloud = cloud_link(settings, db, clock, new_id, rng, self.health, own)
        learning = ring = None
        if isinstance(self._cloud, CloudLink):
            ring = self._cloud.downlink.ring
            learning = Learning(self._cloud.keys, clock, settings.cloud.key_offline)
        self.keys = Keys(db, clock, new_id, learning)
        drain_s = None if self._cloud is None else self._cloud.drain_s
        self.status = Status(db, clock, self.health, settings.gateway.id, drain_s, secret_values(settings))
        self.metrics = Metrics(settings, db, self.status.full)
        limits = settings.limits
        rate = Rate(limits.requests_per_minute, limits.burst, limits.requests_per_day)
        below = Rate(limits.gateway_requests_per_minute, limits.burst, limits.gateway_requests_per_day)
        self._limiter = Limiter(
            rate, clock, request_max_s=limits.request_timeout, gateways=below, connections=limits.connections_per_key
        )
        self._feed = Feed(db)
        sockets = int(limits.connections * SOCKETS_SHARE)
        self._realtime = Hub(db, clock, self.health.link(REALTIME), sockets)
        self.terminals = Terminals(db, clock, new_id)
        files = self._assets = Assets()
        health, told = self.health.link(TERMINALS), self.status.full
        shown = (self.terminals, blobs(settings, db), health, told, self._limiter, lambda: files.build)
        self._terminal_api = terminal_api(settings, db, clock, new_id, *shown)
        self.routes = api_routes(settings, db, self.keys, clock, new_id, self._feed, ring, self.terminals)
        self._gate = Gate(self.keys, self._limiter)
        self.mcp_keys = McpKeys(db, clock, new_id)
        self._api = LocalApi(self._inside, new_id, request_max_s=limits.request_timeout)
        self._door = Door(settings, clock)
        self._switch = Switch(db, clock)
        self._source = source
        self._tls = Tls(settings.data_dir)
        self.machines = MachineCommands(db, clock, new_id, settings.gateway.id, machines(settings.uns))
        self.addresses: list[str] = []
        self.urls: list[str] = []
        self._tail = tail
        self._clock = clock
        self._started_s = clock.monotonic()
        self._new_id = new_id
        self._rng = rng
        self._served: tuple[web.AppRunner, ...] = ()
        self._ops: OperationsPage | None = None
        self._tasks: list[asyncio.Task[None]] = []
        given = (self._api, LocalAgents(self.mcp_keys, self._gate), clock, self.health, rng, __version__, db)
        lent = (settings.data_dir, settings.gateway.plugins_dir, partial(speaking_over, self.machines, clock))
        self._plugins = plugins.Host(settings.plugins, *given, *lent)
        self._capacity = Capacity(db, clock, self.health)
        self.health.watch(lambda: self._tls.problem(clock.now(), settings.http.tls_cert))
        self.health.watch(settings.http.exposed)

    def _inside(self) -> list[Route]:
        """What plugins can call."""
        from gateway.reports.routes import reports  # noqa: PLC0415 -- 2 MB that only they need

        return [*self.routes, *reports(self.db, self._clock, self.status.full)]

    # ------------------------------------------------------------------ HTTP

    def _application(self, keys: Keys) -> web.Application:
        hosts = listening.hosts(self.settings.http, self._tls, plugins.APART)
        app = application(self.routes, keys, self._limiter, self._new_id, hosts, self.metrics.requests)
        documents = {"/openapi.json": self._openapi, "/asyncapi.json": self._asyncapi}
        made = (self.status, self.metrics.text, documents, VENDOR, self._tls.ca.certificate)
        Pages(self.db, keys, *made).add_to(app)
        Screens(self._assets).add_to(app)
        Trust(self._assets, self._tls, self.settings.http, self.urls).add_to(app)
        Realtime(self._realtime, Gate(keys, self._limiter), self._clock).add_to(app)
        self._terminal_api.add_to(app)
        self._plugins.add_to(app, self._gate)
        return app

    def _openapi(self) -> dict[str, Any]:
        return document(self.routes, examples, version=__version__)

    def _asyncapi(self) -> dict[str, Any]:
        from gateway.uns import asyncapi  # noqa: PLC0415 -- paid by who asks for it

        return asyncapi.document(self.settings, version=__version__)

    async def _serve(self) -> None:
        """Plain HTTP, TLS when there is a certificate, and the socket in the data folder."""
        call = partial(carried_out, self._api, CALLER)
        made = (self.settings, self.db, self.keys, self._clock, self._new_id, self.status.full, self._door)
        kept = (self._source, self._switch, BrokerDoor(self.settings.broker, self._clock), self._tail)
        box = Box(*made, self.mcp_keys, self.terminals, call, self._plugins.restart, *kept, self.metrics.text)
        self._ops = OperationsPage(box, self._inside)
        public = self._application(self.keys)
        self._ops.add_to(public)
        served = runner(public, shutdown_s=REQUESTS_END_S, connections=self.settings.limits.connections)
        local = runner(server.application(self._application(LocalKeys(self.keys)), box), shutdown_s=REQUESTS_END_S)
        self._served = (served, local)
        await served.setup()
        await local.setup()
        for host, port, context in listening.places(self.settings.http, self._tls):
            known = len(served.addresses)
            await listening.listen(served, host, port, context)
            fresh = [listening.address(*address[:2]) for address in served.addresses[known:]]
            self.addresses += fresh
            self.urls += [f"{'https' if context else 'http'}://{address}" for address in fresh]
        await server.listen(local, self.settings.data_dir)

    async def _stop_serving(self) -> None:
        """Take no more; what is on its way may finish, who only waits is sent home."""
        self._feed.end()
        if self._ops is not None:
            self._ops.end()
        self._terminal_api.live.close()
        await self._realtime.close()
        await asyncio.gather(*(one.cleanup() for one in self._served))
        (self.settings.data_dir / SOCKET).unlink(missing_ok=True)

    # ------------------------------------------------------------------ ways out

    def _links(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        links: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        if self._cloud is not None:
            if isinstance(self._cloud, CloudLink):
                self._switch.on_again = self._cloud.budget.knock_now
            both = [self.health.link(name) for name in (UP, DOWN)]
            links.append((UP, partial(self._switch.hold, self._cloud.run, both)))
            if isinstance(self._cloud, CloudLink):
                links.append((CLOUD_KEYS, partial(self.keys.run, self.health.link(CLOUD_KEYS))))
        else:
            self.health.link(UP).off(without(self.settings) or "")
        own = self.health.link(BROKER)
        broker = Broker(self.settings.broker, self._door, self._tls, self._clock, own, self._rng)
        links.append((BROKER, broker.run))
        if self.settings.broker.mode == "off":
            self.health.link(UNS).off("[broker] mode is off")
        else:
            uns = self.health.link(UNS)
            made = (self.db, broker, self._clock, uns, self.settings, self.machines, self.identity.epoch, __version__)
            links.append((UNS, Publisher(*made, self._standing).run))
            if self.settings.sparkplug.enabled:
                own = self.health.link(SPARKPLUG)
                given = (self.settings, self.machines.machines, __version__)
                node = EdgeNode(self.db, broker, self._clock, own, *given)
                links.append((SPARKPLUG, node.run))
        links.append((REALTIME, self._realtime.run))
        links.append((TERMINALS, self._terminal_api.live.run))
        links.append((MACHINES, Watch(self.db, self._clock, self.machines, self.health.link(MACHINES)).run))
        topics = Topics.of(self.settings, self.settings.gateway.id)
        here = Here(
            self.db, self._clock, self._new_id, topics, Secrets(self.settings.data_dir, self.settings.credentials)
        )
        source = Source.of(self.settings, self.identity.epoch)
        publishers = senders(here, source, self.health, self.health.link(PUBLISHERS), self._rng)
        links.append((PUBLISHERS, publishers.run))
        told = webhooks_here(self.settings, (self.db, self._clock, self._new_id, self.settings.gateway.id))
        links.append((WEBHOOKS, Webhooks(told, self.health, self.health.link(WEBHOOKS), self._rng).run))
        keeping = (self.db, self._clock, self._new_id, self.settings.retention, self.health.link(HOUSEKEEPING))
        links.append((HOUSEKEEPING, partial(housekeeping.run, *keeping)))
        links.append((CAPACITY, self._capacity.run))
        timed = (self.db, self._clock, self._new_id, self.settings.gateway.id, self.health.link(CLOCK))
        links.append((CLOCK, Timekeeping(*timed).run))
        return links

    async def _standing(self) -> Standing:
        """For the health topic on MQTT."""
        free = shutil.disk_usage(self.settings.data_dir).free
        return Standing.of(await self.status.full(), self._clock.monotonic() - self._started_s, free)

    def _start_links(self) -> None:
        for name, run in self._links():
            supervised = keep_running(run, self.health.link(name), clock=self._clock, rng=self._rng)
            self._tasks.append(asyncio.create_task(supervised, name=name))
        self._tasks.append(asyncio.create_task(self._plugins.run(), name="plugins"))
        self._tasks.append(asyncio.create_task(self.metrics.run(), name="metrics"))
        if self._ops is not None:
            kept = keep_running(self._ops.run, Link("ops", self._clock), clock=self._clock, rng=self._rng)
            self._tasks.append(asyncio.create_task(kept, name="ops"))

    async def _stop_links(self) -> None:
        await asyncio.gather(*(stop(task, within_s=LINKS_END_S) for task in self._tasks))

    # ------------------------------------------------------------------ its life

    @contextlib.asynccontextmanager
    async def run(self, *, links: bool) -> AsyncIterator["Gateway"]:
        """Leaving it ends in order: nothing more is taken, what is on its way finishes, the ways out let go."""
        try:
            await self._serve()
            if self.settings.cloud.enabled:
                await self.db.write(_register_uplink, text(self._clock.now()))
            await self.keys.load()
            await self.mcp_keys.load()
            await self._switch.load()
            await self.terminals.load()
            await first_key(self.db, self.keys, self.settings.data_dir / FIRST_KEY)
            if links:
                self._start_links()
            yield self
        finally:
            await self._stop_serving()
            await self._stop_links()


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    *,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    source: tuple[Path | None, Path | None] | None = None,
    instead: Instead | None = None,
    tail: Tail | None = None,
    links: bool = True,
) -> AsyncIterator[Gateway]:
    """A gateway that serves. Raises StartupError. Leaving it stops everything in order.

    `source`: the configuration and the data folder that were named on the command line, None: the settings come from no file;
    `instead`: the file that they really come from; `tail` gets what is logged. `links` False: it connects to nobody, for a trial.
    """
    clock, rng = SteadyClock(clock or SystemClock()), rng or random.Random()  # nosec B311 # noqa: S311 -- jitter, no secret
    new_id = uuid7(clock)
    async with opened(settings, clock, recovering=True) as db:
        stamp = Stamp(clock.now(), settings.gateway.id, new_id)
        own = await db.write(identity.establish, stamp, settings.site.tenant_id, identity.machine())
        if own.cloned:
            log.warning("gateway.cloned", epoch=own.epoch, what="this data folder was last used on another machine")
        await sweep(db, blobs(settings, db), stamp)
        lost = await db.read(partial(backups_.lost, now=clock.now()))
        configuration = Configuration(*(source or (None, None)), check, source is not None, instead)
        made = Gateway(settings, db, clock, new_id, rng, own, configuration, tail)
        made.health.watch(Backups(settings, clock).problem)
        made.health.watch(lambda: lost)
        made.health.watch(lambda: instead.why if instead else None)
        made.health.watch(lambda: secrets_problem(settings))
        async with made.run(links=links) as gateway:
            yield gateway


async def serve(
    settings: Settings,
    *,
    announce: Callable[[Gateway], None],
    source: tuple[Path | None, Path | None] | None = None,
    instead: Instead | None = None,
    tail: Tail | None = None,
) -> None:
    """Run until SIGTERM or SIGINT. `announce` is called once requests are answered; the others as in `running`."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with running(settings, source=source, instead=instead, tail=tail) as gateway:
        interpreter.settled()
        log.info("gateway.ready", version=__version__, urls=gateway.urls, epoch=gateway.identity.epoch)
        announce(gateway)
        async with systemd.told(gateway.db):
            await ended.wait()
        log.info("gateway.stopping")
    log.info("gateway.stopped")


def check(settings: Settings) -> None:
    """What only the parts themselves know about their settings. Raises StartupError."""
    listening.places(settings.http, Tls(settings.data_dir))
    Topics.of(settings, settings.gateway.id)
    SparkplugTopics.of(settings)
    machines(settings.uns)
    plugins.check(settings.plugins, settings.gateway.plugins_dir)


def _register_uplink(tx: Tx, now: str) -> None:
    """Before anything is accepted, so that its counts are there from the first answer on."""
    journal.register(tx, cloud_.READER, now, 0)
